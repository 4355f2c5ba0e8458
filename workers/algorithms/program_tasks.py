"""Tasks for learning algorithms: small supervised problems to search on, and unseen ones to judge what was found."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xxhash

from automl.errors import InvalidInput
from automl.evaluators.task import Task
from automl.registry import unknown
from automl.spaces.programs.draws import normals, uniforms
from workers import tasks as images


@dataclass(frozen=True, eq=False)
class Problems:
    """Arrays of several problems of one shape. A program starts each problem with its memory cleared.

    Attributes:
        train: float64 array of shape (problems, examples, features): inputs to learn from, in this order.
        train_targets: float64 array of shape (problems, examples): their targets.
        held: float64 array of shape (problems, held-out examples, features): inputs to predict.
        held_targets: float64 array of shape (problems, held-out examples): their targets.

    Raises:
        InvalidInput: the shapes do not fit together, there is no example, or a value is not finite.

    Example:
        >>> import numpy as np
        >>> problems = Problems(np.zeros((2, 5, 3)), np.zeros((2, 5)), np.ones((2, 4, 3)), np.ones((2, 4)))
        >>> problems.features
        3
    """

    train: np.ndarray
    train_targets: np.ndarray
    held: np.ndarray
    held_targets: np.ndarray

    def __post_init__(self) -> None:
        for name in ("train", "train_targets", "held", "held_targets"):
            # Our own, for the interpreter's copies of it are remembered: nobody changes it in place.
            array = np.array(getattr(self, name), np.float64, order="C")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
            bad = np.argwhere(~np.isfinite(array))
            if len(bad):
                place = tuple(int(index) for index in bad[0])
                raise InvalidInput(
                    f"task: {name}{list(place)} is {array[place]}; programs learn from finite numbers only, "
                    "clean the data first"
                )
        if self.train.ndim != 3 or self.held.ndim != 3 or self.train.shape[::2] != self.held.shape[::2]:
            raise InvalidInput(
                f"task: train has shape {self.train.shape} and held {self.held.shape}; "
                "both must be (problems, examples, features) with equal problems and features"
            )
        for inputs, targets in ((self.train, self.train_targets), (self.held, self.held_targets)):
            if inputs.shape[:2] != targets.shape or inputs.size == 0:
                raise InvalidInput(
                    f"task: inputs of shape {inputs.shape} with targets of shape {targets.shape}; "
                    "give one target for every example, and at least one example"
                )

    @property
    def features(self) -> int:
        return int(self.train.shape[2])


@dataclass(frozen=True)
class ProgramTask:
    """Task of a user's own for programs, with problems for the search and other problems for the final figures.

    Attributes:
        search: `Problems` on which a search rates candidates.
        unseen: `Problems` that no search reads, for the final figures.
        name: Name of the task in tables.

    Example:
        >>> wanted = Wanted(features=3, problems=2, train=5, held=4, seed=0, unseen=False)
        >>> task = ProgramTask(search=linear_regression(wanted), unseen=linear_regression(wanted), name="lines")
        >>> sorted(task.description())
        ['fingerprint', 'name']
    """

    search: Problems
    unseen: Problems
    name: str = "own"

    def description(self) -> dict[str, str]:
        """Returns what stands for this task in a context."""
        digest = xxhash.xxh3_128()
        for problems in (self.search, self.unseen):
            for array in (problems.train, problems.train_targets, problems.held, problems.held_targets):
                digest.update(f"{array.shape}".encode())
                digest.update(array.tobytes())
        return {"name": self.name, "fingerprint": digest.hexdigest()}


def from_task(task: Task) -> ProgramTask:
    """Returns an `automl.Task` of regression or of classes 0 and 1 as a `ProgramTask`.

    Inputs of shape (examples, features) are one problem; inputs of shape (problems, examples, features) are several,
    with targets of shape (problems, examples). Programs learn from the train part. In a search, their predictions are
    rated on the validation part (`search.held` of the result); for the final figures, on the test part (`unseen.held`).

    Returns:
        `ProgramTask` with float64 arrays; both `search.train` and `unseen.train` are the train part.

    Raises:
        InvalidInput: the arrays have other shapes, or a value is not finite.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> part = lambda n: (rng.normal(size=(n, 3)), rng.normal(size=n))
        >>> task = from_task(Task(train=part(8), validation=part(4), test=part(4), name="mine"))
        >>> task.search.train.shape, task.unseen.held.shape
        ((1, 8, 3), (1, 4, 3))
    """

    def problems(part: str) -> Problems:
        arrays = [np.asarray(array, np.float64) for array in (*task.train, *getattr(task, part))]
        if arrays[0].ndim == 2:
            arrays = [array[None] for array in arrays]
        return Problems(*arrays)

    return ProgramTask(problems("validation"), problems("test"), task.name)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Request to a generator of problems: how many problems, and of which size.

    Attributes:
        features: Number of features of each example.
        problems: Number of problems.
        train: Number of examples to learn from in each problem.
        held: Number of held-out examples to predict in each problem.
        seed: Seed of the generator; other seeds give other problems.
        unseen: If True, other problems than any that a search uses, for the final figures.

    Example:
        >>> problems = linear_regression(Wanted(features=4, problems=10, train=100, held=50, seed=0, unseen=True))
        >>> problems.train.shape, problems.held.shape
        ((10, 100, 4), (10, 50, 4))
    """

    features: int
    problems: int
    train: int
    held: int
    seed: int
    unseen: bool


