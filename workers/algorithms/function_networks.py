"""Small perceptrons in numpy, several side by side, whose activation, loss or update rule is the candidate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automl.errors import CandidateFailure
from automl.evaluators.base import Part
from workers.algorithms.function_tasks import Flat

Activation = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
LossSlope = Callable[[np.ndarray, np.ndarray], np.ndarray]
Update = Callable[["Moments", np.ndarray, float, float], np.ndarray]


@dataclass(frozen=True)
class Protocol:
    """How networks are trained.

    Attributes:
        activation: gives value and derivative at each element.
        loss_slope: derivative of the loss with respect to each class probability, given probabilities and one-hot
            targets; None stands for cross-entropy.
        update: what is subtracted from the weights, given the moments of the gradient, the weights, the step counted
            from 1, and the number of all steps.
        hidden: widths of the hidden layers.
        epochs: passes over the training part.
        batch: examples per step.
        networks: trained side by side from different seeds; the accuracy is their mean.
        gain: initial weights have the standard deviation gain / sqrt(inputs of the layer).
    """

    activation: Activation
    loss_slope: LossSlope | None
    update: Update
    hidden: tuple[int, ...]
    epochs: int
    batch: int
    networks: int
    gain: float = math.sqrt(2.0)


class Moments:
    """Running averages of the gradient, all of the weights' shape (networks, parameters), float32.

    Attributes:
        gradient: of this step.
        buffer: b ← 0.9 b + g, the momentum of Polyak's heavy ball.
        mean, square: averages of g and g² with decays 0.9 and 0.999, their bias corrected (Kingma and Ba 2015).
    """

    FIRST, SECOND = 0.9, 0.999

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.gradient = np.zeros(shape, np.float32)
        self.buffer = np.zeros(shape, np.float32)
        self.mean = np.zeros(shape, np.float32)
        self.square = np.zeros(shape, np.float32)
        self._squares = np.zeros(shape, np.float32)

    def advance(self, step: int) -> None:
        """Takes in the gradient of a step, counted from 1."""
        self.buffer *= self.FIRST
        self.buffer += self.gradient
        # the average of g is the buffer in another scale: (1 - d) * sum of d^k g
        np.multiply(self.buffer, (1.0 - self.FIRST) / (1.0 - self.FIRST**step), out=self.mean)
        self._squares *= self.SECOND
        self._squares += (1.0 - self.SECOND) * np.square(self.gradient)
        np.multiply(self._squares, 1.0 / (1.0 - self.SECOND**step), out=self.square)


def adam(rate: float) -> Update:
    """Returns Adam (Kingma and Ba 2015) with a learning rate that falls to 0 as a cosine."""

    def update(moments: Moments, _: np.ndarray, step: float, steps: float) -> np.ndarray:
        now = rate * cosine(step, steps)
        found: np.ndarray = now * moments.mean / (np.sqrt(moments.square) + 1e-8)
        return found

    return update


def cosine(step: float, steps: float) -> float:
    """Returns the cosine decay at a step counted from 1: from 1 to nearly 0."""
    return 0.5 * (1.0 + math.cos(math.pi * (step - 1) / steps))


def relu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns value and derivative of the usual activation."""
    return np.maximum(x, np.float32(0)), (x > 0).astype(np.float32)


class _Stack:
    """Networks side by side; weights and gradients each lie in one array, with a view for each layer."""

    def __init__(self, widths: tuple[int, ...], networks: int, gain: float, rng: np.random.Generator) -> None:
        sizes = [(before, after) for before, after in itertools.pairwise(widths)]
        count = sum(before * after + after for before, after in sizes)
        self.flat = np.zeros((networks, count), np.float32)
        self.moments = Moments(self.flat.shape)
        self._layers, self._slopes = self._views(self.flat, sizes), self._views(self.moments.gradient, sizes)
        for number, (weights, _) in enumerate(self._layers):
            scale = (1.0 if number == len(sizes) - 1 else gain) / math.sqrt(weights.shape[1])
            weights[...] = scale * rng.standard_normal(weights.shape, dtype=np.float32)

    @staticmethod
    def _views(array: np.ndarray, sizes: list[tuple[int, int]]) -> list[tuple[np.ndarray, np.ndarray]]:
        views, at = [], 0
        for before, after in sizes:
            weights = array[:, at : at + before * after].reshape(len(array), before, after)
            at += before * after
            views.append((weights, array[:, None, at : at + after]))
            at += after
        return views

    def logits(self, inputs: np.ndarray, activation: Activation) -> np.ndarray:
        """Returns outputs of shape (networks, examples, classes)."""
        for number, (weights, bias) in enumerate(self._layers):
            inputs = inputs @ weights + bias
            if number < len(self._layers) - 1:
                inputs = activation(inputs)[0]
        return inputs

    def differentiate(self, inputs: np.ndarray, targets: np.ndarray, how: Protocol) -> None:
        """Leaves the gradient of the mean loss in `moments.gradient`. Inputs: (networks, examples, features)."""
        given, slopes = [inputs], []
        for weights, bias in self._layers[:-1]:
            value, slope = how.activation(given[-1] @ weights + bias)
            given.append(value)
            slopes.append(slope)
        weights, bias = self._layers[-1]
        delta = _delta(softmax(given[-1] @ weights + bias), targets, how.loss_slope)
        delta /= inputs.shape[1]
        for number in reversed(range(len(self._layers))):
            into, bias_slope = self._slopes[number]
            np.matmul(given[number].swapaxes(1, 2), delta, out=into)
            bias_slope[...] = delta.sum(axis=1, keepdims=True)
            if number:
                delta = (delta @ self._layers[number][0].swapaxes(1, 2)) * slopes[number - 1]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities along the last axis."""
    found = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found /= found.sum(axis=-1, keepdims=True)
    return np.asarray(found)


def _delta(probabilities: np.ndarray, targets: np.ndarray, slope: LossSlope | None) -> np.ndarray:
    """Returns the derivative of the loss, summed over classes, with respect to the logits."""
    if slope is None:
        return np.asarray(probabilities - targets)
    found = np.asarray(slope(probabilities, targets), dtype=np.float32)
    mean: np.ndarray = (found * probabilities).sum(axis=-1, keepdims=True)
    return np.asarray(probabilities * (found - mean))


def accuracy(task: Flat, part: Part, how: Protocol, seed: int) -> float:
    """Trains networks on a task and returns their mean accuracy on a held-out part, a fraction.

    Raises:
        CandidateFailure: weights are no longer finite.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    inputs, targets = task.train
    stack = _Stack((inputs.shape[1], *how.hidden, targets.shape[1]), how.networks, how.gain, rng)
    size = min(how.batch, len(inputs))
    per_epoch = len(inputs) // size
    steps, step = per_epoch * how.epochs, 0
    with np.errstate(all="ignore"):
        for epoch in range(how.epochs):
            order = np.stack([rng.permutation(len(inputs)) for _ in range(how.networks)])
            for first in range(0, per_epoch * size, size):
                chosen = order[:, first : first + size]
                stack.differentiate(inputs[chosen], targets[chosen], how)
                step += 1
                stack.moments.advance(step)
                stack.flat -= how.update(stack.moments, stack.flat, float(step), float(steps))
            if not np.isfinite(stack.flat).all():
                raise CandidateFailure(f"training diverged: a weight was not finite after epoch {epoch + 1}")
        held, wanted = task.held[part]
        logits = stack.logits(held, how.activation)
    if not np.isfinite(logits).all():
        raise CandidateFailure("training diverged: an output is not finite")
    return float((logits.argmax(axis=-1) == wanted).mean())
