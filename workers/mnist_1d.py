"""MNIST-1D (Greydanus and Kobak, ICML 2024, arXiv 2011.14439): sequences of 40 numbers, made here by its recipe."""

from __future__ import annotations

import functools

import numpy as np

from automl.evaluators.task import Task

_TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
"""The ten digits, drawn with twelve points each: figure 2 of the paper."""

_PADDING, _SCALE, _TRANSLATION = (36, 60), 0.4, 48
_SMOOTH_NOISE, _NOISE, _SHEAR, _LENGTH = 0.25, 0.02, 0.75, 40
_SEED = 42
_EACH = (400, 100, 200)
"""Examples of each class in the training, validation and test part."""


@functools.lru_cache(maxsize=1)
def mnist_1d() -> Task:
    """Returns MNIST-1D as a `Task`: sequences of shape (40,) with mean 0 and standard deviation 1, ten classes.

    4,000 are for training and 1,000 for validation, as in the paper, and 2,000 further ones for test. They are drawn
    here by the paper's recipe and constants, with a generator of our own, so they are not the paper's very examples.

    Example:
        >>> task = mnist_1d()
        >>> task.train[0].shape, task.test[0].shape, task.classes
        ((4000, 40), (2000, 40), 10)
    """
    rng = np.random.Generator(np.random.PCG64(_SEED))
    templates = np.array(_TEMPLATES)
    templates -= templates.mean(1, keepdims=True)
    templates /= templates.std(1, keepdims=True)
    templates = (templates - templates[:, :1]) / 6.0  # begins and ends at 0
    labels = np.tile(np.arange(len(templates)), sum(_EACH))
    inputs = np.stack([_example(templates[label], rng) for label in labels])
    inputs = ((inputs - inputs.mean()) / inputs.std()).astype(np.float32)
    parts, begin = [], 0
    for each in _EACH:
        end = begin + each * len(templates)
        order = rng.permutation(np.arange(begin, end))
        parts.append((inputs[order], labels[order]))
        begin = end
    train, validation, test = parts
    return Task(train, validation, test, name="mnist-1d")


def _example(template: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns one sequence: the digit padded, stretched, scaled, moved, with noise around and upon it, and sheared."""
    from scipy.ndimage import gaussian_filter

    length = len(template) + _PADDING[1]
    padded = np.concatenate([template + 1e-8, np.zeros(rng.integers(_PADDING[0], _PADDING[1] + 1))])
    drawn = _stretched(padded, length) * (1 + _SCALE * (rng.random() - 0.5))
    drawn = np.roll(drawn, rng.integers(_TRANSLATION))
    around = gaussian_filter(_SMOOTH_NOISE * rng.standard_normal(length), 2)
    drawn = np.where(drawn != 0, drawn, around) + _NOISE * rng.standard_normal(length)
    drawn = drawn - _SHEAR * (rng.random() - 0.5) * np.linspace(-0.5, 0.5, length)
    return _stretched(drawn, _LENGTH)


def _stretched(values: np.ndarray, length: int) -> np.ndarray:
    return np.asarray(np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(values)), values))
