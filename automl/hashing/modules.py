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

import functools
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from automl.behaviour import Module, Probe
from automl.errors import Unhashable
from automl.hashing.builds import Build
from automl.hashing.guard import Guard
from automl.hashing.mixing import mix, mix_sorted
from automl.hashing.module_features import module_features
from automl.hashing.observed import Observed
from automl.hashing.refusals import layer_of, refusal
from automl.hashing.runs import CoarseError, quiet_torch
from automl.hashing.shared_generators import SharedGenerators
from automl.hashing.slots import Look, Slots, UnsteadyError
from automl.isolation.limits import OutOfTime

LEAVES = 24
"""How many members of a tie are tried; of a larger one the first is taken, as if all were alike."""

_ONE_AT_A_TIME = threading.RLock()
"""Warnings are silenced for the whole process, so two threads must not do it at once."""

DRAWS = 4
"""Weights with which live slots are looked for, at most."""


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
        found = [self._searched(module, module.probe or probe) for module in modules]
        return [(one, {}) if isinstance(one, Unhashable) else (one.digest, one.features()) for one in found]

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

    def _in_some_precision(self, build: Build, probe: Probe) -> _Search:
        """Returns the finished search in float64, or with fewer bits where torch has no kernel for that."""
        guard = Guard(self._seconds)
        make = functools.partial(Slots, build, probe, self._bits, guard=guard)
        try:
            return self._steady(make)
        except CoarseError:
            return self._steady(functools.partial(make, coarse=True))

    def _steady(self, make: Callable[..., Slots]) -> _Search:
        """Returns the finished search; raises Unhashable where two runs of the module never agree."""
        slots = make()
        shared = SharedGenerators()
        try:
            search = _Search(slots)
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

    def _counted(self, make: Callable[..., Slots]) -> _Search:
        """Returns the search of a module that gives something else each time but the same from the start."""
        found = []
        for _ in range(2):
            search = _Search(make(seeded=True), steady=False)
            search.run()
            found.append(search)
        if found[0].digest != found[1].digest:
            raise Unhashable(
                "the module is random: it gives something else each time, and not by torch's, numpy's or Python's "
                "shared generators; let it draw from one of those"
            )
        return found[0]


