"""What each trick of training is worth, and how much of a result is search and how much is protocol.

Yang, Esperança and Carlucci (ICLR 2020, section 4.2) train the same random architectures with and without tricks: what
the tricks add to all of them is no merit of the search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from automl.evidence.intervals import LEVEL, Estimate, difference
from automl.evidence.means import mean

RESAMPLES = 2_000
FEW = 3
"""With fewer architectures an interval of their mean says nothing."""


def paired_difference(one: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]]) -> Estimate:
    """Returns mean(one) − mean(other) over the architectures that both have, with Student's interval of differences.

    Args:
        one: Values of each architecture, one for each seed.
        other: Values of the same architectures under another protocol.

    Example:
        >>> with_trick, without = {"a": [0.92], "b": [0.90], "c": [0.91]}, {"a": [0.90], "b": [0.88], "c": [0.88]}
        >>> found = paired_difference(with_trick, without)
        >>> round(found.value, 4), round(found.low, 4), round(found.high, 4), found.units
        (0.0233, 0.009, 0.0377, (3, 3))
    """
    both = [name for name in one if one[name] and other.get(name)]
    gaps = np.array([mean(list(one[name])) - mean(list(other[name])) for name in both])
    size = (len(both), len(both))
    if not both:
        return Estimate(None, method="no interval: no architecture has both values", units=size)
    value = float(gaps.mean())
    if len(both) < FEW:
        return Estimate(value, method=f"no interval: fewer than {FEW} architectures", units=size)
    from scipy import stats  # takes most of a second to load

    half = float(stats.t.ppf(0.5 + LEVEL / 2, len(both) - 1)) * float(gaps.std(ddof=1)) / math.sqrt(len(both))
    return Estimate(value, value - half, value + half, "Student, paired by architecture", size)


def share_of_protocol(
    winner: Sequence[float], sample: Mapping[str, Sequence[float]], plain: Mapping[str, Sequence[float]], sign: float
) -> Estimate:
    """Returns the protocol's share of a result: what all tricks together add to random architectures, divided by that
    and what the search's winner has beyond them.

    The interval resamples architectures, and the winner's seeds.

    Args:
        winner: Values of the winner under the whole protocol, one for each seed.
        sample: Values of random architectures under the whole protocol.
        plain: The same without any trick.
        sign: 1 where larger is better, -1 where smaller is.

    Returns:
        `Estimate`, 1 where all of it is protocol; without a value where the two do not add up to more than 0.

    Example:
        >>> names = "abcdefgh"
        >>> sample = {name: [0.90 + 0.001 * place] for place, name in enumerate(names)}
        >>> plain = {name: [0.85 + 0.001 * place] for place, name in enumerate(names)}
        >>> found = share_of_protocol([0.915, 0.916], sample, plain, sign=1.0)
        >>> round(found.value, 2), found.low < found.value < found.high
        (0.81, True)
    """
    both = [name for name in sample if sample[name] and plain.get(name)]
    size = (len(winner), len(both))
    if not both or not winner:
        return Estimate(None, method="no interval: no values", units=size)
    whole = sign * np.array([mean(list(sample[name])) for name in both])
    bare = sign * np.array([mean(list(plain[name])) for name in both])
    best = sign * np.array(list(winner))
    protocol, search = float((whole - bare).mean()), float(best.mean() - whole.mean())
    if protocol + search <= 0:
        return Estimate(None, method="no share: the winner is no better than plain random architectures", units=size)
    value = protocol / (protocol + search)
    if len(both) < FEW:
        return Estimate(value, method=f"no interval: fewer than {FEW} architectures", units=size)
    rng = np.random.default_rng(0)
    places = rng.integers(len(both), size=(RESAMPLES, len(both)))
    seeds = rng.integers(len(best), size=(RESAMPLES, len(best)))
    tops, bottoms = best[seeds].mean(1), bare[places].mean(1)
    gains = whole[places].mean(1) - bottoms
    totals = tops - bottoms
    if (totals <= 0).mean() > (1 - LEVEL) / 2:
        return Estimate(value, method="no interval: the whole may be 0", units=size)
    low, high = np.quantile(gains[totals > 0] / totals[totals > 0], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high), f"bootstrap of {len(both)} architectures", size)


def beyond_average(winner: Sequence[float], sample: Mapping[str, Sequence[float]], sign: float) -> Estimate:
    """Returns what the search's winner has beyond the average random architecture, in the metric's unit.

    Example:
        >>> round(beyond_average([0.95, 0.94], {"a": [0.90], "b": [0.91]}, sign=1.0).value, 3)
        0.04
    """
    others = [list(values) for values in sample.values() if values]
    return difference(list(winner), others) if sign > 0 else difference(others, list(winner))
