"""Wrong merges looked for systematically: activations, clips, norms, poolings and losses of torch with many settings.

    python benchmarks/hash_merges.py [--points N]

Every two of a kind are compared. Where they share a key, both are run in float64 on fresh random points of all sizes;
a pair that then differs by more than 1e-3 of its scale is a wrong merge and is printed.
"""

import argparse
import itertools
import time
import warnings
from collections import defaultdict

import torch
from torch import nn

from automl.behaviour import Array, Module, Probe
from automl.errors import Unhashable
from automl.hashing import Hasher

ROWS, IMAGES = Probe(inputs=(Array((8,)),)), Probe(inputs=(Array((4, 6, 6)),))
PAIRED = Probe(inputs=(Array((8,)), Array((8,))))
LIMITS = (1e-3, 0.1, 0.5, 1.0, 2.0, 6.0, 8.0, 20.0, 100.0)


class Behind(nn.Module):
    """A curve behind a linear layer, with layer norm between or not."""

    def __init__(self, curve, norm):
        super().__init__()
        self.first, self.curve, self.last = nn.Linear(8, 24), curve, nn.Linear(24, 3)
        self.norm = nn.LayerNorm(24) if norm else nn.Identity()

    def forward(self, x):
        return self.last(self.curve(self.norm(self.first(x))))


def curves():
    """Yields the name of every activation and clip, and what makes it."""
    plain = "ReLU ReLU6 ELU CELU SELU GELU SiLU Mish Softplus Softsign Tanh Sigmoid Hardsigmoid Hardswish Hardtanh "
    plain += "LogSigmoid Tanhshrink Softshrink Hardshrink LeakyReLU Identity"
    for name in plain.split():
        yield name, getattr(nn, name)
    for limit in LIMITS:
        for name in ("ELU", "CELU", "Softshrink", "Hardshrink", "Softplus"):
            yield f"{name}({limit})", lambda name=name, limit=limit: getattr(nn, name)(limit)
        yield f"Hardtanh({limit})", lambda limit=limit: nn.Hardtanh(-limit, limit)
        yield f"Hardtanh(0, {limit})", lambda limit=limit: nn.Hardtanh(0.0, limit)
        yield f"Threshold({limit}, 0)", lambda limit=limit: nn.Threshold(limit, 0.0)
    for slope in (1e-3, 1e-2, 0.0101, 0.1, 0.2):
        yield f"LeakyReLU({slope})", lambda slope=slope: nn.LeakyReLU(slope)
    yield "GELU(tanh)", lambda: nn.GELU(approximate="tanh")


def norms():
    """Returns what makes each of the norms, by name."""
    found = {}
    for eps in (1e-12, 1e-8, 1e-6, 1e-5, 1e-3):
        for count in (1, 2, 4):
            found[f"GroupNorm({count}, {eps})"] = lambda eps=eps, count=count: nn.GroupNorm(count, 4, eps)
        found[f"InstanceNorm({eps})"] = lambda eps=eps: nn.InstanceNorm2d(4, eps, affine=True)
        found[f"LayerNorm({eps})"] = lambda eps=eps: nn.LayerNorm([4, 6, 6], eps)
        for momentum in (None, 0.01, 0.1, 1.0):
            found[f"BatchNorm({eps}, {momentum})"] = lambda eps=eps, m=momentum: nn.BatchNorm2d(4, eps, m)
    return found


def poolings():
    """Returns what makes each of the poolings, by name."""
    found = {}
    for kernel, stride, padding in itertools.product((2, 3), (1, 2), (0, 1)):
        for name in ("MaxPool2d", "AvgPool2d"):
            found[f"{name}{kernel, stride, padding}"] = lambda n=name, a=(kernel, stride, padding): getattr(nn, n)(*a)
        found[f"AvgPool2d{kernel, stride, padding} uncounted"] = lambda a=(kernel, stride, padding): nn.AvgPool2d(
            *a, count_include_pad=False
        )
        if not padding:
            for power in (1, 2, 3):
                found[f"LPPool2d{power, kernel, stride}"] = lambda a=(power, kernel, stride): nn.LPPool2d(*a)
    for size in (1, 2, 3):
        found[f"AdaptiveMax({size})"] = lambda size=size: nn.AdaptiveMaxPool2d(size)
        found[f"AdaptiveAvg({size})"] = lambda size=size: nn.AdaptiveAvgPool2d(size)
    return found


