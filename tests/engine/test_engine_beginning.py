"""Searches that begin from known results: what is told, what comes first, what counts as new, and that it stays so."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import ClassVar

import pytest

import automl
from automl.engine.gathering import FIRST, MOST_TOLD
from automl.engine.signals import Stopped
from automl.storage.studies import StudyStore
from automl.strategies.random import Random

QUICK = {
    "workers": 0, "finalists": 2, "sample": 4, "confirm": 1, "test_seeds": 1, "progress": False, "window": 4,
    "objective": "height",
}  # fmt: skip


class Plane(automl.Space):
    x = automl.Integer(0, 30)
    y = automl.Integer(0, 30)


class Corner(Plane):
    x = automl.Integer(0, 10)


@dataclass(frozen=True)
class Hill(automl.Evaluator):
    """As many contexts as there are peaks."""

    name = "hill"
    metrics: ClassVar[dict[str, str]] = {"height": "maximize", "depth": "minimize"}
    deterministic = True
    peak: int = 20

    def evaluate(self, work, how):
        value = work.behaviour.value
        if value["x"] == 3:
            raise ValueError("a hole")
        depth = (value["x"] - self.peak) ** 2 + (value["y"] - self.peak) ** 2
        return {"height": -float(depth), "depth": float(depth)}


@dataclass
class Spy(Random):
    name = "spy"
    begun: ClassVar[list] = []

    def begin(self, known):
        type(self).begun = list(known)
        super().begin(known)


@pytest.fixture
def search(tmp_path):
    opened = []

    def run(name, space=None, **given):
        given = {"storage": f"sqlite:///{tmp_path}/a.db", "evaluator": Hill(), "baseline": False, **QUICK, **given}
        opened.append(automl.search(space or Plane(), study=name, **given))
        return opened[-1]

    yield run
    for study in opened:
        study.close()


def trials(study):
    return [(one.candidate, one.origin, one.outcome, one.fitness) for one in study.trials()]


def test_a_strategy_is_told_what_is_known_and_the_best_of_it_comes_first(search):
    known = {one.candidate: one.fitness for one in search("old", strategy="random", trials=60).trials()}
    assert None in known.values()
    study = search("new", strategy=Spy(), evaluations=10, begin_from="context")
    told = Spy.begun
    assert {one.candidate.json: one.fitness for one in told} == known
    assert [one.number for one in told] == list(range(-len(known), 0))
    values = sorted(value for value in known.values() if value is not None)
    assert [one.fitness for one in told] == [None] * (len(known) - len(values)) + values
    assert all(one.duplicate for one in told)
    first = [one[1:] for one in trials(study)[:2]]
    assert first == [("known", "hit", values[-1]), ("known", "hit", values[-2])]
    new = {one.key for one in study.trials()} - {one.key for one in study.store.trials(study.store.find("old").id)}
    assert len(new) == 10  # what is known is no evaluation of the budget
    assert study.report().data.search.counted == 10


def test_a_loss_is_told_as_a_fitness_to_maximize(search):
    search("old", strategy="random", trials=20, objective="depth", direction="minimize")
    search("new", strategy=Spy(), trials=4, objective="depth", direction="minimize", begin_from=["context"])
    values = [one.fitness for one in Spy.begun if one.fitness is not None]
    assert values == sorted(values)
    assert values[-1] <= 0 < Spy.begun[-1].metrics["depth"] + 1


def test_evolution_and_the_surrogate_go_on_from_what_is_known(search):
    search("old", strategy="random", trials=60)
    given = {"begin_from": "context", "trials": 30}
    evolved = search("evolved", strategy="regularized_evolution", settings={"population": 20, "tournament": 5}, **given)
    learned = search("learned", strategy="surrogate", settings={"hashed": 20}, **given)
    for study in (evolved, learned):
        own = [one for one in study.trials() if one.origin != "known"]
        assert all(parent >= 0 for one in own for parent in one.parents)
        assert sum(one.fitness or -900.0 for one in own) / len(own) > -150.0  # of uniform samples -250 in the mean
    assert {one.origin for one in evolved.trials()} == {"known", "mutate"}  # its population was full


def test_local_search_climbs_from_the_best_that_is_known(search):
    old = search("old", strategy="random", trials=60)
    study = search("new", strategy="local_search", trials=12, begin_from="context")
    best = old.best.candidate.value
    assert [one.origin for one in study.trials()][2:] == ["mutate"] * 10
    child = json.loads(list(study.trials())[2].candidate)
    assert sum(child[name] != best[name] for name in best) == 1


def test_what_functions_reached_elsewhere_orders_the_first_evaluations(search):
    old = search("old", strategy="random", trials=60)
    order = sorted((one for one in old.trials() if one.fitness is not None), key=lambda one: -one.fitness)
    study = search("new", evaluator=Hill(peak=22), strategy="random", trials=12, begin_from="context")
    first = trials(study)[:FIRST]
    assert {one[0] for one in first} == {one.candidate for one in order[:FIRST]}
    assert {one[1:3] for one in first} == {("known elsewhere", "miss")}
    heights = {one.candidate: one.fitness for one in order}
    assert [heights[one[0]] for one in first] == sorted((heights[one[0]] for one in first), reverse=True)
    assert trials(study)[FIRST][1] == "sample"


def test_only_what_the_named_studies_met_counts(search):
    one = search("one", strategy="random", trials=10, seed=1)
    search("two", strategy="random", trials=10, seed=2)
    search("new", strategy=Spy(), trials=3, begin_from=["one"])
    assert {told.candidate.json for told in Spy.begun} == {trial.candidate for trial in one.trials()}
    search("newer", strategy=Spy(), trials=3, begin_from=("one", "two"))
    assert len(Spy.begun) == 20


def test_candidates_of_other_spaces_are_left_out(search):
    every = search("old", strategy="random", trials=40)
    inside = [one for one in every.trials() if json.loads(one.candidate)["x"] <= 10]
    assert 0 < len(inside) < 40
    search("new", Corner(), strategy=Spy(), trials=3, begin_from="context")
    assert {told.candidate.json for told in Spy.begun} == {trial.candidate for trial in inside}


def test_more_than_a_strategy_can_use_are_cut_to_the_best_and_a_sample(search):
    old = search("old", strategy="random", trials=700, window=64)
    known = {one.key: one.fitness for one in old.trials()}
    study = search("new", strategy=Spy(), trials=3, begin_from="context")
    counts = study.report().json()["begun"]
    assert counts["known"] == len(known) > MOST_TOLD == counts["told"] == len(Spy.begun)
    best = sorted((one for one in known.values() if one is not None), reverse=True)[: MOST_TOLD // 2]
    assert [one.fitness for one in Spy.begun[: -len(best) - 1 : -1]] == best


def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been_whatever_becomes_known(search, tmp_path):
    url = f"sqlite:///{tmp_path}/b.db"
    for place in (f"sqlite:///{tmp_path}/a.db", url):
        search("old", storage=place, strategy="random", trials=15)
    given = {"strategy": "surrogate", "settings": {"hashed": 4}, "trials": 14, "begin_from": "context"}
    whole = trials(search("new", **given))

    def stop(study, trial):
        if trial.number == 7:
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, Stopped)):
        search("new", storage=url, callbacks=[stop], **given)
    search("between", storage=url, strategy="random", trials=40, seed=9)
    again = trials(search("new", storage=url))
    assert [one[:2] for one in again] == [one[:2] for one in whole]
    assert [one[3] for one in again] == [one[3] for one in whole]


def test_known_results_that_were_changed_are_noticed(search, tmp_path):
    search("old", strategy="random", trials=10)
    study = search("new", strategy="random", trials=4, begin_from="context")
    number = study.store.find("new/known").id
    study.close()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("update trial set fitness = fitness + 1 where study = ? and position = 9", (number,))
    with pytest.raises(automl.InvalidInput, match="known results that study 'new' began from are not what they were"):
        search("new", trials=8)


def test_random_search_begins_with_nothing_and_with_the_same_results_and_the_verdict_names_both(search):
    search("old", strategy="random", trials=40)
    given = {"settings": {"hashed": 30}, "strategy": "surrogate", "begin_from": "context"}
    study = search("new", evaluations=25, baseline=True, test_seeds=2, **given)
    cold, same = study.store.find("new/random"), study.store.find("new/random-begun")
    assert not {one.origin for one in study.store.trials(cold.id)} & {"known"}
    first = [one.origin for one in study.store.trials(same.id)][:3]
    assert first == ["known", "known", "sample"]
    assert {one.outcome for one in study.store.trials(same.id)} <= {"hit", "failed"}  # all of it was evaluated before
    report = study.report()
    begun = report.json()["begun"]
    assert begun["known"] == begun["told"] == len({one.key for one in study.store.trials(study.store.find("old").id)})
    assert report.data.begun.random.counted == report.data.random.counted == 25
    text = " ".join(str(report).split())
    assert "random search that begins with nothing" in text
    assert "random search that begins with the same known results" in text
    assert "random search, same beginning" in text
    assert f"Begins from {begun['known']} known results." in text
    assert begun["gain_with_the_same_beginning"]["value"] <= report.data.gain.value


def test_a_search_that_finds_nothing_better_than_what_was_known_beats_nobody(search):
    search("old", strategy="random", trials=60, enqueue=[{"x": 20, "y": 20}])
    study = search("new", strategy="surrogate", settings={"hashed": 10}, trials=20, begin_from="context", baseline=True)
    report = study.report()
    assert study.best.candidate.value == {"x": 20, "y": 20}
    assert not report.data.verdict.beats
    assert report.data.begun.gain.value == 0.0


def test_wrong_beginnings_are_refused_before_anything_is_written(search, tmp_path):
    with pytest.raises(automl.InvalidInput, match="no study 'gone', for there is no database yet"):
        search("new", trials=3, begin_from="gone")
    assert not (tmp_path / "a.db").exists()
    search("old", strategy="random", trials=3)
    with pytest.raises(automl.InvalidInput, match="there is no study 'gone' in this database"):
        search("new", trials=3, begin_from=["old", "gone"])
    with pytest.raises(automl.InvalidInput, match="give it alone, or names of studies"):
        search("new", trials=3, begin_from=["context", "old"])
    with pytest.raises(automl.InvalidInput, match="each run has a cold part of the cache"):
        search("new", trials=3, begin_from="context", repeats=2)
    assert search("new", trials=3, begin_from="none").settings["begin_from"] == []
    with pytest.raises(automl.errors.StudyMismatch, match="begin_from"):
        search("new", begin_from="context")


def test_nothing_known_is_said_and_changes_nothing(search):
    heard = []

    class Hears(automl.observers.Observer):
        def note(self, text):
            heard.append(text)

    cold = trials(search("cold", strategy="random", trials=8, namespace="one"))
    begun = search("begun", strategy="random", trials=8, namespace="two", begin_from="context", observers=[Hears()])
    assert trials(begun) == cold
    assert "Nothing is known to begin from." in heard


def test_a_search_that_is_extended_has_the_random_search_that_it_would_have_had_at_once(search, tmp_path):
    url = f"sqlite:///{tmp_path}/b.db"
    given = {"strategy": "regularized_evolution", "settings": {"population": 10, "tournament": 3}}
    given |= {"begin_from": "context", "baseline": True, "test_seeds": 2}
    for place in (f"sqlite:///{tmp_path}/a.db", url):  # many of the samples are known, so that it needs more of them
        search("old", Corner(), storage=place, strategy="random", trials=250)
    whole = search("new", Corner(), trials=60, window=16, **given)
    search("new", Corner(), storage=url, trials=21, window=16, **given)
    again = search("new", Corner(), storage=url, trials=60, window=16, **given)
    for name in ("new", "new/random", "new/random-begun"):
        one, other = (
            [(row.candidate, row.origin) for row in study.store.by_number(study.store.find(name).id)]
            for study in (whole, again)
        )
        assert one == other
    data = again.report().data
    assert data.begun.random.counted == data.random.counted == data.search.counted
    cold, same = (again.store.find(name).trials for name in ("new/random", "new/random-begun"))
    assert same > cold + 2  # it had to draw samples that the other one had not


def test_a_search_that_meets_nothing_new_finishes(search):
    class Dot(automl.Space):
        x = automl.Integer(0, 3)
        y = automl.Integer(0, 0)

    search("old", Dot(), strategy="random", trials=40)
    study = search("new", Dot(), strategy="regularized_evolution", trials=9, begin_from="context", baseline=True)
    assert study.finished
    data = study.report().data
    assert (data.search.counted, data.random.counted) == (0, 1)
    assert not data.verdict.beats


def test_what_is_known_of_ratings_is_no_evaluation_of_the_final_evaluator(search):
    given = {"final": Hill(peak=22), "strategy": "random", "trained": 4}
    search("old", trials=30, **given)
    data = search("new", trials=30, begin_from="context", **given).report().data
    assert data.search.counted == 4


def test_studies_that_a_search_began_from_may_go(search, tmp_path):
    old = search("old", strategy="random", trials=10)
    search("kept", strategy="random", trials=4, begin_from="old")
    old.rename("older")
    assert len(trials(search("kept", trials=6))) == 6
    old.delete()
    assert len(trials(search("kept", trials=8))) == 8
    with pytest.raises(automl.InvalidInput, match="there is no study 'old'"):
        search("new", trials=3, begin_from="old")


def test_a_kill_while_what_is_known_is_written_down_leaves_a_search_that_begins_again(search, monkeypatch):
    search("old", strategy="random", trials=10)
    with monkeypatch.context() as patch:

        def killed(store, study, name, value, connection=None, note=StudyStore.note):
            if name == "begun":
                raise KeyboardInterrupt
            note(store, study, name, value, connection)

        patch.setattr(StudyStore, "note", killed)
        with pytest.raises((KeyboardInterrupt, Stopped)):
            search("new", strategy=Spy(), trials=4, begin_from="context")
    study = search("new", strategy=Spy(), trials=4, begin_from="context")
    assert (study.finished, len(Spy.begun)) == (True, 10)
    assert study.report().json()["begun"]["known"] == 10


def test_merged_searches_have_begun_from_nothing_and_keep_all_looks(search, tmp_path):
    search("old", strategy="random", trials=20)
    given = {"strategy": "regularized_evolution", "baseline": True, "test_seeds": 2}
    one = search("one", trials=10, begin_from="context", **given)
    search("other", trials=12, seed=1, begin_from=["old"], **given)
    other = search("other", trials=16, seed=1, begin_from=["old"], **given)
    merged = automl.Study.merge(["one", "other"], "both", f"sqlite:///{tmp_path}/a.db")
    classes = len({row.key for row in (*one.trials(), *other.trials())})
    assert merged.settings["begin_from"] == []
    environment = merged.settings["environment"]
    assert not {"begun", "compared", "expected"} & {*environment}
    assert [look["trials"] for look in environment["looks"]] == [10, 12, 16]
    merged.close()
    data = search("both", trials=26, seed=0, **given).report().data
    assert data.search.counted == data.random.counted == classes
    assert data.begun is None


def test_a_study_under_older_keys_is_no_silent_beginning(search, tmp_path):
    search("old", strategy="random", trials=4).close()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        changed = connection.execute("update study set settings = json_set(settings, '$.hasher.version', '1')")
        assert changed.rowcount
    with pytest.raises(automl.InvalidInput, match=r"'old' has keys of version 1 .* `automl cache rekey --study old"):
        search("new", trials=3, begin_from="old")
