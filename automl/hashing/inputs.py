"""Probe inputs: the fixed arrays on which behaviours are run."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from automl.behaviour import Array, Probe
from automl.hashing.kept import Kept
from automl.hashing.mixing import mix
from automl.hashing.observed import FAR, NEAR
from automl.hashing.weights import uniform, whole


def probe_description(probe: Probe) -> dict[str, Any]:
    """Returns the probe as JSON data."""
    return {
        "inputs": [_described(item) for item in probe.inputs],
        "batch": probe.batch,
        "seed": probe.seed,
    }


def _described(item: Array) -> dict[str, Any]:
    found = dataclasses.asdict(item) | {"shape": list(item.shape)}
    if not item.name:  # contexts and keys made before inputs had names stay valid
        del found["name"]
    return found


_ARRAYS: Kept[tuple[np.ndarray, ...]] = Kept(2**23)


def probe_arrays(probe: Probe) -> tuple[np.ndarray, ...]:
    """Returns one read-only array of shape (batch, *shape) for each input: float64, or int64 where it has bounds."""
    return _ARRAYS.get(("module", probe), lambda: _probe_arrays(probe))


def _probe_arrays(probe: Probe) -> tuple[np.ndarray, ...]:
    arrays = []
    for position, item in enumerate(probe.inputs):
        array = _values(item, probe, position)
        array.flags.writeable = False
        arrays.append(array)
    return tuple(arrays)


EXTRA = 2
"""Examples that graphs are run on beyond the probe's: one far from zero and one near it."""

_EXPONENTS = ((0.0, 12.0), (-40.0, -10.0))


def graph_arrays(probe: Probe) -> tuple[np.ndarray, ...]:
    """Returns what graphs are run on: float64 arrays like `probe_arrays`, with `EXTRA` examples more at the end.

    Their values have sizes of their own, from 1 to 4096 and from 1e-12 to 1e-3: behind a stock operation values are
    about one, and a clip at six or a guard at 1e-6 would look like none.
    """
    return _ARRAYS.get(("graph", probe), lambda: _graph_arrays(probe))


def _graph_arrays(probe: Probe) -> tuple[np.ndarray, ...]:
    arrays = []
    for position, (item, array) in enumerate(zip(probe.inputs, probe_arrays(probe), strict=True)):
        seed = mix("graph input", str(probe.seed), str(position))
        more = _values(item, dataclasses.replace(probe, batch=EXTRA, seed=probe.seed + 1), position).astype(np.float64)
        if item.low is None:
            for number, (low, high) in enumerate(_EXPONENTS):
                share = uniform(mix(seed, str(number)), math.prod(item.shape)) / (2.0 * math.sqrt(3.0)) + 0.5
                whole_part = np.floor(low + (high - low) * share).astype(int)
                more[number] *= np.ldexp(1.0, whole_part).reshape(item.shape)
        joined = np.concatenate([array.astype(np.float64), more])
        joined.flags.writeable = False
        arrays.append(joined)
    return tuple(arrays)


def by_scale(array: np.ndarray, probe: Probe) -> list[tuple[str, np.ndarray]]:
    """Returns what a graph gave for the examples of `graph_arrays`, with the names of their scales."""
    if not array.ndim or len(array) != probe.batch + EXTRA:
        return [("", array)]
    usual, far, near = array[:-2], array[-2:-1], array[-1:]
    return [("", usual), (f", {FAR}", far), (f", {NEAR}", near)]


def _values(item: Array, probe: Probe, position: int) -> np.ndarray:
    seed = mix("probe input", str(probe.seed), str(position))
    shape = (probe.batch, *item.shape)
    if item.low is not None and item.high is not None:
        return whole(seed, shape, item.low, item.high)
    values = uniform(seed, math.prod(shape)).reshape(shape)
    if len(shape) > 1:
        # whole patches of one sign, which chance hardly ever gives: behind a maximum, ReLU would else look like nothing
        values[1::2, 1::3] = 0.5 * values[1::2, 1::3] - 1.0
        values[1::2, 2::3] = 0.5 * values[1::2, 2::3] + 1.0
    return values
