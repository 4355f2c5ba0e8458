"""A language of register programs: its memory and operations, and the probe on which its programs are hashed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from automl.behaviour import Probe
from automl.errors import InvalidInput
from automl.spaces.programs.code import join
from automl.spaces.programs.draws import normals
from automl.spaces.programs.operations import OPERATIONS, Operation
from automl.spaces.programs.own import compile_own
from automl.spaces.programs.runner import count_live, predict_many

PROBE_EXAMPLES = 10
"""Examples that a program learns from in the probe, and as many that it only predicts (as in the published demo)."""

_ADDRESSES = 64
_TYPES = {"": 0, "s": 1, "v": 2, "m": 3}


@dataclass(frozen=True)
class ProgramLanguage:
    """Typed memory, the operations on it, and the interpreter that runs programs (an `automl.behaviour.Language`).

    A program has three functions: setup, predict and learn (Real et al. 2020, arXiv 2003.03384).

    Attributes:
        features: Length F of vectors; matrices have shape (F, F).
        scalars, vectors, matrices: Number of addresses of each type. Scalar s0 is the label, s1 the prediction; vector
            v0 holds the features.
        probabilities: True if s1 is mapped to 1 / (1 + exp(-s1)) after predict, for classification.
        error_limit: Largest absolute error; a larger one, or NaN, ends the program.
        own: Tuple of a user's own operations, in addition to those of Table S1 of the paper.

    Raises:
        InvalidInput: a size is out of range, or two operations have one name.

    Example:
        >>> import numpy as np
        >>> from automl.spaces.programs.code import Instruction, encode
        >>> language = ProgramLanguage(features=2)
        >>> numbers = {operation.name: number for number, operation in enumerate(language.operations)}
        >>> norm = Instruction(numbers["vector_norm"], out=1, first=0)  # s1, the prediction, becomes the norm of v0
        >>> code = encode([(), (norm,), ()])  # setup, predict, learn
        >>> language.live([code]).tolist(), language.count("s")
        ([1], 4)
    """

    features: int = 4
    scalars: int = 4
    vectors: int = 3
    matrices: int = 1
    probabilities: bool = False
    error_limit: float = 100.0
    own: tuple[Operation, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("features", 1), ("scalars", 2), ("vectors", 1), ("matrices", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidInput(f"{name}={value!r}: give a whole number of at least {least}")
        if self.features > 255:
            raise InvalidInput(f"features={self.features}: programs address at most 255 features; project them down")
        if self.scalars + self.vectors + self.matrices > _ADDRESSES:
            raise InvalidInput(
                f"{self.scalars} scalars, {self.vectors} vectors and {self.matrices} matrices are more than "
                f"{_ADDRESSES} addresses; give fewer"
            )
        if not self.error_limit > 0:
            raise InvalidInput(f"error_limit={self.error_limit!r}: it must be above 0")
        names = [operation.name for operation in self.operations]
        for name in names:
            if names.count(name) > 1:
                raise InvalidInput(f"there are two operations called {name!r}; give the own one another name")

    def __reduce__(self) -> tuple[Any, ...]:  # compiled functions stay behind
        sizes = (self.features, self.scalars, self.vectors, self.matrices)
        return ProgramLanguage, (*sizes, self.probabilities, self.error_limit, self.own)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All operations, in the order of their numbers."""
        return OPERATIONS + self.own

    @functools.cached_property
    def table(self) -> np.ndarray:
        """What compiled code knows of each operation: int64 of shape (operations, 7), columns as in `analysis`."""
        rows = []
        for item in self.operations:
            first, second = (*(_TYPES[kind] for kind in item.inputs), 0, 0)[:2]
            rows.append((_TYPES[item.output], first, second, item.kernel, item.commutes, item.indices > 0, item.random))
        return np.array(rows, dtype=np.int64)

    @functools.cached_property
    def sizes(self) -> np.ndarray:
        """Number of scalars, vectors, matrices, features, for compiled code."""
        return np.array([self.scalars, self.vectors, self.matrices, self.features], dtype=np.int64)

    @functools.cached_property
    def compiled_own(self) -> Any:
        """Runs the own operations, for compiled code."""
        return compile_own(self.own, self.features)

    @functools.cached_property
    def settings(self) -> Mapping[str, Any]:
        """What changes the result of a given program, for keys; numbers of addresses do not."""
        own = {item.name: xxhash.xxh3_128_hexdigest(_source(item).encode()) for item in self.own}
        return {
            "language": "registers",
            "version": 1,
            "features": self.features,
            "probabilities": self.probabilities,
            "error_limit": self.error_limit,
            "own": own,
        }

    def count(self, kind: str) -> int:
        """Returns the number of addresses of a type."""
        return {"s": self.scalars, "v": self.vectors, "m": self.matrices}[kind]

    def outputs(self, programs: Sequence[bytes], probe: Probe) -> np.ndarray:
        """Lets programs learn from ten examples and predict ten more (as in section 3.2 of the paper).

        Only the probe's seed is used: what a program gets is settled by its language. A prediction whose error ends a
        program stands in the result itself; what would come after it is NaN.

        Returns:
            float64 of shape (programs, 20): the predictions while learning, then those afterwards.
        """
        data, labels = self._probe(probe.seed)
        return self.predictions(programs, data[:PROBE_EXAMPLES], labels, data[PROBE_EXAMPLES:], seed=probe.seed)

    def predictions(
        self, programs: Sequence[bytes], train: np.ndarray, targets: np.ndarray, held: np.ndarray, seed: int
    ) -> np.ndarray:
        """Lets programs learn from one task, from clean memory, and returns all their predictions.

        Args:
            programs: encoded.
            train, held: examples to learn from and to predict only, float64 of shape (examples, F).
            targets: float64 of shape (training examples,).
            seed: of the random draws.

        Returns:
            float64 of shape (programs, training + held examples), as in `outputs`.
        """
        return predict_many(  # type: ignore[no-any-return]
            *join(programs), self.table, self.sizes, self.probabilities, float(self.error_limit), np.uint64(seed),
            np.ascontiguousarray(train, np.float64), np.ascontiguousarray(targets, np.float64),
            np.ascontiguousarray(held, np.float64), self.compiled_own,
        )  # fmt: skip

    def live(self, programs: Sequence[bytes]) -> np.ndarray:
        """Returns how many instructions of each program can reach a prediction: int64 of shape (programs,)."""
        return count_live(*join(programs)[::2], self.table, self.sizes)  # type: ignore[no-any-return]

    @functools.lru_cache(maxsize=8)  # noqa: B019  # languages are few and live as long as their spaces
    def _probe(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        data = normals((2 * PROBE_EXAMPLES, self.features), seed, 1)
        labels = normals((PROBE_EXAMPLES,), seed, 2)
        return data, (labels > 0).astype(np.float64) if self.probabilities else labels


def _source(operation: Operation) -> str:
    assert operation.function is not None
    head = f"{operation.output} {operation.inputs}"
    try:
        return head + inspect.getsource(operation.function)
    except OSError as error:
        raise InvalidInput(
            f"the source of operation {operation.name!r} cannot be read, and results of other versions of it could "
            "not be told apart; define it in a file"
        ) from error
