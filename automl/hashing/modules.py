"""The functional hash of eager torch modules: any module with an example input, no tracing, no rewriting.

A module is a function of its inputs and of its parameters (its slots). Two modules are equal when their slots can be
paired so that they compute the same whatever the weights. So the slots are put into an order that depends on nothing
but that function:

1. All slots of one shape get the same weights. The gradients of the outputs with respect to each slot colour it.
   Slots of one colour get the same weights again, until no colour splits.
2. Slots that nothing flows back to are changed instead, to see whether they are live.
3. Live slots that are still tied (twins) are told apart one at a time. While there are few, every member of a tie is
   tried; slots of which only the sum matters need no trying.
4. Each slot gets the weights that its colour stands for, and the module runs: in training mode with gradients, then
   in evaluation mode. The key covers the outputs, the gradients with respect to the inputs, the colours, in which are
   the gradients with respect to the slots, and which live slots are not trained.

Parameters are matched by shape, axes of size one left out.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from automl.behaviour import Module, Probe
from automl.errors import Unhashable
from automl.hashing.arenas import given_back
from automl.hashing.builds import Build
from automl.hashing.guard import Guard
from automl.hashing.observed import Observed
from automl.hashing.refusals import layer_of, refusal
from automl.hashing.runs import CoarseError, quiet_torch
from automl.hashing.shared_generators import SharedGenerators
from automl.hashing.slot_order import Search
from automl.hashing.slots import Slots, UnsteadyError
from automl.isolation.limits import OutOfTime

_ONE_AT_A_TIME = threading.RLock()
"""Warnings are silenced for the whole process, so two threads must not do it at once."""


class ModuleHasher:
    """Hashes torch modules, one at a time.

    Args:
        mantissa_bits: precision of rounded values.
        seconds: allowed for one module; None sets no limit.
    """

    def __init__(self, mantissa_bits: int, seconds: float | None = None) -> None:
        self._bits = mantissa_bits
        self._seconds = seconds

    def digests(self, modules: Sequence[Module], probe: Probe) -> list[bytes | Unhashable]:
        """Returns the digest of each module's function, or the reason why there is none."""
        return [self._digest(module, module.probe or probe) for module in modules]

    def digests_with_features(
        self, modules: Sequence[Module], probe: Probe
    ) -> list[tuple[bytes | Unhashable, dict[str, np.ndarray]]]:
        """Returns the digest of each module's function with its features, which no further run is made for."""
        return [self._digest_with_features(module, module.probe or probe) for module in modules]

    def observe(self, module: Module, probe: Probe) -> Observed:
        """Returns the outputs and input gradients behind a module's digest, and its live slots.

        Raises:
            Unhashable: the module cannot be run.
        """
        found = self._searched(module, module.probe or probe)
        if isinstance(found, Unhashable):
            raise found
        return found.observed()

    def _digest_with_features(self, module: Module, probe: Probe) -> tuple[bytes | Unhashable, dict[str, np.ndarray]]:
        with given_back():
            return self._read(module, probe)

    def _read(self, module: Module, probe: Probe) -> tuple[bytes | Unhashable, dict[str, np.ndarray]]:
        found = self._searched(module, probe)
        return (found, {}) if isinstance(found, Unhashable) else (found.digest, found.features())

    def _digest(self, module: Module, probe: Probe) -> bytes | Unhashable:
        with given_back():
            return _digest_of(self._searched(module, probe))

    def _searched(self, module: Module, probe: Probe) -> Search | Unhashable:
        try:
            with _ONE_AT_A_TIME, quiet_torch(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._in_some_precision(module.reduced or module.build, probe)
        except Unhashable as error:
            return error
        except OutOfTime as error:
            error.where = layer_of(error.__traceback__)
            raise
        except Exception as error:
            return refusal(error, probe)

    def _in_some_precision(self, build: Build, probe: Probe) -> Search:
        """Returns the finished search in float64, or with fewer bits where torch has no kernel for that."""
        guard = Guard(self._seconds)
        make = functools.partial(Slots, build, probe, self._bits, guard=guard)
        try:
            return self._steady(make)
        except CoarseError:
            return self._steady(functools.partial(make, coarse=True))

    def _steady(self, make: Callable[..., Slots]) -> Search:
        """Returns the finished search; raises Unhashable where two runs of the module never agree."""
        slots = make()
        shared = SharedGenerators()
        try:
            search = Search(slots)
            if slots.is_same_each_time:
                search.run()
                if not (shared.moved() and search.draws()):
                    return search
        except UnsteadyError:  # it draws from a generator of Python's or numpy's, or it counts its runs
            pass
        shared.restore()
        try:
            return self._counted(make)
        finally:
            shared.restore()

    def _counted(self, make: Callable[..., Slots]) -> Search:
        """Returns the search of a module that gives something else each time but the same from the start."""
        found = []
        for _ in range(2):
            search = Search(make(seeded=True), steady=False)
            search.run()
            found.append(search)
        if found[0].digest != found[1].digest:
            raise Unhashable(
                "the module is random: it gives something else each time, and not by torch's, numpy's or Python's "
                "shared generators; let it draw from one of those"
            )
        return found[0]


def _digest_of(found: Search | Unhashable) -> bytes | Unhashable:
    return found if isinstance(found, Unhashable) else found.digest
