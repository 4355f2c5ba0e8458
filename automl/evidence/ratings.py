"""What a rating is worth: how well it orders architectures, beside counts and other scores, against trained truth.

Intervals resample architectures, all scores with the same resamples, so that differences between scores are paired.
Sources: partial rank correlation given counts and the ceiling that the truth's noise sets (Spearman 1910, Brown 1910).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automl.errors import InvalidInput
from automl.evidence.intervals import Estimate
from automl.evidence.ranks import rank_agreement
from automl.evidence.resampling import Resamples

GATE = 0.6
"""Least agreement of two seeds of the truth; below it no rating is judged."""

FOLDS = 5
TENTH = 10
"""The best tenth is looked at alone if it has so many architectures."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """How well one score orders the architectures.

    Attributes:
        name: Name of the score.
        kind: "rating", "count", "fit" (a linear fit of the counts) or "other".
        rho: `Estimate` of Spearman's rank correlation with the truth.
        tau: `Estimate` of Kendall's tau-b.
        r: `Estimate` of Pearson's correlation.
        ahead: `Estimate` of the rating's rho minus this score's; None for the rating itself.
        partial: `Estimate` of the partial rank correlation given parameters and MACs; None without both, or for counts.
        best: Spearman's rho within the best tenth of the truth; None if that is too small.

    Example:
        >>> ScoreRow("rating", "rating", Estimate(0.8), Estimate(0.6), Estimate(0.8)).rho.value
        0.8
    """

    name: str
    kind: str
    rho: Estimate
    tau: Estimate
    r: Estimate
    ahead: Estimate | None = None
    partial: Estimate | None = None
    best: float | None = None


@dataclass(frozen=True, slots=True)
class RatingWorth:
    """Evidence of what a rating is worth, and the verdict in words.

    Attributes:
        architectures: Number of architectures with truth and rating.
        rows: Tuple of `ScoreRow`, the rating first.
        seeds: Agreement (Spearman) of two seeds of the truth, the mean over pairs of seeds; None with one seed.
        ceiling: Largest correlation that a perfect rating could have with this truth; None with one seed.
        supernets: Agreement of two seeds of the rating; None with one.
        verdict: Sentences.
        seconds: Mapping from what was measured ("truth", "rating") to its seconds, where the files have them.

    Example:
        >>> worth = RatingWorth(23, (), None, None, None, ("The rating does not beat counting parameters.",))
        >>> worth.verdict[0]
        'The rating does not beat counting parameters.'
    """

    architectures: int
    rows: tuple[ScoreRow, ...]
    seeds: float | None
    ceiling: float | None
    supernets: float | None
    verdict: tuple[str, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns everything as JSON data."""
        shown = [
            {
                "score": row.name,
                "kind": row.kind,
                **{name: one and one.to_json() for name, one in (("rho", row.rho), ("tau", row.tau), ("r", row.r))},
                "ahead": row.ahead and row.ahead.to_json(),
                "partial": row.partial and row.partial.to_json(),
                "best_tenth_rho": row.best,
            }
            for row in self.rows
        ]
        return {
            "architectures": self.architectures,
            "scores": shown,
            "seed_agreement": self.seeds,
            "ceiling": self.ceiling,
            "supernet_agreement": self.supernets,
            "seconds": dict(self.seconds),
            "verdict": list(self.verdict),
        }


def rating_worth(
    truth: Sequence[Sequence[float]],
    ratings: Sequence[Sequence[float]],
    counts: Mapping[str, Sequence[float]] | None = None,
    others: Mapping[str, Sequence[float]] | None = None,
    *,
    seconds: Mapping[str, float] | None = None,
) -> RatingWorth:
    """Judges a rating against trained truth, beside counts and other scores.

    Args:
        truth: For each architecture, its figure from each seed; larger is better.
        ratings: For each architecture, in the same order, its rating from each supernet; larger is better.
        counts: Mapping from name ("parameters", "macs", …) to one count for each architecture.
        others: Mapping from name to another score for each architecture; larger is better.
        seconds: What the truth and the rating cost, for the table.

    Returns:
        `RatingWorth`.

    Raises:
        InvalidInput: fewer than four architectures, lists of different lengths, or a figure that is not finite.

    Example:
        >>> truth = [[0.90, 0.91], [0.92, 0.93], [0.94, 0.93], [0.95, 0.96], [0.97, 0.96]]
        >>> worth = rating_worth(truth, [[1.0], [2.0], [3.0], [5.0], [4.0]], {"parameters": [1, 5, 2, 4, 3]})
        >>> round(worth.rows[0].rho.value, 2), worth.architectures
        (0.9, 5)
    """
    figures = np.array([_mean_of(one, "the truth") for one in truth])
    rated = np.array([_mean_of(one, "the rating") for one in ratings])
    columns: dict[str, tuple[str, np.ndarray]] = {"rating": ("rating", rated)}
    for kind, scores in (("count", counts or {}), ("other", others or {})):
        for name, listed in scores.items():
            columns[name] = kind, np.asarray(listed, dtype=np.float64)
    n = len(figures)
    for name, (_, values) in columns.items():
        if values.shape != (n,) or not np.isfinite(values).all():
            raise InvalidInput(f"score {name!r}: give one finite number for each of the {n} architectures")
    if n < 4:
        raise InvalidInput(f"{n} architectures have both truth and rating; four are the least that can be judged")
    counted = {name: values for name, (kind, values) in columns.items() if kind == "count"}
    if counted and n >= 2 * FOLDS:
        columns["linear fit of counts"] = "fit", _cross_fitted(counted, figures)
    resamples = Resamples(n)
    rhos = {name: resamples.spearman(values, figures) for name, (_, values) in columns.items()}
    given = [counted[name] for name in ("parameters", "macs") if name in counted]
    rows = tuple(
        ScoreRow(
            name,
            kind,
            rhos[name].estimate(),
            resamples.kendall(values, figures).estimate(),
            resamples.pearson(values, figures).estimate(),
            None if name == "rating" else (rhos["rating"] - rhos[name]).estimate(),
            resamples.partial(values, figures, given).estimate()
            if len(given) == 2 and kind in ("rating", "other")
            else None,
            _best_tenth(values, figures),
        )
        for name, (kind, values) in columns.items()
    )
    seeds = _agreement(truth)
    reliability = None if seeds is None else _spearman_brown(seeds, min(map(len, truth)))
    ceiling = None if reliability is None or reliability <= 0 else math.sqrt(reliability)
    verdict = _verdict(rows, seeds, ceiling)
    return RatingWorth(n, rows, seeds, ceiling, _agreement(ratings), verdict, dict(seconds or {}))


