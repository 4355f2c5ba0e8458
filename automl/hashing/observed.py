"""What a hasher looks at, laid open: the arrays behind a digest, with names, and the form that was left after
pruning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.hashing.mixing import rounded


@dataclass(frozen=True)
class Observed:
    """One behaviour as its hasher sees it.

    Attributes:
        values: named arrays in the order in which they are mixed.
        form: what is left of the behaviour once everything is taken away that no output depends on, one line each.
    """

    values: Sequence[tuple[str, np.ndarray]]
    form: Sequence[str]


@dataclass(frozen=True)
class Difference:
    """The first place where two behaviours differ.

    Attributes:
        where: the name of the array and the position in it.
        one: the value there, as text.
        other: the other's.
        amount: how far apart they are relative to the larger, between 0 and 2; None where that means nothing (shapes).
    """

    where: str
    one: str
    other: str
    amount: float | None

    def text(self) -> str:
        """Returns one sentence."""
        apart = "" if self.amount is None else f", {self.amount:.2g} apart relative to the larger"
        return f"{self.where}: {self.one} against {self.other}{apart}"


def first_difference(one: Observed, other: Observed, mantissa_bits: int) -> Difference | None:
    """Returns the first place where the rounded values differ, or None where they do not."""
    for (name, left), (_, right) in zip(one.values, other.values, strict=False):
        if left.shape != right.shape:
            return Difference(name, f"shape {left.shape}", f"shape {right.shape}", None)
        differs = rounded(left, mantissa_bits) != rounded(right, mantissa_bits)
        differs &= ~(np.isnan(left) & np.isnan(right))
        if differs.any():
            place = tuple(int(axis[0]) for axis in np.nonzero(differs)) if left.ndim else ()
            a, b = float(left[place]), float(right[place])
            larger = max(abs(a), abs(b))
            amount = abs(a - b) / larger if np.isfinite([a, b]).all() else None
            return Difference(f"{name}{list(place)}", f"{a!r}", f"{b!r}", amount)
    if len(one.values) != len(other.values):
        names = f"{len(one.values)} results", f"{len(other.values)} results"
        return Difference("number of results", *names, None)
    return None
