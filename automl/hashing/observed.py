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
    """The arrays behind one behaviour's digest, and what was left of the behaviour after pruning.

    Attributes:
        values: named arrays in the order in which they are mixed.
        form: what is left of the behaviour once everything is taken away that no output depends on, one line each.

    Example:
        >>> seen = Observed([("output 0", np.array([1.0, 2.0]))], ["input", "relu(0)"])
        >>> [name for name, _ in seen.values], len(seen.form)
        (['output 0'], 2)
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

    Example:
        >>> Difference("output 0[3]", "1.5", "1.25", amount=1 / 6).text()
        'output 0[3]: 1.5 against 1.25, 0.17 apart relative to the larger'
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
    """Returns the first place where the rounded values of two behaviours differ, or None where all agree.

    Example:
        >>> one = Observed([("output 0", np.array([1.0, 2.0]))], [])
        >>> other = Observed([("output 0", np.array([1.0, 2.5]))], [])
        >>> first_difference(one, other, mantissa_bits=14).where
        'output 0[1]'
        >>> first_difference(one, one, mantissa_bits=14) is None
        True
    """
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
