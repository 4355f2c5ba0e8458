"""NAS-Bench-Graph's tables, as its package on PyPI has them (Qin et al., NeurIPS 2022; Apache-2.0)."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import xxhash

from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work

PACKAGE = "nas_bench_graph"
DATASETS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins")


@dataclass(frozen=True)
class NASBenchGraphTable(Evaluator):
    """Looks up architectures of graph networks in the package `nas-bench-graph`.

    Metrics are "accuracy" on the validation part in percent (for proteins the area under the ROC curve), "parameters"
    in millions and "latency" in seconds, as measured. The package has means over three seeds only, so every replicate
    is equal. On proteins it trained fewer kinds of layers: search there with `--set proteins=true`.

    Attributes:
        dataset: Name of one of the nine data sets.

    Example:
        >>> NASBenchGraphTable(dataset="citeseer").metrics["latency"]
        'minimize'
        >>> NASBenchGraphTable(dataset="imagenet")
        Traceback (most recent call last):
        automl.errors.InvalidInput: nasbench-graph has no data set 'imagenet'; it has cora, citeseer, pubmed, ...
    """

    name: ClassVar[str] = "nasbench-graph"
    version: ClassVar[str] = "1"
    inline: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {"accuracy": "maximize", "parameters": "minimize", "latency": "minimize"}
    test_is_population_mean: ClassVar[bool] = True

    dataset: str = "cora"

    def __post_init__(self) -> None:
        if self.dataset not in DATASETS:
            raise InvalidInput(f"nasbench-graph has no data set {self.dataset!r}; it has {', '.join(DATASETS)}")

    def prepare(self) -> None:
        _table(self.dataset)

    def settings(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "table": _fingerprint(self.dataset)}

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        table = _table(self.dataset)
        value = json.loads(work.candidate)
        try:
            found = table[_number(value["link"], value["ops"])]
        except (KeyError, TypeError):
            raise CandidateFailure(f"NAS-Bench-Graph has no architecture {work.candidate} on {self.dataset}") from None
        share = found["perf"] if how.part == "test" else found["valid_perf"]
        return {
            "accuracy": round(100 * float(share), 4),
            "parameters": float(found["para"]),
            "latency": float(found["latency"]),
        }


def _number(link: list[int], ops: list[str]) -> int:
    """Returns the number under which the package files an architecture, whatever the order of its layers."""
    from nas_bench_graph import Arch

    return int(Arch(list(link), list(ops)).valid_hash())


def _folder() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise InvalidInput("nasbench-graph needs the package nas-bench-graph; run pip install nas-bench-graph")
    return Path(found.submodule_search_locations[0])


@functools.lru_cache(maxsize=2)
def _table(dataset: str) -> Mapping[int, Mapping[str, Any]]:
    _folder()
    from nas_bench_graph import light_read

    table: Mapping[int, Mapping[str, Any]] = light_read(dataset)
    return table


@functools.lru_cache(maxsize=len(DATASETS))
def _fingerprint(dataset: str) -> str:
    return xxhash.xxh3_128_hexdigest((_folder() / "light" / f"{dataset}.bench").read_bytes())
