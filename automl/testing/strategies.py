"""The contract of strategies as tests: subclass `StrategyContract` in a test file and say which strategy and space."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from automl.artefacts.content import Content
from automl.spaces.contract import checked
from automl.spaces.space import Space
from automl.strategies.base import FULL, Proposal, Strategy, Told

OFFERED = (1 / 27, 1 / 9, 1 / 3, 1.0)
"""Fidelities of an evaluator that has some."""


class StrategyContract:
    """Tests that every strategy must pass; pytest collects them from a subclass whose name starts with `Test`.

    Example:
        >>> import automl
        >>> from automl.strategies.random import Random
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> class TestRandom(StrategyContract):
        ...     def strategy(self):
        ...         return Random()
        ...     def space(self):
        ...         return Line()
        >>> TestRandom().test_proposals_depend_on_the_generator_and_the_history_alone()
    """

    def strategy(self) -> Strategy:
        """Returns the strategy under test, fresh; with settings that let it learn from fewer than 60 trials."""
        raise AssertionError(f"{type(self).__name__} must define strategy(self)")

    def space(self) -> Space:
        """Returns a space that it can propose from."""
        raise AssertionError(f"{type(self).__name__} must define space(self)")

    def artefacts(self) -> Mapping[str, Content]:
        """Returns the contents of the artefacts that it reads, by name."""
        return {}

    def metrics(self, fitness: float) -> dict[str, float]:
        """Returns the metrics that the strategy is told beside a fitness."""
        return {"fitness": fitness}

    def _bound(self) -> Strategy:
        strategy = self.strategy()
        self._bind(strategy)
        return strategy

    def _bind(self, strategy: Strategy) -> None:
        given: dict[str, Any] = {"artefacts": self.artefacts()} if "artefacts" in strategy.wants else {}
        strategy.bind(self.space(), strategy.rungs(OFFERED), **given)

    def _told(self, number: int, proposal: Proposal, failing: bool) -> Told:
        text = proposal.candidate.json
        fitness = (sum(map(ord, text)) % 97) / 97  # no meaning, but the same for the same candidate
        if failing and number % 7 == 3:
            return Told(number, proposal.candidate, None, fidelity=proposal.fidelity)
        duplicate = number % 5 == 0
        return Told(number, proposal.candidate, fitness, self.metrics(fitness), duplicate, proposal.fidelity)

    def _run(self, seed: int, rounds: int = 12, batch: int = 5, failing: bool = True) -> tuple[Strategy, list[Told]]:
        strategy, history = self._bound(), list[Told]()
        for number in range(rounds):
            asked = strategy.ask(batch, np.random.default_rng([seed, number]))
            told = [self._told(len(history) + place, one, failing) for place, one in enumerate(asked)]
            history += told
            strategy.tell(told)
        return strategy, history

    def test_it_proposes_as_many_as_asked_before_and_after_learning(self) -> None:
        strategy, _ = self._run(0)
        for bound in (self._bound(), strategy):
            for n in (1, 3, 17):
                assert len(bound.ask(n, np.random.default_rng(1))) == n

    def test_proposals_are_points_of_the_space_with_parents_that_were_told(self) -> None:
        strategy, history = self._run(1)
        space, numbers = self.space(), {trial.number for trial in history}
        for proposal in strategy.ask(30, np.random.default_rng(2)):
            assert checked(space, proposal.candidate.value) == proposal.candidate
            assert set(proposal.parents) <= numbers
            assert proposal.origin

    def test_it_asks_for_the_fidelities_that_it_chose_and_for_full_evaluations_in_the_end(self) -> None:
        strategy, history = self._run(8, rounds=30)
        rungs = list(strategy.rungs(OFFERED))
        assert rungs == sorted(rungs)
        assert rungs[-1] == FULL
        assert set(rungs) <= set(OFFERED)
        assert {trial.fidelity for trial in history} == set(rungs)

    def test_proposals_depend_on_the_generator_and_the_history_alone(self) -> None:
        (one, first), (other, second) = self._run(2), self._run(2)
        assert first == second
        np.random.default_rng().random()
        assert one.ask(8, np.random.default_rng(3)) == other.ask(8, np.random.default_rng(3))
        assert self._run(3)[1] != first

    def test_it_is_rebuilt_from_history_however_that_is_cut(self) -> None:
        strategy, history = self._run(4)
        for cut in (1, 4, len(history)):
            again = self._bound()
            for start in range(0, len(history), cut):
                again.tell(history[start : start + cut])
            assert again.ask(8, np.random.default_rng(5)) == copy.copy(strategy).ask(8, np.random.default_rng(5))

    def test_asking_does_not_change_what_is_proposed_next(self) -> None:
        strategy, _ = self._run(5)
        first = strategy.ask(6, np.random.default_rng(6))
        assert strategy.ask(6, np.random.default_rng(6)) == first

    def test_binding_forgets_what_was_told(self) -> None:
        strategy, _ = self._run(6)
        self._bind(strategy)
        assert strategy.ask(6, np.random.default_rng(7)) == self._bound().ask(6, np.random.default_rng(7))

    def test_it_goes_on_when_everything_failed(self) -> None:
        strategy = self._bound()
        for number in range(60):
            (proposal,) = strategy.ask(1, np.random.default_rng(number))
            strategy.tell(
                [Told(number, proposal.candidate, None, fidelity=proposal.fidelity, parents=proposal.parents)]
            )
        assert len(strategy.ask(4, np.random.default_rng(0))) == 4

    def test_settings_make_the_same_strategy_again(self) -> None:
        strategy = self.strategy()
        assert type(strategy)(**strategy.settings()).settings() == strategy.settings()
