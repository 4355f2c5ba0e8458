"""Rules of a grammar: read, checked when the space is made, and counted, so that derivations can be drawn uniformly."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from automl.errors import InvalidCandidate, InvalidSpace
from automl.registry import unknown
from automl.spaces.grammar.terms import COMPOSITIONS, Term, read
from automl.spaces.options import shown

DEEPEST_DERIVATION = 50
"""Rules inside rules, at most."""

_MOST_BITS = 20_000
"""Size of the numbers with which derivations are counted: such terms have thousands of operations."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the things that a rule can become: a term in which names of rules stand for what they become.

    Attributes:
        pattern: The term.
        weight: Weight of this alternative where derivations are drawn by weights.
        slots: Tuple of the names of rules in the pattern, from left to right.
    """

    pattern: Term
    weight: float
    slots: tuple[str, ...]


@dataclass(frozen=True)
class Rules:
    """Rules of a grammar.

    Attributes:
        alternatives: Mapping from the name of a rule to its `Alternative`s.
        start: Name of the rule that a whole candidate is derived from.
        depth: Largest number of rules inside rules.
        weighted: True if any alternative was given a weight.
        counts: Mapping from the name of a rule to its numbers of derivations for the depths 0, 1, …, `depth`.
        lowest: Mapping from the name of a rule to the smallest depth in which it ends.
    """

    alternatives: Mapping[str, tuple[Alternative, ...]]
    start: str
    depth: int
    weighted: bool
    counts: Mapping[str, tuple[int, ...]]
    lowest: Mapping[str, int]

    def ways(self, alternative: Alternative, depth: int) -> int:
        """Returns the number of derivations that begin with an alternative, with `depth` rules left inside it."""
        return math.prod(self.counts[slot][depth] for slot in alternative.slots)


def read_rules(
    rules: Mapping[str, Any], operations: Collection[str], start: str | None, depth: int, owner: str
) -> Rules:
    """Reads the rules of a space and checks them.

    Args:
        rules: Mapping from the name of a rule to its alternatives: a text with `|` between them, a list of texts, or a
            mapping from text to weight.
        operations: Names of the operations.
        start: Rule of a whole candidate; None takes the first.
        depth: Largest number of rules inside rules.
        owner: Name of the space, for messages.

    Raises:
        InvalidSpace: a name is neither rule nor operation, a rule never ends, is never reached or does not end within
            the depth, or a weight is no positive number.
    """
    if not isinstance(rules, Mapping) or not rules:
        raise InvalidSpace(f'{owner} has no rules; write rules = {{"cell": "sequence(cell, cell) | conv3x3"}}')
    if not operations:
        raise InvalidSpace(f'{owner} has no operations; write operations = ("conv3x3", "skip")')
    if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= DEEPEST_DERIVATION:
        raise InvalidSpace(f"{owner}: depth is {depth!r}; give a whole number from 1 to {DEEPEST_DERIVATION}")
    for name in (*rules, *operations):
        if not isinstance(name, str) or not name.isidentifier() or name in COMPOSITIONS:
            raise InvalidSpace(
                f"{owner}: {name!r} cannot be the name of a rule or an operation; use letters, digits and _, and none "
                f"of {', '.join(COMPOSITIONS)}"
            )
    if both := sorted({*rules} & {*operations}):
        raise InvalidSpace(f"{owner}: {both[0]!r} is a rule and an operation; call one of them something else")
    first = next(iter(rules)) if start is None else start
    if first not in rules:
        raise InvalidSpace(f"{owner}: {unknown('start rule', first, [*rules])}")
    names = {*rules, *operations}
    read_ones = {name: _alternatives(owner, name, given, names, {*rules}) for name, given in rules.items()}
    weighted = any(isinstance(given, Mapping) for given in rules.values())
    lowest = _lowest(read_ones)
    _check_ends(owner, read_ones, lowest)
    _check_reached(owner, read_ones, first)
    if lowest[first] > depth:
        raise InvalidSpace(
            f"{owner}: rule {first!r} ends in {lowest[first]} rules inside rules at the earliest, and depth is "
            f"{depth}; raise depth"
        )
    return Rules(read_ones, first, depth, weighted, _counts(owner, read_ones, depth), lowest)


def _alternatives(owner: str, rule: str, given: Any, names: set[str], rules: set[str]) -> tuple[Alternative, ...]:
    where = f"{owner}, rule {rule!r}: "
    texts = given.split("|") if isinstance(given, str) else given
    if not isinstance(texts, Mapping | list | tuple) or not texts:
        raise InvalidSpace(f"{where}{shown(given)}; give a text, a list of texts, or a mapping from text to weight")
    found: dict[Term, Alternative] = {}
    for text in texts:
        weight = texts[text] if isinstance(texts, Mapping) else 1.0
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise InvalidSpace(f"{where}the weight of {shown(text)} is {weight!r}; give a positive number")
        try:
            pattern = read(text if isinstance(text, str) else repr(text), names)
        except InvalidCandidate as error:
            said = str(error).replace("unknown operation", "unknown rule or operation")
            raise InvalidSpace(f"{where}{said}") from error
        if pattern in found:
            raise InvalidSpace(f"{where}{shown(str(pattern))} stands there twice")
        slots = tuple(name for name in pattern.leaves() if name in rules)
        found[pattern] = Alternative(pattern, float(weight), slots)
    return tuple(found.values())


def _lowest(rules: Mapping[str, tuple[Alternative, ...]]) -> dict[str, int]:
    """Returns in how many rules inside rules each rule can end; rules that never end are left out."""
    lowest: dict[str, int] = {}
    level = 0
    while True:
        level += 1
        ending = [
            name
            for name, alternatives in rules.items()
            if name not in lowest and any(all(slot in lowest for slot in one.slots) for one in alternatives)
        ]
        if not ending:
            return lowest
        lowest.update(dict.fromkeys(ending, level))


def _check_ends(owner: str, rules: Mapping[str, tuple[Alternative, ...]], lowest: Mapping[str, int]) -> None:
    endless = [name for name in rules if name not in lowest]
    if not endless:
        return
    path = [endless[0]]
    while path[-1] not in path[:-1]:
        slots = rules[path[-1]][0].slots
        path.append(next(slot for slot in slots if slot in endless))
    raise InvalidSpace(
        f"{owner}: rule {endless[0]!r} never ends: {' → '.join(path)} → …; give {path[-1]!r} an alternative without "
        "rules that come back to it"
    )


def _check_reached(owner: str, rules: Mapping[str, tuple[Alternative, ...]], start: str) -> None:
    reached, waiting = {start}, [start]
    while waiting:
        slots = {slot for one in rules[waiting.pop()] for slot in one.slots}
        waiting += slots - reached
        reached |= slots
    if lost := [name for name in rules if name not in reached]:
        raise InvalidSpace(f"{owner}: rule {lost[0]!r} is reached from no other rule; use it, or take it out")


def _counts(owner: str, rules: Mapping[str, tuple[Alternative, ...]], depth: int) -> dict[str, tuple[int, ...]]:
    levels: list[dict[str, int]] = [dict.fromkeys(rules, 0)]
    for level in range(1, depth + 1):
        below = levels[-1]
        levels.append(
            {
                name: sum(math.prod(below[slot] for slot in one.slots) for one in alternatives)
                for name, alternatives in rules.items()
            }
        )
        if max(levels[-1].values()).bit_length() > _MOST_BITS:
            raise InvalidSpace(
                f"{owner}: depth is {depth}, and depth {level} has more than 2 ** {_MOST_BITS} candidates already; "
                f"give a depth below {level}"
            )
    return {name: tuple(level[name] for level in levels) for name in rules}
