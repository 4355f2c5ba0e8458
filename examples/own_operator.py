"""Operators of your own in a search for activation functions, and a space of functions with a fitness of your own.

`automl search examples/own_operator.py:Smooth` works too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar

import numpy as np

import automl
from automl.spaces.expressions import ExpressionSpace, Operator, define
from search_spaces.algorithms.activation import Activation


class Smooth(Activation):
    """Activations of smooth operators only, two of them new, and a reference that is new as well."""

    own_operators = (
        define("mish(x) = x * tanh(softplus(x))"),  # by a formula: derivative and exported source follow from it
        Operator(
            "bump",  # by numpy functions
            value=lambda x: 1 / (1 + x * x),
            derivative=lambda x: -2 * x / np.square(1 + x * x),
            numpy="1 / (1 + {0} * {0})",  # how an exported file writes it
            torch="1 / (1 + {0} * {0})",
        ),
    )
    usual = ("add", "sub", "mul", "neg", "tanh", "sigmoid", "softplus", "sin", "square")

    def references(self):
        return {**super().references(), "mish": self.decode("mish(x)")}


class Kepler(ExpressionSpace):
    """Functions of a planet's distance from the sun: which one gives its period?"""

    variables = ("a",)
    needs = (("a",),)
    usual = ("mul", "div", "add", "sqrt_abs", "square")
    domain: ClassVar = {"a": np.abs}  # distances are positive: functions that differ for negative ones only are one
    result = "T(a)"


DISTANCE = np.array([0.387, 0.723, 1.0, 1.524, 5.203, 9.537])  # astronomical units, Mercury to Saturn
PERIOD = np.array([0.241, 0.615, 1.0, 1.881, 11.862, 29.457])  # years


def error(candidate):
    """Mean relative error of the periods; lower is better."""
    found = Kepler().compiled(candidate).value(DISTANCE)
    return float(np.mean(np.abs(found - PERIOD) / PERIOD))


def main(storage: str, trials: int = 60) -> None:
    study = automl.search(
        Smooth(),
        trials=trials,
        enqueue=[reference.value for reference in Smooth().references().values()],
        settings={"epochs": 3, "networks": 1, "population": 20},
        storage=storage,
        workers=0,
    )
    space = study.space
    print(space.describe(study.best.candidate), "reaches", study.best.fitness)
    print(space.exported(study.best.candidate, "torch"))

    laws = automl.search(
        Kepler(), evaluator=error, direction="minimize", trials=20 * trials, storage=storage, workers=0, baseline=False
    )
    print(Kepler().describe(laws.best.candidate), "errs by", laws.best.fitness)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(f"sqlite:///{Path(folder) / 'own.db'}")
