"""The same name again: what is left out is as it is stored, a budget may grow, any other difference is refused."""

import pytest
from user_files import SPACE

import automl
from automl.errors import InvalidInput, StudyMismatch
from automl.observers import Observer


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.py").write_text(SPACE)
    return f"sqlite:///{tmp_path / 'a.db'}"


class Heard(Observer):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def search(url, target="pairs.py", **given):
    study = automl.search(target, **{"workers": 0, "study": "mine", "storage": url, **given})
    study.close()
    return study


def told(study):
    opened = automl.Study.open(study.name, study.database.url)
    found = [(trial.number, trial.candidate, trial.fitness) for trial in opened.trials()]
    opened.close()
    return found


FIRST = {
    "objective": "score", "direction": "minimize", "trials": 20, "seed": 7, "window": 5, "strategy": "random",
    "namespace": "own", "replicates": 2, "sample": 4, "finalists": 2, "baseline": False,
    "enqueue": [{"x": 1, "y": 2, "word": "plus"}],
}  # fmt: skip


def test_what_is_left_out_is_as_it_is_stored(url):
    first = search(url, **FIRST)
    again = search(url)
    assert again.record_id == first.record_id
    assert told(again) == told(first)
    assert again.settings == first.settings
    assert search(url, seed=7, strategy="random", enqueue=FIRST["enqueue"]).record_id == first.record_id


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("seed", 0, "seed: 7, now 0"),  # the default is a difference where it is given
        ("window", 4, "window: 5, now 4"),
        ("strategy", "regularized_evolution", "strategy.name: 'random', now 'regularized_evolution'"),
        ("namespace", "default", "namespace: 'own', now 'default'"),
        ("replicates", 1, "replicates: 2, now 1"),
        ("direction", "maximize", "direction: 'minimize', now 'maximize'"),
        ("baseline", True, "baseline: False, now True"),
        ("enqueue", [], "enqueue: "),
    ],
)
def test_what_is_given_is_compared(url, name, value, said):
    first = search(url, **FIRST)
    with pytest.raises(StudyMismatch) as caught:
        search(url, **{name: value})
    assert said in str(caught.value)
    others = {"seed", "window", "namespace", "replicates", "direction", "baseline", "enqueue", "trials"} - {name}
    assert not [one for one in others if f"{one}: " in str(caught.value)]
    stored = automl.Study.open("mine", url)
    assert stored.settings == first.settings
    stored.close()


def test_a_study_goes_on_on_a_machine_with_other_cores(url, monkeypatch):
    """The default window follows the number of workers; a stored study keeps its own."""
    first = search(url, objective="score", trials=12, simulated_workers=2, baseline=False)
    assert first.settings["window"] == 8
    again = search(url, objective="score", trials=12, simulated_workers=5)
    assert again.settings["window"] == 8
    assert told(again) == told(first)
    other = search(url, study="other", objective="score", trials=12, simulated_workers=5, baseline=False)
    assert other.settings["window"] == 20


def test_settings_of_parts_are_kept_too(url):
    first = search(url, objective="score", trials=12, settings={"population": 5, "tournament": 2}, baseline=False)
    again = search(url)
    assert again.settings["strategy"]["settings"] == first.settings["strategy"]["settings"]
    assert again.settings["strategy"]["settings"]["population"] == 5
    with pytest.raises(StudyMismatch, match=r"\(strategy.settings.population: 5, now 6\)"):
        search(url, settings={"population": 6})


def test_a_strategy_of_a_file_is_found_again(url, tmp_path):
    (tmp_path / "mine.py").write_text(
        SPACE.replace("strategy_settings={", 'strategy=f"{__file__}:Mine", strategy_settings={')
        + "\n\nfrom dataclasses import dataclass\nfrom automl.strategies.evolution import RegularizedEvolution\n\n"
        "@dataclass\nclass Mine(RegularizedEvolution):\n    name = 'of-mine'\n"
    )
    first = search(url, "mine.py:Pairs", objective="score", trials=12, baseline=False)
    assert first.settings["strategy"]["name"] == "of-mine"
    assert search(url, "mine.py:Pairs").record_id == first.record_id
    resumed = automl.resume("mine", storage=url, workers=0, trials=15)
    assert len(list(resumed.trials())) == 15
    resumed.close()


