"""The searches of AutoML-Zero by name: linear regression, two-layer-network regression, pairs of digits."""

from __future__ import annotations

from dataclasses import dataclass

from automl.spaces.space import Defaults
from search_spaces.algorithms.program import Operations, ProgramSpace, Size

_EVOLUTION = {"population": 1000, "tournament": 10}
_WINDOW = 1000  # programs are proposed, probed, looked up and recorded some hundreds at a time

SIX = (
    "scalar_const_set",
    "vector_inner_product",
    "scalar_diff",
    "scalar_product",
    "scalar_vector_product",
    "vector_sum",
)
"""The operations of the published demo: enough to write linear regression by gradient descent."""


@dataclass(eq=False)
class AutoMLZeroLinear(ProgramSpace):
    """Space of programs in which to rediscover linear regression by gradient descent, from six operations.

    As in the published demo of Real et al. 2020 (arXiv 2003.03384).

    Example:
        >>> import numpy as np
        >>> space = AutoMLZeroLinear()
        >>> candidate = space.sample(np.random.default_rng(0))
        >>> list(candidate.value), candidate.value["predict"]
        (['setup', 'predict', 'learn'], ['s1 = -0.56919', 'v1 = s3 * v1'])
    """

    equal_shares = (0.41, 0.75)

    defaults = Defaults(
        evaluator="programs",
        evaluator_settings={"task": "linear-regression"},
        strategy="regularized_evolution",
        strategy_settings={**_EVOLUTION, "restart": 500_000},
        window=_WINDOW,
        trials=8_000_000,
        until=0.999,  # what 100 examples teach; with 1,000 the same programs rate above 0.9999
    )

    setup: Size = 10
    predict: Size = 2
    learn: Size = 8
    operations: Operations = SIX


@dataclass(eq=False)
class AutoMLZeroTwoLayer(ProgramSpace):
    """Space of programs for regression on random two-layer networks, with every operation and variable lengths.

    As in section 4.1 of Real et al. 2020 (arXiv 2003.03384). A search uses 24 problems, because with every operation
    fewer would be memorised.

    Example:
        >>> AutoMLZeroTwoLayer().defaults.evaluator_settings["task"]
        'two-layer-regression'
    """

    equal_shares = (0.65, 0.85)

    defaults = Defaults(
        evaluator="programs",
        evaluator_settings={"task": "two-layer-regression", "problems": 24, "train_examples": 200},
        strategy="regularized_evolution",
        strategy_settings=_EVOLUTION,
        window=_WINDOW,
        trials=200_000,
    )

    scalars: int = 5
    vectors: int = 5
    matrices: int = 1
    setup: Size = (1, 7)
    predict: Size = (1, 11)
    learn: Size = (1, 23)


@dataclass(eq=False)
class AutoMLZeroDigits(ProgramSpace):
    """Space of programs that classify pairs of digits from 16 random projections, with every operation.

    As in section 4.2 of Real et al. 2020 (arXiv 2003.03384). A search uses all 36 pairs that are not reserved for the
    final figures, each under four projections, so that fewer programs succeed by memorising.

    Example:
        >>> AutoMLZeroDigits().defaults.evaluator_settings["task"]
        'digit-pairs'
    """

    equal_shares = (0.67, 0.84)

    defaults = Defaults(
        evaluator="programs",
        evaluator_settings={
            "task": "digit-pairs",
            "problems": 144,
            "train_examples": 120,
            "unseen_problems": 180,
            "unseen_train_examples": 240,
        },
        strategy="regularized_evolution",
        strategy_settings=_EVOLUTION,
        window=_WINDOW,
        trials=200_000,
    )

    features: int = 16
    scalars: int = 5
    vectors: int = 6
    matrices: int = 2
    setup: Size = (1, 7)
    predict: Size = (1, 11)
    learn: Size = (1, 15)
    probabilities: bool = True