def _mean_of(values: Sequence[float], what: str) -> float:
    if not len(values) or not all(math.isfinite(value) for value in values):
        raise InvalidInput(f"{what} of an architecture is {list(values)}; give at least one finite number")
    return math.fsum(values) / len(values)


def _agreement(values: Sequence[Sequence[float]]) -> float | None:
    """Returns the mean rank correlation of every two seeds, over the architectures that have both."""
    seeds = min(map(len, values))
    found = [
        rank_agreement([one[a] for one in values], [one[b] for one in values]).rho
        for a in range(seeds)
        for b in range(a + 1, seeds)
    ]
    known = [rho for rho in found if rho is not None]
    return math.fsum(known) / len(known) if known else None


def _spearman_brown(agreement: float, seeds: int) -> float:
    """Returns the reliability of a mean of seeds, from the agreement of two single ones."""
    return seeds * agreement / (1 + (seeds - 1) * agreement)


def _cross_fitted(counts: Mapping[str, np.ndarray], truth: np.ndarray) -> np.ndarray:
    """Returns for each architecture what a linear fit of the (log) counts of the other folds' networks predicts."""
    logs = [np.log(values) if (values > 0).all() else values for values in counts.values()]
    inputs = np.column_stack([np.ones(len(truth)), *logs])
    folds = np.random.default_rng(0).permutation(len(truth)) % FOLDS
    predicted = np.empty(len(truth))
    for fold in range(FOLDS):
        out = folds == fold
        weights, *_ = np.linalg.lstsq(inputs[~out], truth[~out], rcond=None)
        predicted[out] = inputs[out] @ weights
    return predicted


def _best_tenth(values: np.ndarray, truth: np.ndarray) -> float | None:
    size = len(truth) // 10
    if size < TENTH:
        return None
    best = np.argsort(-truth, kind="stable")[:size]
    return rank_agreement(values[best].tolist(), truth[best].tolist()).rho


def _verdict(rows: Sequence[ScoreRow], seeds: float | None, ceiling: float | None) -> tuple[str, ...]:
    said: list[str] = []
    if seeds is not None and seeds < GATE:
        said.append(
            f"The truth is too noisy to judge a rating: two of its seeds agree with rho {seeds:.2f}, and {GATE} is the "
            "least; train longer, or measure on more examples."
        )
    for row in rows[1:]:
        if row.kind == "other" or row.ahead is None:
            continue
        what = {"fit": "a linear fit of the counts"}.get(row.kind, f"counting {_WORDS.get(row.name, row.name)}")
        said.append(f"The rating {_comparison(row.ahead)} {what}{_figures(rows[0], row)}.")
    if len(rows) == 1:
        said.append("No counts were given, so nothing says whether the rating knows more than the size of a network.")
    partial = rows[0].partial
    if partial is not None and partial.low is not None and partial.high is not None:
        known = "something" if partial.low > 0 else "nothing that these architectures could show"
        said.append(
            f"Beyond parameters and MACs it knows {known}: partial rho {partial.value:.2f} "
            f"[{partial.low:.2f}, {partial.high:.2f}]."
        )
    if ceiling is not None and rows[0].rho.value is not None:
        said.append(f"It reaches {rows[0].rho.value / ceiling:.0%} of the ceiling that the truth's noise sets.")
    return tuple(said)


_WORDS = {"macs": "MACs"}


def _comparison(ahead: Estimate) -> str:
    if ahead.low is None or ahead.high is None:
        return "cannot be compared with"
    if ahead.low > 0:
        return "beats"
    return "is beaten by" if ahead.high < 0 else "does not beat"


def _figures(rating: ScoreRow, row: ScoreRow) -> str:
    if rating.rho.value is None or row.rho.value is None or row.ahead is None or row.ahead.low is None:
        return ""
    return (
        f" (rho {rating.rho.value:.2f} against {row.rho.value:.2f}; "
        f"difference {row.ahead.value:.2f} [{row.ahead.low:.2f}, {row.ahead.high:.2f}])"
    )
