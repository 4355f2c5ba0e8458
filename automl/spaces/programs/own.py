"""A user's own operations, compiled into one function that the interpreter calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import cfunc, njit
from numba.core.errors import NumbaError

from automl.errors import InvalidInput
from automl.spaces.programs.kernels import OWN_SIGNATURE, no_own
from automl.spaces.programs.operations import FIRST_OWN, Operation


def compile_own(operations: Sequence[Operation], features: int) -> Any:
    """Compiles a user's own operations into one function, which the interpreter calls for all of them.

    Raises:
        InvalidInput: numba cannot compile one of the functions; the message names it.

    Example:
        >>> compile_own([], features=4) is not None  # without operations the function does nothing
        True
    """
    if not operations:
        return no_own
    chain: Any = njit(_nothing)
    for number, operation in enumerate(operations, FIRST_OWN):
        chain = _link(number, _over_tasks(operation, features), chain)
    try:
        return cfunc(OWN_SIGNATURE)(_entry(chain))
    except NumbaError as error:
        names = ", ".join(repr(operation.name) for operation in operations)
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "unknown")
        raise InvalidInput(
            f"numba cannot compile one of the operations {names} ({reason}); fill `out` in place and use "
            "arithmetic and numpy functions that numba supports"
        ) from error


def _nothing(operation, out, first, second, tasks):  # type: ignore[no-untyped-def]
    pass


def _entry(chain: Any) -> Callable[..., None]:
    def entry(operation, out, first, second, tasks):  # type: ignore[no-untyped-def]
        chain(operation, out, first, second, tasks)

    return entry


def _link(number: int, call: Any, rest: Any) -> Any:
    def dispatch(operation, out, first, second, tasks):  # type: ignore[no-untyped-def]
        if operation == number:
            call(out, first, second, tasks)
        else:
            rest(operation, out, first, second, tasks)

    return njit(dispatch)


def _over_tasks(operation: Operation, features: int) -> Any:
    """Returns function(out, first, second, tasks) that runs an operation once for each task."""
    assert operation.function is not None
    function = njit(error_model="numpy")(operation.function)
    shapes = {"s": (1,), "v": (features,), "m": (features, features)}
    out_shape = shapes[operation.output]
    first_shape = shapes[operation.inputs[0]]
    second_shape = shapes[operation.inputs[-1]]

    def one(out, first, second, tasks):  # type: ignore[no-untyped-def]
        result, a = np.zeros(out_shape), np.zeros(first_shape)
        for task in range(tasks):
            for n in range(a.size):
                a.flat[n] = first[n * tasks + task]
            function(result, a)
            for n in range(result.size):
                out[n * tasks + task] = result.flat[n]

    def two(out, first, second, tasks):  # type: ignore[no-untyped-def]
        result, a, b = np.zeros(out_shape), np.zeros(first_shape), np.zeros(second_shape)
        for task in range(tasks):
            for n in range(a.size):
                a.flat[n] = first[n * tasks + task]
            for n in range(b.size):
                b.flat[n] = second[n * tasks + task]
            function(result, a, b)
            for n in range(result.size):
                out[n * tasks + task] = result.flat[n]

    return njit(one if len(operation.inputs) == 1 else two)
