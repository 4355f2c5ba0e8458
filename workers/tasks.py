"""Named tasks: small real data sets with fixed, stratified train, validation and test parts."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np

from automl.data.sequences import from_tokens
from automl.data.splits import stratified as stratified
from automl.errors import InvalidInput
from automl.evaluators.task import Task


def data_folder() -> Path:
    """Returns the folder of real data: $AUTOML_DATA, else ../shared/data beside the project."""
    named = os.environ.get("AUTOML_DATA")
    return Path(named).expanduser() if named else Path(__file__).resolve().parents[2] / "shared" / "data"


def data_file(name: str, what: str) -> Path:
    """Returns the path of a data file.

    Raises:
        InvalidInput: it is not there; the sentence says where it was looked for and what to do.
    """
    path = data_folder() / name
    if not path.is_file():
        raise InvalidInput(f"{what} is not at {path}; set AUTOML_DATA to the folder that holds {name}")
    return path


@functools.lru_cache(maxsize=1)
def digits() -> Task:
    """Returns scikit-learn's digits as a `Task`: 1,797 images of shape (1, 8, 8) with values in [0, 1], ten classes.

    Source: UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998), CC BY 4.0.

    Half of the images are for training, a quarter each for validation and test, with equal shares of the classes.

    Example:
        >>> task = digits()
        >>> task.train[0].shape, task.test[0].shape, task.classes
        ((898, 1, 8, 8), (450, 1, 8, 8), 10)
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (data.images / 16.0).astype(np.float32)[:, None]
    labels = data.target.astype(np.int64)
    train, validation, test = stratified(labels, (0.5, 0.25, 0.25))
    return Task(
        train=(images[train], labels[train]),
        validation=(images[validation], labels[validation]),
        test=(images[test], labels[test]),
        name="digits",
    )


@functools.lru_cache(maxsize=1)
def breast_cancer() -> Task:
    """Returns scikit-learn's breast cancer data as a `Task`: 569 rows of 30 numbers, two classes.

    Source: UCI Breast Cancer Wisconsin (Diagnostic), Wolberg et al. 1995, CC BY 4.0.

    Six tenths of the rows are for training, two each for validation and test, with equal shares of the classes. The
    numbers have mean 0 and standard deviation 1 in the training part.

    Example:
        >>> task = breast_cancer()
        >>> task.train[0].shape, task.test[0].shape, task.classes
        ((341, 30), (113, 30), 2)
    """
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    parts = stratified(data.target, (0.6, 0.2, 0.2))
    mean, deviation = data.data[parts[0]].mean(0), data.data[parts[0]].std(0)
    rows = ((data.data - mean) / deviation).astype(np.float32)
    train, validation, test = ((rows[part], data.target[part].astype(np.int64)) for part in parts)
    return Task(train, validation, test, name="breast-cancer")


@functools.lru_cache(maxsize=1)
def descriptions() -> Task:
    """Returns English text as a `Task` of next-token prediction: the descriptions of scikit-learn's data sets.

    Tokens are characters, a window has 64. The text is that of the installed version, about 43,000 characters; another
    version may have another text, and is another task then.

    Example:
        >>> task = descriptions()
        >>> task.train[0].shape[1], int(task.train[0].max()) < 128
        (64, True)
    """
    from importlib import resources

    files = sorted(resources.files("sklearn.datasets.descr").iterdir(), key=lambda one: one.name)
    text = "\n".join(one.read_text(encoding="utf-8") for one in files if one.name.endswith(".rst"))
    return from_tokens("".join(one for one in text if one.isascii()), context=64, name="descriptions")


def fashion_mnist_6k() -> Task:
    """Returns 8,000 images of Fashion-MNIST as a `Task`: shape (1, 28, 28), values in [0, 1], ten classes.

    Source: Xiao, Rasul, Vollgraf 2017 (MIT), the first 600 and 200 images of each class.

    5,000 are for training, 1,000 for validation and 2,000 for test.

    Raises:
        InvalidInput: the data file is not there.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict("os.environ", AUTOML_DATA="nowhere"):
        ...     fashion_mnist_6k()
        Traceback (most recent call last):
        automl.errors.InvalidInput: the Fashion-MNIST subset is not at nowhere/images/fashion_mnist_6k2k.npz; ...
    """
    return _fashion_mnist(_images_file())


def _images_file() -> Path:
    return data_file("images/fashion_mnist_6k2k.npz", "the Fashion-MNIST subset")


@functools.lru_cache(maxsize=1)
def _fashion_mnist(path: Path) -> Task:
    with np.load(path, allow_pickle=False) as data:
        images, labels = _images(data["x_train"]), data["y_train"].astype(np.int64)
        test = _images(data["x_test"]), data["y_test"].astype(np.int64)
    train, validation = stratified(labels, (5 / 6, 1 / 6))
    return Task(
        train=(images[train], labels[train]),
        validation=(images[validation], labels[validation]),
        test=test,
        name="fashion-mnist-6k",
    )


def fashion_mnist_6k_32() -> Task:
    """Returns the images of `fashion_mnist_6k` with a border of two black pixels: shape (1, 32, 32).

    Networks whose stages halve the image four or five times are made for such sizes.

    Raises:
        InvalidInput: the data file is not there.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict("os.environ", AUTOML_DATA="nowhere"):
        ...     fashion_mnist_6k_32()
        Traceback (most recent call last):
        automl.errors.InvalidInput: the Fashion-MNIST subset is not at nowhere/images/fashion_mnist_6k2k.npz; ...
    """
    return _padded(_images_file())


@functools.lru_cache(maxsize=1)
def _padded(path: Path) -> Task:
    task, border = _fashion_mnist(path), ((0, 0), (0, 0), (2, 2), (2, 2))
    train, validation, test = (
        (np.pad(inputs, border), labels) for inputs, labels in (task.train, task.validation, task.test)
    )
    return Task(train, validation, test, name="fashion-mnist-6k-32")


def _images(array: np.ndarray) -> np.ndarray:
    return (array.astype(np.float32) / 255.0)[:, None]
