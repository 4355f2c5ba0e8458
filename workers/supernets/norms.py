"""Batch norms of shared weights: statistics of one path, from fixed batches, as plain averages.

The statistics that training leaves behind are a mixture of all paths. Before a path is looked at, they are made anew:
averaged over all batches, and only for the modules that the path runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

BATCH = 100


def norms_of(modules: Sequence[nn.Module]) -> list[nn.modules.batchnorm._BatchNorm]:
    """Returns every batch norm inside some modules."""
    return [one for module in modules for one in module.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]


@torch.no_grad()
def recalibrate(
    modules: Sequence[nn.Module], run: Callable[[torch.Tensor], object], batches: Sequence[torch.Tensor]
) -> None:
    """Makes the statistics of batch norms anew, and leaves the modules in evaluation mode.

    Args:
        modules: all modules that `run` goes through.
        run: runs them on a batch.
        batches: the fixed batches; all count alike.
    """
    norms = norms_of(modules)
    kept = [one.momentum for one in norms]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # a cumulative average
    for module in modules:
        module.train()
    for batch in batches:
        run(batch)
    for one, momentum in zip(norms, kept, strict=True):
        one.momentum = momentum
    for module in modules:
        module.eval()


@contextmanager
def batch_statistics(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Lets batch norms use each batch's own statistics, and keeps their running ones as they are."""
    norms = norms_of(modules)
    kept = [one.track_running_stats for one in norms]
    training = [one.training for one in norms]
    for one in norms:
        one.track_running_stats = False
        one.train()
    try:
        yield
    finally:
        for one, tracked, mode in zip(norms, kept, training, strict=True):
            one.track_running_stats = tracked
            one.train(mode)


def batches_of(x: torch.Tensor, count: int) -> list[torch.Tensor]:
    """Returns the first examples in fixed batches of 100; a last one of fewer than two joins the one before."""
    parts = list(torch.split(x[:count], BATCH))
    if len(parts) > 1 and len(parts[-1]) < 2:
        last = parts.pop()
        parts[-1] = torch.cat([parts[-1], last])
    return parts
