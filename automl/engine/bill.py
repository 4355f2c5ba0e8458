"""What a search will evaluate, said before it is run: the search itself is a part of it only."""

from __future__ import annotations

import math

from automl.engine.config import StudyConfig
from automl.evaluators.base import Evaluator
from automl.selection.contest import AT_MOST
from automl.selection.objectives import Objectives
from automl.strategies.base import Strategy
from automl.strategies.random import Random


def bill(
    config: StudyConfig, evaluator: Evaluator, strategy: Strategy, objectives: Objectives, *, rates: bool = False
) -> str:
    """Returns a sentence with the numbers of evaluations of all phases, at most.

    What an equal candidate or an earlier search has evaluated costs nothing, so there may be far fewer.

    Args:
        config: of the study.
        evaluator: that decides.
        strategy: of the search.
        objectives: of the search.
        rates: True for a search that rates first (`--final`): its budget is one of ratings.

    Example:
        >>> from automl.engine.config import StudyConfig
        >>> from automl.rules import Budget
        >>> from automl.setup.parts import assemble
        >>> parts = assemble("nasbench201")
        >>> config = StudyConfig(budget=Budget(trials=100), test_seeds=3)
        >>> from automl.selection.objectives import objectives_of
        >>> bill(config, parts.evaluator, parts.strategy, objectives_of(parts.identity()))
        'At most 100 evaluations by the search, as many by random search, ... to confirm the best, and ... tests: ...'
        >>> bill(config, parts.evaluator, parts.strategy, objectives_of(parts.identity()), rates=True)
        'At most 100 ratings by the search, 12 evaluations of the best-rated, as many by random search, ...'
    """
    budget, replicates = config.budget, config.policy.replicates
    bounds = [
        number for number in (budget.trials and budget.trials * replicates, budget.evaluations) if number is not None
    ]
    proposed = min(bounds) if bounds else None
    search = config.trained * replicates if rates else proposed
    compared = config.baseline and (rates or strategy.name != Random.name)
    itself = strategy.name == Random.name and not rates  # then its own winners stand for random search too
    share = float(config.baseline)
    sides = 2 + (0 < share < 1) + rates if compared or itself else 1
    again = max(config.confirm, replicates) if config.confirm > 1 and not evaluator.deterministic else 0
    confirmed = AT_MOST * config.finalists * again * sides
    seeds = 1 if evaluator.test_is_population_mean else config.test_seeds
    sampled = config.sample if compared or itself else 0
    front = config.front if len(objectives.all) > 1 else 0
    tests = (config.finalists * sides + front) * seeds + sampled
    what = "ratings" if rates else "evaluations"
    words = [f"{proposed:,} {what}" if proposed else f"what fits into {budget.hours:g} hours"]
    words[0] += " by the search"
    words += [f"{search:,} evaluations of the best-rated"] if rates else []
    fewer = f"{math.ceil(search * share):,}" if search else f"{share:.3g} times as many"
    words += [("as many" if share == 1 else fewer) + " by random search"] if compared else []
    words += ["what fits into the seconds of ratings and evaluations by another one"] if compared and rates else []
    words += [f"{confirmed:,} to confirm the best"] if confirmed else []
    words += [f"{tests:,} tests"]
    total = ""
    if search and not rates:
        total = f": {search + math.ceil(search * share * compared) + confirmed + tests:,} in all"
    return f"At most {', '.join(words[:-1])}, and {words[-1]}{total}; what is known already costs nothing."
