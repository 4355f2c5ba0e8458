"""Runs the four studies of one search: the search, random search with equal evaluations, confirmation, tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from automl.cache.policy import FreshSeeds, Occurrences, Policy
from automl.cache.store import EquivalenceCache
from automl.cache.versions import version_of
from automl.engine.beforehand import say_beforehand
from automl.engine.beginning import Beginning, begin
from automl.engine.blame import blaming
from automl.engine.config import StudyConfig
from automl.engine.expecting import expect
from automl.engine.looping import Looping
from automl.engine.phase_studies import PhaseStudies
from automl.engine.rating import best_rated, rating_settings, trainings_for
from automl.engine.samples import Samples
from automl.engine.stage import Stage
from automl.errors import InvalidInput
from automl.hashing import HASHER_VERSION
from automl.observers import Callbacks, Observer
from automl.report.reading.stream import read_study
from automl.rules import BELIEVED, ENQUEUED, Budget, block_of
from automl.selection import ranking
from automl.selection.beginnings import begun_in_words, begun_with
from automl.selection.contest import Contest, compared_at, contest_of, keep_compared, keep_look, most_leaders
from automl.selection.objectives import objectives_of
from automl.setup.parts import rungs_of
from automl.spaces.space import Candidate
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.sessions import Session
from automl.strategies.random import Random
from automl.study import Study


class Phases(Looping):
    """Runs the phases of one search, in their order, over one database and one pool. Each is resumable on its own."""

    def alike(self, config: StudyConfig) -> Phases:
        """Returns the phases of another run of the same search."""
        wider = self.lifecycle.wider
        return Phases(
            self.parts, config, self.run_config, self.database, self.pool, wider, self.jobs, rater=self.rating
        )

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
        with self.coordinated(record, session) as cache:
            self._search(record, cache, observers)
        return study

    def _search(self, record: StudyRecord, cache: EquivalenceCache, observers: Sequence[Observer]) -> None:
        config = self.config
        if not self._said_beforehand:
            self._said_beforehand = True
            say_beforehand(self, record)
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
        same = self._random_begun(random, studies, cache, begun, evaluations)
        objectives = objectives_of(record.settings)
        if config.winner_by != "replicates":
            context = cache.context(self.context("validation"))
            for one in dict.fromkeys(study.id for study in (record, random, longer, same) if study is not None):
                expect(self.store, one, context, objectives, self.jobs, most_leaders(config.finalists))
            if random is not None and (at := compared_at(self.store, record.id)) is not None:
                expect(self.store, record.id, context, objectives, self.jobs, most_leaders(config.finalists), at[0])
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
            self.loop(test, cache, self.observers, "test", Random(), 0, budget, chosen, "test", plans)
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
        counted = self.loop(
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
        return self.loop(record, cache, observers, "search", Random(), seed, budget, chosen, plans=plans)

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
        full = _whole(evaluations * share)
        random = studies.baseline(seed, full)
        self._sample(random, cache, seed, full)
        if share < 1:
            counted = read_study(self.store, self.store.by_id(record.id), objectives_of(record.settings)).counts.counted
            keep_compared(self.store, record.id, int(np.searchsorted(counted, full, side="right")), full)
        if self.parts.rating is None and self.parts.proposing is None:
            return random, None
        artefacts = sum(one["seconds"] for one in self.used.values())
        rated = None if self.parts.rating is None else studies.rating({})
        wanted = trainings_for(self.store, record, rated, artefacts, _whole(evaluations))  # the whole search's
        longer = studies.at_equal_seconds(seed, wanted)
        self._sample(longer, cache, seed, max(wanted, int(longer.settings["evaluations"])))
        self.store.finish(longer.id)
        return random, longer

    def _random_begun(
        self,
        random: StudyRecord | None,
        studies: PhaseStudies,
        cache: EquivalenceCache,
        begun: Beginning,
        evaluations: float,
    ) -> StudyRecord | None:
        """Runs random search with as many new evaluations that begins as the search did: the same known results first,
        then the samples that the other random search had.

        None for a search that begins from nothing, or rates: its known results are ratings.
        """
        uniform = random is None or random.kind != "baseline"  # none, or the search itself
        if random is None or uniform or not (begun.keys or begun.elsewhere) or self.parts.rating is not None:
            return None
        if not evaluations:
            self.note("All that the search proposed was known: no random search with the same beginning is run.")
            return None
        seed, config = int(random.settings["seed"]), self.config
        most = _whole(evaluations * float(config.baseline))
        record, block = studies.begun(seed, most), block_of(config.window, config.asynchronous)
        first = Samples(begun.first(config.finalists), self.parts.space, seed, block, self.jobs.seconds)
        plans = Occurrences(Policy(replicates=config.policy.replicates), seed, begun.keys)
        budget = Budget(evaluations=most)
        self.loop(record, cache, self.observers, "baseline", Random(), seed, budget, first, plans=plans)
        return self.store.by_id(record.id)

    def _sample(self, record: StudyRecord, cache: EquivalenceCache, seed: int, evaluations: int) -> None:
        plans = Occurrences(Policy(replicates=self.config.policy.replicates), seed)
        budget = Budget(evaluations=evaluations)
        self.loop(record, cache, self.observers, "baseline", Random(), seed, budget, plans=plans)

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
                self.loop(study, cache, self.observers, "confirmation", Random(), 0, budget, chosen, plans=plans)
            confirmed = self.store.by_number(study.id)[: len(chosen)]
        if study is not None:
            self.store.finish(study.id)
        return confirmed

    def _beginning(self, record: StudyRecord, studies: PhaseStudies, cache: EquivalenceCache) -> Beginning:
        """Returns what the search begins from, which is written down when it begins, and says how much that is."""
        config, stage = self.config, self.rating
        context = cache.context(self.context("validation", stage=stage))
        replicates = config.policy.replicates
        found = begin(studies, stage, config.begin_from, config.namespace, context, self.space_id, replicates)
        if config.begin_from and not record.trials:
            for observer in self.observers:
                observer.note(begun_in_words(begun_with(self.store.by_id(record.id))))
        return found


def _whole(evaluations: float) -> int:
    """Returns how many evaluations random search gets: one even where the search met nothing but what was known."""
    return max(1, math.ceil(evaluations))
