"""Your own loop: a strategy proposes, the functional hash recognises, the cache remembers. No search() is involved.

python examples/ask_and_tell.py
"""

import sys
from functools import partial

import numpy as np

import automl
from automl import Choice, Function, Integer, Space
from automl.strategies import Told, create


class Polynomial(Space):
    """A power, a sign and two switches: many encodings of few functions."""

    power = Integer(1, 3)
    negate = Choice(True, False)
    negate_again = Choice(True, False)
    double = Choice("2*x", "x+x", "x")

    def behaviour(self, c):
        sign = (-1) ** (c.value["negate"] + c.value["negate_again"])
        factor = 1 if c.value["double"] == "x" else 2
        return Function(lambda x: sign * (factor * x) ** c.value["power"])


def distance(function, calls: list) -> float:
    """How far a function is from 2x on [0, 1]: what we want to be small. Every call is noted."""
    calls.append(function)
    x = np.linspace(0, 1, 50)
    return float(np.abs(function(x) - 2 * x).mean())


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    space = Polynomial()
    strategy = create("regularized_evolution", {"population": 20, "tournament": 5})
    strategy.bind(space)
    cache = automl.EquivalenceCache("sqlite:///example-ask-and-tell.db", namespace="polynomials")
    evaluations: list = []
    best = (float("inf"), "")
    for first in range(0, trials, 10):
        told = []
        for number, proposal in enumerate(strategy.ask(10, np.random.default_rng(first)), first):
            function = space.behaviour(proposal.candidate)
            error = cache.get_or_evaluate(
                automl.functional_hash(function), partial(distance, function.call, evaluations)
            )
            best = min(best, (error, proposal.candidate.json))
            told.append(Told(number, proposal.candidate, -error, parents=proposal.parents))  # larger is better
        strategy.tell(told)
    print(f"{trials} proposals, {len(evaluations)} evaluations, best {best[1]} with an error of {best[0]:.3g}")
