"""A space of cells: graphs of named operations, hashed as graphs and trained as torch modules.

python examples/cell_space.py
"""

import sys

import torch
from torch import nn

import automl
from automl import Choice, Graph, Node
from automl.spaces.cells import CellSpace

OPERATIONS = ("identity", "convolution", "average_pool", "tanh")
EDGES = ((0, 1), (0, 2), (1, 2))  # node 2, the output, sums what reaches it
SETTINGS = {"convolution": (("kernel", 3),), "average_pool": (("kernel", 3), ("padding", 1), ("stride", 1))}


class Cell(nn.Module):
    def __init__(self, names: list[str], channels: int) -> None:
        super().__init__()
        make = {
            "identity": nn.Identity,
            "convolution": lambda: nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            "average_pool": lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
            "tanh": nn.Tanh,
        }
        self.edges = nn.ModuleList(make[name]() for name in names)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, skip, second = self.edges
        return skip(x) + second(first(x))


class ThreeNodeCells(CellSpace):
    """64 encodings: one operation on each of three edges."""

    a, b, c = (Choice(*OPERATIONS) for _ in EDGES)

    def graph(self, candidate):
        a, b, c = names = [candidate.value[edge] for edge in "abc"]
        nodes = (
            Node("input"),
            Node(a, (0,), SETTINGS.get(a, ())),
            Node(b, (0,), SETTINGS.get(b, ())),
            Node(c, (1,), SETTINGS.get(c, ())),
            Node("add", (2, 3)),
        )
        return Graph(nodes, (4,), frame={"channels": 8}, module=lambda: network(names))


def network(names: list[str]) -> nn.Module:
    head = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(8 * 16, 10)]
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), Cell(names, 8), nn.ReLU(), *head)


if __name__ == "__main__":
    study = automl.search(
        ThreeNodeCells(),
        task="digits",
        evaluator=automl.Classification(epochs=3),
        trials=int(sys.argv[1]) if len(sys.argv) > 1 else 60,
        settings={"population": 20, "tournament": 5},
        storage="sqlite:///example-cells.db",
    )
    print(study.trials_dataframe()["outcome"].value_counts())
    print(study.report())
