"""What the phases of one search share: its parts, ready for one database and one pool, and the run of one loop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

from automl.artefacts.content import Content
from automl.artefacts.store import ArtefactStore
from automl.cache.artefacts import drop_readers_of_others
from automl.cache.policy import Occurrences, Plans
from automl.cache.store import EquivalenceCache
from automl.delivery.places import placed, store_of
from automl.engine.adoption import adopt
from automl.engine.config import StudyConfig
from automl.engine.identity import context_of
from automl.engine.lifecycle import Lifecycle
from automl.engine.loop import Search
from automl.engine.making import Making, Place, place_for, prepared
from automl.engine.notices import Notices
from automl.engine.pausing import Pausing
from automl.engine.run_config import RunConfig
from automl.engine.stage import Stage, rater_of
from automl.errors import warn
from automl.evaluators import checkpoints
from automl.evaluators.artefacts import declared_artefacts
from automl.evaluators.base import Fidelity, Part
from automl.evaluators.fingerprints.describing import description
from automl.evaluators.function import FunctionEvaluator
from automl.evaluators.places import place
from automl.evaluators.pruning import REACHED
from automl.hashing import Hasher
from automl.hashing.isolated import HashJobs
from automl.observers import Observer
from automl.pool import Pool
from automl.rules import Budget, LoopSettings
from automl.selection import ranking
from automl.selection.objectives import Objective, objectives_of
from automl.setup.parts import Parts
from automl.setup.rekeying import stored_as
from automl.spaces.space import Candidate
from automl.storage.engine import Database
from automl.storage.records import StudyRecord
from automl.storage.sessions import Session
from automl.storage.spaces import space_id
from automl.storage.studies import StudyStore
from automl.strategies import Strategy, Told
from automl.strategies.random import Random


class Looping:
    """Runs loops of one search over one database and one pool.

    Args:
        parts: of the search.
        config: of the study.
        run: where and how it runs.
        database: open for writing.
        pool: evaluates.
        wider: bounds of the budget that a stored study is given instead of its own.
        jobs: find keys; its own where None.
        rater: what rates; its own where None.

    Attributes:
        lifecycle: the study as it is stored.
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
        jobs: HashJobs | None = None,
        rater: Stage | None = None,
    ) -> None:
        self.parts = parts
        self.config = config
        self.run_config = run
        self.database = database
        self.pool = pool
        self.store = StudyStore(database)
        self.evaluator = parts.evaluator.for_device(pool.device)
        # Once a search, before it runs: what the evaluator writes to while it runs changes no context.
        same = self.evaluator is parts.evaluator
        self.described = parts.described if same else description(self.evaluator)
        self.hasher = Hasher(self.evaluator.probe(), space_source=parts.reference.code.digest)
        self.lifecycle = Lifecycle(
            parts, config, self.store, self.evaluator, self.described, self.hasher, pool.hardware, wider
        )
        self.jobs = jobs or HashJobs(
            parts.space,
            self.hasher,
            parts.reference,
            priced=parts.priced,
            seconds=run.hash_seconds,
            memory=run.memory_bytes,
        )
        self.lifecycle.adopter = self._adopt
        self.deciding = Stage(
            self.evaluator, self.described, self.hasher, self.jobs, parts.objective, parts.direction, rates=False
        )
        self.rating = rater or rater_of(parts, run, pool.device) or self.deciding
        self.current: Search | None = None
        self._interrupted = self._said_beforehand = False
        self.used: dict[tuple[str, str], dict[str, Any]] = {}
        self._notices = Notices(self.warn)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.jobs.close()
        self.rating.jobs.close()

    @cached_property
    def artefacts(self) -> ArtefactStore | None:
        """Where this search keeps artefacts."""
        return store_of(self.run_config.artefacts, self.database)

    @cached_property
    def space_id(self) -> int:
        """Number of the space as the database knows it, written down where it does not yet."""
        return self.database.write(lambda connection: space_id(connection, stored_as(self.parts.reference)))

    @cached_property
    def observers(self) -> list[Observer]:
        return [*self.run_config.observers, *self._of_pool]

    @cached_property
    def _of_pool(self) -> list[Observer]:
        own = self.pool.observer()
        return [own] if own else []

    def interrupt(self) -> None:
        """Asks the search to stop after this turn of the loop, in whatever phase it is. For signal handlers.

        What is being evaluated is broken off: nobody would wait for it.
        """
        self._interrupted = True
        if self.current is not None:
            self.current.interrupted = True
        self.pool.stop_at(self.pool.now())

    @contextlib.contextmanager
    def coordinated(self, record: StudyRecord, session: Session | None = None) -> Iterator[EquivalenceCache]:
        """Gives the body the cache, with this process as the study's only coordinator.

        The pool's own observer is closed afterwards. The user's are closed by whoever has begun all that they observe.

        Raises:
            StudyBusy: another living process coordinates it.
        """
        own = None if session else Session(self.database)
        session = session or own
        assert session is not None
        try:
            self.store.coordinate(record.id, session.id)
            self.store.note_workers(record.id, self.pool.hardware)
            if places := self.pool.log_places():
                self.store.note_logs(record.id, places)
            if self.run_config.artefacts is not None:  # else they lie beside the database, wherever that is moved
                self.store.note(record.id, "artefacts", placed(self.run_config.artefacts))
            try:
                yield EquivalenceCache(self.database, self.config.namespace, session, self.space_id)
            finally:
                self.store.release(record.id, session.id)
        finally:
            for observer in self._of_pool:
                observer.close()
            if own is not None:
                own.close()  # raises where the database is away

    def measure(
        self, study: StudyRecord, cache: EquivalenceCache, chosen: Sequence[tuple[Candidate, str]], plans: Plans
    ) -> None:
        """Evaluates candidates on the test part for a study that has been searched; what is known is not trained again.

        The caller holds the study (`coordinated`).

        Raises:
            Interrupted: somebody asked to stop.
        """
        budget = Budget(trials=len(chosen))
        self.loop(study, cache, self.observers, study.kind, Random(), 0, budget, chosen, "test", plans)

    def context(self, part: Part, rung: Fidelity | None = None, stage: Stage | None = None) -> dict[str, Any]:
        """Returns the description of the context that results stand in."""
        stage = stage or self.deciding
        return context_of(stage.hasher, stage.described, part, rung, self.pool.device)

    def note(self, text: str) -> None:
        """Says what was done: to those who watch, or else where Python says things."""
        if not self.run_config.observers:
            warn(text)
        for observer in self.run_config.observers:
            observer.note(text)

    def warn(self, text: str) -> None:
        warn(text)
        for observer in self.observers:
            observer.note(f"Warning: {text}")

    def _adopt(self, record: StudyRecord, now: Mapping[str, Any]) -> None:
        rating = None if self.parts.rating is None else self.rating
        if said := adopt(self.store, record, now, self.deciding, rating, self.config.namespace):
            self.note(said)

    def loop(
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
        rungs: Sequence[Fidelity] = (),
        stage: Stage | None = None,
        known: Sequence[Told] = (),
    ) -> float:
        """Runs one loop to its end and returns how many evaluations it counted, in units of one full evaluation."""
        began = self.pool.now()
        self.pool.serve(record_of.name)
        stage, single = stage or self.deciding, self.parts.rating is None
        most = plans.most if plans else self.config.policy.replicates
        reads = self._artefacts_for(stage, record_of, cache, most)
        given = self._given_to(strategy, stage, record_of, cache, seed)
        context = cache.context(self.context(part, stage=stage))
        if reads and (dropped := drop_readers_of_others(self.database, context, reads)):
            self._notices.say(
                f"{dropped:,} stored evaluations had read other artefacts than those of today; they are not served"
            )
        kept = self._checkpoints(cache.fidelity_group(context), stage)
        settings = LoopSettings(
            study=record_of.id,
            name=record_of.name,
            context=context,
            objective=Objective(stage.objective, stage.direction == "minimize"),
            seed=seed,
            window=self.config.window,
            budget=budget,
            plans=plans or Occurrences(self.config.policy, seed),
            part=part,
            enqueued=enqueued,
            asynchronous=self.config.asynchronous,
            rungs=rungs,
            contexts={rung.share: cache.context(self.context(part, rung, stage)) for rung in rungs},
            resumable=stage.evaluator.resumable,
            checkpoints=kept,
            needs=frozenset() if part == "test" else objectives_of(record_of.settings).needs,
            store=self.artefacts,
            kept=ranking.DELIVERED if part == "test" else frozenset(),
            facts=self._facts(part),
            reads=reads,
            spent=self.pool.now() - began,
            by_candidate=stage.evaluator.equality == "candidate",
            rates=stage.rates,
            retries=self.run_config.retries,
            equal_failures=(self.run_config.equal_failures or None) if phase == "search" else None,
            first_timeout=self.run_config.first_limit if self.run_config.timeout == "auto" else None,
            json_hint=self._json_hint(),
            prune=self.config.prune if phase in ("search", "baseline") and (stage.rates or single) else None,
            known=known,
        )

        root = record_of.parent or record_of.id
        pausing = Pausing(self.store, root, self.pool, (lambda _: None) if self.pool.hands_out else self.note)

        def context_at(epoch: float) -> int:
            return cache.context({**self.context(part, stage=stage), "fidelity": {REACHED: epoch}})

        self.current = Search(
            settings,
            strategy,
            stage.jobs,
            cache,
            self.store,
            self.pool,
            observers,
            self._notices,
            context_at,
            pausing,
            given,
        )
        self.current.interrupted = self._interrupted
        owner = f"{record_of.name}, number {record_of.id}, of {record_of.created!r}"
        with checkpoints.used(kept, owner) as use:
            self.current.run(phase)
            if self.current.broken_off:
                use.keep()  # a larger budget goes on there
        if record_of.kind in ("baseline", "begun", "test", "ensemble", "ablation"):  # the others have more to do
            self.store.finish(record_of.id)
        return self.current.meter.evaluations

    def _artefacts_for(
        self, stage: Stage, record: StudyRecord, cache: EquivalenceCache, most: int
    ) -> Mapping[int, Mapping[str, str]]:
        """Sees to it that an evaluator's artefacts are there; returns their digests by replicate."""
        if not declared_artefacts(stage.evaluator):
            return {}
        digests, used = prepared(
            stage.evaluator,
            cache,
            self.pool,
            self.artefacts,
            self._place(stage, record),
            self._notices,
            lambda: self._interrupted,
            most,
            forgets=self.config.policy.forget_probability > 0,
        )
        self._charge(record, used)
        return digests

    def _given_to(
        self, strategy: Strategy, stage: Stage, record: StudyRecord, cache: EquivalenceCache, seed: int
    ) -> Mapping[str, Content]:
        """Sees to it that a strategy's artefacts are there; returns them by name."""
        proposing = self.parts.proposing
        if proposing is None or strategy is not self.parts.strategy:
            return {}
        kept = place_for(self.artefacts, f"strategy {strategy.name}")
        place = self._place(stage, record)
        making = Making(proposing, cache, self.pool, kept, place, self._notices, lambda: self._interrupted)
        digests = making.ready([seed])[seed]
        self._charge(record, making.account())
        return {name: kept.get(digest) for name, digest in digests.items()}

    def _place(self, stage: Stage, record: StudyRecord) -> Place:
        run, root = self.run_config, record.parent or record.id
        return Place(root, record.name, self._checkpoint_folder, run.retries, run.first_limit, stage.rates)

    def _charge(self, record: StudyRecord, used: Sequence[Mapping[str, Any]]) -> None:
        self.used |= {(one["name"], one["digest"]): dict(one) for one in used}
        self.store.note(record.parent or record.id, "artefacts_used", list(self.used.values()))

    def _facts(self, part: Part) -> dict[str, Any]:
        """Returns what is written into kept weights: how to build their module again."""
        space = {name: value for name, value in self.parts.reference.identity().items() if name != "code"}
        return {"space": space, "evaluator": dict(self.described.stands), "part": part, "device": self.pool.device}

    def _json_hint(self) -> str:
        if not isinstance(self.evaluator, FunctionEvaluator) or self.hasher.probe.inputs:
            return ""
        return (
            ". A plain function as evaluator has no probe: let the space's behaviour() bring one "
            "(Module(build=…, probe=Probe(…))), or write an Evaluator with probe()"
        )

    def _checkpoints(self, group: str, stage: Stage) -> str | None:
        folder = self._checkpoint_folder
        return str(place(folder) / group) if folder and stage.evaluator.resumable else None

    @property
    def _checkpoint_folder(self) -> str | None:
        return self.run_config.checkpoints or self.database.beside("checkpoints")
