"""Targets as people have them, read as what losses take: classes, several labels an example, values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.errors import brief
from automl.evaluators.checks import check_finite, first_of
from automl.evaluators.parts import PARTS, ArrayParts

IGNORED = -100
"""The class of a target that neither loss nor metrics count, as torch's losses have it."""


@dataclass(frozen=True)
class Labels:
    """Classes of a task's targets.

    Attributes:
        names: What each class was called in the targets, as text, in the order of the classes.
        train, validation, test: Classes of each part, whole numbers from 0; `IGNORED` where a target does not count.

    Example:
        >>> from automl.evaluators.task import Task
        >>> part = ([[0.0], [1.0], [2.0]], ["dog", "cat", "dog"])
        >>> found = class_labels(Task(part, part, part))
        >>> found.names, found.train
        (('cat', 'dog'), array([1, 0, 1]))
    """

    names: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def class_labels(task: ArrayParts, ignore: int | None = None, *, each: bool = True, known: bool = True) -> Labels:
    """Returns the targets of a task as classes from 0.

    Whole numbers that begin at 0 are the classes themselves, gaps included. Whole numbers that begin later, and names,
    are numbered in their sorted order, as the training part has them. A column (examples, 1) is read as its one value
    an example, one-hot rows as the place of their 1.

    Args:
        task: ArrayParts with the targets.
        ignore: Target that does not count; None if all do.
        each: One class an example; False where each place of an example has its own (pixels, tokens).
        known: Held-out parts may only have classes that the training part has.

    Returns:
        `Labels`.

    Raises:
        InvalidInput: the targets are no classes; the part, a value and what to do are named.

    Example:
        >>> from automl.evaluators.task import Task
        >>> part = ([[0.0], [1.0], [2.0]], [3, 1, 2])
        >>> class_labels(Task(part, part, part)).train
        array([2, 0, 1])
    """
    read = {part: _whole(task, part, ignore, each) for part in PARTS}
    counted = {part: one if ignore is None else one[one != ignore] for part, one in read.items()}
    found = np.unique(counted["train"])
    if len(found) == 0:
        raise task.refusal(f"every target of part 'train' is {ignore}, which is ignored; none is left to learn from")
    named = found.dtype.kind in "US"
    if known:
        for part in PARTS[1:]:
            new = np.setdiff1d(counted[part], found)
            if len(new):
                count = int(np.isin(counted[part], new).sum())
                raise task.refusal(
                    f"part {part!r} has {count} examples of class {', '.join(map(str, new[:5].tolist()))}"
                    f"{', …' if len(new) > 5 else ''}, and part 'train' has none; split the data so that each class is "
                    "in the training part"
                )
    elif not named:
        found = np.unique(np.concatenate([found, *(np.unique(counted[part]) for part in PARTS[1:])]))
    if not named and (found[0] == 0 or not each):
        found = np.arange(int(found[-1]) + 1)
    parts = {}
    for part, one in read.items():
        places = np.searchsorted(found, one).astype(np.int64) if named or found[0] > 0 else one.astype(np.int64)
        parts[part] = places if ignore is None else np.where(one == ignore, IGNORED, places)
    return Labels(tuple(map(str, found.tolist())), **parts)


def _whole(task: ArrayParts, part: str, ignore: int | None, each: bool) -> np.ndarray:
    """Returns the targets of a part as whole numbers or names, one for an example or for each place of it."""
    targets: np.ndarray = getattr(task, part)[1]
    where = f"the targets of part {part!r}"
    if each and targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if each and targets.ndim == 2 and targets.dtype.kind in "biuf" and _is_one_hot(targets):
        targets = targets.argmax(axis=1)
    if each and targets.ndim != 1:
        raise task.refusal(
            f"{where} have the shape {targets.shape}, and their rows are not one-hot; give one class an example, shape "
            "(examples,), or take automl.MultiLabel for several labels an example, automl.Segmentation for one a pixel"
        )
    if targets.dtype.kind in "US" and each:
        return targets
    if targets.dtype.kind not in "biuf":
        raise task.refusal(
            f"{where} are {targets.dtype} values such as {brief(targets.ravel()[0], 40)}; give whole numbers"
        )
    if targets.dtype.kind == "f":
        check_finite(task, part, "targets", targets)
        whole = bool((targets == np.round(targets)).all())
        raise task.refusal(
            f"{where} are {targets.dtype} values such as {targets.ravel()[0]:g}, and a classifier needs whole classes; "
            + ("targets.astype(int) makes them such; " if whole else "they are never cut; ")
            + "for regression take automl.Regression"
        )
    counted = targets if ignore is None else targets[targets != ignore]
    if len(counted) == 0:
        return targets
    if (least := int(counted.min())) < 0:
        wrong = (targets < 0) if ignore is None else (targets < 0) & (targets != ignore)
        raise task.refusal(
            f"{where} hold the class {least}, in example {first_of(wrong)}; classes are counted from 0; "
            f"ignore={least} leaves such targets out"
        )
    if (most := int(counted.max())) >= 1 << 31:
        raise task.refusal(f"{where} hold the class {most}; classes are counted from 0, one output each")
    return targets


def _is_one_hot(targets: np.ndarray) -> bool:
    return bool(((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all())


def several_labels(task: ArrayParts) -> dict[str, np.ndarray]:
    """Returns the targets of each part as float32 zeros and ones of shape (examples, labels).

    Raises:
        InvalidInput: they are none.

    Example:
        >>> from automl.evaluators.task import Task
        >>> part = ([[0.0], [1.0]], [[1, 0, 1], [0, 0, 0]])
        >>> several_labels(Task(part, part, part))["train"].shape
        (2, 3)
    """
    found = {}
    for part in PARTS:
        targets: np.ndarray = getattr(task, part)[1]
        if targets.ndim != 2 or targets.dtype.kind not in "biuf" or not ((targets == 0) | (targets == 1)).all():
            raise task.refusal(
                f"the targets of part {part!r} have the shape {targets.shape} and values such as "
                f"{brief(targets.ravel()[0], 40)}; several labels are a row of 0 and 1 an example, (examples, labels)"
            )
        found[part] = targets.astype(np.float32)
    return found


def values(task: ArrayParts) -> dict[str, np.ndarray]:
    """Returns the targets of each part as float32 of shape (examples, values); one value an example may be (examples,).

    Raises:
        InvalidInput: they are no finite numbers, or float32 cannot hold them.

    Example:
        >>> from automl.evaluators.task import Task
        >>> part = ([[0.0], [1.0]], [1.5, 2.5])
        >>> values(Task(part, part, part))["train"]
        array([[1.5],
               [2.5]], dtype=float32)
    """
    found = {}
    for part in PARTS:
        targets: np.ndarray = getattr(task, part)[1]
        if targets.dtype.kind not in "biuf":
            raise task.refusal(
                f"the targets of part {part!r} are {targets.dtype} values such as {brief(targets.ravel()[0], 40)}; "
                "regression needs numbers"
            )
        check_finite(task, part, "targets", targets)
        with np.errstate(over="ignore"):
            narrow = targets.astype(np.float32)
        if not np.isfinite(narrow).all():
            raise task.refusal(f"the targets of part {part!r} hold values that float32 cannot hold; scale them")
        found[part] = narrow[:, None] if narrow.ndim == 1 else narrow
    return found
