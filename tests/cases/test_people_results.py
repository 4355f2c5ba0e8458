"""What people return from their functions and hand from one study to the next: figures, costs, directions, starts."""

import functools
import json
import warnings

import numpy as np
import pytest

import automl
from automl import Choice, Integer, Real, Space
from automl.errors import InvalidEnqueued, InvalidInput
from automl.evaluators.directions import direction_of
from automl.evaluators.figures import as_number
from automl.setup.enqueued import enqueued_values


class Numbers(Space):
    x = Integer(0, 50)
    rate = Choice(0.1, 0.2, 0.1 * 3)


def rated(function, version="1", **more):
    return automl.FunctionEvaluator(function, code_version=version, **more)


@pytest.fixture
def search(tmp_path):
    def run(space=None, evaluator=None, name="s", **more):
        settings = {
            "trials": 12,
            "workers": 0,
            "baseline": False,
            "finalists": 1,
            "sample": 2,
            "progress": False,
            **more,
        }
        evaluator = evaluator or rated(lambda c: float(c.x))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            study = automl.search(
                space or Numbers(), evaluator=evaluator, storage=f"sqlite:///{tmp_path}/{name}.db", **settings
            )
        return study, [str(item.message) for item in said if issubclass(item.category, UserWarning)]

    return run


# --- more than numbers beside the figure -----------------------------------------------------------------------------

BESIDE = {
    "texts": {"status": "ok", "model": "a b"},
    "nothing": {"note": None},
    "lists and dicts": {"history": [1.0, 2.0], "config": {"lr": 0.1}, "shape": (3, 3)},
    "arrays": {"curve": np.arange(3), "names": np.array(["a"])},
    "bytes and objects": {"raw": b"1.0", "thing": object()},
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_is_no_number_is_left_out_and_named_once(name, search):
    study, said = search(evaluator=rated(lambda c: {"fitness": float(c.x), "loss": np.float32(0.5), **BESIDE[name]}))
    trials = list(study.trials())
    assert not [trial.error for trial in trials if trial.error]
    assert all(set(trial.metrics) == {"fitness", "loss"} for trial in trials)
    told = [text for text in said if "more than numbers" in text]
    assert len(told) == 1
    assert all(repr(entry) in told[0] for entry in BESIDE[name])


def test_numbers_of_any_library_are_figures():
    torch = pytest.importorskip("torch")
    for value in (3, True, np.float32(3), np.int8(3), np.array(3), np.array([3.0]), torch.tensor(3), torch.ones(1)):
        assert as_number(value) == float(value.item() if hasattr(value, "item") else value)
    for value in ("3", None, [3], {}, torch.ones(2), np.ones(2), object(), 1j, b"3", 10**400):
        assert as_number(value) is None


def test_a_figure_that_is_none_fails_the_trial_and_is_quoted(search):
    study, _ = search(evaluator=rated(lambda c: {"fitness": [1.0] if c.x % 2 else "0.25", "status": "ok"}))
    errors = {trial.error for trial in study.trials()}
    assert errors <= {"", "metric 'fitness' is [1.0], which is no number"}
    assert {trial.fitness for trial in study.trials()} <= {0.25, None}


def test_a_text_in_a_report_is_left_out_of_the_learning_curve(search):
    def rate(c, report):
        report(1, {"loss": 0.5, "phase": "warm up"})
        return float(c.x)

    study, _ = search(evaluator=rated(rate))
    assert [curve.points for curve in study.learning_curves(study.best.trial)] == [[(1.0, {"loss": 0.5})]]


# --- costs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("costs", "words", "kept"),
    [
        (lambda self, c: {"p": 1.0} if c.x < 48 else {}["parameters"], "raises KeyError", {}),
        (lambda self, c: {"p": 1.0, "q": 2} if c.x < 48 else {"p": float("inf"), "q": 2}, "gives p=inf", {"q": 2}),
        (lambda self, c: {"p": 1.0} if c.x < 48 else None, "returns None", {}),
        (lambda self, c: {"p": 1.0} if c.x < 48 else {"p": "many"}, "gives p='many'", {}),
    ],
)
@pytest.mark.parametrize("strategy", ["random", "nsga2"])
def test_costs_that_fail_now_and_then_are_said_once_and_end_nothing(costs, words, kept, strategy, search):
    space = type("Dear", (Numbers,), {"costs": costs})()
    more = {"settings": {"objectives": "fitness:maximize,p:minimize"}} if strategy == "nsga2" else {}
    study, said = search(space, trials=150, strategy=strategy, window=4, **more)
    told = [text for text in said if "costs() of Dear" in text]
    assert len(told) == 1
    assert words in told[0]
    for trial in study.trials():
        value = json.loads(trial.candidate)["x"]
        # Where the cost is an objective, a trial without it has failed, and that trial only.
        assert trial.fitness == (None if strategy == "nsga2" and value >= 48 else value)
        assert dict(trial.costs) == kept if value >= 48 else dict(trial.costs)["p"] == 1.0
    study.report()


# --- the direction of an objective -----------------------------------------------------------------------------------

LESS = (
    "loss val_loss testRMSE rmse mae MSE perplexity latency_ms seconds train_time nll log_loss cross_entropy error_rate"
)
MORE = "accuracy val_acc fitness reward neg_mean_squared_error log_likelihood 1-error auc minus_loss"


