"""Spaces of programs and their evaluator keep the contracts that the engine ships."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automl.evaluators.base import Evaluator, Work
from automl.spaces.space import Space
from automl.testing.evaluators import EvaluatorContract
from automl.testing.spaces import SpaceContract
from search_spaces.algorithms.program_spaces import AutoMLZeroDigits, AutoMLZeroLinear, AutoMLZeroTwoLayer
from workers.algorithms.programs import ProgramTasks


class TestLinear(SpaceContract):
    def space(self) -> Space:
        return AutoMLZeroLinear()


class TestTwoLayer(SpaceContract):
    def space(self) -> Space:
        return AutoMLZeroTwoLayer()


class TestDigits(SpaceContract):
    def space(self) -> Space:
        return AutoMLZeroDigits()


class TestProgramTasks(EvaluatorContract):
    def evaluator(self) -> Evaluator:
        return ProgramTasks(problems=3, train_examples=20, unseen_problems=5, unseen_train_examples=20)

    def works(self) -> Sequence[Work]:
        space = AutoMLZeroTwoLayer()
        drawn = space.sample_many(5, np.random.default_rng(0))
        return [Work(space.behaviour(candidate), {}, candidate.json) for candidate in drawn]


class TestDigitPairs(TestProgramTasks):
    def evaluator(self) -> Evaluator:
        return ProgramTasks(
            "digit-pairs", problems=3, train_examples=20, unseen_problems=5, unseen_train_examples=20, combine="median"
        )

    def works(self) -> Sequence[Work]:
        space = AutoMLZeroDigits()
        drawn = space.sample_many(5, np.random.default_rng(0))
        return [Work(space.behaviour(candidate), {}, candidate.json) for candidate in drawn]
