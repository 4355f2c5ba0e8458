"""What a hasher looks at, laid open: the arrays behind a digest, with names, and the form that was left after
pruning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.hashing.mixing import rounded

FAR, NEAR = "far from zero", "near zero"
"""What the names of values end with that come from a probe of another size than one."""


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
        differs = _apart(left, right, mantissa_bits)
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


def scales_apart(one: Observed, other: Observed, mantissa_bits: int) -> str:
    """Returns a sentence that says at which scales of the probe two behaviours differ, where they agree at others.

    Example:
        >>> one = Observed([("output 0", np.array([1.0])), ("output 0, far from zero", np.array([6.0]))], [])
        >>> other = Observed([("output 0", np.array([1.0])), ("output 0, far from zero", np.array([90.0]))], [])
        >>> scales_apart(one, other, mantissa_bits=14)
        'They differ far from zero, and agree at the usual size.'
    """
    apart: dict[str, bool] = {}
    for (name, left), (_, right) in zip(one.values, other.values, strict=False):
        scale = next((scale for scale in (FAR, NEAR) if name.endswith(scale)), "at the usual size")
        differs = left.shape != right.shape or bool(_apart(left, right, mantissa_bits).any())
        apart[scale] = apart.get(scale, False) or differs
    differing, agreeing = (" and ".join(name for name, one in apart.items() if one is is_) for is_ in (True, False))
    return f"They differ {differing}, and agree {agreeing}." if differing and agreeing else ""


def _apart(left: np.ndarray, right: np.ndarray, mantissa_bits: int) -> np.ndarray:
    differs = rounded(left, mantissa_bits) != rounded(right, mantissa_bits)
    return differs & ~(np.isnan(left) & np.isnan(right))
