"""A supernet small enough for tests: blocks of two layers and of one, images of 8x8, trained once for all tests."""

from functools import cache

import numpy as np
import torch

from automl.evaluators.task import Task
from search_spaces.nas.hytra import HyTra
from workers.networks.batches import parts_of
from workers.networks.kinds import Classes
from workers.supernets.bootstrap import Bootstrap
from workers.supernets.labels import Labelled
from workers.supernets.loop import train
from workers.supernets.rater import Examples
from workers.supernets.settings import SupernetSettings

SPACE = HyTra(resolution=8, widths=[4, 8, 8], blocks=[2, 1], classes=3)
QUICK = {
    "epochs": 2, "batch_size": 32, "paths": 3, "width": 8, "hidden": 16, "projection": 8, "calibration": 64,
    "images": 24, "learning_rate": 0.02,
}  # fmt: skip


@cache
def task(seed=0):
    """Images of three classes: a bright row, a bright column, or neither, in noise."""
    rng = np.random.default_rng(seed)
    parts = []
    for count in (96, 48, 48):
        labels = np.arange(count) % 3
        images = rng.normal(0, 0.3, (count, 1, 8, 8)).astype(np.float32)
        images[labels == 0, :, 3] += 1
        images[labels == 1, :, :, 4] += 1
        parts.append((images, labels))
    return Task(*parts, name="lines")


def settings(trainer="bootstrap", **changes):
    return SupernetSettings(trainer, **{**QUICK, **changes})


def examples(given):
    data = parts_of(task(), Classes(None), "cpu")
    return Examples.of(data.train[0], data.validation[0], given)


def fresh(given, seed=0):
    torch.manual_seed(seed)
    if given.trainer == "bootstrap":
        return Bootstrap(SPACE, given, examples(given))
    return Labelled(SPACE, given, parts_of(task(), Classes(None), "cpu").train)


def trained(given, seed=0, **named):
    made = fresh(given, seed)
    train(made, parts_of(task(), Classes(None), "cpu").train, given, seed, **named)
    return made


@cache
def bootstrapped(seed=0):
    return trained(settings(), seed)


def state(module):
    return {name: one.detach().clone() for name, one in module.state_dict().items()}


def equal(one, other, names=None):
    chosen = one.keys() if names is None else names
    return all(torch.equal(one[name], other[name]) for name in chosen)
