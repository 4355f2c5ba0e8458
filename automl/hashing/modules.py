"""The functional hash of eager torch modules: any module with an example input, no tracing, no rewriting.

A module is a function of its inputs and of its parameters (its slots). Two modules are equal when their slots can be
paired so that they compute the same whatever the weights. So the slots are put into an order that depends on nothing
but that function:

1. All slots of one shape get the same weights. The gradients of the outputs with respect to each slot colour it.
   Slots of one colour get the same weights again, until no colour splits.
2. Slots that nothing flows back to are changed instead, to see whether they are live.
3. Live slots that are still tied (twins) are told apart one at a time. While there are few, every member of a tie is
   tried.
4. Each slot gets the weights that its colour stands for, and the module runs: in training mode with gradients, then
   in evaluation mode. The key covers the outputs, the gradients with respect to the inputs, and which live slots are
   not trained.

Parameters are matched by shape, axes of size one left out.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from automl.behaviour import Module, Probe
from automl.errors import Unhashable
from automl.hashing.mixing import mix, mix_sorted
from automl.hashing.observed import Observed
from automl.hashing.slots import Look, Slots, quiet_torch

LEAVES = 24
"""How many ways of telling twins apart are tried; beyond it the first of each tie is taken, as if all were alike."""

_BUILD_SEED = 0


class ModuleHasher:
    """Hashes torch modules, one at a time.

    Args:
        mantissa_bits: precision of rounded values.
    """

    def __init__(self, mantissa_bits: int) -> None:
        self._bits = mantissa_bits

    def digests(self, modules: Sequence[Module], probe: Probe) -> list[bytes | Unhashable]:
        """Returns the digest of each module's function, or why it cannot be had."""
        return [self._digest(module, module.probe or probe) for module in modules]

    def observe(self, module: Module, probe: Probe) -> Observed:
        """Returns the outputs and input gradients behind a module's digest, and its live slots.

        Raises:
            Unhashable: the module cannot be run.
        """
        found = self._searched(module, module.probe or probe)
        if isinstance(found, Unhashable):
            raise found
        return found.observed()

    def _digest(self, module: Module, probe: Probe) -> bytes | Unhashable:
        found = self._searched(module, probe)
        return found if isinstance(found, Unhashable) else found.digest

    def _searched(self, module: Module, probe: Probe) -> _Search | Unhashable:
        try:
            with quiet_torch(_BUILD_SEED), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                search = _Search(Slots(module.reduced or module.build, probe, self._bits))
                search.run()
                return search
        except Unhashable as error:
            return error
        except Exception as error:
            text = str(error).strip().splitlines()
            message = text[0] if text else "no message"
            return Unhashable(f"the module cannot be run on the probe: {type(error).__name__}: {message}")


class _Search:
    """The order of one module's slots.

    Attributes:
        digest: the smallest digest over the ways of telling twins apart, once `run` has found it.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._live: set[int] | None = None
        self._best: tuple[bytes, Look, list[int]] | None = None

    @property
    def digest(self) -> bytes:
        assert self._best is not None
        return self._best[0]

    def run(self) -> None:
        """Finds the smallest digest."""
        self._descend([mix("slot", repr(shape)) for shape in self._slots.shapes], LEAVES)

    def observed(self) -> Observed:
        """Returns the values behind the digest, and the live slots."""
        assert self._best is not None
        _, look, untrained = self._best
        live = sorted(self._live_slots())
        form = [f"{self._slots.names[number]} {list(self._slots.parameters[number].shape)}" for number in live]
        form = [
            line + (" (not trained)" if number in untrained else "") for line, number in zip(form, live, strict=True)
        ]
        counted = ("number of live parameters that are not trained", np.array([float(len(untrained))]))
        return Observed([*look.values, counted], form)

    def _descend(self, colours: list[bytes], leaves: int) -> None:
        colours = self._refined(colours)
        ties = self._ties(colours)
        if not ties:
            self._finish(colours)
            return
        tied = min(ties, key=lambda members: (len(members), colours[members[0]]))
        tried = tied if len(tied) <= leaves else tied[:1]
        for member in tried:
            branch = list(colours)
            branch[member] = mix(colours[member], "first")
            self._descend(branch, leaves // len(tried))

    def _refined(self, colours: list[bytes]) -> list[bytes]:
        """Splits colours by gradients until none splits any more; slots without a gradient by their gradient in
        evaluation.

        How often colours are mixed depends on live slots alone, so that dead ones leave no trace in any key.
        """
        while True:
            self._slots.fill(colours)
            seen = self._slots.look().slots
            if None in seen:
                seen = [one or other for one, other in zip(seen, self._slots.evaluation_slots(), strict=True)]
            if None in seen:
                seen = [one or self._by_change(number, colours) for number, one in enumerate(seen)]
            elif self._live is None:
                self._live = set(range(len(colours)))
            before = len({colours[number] for number in self._live_slots()})
            colours = [mix(colour, one or b"") for colour, one in zip(colours, seen, strict=True)]
            after = len({colours[number] for number in self._live_slots()})
            if after == before or after == len(self._live_slots()):
                return colours

    def _by_change(self, number: int, colours: list[bytes]) -> bytes:
        """Returns a colour for a live slot that nothing flows back to: what comes out when it alone is changed."""
        if number not in self._live_slots():
            return b""
        changed = list(colours)
        changed[number] = mix(colours[number], "changed")
        self._slots.fill(changed)
        return self._slots.look(gradients=False, evaluation=True).outputs

    def _live_slots(self) -> set[int]:
        """Returns the slots that the outputs depend on, found with weights of no symmetry at all."""
        if self._live is None:
            seeds = [mix("generic", str(number)) for number in range(len(self._slots.shapes))]
            self._slots.fill(seeds)
            look = self._slots.look(evaluation=True)
            live = {number for number, one in enumerate(look.slots) if one is not None}
            silent = [number for number in range(len(seeds)) if number not in live]
            if silent and self._changes(seeds, silent, look.outputs):
                live |= {number for number in silent if self._changes(seeds, [number], look.outputs)}
            self._live = live
        return self._live

    def _changes(self, seeds: Sequence[bytes], numbers: Sequence[int], outputs: bytes) -> bool:
        changed = [mix(seed, "changed") if number in numbers else seed for number, seed in enumerate(seeds)]
        self._slots.fill(changed)
        return self._slots.look(gradients=False, evaluation=True).outputs != outputs

    def _ties(self, colours: Sequence[bytes]) -> list[list[int]]:
        groups: dict[bytes, list[int]] = defaultdict(list)
        for number, colour in enumerate(colours):
            groups[colour].append(number)
        tied = [members for members in groups.values() if len(members) > 1]
        return [kept for members in tied if len(kept := [one for one in members if one in self._live_slots()]) > 1]

    def _finish(self, colours: Sequence[bytes]) -> None:
        self._slots.fill(colours)
        look = self._slots.look(evaluation=True)
        silent = [number for number, one in enumerate(look.slots) if one is None]
        untrained = [number for number in silent if number in self._live_slots()]
        digest = mix(look.outputs, look.gradients, mix_sorted(colours[number] for number in untrained))
        if self._best is None or digest < self._best[0]:
            self._best = (digest, look, untrained)
