"""How far ratings of equal functions lie apart, where results belong to encodings (`Evaluator.equality`).

An audit of such an evaluator cannot measure false merges, for nothing is merged. What it measures is how much of a
rating is the encoding's and not the function's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from automl.cache.audits import pooled_noise
from automl.jsontext import stored
from automl.storage import keeping, transfers
from automl.storage.engine import Database


@dataclass(frozen=True, slots=True)
class Spread:
    """Ratings of encodings, by the function that they compute.

    Attributes:
        metric: Name of the rating.
        functions: Number of functions that were rated under two encodings or more.
        encodings: Number of these encodings.
        within: Standard deviation of the ratings of one function's encodings, pooled; None without any.
        overall: Standard deviation of all ratings; None with fewer than two.

    Example:
        >>> Spread("rating", functions=12, encodings=30, within=0.2, overall=1.0).sentence()
        'ratings belong to encodings: 12 functions were rated under 30 encodings, whose rating differs by a ...'
    """

    metric: str
    functions: int
    encodings: int
    within: float | None
    overall: float | None

    def sentence(self) -> str:
        """Returns it in words."""
        if self.within is None or self.overall is None:
            return "ratings belong to encodings, so no merge is audited; no function was rated under two encodings"
        share = f", {self.within / self.overall:.0%} of that of all ratings" if self.overall > 0 else ""
        return (
            f"ratings belong to encodings: {self.functions:,} functions were rated under {self.encodings:,} encodings, "
            f"whose {self.metric} differs by a standard deviation of {self.within:.3g}{share}"
        )

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON data."""
        return {
            "functions": self.functions,
            "encodings": self.encodings,
            "within": self.within,
            "overall": self.overall,
        }


def belongs_to_encodings(description: Any) -> bool:
    """Tells whether results in a context described so belong to encodings.

    Example:
        >>> belongs_to_encodings({"evaluator": {"name": "rating", "equality": "candidate"}})
        True
    """
    evaluator = description.get("evaluator") if isinstance(description, dict) else None
    return isinstance(evaluator, dict) and evaluator.get("equality") == "candidate"


def rated_contexts(database: Database) -> list[int]:
    """Returns the numbers of the contexts whose results belong to encodings."""
    return [row.id for row in transfers.contexts(database) if belongs_to_encodings(stored(row.description))]


def spread_of(database: Database, metric: str, context: int) -> Spread:
    """Returns how far the ratings of equal functions lie apart in one context.

    Args:
        database: to read.
        metric: name of the rating.
        context: number of the context.
    """
    by_function: dict[bytes, list[float]] = {}
    for row in keeping.finished_rows(database, context):
        value = stored(row.metrics).get(metric)
        if isinstance(value, int | float):
            by_function.setdefault(bytes(row.key)[8:], []).append(float(value))
    several = [values for values in by_function.values() if len(values) > 1]
    within, _ = pooled_noise(several)
    overall = _deviation(value for values in by_function.values() for value in values)
    return Spread(metric, len(several), sum(map(len, several)), within, overall)


def _deviation(values: Iterable[float]) -> float | None:
    found, freedom = pooled_noise([list(values)])
    return found if freedom and found is not None and math.isfinite(found) else None
