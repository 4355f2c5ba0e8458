"""A folder of images as a task: one folder a class, with or without folders for the parts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.splits import SHARES, split, stratified
from automl.errors import InvalidInput
from automl.evaluators.task import Task

_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
_PARTS = (("train", "training"), ("validation", "val", "valid"), ("test", "testing"))


def from_images(
    folder: Path | str,
    *,
    size: int | tuple[int, int] | None = None,
    shares: Sequence[float] = SHARES,
    name: str | None = None,
) -> Task:
    """Returns the images of a folder as a task: `folder/CLASS/*.png`, or `folder/train/CLASS/*.png` and so on.

    Grey images have the shape (1, height, width), all others (3, height, width); bytes, which evaluators scale to
    [0, 1]. The classes are the names of the folders. Without folders for the parts, every part gets its share of each
    class.

    Args:
        folder: Path of the folder.
        size: Height and width to which images are scaled, or one number for both; None takes them as they are, if all
            have one size.
        shares: Share of the training, validation and test part, where the folder has no parts; where it has none for
            validation, the training part is split by the first two.
        name: Name of the task in tables; None takes the folder's.

    Raises:
        InvalidInput: the folder has no such images, one cannot be read, or they have several sizes and none is given.

    Example:
        >>> from PIL import Image
        >>> for kind in ("cat", "dog"):
        ...     Path("animals", kind).mkdir(parents=True)
        ...     for number in range(5):
        ...         Image.new("L", (6, 4), number).save(f"animals/{kind}/{number}.png")
        >>> task = from_images("animals")
        >>> task.train[0].shape, sorted(set(task.train[1].tolist()))
        ((6, 1, 4, 6), ['cat', 'dog'])
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidInput(f"no folder {str(folder)!r}; give the path of a folder with one folder a class")
    name = name or folder.resolve().name
    wanted = (size, size) if isinstance(size, int) else size
    found = [next((folder / one for one in names if (folder / one).is_dir()), None) for names in _PARTS]
    learning, held, last = found
    if any(found) and not (learning and last):
        raise InvalidInput(
            f"{folder} has a folder {next(one.name for one in found if one)} and no folder "
            f"{'test' if learning else 'train'}; give train and test (and validation), or folders of classes only"
        )
    listed = [_files(one) if one else [] for one in found] if learning and last else [_files(folder)]
    files = [file for part in listed for file in part]
    images, labels = _read([file for file, _ in files], wanted), np.array([label for _, label in files])
    if learning and last:
        ends = np.cumsum([0, *map(len, listed)])
        places = [np.arange(start, end) for start, end in itertools.pairwise(ends)]
        if not held:
            both = sum(shares[:2])
            places[:2] = stratified(labels[places[0]], (shares[0] / both, shares[1] / both))
    else:
        places = split(len(labels), shares, classes=labels)
    train, validation, test = ((images[one], labels[one]) for one in places)
    return Task(train, validation, test, name)


def _files(folder: Path) -> list[tuple[Path, str]]:
    found = [
        (file, kind.name)
        for kind in sorted(folder.iterdir())
        if kind.is_dir()
        for file in sorted(kind.rglob("*"))
        if file.suffix.lower() in _ENDINGS
    ]
    if not found:
        raise InvalidInput(f"{folder} has no images in folders of classes; put them into {folder}/CLASS/*.png")
    return found


def _read(files: Sequence[Path], size: tuple[int, int] | None) -> np.ndarray:
    from PIL import Image

    images, grey = [], True
    for file in files:
        try:
            with Image.open(file) as image:
                grey = grey and image.mode in ("1", "L", "I;16")
                plain: Any = image.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise InvalidInput(f"{file} cannot be read as an image: {error}; mend or remove it") from error
        if size is not None:
            plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        images.append(np.asarray(plain))
        if images[-1].shape != images[0].shape:
            sizes = [f"{one.shape[0]}×{one.shape[1]}" for one in (images[0], images[-1])]
            raise InvalidInput(
                f"{files[0]} has {sizes[0]} pixels and {file} {sizes[1]}; give a size to which all are scaled, as in "
                f"size={min(images[0].shape[:2])}"
            )
    whole = np.stack(images).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(whole[:, :1] if grey else whole)
