"""The complete HPOLib grids as an evaluator: 62,208 trained networks per data set, at the cost of a look-up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xxhash

from automl.behaviour import Configuration
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from workers.remembered import while_unchanged
from workers.tasks import data_file

DATASETS = ("protein_structure", "slice_localization")


@dataclass(frozen=True)
class HPOLibTable(Evaluator):
    """Looks up regression networks, trained with all settings of nine hyperparameters (Klein and Hutter 2019, FCNet).

    Metrics are "loss", the validation mean squared error after 100 epochs, and "cost_seconds" of that training. There
    are four seeds: replicate r takes seed r modulo 4. The table has no test values; for the test part it gives the mean
    over all four seeds, which describes the settings on the same data.

    Attributes:
        dataset: Name of the data set: "protein_structure" or "slice_localization".
        randomised: If True, the evaluation's seed chooses among the four seeds, instead of the replicate.
        path: Path of the folder with the files; None looks in $AUTOML_DATA/hpolib.

    Example:
        >>> HPOLibTable(dataset="protein_structure").has_test_part
        False
        >>> HPOLibTable(dataset="proteins")
        Traceback (most recent call last):
        automl.errors.InvalidInput: hpolib has no data set 'proteins'; it has protein_structure, slice_localization
    """

    name: ClassVar[str] = "hpolib"
    version: ClassVar[str] = "1"
    inline: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {"loss": "minimize", "cost_seconds": "minimize"}
    test_is_population_mean: ClassVar[bool] = True
    has_test_part: ClassVar[bool] = False

    dataset: str = "protein_structure"
    randomised: bool = False
    path: str | None = None

    def __post_init__(self) -> None:
        if self.dataset not in DATASETS:
            raise InvalidInput(f"hpolib has no data set {self.dataset!r}; it has {', '.join(DATASETS)}")

    def prepare(self) -> None:
        self._grid()

    def settings(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "randomised": self.randomised, "table": self._grid().fingerprint}

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        outcome = self.evaluate_many([(work, how)])[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def evaluate_many(self, works: Sequence[tuple[Work, Evaluation]]) -> list[Metrics | Exception]:
        grid = self._grid()
        outcomes: list[Metrics | Exception] = []
        for work, how in works:
            try:
                place = grid.place(work)
            except CandidateFailure as error:
                outcomes.append(error)
                continue
            losses, seconds = grid.losses[place], grid.seconds[place]
            seed = (how.seed if self.randomised else how.replicate) % len(losses)
            loss = losses.mean() if how.part == "test" else losses[seed]
            outcomes.append({"loss": float(loss), "cost_seconds": float(seconds[seed])})
        return outcomes

    def _grid(self) -> _Grid:
        if self.path is None:
            table = data_file(f"hpolib/hpolib_{self.dataset}.npz", "the table of HPOLib")
        else:
            table = Path(self.path).expanduser() / f"hpolib_{self.dataset}.npz"
            if not table.is_file():
                raise InvalidInput(f"no file {str(table)!r}; give the folder that holds it as `path`")
        return _read(table)


@dataclass(frozen=True, slots=True)
class _Grid:
    """One table: arrays with one axis a parameter and a last one for the seeds."""

    order: tuple[str, ...]
    places: tuple[dict[Any, int], ...]  # of each parameter's values
    losses: np.ndarray
    seconds: np.ndarray
    fingerprint: str

    def place(self, work: Work) -> tuple[int, ...]:
        """Returns where a configuration stands in the grid.

        Raises:
            CandidateFailure: it stands nowhere.
        """
        value: Any = work.behaviour.value if isinstance(work.behaviour, Configuration) else {}
        try:
            return tuple(places[value[name]] for name, places in zip(self.order, self.places, strict=True))
        except (KeyError, TypeError):
            raise CandidateFailure(f"the grid of HPOLib has no configuration {work.candidate}") from None


@while_unchanged(4)
def _read(file: Path) -> _Grid:
    axes = file.parent / "hpolib_space.json"
    if not axes.is_file():
        raise InvalidInput(f"{axes}, which names the axes of {file.name}, is missing; put it beside the table")
    described = json.loads(axes.read_text())
    order = tuple(described["order"])
    places = tuple({value: place for place, value in enumerate(described["choices"][name])} for name in order)
    with np.load(file, allow_pickle=False) as table:
        losses, seconds = table["val_loss"].astype(np.float64), table["train_time"].astype(np.float64)
    fingerprint = xxhash.xxh3_128_hexdigest(file.read_bytes() + axes.read_bytes())
    return _Grid(order, places, losses, seconds, fingerprint)