class _Search:
    """The order of one module's slots.

    Args:
        slots: of the module.
        steady: raise UnsteadyError where a second run gives something else.

    Attributes:
        digest: the smallest digest over the ways of telling twins apart, once `run` has found it.
    """

    def __init__(self, slots: Slots, *, steady: bool = True) -> None:
        self._slots = slots
        self._must_be_steady = steady
        self._live: set[int] | None = None
        self._best: tuple[bytes, Look, list[int]] | None = None

    @property
    def digest(self) -> bytes:
        assert self._best is not None
        return self._best[0]

    def run(self) -> None:
        """Finds the smallest digest."""
        self._descend([mix("slot", repr(shape)) for shape in self._slots.shapes])

    def draws(self) -> bool:
        """Tells whether Python's or numpy's shared generators move in each of three runs: other threads draw, too."""
        for _ in range(3):
            shared = SharedGenerators()
            self._slots.answers()
            if not shared.moved():
                return False
        return True

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

    def features(self) -> dict[str, np.ndarray]:
        """Returns the features of the function, read off the run behind the digest."""
        assert self._best is not None
        _, look, untrained = self._best
        return module_features(self._slots, look, self._live_slots(), untrained)

    def _descend(self, colours: list[bytes]) -> None:
        """Tells ties apart one at a time, by the member whose choice gives the smallest colours.

        Members that give the same colours are images of one another under a symmetry, but for graphs that no network
        has, so it does not matter which of them is taken.
        """
        colours, mute = self._refined(colours)
        while ties := self._ties(colours, mute):
            tied = min(ties, key=lambda members: (len(members), colours[members[0]]))
            found = []
            for member in tied if len(tied) <= LEAVES else tied[:1]:
                branch = list(colours)
                branch[member] = mix(colours[member], "first")
                found.append(self._refined(branch))
            colours, mute = min(found, key=lambda one: sorted(one[0][number] for number in self._live_slots()))
        self._finish(colours)

    def _refined(self, colours: list[bytes]) -> tuple[list[bytes], set[int]]:
        """Splits colours by gradients until none splits any more; slots without a gradient by their gradient in
        evaluation, by that through what is detached, or by what comes out when they alone are changed.

        How often colours are mixed depends on live slots alone, so that dead ones leave no trace in any key.

        Returns:
            The colours, and the slots that nothing was seen of with these weights.
        """
        while True:
            self._slots.fill(colours)
            seen = self._seen_by_gradient(colours)
            if None in seen:
                live = self._live_slots()
                plain = None
                for number in [number for number, one in enumerate(seen) if one is None]:
                    if number in live:
                        if plain is None:
                            self._slots.fill(colours)
                            plain = self._slots.answers()
                        changed = list(colours)
                        changed[number] = mix(colours[number], "changed")
                        self._slots.fill(changed)
                        answers = self._slots.answers()
                        seen[number] = None if answers == plain else answers
            elif self._live is None:
                self._live = set(range(len(colours)))
            live = self._live_slots()
            before = len({colours[number] for number in live})
            colours = [mix(colour, one or b"") for colour, one in zip(colours, seen, strict=True)]
            after = len({colours[number] for number in live})
            if after == before or after == len(live):
                return colours, {number for number, one in enumerate(seen) if one is None}

    def _seen_by_gradient(self, colours: Sequence[bytes]) -> list[bytes | None]:
        slots = self._slots
        seen = slots.gradients()
        for settings in ({"training": False}, {"transparent": True}, {"training": False, "transparent": True}):
            if None not in seen or all(seen[number] is not None for number in self._live_slots()):
                break
            slots.fill(colours)  # looking for live slots gave them others
            again = slots.gradients(**settings)
            seen = [one or other for one, other in zip(seen, again, strict=True)]
        return seen

    def _live_slots(self) -> set[int]:
        """Returns the slots that the outputs depend on, found with weights of no symmetry at all.

        Some parts are reached by few examples (experts), so more weights are drawn while they show more slots.
        """
        if self._live is None:
            self._live = set()
            everything = range(len(self._slots.shapes))
            for draw in range(DRAWS):
                seeds = [mix("generic", str(number), str(draw)) for number in everything]
                found, rare = self._reached(seeds, [number for number in everything if number not in self._live])
                self._live |= found
                if not rare or len(self._live) == len(everything):
                    break
        return self._live

    def _reached(self, seeds: list[bytes], wanted: Sequence[int]) -> tuple[set[int], bool]:
        """Returns the slots among those `wanted` that show with these weights, and whether some showed only on more
        examples than the probe has.
        """
        slots = self._slots
        slots.fill(seeds)
        found: set[int] = set()
        rare = False
        looks: tuple[dict[str, bool], ...] = ({}, {"training": False}, {"transparent": True}, {"many": True})
        for settings in looks:
            left = [number for number in wanted if number not in found]
            if not left:
                return found, rare
            seen = slots.gradients(**settings)
            new = {number for number in left if seen[number] is not None}
            found |= new
            rare = bool(new) and "many" in settings
            if not settings:
                slots.noisy |= {number for number, one in enumerate(seen) if one is None}
        left = [number for number in wanted if number not in found]
        return found | self._changing(seeds, left, slots.answers() if left else b""), rare

    def _changing(self, seeds: list[bytes], numbers: Sequence[int], plain: bytes) -> set[int]:
        """Returns the slots whose change is seen, looked for by halves."""
        if not numbers:
            return set()
        changed = [mix(seed, "changed") if number in numbers else seed for number, seed in enumerate(seeds)]
        self._slots.fill(changed)
        if self._slots.answers() == plain:
            return set()
        if len(numbers) == 1:
            return set(numbers)
        half = len(numbers) // 2
        return self._changing(seeds, numbers[:half], plain) | self._changing(seeds, numbers[half:], plain)

    def _ties(self, colours: Sequence[bytes], mute: set[int]) -> list[list[int]]:
        groups: dict[bytes, list[int]] = defaultdict(list)
        for number in sorted(self._live_slots()):
            groups[colours[number]].append(number)
        return [members for members in groups.values() if len(members) > 1 and members[0] not in mute]

    def _finish(self, colours: Sequence[bytes]) -> None:
        self._slots.fill(colours)
        look = self._slots.look(check=self._must_be_steady)
        silent = [number for number, one in enumerate(look.slots) if one is None or not self._slots.trained[number]]
        untrained = [number for number in silent if number in self._live_slots()]
        digest = mix(look.outputs, look.gradients, mix_sorted(colours[number] for number in untrained))
        self._best = (digest, look, untrained)