@pytest.mark.parametrize("name", LESS.split())
def test_a_loss_by_name_is_minimized_and_that_is_said(name, search):
    assert direction_of(name) == "minimize"
    study, said = search(evaluator=rated(lambda c: {name: float(c.x)}), objective=name, trials=40)
    assert study.settings["direction"] == "minimize"
    assert study.best.fitness == min(trial.fitness for trial in study.trials())
    assert [text for text in said if f"{name!r} is minimized" in text]


@pytest.mark.parametrize("name", [*MORE.split(), "x", "top1"])
def test_other_names_are_maximized(name, search):
    assert direction_of(name) in ("maximize", None)
    study, said = search(evaluator=rated(lambda c: {name: float(c.x)}), objective=name)
    assert study.settings["direction"] == "maximize"
    assert not said


@pytest.mark.parametrize(
    "name", ["accuracy_loss", "time_to_accuracy", "loss_reduction", "distance", "explained_variance"]
)
def test_a_name_that_says_both_is_asked_about(name, search):
    evaluator = rated(lambda c: {name: float(c.x)})
    with pytest.raises(InvalidInput, match="give direction="):
        search(evaluator=evaluator, objective=name)
    study, said = search(evaluator=evaluator, objective=name, direction="minimize")
    assert study.settings["direction"] == "minimize"
    assert not said


def test_the_name_of_a_bare_number_says_its_direction_too(search):
    study, _ = search(evaluator=rated(lambda c: float(c.x), objective_name="val_loss"))
    assert study.settings["direction"] == "minimize"
    study, _ = search(evaluator=rated(lambda c: float(c.x), objective_name="val_loss"), name="t", direction="maximize")
    assert study.settings["direction"] == "maximize"


# --- our own results as a start --------------------------------------------------------------------------------------


def test_what_a_study_gives_is_taken_as_a_start(search):
    pandas = pytest.importorskip("pandas")
    first, _ = search()
    best, space = first.best, Numbers()
    frame = first.trials_dataframe()
    report = first.report().json()
    forms = {
        "best": best,
        "candidate": best.candidate,
        "its text": best.candidate.json,
        "as Python shows it": repr(best.candidate),
        "its data": best.candidate.value,
        "an entry of the report": report["best"],
        "its text again": json.dumps(report["best"]),
        "a record": next(iter(first.trials())),
        "a row": frame.iloc[0],
        "a row as a dict": frame.to_dict("records")[0],
        "numbers of numpy": {"x": np.int64(3), "rate": np.float64(0.1)},
        "a row of fields": pandas.DataFrame([{"x": 3, "rate": 0.3, "fitness": 7.0}]).iloc[0],
        "nearly an option": {"x": 3, "rate": 0.3},
    }
    for name, form in forms.items():
        (value,) = enqueued_values(space, [form])
        assert json.loads(json.dumps(value)) == value, name
        assert space.decode(value), name
    study, _ = search(name="n", enqueue=list(forms.values()), trials=len(forms))
    assert {trial.origin for trial in study.trials()} == {"enqueued"}
    assert next(iter(study.trials())).candidate == best.candidate.json
    many = enqueued_values(space, [row for _, row in frame.iterrows()])
    assert [space.decode(value).json for value in many] == list(frame["candidate"])
    again, _ = search(name="again", enqueue=[forms["a record"]], trials=3, study="s")
    assert search(name="again", enqueue=[forms["a record"].candidate], trials=3, study="s")[0].best == again.best
    with pytest.raises(InvalidInput, match=r"^enqueue=.* must be a list"):
        search(enqueue=best)


def test_what_is_no_start_is_refused_with_its_number(search):
    good = {"x": 1, "rate": 0.1}
    for bad in ({"x": 99, "rate": 0.1}, "nonsense", '{"x": 1}', 7, None, {"candidate": "{}"}, [good], '"x"', "[" * 50):
        with pytest.raises(InvalidEnqueued, match=r"^enqueued candidate 2: ") as caught:
            search(enqueue=[good, bad])
        assert len(str(caught.value)) < 500


def test_a_text_space_takes_its_texts_and_their_json():
    from search_spaces.nas.nasbench201 import NASBench201

    space = NASBench201()
    text = space.sample(np.random.default_rng(0)).value
    spaced = text.replace("|+|", "| + |").replace("|", " | ")
    assert enqueued_values(space, [text, json.dumps(text), {"candidate": text}, spaced]) == (text, text, text, spaced)


# --- callables that are no functions ---------------------------------------------------------------------------------


def test_callables_of_any_kind_are_taken_or_refused_in_a_sentence(search):
    def rate(c, goal):
        return -abs(c.x - goal)

    class Rater:
        def __call__(self, c):
            return float(c.x)

        def rate(self, c):
            return float(c.x)

    for given in (functools.partial(rate, goal=3), Rater(), Rater().rate, np.vectorize(rate), dict, max, print):
        study = sentence = None
        try:
            study, _ = search(evaluator=given, name="c")
        except InvalidInput as error:
            sentence = str(error)
        assert study is not None or (sentence and "\n" not in sentence)
    study, _ = search(evaluator=rated(functools.partial(rate, goal=3)), name="d")
    assert study.best


class Wide(Space):
    x = Real(0, 1)


def test_settings_of_parts_without_a_signature_are_none():
    from automl.settings import known

    assert known(dict) == known(functools.partial) == {}
    assert known(Wide) == {}
