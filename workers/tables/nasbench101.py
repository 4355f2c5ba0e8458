"""NAS-Bench-101's official files as an evaluator: 423,624 cells, each trained three times (Ying et al., ICML 2019)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xxhash

from automl.behaviour import Array, Probe
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Fidelity, Metrics, Work
from workers.remembered import while_unchanged
from workers.tables.tfrecord import fields, records
from workers.tasks import data_file

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""In the order of the benchmark's own labels."""

FULL = 108
EPOCHS = (4, 12, 36, FULL)

Runs = list[tuple[float, float, float]]
"""(validation accuracy, test accuracy, training seconds) of each run; accuracies in percent."""


@dataclass(frozen=True)
class NASBench101Table(Evaluator):
    """Looks up the accuracy of cells in NAS-Bench-101's own files, which are read without TensorFlow.

    The files are `nasbench_only108.tfrecord` and `nasbench_full.tfrecord`.

    Metrics are "accuracy" on CIFAR-10 in percent and "cost_seconds" of the training. Replicate r takes run r modulo the
    number of runs; the test value is the mean over all runs. A cell is found under any numbering of its vertices, with
    or without vertices that no path uses.

    Attributes:
        epochs: Number of training epochs: 108, or 4, 12 or 36 with the full file; the fidelity {"epochs": 12} replaces
            it.
        path: Path of the file, from https://github.com/google-research/nasbench; None looks for
            $AUTOML_DATA/nasbench101/nasbench_only108.tfrecord. Reading it takes about a minute, and several for the
            full one.

    Example:
        >>> NASBench101Table(epochs=108).metrics
        {'accuracy': 'maximize', 'cost_seconds': 'minimize'}
        >>> NASBench101Table(epochs=100)
        Traceback (most recent call last):
        automl.errors.InvalidInput: nasbench101 has no figures for 100 epochs; it has 4, 12, 36 and 108
    """

    name: ClassVar[str] = "nasbench101"
    version: ClassVar[str] = "1"
    inline: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {"accuracy": "maximize", "cost_seconds": "minimize"}
    test_is_population_mean: ClassVar[bool] = True

    epochs: int = FULL
    path: str | None = None

    def __post_init__(self) -> None:
        if self.epochs not in EPOCHS:
            raise InvalidInput(f"nasbench101 has no figures for {self.epochs!r} epochs; it has 4, 12, 36 and 108")

    def prepare(self) -> None:
        table = self._table()
        if self.epochs not in table.runs:
            raise InvalidInput(
                f"{self._file()} has no figures for {self.epochs} epochs; take nasbench_full.tfrecord, or epochs="
                f"{max(table.runs)}"
            )

    def settings(self) -> dict[str, Any]:
        return {"epochs": self.epochs, "table": self._table().fingerprint}

    def approximations(self) -> Sequence[Fidelity]:
        """Returns the shorter trainings of the full file: each run for itself, not broken off from a longer one."""
        shorter = sorted(epochs for epochs in self._table().runs if epochs < self.epochs)
        return [Fidelity(epochs / self.epochs, {"epochs": epochs}) for epochs in shorter]

    def probe(self) -> Probe:
        return Probe(inputs=(Array((3, 32, 32)),))

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        table = self._table()
        epochs = how.fidelity.get("epochs", self.epochs)
        if set(how.fidelity) - {"epochs"} or epochs not in table.runs:
            raise InvalidInput(
                f"{self._file()} has no fidelity {dict(how.fidelity)!r}; it has epochs {sorted(table.runs)}"
            )
        cell = json.loads(work.candidate)
        try:
            runs = table.runs[epochs][module_hash(cell["matrix"], cell["ops"])]
        except (KeyError, TypeError, ValueError):
            raise CandidateFailure(f"the table of NAS-Bench-101 has no cell {work.candidate}") from None
        own = runs[how.replicate % len(runs)]
        if how.part == "test":
            return {"accuracy": sum(run[1] for run in runs) / len(runs), "cost_seconds": own[2]}
        return {"accuracy": own[0], "cost_seconds": own[2]}

    def _file(self) -> Path:
        if self.path is None:
            what = "the table of NAS-Bench-101 (from https://github.com/google-research/nasbench)"
            return data_file("nasbench101/nasbench_only108.tfrecord", what)
        file = Path(self.path).expanduser()
        if not file.is_file():
            raise InvalidInput(
                f"no file {self.path!r}; give the path of nasbench_only108.tfrecord or nasbench_full.tfrecord, "
                "from https://github.com/google-research/nasbench"
            )
        return file

    def _table(self) -> _Table:
        return _read(self._file())


