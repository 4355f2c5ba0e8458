"""The data of a supervised learning task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xxhash

from automl.behaviour import Array
from automl.errors import InvalidInput


@dataclass(frozen=True)
class Task:
    """A supervised learning task: three parts that share nothing.

    Attributes:
        train: (inputs, targets); inputs of shape (examples, ...), float; targets integer classes or float values.
        validation: the same for selecting candidates.
        test: the same for the final figures; no search ever reads it.
        name: as shown in tables.
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    name: str = "own"

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            inputs, targets = getattr(self, part)
            if len(inputs) == 0 or len(inputs) != len(targets):
                raise InvalidInput(
                    f"task {self.name!r}: part {part!r} has {len(inputs)} inputs and {len(targets)} targets; "
                    "give one target for every input, and at least one"
                )

    def fingerprint(self) -> str:
        """Returns 32 hexadecimal digits of the content of all three parts; the name does not matter."""
        digest = xxhash.xxh3_128()
        for part in ("train", "validation", "test"):
            for array in getattr(self, part):
                array = np.ascontiguousarray(array)
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()

    def description(self) -> dict[str, str]:
        """Returns what stands for this task in a context: its name for readers, its fingerprint for equality."""
        return {"name": self.name, "fingerprint": self.fingerprint()}

    def example(self) -> Array:
        """Returns the shape of one input."""
        return Array(tuple(self.train[0].shape[1:]))
