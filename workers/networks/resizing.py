"""Images that are enlarged to the size that a space asks for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from automl.evaluators.parts import PARTS, AnyTask
from automl.evaluators.task import Task
from workers.remembered import Remembered, described


def resized(task: AnyTask, size: int | None) -> AnyTask:
    """Returns a task whose images are enlarged to so many pixels a side; the task itself if they are no smaller.

    Args:
        task: any task; what is not made of images in arrays stays as it is.
        size: height and width in pixels; None leaves images as they are.
    """
    if size is None or not isinstance(task, Task) or not is_smaller(task, size):
        return task
    return _enlarged(task, size)


def described_at(task: AnyTask, size: int | None) -> dict[str, str]:
    """Returns the description of a task whose images are enlarged, read off the data as they are now."""
    if size is not None:
        described(task)  # what was made of data that have changed since is forgotten
    return described(resized(task, size))


def is_smaller(task: AnyTask, size: int) -> bool:
    """Tells whether a task is made of images in arrays, smaller than so many pixels a side."""
    if not isinstance(task, Task):
        return False
    shape = task.train[0].shape
    return len(shape) in (3, 4) and task.train[0].dtype.kind in "uf" and max(shape[-2:]) < size


def size_for(task: AnyTask, space: Any) -> int | None:
    """Returns the size to which images are enlarged for a space, which asks for it by its attribute `image_size`; None
    if they are large enough.
    """
    size = getattr(space, "image_size", None)
    return size if isinstance(size, int) and is_smaller(task, size) else None


def _enlarge(task: Task, size: int) -> Task:
    import torch
    from torch.nn import functional

    from workers.networks.batches import prepared

    def image(inputs: np.ndarray) -> np.ndarray:
        plain = torch.from_numpy(prepared(inputs, task.layout))
        plain = plain if plain.ndim == 4 else plain[:, None]
        return functional.interpolate(plain, (size, size), mode="bilinear", align_corners=False).numpy()

    parts = {part: (image(getattr(task, part)[0]), getattr(task, part)[1]) for part in PARTS}
    return dataclasses.replace(task, **parts)  # type: ignore[arg-type]


_enlarged = Remembered(_enlarge)
