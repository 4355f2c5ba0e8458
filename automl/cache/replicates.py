"""Which numbers evaluations get that come into a class from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from automl.storage.evaluations import DONE, FAILED, LOST
from automl.storage.rekeying import Standing, Waiting

Result = tuple[str | None, str]
"""Metrics as JSON text, None of a failure, and its error."""


def numbered(
    coming: Sequence[Waiting], here: Mapping[int, Standing], result: Callable[[Waiting], Result]
) -> tuple[list[tuple[Waiting, int]], int]:
    """Returns the number of each evaluation that comes, and how many of them are here already.

    They are numbered in the order given, after those that are here: what somebody was served keeps its number. An
    audit keeps its own number, which belongs to its encoding. Where a class has nothing but audits (it was split off
    the one that they audited), the first becomes its replicate: it is a whole evaluation of a candidate of this class.
    So does one whose number another result has, of an audit of the same encoding under another key.

    Args:
        coming: to one class, in the order of time.
        here: what stands there, by number.
        result: of one that comes; asked for only where one with its seed is here.
    """
    taken = {number for number, one in here.items() if one.state != LOST}
    seeds = {one.seed: one for one in here.values() if one.state in (DONE, FAILED)}
    given: list[tuple[Waiting, int]] = []
    known = 0

    def is_here(row: Waiting) -> bool:
        same = seeds.get(row.seed)
        return same is not None and (same.metrics, same.error) == result(row)

    def give(row: Waiting, number: int) -> None:
        taken.add(number)
        given.append((row, number))

    free = 0
    for row in sorted(coming, key=lambda row: row.replicate < 0):  # audits last
        if is_here(row):
            known += 1
        elif row.replicate < 0 and row.replicate not in taken and any(number >= 0 for number in taken):
            give(row, row.replicate)
        else:
            while free in taken:
                free += 1
            give(row, free)
    return given, known
