"""Twins: equal operations on equal inputs, each with its own weights, in an order that no encoding decides.

The weights of twins are numbered by rank. Which twin gets which rank must not depend on how the candidate was
written, so the ranks are permuted and the smallest digest is taken.

Where there are more arrangements than `ARRANGEMENTS`, twins are first told apart by what they do: all get the same
weights, one at a time gets others, and the digests that come out order them. Only those that still tie are permuted,
the first `ARRANGEMENTS` arrangements of them.

Both steps depend on the function alone: on the sizes of the groups of live twins and on digests, never on names,
positions or structure. The one approximation: where over `ARRANGEMENTS` arrangements of still tied twins differ,
equal functions may get different keys (a missed merge, never a wrong one).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

ARRANGEMENTS = 24
"""How many arrangements of ranks are tried."""

Groups = Sequence[Sequence[int]]
Ranks = dict[int, int]


def orders(members: Sequence[int], alike: dict[int, object]) -> Iterator[tuple[int, ...]]:
    """Yields the orders of `members`, those that differ only by exchanging members that are `alike` just once."""
    seen = set()
    for order in itertools.permutations(members):
        pattern = tuple(alike[member] for member in order)
        if pattern not in seen:
            seen.add(pattern)
            yield order


def arrangements(groups: Groups, alike: dict[int, object]) -> list[Ranks]:
    """Returns up to `ARRANGEMENTS` ways of ranking the members of each group."""
    ways = itertools.product(*(list(orders(group, alike)) for group in groups))
    return [
        {member: rank for group in way for rank, member in enumerate(group)}
        for way in itertools.islice(ways, ARRANGEMENTS)
    ]


def count(groups: Groups) -> int:
    """Returns the number of arrangements, those of members that are alike counted too (so that an encoding cannot
    matter).
    """
    return math.prod(math.factorial(len(group)) for group in groups)


def told_apart(groups: Groups) -> list[Ranks]:
    """Returns the arrangements to try in order to tell members apart: all of rank 0, but for one of rank 1."""
    plain = {member: 0 for group in groups for member in group}
    return [{**plain, member: 1} for group in groups for member in group]


def ordered(
    groups: Groups,
    colours: dict[int, bytes],
    alike: dict[int, object],
    individual: Callable[[Sequence[Ranks]], list[bytes]],
) -> list[Ranks]:
    """Returns the arrangements that are left once members are ordered by colour, the tied ones in every order.

    Args:
        groups: of twins.
        colours: by member, from `told_apart`.
        alike: by member; members with equal marks can be exchanged without any change.
        individual: runs arrangements and returns their digests, for ties among many.
    """
    ties: list[list[int]] = []
    for group in groups:
        ranked = sorted(group, key=lambda member: colours[member])
        ties += [list(tied) for _, tied in itertools.groupby(ranked, key=lambda member: colours[member])]
    offsets = _offsets(groups, ties)
    if count(ties) > ARRANGEMENTS:
        ties = _individualised(sorted(ties, key=lambda tied: (len(tied), colours[tied[0]])), individual)
        offsets = _offsets(groups, ties)
    return [{member: offsets[member] + rank for member, rank in ranks.items()} for ranks in arrangements(ties, alike)]


def _offsets(groups: Groups, ties: Sequence[Sequence[int]]) -> Ranks:
    """Returns the lowest rank of each member's tie inside its group."""
    home = {member: number for number, group in enumerate(groups) for member in group}
    used = [0] * len(groups)
    offsets = {}
    for tied in ties:
        for member in tied:
            offsets[member] = used[home[tied[0]]]
        used[home[tied[0]]] += len(tied)
    return offsets


def _individualised(ties: list[list[int]], individual: Callable[[Sequence[Ranks]], list[bytes]]) -> list[list[int]]:
    """Splits ties further by fixing one member at a time and looking at how the others then differ.

    Members of equal colour are nearly always images of one another under a symmetry, and then it does not matter
    which one is fixed; the loop ends when no tie is left.
    """
    while any(len(tied) > 1 for tied in ties):
        place = next(number for number, tied in enumerate(ties) if len(tied) > 1)
        first, rest = ties[place][0], ties[place][1:]
        ties[place : place + 1] = [[first], rest]
        base = {member: (2 + number if len(tied) == 1 else 0) for number, tied in enumerate(ties) for member in tied}
        open_members = [member for tied in ties if len(tied) > 1 for member in tied]
        digests = dict(zip(open_members, individual([{**base, member: 1} for member in open_members]), strict=True))
        split: list[list[int]] = []
        for tied in ties:
            ranked = sorted(tied, key=lambda member: digests.get(member, b""))
            split += [list(same) for _, same in itertools.groupby(ranked, key=lambda member: digests.get(member, b""))]
        ties = split
    return ties
