"""What is looked for in the arrays of a task before anything is paid for: numbers that are none, parts that are one."""

from __future__ import annotations

from typing import Any

import numpy as np
import xxhash

from automl.errors import brief
from automl.evaluators.parts import PARTS, ArrayParts


def check_inputs(task: ArrayParts) -> None:
    """Insists that a network can take the inputs of all parts.

    Raises:
        InvalidInput: inputs are no real numbers, are not finite, or are of different kinds in two parts.

    Example:
        >>> from automl.evaluators.task import Task
        >>> part = ([[0.0, float("nan")]], [0])
        >>> check_inputs(Task(part, part, part))
        Traceback (most recent call last):
        automl.errors.InvalidInput: task 'own': the inputs of part 'train' hold 1 values that are NaN, the first in ...
    """
    first = task.train[0].dtype
    for part in PARTS:
        inputs = getattr(task, part)[0]
        if inputs.dtype.kind not in "biuf":
            raise task.refusal(
                f"the inputs of part {part!r} are {inputs.dtype} values such as {brief(inputs.ravel()[0], 40)}; "
                "a network needs real numbers"
            )
        if _treated(inputs.dtype) != _treated(first):
            raise task.refusal(
                f"the inputs of part {part!r} are {inputs.dtype} and those of 'train' {first}, which are taken "
                "differently; give all parts in one type"
            )
        if inputs.dtype.kind == "f":
            check_finite(task, part, "inputs", inputs)
            with np.errstate(over="ignore"):
                beyond = ~np.isfinite(inputs.astype(np.float32))
            if beyond.any():
                raise task.refusal(
                    f"the inputs of part {part!r} hold {int(beyond.sum()):,} values that float32 cannot hold, the "
                    f"first in example {first_of(beyond)}; scale them"
                )


def check_finite(task: ArrayParts, part: str, what: str, array: np.ndarray) -> None:
    """Insists that an array of a part holds neither NaN nor infinities; says where the first is, and how many."""
    bad = ~np.isfinite(array)
    if bad.any():
        names = [name for name, found in (("NaN", np.isnan(array).any()), ("inf", np.isinf(array).any())) if found]
        raise task.refusal(
            f"the {what} of part {part!r} hold {int(bad.sum()):,} values that are {' or '.join(names)}, the first "
            f"in example {first_of(bad)}; fill them in, or leave these examples out"
        )


def check_apart(task: ArrayParts) -> None:
    """Insists that no part is another one, in whatever order of examples.

    Raises:
        InvalidInput: two parts are the same examples.
    """
    rows = {part: _digests(*getattr(task, part)) for part in PARTS}
    for one, other in (("validation", "test"), ("train", "validation"), ("train", "test")):
        if len(rows[one]) == len(rows[other]) and (rows[one] == rows[other]).all():
            raise task.refusal(
                f"the parts {one!r} and {other!r} are the same {len(rows[one]):,} examples, so figures of one say "
                "nothing about the other; split the data into parts that share nothing"
            )


def first_of(where: np.ndarray) -> int:
    """Returns the number of the first example that has a True.

    Example:
        >>> first_of(np.array([[False, False], [False, True]]))
        1
    """
    return int(np.argmax(where.reshape(len(where), -1).any(axis=1)))


def _treated(kind: np.dtype[Any]) -> str:
    """Returns how inputs of a type are taken: bytes are scaled, other whole numbers are tokens, the rest is real."""
    return "bytes" if kind == np.uint8 else "tokens" if kind.kind in "iu" else "reals"


def _digests(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns 64 bits of each example, sorted."""
    both = zip(np.ascontiguousarray(inputs), np.ascontiguousarray(targets), strict=True)
    found = (xxhash.xxh3_64_intdigest(one.tobytes() + other.tobytes()) for one, other in both)
    return np.sort(np.fromiter(found, np.uint64, len(inputs)))
