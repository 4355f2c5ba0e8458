"""What the functional hash can recognise in each space: shares of equal candidates, and what a hash costs.

    python benchmarks/worth_shares.py [--seconds 10] [NAME …]     # spaces without a row are measured; it goes on
    python benchmarks/worth_shares.py --report                    # the table of what is there

Besides every registered space there are two `Variants`, of a ResNet and of a small transformer, as somebody would
write them: activations and norms exchanged, blocks dropped. Candidates are uniform samples, and mutants of one parent
(20 each); a share counts those that compute what an earlier one computes although they are written differently. Rows
are appended to benchmarks/worth_shares.jsonl, one JSON object a line. AUTOML_DATA names the folder with the tables.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from automl import Choice, Drop, Replace, Together, Variants, registry
from automl.errors import AutoMLError
from automl.hashing import Hasher
from automl.setup.parts import assemble
from automl.setup.shares import MOST_SAMPLES, equal_shares, shares_data

FILE = Path(__file__).with_name("worth_shares.jsonl")


class Residual(nn.Module):
    """A basic block of a ResNet (He et al. 2016) without down-sampling."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        self.act, self.last = nn.ReLU(), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.act(self.norms[0](self.first(x)))
        return self.last(x + self.norms[1](self.second(inner)))


def resnet() -> nn.Module:
    """A ResNet for 8x8 images: three stages of three blocks with 8, 16 and 32 channels."""
    stages: list[nn.Module] = [nn.Conv2d(1, 8, 3, padding=1)]
    for width in (8, 16, 32):
        stages.append(nn.Sequential(*(Residual(width) for _ in range(3))))
        if width < 32:
            stages.append(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1))
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


class Layer(nn.Module):
    """A layer of a transformer with norms first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.up, self.act, self.down = nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.norms[0](x)
        x = x + self.attention(inner, inner, inner, need_weights=False)[0]
        return x + self.down(self.act(self.up(self.norms[1](x))))


class Transformer(nn.Module):
    """Six layers over eight rows of eight numbers, their mean, ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(8, 16)
        self.layers = nn.ModuleList(Layer(16) for _ in range(6))
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embedding(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1))


VARIANTS = {
    "Variants of a ResNet": lambda: Variants(
        resnet,
        {
            **{f"{stage}.*": Drop(at_most=2) for stage in (1, 3, 5)},
            "*.*.act": Together(Choice("keep", "SiLU", "GELU", "LeakyReLU")),
            "*.*.norms.*": Together(Replace(keep=None, group=lambda old: nn.GroupNorm(4, old.num_features))),
        },
        inputs=[(1, 8, 8)],
    ),
    "Variants of a transformer": lambda: Variants(
        Transformer,
        {
            "layers.*": Drop(at_most=4),
            "layers.*.act": Together(Choice("keep", "ReLU", "SiLU", "identity")),
            "layers.*.norms.*": Together(Replace(keep=None, rms=lambda old: nn.RMSNorm(old.normalized_shape))),
        },
        inputs=[(8, 8)],
    ),
}


def spaces():
    """Yields (name, function that returns a space and its hasher)."""
    for name in registry.names("spaces"):
        yield name, lambda name=name: _registered(name)
    for name, make in VARIANTS.items():
        yield name, lambda make=make: (make(), Hasher())


def _registered(name):
    parts = assemble(name, fallback=lambda _: 0.0)  # some have no evaluator of their own
    return parts.space, Hasher(parts.evaluator.probe(), space_source=parts.reference.code.digest)


def row_of(name, make, seconds):
    space, hasher = make()

    def keys_of(some):
        found = hasher.hash_many(
            [(space.behaviour(one), space.training(one)) for one in some], [one.json for one in some]
        )
        return [one.key for one in found]

    began = time.process_time()
    shares = shares_data(equal_shares(space, keys_of, np.random.default_rng(0), MOST_SAMPLES, seconds))
    return {
        "space": name, "size": space.size(), **shares, "processor_seconds": round(time.process_time() - began, 2)
    }  # fmt: skip


def rows():
    return [json.loads(line) for line in FILE.open(encoding="utf-8")] if FILE.exists() else []


def report():
    print("| space | candidates | uniform samples | mutants of one parent | functions, at least | ms a hash |")
    print("|---|---|---|---|---|---|")
    for row in sorted(rows(), key=lambda row: -row["samples"]["value"]):
        size = "-" if row["size"] is None else f"{row['size']:.3g}"
        cells = [f"`{row['space']}`" if " " not in row["space"] else row["space"], size]
        for one in (row["samples"], row["mutants"]):
            low, high = one["interval"]
            cells.append(f"{one['value']:.0%} [{100 * low:.0f}, {100 * high:.0f}] of {one['of']:,}")
        hashed = row["processor_seconds"] / (row["samples"]["of"] + row["mutants"]["of"])
        cells += [f"{row['functions']:.2g}", f"{1000 * hashed:.2g}"]
        print(f"| {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="spaces to measure; default: all without a row")
    parser.add_argument("--seconds", type=float, default=10.0, help="for both shares of one space")
    parser.add_argument("--report", action="store_true", help="only print the table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    done = {row["space"] for row in rows()}
    for name, make in spaces() if not given.report else ():
        if name in done or (given.names and name not in given.names):
            continue
        try:
            row = row_of(name, make, given.seconds)
        except AutoMLError as error:  # a table whose files are not here
            print(f"{name}: {error}")
            continue
        with FILE.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    report()


if __name__ == "__main__":
    main()
