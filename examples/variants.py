"""Variants of a network that you have: some parts are replaced, dropped or set otherwise.

python examples/variants.py
"""

import sys

import torch
from torch import nn

import automl
from automl import Choice, Drop, Real, Replace, Together, Variants


class Block(nn.Module):
    """A residual block that keeps its input's shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.act(self.norm(self.convolution(x)))


def small_resnet() -> nn.Module:
    blocks = nn.Sequential(*(Block(8) for _ in range(4)))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(32, 10))
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), blocks, head)


space = Variants(
    small_resnet,
    {
        "1.*": Drop(at_most=2),  # up to two of the four blocks
        "1.*.act": Choice("keep", "GELU", "SiLU", "identity"),  # modules of torch.nn, by name; for each block
        "1.*.norm": Together(Replace(keep=None, group=lambda old: nn.GroupNorm(2, old.num_features))),  # for all alike
        "2.2": Real(0.0, 0.5),  # the rate of the dropout
    },
    inputs=[(1, 8, 8)],  # each change is tried once on this shape, now
)

if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    study = automl.search(
        space,
        task="digits",
        evaluator=automl.Classification(epochs=3),
        trials=trials,
        settings={"population": 16, "tournament": 4},
        storage="sqlite:///example-variants.db",
    )
    print(study.best)
    print(space.describe(space.decode(study.best.candidate.value)))
    print(study.report())
