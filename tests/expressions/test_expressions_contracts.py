"""Spaces of functions and their evaluators keep the contracts that the engine ships."""

from __future__ import annotations

from collections.abc import Sequence

from automl.evaluators.base import Evaluator, Work
from automl.spaces.expressions import ExpressionSpace
from automl.spaces.space import Space
from automl.testing.evaluators import EvaluatorContract
from automl.testing.spaces import SpaceContract
from search_spaces.algorithms.activation import Activation
from search_spaces.algorithms.loss import Loss
from search_spaces.algorithms.optimizer import Optimizer
from workers.algorithms.functions import ActivationTraining, LossTraining, OptimizerTraining


def _works(space: ExpressionSpace, *names: str) -> list[Work]:
    chosen = [space.references()[name] for name in names]
    return [Work(space.behaviour(candidate), {}, candidate.json) for candidate in chosen]


class TestActivation(SpaceContract):
    def space(self) -> Space:
        return Activation()


class TestLoss(SpaceContract):
    def space(self) -> Space:
        return Loss()


class TestOptimizer(SpaceContract):
    def space(self) -> Space:
        return Optimizer()


class TestActivationTraining(EvaluatorContract):
    def evaluator(self) -> Evaluator:
        return ActivationTraining(epochs=2, networks=2)

    def works(self) -> Sequence[Work]:
        return _works(Activation(), "relu", "silu", "tanh")


class TestLossTraining(EvaluatorContract):
    def evaluator(self) -> Evaluator:
        return LossTraining(epochs=2, networks=2, label_noise=0.1)

    def works(self) -> Sequence[Work]:
        return _works(Loss(), "cross-entropy", "squared error")


class TestOptimizerTraining(EvaluatorContract):
    def evaluator(self) -> Evaluator:
        return OptimizerTraining(epochs=2, networks=1, tasks=("digits", "digits-parity"))

    def works(self) -> Sequence[Work]:
        return _works(Optimizer(), "sgd 0.1", "adam 0.01")
