"""Reads one study's trials once, page by page, and aggregates them while they pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from automl.jsontext import canonical
from automl.report.reading.columns import Columns, Counts
from automl.report.reading.thinning import Failures, Thinned, Values
from automl.report.study_part import Curve, OutcomeLine, RatedCandidate, Sample, StudyPart, Timeline
from automl.selection.beginnings import known_before
from automl.selection.effort import FullCost
from automl.selection.fronts import Front
from automl.selection.objectives import Objective, Objectives
from automl.storage.records import OUTCOMES, Outcome, StudyRecord, TrialRecord
from automl.storage.studies import StudyStore
from automl.strategies.base import FULL

CLOUD = 400
"""Points drawn behind a Pareto front."""

ENCODINGS = 5
"""Cheapest encodings of the best class that are kept."""


@dataclass(frozen=True)
class Reading:
    """One study, read.

    Attributes:
        part: what the report shows of it.
        columns, counts: for questions that come up later (ancestors, ranks).
    """

    part: StudyPart
    columns: Columns
    counts: Counts


def note(trial: TrialRecord) -> RatedCandidate:
    """Returns what a report keeps of one trial."""
    costs = {name: float(value) for name, value in trial.costs.items()}
    return RatedCandidate(trial.number, trial.candidate, trial.key, trial.origin, trial.fitness, costs)


class Fidelities:
    """What the trials of a study cost in full evaluations, where it asked for cheaper ones too."""

    def __init__(self, store: StudyStore, record: StudyRecord) -> None:
        stored = record.settings.get("fidelities") if record.kind == "search" else None
        self._levels: dict[int, tuple[float, int]] = {}  # by context: share, and a number of its own
        self._names: dict[int, str] = {}
        self._trials: Counter[int] = Counter()
        if stored:
            shares = {canonical(rung["settings"]): float(rung["share"]) for rung in stored["rungs"]}
            for context, settings in store.fidelities(record.id).items():
                self._names[context] = canonical(settings) if settings else "full"
                self._levels[context] = (shares.get(canonical(settings), FULL), context if settings else 0)
        self._cost = FullCost(bool(stored and stored["carries"]))
        self._met: dict[tuple[bytes, int], int] = {}

    def of(self, trial: TrialRecord) -> tuple[float, int]:
        """Returns what each new replicate of the trial costs, and the level that it counts in."""
        if not self._levels:
            return FULL, 0
        share, level = self._levels[trial.context]
        self._trials[trial.context] += 1
        before = self._met.get((trial.key, level), 0)
        new = range(before, max(before, trial.replicates))
        self._met[trial.key, level] = new.stop
        cost = self._cost.cost(trial.candidate, new, share)
        return (cost / len(new) if new else share), level

    def trials(self) -> dict[str, int]:
        """Returns how many trials asked for each fidelity, cheapest first."""
        return {self._names[one]: self._trials[one] for one in sorted(self._trials, key=self._levels.__getitem__)}


class _Reader:
    def __init__(self, objectives: Objectives, fidelities: Fidelities, known: Iterable[bytes]) -> None:
        self.objectives = objectives
        self.cost = ""
        self.fidelities = fidelities
        self.columns = Columns(known)
        self.outcomes: dict[Outcome, OutcomeLine] = {name: OutcomeLine() for name in OUTCOMES}
        self.failures = Failures()
        self.values = Values()
        self.points: Thinned[tuple[int, float, tuple[int, ...]]] = Thinned()
        self.steps: list[tuple[int, float, float]] = []  # place, seconds, fitness
        self.front: Front[RatedCandidate] = Front()
        self.cloud: list[tuple[tuple[float, ...], bool]] = []
        self.cloud_every = 1
        self.hash_seconds = 0.0
        self.seconds = 0.0

    def add(self, trial: TrialRecord) -> None:
        place = len(self.columns.keys)
        line = self.outcomes[trial.outcome]
        line.trials += 1
        line.paid_seconds += trial.paid_seconds
        line.saved_seconds += trial.saved_seconds
        if "cost_seconds" in trial.metrics:
            line.count_cost(trial.outcome, float(trial.metrics["cost_seconds"]), max(1, trial.replicates))
        self.hash_seconds += trial.hash_seconds
        self.seconds = max(self.seconds, trial.told_at)
        worth = None if trial.fitness is None else self.objectives.fitness.worth(trial.fitness)
        allowed = self.objectives.allows(trial)
        self.columns.add(trial, worth, *self.fidelities.of(trial), allowed=allowed)
        if trial.outcome == "failed":
            self.failures.add(trial.error)
        elif worth is not None and trial.fitness is not None:
            self.values.add(trial.fitness)
            if allowed and (not self.steps or worth > self.objectives.fitness.worth(self.steps[-1][2])):
                self.steps.append((place, trial.told_at, trial.fitness))
            self._weigh(trial, allowed)
        self.points.add((place, trial.told_at, tuple(line.trials for line in self.outcomes.values())))

    def _weigh(self, trial: TrialRecord, allowed: bool) -> None:
        """Holds a trial against the Pareto front; where there is one objective only, of quality and cost."""
        if not self.cost and trial.costs:
            priced = [one.metric for one in self.objectives.all if one.metric in trial.costs]
            self.cost = (priced or [*({"parameters"} & set(trial.costs)), min(trial.costs)])[0]
            if len(self.objectives.all) == 1 and not priced:
                both = (*self.objectives.all, Objective(self.cost, minimize=True))
                self.objectives = replace(self.objectives, all=both)
        objectives = self.objectives.all
        worth = self.objectives.worth(trial) if len(objectives) > 1 else None
        if worth is None:
            return
        values = tuple(one.worth(value) for one, value in zip(objectives, worth, strict=True))
        if allowed and self.front.wants(worth):
            figures = {one.metric: value for one, value in zip(objectives, values, strict=True)}
            self.front.add(worth, replace(note(trial), figures=figures))
        if self.values.count % self.cloud_every == 0:
            self.cloud.append((values, allowed))
            if len(self.cloud) >= 2 * CLOUD:
                del self.cloud[1::2]
                self.cloud_every *= 2

    def curve(self, counted: np.ndarray) -> Curve:
        steps = list(self.steps)
        if steps and steps[-1][0] < len(counted) - 1:
            steps.append((len(counted) - 1, self.seconds, steps[-1][2]))
        if len(steps) > 2000:
            steps = [*steps[:: len(steps) // 1000 + 1], steps[-1]]
        return Curve(
            trials=[place + 1 for place, _, _ in steps],
            evaluations=[_number(counted[place]) for place, _, _ in steps],
            seconds=[seconds for _, seconds, _ in steps],
            best=[fitness for _, _, fitness in steps],
        )

    def timeline(self) -> Timeline:
        points = self.points.items()
        return Timeline(
            trials=[place + 1 for place, _, _ in points],
            seconds=[seconds for _, seconds, _ in points],
            outcomes={name: [counts[i] for _, _, counts in points] for i, name in enumerate(OUTCOMES)},
        )


def read_study(store: StudyStore, record: StudyRecord, objectives: Objectives) -> Reading:
    """Reads all trials of a study in pages; memory grows by 40 bytes a trial and by nothing else.

    Args:
        store: of the study.
        record: the study.
        objectives: of the search that it belongs to.
    """
    reader = _Reader(objectives, Fidelities(store, record), known_before(store, record))
    for trial in store.trials(record.id):
        reader.add(trial)
    counts = reader.columns.counts()
    sample: Sample | None = reader.values.sample()
    part = StudyPart(
        name=record.name,
        kind=record.kind,
        state=record.state,
        created=record.created,
        trials=len(reader.columns.keys),
        evaluations=counts.evaluations,
        counted=_number(counts.counted[-1]) if len(counts.counted) else 0,
        fidelities=reader.fidelities.trials(),
        classes=len(counts.classes),
        seconds=reader.seconds,
        hash_seconds=reader.hash_seconds,
        outcomes=reader.outcomes,
        curve=reader.curve(counts.counted),
        timeline=reader.timeline(),
        sample=sample,
        best=None if counts.best is None else note(store.trials_at(record.id, [counts.best])[0]),
        failures=reader.failures.items(),
        cost=reader.cost,
        objectives=reader.objectives.all,
        front=reader.front.items(),
        cloud=reader.cloud,
    )
    return Reading(part, reader.columns, counts)


def _number(count: float) -> float:
    """Returns a count of evaluations, whole where all were full ones."""
    return int(count) if float(count).is_integer() else round(float(count), 3)


def encodings(
    store: StudyStore, study: int, reading: Reading, key: bytes, cost_of: Callable[[RatedCandidate], float | None]
) -> tuple[list[RatedCandidate], int]:
    """Returns the cheapest distinct encodings of one class in a study, cheapest first, and how many there are.

    At most 1,000 of the class's trials are looked at.
    """
    found: dict[str, RatedCandidate] = {}
    for trial in store.trials_at(study, reading.columns.places(key)[:1000]):
        found.setdefault(trial.candidate, note(trial))

    def rank(item: RatedCandidate) -> tuple[float, int]:
        cost = cost_of(item)
        return (float("inf") if cost is None else cost, len(item.candidate))

    return sorted(found.values(), key=rank)[:ENCODINGS], len(found)
