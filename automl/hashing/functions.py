"""The functional hash of plain functions: activations, losses, update rules, expression trees.

A function is called on several small sets of points: generic ones with 0, ±1 and other round numbers, and, one argument
at a time, points from 1e-12 to 1e4 of both signs, sixteen in a factor of ten, so that thresholds anywhere between are
seen. Each set is a call of its own and each value is rounded on its own, so that a large one cannot drown a small one.
All but the generic points have few significant bits, so that sums written in another order agree. Nothing is asked at
infinities and NaN: two functions that agree on all numbers are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from automl.behaviour import Function, Probe
from automl.errors import Unhashable
from automl.hashing.function_features import function_features
from automl.hashing.function_points import Sheet, points, sheets
from automl.hashing.mixing import digest_array, mix, rounded
from automl.hashing.noise import Tracked, UntrackedError
from automl.hashing.observed import Observed

_DUST = 2.0**-44
_FAR_BITS = 10
_LOST = 2.0**-20
"""Points further out than `FAR` are looked at with fewer bits, and not at all where rounding has moved a result at one
of them by a larger share than this: of sin(exp(x)) nothing is known at 40.
"""


class FunctionHasher:
    """Hashes functions, one at a time.

    Args:
        mantissa_bits: precision of rounded values.
    """

    def __init__(self, mantissa_bits: int) -> None:
        self._bits = mantissa_bits

    def digests(self, functions: Sequence[Function], probe: Probe) -> list[bytes | Unhashable]:
        """Returns the digest of each function, or the reason why there is none. Of the probe, only the seed matters."""
        return [self._digest(function, probe.seed) for function in functions]

    def digests_with_features(
        self, functions: Sequence[Function], probe: Probe
    ) -> list[tuple[bytes | Unhashable, dict[str, np.ndarray]]]:
        """Returns the digest of each function with its features, from the same calls."""
        found: list[tuple[bytes | Unhashable, dict[str, np.ndarray]]] = []
        for function in functions:
            values = self._values(function, probe.seed)
            if isinstance(values, Unhashable):
                found.append((values, {}))
            else:
                features = function_features(points(function.arity, probe.seed), values)
                found.append((self._mixed(function, values), features))
        return found

    def observe(self, function: Function, probe: Probe) -> Observed:
        """Returns the values of a function at the probe points.

        Raises:
            Unhashable: the function cannot be run.
        """
        found = self._digest(function, probe.seed)
        if isinstance(found, Unhashable):
            raise found
        values = []
        for arrays, results in zip(points(function.arity, probe.seed), _values(function, probe.seed), strict=True):
            shown = " and ".join(f"{array[:3].tolist()}…" for array in arrays)
            values += [(f"result {place} at {shown}", array) for place, array in enumerate(results)]
        return Observed(values, [f"a function of {function.arity}"])

    def _digest(self, function: Function, seed: int) -> bytes | Unhashable:
        found = self._values(function, seed)
        return found if isinstance(found, Unhashable) else self._mixed(function, found)

    def _values(self, function: Function, seed: int) -> list[list[np.ndarray]] | Unhashable:
        try:
            return _values(function, seed)
        except Unhashable as error:
            return error
        except Exception as error:  # whatever a user's function raises
            return Unhashable(f"the function cannot be run on the probe points: {type(error).__name__}: {error}")

    def _mixed(self, function: Function, found: list[list[np.ndarray]]) -> bytes:
        return mix(
            str(function.arity), *(mix(*(digest_array(array, self._bits) for array in arrays)) for arrays in found)
        )


def _values(function: Function, seed: int) -> list[list[np.ndarray]]:
    """Returns the outputs on each set of points.

    All sets go through one call first. Where the first set alone gives something else, points influence one another
    (or the function is random), and each set is called by itself.

    Raises:
        Unhashable: the function is random.
    """
    run = _torch_values if function.torch else _numpy_values
    joined, sets = sheets(function.arity, seed)
    first = run(function, sets[0])
    together = _together(run, function, joined, sets)
    if together is not None and _same(together[0], first):
        return together
    found = [run(function, sheet) for sheet in sets]
    if not _same(found[0], first):
        raise Unhashable(
            "the function returns something else each time; seed its randomness, or give it as an argument"
        )
    return found


def _together(
    run: Callable[[Function, Sheet], list[np.ndarray]],
    function: Function,
    joined: Sheet,
    sets: Sequence[Sheet],
) -> list[list[np.ndarray]] | None:
    """Returns the outputs on each set from one call on all points, or None where that cannot be split into sets."""
    try:
        outputs = run(function, joined)
    except Exception:  # it may still work on the sets one by one
        return None
    if any(output.shape != joined.arrays[0].shape for output in outputs):
        return None
    ends = np.cumsum([len(sheet.arrays[0]) for sheet in sets])
    return [list(parts) for parts in zip(*(np.split(output, ends[:-1]) for output in outputs), strict=True)]


def _same(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def _numpy_values(function: Function, sheet: Sheet) -> list[np.ndarray]:
    """Returns the outputs as arrays, noise as zeros: tracked where that works, else plain, else point by point."""
    arrays = sheet.arrays
    with np.errstate(all="ignore"):
        try:
            tracked = function.call(*(Tracked(array) for array in arrays))
            return _dusted(_outputs(function, tracked, arrays[0].shape, sheet), sheet)
        except (UntrackedError, TypeError, ValueError, AttributeError):
            pass
        try:
            return _dusted(
                _outputs(function, function.call(*(array.copy() for array in arrays)), arrays[0].shape), sheet
            )
        except (TypeError, ValueError, AttributeError):
            if not function.pointwise:
                raise
        return _dusted(_by_point(function, arrays), sheet)


def _by_point(function: Function, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Calls a function of plain numbers at each point. Where it raises, one output more says so, the others are NaN."""
    rows: list[list[float]] = []
    raised = []
    problem: Exception | None = None
    for point in zip(*(array.tolist() for array in arrays), strict=True):
        try:
            result = function.call(*point)
        except (ArithmeticError, ValueError) as error:
            problem = error
            rows.append([])
            raised.append(1.0)
            continue
        rows.append([float(item) for item in (result if isinstance(result, tuple | list) else (result,))])
        raised.append(0.0)
    width = max(map(len, rows))
    if not width and problem is not None and arrays[0].size and all(raised) and np.isfinite(arrays[0]).all():
        raise problem
    filled = [row or [math.nan] * width for row in rows]
    outputs = [np.array(column) for column in zip(*filled, strict=True)]
    return [*outputs, np.array(raised)] if any(raised) else outputs


