"""Evaluators that look results up in published tables: real accuracies at no cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import xxhash

from automl.behaviour import Array, Probe
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Fidelity, Metrics, Work
from automl.jsontext import canonical
from workers.remembered import while_unchanged
from workers.tables import nats_bench
from workers.tasks import data_file

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")  # the table's codes 0 to 4
_PREFIX = {"cifar10": "c10", "cifar100": "c100", "imagenet16-120": "in16"}


@dataclass(frozen=True)
class NASBench201Table(Evaluator):
    """Looks up the published accuracies of NAS-Bench-201's 15,625 cells (Dong and Yang 2020; NATS-Bench, TPAMI 2021).

    Metrics are "accuracy" in percent and "cost_seconds" of the training. Validation values of 200 epochs exist for two
    or three seeds: replicate r takes seed r modulo their number. Test values are the mean over all seeds that were
    trained (the table holds no others), so that they are equal for every replicate. Twelve epochs were trained once.

    Attributes:
        dataset: Name of the data set: "cifar10", "cifar100" or "imagenet16-120".
        epochs: Number of training epochs: 200 or 12; the fidelity {"epochs": 12} replaces it. nb201.npz has no training
            seconds for 12 epochs; 12/200 of those for 200 are taken.
        randomised: If True, the evaluation's seed chooses among the seeds, instead of the replicate.
        path: Path of nb201.npz, or of NATS-Bench's own file or folder (see `workers.tables.nats_bench`; reading those
            takes minutes); None looks for $AUTOML_DATA/nasbench201/nb201.npz.

    Example:
        >>> table = NASBench201Table(dataset="cifar100")
        >>> [(one.share, one.settings) for one in table.approximations()]
        [(0.06, {'epochs': 12})]
        >>> NASBench201Table(dataset="cifar1000")
        Traceback (most recent call last):
        automl.errors.InvalidInput: nasbench201 has no data set 'cifar1000'; it has cifar10, cifar100, ...
    """

    name: ClassVar[str] = "nasbench201"
    version: ClassVar[str] = "1"
    inline: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {"accuracy": "maximize", "cost_seconds": "minimize"}
    test_is_population_mean: ClassVar[bool] = True

    dataset: Literal["cifar10", "cifar100", "imagenet16-120"] = "cifar10"
    epochs: Literal[12, 200] = 200
    randomised: bool = False
    path: str | None = None

    def __post_init__(self) -> None:
        if self.dataset not in _PREFIX:
            raise InvalidInput(f"nasbench201 has no data set {self.dataset!r}; it has {', '.join(_PREFIX)}")
        _checked({}, self.epochs)

    def prepare(self) -> None:
        _columns(self._file(), self.dataset, self.epochs)
        _index(self._file(), self.dataset)

    def settings(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "epochs": self.epochs,
            "randomised": self.randomised,
            "table": _fingerprint(self._file()),
        }

    def approximations(self) -> Sequence[Fidelity]:
        """Returns the twelve epochs of the table: trained for themselves, not broken off from two hundred."""
        return () if self.epochs == 12 else (Fidelity(12 / 200, {"epochs": 12}),)

    def probe(self) -> Probe:
        return Probe(inputs=(Array((16, 32, 32)),) if self.dataset != "imagenet16-120" else (Array((16, 16, 16)),))

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        outcome = self.evaluate_many([(work, how)])[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def evaluate_many(self, works: Sequence[tuple[Work, Evaluation]]) -> list[Metrics | Exception]:
        file, dataset = self._file(), self.dataset
        index, own = _index(file, dataset), _columns(file, dataset, self.epochs)
        outcomes: list[Metrics | Exception] = []
        for work, how in works:
            row = index.get(work.candidate)
            columns = _columns(file, dataset, _checked(how.fidelity, self.epochs)) if how.fidelity else own
            if row is None or not columns.validation[row]:
                outcomes.append(CandidateFailure(f"the table of NAS-Bench-201 has no cell {work.candidate}"))
                continue
            if how.part == "test":
                accuracy = columns.test[row]
            else:
                seeds = columns.validation[row]
                accuracy = seeds[(how.seed if self.randomised else how.replicate) % len(seeds)]
            outcomes.append({"accuracy": accuracy, "cost_seconds": columns.cost[row]})
        return outcomes

    def _file(self) -> Path:
        if self.path is None:
            what = "the table of NAS-Bench-201 (give NATS-Bench's own, https://github.com/D-X-Y/NATS-Bench, as `path`)"
            return data_file("nasbench201/nb201.npz", what)
        file = Path(self.path).expanduser()
        if not file.is_file() and not nats_bench.is_official(file):
            raise InvalidInput(
                f"no file {self.path!r}; give the path of nb201.npz, or set AUTOML_DATA to its parent's parent, or "
                "give NATS-tss-v1_0-….pickle.pbz2 or its folder, from https://github.com/D-X-Y/NATS-Bench"
            )
        return file


@dataclass(frozen=True, slots=True)
class _Columns:
    """What evaluations of one data set and length need, as plain lists, one entry a cell: look-ups cost nothing."""

    validation: list[list[float]]
    test: list[float]
    cost: list[float]


def _checked(fidelity: Mapping[str, Any], epochs: int) -> int:
    """Returns the epochs of a fidelity, those of the evaluator where it names none."""
    unknown = sorted(set(fidelity) - {"epochs"})
    if unknown:
        raise InvalidInput(f"nasbench201 has no fidelity {unknown[0]!r}; it has epochs")
    epochs = fidelity.get("epochs", epochs)
    if epochs not in (12, 200):
        raise InvalidInput(f"the table of nasbench201 has no figures for {epochs!r} epochs; it has 12 and 200")
    return epochs


@while_unchanged(8)
def _columns(file: Path, dataset: str, epochs: int) -> _Columns:
    if nats_bench.is_official(file):
        cells = nats_bench.read(file)[0][dataset, epochs]
        figures = [cells.get(cell, _NOTHING) for cell in _official_cells(file, dataset)]
        tests, costs = [one.test for one in figures], [one.cost for one in figures]
        return _Columns([one.validation for one in figures], tests, costs)
    prefix = _PREFIX[dataset]
    with np.load(file, allow_pickle=False) as table:
        test = table[f"{prefix}_test_{epochs}"].astype(float).round(4).tolist()
        seconds = (table[f"{prefix}_train_time_200_s"].astype(float) * (epochs / 200)).round(3).tolist()
        if epochs == 12:
            validation = [[value] for value in table[f"{prefix}_val_12"].astype(float).round(4).tolist()]
        else:
            per_seed = zip(
                *(table[f"{prefix}_val_200_s{seed}"].astype(float).round(4).tolist() for seed in range(3)), strict=True
            )
            validation = [[value for value in row if not math.isnan(value)] for row in per_seed]
    return _Columns(validation, test, seconds)


_NOTHING = nats_bench.Figures([], math.nan, math.nan)


def _official_cells(file: Path, dataset: str) -> list[str]:
    table = nats_bench.read(file)[0]
    return list(dict.fromkeys(cell for epochs in nats_bench.EPOCHS for cell in table[dataset, epochs]))


@while_unchanged(8)
def _index(file: Path, dataset: str) -> dict[str, int]:
    """Returns the row of each cell by its canonical JSON, the official string in quotation marks."""
    if nats_bench.is_official(file):
        return {canonical(cell): row for row, cell in enumerate(_official_cells(file, dataset))}
    with np.load(file, allow_pickle=False) as table:
        rows = table["ops"].tolist()
    return {canonical(cell_string([OPERATIONS[code] for code in row])): number for number, row in enumerate(rows)}


@while_unchanged(2)
def _fingerprint(file: Path) -> str:
    return nats_bench.read(file)[1] if nats_bench.is_official(file) else xxhash.xxh3_128_hexdigest(file.read_bytes())


def cell_string(operations: Sequence[str]) -> str:
    """Returns a cell's official string for its six operations, in edge order 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2.

    Example:
        >>> cell_string(["nor_conv_3x3", "skip_connect", "none", "avg_pool_3x3", "nor_conv_1x1", "skip_connect"])
        '|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|'
    """
    a, b, c, d, e, f = operations
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
