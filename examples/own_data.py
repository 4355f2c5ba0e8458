"""Your own arrays as the task, and minimising a loss: a small regression-by-classes on scikit-learn's wine data.

python examples/own_data.py
"""

import sys

import numpy as np
from sklearn.datasets import load_wine
from torch import nn

import automl
from automl import Choice, Integer, Real, Space, Task


class Perceptron(Space):
    layers = Integer(0, 2)
    width = Choice(8, 16, 32)
    activation = Choice("relu", "tanh")
    lr = Real(1e-3, 1e-1, log=True)

    def build(self, c):
        inputs, parts = 13, []
        for _ in range(c.layers):
            parts += [nn.Linear(inputs, c.width), nn.ReLU() if c.activation == "relu" else nn.Tanh()]
            inputs = c.width
        return nn.Sequential(*parts, nn.Linear(inputs, 3))

    def training(self, c):
        return {"lr": c.lr}


def wine() -> Task:
    """Three parts that share nothing: inputs scaled by the training part alone."""
    inputs, targets = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(targets))
    inputs, targets = inputs[order].astype(np.float32), targets[order]
    inputs = (inputs - inputs[:100].mean(0)) / inputs[:100].std(0)
    return Task(
        train=(inputs[:100], targets[:100]),
        validation=(inputs[100:140], targets[100:140]),
        test=(inputs[140:], targets[140:]),
        name="wine",
    )


if __name__ == "__main__":
    study = automl.search(
        Perceptron(),
        task=wine(),
        evaluator=automl.Classification(epochs=5),
        objective="loss",
        direction="minimize",
        enqueue=[{"layers": 1, "width": 16, "activation": "relu", "lr": 0.01}],  # what we would have tried by hand
        callbacks=[lambda _, trial: print(trial.number, trial.outcome, trial.fitness)],
        trials=int(sys.argv[1]) if len(sys.argv) > 1 else 60,
        settings={"population": 20, "tournament": 5},
        workers=0,  # in this process: each training takes a fraction of a second
        storage="sqlite:///example-own-data.db",
    )
    print(study.best)
    print(study.report())
