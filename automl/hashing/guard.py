"""A limit on the time and the memory that hashing one module takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil
import torch

from automl.errors import Unhashable
from automl.hashing.refusals import largest_layer, parameter_count

SMALL = 2**27
"""Bytes that there always are."""

COPIES = 3
"""Values held for each parameter: itself, its gradient, and what a backward pass adds that to."""


class Guard:
    """Refuses a module whose hash takes too long, between two of its runs.

    Args:
        seconds: allowed; None sets no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
        self._runs = 0

    def before_run(self, module: torch.nn.Module, call: Callable[[], object]) -> None:
        """Counts a run that is about to begin.

        Args:
            module: that is hashed.
            call: runs it, to see which of its layers takes most of the time.

        Raises:
            Unhashable: the time is over.
        """
        taken = time.monotonic() - self._began
        if self._seconds is None or taken <= self._seconds or not self._runs:
            self._runs += 1
            return
        raise Unhashable(
            f"hashing the module has taken longer than {self._seconds:g} s, for {self._runs} runs of "
            f"{taken / self._runs:.2g} s each{_slowest(module, call)}; hash a smaller one, Module(build, reduced=…), "
            "give a smaller probe, or allow more time (--hash-timeout, timeout=…)"
        )


def check_memory(module: torch.nn.Module) -> None:
    """Refuses a module whose parameters alone would need more memory in float64 than there is.

    Raises:
        Unhashable: with the layer that has most of them.
    """
    count = parameter_count(module.parameters())
    needed = count * 8 * COPIES
    if needed > SMALL and needed > (free := psutil.virtual_memory().available):
        raise Unhashable(
            f"hashing the module would need {needed / 2**30:.3g} GB of memory for its {count:,} parameters, and "
            f"{free / 2**30:.3g} GB are free; most are in {largest_layer(module)}: hash a smaller one, "
            "Module(build, reduced=…)"
        )


def _slowest(module: torch.nn.Module, call: Callable[[], object]) -> str:
    """Returns which layer takes most of a run, and how much of it, found by one more run; empty where it fails."""
    leaves = {part: name for name, part in module.named_modules() if not any(True for _ in part.children())}
    began: dict[torch.nn.Module, float] = {}
    taken: dict[torch.nn.Module, float] = dict.fromkeys(leaves, 0.0)

    def enter(part: torch.nn.Module, _: object) -> None:
        began[part] = time.perf_counter()

    def leave(part: torch.nn.Module, *_: object) -> None:
        taken[part] += time.perf_counter() - began[part]

    hooks = [
        hook for part in leaves for hook in (part.register_forward_pre_hook(enter), part.register_forward_hook(leave))
    ]
    start = time.perf_counter()
    try:
        call()
    except Exception:
        return ""
    finally:
        for hook in hooks:
            hook.remove()
    most = max(taken, key=lambda part: taken[part], default=None)
    if most is None:
        return ""
    share = taken[most] / max(1e-9, time.perf_counter() - start)
    return f", of which layer {leaves[most]!r}, a {type(most).__name__}, takes {min(1.0, share):.0%}"
