"""The scales at which a module is run: as it is, with everything far from zero, and with everything near it.

Behind a stock layer values are about one while weights keep their variance, so ReLU and ReLU6, a guard at 1e-3 and
none, would look alike. Inputs and all parameters that are added or that multiply value by value (biases, the gains of
norms) are therefore enlarged and made small as well, each value by a factor of its own, so that what lies behind
a norm gets there too.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch

from automl.behaviour import Probe
from automl.hashing.inputs import probe_arrays
from automl.hashing.kept import Kept
from automl.hashing.mixing import mix
from automl.hashing.observed import FAR, NEAR
from automl.hashing.weights import pour, spread, uniform, weight

UNIT = ""

_VECTORS = {FAR: (0.0, 8.0), NEAR: (-24.0, 0.0)}
"""Exponents of two between which the factors of biases and gains lie."""

_SIZES = {FAR: (-3.0, 4.0, 14.0), NEAR: (-40.0, -14.0, 0.0)}
"""Exponents of two of the values of inputs: half of them lie between the first and the second, half beyond."""

_COUNTS = {FAR: 200, NEAR: 280}
"""Values that an input has at least: five of each sign to an octave above 2**-14, so that some lie between any two
thresholds. Where an example has few, more examples are made.
"""

_EXAMPLES = 32
"""Examples at least, where that is cheap: behind a layer, values of one example are of one size."""

_CHEAP, _LIMIT = 2**10, 2**12
"""Values of all inputs together up to which there are as many examples, and up to which there are as many values."""

MATRICES = {UNIT: 1.0, FAR: 8.0, NEAR: 1.0}
"""What matrices are multiplied by: powers of two."""


def weights(
    seed: bytes, shape: tuple[int, ...], scale: str, view: torch.Size, is_complex: bool = False
) -> torch.Tensor:
    """Returns the weights of a seed at a scale; not to be changed, because first colours come again and again.

    Args:
        seed: decides the values.
        shape: what parameters are matched by.
        scale: one of the three.
        view: shape of the result.
        is_complex: the last axis of `shape` has the real and the imaginary parts.
    """
    return _WEIGHTS.get((seed, shape, scale, view, is_complex), lambda: _made(seed, shape, scale, view, is_complex))


def _made(seed: bytes, shape: tuple[int, ...], scale: str, view: torch.Size, is_complex: bool) -> torch.Tensor:
    values = weight(seed, shape or (1,))
    if scale != UNIT:
        values = values * (MATRICES[scale] if len(shape) > 1 else _factors(seed, values.shape, *_VECTORS[scale]))
    made = torch.from_numpy(values)
    return torch.view_as_complex(made.view(*view, 2)) if is_complex else made.view(view)


def write(into: torch.Tensor, seed: bytes, shape: tuple[int, ...], scale: str, factor: float) -> bool:
    """Gives a large matrix the weights of a seed at a scale, times a factor, with no copy of them beside it.

    Returns:
        False where it is small, or lies otherwise in memory, and nothing was done.
    """
    if len(shape) < 2 or _WEIGHTS.keeps(into.nbytes) or into.dtype is not torch.float64 or not into.is_contiguous():
        return False
    pour(into.detach().numpy().reshape(-1), seed, spread(shape), MATRICES[scale], factor)
    return True


_WEIGHTS: Kept[torch.Tensor] = Kept(2**24)
_INPUTS: Kept[tuple[torch.Tensor, ...]] = Kept(2**23)


def scaled(probe: Probe, scale: str, *, narrow: bool = False) -> tuple[torch.Tensor, ...]:
    """Returns probe inputs at a scale, not to be changed; whole numbers stay as they are.

    Args:
        probe: what the inputs look like.
        scale: one of the three.
        narrow: no more examples than the probe has.
    """
    return _INPUTS.get((probe, scale, narrow), lambda: _scaled(probe, scale, narrow))


def _scaled(probe: Probe, scale: str, narrow: bool) -> tuple[torch.Tensor, ...]:
    if scale == UNIT:
        return tuple(torch.from_numpy(np.array(array)) for array in probe_arrays(probe))
    wide = probe if narrow else dataclasses.replace(probe, batch=_examples(probe, scale))
    found = []
    for place, array in enumerate(probe_arrays(wide)):
        values = np.array(array)
        if values.dtype.kind == "f" and values.size:
            values = _spread(values, scale, mix("scale", scale, str(place)), alternate=wide.batch != probe.batch)
        found.append(torch.from_numpy(values))
    return tuple(found)


def _examples(probe: Probe, scale: str) -> int:
    """Returns how many examples there are at a scale."""
    sizes = [math.prod(item.shape) for item in probe.inputs]
    real = [size for size, item in zip(sizes, probe.inputs, strict=True) if item.low is None and size]
    if not real:
        return probe.batch
    by_values = min(-(-_COUNTS[scale] // min(real)), _LIMIT // sum(sizes))
    return max(probe.batch, by_values, min(_EXAMPLES, _CHEAP // sum(sizes)))


def _spread(values: np.ndarray, scale: str, seed: bytes, *, alternate: bool) -> np.ndarray:
    """Returns values whose sizes lie evenly over a scale, the examples from small to large ones.

    Args:
        values: generic ones, whose signs stay: patches of one sign matter to maxima.
        scale: far from zero or near it.
        seed: decides which value of an example is how large.
        alternate: signs alternate instead, so that few values have each size with both signs.
    """
    flat = values.reshape(len(values), -1)
    made = np.empty_like(flat)
    width = flat.shape[1]
    for number, row in enumerate(flat):
        order = np.argsort(uniform(mix(seed, str(number)), width), kind="stable")
        shares = (np.arange(number * width, (number + 1) * width) + 0.5) / flat.size
        exponents = np.interp(shares, (0.0, 0.5, 1.0), _SIZES[scale])
        signs = 1.0 - 2.0 * ((np.arange(width) + number * width) % 2) if alternate else np.sign(row)[order]
        made[number, order] = signs * _power(exponents)
    return made.reshape(values.shape)


def _factors(seed: bytes, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """Returns factors whose logarithms are uniform, with an eighth between two powers of two."""
    share = uniform(mix(seed, "factors"), math.prod(shape)) / (2.0 * math.sqrt(3.0)) + 0.5
    return _power(np.floor((low + (high - low) * share) * 8.0) / 8.0).reshape(shape)


def _power(exponents: np.ndarray) -> np.ndarray:
    """Returns powers of two, cut to seven bits behind the leading one, so that every machine has the same."""
    whole = np.floor(exponents)
    return np.ldexp(np.floor(np.exp2(exponents - whole) * 128.0) / 128.0, whole.astype(int))
