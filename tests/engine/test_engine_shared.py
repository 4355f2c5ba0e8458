"""Two searches at one time on one database: they share classes, and nothing is evaluated twice."""

import multiprocessing

import numpy as np
import pytest
from cache_parts import asked, done
from line_parts import Bag, Marking, marks, outcomes, whole
from shared_child import search

import automl
from automl.cache.policy import Occurrences, Policy, ReplicatePlan
from automl.engine.in_flight import InFlight
from automl.engine.lifecycle import Lifecycle
from automl.engine.outbox import Outbox
from automl.engine.trial import Trial
from automl.errors import StudyBusy
from automl.evaluators.base import Fidelity
from automl.pool import WorkerSetup
from automl.rules import Budget, LoopSettings
from automl.selection.objectives import Objective
from automl.setup.targets import reference_to
from automl.storage.studies import StudyStore
from automl.strategies import Proposal
from workers.pools.inline import InlinePool


def test_two_searches_share_classes_and_evaluate_none_twice(any_url, tmp_path):
    context = multiprocessing.get_context("forkserver")
    ready = context.Barrier(2)
    automl.EquivalenceCache(any_url).close()
    processes = [
        context.Process(target=search, args=(any_url, str(tmp_path / "marks"), ready, name, seed))
        for name, seed in (("one", 1), ("two", 2))
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    begun = marks(tmp_path / "marks")
    assert len(begun) == len(set(begun))
    studies = [automl.Study.open(name, any_url) for name in ("one", "two")]
    trials = [list(study.trials()) for study in studies]
    assert all(whole(some) and len(some) == 150 for some in trials)
    met = [{trial.key for trial in some} for some in trials]
    paid = sum(outcomes(study)["miss"] for study in studies)
    assert paid <= len(met[0] | met[1]) < len(met[0]) + len(met[1])
    fitness = {}
    for trial in (*trials[0], *trials[1]):
        assert fitness.setdefault(trial.key, trial.fitness) == trial.fitness  # one result for both
    for study in studies:
        assert study.finished
        assert sum(study.report().json()["outcomes"].values()) == 150
        study.close()


def test_a_newcomer_who_finds_what_others_wait_for_has_it_too(any_url, monkeypatch):
    """Else it would be forgotten: neither waiting nor queued, and the study would never end."""
    monkeypatch.setattr("automl.engine.in_flight.POLL_SECONDS", float("inf"))  # nobody looks again by himself
    with automl.EquivalenceCache(any_url) as ours, automl.EquivalenceCache(any_url) as theirs:
        context = ours.context({"test": "newcomer"})
        assert theirs.context({"test": "newcomer"}) == context
        assert ours.session.id != theirs.session.id
        objective, plans = Objective("score"), Occurrences(Policy(), 0)
        settings = LoopSettings(1, "one", context, objective, 0, 8, Budget(trials=2), plans)
        candidate = Bag().sample(np.random.default_rng(0))
        key = bytes(16)
        first, second = (
            Trial(number, Proposal(candidate), key, Fidelity(), context, ReplicatePlan(0, 1, 1 - number, False), 0.0, 0)
            for number in (0, 1)
        )
        with InlinePool(WorkerSetup(reference_to(Bag()), Marking(), "score")) as pool:
            in_flight = InFlight(settings, ours, pool, Outbox(1, ours, StudyStore(ours.database)))
            (taken,) = theirs.resolve_many(context, None, [asked(0, key, candidate.json)])
            in_flight.add([first])
            in_flight.resolve()
            theirs.finish_many(context, [done(taken.claims[0], {"score": 1.0}, 0.1)])
            in_flight.add([second])
            in_flight.resolve()
            final = in_flight.collect()
        assert sorted(trial.number for trial in final) == [0, 1]
        assert [trial.record(1, objective, {}, 0, 0.0).metrics for trial in final] == [{"score": 1.0}] * 2


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_study_without_a_name_gets_another_where_somebody_was_faster(any_url, monkeypatch, repeats):
    plain, chosen = Lifecycle.free_name, []

    def free_name(self):
        chosen.append(plain(self))
        if len(chosen) == 1:
            taken = chosen[0] if repeats == 1 else f"{chosen[0]}/1"
            self.store.create(taken, "search", self.settings())  # as another process does at this very moment
        return chosen[-1]

    monkeypatch.setattr(Lifecycle, "free_name", free_name)
    given = {"evaluator": Marking(), "trials": 3, "workers": 0, "storage": any_url, "baseline": False}
    study = automl.search(Bag(), repeats=repeats, **given)
    assert [study.name] == chosen[1:]
    assert [len(list(one.trials())) for one in (study.runs if repeats > 1 else [study])] == [3] * repeats
    study.close()


def test_a_study_has_one_coordinator(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    given = {"evaluator": Marking(), "trials": 9, "workers": 0, "study": "mine", "storage": url, "baseline": False}
    refused = []

    def again(study, trial):
        if trial.number == 3:
            with pytest.raises(StudyBusy, match="'mine' is being run by process"):
                automl.search(Bag(), **given)
            refused.append(trial.number)

    study = automl.search(Bag(), **given, callbacks=[again])
    assert refused == [3]
    assert [trial.number for trial in study.trials()] == list(range(9))
    study.close()
