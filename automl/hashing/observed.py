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
    """Arrays from which one behaviour's digest was computed, and the behaviour in normal form.

    Attributes:
        values: List of (name, array) pairs, in the order in which they are hashed.
        form: Lines of text that describe the behaviour without the parts that no output depends on.

    Example:
        >>> seen = Observed([("output 0", np.array([1.0, 2.0]))], ["input", "relu(0)"])
        >>> [name for name, _ in seen.values], len(seen.form)
        (['output 0'], 2)
    """

    values: Sequence[tuple[str, np.ndarray]]
    form: Sequence[str]


@dataclass(frozen=True)
class Difference:
    """First position at which the values of two behaviours differ.

    Attributes:
        where: Name of the array and index in it, as text.
        one: Value of the first behaviour there, as text.
        other: Value of the second behaviour there, as text.
        amount: Difference relative to the larger value, between 0 and 2; None if it has no meaning (different shapes).

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
    """Returns the first position where the rounded values of two behaviours differ, or None if all agree.

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
