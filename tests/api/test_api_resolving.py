"""Each name that a search is given is looked up once."""

import sys
from collections import Counter

import pytest
from user_files import SPACE

import automl
from automl.observers import Observer

MODULE = '''
import automl
from automl.spaces.space import Defaults
from automl.strategies.random import Random
from collections import Counter

LOOKED_UP = Counter()


class _Line(automl.Space):
    """A line, of a slope that is a setting."""

    x = automl.Integer(0, 20)
    defaults = Defaults(evaluator="counting:rate", strategy="counting:Sampling", trials=6)


class _Sampling(Random):
    """Uniform samples."""

    name = "sampling"


def _rate(candidate):
    return {"score": candidate.x}


_THINGS = {"Line": _Line, "Sampling": _Sampling, "rate": _rate}


def __getattr__(name):
    """What `counting:NAME` is looked up with."""
    if name not in _THINGS:
        raise AttributeError(name)
    LOOKED_UP[name] += 1
    return _THINGS[name]
'''


@pytest.fixture
def counting(tmp_path, monkeypatch):
    """A module that counts how often each of its names is looked up."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "counting.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("counting", None)
    import counting

    yield counting
    sys.modules.pop("counting", None)


GIVEN = {"objective": "score", "workers": 0, "baseline": False, "sample": 2, "study": "mine"}
NAMED = {"evaluator": "counting:rate", "strategy": "counting:Sampling"}


@pytest.mark.parametrize("named", [{}, NAMED], ids=["by default", "by name"])
def test_a_search_looks_each_name_up_once(counting, named):
    study = automl.search("counting:Line", **GIVEN, **named)
    assert len(list(study.trials())) == 6
    study.close()
    assert Counter(Line=1, rate=1, Sampling=1) == counting.LOOKED_UP
    counting.LOOKED_UP.clear()
    automl.search("counting:Line", **GIVEN, **named, trials=9, observers=[Observer()]).close()
    assert Counter(Line=1, rate=1, Sampling=1) == counting.LOOKED_UP
    counting.LOOKED_UP.clear()
    automl.resume("mine", workers=0, trials=12, observers=[Observer()]).close()
    assert Counter(Line=1, rate=1, Sampling=1) == counting.LOOKED_UP


def test_a_file_is_read_once_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "lines.py"
    path.write_text(SPACE)
    opened, watching = [], [True]

    def watch(event, arguments):
        if watching[0] and event == "open" and str(arguments[0]) == str(path):
            opened.append(arguments)

    sys.addaudithook(watch)  # stays for good, so it can be told to do nothing
    given = {**GIVEN, "evaluator": f"{path}:rate"}
    try:
        automl.search(f"{path}:Pairs", **given).close()
        once = len(opened)
        automl.search(f"{path}:Pairs", **given, trials=40, observers=[Observer()]).close()
        automl.resume("mine", workers=0, trials=50, observers=[Observer()]).close()
    finally:
        watching[0] = False
    again = (len(opened) - once) / 2
    assert again == 2  # a name each: the space and the evaluator
    assert once <= again + 2  # and once to run it, once to read its source
