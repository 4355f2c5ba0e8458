"""Behaviours of every kind whose keys are written down; also run as a script, it prints their keys as JSON."""

import json
import sys

import numpy as np

from automl.behaviour import Array, Configuration, Function, Graph, Module, Node, Probe, Program
from automl.hashing import Hasher

PROBE = Probe(inputs=(Array((3, 6, 6)),))
CELLS = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|",
    "|avg_pool_3x3~0|+|skip_connect~0|skip_connect~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
    "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|",
)


class Halving:
    """A one-line language: a program is a learning rate."""

    settings = {"steps": 3}

    def outputs(self, programs, probe):
        x = np.linspace(-1, 1, 8)
        rows = []
        for rate in programs:
            weight = 0.0
            for _ in range(3):
                weight -= rate * float(((weight * x - x) * x).mean())
            rows.append(weight * x)
        return np.array(rows)


def convolutional():
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Dropout(0.1), nn.Flatten(), nn.LazyLinear(5), nn.Softmax(1)
    )


def attention():
    from torch import nn

    return nn.Sequential(
        nn.Flatten(2), nn.TransformerEncoderLayer(36, 4, 24, dropout=0.1, batch_first=True), nn.LayerNorm(36)
    )


def recurrent():
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRU(36, 6, 2, batch_first=True)
            self.head = nn.Linear(6, 2)

        def forward(self, x):
            return self.head(self.cell(x.flatten(2))[0][:, -1])

    return Recurrent()


def behaviours():
    from search_spaces.nas.nasbench101 import cell_graph as graph101
    from search_spaces.nas.nasbench201 import cell_graph as graph201
    from search_spaces.nas.nasbench201 import from_text

    found = {f"cell {place}": graph201(from_text(text)) for place, text in enumerate(CELLS)}
    found["cell 101"] = graph101(
        [[0, 1, 1, 1, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0] * 5],
        ["input", "conv3x3-bn-relu", "maxpool3x3", "conv1x1-bn-relu", "output"],
    )
    nodes = (Node("input"), Node("gelu", (0,)), Node("linear", (1,), (("width", 5),)), Node("softmax", (2,)))
    found["graph"] = Graph(nodes, (3,), frame={"depth": 2})
    found |= {"convolutional": Module(convolutional), "attention": Module(attention), "recurrent": Module(recurrent)}
    found["function"] = Function(lambda x, y: np.tanh(x) * y + 0.1 * np.exp(-(x**2)), arity=2)
    found["activation"] = Function(lambda x: x / (1 + np.exp(-x)))
    found |= {"program": Program(0.3, Halving()), "configuration": Configuration({"lr": 0.1, "layers": [8, 16]})}
    return found


def keys(_=None):
    found = behaviours()
    hashed = Hasher(PROBE).hash_many([(item, {"lr": 0.5}) for item in found.values()], ["?"] * len(found))
    assert not any(item.fallback for item in hashed), hashed
    return dict(zip(found, (item.key.hex() for item in hashed), strict=True))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import torch

        torch.set_num_threads(int(sys.argv[1]))
    print(json.dumps(keys()))
