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

import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from automl.behaviour import Module, Probe
from automl.errors import Unhashable
from automl.hashing.mixing import mix, mix_sorted
from automl.hashing.observed import Observed
from automl.hashing.runs import quiet_torch
from automl.hashing.shared_generators import SharedGenerators
from automl.hashing.slots import Look, Slots, UnsteadyError

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
    """

    def __init__(self, mantissa_bits: int) -> None:
        self._bits = mantissa_bits

    def digests(self, modules: Sequence[Module], probe: Probe) -> list[bytes | Unhashable]:
        """Returns the digest of each module's function, or the reason why there is none."""
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
            with _ONE_AT_A_TIME, quiet_torch(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._steady(module, probe)
        except Unhashable as error:
            return error
        except Exception as error:
            text = str(error).strip().splitlines()
            message = text[0] if text else "no message"
            return Unhashable(f"the module cannot be run on the probe: {type(error).__name__}: {message}")

    def _steady(self, module: Module, probe: Probe) -> _Search:
        """Returns the finished search; raises Unhashable where two runs of the module never agree."""
        build = module.reduced or module.build
        slots = Slots(build, probe, self._bits)
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
            return self._counted(build, probe)
        finally:
            shared.restore()

    def _counted(self, build: Callable[[], torch.nn.Module], probe: Probe) -> _Search:
        """Returns the search of a module that gives something else each time but the same from the start."""
        found = []
        for _ in range(2):
            search = _Search(Slots(build, probe, self._bits, seeded=True), steady=False)
            search.run()
            found.append(search)
        if found[0].digest != found[1].digest:
            raise Unhashable(
                "the module is random: it gives something else each time, and not by torch's, numpy's or Python's "
                "shared generators; let it draw from one of those"
            )
        return found[0]


@dataclass(frozen=True, slots=True)
class _Order:
    """How far the slots of a module are told apart.

    Attributes:
        colours: by slot; equal ones are tied. A colour holds all that was ever seen of a slot.
        seeds: of the weights of each slot: those of its colour when its tie was last split.
        mute: slots that nothing was seen of with these weights.
    """

    colours: list[bytes]
    seeds: list[bytes]
    mute: set[int]


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
        self._shown: set[int] = set()
        self._live: set[int] | None = None
        self._generic: list[bytes | None] | None = None
        self._best: tuple[bytes, Look, list[int]] | None = None

    @property
    def digest(self) -> bytes:
        assert self._best is not None
        return self._best[0]

    def run(self) -> None:
        """Finds the smallest digest."""
        colours = [mix("slot", repr(shape)) for shape in self._slots.shapes]
        self._descend(_Order(colours, colours, set()))

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

    def _descend(self, order: _Order) -> None:
        """Tells ties apart one at a time, by the member whose choice gives the smallest colours.

        Members that give the same colours are images of one another under a symmetry, but for graphs that no network
        has, so it does not matter which of them is taken.
        """
        order = self._refined(order)
        if self._ties(order) and (apart := self._exchanged(order)) is not None:
            order = self._refined(apart)
        while ties := self._ties(order):
            tied = min(ties, key=lambda members: (len(members), order.colours[members[0]]))
            found = [
                self._refined(_marked(order, {member: "first"}))
                for member in (tied if len(tied) <= LEAVES else tied[:1])
            ]
            order = min(found, key=self._rank)
        self._finish(order)

    def _rank(self, order: _Order) -> list[tuple[bytes, bool]]:
        return sorted((order.colours[number], self._slots.trained[number]) for number in self._live_slots())

    def _exchanged(self, order: _Order) -> _Order | None:
        """Tells apart tied slots of which only the sum matters, such as two biases that are added; None without any.

        Their gradients agree with weights of no symmetry, too. So each may take the other's place, and which comes
        first does not matter, but for who is trained.
        """
        generic = self._generic_gradients()
        places: dict[int, str] = {}
        for tied in self._ties(order):
            sums: dict[bytes, list[int]] = defaultdict(list)
            for number in tied:
                one = generic[number]
                if one is not None:
                    sums[one].append(number)
            for members in sums.values():
                if len(members) > 1:
                    members.sort(key=self._slots.trained.__getitem__)
                    places |= {number: f"place {place}" for place, number in enumerate(members)}
        return _marked(order, places) if places else None

    def _generic_gradients(self) -> list[bytes | None]:
        """Returns the signature of each slot's gradient with weights of no symmetry at all."""
        if self._generic is None:
            self._slots.fill(_generic_seeds(len(self._slots.shapes), 0))
            self._generic = self._slots.gradients()
        return self._generic

    def _refined(self, order: _Order) -> _Order:
        """Splits colours by gradients until none splits any more; slots without a gradient by their gradient in
        evaluation, by that through what is detached, or by what comes out when they alone are changed.

        How often colours are mixed depends on live slots alone, so that dead ones leave no trace in any key. A slot
        gets other weights only where a tie was split.
        """
        colours, seeds = order.colours, order.seeds
        while True:
            self._slots.fill(seeds)
            seen = self._seen_by_gradient(seeds)
            if None in seen:
                live = self._live_slots()
                plain = None
                for number in [number for number, one in enumerate(seen) if one is None]:
                    if number in live:
                        if plain is None:
                            self._slots.fill(seeds)
                            plain = self._slots.answers()
                        changed = list(seeds)
                        changed[number] = mix(seeds[number], "changed")
                        self._slots.fill(changed)
                        answers = self._slots.answers()
                        seen[number] = None if answers == plain else answers
            elif self._live is None:
                self._live = set(range(len(colours)))
            live = self._live_slots()
            split: dict[bytes, set[bytes]] = defaultdict(set)
            for number in live:
                split[colours[number]].add(seen[number] or b"")
            mute = {number for number, one in enumerate(seen) if one is None}
            seeds = [
                mix(seed, one or b"") if number in live and len(split[colour]) > 1 else seed
                for number, (seed, one, colour) in enumerate(zip(seeds, seen, colours, strict=True))
            ]
            colours = [mix(colour, one or b"") for colour, one in zip(colours, seen, strict=True)]
            after = len({colours[number] for number in live})
            if after in (len(split), len(live)):
                return _Order(colours, seeds, mute)

    def _seen_by_gradient(self, seeds: Sequence[bytes]) -> list[bytes | None]:
        slots = self._slots
        seen = slots.gradients()
        self._shown |= {number for number, one in enumerate(seen) if one is not None}
        if self._live is not None:
            self._live |= self._shown
        for settings in ({"training": False}, {"transparent": True}, {"training": False, "transparent": True}):
            if None not in seen or all(seen[number] is not None for number in self._live_slots()):
                break
            slots.fill(seeds)  # looking for live slots gave them others
            again = slots.gradients(**settings)
            seen = [one or other for one, other in zip(seen, again, strict=True)]
        return seen

    def _live_slots(self) -> set[int]:
        """Returns the slots that the outputs depend on, found with weights of no symmetry at all.

        Some parts are reached by few examples (experts), so more weights are drawn while they show more slots, or hide
        some that are known.
        """
        if self._live is None:
            self._live = set(self._shown)
            everything = range(len(self._slots.shapes))
            for draw in range(DRAWS):
                seeds = _generic_seeds(len(everything), draw)
                found, more = self._reached(draw, seeds, [number for number in everything if number not in self._live])
                self._live |= found
                if not more or len(self._live) == len(everything):
                    break
        return self._live

    def _reached(self, draw: int, seeds: list[bytes], wanted: Sequence[int]) -> tuple[set[int], bool]:
        """Returns the slots among those `wanted` that show with these weights, and whether other weights may show more:
        some showed only on more examples than the probe has, or one that is known to be live does not show.
        """
        assert self._live is not None
        slots = self._slots
        slots.fill(seeds)
        found: set[int] = set()
        more = False
        looks: tuple[dict[str, bool], ...] = ({}, {"training": False}, {"transparent": True}, {"many": True})
        for settings in looks:
            left = [number for number in wanted if number not in found]
            if not left:
                return found, more
            seen = slots.gradients(**settings) if settings or draw else self._generic_gradients()
            new = {number for number in left if seen[number] is not None}
            found |= new
            more = more or (bool(new) and "many" in settings)
            if not settings:
                more = any(seen[number] is None for number in self._live)
                if not more:
                    slots.noisy |= {number for number, one in enumerate(seen) if one is None}
        left = [number for number in wanted if number not in found]
        return found | self._changing(seeds, left, slots.answers() if left else b""), more

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

    def _ties(self, order: _Order) -> list[list[int]]:
        groups: dict[bytes, list[int]] = defaultdict(list)
        for number in sorted(self._live_slots()):
            groups[order.colours[number]].append(number)
        return [members for members in groups.values() if len(members) > 1 and members[0] not in order.mute]

    def _finish(self, order: _Order) -> None:
        self._slots.fill(order.seeds)
        look = self._slots.look(check=self._must_be_steady)
        silent = [number for number, one in enumerate(look.slots) if one is None or not self._slots.trained[number]]
        live = self._live_slots()
        untrained = [number for number in silent if number in live]
        flows = (mix_sorted(order.colours[number] for number in group) for group in (live, untrained))
        digest = mix(look.outputs, look.gradients, *flows)
        self._best = (digest, look, untrained)


def _marked(order: _Order, marks: Mapping[int, str]) -> _Order:
    """Returns an order with some slots told apart."""
    colours, seeds = list(order.colours), list(order.seeds)
    for number, mark in marks.items():
        colours[number], seeds[number] = mix(colours[number], mark), mix(seeds[number], mark)
    return _Order(colours, seeds, order.mute)


def _generic_seeds(count: int, draw: int) -> list[bytes]:
    return [mix("generic", str(number), str(draw)) for number in range(count)]
