"""Derivations: how the rules make a term; drawn, found for a given term, mutated and crossed over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.errors import InvalidCandidate
from automl.spaces.grammar.rules import DEEPEST_DERIVATION, Alternative, Rules
from automl.spaces.grammar.terms import Term
from automl.spaces.options import shown

if TYPE_CHECKING:
    import numpy as np

_TRIES = 30


@dataclass(frozen=True, slots=True)
class Derivation:
    """How one rule became a term.

    Attributes:
        rule: Name of the rule.
        alternative: The alternative that was taken.
        parts: Tuple of the derivations of the rules in the alternative's pattern, from left to right.
        height: Number of rules inside rules, this one included.
    """

    rule: str
    alternative: Alternative
    parts: tuple[Derivation, ...]
    height: int

    @property
    def term(self) -> Term:
        """The term that was made."""
        return _filled(self.alternative.pattern, self.alternative.slots, iter(self.parts))

    def places(self, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Derivation]]:
        """Yields every derivation in this one, itself first, with the path that leads there."""
        yield path, self
        for number, part in enumerate(self.parts):
            yield from part.places((*path, number))

    def replaced(self, path: tuple[int, ...], new: Derivation) -> Derivation:
        """Returns this derivation with another one at a path."""
        if not path:
            return new
        parts = tuple(
            part.replaced(path[1:], new) if number == path[0] else part for number, part in enumerate(self.parts)
        )
        return _made(self.rule, self.alternative, parts)


def draw(rules: Rules, rule: str, depth: int, rng: np.random.Generator) -> Derivation:
    """Draws a derivation of a rule with at most `depth` rules inside rules.

    All derivations are equally likely; where the rules have weights, each alternative is taken by its weight among
    those that end within the depth.
    """
    alternatives = rules.alternatives[rule]
    ways = [rules.ways(one, depth - 1) for one in alternatives]
    if rules.weighted:
        weights = [one.weight if way else 0.0 for one, way in zip(alternatives, ways, strict=True)]
        number = int(rng.choice(len(weights), p=[weight / sum(weights) for weight in weights]))
    else:
        number = _drawn(ways, rng)
    taken = alternatives[number]
    return _made(rule, taken, tuple(draw(rules, slot, depth - 1, rng) for slot in taken.slots))


def derive(rules: Rules, term: Term) -> Derivation:
    """Returns how the rules make a term: the first way, in the order in which the alternatives are written.

    Raises:
        InvalidCandidate: the rules do not make it within their depth; the message names the smallest part that no rule
            makes where it stands.
    """
    search = _Search(rules)
    found = search.derive(rules.start, term, rules.depth)
    if found is not None:
        return found
    deeper = _Search(rules).derive(rules.start, term, DEEPEST_DERIVATION)
    if deeper is not None:
        raise InvalidCandidate(
            f"{shown(str(term))} needs {deeper.height} rules inside rules, and depth is {rules.depth}; raise depth"
        )
    rule, part = search.deepest
    raise InvalidCandidate(
        f"{shown(str(term))} is not made by rule {rules.start!r}: rule {rule!r} does not make {shown(str(part))}"
    )


def mutate(rules: Rules, parent: Derivation, rng: np.random.Generator) -> Derivation:
    """Returns a derivation with one part drawn anew, and with another term where the rules make any other."""
    places = list(parent.places())
    before = parent.term
    for number in rng.permutation(len(places)):
        path, old = places[int(number)]
        room = rules.depth - len(path)
        for _ in range(_TRIES if path else 1):
            new = draw(rules, old.rule, int(rng.integers(rules.lowest[old.rule], room + 1)), rng)
            child = parent.replaced(path, new)
            if child.term != before:
                return child
    for _ in range(_TRIES):
        child = draw(rules, rules.start, rules.depth, rng)
        if child.term != before:
            return child
    return parent


def cross(rules: Rules, one: Derivation, other: Derivation, rng: np.random.Generator) -> Derivation:
    """Returns `one` with a part replaced by a part of `other` that the same rule made, and that fits the depth."""
    given = list(other.places())
    pairs = [
        (path, new)
        for path, old in one.places()
        for _, new in given
        if path and new.rule == old.rule and new.height <= rules.depth - len(path)
    ]
    if not pairs:
        return one if rng.random() < 0.5 else other
    path, new = pairs[int(rng.integers(len(pairs)))]
    return one.replaced(path, new)


class _Search:
    """Looks for a derivation of a term, and remembers the deepest part that no rule makes."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._known: dict[tuple[str, Term, int], Derivation | None] = {}
        self._level = -1
        self.deepest: tuple[str, Term] = (rules.start, Term(""))

    def derive(self, rule: str, term: Term, depth: int) -> Derivation | None:
        if depth == 0:
            return None
        place = (rule, term, depth)
        if place not in self._known:
            self._known[place] = None
            for one in self._rules.alternatives[rule]:
                parts: list[Derivation] = []
                if self._matches(one.pattern, term, depth - 1, parts):
                    self._known[place] = _made(rule, one, tuple(parts))
                    break
            else:
                self._remember(rule, term, depth)
        return self._known[place]

    def _matches(self, pattern: Term, term: Term, depth: int, parts: list[Derivation]) -> bool:
        if pattern.name in self._rules.alternatives:
            found = self.derive(pattern.name, term, depth)
            if found is not None:
                parts.append(found)
            return found is not None
        if (pattern.name, pattern.times, len(pattern.parts)) != (term.name, term.times, len(term.parts)):
            return False
        return all(
            self._matches(inner, part, depth, parts) for inner, part in zip(pattern.parts, term.parts, strict=True)
        )

    def _remember(self, rule: str, term: Term, depth: int) -> None:
        level = self._rules.depth - depth
        if level > self._level:
            self._level, self.deepest = level, (rule, term)


def _made(rule: str, alternative: Alternative, parts: tuple[Derivation, ...]) -> Derivation:
    return Derivation(rule, alternative, parts, 1 + max((part.height for part in parts), default=0))


def _filled(pattern: Term, slots: tuple[str, ...], parts: Iterator[Derivation]) -> Term:
    if not pattern.parts:
        return next(parts).term if pattern.name in slots else pattern
    return Term(pattern.name, tuple(_filled(part, slots, parts) for part in pattern.parts), pattern.times)


def _drawn(ways: list[int], rng: np.random.Generator) -> int:
    """Draws a place in proportion to whole numbers of any size."""
    total = sum(ways)
    bits = total.bit_length()
    while True:
        drawn = int.from_bytes(rng.bytes((bits + 7) // 8), "little") >> (-bits % 8)
        if drawn < total:
            break
    for number, way in enumerate(ways):
        if drawn < way:
            return number
        drawn -= way
    raise AssertionError("drawn below the total")
