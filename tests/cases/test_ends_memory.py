"""What grows while a search runs: successive halving looks at what may still go on, and proposes what it always did."""

import bisect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.spaces.fields import Integer
from automl.spaces.space import Space
from automl.strategies.base import Proposal, Told
from automl.strategies.halving import PROMOTED, SuccessiveHalving


class Line(Space):
    x = Integer(0, 40)


class Plain(SuccessiveHalving):
    """The rule of the paper, word for word: every ask looks through the best share of every rung."""

    def reset(self):
        super().reset()
        self._rows = [[] for _ in self.fidelities]
        self._told = {}
        self._texts = [set() for _ in self.fidelities]

    def _promotions(self, n):
        found = []
        on_their_way = {(self._rung(one.fidelity), one.candidate.json) for one in self.pending}
        for rung in range(len(self.fidelities) - 2, -1, -1):
            rows = self._rows[rung]
            for worth, number in rows[: len(rows) // self.reduction]:
                candidate = self._told[number].candidate
                if len(found) == n:
                    return found
                step = (rung + 1, candidate.json)
                if worth == math.inf or candidate.json in self._texts[rung + 1] or step in on_their_way:
                    continue
                on_their_way.add(step)
                found.append(Proposal(candidate, PROMOTED, (number,), self.fidelities[rung + 1]))
        return found

    def tell(self, trials):
        for trial in trials:
            rung, text = self._rung(trial.fidelity), trial.candidate.json
            if text not in self._texts[rung]:
                worth = math.inf if trial.fitness is None else -trial.fitness
                bisect.insort(self._rows[rung], (worth, trial.number))
                self._told[trial.number] = trial
                self._texts[rung].add(text)


def run(strategy, seed, blocks, reduction):
    """Returns what is proposed when results arrive late and out of order, some of them failures."""
    rng = np.random.default_rng(seed)
    strategy.bind(Line(), (1 / 9, 1 / 3, 1.0))
    waiting, said, number = [], [], 0
    for block in blocks:
        strategy.pending = [proposal for _, proposal in waiting]
        asked = strategy.ask(block, np.random.default_rng([seed, number]))
        said += [(one.candidate.json, one.origin, one.parents, one.fidelity) for one in asked]
        waiting += [(number + place, one) for place, one in enumerate(asked)]
        number += len(asked)
        ready = [waiting.pop(int(rng.integers(len(waiting)))) for _ in range(int(rng.integers(len(waiting) + 1)))]
        strategy.tell(
            [
                Told(
                    of,
                    one.candidate,
                    None if (one.candidate.x + of) % 7 == 0 else float((one.candidate.x * 13 + of) % 17),
                    {},
                    False,
                    one.fidelity,
                    one.parents,
                )
                for of, one in ready
            ]
        )
    return said


@given(
    seed=st.integers(0, 1 << 30),
    blocks=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    reduction=st.integers(2, 4),
)
@settings(max_examples=60, deadline=None)
def test_successive_halving_proposes_what_the_plain_rule_does(seed, blocks, reduction):
    fast = run(SuccessiveHalving(reduction=reduction), seed, blocks, reduction)
    assert fast == run(Plain(reduction=reduction), seed, blocks, reduction)


@pytest.mark.parametrize("trials", [300, 3000])
def test_an_ask_looks_at_no_more_than_may_go_on(trials, monkeypatch):
    strategy = SuccessiveHalving()
    strategy.bind(Line(), (1 / 9, 1 / 3, 1.0))
    told = [
        Told(i, Line().decode({"x": i % 41}), float(i % 5), {}, False, (1 / 9, 1 / 3)[i % 2], ()) for i in range(trials)
    ]
    strategy.tell(told)
    assert len(strategy._candidates) <= 2 * 41  # of encodings, not of trials
    assert all(len(one) <= 41 for one in strategy._open)
