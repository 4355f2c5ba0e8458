"""What a study and a trial are as records, and how they are written as rows and read from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, get_args

from sqlalchemy import Row

from automl.jsontext import canonical, stored
from automl.storage.schema import trial

Kind = Literal[
    "search", "known", "rating", "baseline", "begun", "seconds", "confirmation", "test", "ensemble", "ablation"
]
Outcome = Literal["miss", "partial", "hit", "joined", "failed"]
"""What a trial took: evaluations of its own, one more replicate, nothing, or one that was running; or it failed."""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """Study as stored in a database.

    Attributes:
        id: Number of the study, unique in the database.
        name: Name of the study, unique in the database.
        kind: Role of the study: see `Kind`.
        parent: Number of the search that a baseline or test study belongs to; None for a search.
        settings: JSON settings that must be unchanged when the study is resumed.
        state: "open" or "finished".
        created: Time of creation in seconds since 1970, by the database's clock.
        trials: Number of trials that the strategy was told.

    Example:
        >>> from automl.storage.engine import Database
        >>> from automl.storage.studies import StudyStore
        >>> studies = StudyStore(Database("sqlite:///cells.db"))
        >>> record = studies.create("cells", "search", {"seed": 0})
        >>> record.state, record.trials, record.settings
        ('open', 0, {'seed': 0})
    """

    id: int
    name: str
    kind: Kind
    parent: int | None
    settings: dict[str, Any]
    state: Literal["open", "finished"]
    created: float
    trials: int


@dataclass(slots=True)
class TrialRecord:
    """One proposal of a study and its outcome, written once, when the strategy was told.

    Attributes:
        number: Number of the trial in the order of proposals, from 0.
        candidate: Canonical JSON of the candidate.
        key: Functional hash of the candidate, 16 bytes.
        context: Number of the context that the key belongs to.
        outcome: "miss" (the trial caused its evaluation), "hit" (all results came from the cache), "partial" (one more
            replicate was evaluated), "joined" (it waited for an evaluation that was running already) or "failed".
        fitness: Value of the objective, in its own direction; None for a failed trial and below a full evaluation,
            whose values are comparable only among themselves.
        metrics: Mapping from metric name to mean over the replicates.
        replicates: Number of results in these means.
        origin: Way in which the strategy made the candidate, such as "sample" or "mutate".
        parents: Numbers of the trials whose candidates were varied to make this one.
        error: One line that says why the trial failed; empty on success.
        paid_seconds: Seconds of the evaluations that this trial caused.
        saved_seconds: Seconds that the evaluations whose results came from the cache had taken.
        hash_seconds: Seconds that computing the key took.
        costs: Mapping from name to cost of this very candidate (parameters, FLOPs); never served by key.
        told_at: Seconds from the begin of the study to the completion of the trial, on the coordinator's running clock.
        position: Number of the trial in the order of completion, from 0: the order in which the strategy was told.

    Example:
        >>> served = TrialRecord(7, '{"x":3}', bytes(16), context=1, outcome="hit", fitness=0.93, saved_seconds=41.0)
        >>> served.outcome, served.paid_seconds
        ('hit', 0.0)
    """

    number: int
    candidate: str
    key: bytes
    context: int
    outcome: Outcome
    fitness: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    replicates: int = 0
    origin: str = ""
    parents: tuple[int, ...] = ()
    error: str = ""
    paid_seconds: float = 0.0
    saved_seconds: float = 0.0
    hash_seconds: float = 0.0
    costs: Mapping[str, Any] = field(default_factory=dict)
    told_at: float = 0.0
    position: int = 0


class Standing(NamedTuple):
    """Position, key, outcome and fitness of one trial: all that ranking needs, and quick to read.

    Example:
        >>> Standing(position=0, key=bytes(16), outcome="miss", fitness=0.93).fitness
        0.93
    """

    position: int
    key: bytes
    outcome: Outcome
    fitness: float | None


TRIAL_COLUMNS = tuple(column.name for column in trial.columns)


def _text(figures: Mapping[str, Any], texts: dict[int, str]) -> str:
    """Returns the JSON of a trial's figures; the trials of one class share theirs, which are then written only once.

    Args:
        figures: of a trial that lives as long as `texts`.
        texts: what was written before, by the identity of the figures.
    """
    if (text := texts.get(id(figures))) is None:
        text = texts[id(figures)] = canonical(figures)
    return text


def trial_row(study_id: int, one: TrialRecord, texts: dict[int, str]) -> tuple[Any, ...]:
    """Returns the values of all of `TRIAL_COLUMNS` for one trial; `texts` is shared by the trials of one call."""
    return (
        study_id,
        one.position,
        one.number,
        one.key,
        one.context,
        one.outcome,
        one.fitness,
        _text(one.metrics, texts),
        one.replicates,
        one.origin,
        "[" + ",".join(map(str, one.parents)) + "]",
        one.error,
        one.paid_seconds,
        one.saved_seconds,
        one.hash_seconds,
        _text(one.costs, texts) if one.costs else "{}",
        one.told_at,
        one.candidate,
    )


def read_trial(row: Row[Any]) -> TrialRecord:
    """Returns the trial that a row of the table `trial` holds."""
    metrics, parents, costs = stored(f"[{row.metrics},{row.parents},{row.costs}]")  # one call for all three
    return TrialRecord(
        number=row.number,
        candidate=row.candidate,
        key=row.key,
        context=row.context,
        outcome=row.outcome,
        fitness=row.fitness,
        metrics=metrics,
        replicates=row.replicates,
        origin=row.origin,
        parents=tuple(parents),
        error=row.error,
        paid_seconds=row.paid_seconds,
        saved_seconds=row.saved_seconds,
        hash_seconds=row.hash_seconds,
        costs=costs,
        told_at=row.told_at,
        position=row.position,
    )


def read_study(row: Row[Any]) -> StudyRecord:
    """Returns the study that a row of the table `study` holds."""
    settings = stored(row.settings)
    return StudyRecord(row.id, row.name, row.kind, row.parent, settings, row.state, row.created, row.trials)
