"""The order of a module's slots: which of them are alike, which are live, and how twins are told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automl.hashing.mixing import mix, mix_sorted
from automl.hashing.module_features import module_features
from automl.hashing.observed import Observed
from automl.hashing.shared_generators import SharedGenerators
from automl.hashing.slots import Look, Slots

LEAVES = 24
"""How many members of a tie are tried; of a larger one the first is taken, as if all were alike."""

DRAWS = 4
"""Weights with which live slots are looked for, at most."""


@dataclass(frozen=True, slots=True)
class Order:
    """How far the slots of a module are told apart.

    Attributes:
        colours: by slot; equal ones are tied. A colour holds all that was ever seen of a slot.
        seeds: of the weights of each slot: those of its colour when its tie was last split.
        mute: slots that nothing was seen of with these weights.
    """

    colours: list[bytes]
    seeds: list[bytes]
    mute: set[int]


class Search:
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
        self._descend(Order(colours, colours, set()))

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

    def _descend(self, order: Order) -> None:
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

    def _rank(self, order: Order) -> list[tuple[bytes, bool]]:
        return sorted((order.colours[number], self._slots.trained[number]) for number in self._live_slots())

    def _exchanged(self, order: Order) -> Order | None:
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

    def _refined(self, order: Order) -> Order:
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
                return Order(colours, seeds, mute)

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

    def _ties(self, order: Order) -> list[list[int]]:
        groups: dict[bytes, list[int]] = defaultdict(list)
        for number in sorted(self._live_slots()):
            groups[order.colours[number]].append(number)
        return [members for members in groups.values() if len(members) > 1 and members[0] not in order.mute]

    def _finish(self, order: Order) -> None:
        self._slots.fill(order.seeds)
        look = self._slots.look(check=self._must_be_steady)
        silent = [number for number, one in enumerate(look.slots) if one is None or not self._slots.trained[number]]
        live = self._live_slots()
        untrained = [number for number in silent if number in live]
        flows = (mix_sorted(order.colours[number] for number in group) for group in (live, untrained))
        digest = mix(look.outputs, look.gradients, *flows)
        if not self._must_be_steady:
            self._slots.fill(order.seeds)
            digest = mix(digest, self._slots.chances())
        self._best = (digest, look, untrained)


def _marked(order: Order, marks: Mapping[int, str]) -> Order:
    """Returns an order with some slots told apart."""
    colours, seeds = list(order.colours), list(order.seeds)
    for number, mark in marks.items():
        colours[number], seeds[number] = mix(colours[number], mark), mix(seeds[number], mark)
    return Order(colours, seeds, order.mute)


def _generic_seeds(count: int, draw: int) -> list[bytes]:
    return [mix("generic", str(number), str(draw)) for number in range(count)]
