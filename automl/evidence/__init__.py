"""Evidence: statistics over arrays of results. Nothing here reads a database or knows what a study is."""

from automl.evidence.comparisons import (
    BEATS,
    DOES_NOT,
    ENOUGH_RANDOM,
    NOT_SUPPORTED,
    Effort,
    Verdict,
    chance_of_luck,
    gain_over_random_search,
    is_deterministic,
    judge_run,
    judge_runs,
    relative_improvement,
)
from automl.evidence.intervals import BOOTSTRAP_RUNS, Estimate, difference, ratio, units
from automl.evidence.looks import left_for_next
from automl.evidence.ranks import Agreement, agreement_between, rank_agreement
from automl.evidence.results import ResultRow, ResultsTable, results_table

__all__ = [
    "BEATS",
    "BOOTSTRAP_RUNS",
    "DOES_NOT",
    "ENOUGH_RANDOM",
    "NOT_SUPPORTED",
    "Agreement",
    "Effort",
    "Estimate",
    "ResultRow",
    "ResultsTable",
    "Verdict",
    "agreement_between",
    "chance_of_luck",
    "difference",
    "gain_over_random_search",
    "is_deterministic",
    "judge_run",
    "judge_runs",
    "left_for_next",
    "rank_agreement",
    "ratio",
    "relative_improvement",
    "results_table",
    "units",
]