def test_a_budget_grows_and_says_so(url):
    before, heard = told(search(url, **FIRST)), Heard()
    more = search(url, trials=30, observers=[heard])
    assert told(more)[:20] == before
    assert len(told(more)) == 30
    assert more.settings["trials"] == 30
    assert "Study mine goes on with a larger budget: trials 30 instead of 20." in heard.said
    same = Heard()
    search(url, trials=30, observers=[same])
    search(url, observers=[same])
    assert not [text for text in same.said if "budget" in text]
    whole = search(url, study="whole", **{**FIRST, "trials": 30})
    assert [row[1] for row in told(whole)] == [row[1] for row in told(more)]  # as if it had been 30 from the start


def test_without_an_observer_python_says_it(url):
    search(url, **FIRST)
    with pytest.warns(UserWarning, match="trials 25 instead of 20"):
        search(url, trials=25, progress=False)


def test_limits_that_stand_are_named(url):
    search(url, **{**FIRST, "trials": None, "evaluations": 15})
    heard = Heard()
    search(url, trials=500, observers=[heard])
    [said] = [text for text in heard.said if "budget" in text]
    assert "trials 500, where it had no such limit; it still ends at evaluations 15." in said


def test_a_smaller_budget_is_refused_in_one_sentence(url):
    search(url, **FIRST)
    for call in (lambda: search(url, trials=10), lambda: automl.resume("mine", storage=url, trials=10, workers=0)):
        with pytest.raises(InvalidInput) as caught:
            call()
        assert str(caught.value) == (
            "trials=10 is less than the study's 20; a budget can only grow: leave it out to go on with 20, "
            "or take another study name"
        )


def test_until_grows_towards_better(url):
    search(url, **FIRST, until=1.0)
    with pytest.raises(InvalidInput, match=r"until=2\.0 is easier to reach than the study's 1\.0"):
        search(url, until=2.0)
    assert search(url, until=-3.0, observers=[Heard()]).settings["until"] == -3.0


def test_nothing_grows_where_something_else_differs(url):
    first = search(url, **FIRST)
    with pytest.raises(StudyMismatch, match=r"\(seed: 7, now 8\)"):
        search(url, trials=30, seed=8)
    stored = automl.Study.open("mine", url)
    assert stored.settings == first.settings
    assert stored.finished
    stored.close()


def test_a_program_with_its_own_objects_extends_its_study(url):
    """FIRST-USER's case: an object as space and a function as evaluator, 10 trials, then 20."""

    class Line(automl.Space):
        a = automl.Real(0, 1)

    def rate(candidate):
        return candidate.a

    given = {"target": Line(), "evaluator": rate, "baseline": False, "sample": 2}
    before = told(search(url, trials=10, **given))
    heard = Heard()
    more = search(url, trials=20, observers=[heard], **given)
    assert told(more)[:10] == before
    assert len(told(more)) == 20
    assert "Study mine goes on with a larger budget: trials 20 instead of 10." in heard.said


def test_several_runs_go_on_as_they_were_stored(url):
    given = {**FIRST, "replicates": 1}
    search(url, **given, repeats=2, warm_cache=True)
    heard = Heard()
    more = search(url, trials=30, observers=[heard])
    assert [run.settings["trials"] for run in more.runs] == [30, 30]
    assert [run.name for run in more.runs] == ["mine/1", "mine/2"]
    assert {run.settings["namespace"] for run in more.runs} == {"own"}
    assert len(told(more)) == 60
    assert [text for text in heard.said if "budget" in text] == [
        "Study mine goes on with a larger budget: trials 30 instead of 20."
    ]
