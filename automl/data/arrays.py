"""Tasks of arrays that are not split yet, and of files of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.splits import SHARES, split, stratified
from automl.errors import InvalidInput
from automl.evaluators.task import Task

_PART_NAMES = {
    "train": ("train", "tr", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "te"),
}
_INPUT_NAMES = ("x", "inputs", "images", "data", "features")
_TARGET_NAMES = ("y", "targets", "labels", "target", "label")


def from_arrays(
    inputs: Any,
    targets: Any,
    *,
    shares: Sequence[float] = SHARES,
    groups: Any = None,
    times: Any = None,
    name: str = "own",
    layout: str = "auto",
) -> Task:
    """Returns a task of inputs and targets that are not split yet.

    Where the targets are classes (names, or whole numbers of which each stands ten times on average), every part gets
    its share of each class. The split is always the same one.

    Args:
        inputs: Arrays, tensors, lists or a frame of numbers, one row an example.
        targets: One target an example, as in `Task`.
        shares: Share of the training, validation and test part.
        groups: Group of each example, such as the patient; no group is in two parts.
        times: Time of each example; the training part is the earliest.
        name: Name of the task in tables.
        layout: As in `Task`.

    Raises:
        InvalidInput: the arrays fit no task, or a part would be empty.

    Example:
        >>> import numpy as np
        >>> task = from_arrays(np.arange(20.0)[:, None], ["cat", "dog"] * 10)
        >>> [len(part[0]) for part in (task.train, task.validation, task.test)], task.classes
        ([12, 4, 4], 2)
    """
    whole = Task((inputs, targets), (inputs, targets), (inputs, targets), name, layout)
    read, wanted = whole.train
    classes = wanted if groups is None and times is None and _are_classes(wanted) else None
    places = split(len(read), shares, classes=classes, groups=groups, times=times)
    train, validation, test = ((read[part], wanted[part]) for part in places)
    return Task(train, validation, test, name, layout)


def _are_classes(targets: np.ndarray) -> bool:
    return targets.ndim == 1 and (
        targets.dtype.kind in "USb" or (targets.dtype.kind in "iu" and len(np.unique(targets)) * 10 <= len(targets))
    )


def from_npz(path: Path) -> Task:
    """Returns the task in a file of numpy's arrays: `x_train`, `y_train`, `x_validation` …, or `x` and `y`, not split.

    Raises:
        InvalidInput: it is no such file, or holds other arrays.

    Example:
        >>> np.savez("mine.npz", x=np.arange(20.0)[:, None], y=np.arange(20) % 2)
        >>> from_npz(Path("mine.npz")).name
        'mine'
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key.lower().replace("-", "_"): file[key] for key in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"{path} cannot be read as arrays of numpy: {error}") from error
    parts = {part: _pair(arrays, names) for part, names in _PART_NAMES.items()}
    train, validation, test = (parts[part] for part in _PART_NAMES)
    if train is not None and validation is not None and test is not None:
        return Task(train, validation, test, path.stem)
    whole = _pair(arrays, ("",))
    if whole is not None and not any(parts.values()):
        return from_arrays(*whole, groups=arrays.get("groups"), times=arrays.get("times"), name=path.stem)
    if train is not None and test is not None:
        inputs, targets = train
        most, held = stratified(targets if _are_classes(targets) else np.zeros(len(inputs), int), (0.8, 0.2))
        return Task((inputs[most], targets[most]), (inputs[held], targets[held]), test, path.stem)
    raise InvalidInput(
        f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; name its arrays x_train, y_train, x_validation, "
        "y_validation, x_test and y_test, or x and y, which are split"
    )


def _pair(arrays: Mapping[str, np.ndarray], parts: Sequence[str]) -> tuple[np.ndarray, np.ndarray] | None:
    def find(names: Sequence[str]) -> np.ndarray | None:
        for name in names:
            for part in parts:
                for key in (f"{name}_{part}", f"{part}_{name}", f"{name}{part}") if part else (name,):
                    if key in arrays:
                        return arrays[key]
        return None

    inputs, targets = find(_INPUT_NAMES), find(_TARGET_NAMES)
    return None if inputs is None or targets is None else (inputs, targets)
