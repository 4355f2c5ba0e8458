"""NAS-Bench-Graph (Qin et al., NeurIPS 2022): four graph neural network layers and what each of them reads.

A candidate's JSON is what the benchmark's `Arch` takes: `{"link": [0, 0, 1, 2], "ops": ["gcn", "gat", "fc", "skip"]}`.
Each layer reads the value that `link` numbers: 0 is the input, 1 the first layer. Layers that nobody reads are
concatenated; the input is not, however often it is skipped through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.behaviour import Array, Graph, Node, Probe
from automl.hashing.mixing import mix
from automl.hashing.operations import Operation, Settings, Shape
from automl.spaces.cells import CellSpace
from automl.spaces.fields import Choice, Repeat
from automl.spaces.space import Candidate, Defaults

LINKS = (
    [0, 0, 0, 0],
    [0, 0, 0, 1],
    [0, 0, 1, 1],
    [0, 0, 1, 2],
    [0, 0, 1, 3],
    [0, 1, 1, 1],
    [0, 1, 1, 2],
    [0, 1, 2, 2],
    [0, 1, 2, 3],
)
"""All that four layers with one input each can read, up to the numbering of the layers."""

OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
PROTEINS = ("gcn", "sage", "arma", "fc", "skip")
"""What was trained on the data set proteins."""

PROBE = Probe(inputs=(Array((6,)),))
"""What candidates are run on to be hashed: six features, a batch of two."""


@dataclass(frozen=True)
class _Layer(Operation):
    """Stands for a kind of layer: a function with weights of its own. What it does along edges, all layers share."""

    name: str

    def seed(self, settings: Settings) -> bytes:
        return mix("nas-bench-graph", self.name)

    def weights(self, settings: Settings, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        return ((shapes[0][0], shapes[0][0]),)

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        return np.asarray(np.tanh(np.einsum("sbi,soi->sbo", inputs[0], weights[0])))


_LAYERS = {name: _Layer(name) for name in OPERATIONS if name != "skip"}


class NASBenchGraph(CellSpace):
    """Space of the 59,049 architectures of NAS-Bench-Graph, which form 26,206 classes of isomorphic ones.

    The benchmark trained one architecture of each class, and none of four skip connections.

    Args:
        proteins: If True, only the kinds of layers that were trained on the data set proteins.

    Example:
        >>> import numpy as np
        >>> space = NASBenchGraph()
        >>> space.size(), space.sample(np.random.default_rng(0)).value
        (59049, {'link': [0, 1, 2, 2], 'ops': ['arma', 'sage', 'gin', 'gin']})
    """

    equal_shares = (0.01, 0.02)

    defaults = Defaults(evaluator="nasbench-graph", strategy="surrogate")

    link = Choice(*LINKS)
    ops = Repeat(Choice(*OPERATIONS), 4, 4)

    def __init__(self, proteins: bool = False) -> None:
        self.proteins = proteins
        if proteins:
            self.ops = Repeat(Choice(*PROTEINS), 4, 4)

    def settings(self) -> Mapping[str, Any]:
        return {"proteins": self.proteins}

    def graph(self, candidate: Candidate) -> Graph:
        link, ops = candidate.value["link"], candidate.value["ops"]
        nodes, values = [Node("input")], [0]
        for source, name in zip(link, ops, strict=True):
            if name == "skip":
                values.append(values[source])
            else:
                values.append(len(nodes))
                nodes.append(Node(name, (values[source],)))
        outputs = tuple(values[place] for place in range(1, 5) if place not in link and values[place]) or (0,)
        return Graph(tuple(nodes), outputs, operations=_LAYERS, unordered_outputs=True, probe=PROBE)

    def describe(self, candidate: Candidate) -> str:
        return " ".join(f"{name}({source})" for source, name in zip(*candidate.value.values(), strict=True))
