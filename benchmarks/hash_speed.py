"""How fast the functional hash is, and where the time goes. Everything on one core, in one run; CPU seconds, not wall
clock.

python benchmarks/hash_speed.py [--profile]
"""

import argparse
import cProfile
import itertools
import pstats
import time

import numpy as np
import torch
from torch import nn

from automl.behaviour import Array, Function, Module, Probe
from automl.hashing import Hasher
from search_spaces.nas import darts, nasbench101, nasbench201

IMAGE = Probe(inputs=(Array((3, 8, 8)),))
SEQUENCE = Probe(inputs=(Array((6, 16)),))


def seconds(work, repeats=3):
    """The best CPU time of some runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def small():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def transformer(layers):
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), layers)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--profile", action="store_true", help="also print where the time of the first line goes")
    profile = arguments.parse_args().profile
    torch.set_num_threads(1)

    cells = list(itertools.product(nasbench201.OPERATIONS, repeat=6))
    pairs = [(nasbench201.cell_graph(cell), {}) for cell in cells]
    cold = seconds(lambda: Hasher().hash_many(pairs))
    kept = Hasher()
    kept.hash_many(pairs)
    warm = seconds(lambda: kept.hash_many(pairs))
    rng = np.random.default_rng(0)
    order = rng.permutation(len(pairs))[:2000]
    one = Hasher()
    single = seconds(lambda: [one.hash_many([pairs[number]]) for number in order], 1)
    classes = len({item.key for item in kept.hash_many(pairs)})
    print(f"{'NAS-Bench-201, whole space, cold':44} {len(pairs) / cold:10,.0f} cells/s   ({classes} classes)")
    print(f"{'NAS-Bench-201, whole space, all known':44} {len(pairs) / warm:10,.0f} cells/s")
    print(f"{'NAS-Bench-201, random cells, one a call':44} {len(order) / single:10,.0f} cells/s")

    for name, space, count in (("NAS-Bench-101", nasbench101.NASBench101(), 400), ("DARTS", darts.DARTS(), 100)):
        graphs = [(space.behaviour(candidate), {}) for candidate in space.sample_many(count, rng)]
        taken = seconds(lambda graphs=graphs: Hasher().hash_many(graphs), 1)
        print(f"{name + ', random cells':44} {count / taken:10,.0f} cells/s")

    for name, build, probe in (
        ("convolution, batch norm, linear", small, IMAGE),
        ("transformer of 2 layers, width 16", lambda: transformer(2), SEQUENCE),
        ("transformer of 12 layers, width 16", lambda: transformer(12), SEQUENCE),
        ("LSTM of 2 layers, width 8", lambda: nn.LSTM(16, 8, 2), SEQUENCE),
    ):
        hasher, module = Hasher(probe), Module(build)
        hasher.hash_many([(module, {})])
        taken = seconds(lambda hasher=hasher, module=module: hasher.hash_many([(module, {})] * 10)) / 10
        built = seconds(lambda build=build: [build().double() for _ in range(10)]) / 10
        print(f"{name:44} {1000 * taken:10.2f} ms         ({1000 * built:.2f} ms of it to build the module)")

    activation = Function(lambda x: x / (1 + np.exp(-x)))
    taken = seconds(lambda: Hasher().hash_many([(activation, {})] * 100)) / 100
    print(f"{'x / (1 + exp(-x)), numpy':44} {1000 * taken:10.2f} ms")

    if profile:
        profiler = cProfile.Profile()
        profiler.enable()
        Hasher().hash_many(pairs)
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


if __name__ == "__main__":
    main()
