"""The DARTS space (Liu, Simonyan and Yang, ICLR 2019): a normal and a reduction cell of four nodes with two edges each.

A candidate's JSON is its genotype: `{"normal": [[[op, input], [op, input]], …four nodes], "reduce": […]}`. Inputs 0 and
1 are the two cells before, 2 to 5 the nodes of this one; a node adds its two edges, the cell concatenates its nodes.
Genotypes in the layouts of the papers are read too (`search_spaces.nas.genotypes`), and `to_genotype` writes one.
The network around the cells is that of the paper's code: stem, cells, two of which reduce, auxiliary head, classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import networkx
import numpy as np

from automl.behaviour import Array, Graph, Node, Probe
from automl.errors import InvalidSpace
from automl.spaces.cells import CellSpace
from automl.spaces.space import Candidate, Defaults
from search_spaces.nas.darts_choice import genotype_of
from search_spaces.nas.darts_costs import costs
from search_spaces.nas.genotypes import ALL_NODES, CELLS, NODES, NONE, OPERATIONS, read_genotype
from search_spaces.nas.genotypes import to_genotype as to_genotype
from search_spaces.nas.trained import image_sizes

if TYPE_CHECKING:
    from torch import nn

PROBE = Probe(inputs=(Array((4, 8, 8)), Array((4, 8, 8))))
"""What the cells are run on to be hashed: the outputs of the two cells before, four channels of 8x8, a batch of two. A
reduction cell leaves 4x4 of them; of 2x2 a pool of 3x3 would see everything, and the next one would be a skip."""

LEAST_RELAXED = 3
"""Layers of the smallest network with a normal cell."""


def genotype_graph(genotype: Mapping[str, Any], **settings: Any) -> Graph:
    """Returns both cells as one graph; `settings` are those of `Graph` (frame, module).

    An edge `none` carries zeros: the sum is the same without. In the reduction cell, edges from the cells before have
    stride 2, where a skip is a factorized reduction. Concatenated nodes are read by 1x1 convolutions with free weights
    only, so their order is not seen.
    """
    nodes = [Node("input"), Node("input", (), (("index", 1),))]

    def append(operation: str, inputs: tuple[int, ...], stride: int = 1) -> int:
        nodes.append(Node(operation, inputs, (("stride", stride),) if stride > 1 else ()))
        return len(nodes) - 1

    outputs: list[int] = []
    for name in CELLS:
        values = [0, 1]
        for pair in genotype[name]:
            edges = []
            for operation, source in pair:
                reduces = name == "reduce" and source < 2
                if reduces and operation == "skip_connect":
                    edges.append(append("factorized_reduce", (values[source],)))
                else:
                    edges.append(append(operation, (values[source],), 2 if reduces else 1))
            values.append(append("add", tuple(edges)))
        outputs += [values[node] for node in genotype.get(f"{name}_concat", ALL_NODES)]
    return Graph(tuple(nodes), tuple(outputs), unordered_outputs=True, probe=PROBE, **settings)


class DARTS(CellSpace):
    """Space of the genotypes of DARTS: two cells of four nodes, each of which applies two operations to earlier values.

    The network has a stem of 3x3 to three times `channels`; `layers` cells, of which those at a third and at two thirds
    of the depth are reduction cells with twice the width; mean over the image; a linear layer. Edges with operations
    have scheduled drop path, where the evaluator's `drop_path` asks for it. An evaluator may ask for a larger network
    than the search has (`network={"layers": 20, "channels": 36}`): keys are those of the cells.

    Args:
        layers: Number of cells.
        channels: Channels of the first cells.
        images: Channels of the input images. A search takes it from the task unless it is given.
        classes: Number of classes; likewise.
        resolution: Height and width of the input images, for the multiply-accumulates; likewise.
        auxiliary: True if there is an auxiliary head at two thirds of the depth, which is trained too.

    Raises:
        InvalidSpace: a number is below 1.

    Example:
        >>> import numpy as np
        >>> space = DARTS(layers=4, channels=4)
        >>> one = space.sample(np.random.default_rng(0))
        >>> sorted(one.value), space.costs(one)["parameters"]
        (['normal', 'reduce'], 10598.0)
    """

    equal_shares = (0.00, 0.00)
    scalable: ClassVar[tuple[str, ...]] = ("layers", "channels", "auxiliary")
    defaults = Defaults(
        evaluator="classification",
        evaluator_settings={
            "task": "fashion-mnist-6k",
            "epochs": 20,
            "learning_rate": 0.025,
            "weight_decay": 3e-4,
            "gradient_clip": 5.0,
            "drop_path": 0.2,
            "augment": {"flip": True, "crop": 4, "cutout": 8},
        },
        objective="accuracy",
        trials=100,
    )

    def __init__(
        self,
        layers: int = 8,
        channels: int = 16,
        images: int = 1,
        classes: int = 10,
        resolution: int = 28,
        auxiliary: bool = True,
    ) -> None:
        self._settings: dict[str, Any] = {
            "layers": layers,
            "channels": channels,
            "images": images,
            "classes": classes,
            "resolution": resolution,
            "auxiliary": auxiliary,
        }
        for name, value in self._settings.items():
            if name != "auxiliary" and value < 1:
                raise InvalidSpace(f"darts: {name} is {value!r}; it must be at least 1")

    def settings(self) -> Mapping[str, Any]:
        return dict(self._settings)

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        found = image_sizes(inputs, outputs)
        return {"images" if name == "channels" else name: value for name, value in found.items()}

    def sample(self, rng: np.random.Generator) -> Candidate:
        return Candidate({name: [_pair(node, rng) for node in range(NODES)] for name in CELLS})

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a genotype with one operation or one input changed."""
        cells = {name: [[list(edge) for edge in pair] for pair in candidate.value[name]] for name in CELLS}
        value = {**candidate.value, **cells}
        pair = cells[CELLS[int(rng.integers(2))]][node := int(rng.integers(NODES))]
        edge = int(rng.integers(2))
        others = [source for source in range(node + 2) if source not in (pair[0][1], pair[1][1])]
        if others and rng.random() < 0.5:
            pair[edge][1] = int(rng.choice(others))
        else:
            pair[edge][0] = str(rng.choice([name for name in OPERATIONS if name != pair[edge][0]]))
        return Candidate(value)

    def crossover(self, one: Candidate, other: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a genotype that takes each node from one parent or the other."""
        parents = (one.value, other.value)
        cells = {name: [parents[int(rng.integers(2))][name][node] for node in range(NODES)] for name in CELLS}
        return Candidate({**{name: part for name, part in one.value.items() if name not in CELLS}, **cells})

    def decode(self, value: Any) -> Candidate:
        """Reads a genotype in any of the layouts in which they are published, see `read_genotype`."""
        return Candidate(read_genotype(value))

    def size(self) -> int:
        cell = 1
        for node in range(NODES):
            cell *= (node + 2) * (node + 1) * len(OPERATIONS) ** 2
        return cell**2

    def graph(self, candidate: Candidate) -> Graph:
        """Returns both cells; keys have what differs from the network's usual settings besides."""
        usual = {"layers": 8, "channels": 16, "images": 1, "classes": 10, "auxiliary": True}
        frame = {name: self._settings[name] for name, value in usual.items() if self._settings[name] != value}
        return genotype_graph(candidate.value, frame=frame, module=lambda: self.build(candidate))

    def build(self, c: Candidate) -> nn.Module:
        """Returns the freshly initialised network: images of shape (batch, images, height, width) to logits."""
        from search_spaces.nas.darts_layers import Network

        given = {name: value for name, value in self._settings.items() if name != "resolution"}
        return Network(c.value, **given)

    def relaxed(self) -> nn.Module:
        from search_spaces.nas.darts_relaxed import RelaxedNetwork

        if self._settings["layers"] < LEAST_RELAXED:
            raise InvalidSpace(
                f"darts: with layers={self._settings['layers']} all cells are reduction cells, so nothing says which "
                f"normal cell is good; give {LEAST_RELAXED} layers at least to a differentiable search"
            )
        return RelaxedNetwork(**{name: self._settings[name] for name in ("layers", "channels", "images", "classes")})

    def from_weights(self, weights: Mapping[str, np.ndarray], rng: np.random.Generator | None = None) -> Candidate:
        return Candidate(genotype_of(weights, rng))

    def skips(self, candidate: Candidate) -> int:
        """Returns the number of skip connections in the normal cell."""
        return sum(name == "skip_connect" for pair in candidate.value["normal"] for name, _ in pair)

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters and multiply-accumulates of the whole network without its auxiliary head."""
        given = {name: value for name, value in self._settings.items() if name != "auxiliary"}
        return costs(candidate.value, **given)

    def picture(self, candidate: Candidate) -> networkx.DiGraph:
        picture = networkx.DiGraph()
        for name in CELLS:
            for place, label in enumerate((f"{name} c(k-2)", f"{name} c(k-1)", *map(str, range(NODES)))):
                picture.add_node(f"{name} {place}", label=label)
            for node, pair in enumerate(candidate.value[name], 2):
                for operation, source in pair:
                    if operation != NONE:
                        picture.add_edge(f"{name} {source}", f"{name} {node}", label=operation)
        return picture

    def describe(self, candidate: Candidate) -> str:
        texts = []
        for name in CELLS:
            nodes = candidate.value.get(f"{name}_concat")
            text = " ".join("+".join(f"{op}~{at}" for op, at in pair) for pair in candidate.value[name])
            texts.append(text if nodes is None else f"{text} concat {nodes}")
        return " | ".join(texts)


def _pair(node: int, rng: np.random.Generator) -> list[list[Any]]:
    sources = rng.permutation(node + 2)[:2]
    return [[OPERATIONS[int(rng.integers(len(OPERATIONS)))], int(source)] for source in sources]
