"""Successive halving over an evaluator of your own: few passes for all, many for the best, nothing trained twice.

python examples/own_fidelities.py
"""

import io
import sys
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

import automl
from automl import Choice, Fidelity, Integer, Real, Space

PASSES = 27


class Softmax(Space):
    lr = Real(1e-4, 10.0, log=True)
    momentum = Choice(0.0, 0.5, 0.9, 0.99)
    decay = Real(1e-6, 1e-1, log=True)
    power = Integer(1, 3)  # of the pixels


@dataclass(frozen=True)
class Passes(automl.Evaluator):
    """Softmax regression on scikit-learn's digits; a fidelity is a number of passes over the training part."""

    name = "softmax-passes"
    metrics = {"accuracy": "maximize"}  # noqa: RUF012
    resumable = True

    def approximations(self):
        return [Fidelity(passes / PASSES, {"passes": passes}) for passes in (1, 3, 9)]

    def evaluate(self, work, how):
        c, (images, labels) = work.behaviour.value, load_digits(return_X_y=True)
        images = (images / 16.0) ** c["power"]
        weights, velocity, done = np.zeros((64, 10)), np.zeros((64, 10)), 0
        saved = how.checkpoint.read() if how.checkpoint else None
        if saved is not None:
            weights, velocity, done = np.load(io.BytesIO(saved), allow_pickle=False).values()
        for number in range(int(done), how.fidelity.get("passes", PASSES)):
            done = number + 1
            for batch in np.random.default_rng([how.seed, number]).permutation(1000).reshape(20, 50):
                scores = images[batch] @ weights
                chances = np.exp(scores - scores.max(1, keepdims=True))
                chances /= chances.sum(1, keepdims=True)
                slope = images[batch].T @ (chances - np.eye(10)[labels[batch]]) / 50 + c["decay"] * weights
                velocity = c["momentum"] * velocity - c["lr"] * slope
                weights = weights + velocity
        if how.checkpoint:
            buffer = io.BytesIO()
            np.savez(buffer, weights=weights, velocity=velocity, done=done)
            how.checkpoint.write(buffer.getvalue())
        held_out = slice(1000, 1400) if how.part == "validation" else slice(1400, None)
        return {"accuracy": float(np.mean((images[held_out] @ weights).argmax(1) == labels[held_out]))}


if __name__ == "__main__":
    study = automl.search(
        Softmax(),
        evaluator=Passes(),
        strategy="successive_halving",
        trials=int(sys.argv[1]) if len(sys.argv) > 1 else 300,
        settings={"levels": 4},
        workers=0,
        storage="sqlite:///example-own-fidelities.db",
    )
    begun = sum(trial.origin == "sample" for trial in study.trials())
    print(f"{begun} candidates begun for the price of {study.report().json()['drawn']:.1f} full evaluations")
    print(study.best)
    print(study.report())
