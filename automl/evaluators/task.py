"""The data of a supervised learning task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xxhash

from automl.behaviour import Array
from automl.errors import InvalidInput, brief

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Task:
    """Supervised learning task with three disjoint parts: train, validation and test.

    Each part is a pair (inputs, targets) of numpy arrays, or of what can be converted without loss: lists, torch
    tensors, data frames of numbers. Class names stay text, for evaluators that take text.

    Attributes:
        train: Pair (inputs, targets): inputs are numbers of shape (examples, ...), targets integer classes or float
            values.
        validation: Pair of the same form, for the selection of candidates.
        test: Pair of the same form, for the final figures; no search reads it.
        name: Name of the task in tables.

    Raises:
        InvalidInput: a part is not such a pair, holds no numbers, or has another shape than the others.

    Example:
        >>> part = ([[0.0, 1.0], [1.0, 0.0]], [0, 1])
        >>> Task(part, part, part).example()
        Array(shape=(2,), low=None, high=None)
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    name: str = "own"

    def __post_init__(self) -> None:
        for part in PARTS:
            inputs, targets = self._arrays(part)
            object.__setattr__(self, part, (inputs, targets))
            if len(inputs) == 0 or len(inputs) != len(targets):
                raise self._refusal(
                    f"part {part!r} has {len(inputs)} inputs and {len(targets)} targets; "
                    "give one target for every input, and at least one"
                )
            for what, own, first in zip(("inputs", "targets"), (inputs, targets), self.train, strict=True):
                if own.shape[1:] != first.shape[1:]:
                    raise self._refusal(
                        f"the {what} of part {part!r} have the shape {own.shape[1:]} an example, those of 'train' "
                        f"{first.shape[1:]}; all parts must be alike"
                    )

    def _refusal(self, what: str) -> InvalidInput:
        return InvalidInput(f"task {self.name!r}: {what}")

    def _arrays(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        given = getattr(self, part)
        if isinstance(given, np.ndarray) or not isinstance(given, Sequence) or len(given) != 2:
            raise self._refusal(
                f"part {part!r} is {_kind(given)}; give a pair (inputs, targets) of arrays with one row an example"
            )
        return self._array(given[0], f"the inputs of part {part!r}"), self._array(
            given[1], f"the targets of part {part!r}"
        )

    def _array(self, given: Any, what: str) -> np.ndarray:
        try:
            for step in ("detach", "cpu"):  # what a torch tensor needs before it can be read
                given = getattr(given, step)() if hasattr(given, step) else given
            array = np.asarray(given)
        except (TypeError, ValueError, RuntimeError) as error:
            raise self._refusal(f"{what} are {_kind(given)}, which is no array of numbers ({error})") from error
        if array.ndim == 0:
            raise self._refusal(f"{what} are {_kind(given)}; give one row an example")
        if array.dtype.kind == "O" and all(isinstance(one, str) for one in array.ravel()):
            array = array.astype(str)  # names of classes in a frame
        if array.dtype.kind in "OV":
            raise self._refusal(
                f"{what} hold {brief(next(iter(array.ravel().tolist()), None), 40)}, which is neither a number nor a "
                "text; give numbers, in one shape for all examples"
            )
        return array

    def fingerprint(self) -> str:
        """Returns 32 hexadecimal digits of the content of all three parts; the name does not matter."""
        digest = xxhash.xxh3_128()
        for part in PARTS:
            for array in getattr(self, part):
                array = np.ascontiguousarray(array)
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()

    def description(self) -> dict[str, str]:
        """Returns what identifies this task in a context: its name for readers, its fingerprint for equality.

        The fingerprint is computed from the data as they are now, since arrays can be changed in place.
        """
        self.__dict__.pop("classes", None)
        return {"name": self.name, "fingerprint": self.fingerprint()}

    def trained_on(self, parts: str) -> Task:
        """Returns the same task with more training data.

        Args:
            parts: "train" leaves it as it is, "train+validation" adds the validation part to the training part.

        Raises:
            InvalidInput: `parts` is something else.

        Example:
            >>> part = ([[0.0, 1.0], [1.0, 0.0]], [0, 1])
            >>> len(Task(part, part, part).trained_on("train+validation").train[0])
            4
        """
        if parts == "train":
            return self
        if parts != "train+validation":
            raise InvalidInput(f"on={parts!r}: give 'train' or 'train+validation'; the test part is only measured on")
        inputs, targets = (np.concatenate(pair) for pair in zip(self.train, self.validation, strict=True))
        return Task((inputs, targets), self.validation, self.test, self.name)

    def example(self) -> Array:
        """Returns the shape of one input."""
        return Array(tuple(self.train[0].shape[1:]))

    @cached_property
    def classes(self) -> int:
        """The number of classes, for classifiers: targets are whole numbers from 0 up to one less.

        Raises:
            InvalidInput: the targets are no such numbers, a held-out part has classes that the training part lacks, an
                input is not finite, the parts hold numbers of different kinds, or two parts are the same examples.
        """
        for part in PARTS:
            inputs, targets = getattr(self, part)
            self._check_inputs(part, inputs)
            self._check_labels(part, targets)
        self._check_apart()
        known = np.unique(self.train[1])
        if known[0] > 0:
            raise self._refusal(
                f"no example of part 'train' has class 0, the first is {known[0]}; classes are counted from 0: "
                f"subtract {known[0]}, or use np.unique(targets, return_inverse=True)[1]"
            )
        for part in PARTS[1:]:
            new = np.setdiff1d(getattr(self, part)[1], known)
            if len(new):
                count = int(np.isin(getattr(self, part)[1], new).sum())
                raise self._refusal(
                    f"part {part!r} has {count} examples of class {', '.join(map(str, new[:5].tolist()))}"
                    f"{', …' if len(new) > 5 else ''}, and part 'train' has none; split the data so that each class is "
                    "in the training part"
                )
        return int(known[-1]) + 1

    def _check_inputs(self, part: str, inputs: np.ndarray) -> None:
        first = self.train[0].dtype
        if inputs.dtype.kind not in "biuf":
            raise self._refusal(
                f"the inputs of part {part!r} are {inputs.dtype} values such as {brief(inputs.ravel()[0], 40)}; "
                "a network needs real numbers"
            )
        if _treated(inputs.dtype) != _treated(first):
            raise self._refusal(
                f"the inputs of part {part!r} are {inputs.dtype} and those of 'train' {first}, which are taken "
                "differently; give all parts in one type"
            )
        if inputs.dtype.kind == "f":
            self._check_finite(part, "inputs", inputs)
            with np.errstate(over="ignore"):
                beyond = ~np.isfinite(inputs.astype(np.float32))
            if beyond.any():
                raise self._refusal(
                    f"the inputs of part {part!r} hold {int(beyond.sum()):,} values that float32 cannot hold, the "
                    f"first in example {_first(beyond)}; scale them"
                )

    def _check_finite(self, part: str, what: str, array: np.ndarray) -> None:
        bad = ~np.isfinite(array)
        if bad.any():
            names = [name for name, found in (("NaN", np.isnan(array).any()), ("inf", np.isinf(array).any())) if found]
            raise self._refusal(
                f"the {what} of part {part!r} hold {int(bad.sum()):,} values that are {' or '.join(names)}, the first "
                f"in example {_first(bad)}; fill them in, or leave these examples out"
            )

    def _check_labels(self, part: str, targets: np.ndarray) -> None:
        where = f"the targets of part {part!r}"
        if targets.ndim != 1:
            what = (
                "take the column: targets[:, 0]"
                if targets.ndim == 2 and targets.shape[1] == 1
                else "one-hot targets become classes by targets.argmax(axis=1)"
            )
            raise self._refusal(
                f"{where} have the shape {targets.shape}; give one class an example, shape (examples,): {what}"
            )
        if targets.dtype.kind not in "biuf":
            raise self._refusal(
                f"{where} are {targets.dtype} values such as {brief(targets[0], 40)}; number the classes: "
                "np.unique(names, return_inverse=True)[1]"
            )
        if targets.dtype.kind == "f":
            self._check_finite(part, "targets", targets)
            whole = bool((targets == np.round(targets)).all())
            raise self._refusal(
                f"{where} are {targets.dtype} values such as {targets[0]:g}, and a classifier needs whole classes; "
                + ("targets.astype(int) makes them such; " if whole else "they are never cut; ")
                + "for regression write an evaluator of your own (automl.Evaluator)"
            )
        if (least := int(targets.min())) < 0:
            raise self._refusal(
                f"{where} hold the class {least}, in example {_first(targets < 0)}; classes are counted from 0"
            )
        if (most := int(targets.max())) >= 1 << 31:
            raise self._refusal(f"{where} hold the class {most}; classes are counted from 0, one output each")

    def _check_apart(self) -> None:
        """Insists that no part is another one, in whatever order of examples."""
        rows = {part: _digests(*getattr(self, part)) for part in PARTS}
        for one, other in (("validation", "test"), ("train", "validation"), ("train", "test")):
            if len(rows[one]) == len(rows[other]) and (rows[one] == rows[other]).all():
                raise self._refusal(
                    f"the parts {one!r} and {other!r} are the same {len(rows[one]):,} examples, so figures of one say "
                    "nothing about the other; split the data into parts that share nothing"
                )


def _treated(kind: np.dtype[Any]) -> str:
    """Returns how inputs of a type are taken: bytes are scaled, other whole numbers are tokens, the rest is real."""
    return "bytes" if kind == np.uint8 else "tokens" if kind.kind in "iu" else "reals"


def _digests(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns 64 bits of each example, sorted."""
    both = zip(np.ascontiguousarray(inputs), np.ascontiguousarray(targets), strict=True)
    found = (xxhash.xxh3_64_intdigest(one.tobytes() + other.tobytes()) for one, other in both)
    return np.sort(np.fromiter(found, np.uint64, len(inputs)))


def _first(where: np.ndarray) -> int:
    """Returns the number of the first example that has a True."""
    return int(np.argmax(where.reshape(len(where), -1).any(axis=1)))


def _kind(given: Any) -> str:
    return f"a {type(given).__name__}" + (f" of {len(given)}" if isinstance(given, list | tuple) else "")
