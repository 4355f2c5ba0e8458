"""Gathers everything that a report says about one study from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from automl.cache.audits import audit_report
from automl.cache.records import Result
from automl.cache.spread import spread_of
from automl.cache.store import EquivalenceCache
from automl.errors import InvalidInput
from automl.evidence import (
    is_deterministic,
)
from automl.registry import unknown
from automl.report.data import Begun, Learning, Rated, ReportData
from automl.report.reading.ablation import ablation_of
from automl.report.reading.checklist import checklist
from automl.report.reading.facts import facts
from automl.report.reading.failures import failed_trials
from automl.report.reading.found_under import found_under
from automl.report.reading.illustrator import Illustrator
from automl.report.reading.judge import Judge
from automl.report.reading.learning import learning
from automl.report.reading.model import model_of
from automl.report.reading.rankings import rankings
from automl.report.reading.ratings import ranks_of_ratings, ratings_of
from automl.report.reading.stopped import stopped_early
from automl.report.reading.stream import Reading, encodings, note, read_study
from automl.report.study_part import RatedCandidate, StudyPart
from automl.selection.beginnings import begun_in_words, begun_with
from automl.selection.contest import compared_at, confirmed_trials, earlier_looks
from automl.selection.objectives import objectives_of
from automl.selection.ranking import (
    BEGUN_WINNER,
    EARLY_WINNER,
    FRONT_MEMBER,
    RANDOM_SAMPLE,
    RANDOM_WINNER,
    SEARCH_WINNER,
    SECONDS_WINNER,
)
from automl.selection.seconds import seconds_of_evaluations
from automl.spaces.space import Space
from automl.storage.engine import Database
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.studies import StudyStore

ANCESTORS = 400


def collect(database: Database, study_name: str, space: Space | None = None) -> ReportData:
    """Reads a study, its random search and its test values from a database.

    Args:
        database: Database, open for reading at least.
        study_name: Name of a search, or of a baseline without a search.
        space: Space for pictures and descriptions of candidates; if None, candidates are shown as JSON.

    Returns:
        `ReportData`.

    Raises:
        InvalidInput: there is no study of this name; the message offers the nearest.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=20, baseline=False, workers=0, storage="sqlite:///line.db")
        >>> study = automl.search(Line(), study="line", **given)
        >>> collect(study.database, "line", Line()).best.description
        'x=20'
    """
    store = StudyStore(database)
    record = store.find(study_name)
    if record is None:
        raise InvalidInput(unknown("study", study_name, [item.name for item in store.all()]))
    return _Collector(database, store, record, Illustrator(space)).collect()


class _Collector:
    def __init__(self, database: Database, store: StudyStore, record: StudyRecord, illustrator: Illustrator) -> None:
        self.database = database
        self.store = store
        self.record = record
        self.settings = record.settings
        self.illustrator = illustrator
        self.objective = str(self.settings.get("objective", "fitness"))
        self.cache = EquivalenceCache(database, namespace=str(self.settings.get("namespace", "default")))
        self.objectives = objectives_of(self.settings)
        self.notes: list[str] = []
        self.failed = failed_trials(store, [record.id])
        phases = {study.kind: study for study in store.phase_studies(record.id)}
        self.random_record = phases.get("baseline")
        self.test_record = phases.get("test")
        self.confirmation_record = phases.get("confirmation")
        self.rating_record = phases.get("rating")
        self.seconds_record = phases.get("seconds")
        self.begun_record = phases.get("begun")
        self.held_out = _held_out(self.settings if self.test_record is None else self.test_record.settings)
        self.judge = Judge(store, record, phases, self.objectives, self.held_out, self.failed, self.notes)
        self.confirmed = {(one.origin, one.key): one for one in confirmed_trials(store, record)}

    def collect(self) -> ReportData:
        search = read_study(self.store, self.record, self.objectives)
        random = self._random(search)
        tested = self._tested()
        winners = self._tested_of(tested, SEARCH_WINNER, self.record, search)
        random_record = self.random_record or self.record
        random_winners = self._tested_of(tested, RANDOM_WINNER, random_record, random)
        samples = self._tested_of(tested, RANDOM_SAMPLE, random_record, None)
        members = self._tested_of(tested, FRONT_MEMBER, self.record, search)
        finalists = [*winners, *random_winners, *members]
        values = [list(item.test_values) for item in (*finalists, *samples)]
        population = bool(self.test_record and self.test_record.settings.get("population"))
        deterministic = population or is_deterministic(values)
        early = self._tested_of(tested, EARLY_WINNER, self.record, search)
        at = compared_at(self.store, self.record.id) if random is not None else None
        judged = winners if at is None else early
        gain = self.judge.gain(judged, random_winners, deterministic)
        rated = self._rated(tested, winners, deterministic)
        begun = self._begun(tested, winners, deterministic)
        best = winners[0].key if winners else search.part.best.key if search.part.best else None
        cheapest, encoding_count = self._encodings(search, best)
        self._remark(search, random)
        self._say_whose_is_best(winners, random_winners)
        verdict = self.judge.verdict(search, random, gain, judged, random_winners, deterministic, rated, begun)
        data = ReportData(
            name=self.record.name,
            settings=self.settings,
            objective=self.objective,
            search=replace(search.part, front=self._front(search, [*samples, *finalists])),
            random=random.part if random else None,
            confirmation=self._confirmation(),
            tests=self._part(self.test_record),
            winners=winners,
            random_winners=random_winners,
            random_samples=samples,
            front_members=members,
            deterministic=deterministic,
            population=population,
            ri=self.judge.ri(winners, samples, deterministic),
            gain=gain,
            verdict=verdict,
            early_winners=early,
            compared_at=None if at is None else at[1],
            looks=len(earlier_looks(self.record)) + 1,
            ranks=[
                *ranks_of_ratings(self.store, self.record, self.rating_record, self.objectives),
                *rankings(self.store, self.cache, self.record, search, tested, self.objective, held_out=self.held_out),
            ],
            learning=self._learning(search, [*winners, *random_winners]),
            genealogy=self._genealogy(search, best),
            encodings=cheapest,
            encoding_count=encoding_count,
            audits=self._audits(search),
            checklist=[],
            facts=[],
            notes=self.notes,
            objectives=self.objectives,
            traceback=self.failed.traceback,
            keyed_by_json=self._keyed_by_json(),
            held_out=self.held_out,
            drawn_from=self._drawn_from(),
            rated=rated,
            begun=begun,
            artefacts=list(self.settings.get("environment", {}).get("artefacts_used", [])),
            model=model_of(self.database, self.record, tested),
            ablation=ablation_of(self.store, self.record, tested, self._values, self.objectives.fitness.minimize),
        )
        data.facts.extend(facts(data, self.store))
        data.checklist.extend(checklist([data]))
        return data

    def _part(self, record: StudyRecord | None) -> StudyPart | None:
        return None if record is None else read_study(self.store, record, self.objectives).part

    def _confirmation(self) -> StudyPart | None:
        """Returns the study that confirmed, `evaluations` being the number that it ran itself.

        The rest of each mean came from the cache.
        """
        record, part = self.confirmation_record, self._part(self.confirmation_record)
        if record is None or part is None or not part.trials:
            return part
        context = self.store.trials_at(record.id, [0])[0].context
        found = self.cache.replicates(context, list({key for _, key in self.confirmed}))
        paid = sum(result.study == record.id for results in found.values() for result in results)
        return replace(part, evaluations=paid)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _random(self, search: Reading) -> Reading | None:
        """Returns random search's rows; a search that samples uniformly is its own."""
        if self.random_record is not None:
            return read_study(self.store, self.random_record, self.objectives)
        return search if self._samples_uniformly() else None

    def _samples_uniformly(self) -> bool:
        uniform = self.settings.get("strategy", {}).get("name") == "random" and self.rating_record is None
        return self.record.kind == "baseline" or uniform

    def _tested(self) -> list[TrialRecord]:
        """Returns the re-evaluations, in the order in which they were chosen."""
        if self.test_record is None:
            return []
        return self.store.by_number(self.test_record.id)

    def _tested_of(
        self, tested: list[TrialRecord], origin: str, study: StudyRecord, reading: Reading | None
    ) -> list[RatedCandidate]:
        """Returns the re-evaluated candidates of one origin by rank, each with its values seed by seed."""
        chosen = [trial for trial in tested if trial.origin == origin]
        found = []
        for rank, trial in enumerate(chosen, start=1):
            results = self.cache.replicates(trial.context, [trial.key]).get(trial.key, [])[: trial.replicates or None]
            values = self._objectives(results)
            places = reading.columns.places(trial.key) if reading is not None else []
            before = self.confirmed.get((origin, trial.key))
            if before is None and places:
                (before,) = self.store.trials_at(study.id, places[-1:])
            found.append(
                replace(
                    note(trial),
                    rank=rank,
                    fitness=before.fitness if before else None,
                    validation_values=self._values(before),
                    test_values=values,
                    failed=sum(item.metrics is None for item in results) or int(not values),
                    description=self.illustrator.describe(trial.candidate),
                    picture=self.illustrator.picture(trial.candidate) if origin == SEARCH_WINNER else None,
                )
            )
        return found

    def _values(self, trial: TrialRecord | None) -> list[float]:
        if trial is None:
            return []
        results = self.cache.replicates(trial.context, [trial.key]).get(trial.key, [])[: trial.replicates]
        return self._objectives(results)

    def _objectives(self, results: Sequence[Result]) -> list[float]:
        """Returns the objective of each result that has it: one of another study's may lack what this one asks for."""
        every = [item.metrics or {} for item in results]
        return [float(metrics[self.objective]) for metrics in every if self.objective in metrics]

    # --- beside the search -------------------------------------------------------------------------------------------

    def _begun(self, tested: list[TrialRecord], winners: list[RatedCandidate], certain: bool) -> Begun | None:
        """Returns what the search began from; None for a search that began from nothing."""
        counts = begun_with(self.record)
        if not counts:
            return None
        other = self.begun_record
        reading = None if other is None else read_study(self.store, other, self.objectives)
        others = [] if other is None else self._tested_of(tested, BEGUN_WINNER, other, reading)
        part = None if reading is None else reading.part
        return Begun(begun_in_words(counts), counts, part, others, self.judge.gain(winners, others, certain))

    def _rated(self, tested: list[TrialRecord], winners: list[RatedCandidate], certain: bool) -> Rated | None:
        """Returns what a search took beside its evaluations: ratings, or a strategy's artefacts; None for others."""
        record = self.rating_record
        if record is None and self.seconds_record is None:
            return None
        longer = self.seconds_record
        reading = None if longer is None else read_study(self.store, longer, self.objectives)
        others = [] if longer is None else self._tested_of(tested, SECONDS_WINNER, longer, reading)
        used = self.settings.get("environment", {}).get("artefacts_used", [])
        made = sum(one["seconds"] for one in used)
        part, name, objective = None, str(self.settings["strategy"]["name"]), ""
        if record is not None:
            part = read_study(self.store, record, objectives_of(record.settings)).part
            name, objective = str(record.settings["evaluator"]["name"]), str(record.settings["objective"])
            ratings = ratings_of(self.store, record, {item.candidate for item in winners})
            winners[:] = [replace(item, rating=ratings.get(item.candidate)) for item in winners]
            made += seconds_of_evaluations(self.store, record.id)
        return Rated(
            name,
            objective,
            part,
            made,
            seconds_of_evaluations(self.store, self.record.id),
            None if reading is None else reading.part,
            others,
            self.judge.gain(winners, others, certain),
        )

    def _drawn_from(self) -> tuple[str, ...]:
        """Returns the other searches whose evaluations served this one: their runs are not independent of it."""
        return self.store.served_by(self.record.id)

    def _keyed_by_json(self) -> dict[str, Any]:
        """Returns how many candidates were keyed by their JSON, and why; empty where none was."""
        found: dict[str, Any] = self.record.settings.get("environment", {}).get("keyed_by_json", {})
        if found:
            self.notes.append(
                f"{found['by_json']:,} of {found['candidates']:,} candidates were keyed by their JSON and not by their "
                f"function, so other encodings of theirs were not recognised: {found['why'][0]['why']}"
            )
        return found

    def _learning(self, search: Reading, found: list[RatedCandidate]) -> Learning | None:
        curves = learning(self.store, self.cache, self.record, search, found, self.objective)
        if curves is not None and self.objective not in curves.reported:
            names = ", ".join(curves.reported)
            self.notes.append(
                f"Learning curves hold {names} and not {self.objective}; `study.learning_curves` has them."
            )
        return curves

    def _audits(self, search: Reading) -> dict[str, Any]:
        """Returns what re-evaluations of hits found, empty where this study has none."""
        if not search.part.trials:
            return {}
        context = self.store.trials_at(self.record.id, [0])[0].context
        if self.settings.get("evaluator", {}).get("equality") == "candidate":
            spread = spread_of(self.database, self.objective, context)
            return {**spread.as_json(), "sentence": spread.sentence()} if spread.functions else {}
        found = audit_report(self.database, self.objective, context=context, studies=[self.record.id])
        return {**found.as_json(), "sentence": found.sentence()} if found.audited else {}

    # --- where the best comes from -----------------------------------------------------------------------------------

    def _genealogy(self, search: Reading, key: bytes | None) -> list[RatedCandidate]:
        """Returns the best's line of parents, from the class's first occurrence backwards, oldest first."""
        places = search.columns.places(key) if key is not None else []
        if not places:
            return []
        (first,) = self.store.trials_at(self.record.id, places[:1])
        line = search.columns.ancestors(first.number, ANCESTORS)
        if len(line) > 40:  # the ends and an even choice between
            line = [*line[:1], *line[1 : -20 : len(line) // 20 + 1], *line[-20:]]
        where = [search.columns.position(number) for number in line]
        found = self.store.trials_at(self.record.id, [place for place in where if place is not None])
        return [self.illustrator.illustrate(note(item)) for item in found]

    def _front(self, search: Reading, tested: list[RatedCandidate]) -> list[RatedCandidate]:
        """Returns the Pareto front with descriptions, and with the test figures of the classes that were tested."""
        figures = {item.key: item.test_values for item in tested}
        return [
            replace(item, description=self.illustrator.describe(item.candidate), test_values=figures.get(item.key, ()))
            for item in search.part.front
        ]

    def _encodings(self, search: Reading, key: bytes | None) -> tuple[list[RatedCandidate], int]:
        if key is None:
            return [], 0
        cost = search.part.cost
        found, count = encodings(self.store, self.record.id, search, key, lambda item: item.costs.get(cost))
        return [self.illustrator.illustrate(item) for item in found], count

    def _say_whose_is_best(self, winners: list[RatedCandidate], random: list[RatedCandidate]) -> None:
        """Says so where random search's winner looks better on validation: `study.best` and exports take that one."""
        if not winners or not random or winners[0].fitness is None or random[0].fitness is None:
            return
        worth = self.objectives.fitness.worth
        if worth(random[0].fitness) > worth(winners[0].fitness):
            self.notes.append(
                f"Of all that was evaluated, random search's best is better on validation ({random[0].fitness:.4g}; "
                f"the search's has {winners[0].fitness:.4g}). study.best and exports take it: {random[0].candidate}"
            )

    def _remark(self, search: Reading, random: Reading | None) -> None:
        self.notes.extend(found_under(self.settings))
        if said := stopped_early(self.store, self.cache, self.record):
            self.notes.append(said)
        if self.objectives.constraints:
            kept = " and ".join(map(str, self.objectives.constraints))
            self.notes.append(f"Only candidates with {kept} count, of the search and of random search alike.")
        if random is not None and (failed := random.part.outcomes["failed"].trials):
            self.notes.append(f"{failed} random candidates failed; they count as tried and are left out of averages.")
        if self.failed.failed:
            self.notes.append(
                "A candidate's own failure is stored and served to every later study; where it was no fault of the "
                "candidates', `automl cache prune --failed` forgets such failures."
            )
        if self.illustrator.missing:
            self.notes.append(f"Candidates are shown without pictures: {self.illustrator.missing}.")
        if search.part.trials == 0:
            self.notes.append("No trial has been recorded yet.")
        elif search.part.best is None and self.objectives.constraints and search.part.sample is not None:
            self.notes.append("No candidate of the search keeps these bounds; widen them, or search on.")
        elif search.part.best is None and search.part.outcomes["failed"].trials < search.part.trials:
            self.notes.append("There was no full evaluation: every trial was a cheaper one. `automl resume` goes on.")


def _held_out(settings: Mapping[str, Any]) -> bool:
    """Tells whether a study's final figures come from a test part; studies of older versions do not say so."""
    evaluator = settings.get("evaluator") or {}
    return bool(settings.get("held_out", evaluator.get("name") not in ("function", "hpolib")))