def losses():
    """Returns what makes each of the losses, by name."""
    found = {}
    for way in ("mean", "sum", "none"):
        for name in ["MSELoss", "L1Loss", "SoftMarginLoss", "KLDivLoss", "PoissonNLLLoss"]:
            found[f"{name}({way})"] = lambda name=name, way=way: getattr(nn, name)(reduction=way)
        for limit in (0.1, 1.0, 5.0, 10.0, 50.0):
            found[f"Huber({limit}, {way})"] = lambda a=limit, way=way: nn.HuberLoss(way, a)
            found[f"SmoothL1({limit}, {way})"] = lambda a=limit, way=way: nn.SmoothL1Loss(reduction=way, beta=a)
    return found


def groups():
    """Yields kinds: a name, the probe, and the members by name."""
    named = dict(curves())
    yield "curves alone", ROWS, named
    for norm in (False, True):
        title = "curves behind a linear layer" + (" and layer norm" if norm else "")
        yield title, ROWS, {name: lambda made=made, norm=norm: Behind(made(), norm) for name, made in named.items()}
    yield "norms", IMAGES, norms()
    yield "poolings", IMAGES, poolings()
    yield "losses", PAIRED, losses()


def fresh(probe, count, generator):
    """Returns float64 inputs of all sizes: an example has a scale between 1e-6 and 1e4."""
    inputs = []
    for item in probe.inputs:
        values = torch.randn((count, *item.shape), dtype=torch.float64, generator=generator)
        powers = torch.rand((count, *[1] * len(item.shape)), dtype=torch.float64, generator=generator) * 10 - 6
        inputs.append(values * 10**powers)
    return inputs


def outputs(make, inputs):
    """Returns what a module gives with fixed weights, in training and then in evaluation."""
    module = make().double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for item in module.parameters():
            item.copy_(2 * torch.randn(item.shape, dtype=torch.float64, generator=generator))
        return [module.train(mode)(*inputs) for mode in (True, False)]


def apart(one, other):
    """Returns the largest difference of two modules' outputs, relative to their scale at that example."""
    found = 0.0
    for a, b in zip(one, other, strict=True):
        if a.shape != b.shape:
            return float("inf")
        a, b = (item.reshape(len(item), -1) if item.ndim else item.reshape(1, 1) for item in (a, b))
        scale = torch.maximum(a.abs(), b.abs()).amax(1, keepdim=True).clamp(min=1.0)
        found = max(found, float(((a - b).abs() / scale).nan_to_num(0.0).max()))
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--points", type=int, default=1_000_000, help="fresh values for each merged pair")
    points = arguments.parse_args().points
    warnings.simplefilter("ignore")
    total = 0
    for title, probe, members in groups():
        start, hasher, by_key = time.process_time(), Hasher(probe), defaultdict(list)
        for name, make in members.items():
            try:
                by_key[hasher.hash_many([(Module(make), {})])[0].key].append(name)
            except Unhashable as error:
                print(f"{name}: {error}")
        pairs = len(members) * (len(members) - 1) // 2
        total += pairs
        size = sum(int(torch.tensor(item.shape).prod()) for item in probe.inputs)
        inputs = fresh(probe, max(2, points // size), torch.Generator().manual_seed(1))
        wrong, equal = [], 0
        for names in by_key.values():
            for one, other in itertools.combinations(names, 2):
                found = apart(outputs(members[one], inputs), outputs(members[other], inputs))
                if found > 1e-3:
                    wrong.append((one, other, found))
                else:
                    equal += 1
        taken = time.process_time() - start
        counted = f"{pairs:,} pairs, {equal} equal ones merged, {len(wrong)} wrongly"
        print(f"{title}: {counted} ({taken:.0f} s)")
        for one, other, found in wrong:
            print(f"  wrong: {one} and {other} share a key and differ by {found:.2g}")
    print(f"{total:,} pairs in all")


if __name__ == "__main__":
    main()
