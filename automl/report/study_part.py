"""What a report holds of one study: its trials by outcome, its curves, its failures and its candidates with figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from automl.evidence.means import mean
from automl.selection.objectives import Objective
from automl.storage.records import Outcome

if TYPE_CHECKING:
    import networkx

MEANING: dict[Outcome, str] = {
    "miss": "evaluated",
    "partial": "one more replicate",
    "hit": "in the cache",
    "joined": "waited for an equal one",
    "failed": "gave no fitness",
}


@dataclass(slots=True)
class OutcomeLine:
    """All trials of one outcome: how many, what evaluating them took, and what not evaluating them saved.

    `table_paid` and `table_saved` are the same by the evaluator's own account (`cost_seconds`: a table knows what the
    real training took); they are 0 where it gives none.
    """

    trials: int = 0
    paid_seconds: float = 0.0
    saved_seconds: float = 0.0
    table_paid: float = 0.0
    table_saved: float = 0.0

    def count_cost(self, outcome: str, seconds: float, replicates: int) -> None:
        """Adds one trial whose evaluations would each have taken so long."""
        bought = {"miss": replicates, "partial": 1}.get(outcome, 0)
        self.table_paid += seconds * bought
        self.table_saved += seconds * (replicates - bought)


@dataclass(frozen=True, slots=True)
class Curve:
    """The best fitness so far, one point for every improvement and one for the end.

    Attributes:
        trials: finished until then.
        evaluations: counted until then, whether run or found in the cache.
        seconds: since the study began.
        best: fitness.
    """

    trials: list[int]
    evaluations: list[float]
    seconds: list[float]
    best: list[float]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Trials by outcome as the study went on, thinned to a few hundred points; every list has one value a point."""

    trials: list[int]
    seconds: list[float]
    outcomes: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Fitness of a study's valid trials: exact moments, and a uniform sample of the values for drawing.

    `deviation` is None where it is larger than numbers can be.
    """

    values: list[float]
    count: int
    mean: float
    deviation: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure: the exception's name, how often it was met, and one message in full."""

    kind: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class RatedCandidate:
    """One candidate with its figures: an ancestor, an encoding, the best, one of the Pareto front, or a tested one.

    Attributes:
        number: of its trial, in the study that `origin` belongs to.
        candidate: canonical JSON.
        key: 16 bytes, the functional hash.
        origin: which part of the strategy proposed it; of a tested one "search winner", "random winner", "random
            sample" or "front member".
        fitness: on validation. Of a tested one, the fitness that selected it; None where it was not selected.
        costs: of this encoding.
        rank: of a tested one, 1 for the best by validation of its origin; 0 of others.
        validation_values: of a tested one, the fitness of each replicate.
        test_values: its class's figures on the test part, one for each fresh seed that succeeded.
        failed: seeds that failed on the test part.
        figures: of one of the Pareto front, what it reaches in each objective.
        description: one line of text.
        picture: a graph to draw.
        rating: what it was rated, in a search that rates first.
    """

    number: int
    candidate: str
    key: bytes
    origin: str
    fitness: float | None
    costs: Mapping[str, float]
    rank: int = 0
    validation_values: Sequence[float] = ()
    test_values: Sequence[float] = ()
    failed: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    description: str = ""
    picture: networkx.DiGraph | None = None
    rating: float | None = None

    @property
    def test(self) -> float | None:
        """The mean of `test_values`."""
        return mean(self.test_values) if self.test_values else None


@dataclass(frozen=True)
class StudyPart:
    """One study (the search, or its random search) after all its trials were read once.

    Attributes:
        evaluations: paid for by this study.
        counted: evaluations counted: distinct replicates of classes, run or cached; the measure of equal effort.
        fidelities: trials by what they told the evaluator of fidelity (JSON), cheapest first, where there were several.
        classes: distinct classes with a fitness.
        seconds: from the study's begin to its last trial, on the coordinator's clock.
        cost: the name of the cost that encodings are compared by, empty where there is none.
        objectives: what the Pareto front is a front of: the study's objectives, or its one objective and the cost.
        front: trials that keep the constraints and that no other matches or beats in every objective, by the last one.
        cloud: values of the objectives of a part of all trials, and whether each keeps the constraints.
    """

    name: str
    kind: str
    state: str
    created: float
    trials: int
    evaluations: int
    counted: float
    fidelities: dict[str, int]
    classes: int
    seconds: float
    hash_seconds: float
    outcomes: dict[Outcome, OutcomeLine]
    curve: Curve
    timeline: Timeline
    sample: Sample | None
    best: RatedCandidate | None
    failures: list[Failure]
    cost: str = ""
    front: list[RatedCandidate] = field(default_factory=list)
    cloud: list[tuple[tuple[float, ...], bool]] = field(default_factory=list)
    objectives: tuple[Objective, ...] = ()

    @property
    def paid_seconds(self) -> float:
        return sum(line.paid_seconds for line in self.outcomes.values())

    @property
    def saved_seconds(self) -> float:
        return sum(line.saved_seconds for line in self.outcomes.values())

    @property
    def table_paid(self) -> float:
        return sum(line.table_paid for line in self.outcomes.values())

    @property
    def table_saved(self) -> float:
        return sum(line.table_saved for line in self.outcomes.values())

    @property
    def saved_trials(self) -> int:
        return self.outcomes["hit"].trials + self.outcomes["joined"].trials
