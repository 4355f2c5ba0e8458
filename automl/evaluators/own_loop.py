"""The evaluator of a search whose evaluations somebody else runs, in a loop of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from automl.behaviour import Array, Probe
from automl.errors import InvalidInput, brief
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.evaluators.directions import direction_of


@dataclass(frozen=True)
class OwnLoop(Evaluator):
    """Evaluator of `automl.ask_and_tell`: it evaluates nothing, since your own loop does, and says what figures mean.

    The code of a loop cannot be looked at, so what its figures depend on is named here. Figures are shared between all
    studies, processes and machines that name the same.

    Attributes:
        measured: What the figures depend on: program and version, data, epochs, such as "train.py 3, CIFAR-10, 20".
            Change it whenever the figures would change.
        metrics: Names of the metrics that will be told, the default objective first, or a mapping from each name to
            "maximize" or "minimize". A name alone tells its direction (`loss`: minimize).
        test_part: True if what is asked with part "test" is measured on data of their own, which no search reads.
        seeded: False if the seed changes no figure; nothing is then evaluated twice to confirm it.
        inputs: Shapes of the inputs of one example, without the batch, for spaces whose `build` returns a module:
            `[(3, 32, 32)]`. Without them such candidates are keyed by their JSON.

    Raises:
        InvalidInput: `measured` is empty, or a metric's name does not tell its direction.

    Example:
        >>> loop = OwnLoop("train.py 3, CIFAR-10, 20 epochs", metrics=["accuracy", "loss"])
        >>> dict(loop.metrics)
        {'accuracy': 'maximize', 'loss': 'minimize'}
        >>> OwnLoop("")
        Traceback (most recent call last):
        automl.errors.InvalidInput: measured is empty: say what the figures depend on, such as 'train.py 3, ...
    """

    name: ClassVar[str] = "own-loop"

    measured: str
    metrics: Sequence[str] | Mapping[str, str] = ("fitness",)  # type: ignore[assignment,misc]
    test_part: bool = False
    seeded: bool = True
    inputs: Sequence[Sequence[int]] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.measured, str) or not self.measured.strip():
            raise InvalidInput(
                "measured is empty: say what the figures depend on, such as 'train.py 3, CIFAR-10, 20 epochs'"
            )
        given = self.metrics if isinstance(self.metrics, Mapping) else _directions(self.metrics)
        if wrong := {name: way for name, way in given.items() if way not in ("maximize", "minimize")}:
            raise InvalidInput(f"metrics={brief(wrong)}: each is to be 'maximize' or 'minimize'")
        if not given:
            raise InvalidInput("metrics is empty: name what will be told, such as ['accuracy']")
        object.__setattr__(self, "metrics", dict(given))
        object.__setattr__(self, "inputs", tuple(tuple(int(one) for one in shape) for shape in self.inputs))

    @property
    def deterministic(self) -> bool:  # type: ignore[override]
        """True if the seed changes no figure."""
        return not self.seeded

    @property
    def has_test_part(self) -> bool:  # type: ignore[override]
        """True if test figures are measured on data of their own."""
        return self.test_part

    def settings(self) -> dict[str, Any]:
        """Returns what the figures depend on."""
        return {"measured": self.measured}

    def probe(self) -> Probe:
        return Probe(inputs=tuple(Array(tuple(shape)) for shape in self.inputs))

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        """Raises InvalidInput, since the loop evaluates."""
        raise InvalidInput("own-loop evaluates nothing itself; ask and tell with the study of automl.ask_and_tell")


def _directions(names: Sequence[str]) -> dict[str, str]:
    if isinstance(names, str):
        raise InvalidInput(f"metrics={names!r}: give a list of names, such as [{names!r}]")
    return {name: direction_of(name) or "maximize" for name in names}