def _torch_values(function: Function, sheet: Sheet) -> list[np.ndarray]:
    """Returns the outputs, and with `derivative` also the derivative of their sum with respect to each argument."""
    import torch

    from automl.hashing.runs import quiet_torch
    from automl.hashing.torch_mode import Deterministic

    arrays, generator = sheet.arrays, torch.Generator()
    with quiet_torch():
        leaves = [torch.tensor(array, requires_grad=function.derivative) for array in arrays]
        mode = Deterministic(generator)
        with mode:
            result = function.call(*(leaf.clone() for leaf in leaves))
        tensors = list(result) if isinstance(result, tuple | list) else [result]
        tensors = [item if isinstance(item, torch.Tensor) else torch.tensor(float(item)) for item in tensors]
        values = _outputs(function, tuple(item.detach().to(torch.float64).numpy() for item in tensors), arrays[0].shape)
        if function.derivative:
            for item in tensors:
                found = (
                    torch.autograd.grad(item.sum(), leaves, allow_unused=True, retain_graph=True)
                    if item.requires_grad
                    else [None] * len(leaves)
                )
                values += [
                    np.zeros(leaf.shape) if one is None else one.numpy()
                    for one, leaf in zip(found, leaves, strict=True)
                ]
    return _dusted(values, sheet)


def _outputs(function: Function, result: Any, shape: tuple[int, ...], sheet: Sheet | None = None) -> list[np.ndarray]:
    outputs = result if isinstance(result, tuple | list) else (result,)
    arrays = []
    for item in outputs:
        array = _settled(item, sheet) if isinstance(item, Tracked) else np.asarray(item)
        if array.dtype.kind not in "fiub":
            raise Unhashable(f"the function returns {array.dtype} values; return real numbers")
        array = array.astype(np.float64)
        arrays.append(np.broadcast_to(array, shape) if function.pointwise and array.ndim == 0 else array)
    return arrays


def _settled(item: Tracked, sheet: Sheet | None) -> np.ndarray:
    """Returns tracked values, those that are mere noise as zeros, far out NaN where one of them is lost in rounding."""
    settled = item.settled()
    if sheet is None or sheet.far.shape != settled.shape or not sheet.has_far:
        return settled
    far = sheet.far
    with np.errstate(all="ignore"):
        lost = item.error[far] > _LOST * np.maximum(1.0, np.abs(item.value[far]))
    settled[far] = np.nan if lost.any() else item.value[far]
    return settled


def _dusted(values: list[np.ndarray], sheet: Sheet) -> list[np.ndarray]:
    """Returns values with what is tiny beside their point, or beside one, as exact zeros.

    x * sigmoid(x) written through tanh vanishes far out, where the other way leaves 1e-51.
    """
    scale, step, far = sheet.scale, sheet.step, sheet.far
    coarse = step > 0.0
    found = []
    for value in values:
        pointwise = value.shape == scale.shape
        value = np.where(np.abs(value) < _DUST * (scale if pointwise else scale.max()), 0.0, value)
        if pointwise and sheet.has_far:
            step_far = 0.9 * 2.0**-_FAR_BITS
            with np.errstate(all="ignore"):
                small = np.rint(value[far] / step_far) * step_far
            value[far] = np.where(np.abs(value[far]) < 1.0, small, rounded(value[far], _FAR_BITS))
        if pointwise and coarse.any():
            with np.errstate(all="ignore"):
                steps = np.rint(value / np.where(coarse, step, 1.0)) * step
            value = np.where(coarse & (np.abs(value) < scale), steps, value)
        found.append(value)
    return found