def linear_regression(wanted: Wanted) -> Problems:
    """Returns linear regression problems, as in section 4.1 of Real et al. 2020 (arXiv 2003.03384).

    Features and weights are drawn from the standard normal distribution, the weights anew for each problem; there is no
    bias and no noise. With `unseen=True` other random numbers are drawn.

    Args:
        wanted: Numbers of problems, examples and features, and the seed.

    Returns:
        `Problems` with `train` of shape (problems, train, features), `train_targets` of shape (problems, train), and
        `held` and `held_targets` of the same form.

    Example:
        >>> problems = linear_regression(Wanted(features=4, problems=10, train=100, held=50, seed=0, unseen=False))
        >>> problems.train.shape, problems.held_targets.shape
        ((10, 100, 4), (10, 50))
    """

    def teacher(inputs: np.ndarray, address: tuple[int, int]) -> np.ndarray:
        weights = normals((wanted.features,), *address, 3)
        return np.asarray(inputs @ weights)

    return _regression(wanted, 1, teacher)


def two_layer_regression(wanted: Wanted) -> Problems:
    """Returns regression problems whose target is a random network with one hidden layer of ReLU units.

    As in section 4.1 of Real et al. 2020 (arXiv 2003.03384). Features and weights are drawn from the standard normal
    distribution; the hidden layer has as many units as there are features.

    Returns:
        `Problems` with the numbers of problems, examples and features in `wanted`.

    Example:
        >>> two_layer_regression(Wanted(features=4, problems=2, train=100, held=50, seed=0, unseen=False)).train.shape
        (2, 100, 4)
    """

    def teacher(inputs: np.ndarray, address: tuple[int, int]) -> np.ndarray:
        hidden = np.maximum(inputs @ normals((wanted.features, wanted.features), *address, 3).T, 0.0)
        return np.asarray(hidden @ normals((wanted.features,), *address, 4))

    return _regression(wanted, 2, teacher)


def _regression(wanted: Wanted, family: int, teacher: Callable[[np.ndarray, tuple[int, int]], np.ndarray]) -> Problems:
    total = wanted.train + wanted.held
    inputs, targets = [], []
    for problem in range(wanted.problems):
        address = (wanted.seed, family * 2_000_000 + wanted.unseen * 1_000_000 + problem)
        inputs.append(normals((total, wanted.features), *address, 1))
        targets.append(teacher(inputs[-1], address))
    x, y = np.stack(inputs), np.stack(targets)
    return Problems(x[:, : wanted.train], y[:, : wanted.train], x[:, wanted.train :], y[:, wanted.train :])


SEARCH_PAIRS = 36
"""Of the 45 pairs of ten classes, those that searches meet; the other 9 are unseen (section 4.2)."""


