"""A declarative space: fields are the choices, `build` makes the network, `training` says what it does not show.

python examples/declarative_space.py
"""

import sys

import torch
from torch import nn

import automl
from automl import Choice, Integer, Real, Repeat, Space


class Convolution(Space):
    width = Choice(8, 16)
    kernel = Choice(1, 3)
    activation = Choice("relu", "silu", "identity")


class Pooling(Space):
    how = Choice("average", "maximum")


class SmallNet(Space):
    blocks = Repeat(Choice(Convolution(), Pooling()), 1, 4)  # a conditional space: each block is one or the other
    hidden = Integer(8, 32, log=True)
    lr = Real(1e-3, 1e-1, log=True)

    def build(self, c):
        layers, channels = [], 1
        for block in c.blocks:
            if block.kind == "Pooling":
                pool = nn.AvgPool2d if block.how == "average" else nn.MaxPool2d
                layers.append(pool(3, stride=1, padding=1))
                continue
            layers.append(nn.Conv2d(channels, block.width, block.kernel, padding=block.kernel // 2))
            layers.append({"relu": nn.ReLU, "silu": nn.SiLU, "identity": nn.Identity}[block.activation]())
            channels = block.width
        return nn.Sequential(
            *layers,
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(channels * 16, c.hidden),
            nn.ReLU(),
            nn.Linear(c.hidden, 10),
        )

    def training(self, c):
        return {"lr": c.lr}


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    study = automl.search(
        SmallNet(),
        task="digits",
        evaluator=automl.Classification(epochs=3),
        trials=trials,
        settings={"population": 20, "tournament": 5},
        storage="sqlite:///example-declarative.db",
    )
    print(study.best)
    print(study.trials_dataframe()["outcome"].value_counts())
    print(study.report())
    print(f"torch {torch.__version__}; report: {study.report().save('example-declarative.html')}")
