"""Wrong and missed merges against the precision of rounding, and how often rounding puts equal cells apart.

    python benchmarks/hash_quality.py

The collision study of Gillard et al. 2023 (arXiv 2302.05433, section 5) on NAS-Bench-201, where the right answer is
known: 5,044 functions, found by a brute-force partition that matches weights explicitly (tests/hashing/oracle201.py).

A wrong merge is a pair of cells with one key and two functions; a missed merge a pair with one function and two keys.
The straddle rate is the chance that noise of floating point moves at least one value of a cell's output over an edge
of the grid: the noise is measured, cell by cell, between the output as hashed and the same arithmetic with all sums
taken in another order.
"""

import itertools
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from automl.behaviour import Probe
from automl.hashing import MANTISSA_BITS, Hasher
from automl.hashing.graphs import GraphHasher
from search_spaces.nas import nasbench201

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "hashing"))
import oracle201

BITS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 36, 40, 44, 48)


def pairs(counts):
    return sum(count * (count - 1) // 2 for count in counts)


def errors(keys, classes):
    """Returns the numbers of wrongly merged and of missed pairs."""
    both = pairs(Counter(zip(keys, classes, strict=True)).values())
    return pairs(Counter(keys).values()) - both, pairs(Counter(classes).values()) - both


def noise_of(cells):
    """Returns the outputs of cells, and how far values move when channels are summed in another order."""
    hasher = GraphHasher(52)
    found = [hasher.observe(nasbench201.cell_graph(cell), Probe()).values[0][1] for cell in cells]
    torch.set_num_threads(1)
    moved = [_reordered(cell) for cell in cells]
    return np.array([np.abs(a - b).max() for a, b in moved]), np.array([np.abs(item).ravel() for item in found])


def _reordered(cell):
    """Runs a cell in torch, as it is and with its channels reversed and back: one function, other sums."""
    oracle = oracle201.Oracle()
    weights = {edge: edge for edge in range(6)}
    plain = oracle.output(cell, weights).numpy()
    oracle.known.clear()
    oracle.x = oracle.x.flip(1)
    oracle.kernels = {name: kernel.flip(0).flip(1) for name, kernel in oracle.kernels.items()}
    return plain, oracle.output(cell, weights).flip(1).numpy()


def main():
    cells = list(itertools.product(nasbench201.OPERATIONS, repeat=6))
    graphs = [(nasbench201.cell_graph(cell), {}) for cell in cells]
    classes = oracle201.partition(cells)
    sample = [cells[number] for number in np.random.default_rng(0).permutation(len(cells))[:400]]
    noise, values = noise_of(sample)
    worst, typical = float(noise.max()), float(np.sqrt((noise**2).mean()))
    print(f"{len(cells)} cells, {len(set(classes))} functions; noise {typical:.1e} rms, {worst:.1e} at most")
    print(f"{'mantissa_bits':>13} {'classes':>8} {'wrong merges':>13} {'missed merges':>14} {'straddle rate':>14}")
    for bits in BITS:
        keys = [item.key for item in Hasher(mantissa_bits=bits).hash_many(graphs)]
        wrong, missed = errors(keys, classes)
        grid = 2.0 ** (np.floor(np.log2(np.where(values > 0, values, 1.0))) - bits)
        chance = np.minimum(1.0, noise[:, None] / grid) * (values > 0)
        rate = float(np.mean(1 - np.prod(1 - np.minimum(chance, 1 - 1e-12), axis=1)))
        mark = "  <- default" if bits == MANTISSA_BITS else ""
        print(f"{bits:13} {len(set(keys)):8} {wrong:13} {missed:14} {rate:14.1e}{mark}", flush=True)


if __name__ == "__main__":
    main()
