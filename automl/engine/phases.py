"""The three studies of one search: the search, random search with equal evaluations, the test figures of both."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from automl.cache.policy import FreshSeeds, Occurrences, Plans, Policy
from automl.cache.store import EquivalenceCache
from automl.engine.blame import blaming
from automl.engine.children import Children
from automl.engine.config import UNKNOWN_BEFORE, RunConfig, StudyConfig, differences, environment
from automl.engine.loop import Search
from automl.errors import InvalidInput, StudyExists, StudyMismatch
from automl.evaluators import checkpoints
from automl.evaluators.base import Approximation, Evaluator, Part
from automl.evaluators.fingerprints import describe, own_source
from automl.hashing import Hasher
from automl.hashing.unseen import unseen_fields
from automl.observers import Callbacks, Observer
from automl.pool import Pool
from automl.rules import ENQUEUED, Budget, Fidelity, Rules
from automl.selection import ranking
from automl.selection.contest import Contest, contest_of
from automl.selection.objectives import aims_of
from automl.setup.parts import Parts, rungs_of
from automl.spaces.space import Candidate
from automl.storage.engine import Database
from automl.storage.sessions import Session
from automl.storage.studies import StudyRecord, StudyStore, TrialRecord
from automl.strategies import Strategy
from automl.strategies.random import Random
from automl.study import Study


class Phases:
    """Runs the phases of one search over one database and one pool. Each phase is resumable on its own.

    Attributes:
        wider: bounds of the budget that `extend` writes instead of the stored ones.
        current: the loop that is running, for whoever wants to interrupt it.
    """

    def __init__(
        self,
        parts: Parts,
        config: StudyConfig,
        run: RunConfig,
        database: Database,
        pool: Pool,
        wider: Mapping[str, Any] | None = None,
    ) -> None:
        self.parts = parts
        self.wider = dict(wider or {})
        self.config = config
        self.run_config = run
        self.database = database
        self.pool = pool
        self.store = StudyStore(database)
        self.evaluator = parts.evaluator.for_device(pool.device)
        self.hasher = Hasher(self.evaluator.probe())
        self.rungs = rungs_of(parts)
        self.current: Search | None = None
        self._interrupted = False

    def alike(self, config: StudyConfig) -> Phases:
        """Returns the phases of another run of the same search."""
        return Phases(self.parts, config, self.run_config, self.database, self.pool, self.wider)

    @cached_property
    def observers(self) -> list[Observer]:
        own = self.pool.observer()
        return [*self.run_config.observers, *([own] if own else [])]

    # --- the study in the database -----------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """Returns what is stored of the study."""
        return {
            **self.parts.identity(),
            **self.config.settings(),
            "evaluator_given": self.parts.evaluator_given,
            "evaluator_source": own_source(self.evaluator),
            "environment": {**environment(), "workers": list(self.pool.hardware)},
            "hasher": dict(self.hasher.description()),
            **self._fidelity_settings(),
        }

    def _fidelity_settings(self) -> dict[str, Any]:
        if not self.rungs:
            return {}
        shares = [{"share": rung.share, "settings": dict(rung.settings)} for rung in self.rungs]
        return {"fidelities": {"rungs": shares, "carries": self.evaluator.carries}}

    def create_or_find(self, name: str) -> StudyRecord:
        """Returns the study to run.

        Raises:
            InvalidInput: the name stands for several runs.
            StudyMismatch: a study of this name has other settings; each difference is named.
        """
        if runs := self.store.runs(name):
            raise InvalidInput(
                f"study {name!r} has {len(runs)} runs; go on with all of them (`automl resume {name}`), "
                "or take another name"
            )
        return self._find(name) or self.store.create(name, "search", self.settings())

    def reserve(self, runs_of: Callable[[str], Sequence[tuple[str, Phases]]]) -> str:
        """Stores a search under a name that no study has; of several processes at one time each gets its own.

        Args:
            runs_of: what is stored under a name, each with the name of its own.
        """
        while True:
            name = self.free_name()
            with suppress(StudyExists):
                self.store.create_many([(own, phases.settings()) for own, phases in runs_of(name)], "search")
                return name

    def create_or_find_all(self, name: str, runs: Sequence[tuple[str, Phases]]) -> list[StudyRecord]:
        """Returns the studies of several runs; those that are not there yet are stored together.

        Raises:
            InvalidInput: the name stands for a single study, or for more runs than these.
            StudyMismatch: a run has other settings; each difference is named.
        """
        if self.store.find(name) is not None:
            raise InvalidInput(f"study {name!r} exists and runs once; take another name for several runs")
        if len(stored := self.store.runs(name)) > len(runs):
            raise InvalidInput(f"study {name!r} has {len(stored)} runs already, more than {len(runs)}; ask for as many")
        found = {own: phases._find(own) for own, phases in runs}
        new = [(own, phases.settings()) for own, phases in runs if found[own] is None]
        made = {record.name: record for record in self.store.create_many(new, "search")}
        return [found[own] or made[own] for own, _ in runs]

    def _find(self, name: str) -> StudyRecord | None:
        record = self.store.find(name)
        if record is None:
            return None
        never = ("environment", "evaluator_given", "evaluator_source", *self.wider)
        differing = differences(
            {key: value for key, value in {**UNKNOWN_BEFORE, **record.settings}.items() if key not in never},
            {key: value for key, value in self.settings().items() if key not in never},
        )
        if differing:
            raise StudyMismatch(
                f"study {name!r} exists with other settings ({'; '.join(differing)}); "
                "take another name, or the same settings to go on with it"
            )
        return record

    def extend(self, records: Sequence[StudyRecord]) -> list[StudyRecord]:
        """Gives studies the wider budget, all or none of them, and returns them as they are stored then.

        Raises:
            StudyBusy: a living process coordinates one of them.
        """
        if not self.wider:
            return list(records)
        session = Session(self.database)
        try:
            for record in records:
                self.store.coordinate(record.id, session.id)
            self.store.reopen([(record.id, {**record.settings, **self.wider}) for record in records])
        finally:
            for record in records:
                self.store.release(record.id, session.id)
            session.close()
        return [found for record in records if (found := self.store.find(record.name)) is not None]

    def free_name(self) -> str:
        """Returns a name that no study has."""
        target = self.parts.reference.target
        stem = target.rpartition("/")[2].replace(".py", "").replace(":", "-") if target else self.parts.space.kind
        number = 1
        while self.store.find(f"{stem}-{number}") is not None or self.store.runs(f"{stem}-{number}"):
            number += 1
        return f"{stem}-{number}"

    def interrupt(self) -> None:
        """Asks the search to stop after this turn of the loop, in whatever phase it is."""
        self._interrupted = True
        if self.current is not None:
            self.current.interrupted = True

    # --- running -----------------------------------------------------------------------------------------------------

    def run(self, record: StudyRecord) -> Study:
        """Runs whatever phases of the study are not finished, as its only coordinator.

        Raises:
            Interrupted: somebody asked to stop.
            StudyBusy: another living process coordinates it.
        """
        study = Study(self.database, record, self.parts.space)
        observers = list(self.observers)
        if self.run_config.callbacks:
            observers.append(Callbacks(study, self.run_config.callbacks))
        session = Session(self.database)
        try:
            self.store.coordinate(record.id, session.id)
            self.store.note_workers(record.id, self.pool.hardware)
            cache = EquivalenceCache(self.database, namespace=self.config.namespace, session=session)
            try:
                self._search(record, cache, observers)
            finally:
                self.store.release(record.id, session.id)
        finally:
            session.close()
            for observer in observers:
                observer.close()
        return study

    def _search(self, record: StudyRecord, cache: EquivalenceCache, observers: Sequence[Observer]) -> None:
        config = self.config
        self._warn_of_unseen_fields(record)
        if changed := change_since(self.evaluator, self.store):
            self._warn(changed)
        enqueued = [(self.parts.space.decode(value), ENQUEUED) for value in config.enqueue]
        drawn = self._loop(
            record,
            cache,
            observers,
            "search",
            self.parts.strategy,
            config.seed,
            config.budget(),
            enqueued,
            rungs=self.rungs,
        )
        children = Children(self.store, record)
        random: StudyRecord | None = None
        if config.baseline:
            seed = ranking.derived_seed(config.seed, "random search")
            full = math.ceil(drawn)
            random = children.baseline(seed, full)
            self._loop(
                random,
                cache,
                self.observers,
                "baseline",
                Random(),
                seed,
                Budget(evaluations=full),
                plans=Occurrences(Policy(self.config.replicates), seed),
            )
        elif self.parts.strategy.name == Random.name:
            random = record  # uniform samples already: it is its own average random architecture
        aims = aims_of(record.settings)
        contest = contest_of(self.store, record.id, random.id if random else None, config.finalists, aims)
        confirmed = self._confirm(children, contest, cache)
        winners = [(one, role) for role in contest.studies for one in contest.winners(role, confirmed)]
        sampled = random.id if random else None
        chosen = ranking.finalists(self.parts.space, self.store, winners, sampled, config.sample, aims)
        chosen += ranking.members(self.parts.space, self.store, record.id, config.front, aims)
        if chosen:
            population = self.evaluator.test_is_population_mean
            seeds = 1 if population else config.test_seeds
            test = children.test(chosen, seeds, population, self.evaluator.has_test_part)
            budget = Budget(trials=len(chosen))
            # Of the random sample, more architectures say more than more seeds.
            plans = FreshSeeds([1 if origin == ranking.RANDOM_SAMPLE else seeds for _, origin in chosen])
            self._loop(test, cache, self.observers, "test", Random(), 0, budget, chosen, "test", plans)
        self.store.finish(record.id)

    def _confirm(self, children: Children, contest: Contest, cache: EquivalenceCache) -> list[TrialRecord]:
        """Evaluates the leaders of both searches again on validation; returns the trials that did, in order."""
        child: StudyRecord | None = None
        chosen: list[tuple[Candidate, str]] = []
        confirmed: list[TrialRecord] = []
        if self.config.confirm == 1 or self.evaluator.deterministic:
            return confirmed
        while contenders := contest.contenders(confirmed):
            chosen += [(ranking.decoded(self.parts.space, trial), role) for trial, role in contenders]
            child = children.confirmation()
            if child.trials < len(chosen):
                plans = FreshSeeds([max(self.config.confirm, self.config.replicates)] * len(chosen))
                budget = Budget(trials=len(chosen))
                self._loop(child, cache, self.observers, "confirmation", Random(), 0, budget, chosen, plans=plans)
            confirmed = self.store.by_number(child.id)[: len(chosen)]
        if child is not None:
            self.store.finish(child.id)
        return confirmed

    def _warn_of_unseen_fields(self, record: StudyRecord) -> None:
        """Says which fields no key sees, when a study begins: all values of such a field share one result."""
        if record.trials or not self.parts.space.record.fields:
            return
        rng = np.random.default_rng(self.config.seed)
        with blaming(f"space {self.parts.space.kind} fails on some of its candidates"):
            unseen = unseen_fields(self.parts.space, self.hasher, rng)
        if unseen:
            self._warn(
                f"no key ever sees {', '.join(map(repr, unseen))} of {self.parts.space.kind}, so candidates that "
                "differ only there share one result; use them in build(), or return them from training()"
            )

    def _warn(self, text: str) -> None:
        warnings.warn(text, stacklevel=2)
        for observer in self.observers:
            observer.note(f"Warning: {text}")

    def _loop(
        self,
        record_of: StudyRecord,
        cache: EquivalenceCache,
        observers: Sequence[Observer],
        phase: str,
        strategy: Strategy,
        seed: int,
        budget: Budget,
        enqueued: Sequence[tuple[Candidate, str]] = (),
        part: Part = "validation",
        plans: Plans | None = None,
        rungs: Sequence[Approximation] = (),
    ) -> float:
        """Runs one loop to its end and returns how many evaluations it drew upon, in full ones."""
        context = cache.context(context_of(self.hasher, self.evaluator, part))
        kept = self._checkpoints(cache.lineage(context))
        rules = Rules(
            study=record_of.id,
            name=record_of.name,
            context=context,
            objective=self.parts.objective,
            maximize=self.parts.direction == "maximize",
            seed=seed,
            window=self.config.window,
            budget=budget,
            plans=plans or Occurrences(self.config.policy(), seed),
            part=part,
            enqueued=enqueued,
            asynchronous=self.config.asynchronous,
            rungs=[
                Fidelity(rung.share, rung.settings, cache.context(context_of(self.hasher, self.evaluator, part, rung)))
                for rung in rungs
            ],
            carries=self.evaluator.carries,
            checkpoints=kept,
            needs=frozenset() if phase == "test" else aims_of(record_of.settings).needs,
        )
        self.current = Search(rules, self.parts.space, strategy, self.hasher, cache, self.store, self.pool, observers)
        self.current.interrupted = self._interrupted
        self.current.run(phase)
        if record_of.kind in ("baseline", "test"):  # the others have more to do
            self.store.finish(record_of.id)
        if kept:
            checkpoints.clear(kept)
        return self.current.drawn

    def _checkpoints(self, lineage: str) -> str | None:
        folder = self.run_config.checkpoints or self.database.beside("checkpoints")
        return str(Path(folder) / lineage) if folder and self.evaluator.carries else None


def context_of(
    hasher: Hasher, evaluator: Evaluator, part: Part, approximation: Approximation | None = None
) -> dict[str, Any]:
    """Returns the description of a context: whatever changes a result and is not the candidate's own."""
    return {
        "hasher": dict(hasher.description()),
        "evaluator": describe(evaluator),
        "fidelity": dict(approximation.settings) if approximation else {},
        "part": part,
    }


def change_since(evaluator: Evaluator, store: StudyStore) -> str:
    """Returns a sentence where a user's evaluator is not what it was in one of the studies, else nothing."""
    source = own_source(evaluator)
    if not source:
        return ""
    mine = describe(evaluator)
    for other in store.all():
        before, stored = other.settings.get("evaluator_source"), other.settings.get("evaluator") or {}
        if other.kind != "search" or before in (None, "", source):
            continue
        since = f"the source of evaluator {evaluator.name} has changed since study {other.name}"
        if stored == mine:
            return (
                f"{since}, and its results are served all the same, for the version is still {evaluator.version!r}: "
                "raise it if the figures change"
            )
        if {**stored, "source": ""} == {**mine, "source": ""}:
            return f"{since}, so its results are not served; give the class a version, and that decides from then on"
    return ""
