"""What is left of values after rounding: noise as exact zero, and shapes that can be combined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automl.errors import Unhashable
from automl.hashing.inputs import EXTRA
from automl.hashing.mixing import without_noise


def same_axes(item: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns `item`, if it has as many axes as `other`.

    Raises:
        Unhashable: it has not, so that examples would be taken for channels.

    Example:
        >>> same_axes(np.ones((1, 4, 3)), np.zeros((1, 4, 5))).shape
        (1, 4, 3)
    """
    if item.ndim != other.ndim:
        raise Unhashable(
            f"values of shape {other.shape[2:]} and {item.shape[2:]} cannot be combined; bring them to one shape"
        )
    return item


def cleaned(output: np.ndarray, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the output with values below the rounding noise of the inputs replaced by exact zero, for each item of
    the stack.

    The last two examples, one with large and one with small values, are left unchanged: each has a scale of its own.
    Rounding noise in these comes from sums only (see `without_cancelled`).

    Example:
        >>> cleaned(np.full((1, 4, 1), 1e-17), [np.ones((1, 4, 1))])[0, 0]
        array([0.])
    """
    stack = len(output)
    scale = np.abs(output[:, :-EXTRA]).reshape(stack, -1).max(axis=1, initial=0.0)
    for item in inputs:
        scale = np.maximum(scale, np.abs(item[:, :-EXTRA]).reshape(stack, -1).max(axis=1, initial=0.0))
    scale = np.where(np.isfinite(scale), scale, 0.0)
    own = without_noise(output[:, :-EXTRA], scale.reshape(stack, *(1,) * (output.ndim - 1)))
    return np.concatenate([own, output[:, -EXTRA:]], axis=1)


def without_cancelled(output: np.ndarray, terms: Sequence[np.ndarray]) -> np.ndarray:
    """Returns a sum in which results of cancellation are exactly zero.

    An element is the result of cancellation if its absolute value is below 2**-38 times the largest absolute value
    among the terms at the same position (infinite terms are ignored): it is rounding noise, as in 0.1 + 0.2 - 0.3.

    Args:
        output: Sum of the terms.
        terms: Arrays that were added, of the output's shape.

    Returns:
        New array of the output's shape.

    Example:
        >>> terms = [np.array([0.1 + 0.2, 1.0]), np.array([-0.3, 2.0])]
        >>> without_cancelled(terms[0] + terms[1], terms)  # 0.1 + 0.2 - 0.3 gives 5.6e-17
        array([0., 3.])
    """
    scale = np.abs(terms[0])
    for item in terms[1:]:
        scale = np.maximum(scale, np.abs(item))
    return without_noise(output, np.where(np.isfinite(scale), scale, 0.0))
