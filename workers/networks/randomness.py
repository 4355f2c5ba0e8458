"""The global generators that a module may draw from: seeded for one training, and put back afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Seeds every global generator that a module may draw from, and puts their states back afterwards."""
    with preserved_random_state(device):
        torch.manual_seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)
        random.seed(seed)
        yield


@contextmanager
def preserved_random_state(device: str) -> Iterator[None]:
    """Puts the states of all global generators back afterwards."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.startswith("cuda") else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
