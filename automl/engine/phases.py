"""Runs the four studies of one search: the search, random search with equal evaluations, confirmation, tests."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from automl.artefacts.content import Content
from automl.artefacts.store import ArtefactStore
from automl.cache.artefacts import drop_readers_of_others
from automl.cache.policy import FreshSeeds, Occurrences, Plans, Policy
from automl.cache.store import EquivalenceCache
from automl.cache.versions import version_of, waiting_sentence
from automl.delivery.places import placed, store_of
from automl.engine.adoption import adopt
from automl.engine.beginning import Beginning, begin
from automl.engine.bill import bill
from automl.engine.blame import blaming
from automl.engine.config import StudyConfig
from automl.engine.expecting import expect
from automl.engine.identity import change_since, context_of, said_once
from automl.engine.lifecycle import Lifecycle
from automl.engine.loop import Search
from automl.engine.making import Making, Place, place_for, prepared
from automl.engine.notices import Notices
from automl.engine.pausing import Pausing
from automl.engine.phase_studies import PhaseStudies
from automl.engine.rating import best_rated, rating_settings, trainings_for
from automl.engine.run_config import RunConfig
from automl.engine.stage import Stage, rater_of
from automl.errors import InvalidInput, warn
from automl.evaluators import checkpoints
from automl.evaluators.artefacts import declared_artefacts
from automl.evaluators.base import Fidelity, Part
from automl.evaluators.fingerprints.describing import description
from automl.evaluators.function import FunctionEvaluator
from automl.evaluators.places import place
from automl.evaluators.pruning import REACHED
from automl.hashing import HASHER_VERSION, Hasher
from automl.hashing.isolated import HashJobs
from automl.hashing.unseen import unseen_fields
from automl.observers import Callbacks, Observer
from automl.pool import Pool
from automl.report.reading.stream import read_study
from automl.rules import BELIEVED, ENQUEUED, Budget, LoopSettings
from automl.selection import ranking
from automl.selection.beginnings import begun_in_words, begun_with
from automl.selection.contest import Contest, contest_of, keep_compared, keep_look, most_leaders
from automl.selection.objectives import Objective, objectives_of
from automl.setup.parts import Parts, rungs_of
from automl.setup.rekeying import stored_as
from automl.spaces.space import Candidate
from automl.storage.engine import Database
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.sessions import Session
from automl.storage.spaces import space_id
from automl.storage.studies import StudyStore
from automl.strategies import Strategy, Told
from automl.strategies.random import Random
from automl.study import Study


class Phases:
    """Runs the phases of one search over one database and one pool. Each phase is resumable on its own.

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
            parts.space, self.hasher, parts.reference, seconds=run.hash_seconds, memory=run.memory_bytes
        )
        self.lifecycle.adopter = self._adopt
        self.deciding = Stage(
            self.evaluator, self.described, self.hasher, self.jobs, parts.objective, parts.direction, rates=False
        )
        self.rating = rater or rater_of(parts, run, pool.device) or self.deciding
        self.current: Search | None = None
        self._interrupted = self._said_beforehand = False
        self._used: dict[tuple[str, str], dict[str, Any]] = {}
        self._notices = Notices(self._warn)

    def alike(self, config: StudyConfig) -> Phases:
        """Returns the phases of another run of the same search."""
        wider = self.lifecycle.wider
        return Phases(
            self.parts, config, self.run_config, self.database, self.pool, wider, self.jobs, rater=self.rating
        )

    def __enter__(self) -> Phases:
        return self

    def __exit__(self, *_: object) -> None:
        self.jobs.close()
        self.rating.jobs.close()

    @cached_property
    def artefacts(self) -> ArtefactStore | None:
        """Where this search keeps artefacts."""
        return store_of(self.run_config.artefacts, self.database)

    @cached_property
    def observers(self) -> list[Observer]:
        own = self.pool.observer()
        return [*self.run_config.observers, *([own] if own else [])]

    def interrupt(self) -> None:
        """Asks the search to stop after this turn of the loop, in whatever phase it is. For signal handlers.

        What is being evaluated is broken off: nobody would wait for it.
        """
        self._interrupted = True
        if self.current is not None:
            self.current.interrupted = True
        self.pool.stop_at(self.pool.now())

    def run(self, record: StudyRecord, session: Session | None = None) -> Study:
        """Runs whatever phases of the study are not finished, as its only coordinator.

        Args:
            record: of the study.
            session: in whose name evaluations are claimed; None takes one for this run.

        Raises:
            Interrupted: somebody asked to stop.
            StudyBusy: another living process coordinates it.
        """
        study = Study(self.database, record, self.parts.space, self.parts)
        if version_of(record.settings) != HASHER_VERSION:
            return study  # `Lifecycle` lets none pass but finished ones
        observers = list(self.observers)
        if self.run_config.callbacks:
            observers.append(Callbacks(study, self.run_config.callbacks))
        with self.coordinated(record, observers, session) as cache:
            self._search(record, cache, observers)
        return study

    def measure(
        self, study: StudyRecord, cache: EquivalenceCache, chosen: Sequence[tuple[Candidate, str]], plans: Plans
    ) -> None:
        """Evaluates candidates on the test part for a study that has been searched; what is known is not trained again.

        The caller holds the study (`coordinated`).

        Raises:
            Interrupted: somebody asked to stop.
        """
        budget = Budget(trials=len(chosen))
        self._loop(study, cache, self.observers, study.kind, Random(), 0, budget, chosen, "test", plans)

    @contextlib.contextmanager
    def coordinated(
        self, record: StudyRecord, observers: Sequence[Observer], session: Session | None = None
    ) -> Iterator[EquivalenceCache]:
        """Gives the body the cache, with this process as the study's only coordinator.

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
            space = self.database.write(lambda connection: space_id(connection, stored_as(self.parts.reference)))
            try:
                yield EquivalenceCache(self.database, self.config.namespace, session, space)
            finally:
                self.store.release(record.id, session.id)
        finally:
            for observer in observers:
                observer.close()
            if own is not None:
                own.close()  # raises where the database is away

    def _search(self, record: StudyRecord, cache: EquivalenceCache, observers: Sequence[Observer]) -> None:
        config = self.config
        if not self._said_beforehand:
            self._said_beforehand = True
            self._say_beforehand(record)
        studies = PhaseStudies(self.store, record)
        begun = self._beginning(record, studies, cache)
        enqueued = [(self.parts.space.decode(value), ENQUEUED) for value in config.enqueue]
        enqueued += begun.first(config.finalists)
        if self.parts.strategy.name not in (Random.name, "exhaustive"):
            with blaming(f"space {self.parts.space.kind} fails on its defaults", self.jobs.seconds):
                believed = self.parts.space.believed(np.random.default_rng(config.seed))
            enqueued += [(believed, BELIEVED)] if believed is not None else []
        if self.parts.rating is None:
            evaluations = self._propose(record, cache, observers, enqueued, begun)
        else:
            rated = studies.rating(rating_settings(self.parts, self.rating))
            self._propose(rated, cache, self.observers, enqueued, begun, self.rating)
            self.store.finish(rated.id)
            evaluations = self._decide(record, rated, cache, observers)
        if learned := self.parts.strategy.account():
            self.store.note(record.id, self.parts.strategy.accounts, learned)
        random, longer = self._random_searches(record, studies, cache, evaluations)
        same = self._random_begun(random, studies, cache, begun)
        objectives = objectives_of(record.settings)
        if config.winner_by != "replicates":
            context = cache.context(self.context("validation"))
            for one in dict.fromkeys(study.id for study in (record, random, longer, same) if study is not None):
                expect(self.store, one, context, objectives, self.jobs, most_leaders(config.finalists))
        contest = contest_of(
            self.store,
            record.id,
            random.id if random else None,
            config.finalists,
            objectives,
            longer.id if longer else None,
            same.id if same else None,
        )
        confirmed = [] if config.winner_by == "model" else self._confirm(studies, contest, cache)
        winners = [(one, role) for role in contest.studies for one in contest.winners(role, confirmed)]
        sampled = random.id if random else None
        seconds = self.jobs.seconds * (len(winners) + config.sample + config.front + 1)
        with blaming(f"space {self.parts.space.kind} fails on the candidates that are to be tested", seconds):
            chosen = ranking.finalists(self.parts.space, self.store, winners, sampled, config.sample, objectives)
            chosen += ranking.members(self.parts.space, self.store, record.id, config.front, objectives)
        if chosen:
            population = self.evaluator.test_is_population_mean
            seeds = 1 if population else config.test_seeds
            test = studies.test(chosen, seeds, population, self.evaluator.has_test_part)
            budget = Budget(trials=len(chosen))
            # Of the random sample, more architectures say more than more seeds.
            plans = FreshSeeds([1 if origin == ranking.RANDOM_SAMPLE else seeds for _, origin in chosen])
            self._loop(test, cache, self.observers, "test", Random(), 0, budget, chosen, "test", plans)
        self.store.finish(record.id)
        if random is not None and random.id != record.id:
            keep_look(self.store, record.id, random.id)

    def _propose(
        self,
        record: StudyRecord,
        cache: EquivalenceCache,
        observers: Sequence[Observer],
        enqueued: Sequence[tuple[Candidate, str]],
        begun: Beginning,
        stage: Stage | None = None,
    ) -> float:
        """Lets the strategy search; returns how many evaluations it counted, known results not among them."""
        config = self.config
        counted = self._loop(
            record,
            cache,
            observers,
            "search",
            self.parts.strategy,
            config.seed,
            config.budget,
            enqueued,
            plans=Occurrences(config.policy, config.seed, begun.keys),
            rungs=rungs_of(self.parts),
            stage=stage,
            known=begun.told,
        )
        if self.current is not None and (pooled := self.current.pooled()):
            self.store.note(record.parent or record.id, "pool", pooled)
        return counted

    def _decide(
        self, record: StudyRecord, rated: StudyRecord, cache: EquivalenceCache, observers: Sequence[Observer]
    ) -> float:
        """Evaluates the best-rated classes; returns how many evaluations that were."""
        space, most = self.parts.space, self.config.trained
        with blaming(f"space {space.kind} cannot read what was rated", self.jobs.seconds * 2 * most):
            chosen = best_rated(space, self.store, record, rated, most)
        if not chosen:
            raise InvalidInput(
                f"study {record.name}: none of its {self.store.by_id(rated.id).trials:,} ratings is one that can be "
                "decided on (they failed, broke a constraint, or were no full ones); go on with more trials: "
                f"automl resume {record.name} --trials N"
            )
        plans = Occurrences(Policy(replicates=self.config.policy.replicates), self.config.seed)
        budget, seed = Budget(trials=len(chosen)), self.config.seed
        return self._loop(record, cache, observers, "search", Random(), seed, budget, chosen, plans=plans)

    def _random_searches(
        self, record: StudyRecord, studies: PhaseStudies, cache: EquivalenceCache, evaluations: float
    ) -> tuple[StudyRecord | None, StudyRecord | None]:
        """Runs random search with equal evaluations, and another one with equal seconds where ratings or artefacts of
        the strategy took some.
        """
        if not self.config.baseline:
            uniform = self.parts.strategy.name == Random.name and self.parts.rating is None
            return (record if uniform else None), None  # uniform samples are their own average random architecture
        seed, share = ranking.derived_seed(self.config.seed, "random search"), float(self.config.baseline)
        full = math.ceil(evaluations * share)
        random = studies.baseline(seed, full)
        self._sample(random, cache, seed, full)
        if share < 1:
            counted = read_study(self.store, self.store.by_id(record.id), objectives_of(record.settings)).counts.counted
            keep_compared(self.store, record.id, int(np.searchsorted(counted, full, side="right")), full)
        if self.parts.rating is None and self.parts.proposing is None:
            return random, None
        artefacts = sum(one["seconds"] for one in self._used.values())
        rated = None if self.parts.rating is None else studies.rating({})
        wanted = trainings_for(self.store, record, rated, artefacts, full)
        longer = studies.at_equal_seconds(seed, wanted)
        self._sample(longer, cache, seed, max(wanted, int(longer.settings["evaluations"])))
        self.store.finish(longer.id)
        return random, longer

    def _random_begun(
        self, random: StudyRecord | None, studies: PhaseStudies, cache: EquivalenceCache, begun: Beginning
    ) -> StudyRecord | None:
        """Runs random search with as many new evaluations that begins as the search did: the same known results first,
        then the samples that the other random search had.

        None for a search that begins from nothing, or rates: its known results are ratings.
        """
        uniform = random is None or random.kind != "baseline"  # none, or the search itself
        if random is None or uniform or not (begun.keys or begun.elsewhere) or self.parts.rating is not None:
            return None
        seed, most = int(random.settings["seed"]), int(random.settings["evaluations"])
        record, space = studies.begun(seed, most), self.parts.space
        with blaming(f"space {space.kind} cannot read its samples", self.jobs.seconds * (random.trials + 1)):
            samples = [(ranking.decoded(space, one), one.origin) for one in self.store.by_number(random.id)]
        first = [*begun.first(self.config.finalists), *samples]
        plans = Occurrences(Policy(replicates=self.config.policy.replicates), seed, begun.keys)
        budget = Budget(evaluations=most)
        self._loop(record, cache, self.observers, "baseline", Random(), seed, budget, first, plans=plans)
        return self.store.by_id(record.id)

    def _sample(self, record: StudyRecord, cache: EquivalenceCache, seed: int, evaluations: int) -> None:
        plans = Occurrences(Policy(replicates=self.config.policy.replicates), seed)
        budget = Budget(evaluations=evaluations)
        self._loop(record, cache, self.observers, "baseline", Random(), seed, budget, plans=plans)

    def _confirm(self, studies: PhaseStudies, contest: Contest, cache: EquivalenceCache) -> list[TrialRecord]:
        """Evaluates the leaders of both searches again on validation; returns the trials that did, in order."""
        study: StudyRecord | None = None
        chosen: list[tuple[Candidate, str]] = []
        confirmed: list[TrialRecord] = []
        if self.config.confirm == 1 or self.evaluator.deterministic:
            return confirmed
        while contenders := contest.contenders(confirmed):
            with blaming(f"space {self.parts.space.kind} cannot read its leaders", self.jobs.seconds * len(contenders)):
                chosen += [(ranking.decoded(self.parts.space, trial), role) for trial, role in contenders]
            study = studies.confirmation()
            if study.trials < len(chosen):
                plans = FreshSeeds([max(self.config.confirm, self.config.policy.replicates)] * len(chosen))
                budget = Budget(trials=len(chosen))
                self._loop(study, cache, self.observers, "confirmation", Random(), 0, budget, chosen, plans=plans)
            confirmed = self.store.by_number(study.id)[: len(chosen)]
        if study is not None:
            self.store.finish(study.id)
        return confirmed

    def _beginning(self, record: StudyRecord, studies: PhaseStudies, cache: EquivalenceCache) -> Beginning:
        """Returns what the search begins from, which is written down when it begins, and says how much that is."""
        config, stage = self.config, self.rating
        context = cache.context(self.context("validation", stage=stage))
        space = self.database.write(lambda connection: space_id(connection, stored_as(self.parts.reference)))
        found = begin(studies, stage, config.begin_from, config.namespace, context, space, config.policy.replicates)
        if config.begin_from and not record.trials:
            for observer in self.observers:
                observer.note(begun_in_words(begun_with(self.store.by_id(record.id))))
        return found

    def _say_beforehand(self, record: StudyRecord) -> None:
        """Says what the user should know before anything is evaluated."""
        self._warn_of_unseen_fields(record)
        if not record.trials and (said := said_once(self.lifecycle.settings()["looked_at"])):
            for observer in self.observers:
                observer.note(said)
        if not record.trials:
            goals, rates = objectives_of(record.settings), self.parts.rating is not None
            for observer in self.observers:
                observer.note(bill(self.config, self.evaluator, self.parts.strategy, goals, rates=rates))
        if not record.trials and (waiting := waiting_sentence(self.database)):
            self._warn(waiting)
        if changed := change_since(self.evaluator.name, self.described, self.store):
            self._warn(changed)

    def _warn_of_unseen_fields(self, record: StudyRecord) -> None:
        """Says which fields no key sees, when a study begins: all values of such a field share one result."""
        if record.trials or not self.parts.space.record.fields:
            return
        rng = np.random.default_rng(self.config.seed)
        with blaming(f"space {self.parts.space.kind} fails on some of its candidates"):
            unseen = unseen_fields(self.parts.space, self.jobs, rng)
        if self.jobs.notice:
            self._warn(self.jobs.notice)
        if unseen:
            self._warn(
                f"no key ever sees {', '.join(map(repr, unseen))} of {self.parts.space.kind}, so candidates that "
                "differ only there share one result; use them in build(), or return them from training()"
            )

    def _adopt(self, record: StudyRecord, now: Mapping[str, Any]) -> None:
        rating = None if self.parts.rating is None else self.rating
        if said := adopt(self.store, record, now, self.deciding, rating, self.config.namespace):
            self.note(said)

    def note(self, text: str) -> None:
        """Says what was done: to those who watch, or else where Python says things."""
        if not self.run_config.observers:
            warn(text)
        for observer in self.run_config.observers:
            observer.note(text)

    def _warn(self, text: str) -> None:
        warn(text)
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

        pausing = Pausing(self.store, record_of.parent or record_of.id, self.pool, self.note)

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
        run = self.run_config
        folder = run.checkpoints or self.database.beside("checkpoints")
        return Place(record.parent or record.id, record.name, folder, run.retries, run.first_limit, stage.rates)

    def _charge(self, record: StudyRecord, used: Sequence[Mapping[str, Any]]) -> None:
        self._used |= {(one["name"], one["digest"]): dict(one) for one in used}
        self.store.note(record.parent or record.id, "artefacts_used", list(self._used.values()))

    def context(self, part: Part, rung: Fidelity | None = None, stage: Stage | None = None) -> dict[str, Any]:
        """Returns the description of the context that results stand in."""
        stage = stage or self.deciding
        return context_of(stage.hasher, stage.described, part, rung, self.pool.device)

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
        folder = self.run_config.checkpoints or self.database.beside("checkpoints")
        return str(place(folder) / group) if folder and stage.evaluator.resumable else None
