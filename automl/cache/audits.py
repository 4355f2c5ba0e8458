"""How often do two different functions share a key? Audits measure it.

An audit evaluates the very encoding of a hit and compares its result with what the cache served. Both are noisy, so the
difference is judged against the noise between replicates of one class: by Student's t with the pooled standard
deviation. An encoding equal to the one that the class was first evaluated with says nothing about merging; it is
left out of the rate.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from automl.errors import InvalidInput
from automl.evidence.means import mean
from automl.jsontext import stored
from automl.storage import keeping
from automl.storage.engine import Database
from automl.storage.evaluations import FAILED

FALSE_ALARM = 0.001
"""Probability with which noise alone makes one right merge look like a false one."""

_LEAST_FREEDOM = 5
"""Degrees of freedom from which a pooled standard deviation is trusted."""

_RELATIVE_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What the audits found.

    Attributes:
        audited: pairs of different encodings with one key, both evaluated.
        disagreeing: pairs whose results differ by more than noise explains, or of which one failed.
        rate: disagreeing / audited, the false-merge rate; None without audits.
        low, high: its 95 % interval (Clopper and Pearson 1934: exact, never too narrow).
        noise: standard deviation between replicates of one class; None where it could not be measured.
        noise_from: "replicates", or "audits" (their own robust spread) where too few classes have replicates.
    """

    audited: int
    disagreeing: int
    rate: float | None
    low: float | None
    high: float | None
    noise: float | None
    noise_from: str

    def sentence(self) -> str:
        """Returns it in words."""
        if self.audited == 0:
            return "no merge was audited: search with an audit probability above 0 to measure the false-merge rate"
        if self.rate is None or self.low is None or self.high is None:
            return (
                f"{self.audited} merges were audited, but the noise between replicates is not known: "
                "search with 2 or more replicates, or audit more"
            )
        return (
            f"{self.disagreeing} of {self.audited} audited merges disagree beyond noise: false-merge rate "
            f"{self.rate:.2%} (95 % interval {self.low:.2%} to {self.high:.2%})"
        )

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON data."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Pair:
    """One audit and what the cache served.

    Attributes:
        audit: its metric, None if that evaluation failed.
        served: mean of the replicates, None if the class failed.
        count: number of replicates in the mean.
    """

    audit: float | None
    served: float | None
    count: int


def audit_report(
    database: Database, metric: str, *, context: int | None = None, studies: Collection[int] | None = None
) -> AuditReport:
    """Compares every audit with the replicates of its class.

    Args:
        database: to read.
        metric: which figure to compare.
        context: only of this context; all without one.
        studies: only the audits that these studies paid for.
    """
    rows = keeping.audited_rows(database, context, studies)
    pairs: list[Pair] = []
    for _, group in groupby(rows, key=lambda row: (row.context, row.key)):
        pairs += _pairs(list(group), metric, studies)
    contexts = sorted({row.context for row in rows})
    repeated = keeping.repeated_rows(database, contexts) if contexts else []
    groups = [
        [_figure(row.metrics, metric) for row in group]
        for _, group in groupby(repeated, key=lambda row: (row.context, row.key))
    ]
    noise, freedom = pooled_noise([value for value in group if value is not None] for group in groups)
    return judge(pairs, noise, freedom)


def judge(pairs: Iterable[Pair], noise: float | None, freedom: int) -> AuditReport:
    """Counts the pairs that disagree beyond noise.

    Args:
        pairs: audits with what was served.
        noise: pooled standard deviation between replicates, None if not measured.
        freedom: its degrees of freedom.
    """
    from scipy import stats

    pairs = list(pairs)
    both = [(one.audit - one.served, one.count) for one in pairs if one.audit is not None and one.served is not None]
    noise_from = "replicates"
    if noise is None or freedom < _LEAST_FREEDOM:
        noise, freedom, noise_from = *_spread(both), "audits"
    mixed = sum((one.audit is None) != (one.served is None) for one in pairs)
    if noise is None or not math.isfinite(noise):
        return AuditReport(len(pairs), mixed, None, None, None, None, "")
    threshold = float(stats.t.ppf(1 - FALSE_ALARM / 2, freedom))
    largest = max((abs(one.served) for one in pairs if one.served is not None), default=0.0)
    least = _RELATIVE_ROUNDING * max(1.0, largest)
    beyond = sum(abs(gap) > max(least, threshold * noise * math.sqrt(1 + 1 / count)) for gap, count in both)
    audited, disagreeing = len(pairs), beyond + mixed
    if audited == 0:
        return AuditReport(0, 0, None, None, None, noise, noise_from)
    exact = stats.binomtest(disagreeing, audited).proportion_ci(0.95, method="exact")
    rate = disagreeing / audited
    return AuditReport(audited, disagreeing, rate, float(exact.low), float(exact.high), noise, noise_from)


def pooled_noise(groups: Iterable[list[float]]) -> tuple[float | None, int]:
    """Returns (pooled standard deviation, degrees of freedom) of values within their groups; None without any."""
    squares, freedom = 0.0, 0
    for values in groups:
        if len(values) > 1:
            centre = mean(values)
            squares += sum((value - centre) * (value - centre) for value in values)
            freedom += len(values) - 1
    if not freedom or not math.isfinite(squares):  # figures so large that their squares are none
        return None, 0
    return math.sqrt(squares / freedom), freedom


def _spread(gaps: list[tuple[float, int]]) -> tuple[float | None, int]:
    """Estimates the noise from the audits themselves: most merges are right, and the median heeds no outliers."""
    if len(gaps) < 2 * _LEAST_FREEDOM:
        return None, 0
    scaled = sorted(abs(gap) / math.sqrt(1 + 1 / count) for gap, count in gaps)
    middle = len(scaled) // 2
    median = scaled[middle] if len(scaled) % 2 else (scaled[middle - 1] + scaled[middle]) / 2
    return 1.4826 * median, len(gaps) - 1


def _pairs(rows: list[Any], metric: str, studies: Collection[int] | None) -> list[Pair]:
    replicates = [row for row in rows if row.replicate >= 0]
    if not replicates:
        return []
    first = replicates[0].candidate
    failed = any(row.state == FAILED for row in replicates)
    values = [value for row in replicates if (value := _figure(row.metrics, metric)) is not None]
    if not failed and not values:
        raise InvalidInput(f"the evaluations that were audited have no metric {metric!r}")
    served = None if failed else mean(values)
    return [
        Pair(_figure(row.metrics, metric), served, max(1, len(values)))
        for row in rows
        if row.replicate < 0 and row.candidate != first and (studies is None or row.study in studies)
    ]


def _figure(metrics: str | None, metric: str) -> float | None:
    value = None if metrics is None else stored(metrics).get(metric)
    return float(value) if isinstance(value, int | float) else None
