"""What people give by mistake: each is answered with one sentence that names the setting, and nothing is written.

The table is what concerns settings; `test_cli_mistakes.py` has the command line's.
"""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest

import automl
from automl import Choice, Integer, Space
from automl.errors import InvalidInput
from automl.observers import Observer
from automl.setup.splitting import refuse_field
from automl.setup.targets import resolve
from automl.strategies.random import Random


class Line(Space):
    x = Integer(0, 20)


def height(candidate):
    return candidate.x


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


WRONG = [
    # --- numbers
    ({"trials": "10"}, "trials='10': it must be a whole number"),
    ({"trials": 10.0}, "trials=10.0: it must be a whole number"),
    ({"trials": True}, "trials=True: it must be a whole number"),
    ({"trials": [10]}, "trials=[10]: it must be a whole number"),
    ({"trials": 0}, "trials=0: it must be 1 or more"),
    ({"trials": -3}, "trials=-3: it must be 1 or more"),
    ({"trials": math.nan}, "trials=nan: it must be a whole number"),
    ({"evaluations": "many"}, "evaluations='many': it must be a whole number"),
    ({"evaluations": 0}, "evaluations=0: it must be 1 or more"),
    ({"hours": "1"}, "hours='1': it must be a number"),
    ({"hours": 0}, "hours=0: it must be more than 0"),
    ({"hours": math.inf}, "hours=inf: it must be a finite number"),
    ({"hours": math.nan}, "hours=nan: it must be a finite number"),
    ({"until": "0.9"}, "until='0.9': it must be a number"),
    ({"until": math.inf}, "until=inf: it must be a finite number"),
    ({"seed": 1.5}, "seed=1.5: it must be a whole number"),
    ({"seed": None}, "seed=None: it must be a whole number"),
    ({"seed": 1 << 64}, "seed=18446744073709551616: it must be 18,446,744,073,709,551,615 at most"),
    ({"seed": -1}, "seed=-1: it must be 0 or more"),
    ({"window": 10**7}, "window=10000000: it must be 1,000,000 at most"),
    ({"replicates": 1 << 64}, "replicates=18446744073709551616: it must be 1,000,000 at most"),
    ({"test_seeds": 10**30}, "test_seeds=1000000000000000000000000000000: it must be 1,000,000 at most"),
    ({"sample": 10**80}, "it must be 1,000,000 at most"),
    ({"window": 0}, "window=0: it must be 1 or more"),
    ({"window": 2.5}, "window=2.5: it must be a whole number"),
    ({"replicates": 0}, "replicates=0: it must be 1 or more"),
    ({"replicates": "2"}, "replicates='2': it must be a whole number"),
    ({"forget_probability": 1.5}, "forget_probability=1.5: it must be between 0 and 1"),
    ({"forget_probability": "half"}, "forget_probability='half': it must be a number"),
    ({"audit_probability": -0.1}, "audit_probability=-0.1: it must be between 0 and 1"),
    ({"audit_probability": math.nan}, "audit_probability=nan: it must be a finite number"),
    ({"finalists": 0}, "finalists=0: it must be 1 or more"),
    ({"front": -1}, "front=-1: it must be 0 or more"),
    ({"confirm": 0}, "confirm=0: it must be 1 or more"),
    ({"test_seeds": 0}, "test_seeds=0: it must be 1 or more"),
    ({"sample": 1}, "sample=1: it must be 2 or more"),
    ({"repeats": 0}, "repeats=0: it must be 1 or more"),
    ({"repeats": "3"}, "repeats='3': it must be a whole number"),
    ({"workers": -1}, "workers=-1: it must be 0 or more"),
    ({"workers": "all"}, "workers='all': it must be a whole number"),
    ({"simulated_workers": 0}, "simulated_workers=0: it must be 1 or more"),
    ({"cpus_per_worker": 0}, "cpus_per_worker=0: it must be more than 0"),
    ({"gpus_per_worker": -1}, "gpus_per_worker=-1: it must be 0 or more"),
    ({"memory_per_worker": "2 cows"}, "memory_per_worker=2 cows: give a number with a unit"),
    ({"memory_per_worker": -5}, "memory_per_worker=-5: give a number with a unit"),
    ({"memory_per_worker": 4}, "memory_per_worker=4: it is 4 bytes, too little"),
    ({"timeout": 0}, "timeout=0: give a number of seconds above 0, or 'auto'"),
    ({"timeout": "1m"}, "timeout=1m: give a number of seconds above 0, or 'auto'"),
    # --- words and choices
    ({"baseline": 2}, "baseline=2: it must be between 0 and 1"),
    ({"baseline": "no"}, "baseline='no': it must be True, False or a share between 0 and 1"),
    ({"asynchronous": None}, "asynchronous=None: it must be True or False"),
    ({"warm_cache": "yes"}, "warm_cache='yes': it must be True or False"),
    ({"dashboard": 0}, "dashboard=0: it must be True or False"),
    ({"direction": "up"}, "direction='up': it must be 'maximize' or 'minimize'"),
    ({"direction": ["minimize"]}, "direction=['minimize']: it must be 'maximize' or 'minimize'"),
    ({"on_duplicate": "drop"}, "on_duplicate='drop': it must be 'serve' or 'vary'"),
    ({"on_duplicate": np.zeros(2)}, "on_duplicate=array([0., 0.]): it must be 'serve' or 'vary'"),
    ({"objective": 5}, "objective=5: it must be a text"),
    ({"objective": ["a", "b"]}, "objective=['a', 'b']: it must be a text"),
    ({"study": 5}, "study=5: it must be a text"),
    ({"study": ""}, "study ''"),
    ({"study": "mine/test"}, "study 'mine/test'"),
    ({"namespace": 5}, "namespace=5: it must be a text"),
    ({"namespace": ""}, "namespace is empty"),
    ({"storage": 5}, "storage=5: it must be a text"),
    ({"storage": None}, "storage=None: it must be a text"),
    ({"checkpoints": 5}, "checkpoints=5: it must be a text"),
    ({"ray_address": 5}, "ray_address=5: it must be a text"),
    # --- collections and functions
    ({"settings": ["population=5"]}, "settings=['population=5']: it must be a dictionary of names and values"),
    ({"settings": "population=5"}, "settings='population=5': it must be a dictionary of names and values"),
    ({"settings": {"poplation": 5}}, "unknown setting 'poplation'; did you mean population?"),
    ({"settings": {"x": 3}}, "'x' is a field of the space Line, which the search chooses, and no setting; to fix it, "),
    ({"settings": {"space.x": 3}}, "search a subclass with x = automl.Choice(3), or let Line.__init__ take x"),
    ({"settings": {"population": "many"}}, "population='many': it must be a whole number"),
    ({"enqueue": {"x": 1}}, "enqueue={'x': 1}: it must be a list of values"),
    ({"enqueue": 5}, "enqueue=5: it must be a list of values"),
    ({"enqueue": "a.jsonl"}, "enqueue='a.jsonl': it must be a list of values"),
    ({"enqueue": [{"x": 77}]}, "enqueued candidate 1"),
    ({"callbacks": 5}, "callbacks=5: it must be a list of functions"),
    ({"callbacks": [5]}, "callbacks[0]=5: it must be a function of (study, trial)"),
    ({"callbacks": [print, "log"]}, "callbacks[1]='log': it must be a function of (study, trial)"),
    ({"callbacks": print}, "it must be a list of functions"),
    ({"callbacks": [Line]}, "it must be a function of (study, trial)"),
    ({"observers": [print]}, "it must be an object of Observer"),
    ({"observers": [Observer]}, "it must be an object of Observer"),
    ({"observers": Observer()}, "it must be a list of objects of Observer"),
    # --- parts
    ({"evaluator": automl.Classification}, "evaluator Classification is a class; give an object of it"),
    ({"evaluator": 5}, "evaluator 5 is neither a name, nor an automl.Evaluator, nor a function"),
    ({"evaluator": "clasification"}, "did you mean classification"),
    ({"evaluator": "builtins:dict"}, "it must be an automl.Evaluator or a function"),
    ({"evaluator": "math:pi"}, "it must be an automl.Evaluator or a function"),
    ({"strategy": Random}, "strategy=Random: it must be an object of that class, as in Random()"),
    ({"strategy": 5}, "strategy=5: it must be a text or an object of Strategy"),
    ({"strategy": "randm"}, "did you mean random"),
    ({"strategy": "math:pi"}, "it must be a subclass of automl.strategies.Strategy"),
    ({"task": 5}, "task=5: it must be a text or an object of Task or an object of DatasetTask"),
    ({"task": (np.zeros((500, 500)),) * 2}, "it must be a text or an object of Task or an object of DatasetTask"),
    ({"task": automl.Task}, "task=Task: it must be an object of that class"),
    ({"task": "digits"}, "a function as evaluator takes no task"),
    ({"space": Line}, "space=Line: it must be an object of that class, as in Line()"),
    ({"space": 5}, "space=5: it must be a text or an object of Space"),
    # --- names
    ({"trails": 10}, "unknown setting of search() 'trails'; did you mean trials"),
    ({"n_trials": 10}, "did you mean trials"),
    ({"population": 10}, "unknown setting of search() 'population'"),
    ({"warm_cache": True}, "a warm cache is shared by several runs"),
]


