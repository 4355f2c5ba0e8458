"""The published tables that searches are compared on, each as arrays over its candidates."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import xxhash
from cells201 import DATASETS, Cells

from automl.errors import CandidateFailure
from automl.evaluators.base import Evaluation, Work
from automl.hashing import Hasher
from automl.spaces.space import Candidate, Space
from search_spaces.hpolib import HPOLib
from search_spaces.nas.nasbench201 import PROBE, NASBench201
from search_spaces.nas.nasbench_graph import NASBenchGraph
from workers.tables.hpolib import HPOLibTable
from workers.tables.nasbench_graph import NASBenchGraphTable


class Bench:
    """One table. Figures are to be made large.

    Attributes:
        name: of the table.
        space: of its candidates.
        functional: False: candidates are equal where their encodings are, whatever they compute.
    """

    name: str
    space: Space

    def __init__(self) -> None:
        self.functional = True
        self._hasher = Hasher(PROBE)
        self._keys: dict[str, bytes] = {}
        self._features: dict[bytes, Mapping[str, np.ndarray]] = {}

    def figures(self, candidate: Candidate) -> tuple[Sequence[float], float]:
        """Returns the validation figures, one a seed, none where it failed; and the test figure."""
        raise NotImplementedError

    def best(self, most: int = 5) -> set[bytes]:
        """Returns the keys of the best functions by the mean over validation seeds; empty where that is not listed."""
        del most
        return set()

    def functions(self, candidates: Sequence[Candidate]) -> list[bytes]:
        """Returns the key of each candidate's function, whatever counts as equal; hashed once, whatever run asks."""
        new = {one.json: one for one in candidates if one.json not in self._keys}
        if new:
            pairs = [(self.space.behaviour(one), {}) for one in new.values()]
            found = self._hasher.hash_many(pairs, list(new))
            self._keys.update((text, one.key) for text, one in zip(new, found, strict=True))
        return [self._keys[one.json] for one in candidates]

    def keys(self, candidates: Sequence[Candidate]) -> list[bytes]:
        """Returns the class of each candidate."""
        return self.functions(candidates) if self.functional else [one.json.encode() for one in candidates]

    def features(self, candidates: Sequence[Candidate]) -> list[Mapping[str, np.ndarray]]:
        """Returns the features of each candidate's function; read once, whatever run asks."""
        keys = self.functions(candidates)
        new = {key: one for key, one in zip(keys, candidates, strict=True) if key not in self._features}
        if new:
            found = self._hasher.features([self.space.behaviour(one) for one in new.values()])
            self._features.update(zip(new, found, strict=True))
        return [self._features[key] for key in keys]


@functools.cache
def _cells() -> Cells:
    return Cells()


class Cells201(Bench):
    """NAS-Bench-201 after 200 epochs (Dong and Yang 2020): two or three validation seeds a cell."""

    def __init__(self, data: str) -> None:
        super().__init__()
        self.name, self.space = data, NASBench201()
        self._seeds, self._test = _cells().seeds[data], _cells().test[data]

    def figures(self, candidate: Candidate) -> tuple[Sequence[float], float]:
        cell = _cells().number[candidate.value]
        return self._seeds[cell], self._test[cell]

    def best(self, most: int = 5) -> set[bytes]:
        by_class: dict[int, list[float]] = defaultdict(list)
        cell_of: dict[int, int] = {}
        for cell, number in enumerate(_cells().keys):
            by_class[number] += self._seeds[cell]
            cell_of[number] = cell
        ranked = sorted(by_class, key=lambda number: -float(np.mean(by_class[number])))[:most]
        return set(self.functions([Candidate(_cells().texts[cell_of[number]]) for number in ranked]))


class GraphNets(Bench):
    """NAS-Bench-Graph (Qin et al. 2022): the mean of three seeds on validation, and on test. One validation figure."""

    def __init__(self, data: str) -> None:
        super().__init__()
        self.name, self.space = data, NASBenchGraph()
        self._table = NASBenchGraphTable(data)
        self._known: dict[str, tuple[Sequence[float], float]] = {}

    def figures(self, candidate: Candidate) -> tuple[Sequence[float], float]:
        text = candidate.json
        if text not in self._known:
            work = Work(self.space.behaviour(candidate), {}, text)
            try:
                value = self._table.evaluate(work, Evaluation(0, "validation"))["accuracy"]
                self._known[text] = (value,), self._table.evaluate(work, Evaluation(0, "test"))["accuracy"]
            except CandidateFailure:
                self._known[text] = (), float("nan")
        return self._known[text]


class Grid(Bench):
    """HPOLib (Klein and Hutter 2019): four validation losses a configuration; "test" is their mean. Minus the loss."""

    def __init__(self, data: str) -> None:
        super().__init__()
        self.name, self.space = data, HPOLib()
        self._grid = HPOLibTable(data)._grid()

    def figures(self, candidate: Candidate) -> tuple[Sequence[float], float]:
        losses = self._grid.losses[self._grid.place(Work(self.space.behaviour(candidate), {}, candidate.json))]
        return (-losses).tolist(), -float(losses.mean())

    def features(self, candidates: Sequence[Candidate]) -> list[Mapping[str, np.ndarray]]:
        return [{}] * len(candidates)


BENCHES = {
    **{data: functools.partial(Cells201, data) for data in DATASETS},
    "cora": functools.partial(GraphNets, "cora"),
    "arxiv": functools.partial(GraphNets, "arxiv"),
    "protein_structure": functools.partial(Grid, "protein_structure"),
    "slice_localization": functools.partial(Grid, "slice_localization"),
}
LOOKED_AT = ("CIFAR-10", "cora")
"""Where hyper-parameters were looked at."""


def path_encoding(space: Space, candidate: Candidate) -> np.ndarray:
    """Returns the path encoding of a cell as it is written (White et al. 2021, BANANAS): which sequences of operations
    lead from its input to its output, hashed into 512 places. Nothing is pruned but what is written as `none`.
    """
    graph = space.behaviour(candidate)
    paths: list[set[tuple[str, ...]]] = []
    for node in graph.nodes:
        before = set(itertools.chain.from_iterable(paths[source] for source in node.inputs)) if node.inputs else {()}
        name = node.operation
        paths.append(set() if name == "none" else {(*path, name) for path in before} if name != "add" else before)
    row = np.zeros(512)
    for path in set(itertools.chain.from_iterable(paths[output] for output in graph.outputs)):
        row[hash_of(path) % 512] = 1.0
    return row


def hash_of(path: Sequence[str]) -> int:
    return xxhash.xxh3_64_intdigest("|".join(path).encode())
