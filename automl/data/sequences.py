"""Sequences as tasks: one long one of which the next token is predicted, or many of various lengths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from automl.data.arrays import from_arrays
from automl.data.splits import SHARES
from automl.errors import InvalidInput, brief
from automl.evaluators.task import Task


def from_tokens(tokens: Any, context: int = 64, *, shares: Sequence[float] = SHARES, name: str = "tokens") -> Task:
    """Returns a long sequence as a task of next-token prediction: windows, and the same windows one token later.

    The parts follow one another, so that no window of the test part begins in the training part.

    Args:
        tokens: Whole numbers from 0, or a text, whose characters become numbers in their sorted order.
        context: Tokens of a window.
        shares: Share of the training, validation and test part.
        name: Name of the task in tables.

    Raises:
        InvalidInput: these are no tokens, or too few for one window a part.

    Example:
        >>> task = from_tokens("to be or not to be, that is the question " * 9, context=8)
        >>> task.train[0].shape, task.train[1].shape
        ((27, 8), (27, 8))
    """
    if isinstance(tokens, str):
        characters = np.array(list(tokens))
        tokens = np.unique(characters, return_inverse=True)[1]
    found = np.asarray(tokens)
    if found.ndim != 1 or found.dtype.kind not in "iu" or (len(found) and found.min() < 0):
        raise InvalidInput(f"tokens={brief(tokens, 40)}; give whole numbers from 0 in one sequence, or a text")
    if len(shares) != 3 or abs(sum(shares) - 1) > 1e-6:
        raise InvalidInput(f"shares={brief(shares)}; give three that sum to 1, such as (0.6, 0.2, 0.2)")
    ends = np.round(np.cumsum([0, *shares]) * len(found)).astype(int)
    parts = []
    for begin, end in pairwise(ends):
        count = (end - begin - 1) // context
        if count < 1:
            raise InvalidInput(
                f"{len(found)} tokens are too few for windows of {context} in each part; take a smaller context"
            )
        piece = found[begin : begin + count * context + 1].astype(np.int64)
        parts.append((piece[:-1].reshape(count, context), piece[1:].reshape(count, context)))
    train, validation, test = parts
    return Task(train, validation, test, name)


def from_sequences(
    sequences: Sequence[Any],
    targets: Any,
    *,
    pad: float = 0,
    length: int | None = None,
    shares: Sequence[float] = SHARES,
    groups: Any = None,
    times: Any = None,
    name: str = "sequences",
) -> Task:
    """Returns sequences of various lengths as a task; each is filled up at its end.

    Args:
        sequences: Sequences of tokens, or of rows of numbers, (length, features).
        targets: One target a sequence; or one a place, as many as the sequence is long, filled up with -100, which
            `ignore=-100` leaves out.
        pad: What sequences are filled up with.
        length: Length to which all are brought, longer ones are cut; None takes the longest.
        shares, groups, times: How they are split, as in `from_arrays`.
        name: Name of the task in tables.

    Raises:
        InvalidInput: sequences have no length, or rows of several widths.

    Example:
        >>> task = from_sequences([[5, 2], [7, 1, 4], [3]] * 4, ["good", "bad", "good"] * 4)
        >>> task.train[0][:3].tolist()
        [[5, 2, 0], [7, 1, 4], [3, 0, 0]]
    """
    rows = [np.asarray(one) for one in sequences]
    for number, one in enumerate(rows):
        if (
            one.ndim not in (1, 2)
            or len(one) == 0
            or one.shape[1:] != rows[0].shape[1:]
            or one.dtype.kind not in "biuf"
        ):
            raise InvalidInput(
                f"sequence {number} is {brief(sequences[number], 40)}; give tokens, or rows of as many numbers as in "
                "the first sequence, at least one"
            )
    longest = length or max(map(len, rows))
    kind = np.result_type(*rows)
    inputs = np.stack([_filled(one[:longest], longest, pad, kind) for one in rows])
    places = [np.asarray(one) for one in targets]
    if places and places[0].ndim == 1:
        for number, (one, row) in enumerate(zip(places, rows, strict=True)):
            if len(one) != len(row):
                raise InvalidInput(f"sequence {number} has {len(row)} places and {len(one)} targets; give one a place")
        targets = np.stack([_filled(one[:longest], longest, -100, np.dtype(np.int64)) for one in places])
    layout = "auto" if inputs.ndim == 2 else "series"
    return from_arrays(inputs, targets, shares=shares, groups=groups, times=times, name=name, layout=layout)


def _filled(row: np.ndarray, length: int, pad: float, kind: Any) -> np.ndarray:
    whole = np.full((length, *row.shape[1:]), pad, kind)
    whole[: len(row)] = row
    return whole