@pytest.mark.parametrize(("given", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_a_slip_is_answered_with_one_sentence(folder, given, words):
    with pytest.raises(InvalidInput) as caught:
        automl.search(**{"space": Line(), "evaluator": height, "workers": 0, "trials": 5, **given})
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert len(said) < 300  # no arrays
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"trials": "10"}, "trials='10'"),
        ({"until": "high"}, "until='high'"),
        ({"workers": -1}, "workers=-1"),
        ({"seed": 3}, "unknown setting of resume() 'seed'"),
        ({"study": 5}, "study=5: it must be a text"),
    ],
    ids=str,
)
def test_slips_of_resume(folder, given, words):
    with pytest.raises(InvalidInput) as caught:
        automl.resume(**{"study": "mine", **given})
    assert words in str(caught.value)
    assert not list(folder.iterdir())


class Block(Space):
    width = Choice(4, 8)

    def __init__(self, width=None):
        if width is not None:
            self.width = Choice(width)


class Net(Space):
    block = Block()


def test_a_field_named_as_a_setting_is_fixed_in_the_ways_that_the_sentence_names():
    with pytest.raises(
        InvalidInput, match=r"'block' is a field of the space Net, .* with block = a space with width = "
    ):
        refuse_field(Net, "block.width", 8)
    with pytest.raises(InvalidInput, match=r"'x' is a field of the space Line"):
        resolve(f"{__file__}:Line", {"x": 3})
    assert type("Fixed", (Line,), {"x": Choice(3)})().size() == 1
    refuse_field(Block, "depth", 3)
    assert resolve(f"{__file__}:Block", {"width": 8})[0].size() == 1


def test_what_is_missing_or_given_twice_is_python_s_own_error():
    with pytest.raises(TypeError, match="missing a required argument: 'space'"):
        automl.search(trials=3)
    with pytest.raises(TypeError, match="too many positional arguments"):
        automl.search(Line(), "digits")


def test_what_is_right_in_other_clothes_is_taken(folder):
    """Numbers of NumPy, fractions, tuples, generators and candidates are no mistakes."""
    study = automl.search(
        Line(),
        evaluator=automl.FunctionEvaluator(functools.partial(lambda factor, c: factor * c.x, 2), code_version="1"),
        workers=np.int64(0),
        trials=np.int32(12),
        seed=np.uint8(3),
        audit_probability=Fraction(1, 4),
        forget_probability=np.float32(0.25),
        enqueue=(Line().decode({"x": x}) for x in (4, 5)),
        callbacks=(lambda study, trial: None,),
        sample=4,
    )
    assert [trial.candidate for trial in study.trials()][:2] == ['{"x":4}', '{"x":5}']
    assert study.settings["trials"] == 12
    assert (study.settings["audit_probability"], study.settings["forget_probability"]) == (0.25, 0.25)
    study.close()