@dataclass(frozen=True, slots=True)
class _Table:
    """Runs by epochs and by the 16 bytes of the benchmark's own hash."""

    runs: dict[int, dict[bytes, Runs]]
    fingerprint: str


@while_unchanged(2)
def _read(file: Path) -> _Table:
    found: dict[int, dict[bytes, Runs]] = {}
    digest = xxhash.xxh3_128()
    for record in records(file):
        digest.update(record)
        try:
            name, epochs, _, _, metrics = json.loads(record)
            last = _last(base64.b64decode(metrics, validate=True))
            found.setdefault(int(epochs), {}).setdefault(bytes.fromhex(name), []).append(last)
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInput(f"{file} is no file of NAS-Bench-101: {error}; take it from its makers") from error
    if not found:
        raise InvalidInput(f"{file} is empty; take it from https://github.com/google-research/nasbench")
    return _Table(found, digest.hexdigest())


def _last(metrics: bytes) -> tuple[float, float, float]:
    """Returns validation and test accuracy in percent, and training seconds, when the training ended."""
    evaluations = [value for number, value in fields(metrics) if number == 1 and isinstance(value, bytes)]
    if not evaluations:
        raise ValueError("a record without evaluations")
    values = {number: value for number, value in fields(evaluations[-1]) if isinstance(value, float)}
    return round(100 * values[4], 4), round(100 * values[5], 4), round(values[2], 3)


def module_hash(matrix: Sequence[Sequence[int]], ops: Sequence[str]) -> bytes:
    """Returns the 16 bytes under which the benchmark stores a cell; renumbering the vertices does not change them.

    Vertices that are on no path from input to output are left out. Each vertex starts with the MD5 of (edges out, edges
    in, label) and is mixed with the hashes of its neighbours on both sides, as many times as there are vertices (Ying
    et al. 2019, appendix).

    Raises:
        ValueError: the benchmark does not have an operation, or there is no path from input to output.

    Example:
        >>> ops = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
        >>> edges = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]  # two branches
        >>> module_hash(edges, ops) == module_hash(edges, [ops[0], ops[2], ops[1], ops[3]])
        True
    """
    edges = np.asarray(matrix, dtype=bool)
    reach = np.eye(len(ops), dtype=bool)
    for _ in ops:
        reach |= (reach.astype(int) @ edges) > 0
    live = np.flatnonzero(reach[0] & reach[:, -1])
    if not reach[0, -1]:
        raise ValueError("no path from input to output")
    edges = edges[np.ix_(live, live)]
    labels = [-1, *(OPERATIONS.index(ops[vertex]) for vertex in live[1:-1]), -2]
    marks = [
        _md5(str((int(row.sum()), int(column.sum()), label)))
        for row, column, label in zip(edges, edges.T, labels, strict=True)
    ]
    for _ in labels:
        marks = [
            _md5(f"{_together(marks, edges[:, vertex])}|{_together(marks, edges[vertex])}|{marks[vertex]}")
            for vertex in range(len(labels))
        ]
    return bytes.fromhex(_md5(str(sorted(marks))))


def _together(marks: Sequence[str], chosen: np.ndarray) -> str:
    return "".join(sorted(mark for mark, here in zip(marks, chosen.tolist(), strict=True) if here))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
