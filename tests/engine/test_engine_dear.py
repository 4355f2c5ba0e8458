"""A strategy that takes longer than what it saves is named, once; one that learns for dear evaluations is not."""

import warnings
from pathlib import Path
from typing import Any

import pytest

import automl
from automl.engine.dear_proposals import ENOUGH, DearProposals
from automl.storage.records import TrialRecord
from automl.strategies.surrogate import Surrogate


def record(outcome: Any = "miss", paid: float = 0.0, **metrics: float) -> TrialRecord:
    return TrialRecord(0, "1", b"k", 1, outcome, 0.5, metrics, 1, paid_seconds=paid)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (record(paid=0.001), True),
        (record(paid=0.02), False),
        (record(paid=0.001, cost_seconds=900.0), False),  # a table: what stands in it took that long
        (record("hit"), False),  # nothing was evaluated
    ],
)
def test_proposals_are_dear_where_an_evaluation_takes_less(one: TrialRecord, said: bool) -> None:
    look = DearProposals("surrogate")
    assert look.ended([one] * (ENOUGH - 1), 0.01 * (ENOUGH - 1)) == ""
    assert bool(look.ended([one], 0.01 * ENOUGH)) is said


class Line(automl.Space):
    x = automl.Real(0.0, 1.0)


def test_a_search_says_it_once_and_other_strategies_are_not_asked(tmp_path: Path) -> None:
    def run(strategy: Any, name: str) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            automl.search(
                Line(), evaluator=automl.FunctionEvaluator(lambda one: one.x, code_version="1"), strategy=strategy,
                trials=ENOUGH + 5, workers=0, baseline=False, storage=f"sqlite:///{tmp_path}/{name}.db",
            )  # fmt: skip
        return [str(one.message) for one in caught if "would evaluate many more" in str(one.message)]

    assert len(run(Surrogate(hashed=20, kept=60), "surrogate")) == 1
    assert run("regularized_evolution", "evolution") == []
