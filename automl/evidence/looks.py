"""What is left of the error of 5 % for a study that was extended after its verdict had been seen.

A search that goes on until its verdict turns green repeats a test. So each finished extent of a study is a look, and
all looks together may be wrong in 5 % of cases: the first may spend all of it, each later one half of what the earlier
ones have left. A look spends the chance that it could have been wrong with, which is less than it was allowed: the
number of classes that must lie above random search's best is a whole number (five of equally many have a chance of
1/32, so that 1.9 % are left). Chances of being wrong at all add up at most, whatever the looks have to do with each
other (Bonferroni; the idea of an error that is spent: Lan and DeMets, Biometrika 1983).
"""

from __future__ import annotations

from collections.abc import Sequence

from automl.evidence.comparisons import LUCK, Effort, chance_of_luck, needed_above


def level_of_runs(looks: int) -> float:
    """Returns the level of the interval that several runs are judged by at their n-th look.

    The first look has the usual 95 %, of which 2.5 % of chance lie below it; each later one has half of the chance of
    the one before, so that all together stay below 5 %.

    Args:
        looks: number of the look, from 1.

    Example:
        >>> level_of_runs(1), level_of_runs(2), level_of_runs(3)
        (0.95, 0.975, 0.9875)
    """
    return 1.0 - LUCK * 0.5 ** (looks - 1)


def left_for_next(looks: Sequence[tuple[Effort, Effort]]) -> float:
    """Returns the error that the next look may spend.

    Args:
        looks: efforts of the search and of random search at each earlier look, in order.

    Example:
        >>> equal = Effort(300, 240)
        >>> left_for_next([])
        0.05
        >>> round(left_for_next([(equal, equal)]), 4)  # five classes above would have been enough: 1/32 is spent
        0.0097
    """
    left, allowed = LUCK, LUCK
    for search, random in looks:
        spent = chance_of_luck(needed_above(search, random, allowed), search, random)
        left -= spent if spent <= allowed else 0.0  # with so few classes no number would have been enough
        allowed = left / 2
    return allowed