def digit_pairs(wanted: Wanted) -> Problems:
    """Returns problems of telling two digits apart, from random projections of scikit-learn's 8x8 images.

    Inputs are standardised; the target is 1 for the larger digit of the pair and 0 for the other.

    Returns:
        `Problems` with the numbers of problems, examples and features in `wanted`.

    Raises:
        InvalidInput: more examples are asked for than the two classes have.

    Example:
        >>> problems = digit_pairs(Wanted(features=16, problems=2, train=50, held=20, seed=0, unseen=False))
        >>> problems.train.shape, sorted(set(problems.train_targets[0].tolist()))
        ((2, 50, 16), [0.0, 1.0])
    """
    return _pairs(wanted, images.digits())


def fashion_pairs(wanted: Wanted) -> Problems:
    """Returns problems of telling two kinds of clothes apart, from random projections of Fashion-MNIST's 28x28 images.

    Inputs are standardised; the target is 1 for the class with the larger number and 0 for the other.

    Returns:
        `Problems` with the numbers of problems, examples and features in `wanted`.

    Raises:
        InvalidInput: the data file is not there, or more examples are asked for than the two classes have.

    Example:
        >>> wanted = Wanted(features=16, problems=1, train=10, held=10, seed=0, unseen=False)
        >>> from unittest import mock
        >>> with mock.patch.dict("os.environ", AUTOML_DATA="nowhere"):
        ...     fashion_pairs(wanted)
        Traceback (most recent call last):
        automl.errors.InvalidInput: the Fashion-MNIST subset is not at nowhere/images/fashion_mnist_6k2k.npz; ...
    """
    return _pairs(wanted, images.fashion_mnist_6k())


def _pairs(wanted: Wanted, source: Task) -> Problems:
    """Binary classification of pairs of classes as in section 4.2: projected by a normal matrix, then standardised."""
    parts = (source.train, source.validation, source.test)
    pixels = np.concatenate([inputs.reshape(len(inputs), -1) for inputs, _ in parts]).astype(np.float64)
    labels = np.concatenate([targets for _, targets in parts])
    every = list(itertools.combinations(range(10), 2))
    order = uniforms((len(every),), 4_501).argsort()  # the same split for every seed
    chosen = order[SEARCH_PAIRS:] if wanted.unseen else order[:SEARCH_PAIRS]
    turn = uniforms((len(chosen),), wanted.seed, 4_502, wanted.unseen).argsort()
    x, y = [], []
    for problem in range(wanted.problems):
        low, high = every[chosen[turn[problem % len(chosen)]]]
        places = np.flatnonzero((labels == low) | (labels == high))
        places = places[uniforms((len(places),), wanted.seed, 4_503, wanted.unseen, problem).argsort()]
        if len(places) < wanted.train + wanted.held:
            raise InvalidInput(
                f"{wanted.train} training and {wanted.held} held-out examples are asked for, and the classes "
                f"{low} and {high} have {len(places)} together; ask for fewer"
            )
        places = places[: wanted.train + wanted.held]
        projected = pixels[places] @ normals(
            (pixels.shape[1], wanted.features), wanted.seed, 4_504, wanted.unseen, problem
        )
        learnt = projected[: wanted.train]
        x.append((projected - learnt.mean(axis=0)) / np.maximum(learnt.std(axis=0), 1e-9))
        y.append((labels[places] == high).astype(np.float64))
    inputs, targets = np.stack(x), np.stack(y)
    cut = wanted.train
    return Problems(inputs[:, :cut], targets[:, :cut], inputs[:, cut:], targets[:, cut:])


GENERATORS: dict[str, Callable[[Wanted], Problems]] = {
    "linear-regression": linear_regression,
    "two-layer-regression": two_layer_regression,
    "digit-pairs": digit_pairs,
    "fashion-pairs": fashion_pairs,
}
"""Named tasks for programs."""


@functools.lru_cache(maxsize=32)
def generate(name: str, wanted: Wanted) -> Problems:
    """Returns the problems of a named task, one of `GENERATORS`.

    Raises:
        InvalidInput: there is no task of this name, or it does not have so many examples.

    Example:
        >>> wanted = Wanted(features=4, problems=10, train=100, held=50, seed=0, unseen=False)
        >>> generate("linear-regression", wanted).train.shape
        (10, 100, 4)
        >>> generate("linear-regresion", wanted)
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown task for programs 'linear-regresion'; did you mean ...
    """
    if name not in GENERATORS:
        raise InvalidInput(unknown("task for programs", name, GENERATORS))
    return GENERATORS[name](wanted)
