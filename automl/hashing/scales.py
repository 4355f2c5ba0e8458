"""The scales at which a module is run: as it is, with everything far from zero, and with everything near it.

Behind a stock layer values are about one while weights keep their variance, so ReLU and ReLU6, a guard at 1e-3 and
none, would look alike. Inputs and all parameters that are added or that multiply value by value (biases, the gains of
norms) are therefore enlarged and made small as well, each value by a factor of its own, so that what lies behind
a norm gets there too.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from automl.behaviour import Probe
from automl.hashing.inputs import probe_arrays
from automl.hashing.mixing import mix
from automl.hashing.weights import uniform, weight

UNIT, FAR, NEAR = "", "far from zero", "near zero"

_VECTORS = {FAR: (0.0, 8.0), NEAR: (-24.0, -8.0)}
"""Exponents of two between which the factors of biases and gains lie."""

_EXAMPLES = {FAR: ((0.0, 5.0), (5.0, 13.0)), NEAR: ((-14.0, -8.0), (-40.0, -14.0))}
"""The same for the inputs, example by example in turn."""

_MATRICES = {FAR: 8.0, NEAR: 1.0}

SMALL = 2**14
"""Weights up to this number of values are remembered."""


def weights(
    seed: bytes, shape: tuple[int, ...], scale: str, view: torch.Size, is_complex: bool = False
) -> torch.Tensor:
    """Returns the weights of a seed at a scale; small ones are kept, because first colours come again and again.

    Args:
        seed: decides the values.
        shape: what parameters are matched by.
        scale: one of the three.
        view: shape of the result.
        is_complex: the last axis of `shape` has the real and the imaginary parts.
    """
    return (_kept if math.prod(shape) <= SMALL else _made)(seed, shape, scale, view, is_complex)


def _made(seed: bytes, shape: tuple[int, ...], scale: str, view: torch.Size, is_complex: bool) -> torch.Tensor:
    values = weight(seed, shape or (1,))
    if scale != UNIT:
        values = values * (_MATRICES[scale] if len(shape) > 1 else _factors(seed, values.shape, *_VECTORS[scale]))
    made = torch.from_numpy(values)
    return torch.view_as_complex(made.view(*view, 2)) if is_complex else made.view(view)


_kept = functools.lru_cache(maxsize=512)(_made)


@functools.lru_cache(maxsize=16)
def scaled(probe: Probe, scale: str) -> tuple[torch.Tensor, ...]:
    """Returns probe inputs at a scale, not to be changed; whole numbers stay as they are."""
    found = []
    for place, array in enumerate(probe_arrays(probe)):
        values = np.array(array)
        if scale != UNIT and values.dtype.kind == "f":
            for number in range(len(values)):
                low, high = _EXAMPLES[scale][number % 2]
                seed = mix("scale", scale, str(place), str(number))
                values[number] *= _factors(seed, values.shape[1:], low, high)
        found.append(torch.from_numpy(values))
    return tuple(found)


def _factors(seed: bytes, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """Returns factors whose logarithms are uniform; powers of two with an eighth between, the same on every machine."""
    share = uniform(mix(seed, "factors"), math.prod(shape)) / (2.0 * math.sqrt(3.0)) + 0.5
    exponents = np.floor((low + (high - low) * share) * 8.0) / 8.0
    whole = np.floor(exponents)
    return (np.ldexp(1.0 + (exponents - whole), whole.astype(int))).reshape(shape)
