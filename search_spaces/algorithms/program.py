"""Spaces of learning algorithms as register programs: AutoML-Zero (Real et al. 2020, arXiv 2003.03384)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np

from automl.behaviour import Program
from automl.errors import InvalidCandidate, InvalidSpace
from automl.registry import unknown
from automl.spaces.programs.analysis import HEADER, RECORD
from automl.spaces.programs.code import FUNCTIONS, LONGEST, Functions, decode, decode_record, encode, join
from automl.spaces.programs.language import ProgramLanguage
from automl.spaces.programs.operations import Operation
from automl.spaces.space import Candidate, Space
from search_spaces.algorithms import program_variation as variation
from search_spaces.algorithms.program_candidate import ProgramCandidate
from search_spaces.algorithms.program_export import exported
from search_spaces.algorithms.program_simplify import simplified
from search_spaces.algorithms.program_text import ProgramText, explain

Size = int | Sequence[int]
Operations = Sequence[str] | Mapping[str, Sequence[str]] | None


@dataclass(eq=False)
class ProgramSpace(Space):
    """Programs of three functions (setup, predict, learn) over typed memory.

    A program runs setup once from zeroed memory. For each training example v0 gets the features and s0 zero, predict
    runs and leaves its prediction in s1; then s0 gets the label and learn runs. Afterwards only predict runs, without
    labels.

    Subclasses give the settings other defaults and may name `own_operations`.

    Attributes:
        features: length F of vectors; matrices are F x F.
        scalars, vectors, matrices: number of addresses of each type.
        setup, predict, learn: number of instructions of each function, or [fewest, most].
        operations: names of the operations allowed, for all functions or as {"setup": [...], ...}; None allows every
        one.
        probabilities: True where s1 is squashed to a probability after predict, for classification.
        error_limit: an absolute error above it ends a program with the worst fitness.
        mutation_probability: share of children that differ from their parent (0.9 in the paper).
        mutations: kinds of mutation, drawn with equal probability, see `program_variation.MUTATIONS`; None takes
            alter, insert, remove and randomize where lengths vary, and alter, replace and randomize where none does.

    Raises:
        InvalidInput: a size, a name or a share that cannot be.

    Example:
        >>> space = ProgramSpace(features=2)
    """

    own_operations: ClassVar[tuple[Operation, ...]] = ()
    """Operations beside those of Table S1; a subclass lists its own (see `operations.own_operation`)."""

    features: int = 4
    scalars: int = 4
    vectors: int = 3
    matrices: int = 1
    setup: Size = (1, 10)
    predict: Size = (1, 10)
    learn: Size = (1, 10)
    operations: Operations = None
    probabilities: bool = False
    error_limit: float = 100.0
    mutation_probability: float = 0.9
    mutations: Sequence[str] | None = None

    def __post_init__(self) -> None:
        self.language = ProgramLanguage(
            self.features,
            self.scalars,
            self.vectors,
            self.matrices,
            self.probabilities,
            self.error_limit,
            self.own_operations,
        )
        self.text = ProgramText(self.language)
        self._sizes = [_size(name, getattr(self, name)) for name in FUNCTIONS]
        self._allowed = self._allowed_operations(self.operations)
        if not 0.0 <= self.mutation_probability <= 1.0:
            raise InvalidSpace(f"mutation_probability={self.mutation_probability}: a probability lies between 0 and 1")
        self._kinds = np.array([variation.MUTATIONS.index(kind) for kind in self._mutations()], np.int64)
        limits = [(low, high, len(every)) for (low, high), every in zip(self._sizes, self._allowed, strict=True)]
        table = np.zeros((len(FUNCTIONS), max(count for *_, count in limits)), np.int64)
        for part, numbers in enumerate(self._allowed):
            table[part, : len(numbers)] = sorted(numbers)
        self._arrays = (
            HEADER + RECORD * sum(high for _, high in self._sizes),
            np.array(limits, np.int64),
            table,
            self.language.table,
            np.array([0, self.scalars, self.vectors, self.matrices], np.int64),
            self.features,
        )

    def _mutations(self) -> Sequence[str]:
        """Returns the kinds of mutation to draw from."""
        if self.mutations is None:
            varying = any(low < high for low, high in self._sizes)
            return ("alter", "insert", "remove", "randomize") if varying else ("alter", "replace", "randomize")
        if isinstance(self.mutations, str) or not self.mutations:
            raise InvalidSpace(f"mutations={self.mutations!r}: give a list of at least one of {variation.MUTATIONS}")
        for kind in self.mutations:
            if kind not in variation.MUTATIONS:
                raise InvalidSpace(unknown("mutation", kind, variation.MUTATIONS))
        return self.mutations

    def _allowed_operations(self, operations: Operations) -> list[frozenset[int]]:
        """Returns the numbers of the operations that each function may use."""
        numbers = {item.name: number for number, item in enumerate(self.language.operations)}
        if operations is None:
            operations = list(numbers)
        if not isinstance(operations, Mapping):
            operations = dict.fromkeys(FUNCTIONS, operations)
        if set(operations) != set(FUNCTIONS):
            raise InvalidSpace(f"operations for {sorted(operations)}: give them for setup, predict and learn")
        allowed = []
        for name in FUNCTIONS:
            if isinstance(operations[name], str):
                raise InvalidSpace(f"operations={operations[name]!r}: give a list of names")
            for operation in operations[name]:
                if operation not in numbers:
                    raise InvalidSpace(unknown("operation", operation, numbers))
            possible = [number for item, number in numbers.items() if item in operations[name] and self._fits(number)]
            if not possible:
                raise InvalidSpace(f"{name} has no operation that this memory can hold; allow more operations")
            allowed.append(frozenset(possible))
        return allowed

    def _fits(self, number: int) -> bool:
        """True where memory has addresses for all that an operation reads and writes."""
        item = self.language.operations[number]
        writable = {"s": self.language.scalars - 1, "v": self.language.vectors - 1, "m": self.language.matrices}
        return all(self.language.count(kind) for kind in item.inputs) and (not item.output or writable[item.output] > 0)

    # --- proposing ---------------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Candidate:
        return self.sample_many(1, rng)[0]

    def sample_many(self, n: int, rng: np.random.Generator) -> list[Candidate]:
        return self._candidates(*variation.sample(n, *self._arrays, _seed(rng)))

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        return self.mutate_many([candidate], rng)[0]

    def mutate_many(self, candidates: Sequence[Candidate], rng: np.random.Generator) -> list[Candidate]:
        if not candidates:
            return []
        parents, _, offsets = join([self.code(candidate) for candidate in candidates])
        probability = float(self.mutation_probability)
        return self._candidates(
            *variation.mutate(parents, offsets, *self._arrays, self._kinds, probability, _seed(rng))
        )

    def crossover(self, one: Candidate, other: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a program that takes each function from one of its parents."""
        choices = rng.random(len(FUNCTIONS)) < 0.5
        pairs = zip(choices, decode(self.code(one)), decode(self.code(other)), strict=True)
        return ProgramCandidate(encode([first if left else second for left, first, second in pairs]), self.text)

    def _candidates(self, codes: np.ndarray, lengths: np.ndarray) -> list[Candidate]:
        width, every, text = codes.shape[1], codes.tobytes(), self.text
        return [
            ProgramCandidate(every[begin : begin + length], text)
            for begin, length in zip(range(0, len(every), width), lengths.tolist(), strict=True)
        ]

    # --- what a candidate is -----------------------------------------------------------------------------------------

    def code(self, candidate: Candidate) -> bytes:
        """Returns the encoded program of a candidate."""
        if isinstance(candidate, ProgramCandidate):
            return candidate.code
        return self.text.read_program(candidate.value)

    def decode(self, value: Any) -> Candidate:
        code = self.text.read_program(value)
        at = HEADER
        for name, length, (low, high), allowed in zip(FUNCTIONS, code, self._sizes, self._allowed, strict=False):
            if not low <= length <= high:
                raise InvalidCandidate(
                    f"{name} has {length} instructions; this space has {low if low == high else f'{low} to {high}'}"
                )
            end = at + RECORD * length
            if not allowed.issuperset(code[at:end:RECORD]):
                self._refuse(name, code[at:end], allowed)
            at = end
        return ProgramCandidate(code, self.text)

    def reads_back(self, candidates: Sequence[Candidate]) -> bool:
        """Returns True where all are encoded already: such candidates read back as themselves."""
        text = self.text
        return all(type(one) is ProgramCandidate and one._text is text for one in candidates)

    def _refuse(self, name: str, records: bytes, allowed: Collection[int]) -> NoReturn:
        for number, at in enumerate(range(0, len(records), RECORD), 1):
            if records[at] not in allowed:
                line = self.text.write(decode_record(records[at : at + RECORD]))
                operation = self.language.operations[records[at]].name
                raise InvalidCandidate(f"{name} line {number}: {line!r}: this space does not allow {operation!r}")
        raise AssertionError

    def size(self) -> int | None:
        """Returns None: constants make programs a continuum."""
        return None

    def behaviour(self, candidate: Candidate) -> Program:
        return Program(self.code(candidate), self.language)

    def describe(self, candidate: Candidate) -> str:
        """Returns the simplified program in one line."""
        functions = self.text.write_program(self.simplified(candidate))
        return " | ".join(f"{name}: {'; '.join(lines) or 'nothing'}" for name, lines in functions.items())

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns the number of instructions that this encoding executes for a training example, dead ones included."""
        code = self.code(candidate)
        return _costs(code[1] + code[2])

    def simplified(self, candidate: Candidate) -> Functions:
        """Returns the program without instructions that change nothing, addresses numbered in order of use."""
        return simplified(self.language, self.code(candidate))

    def explanation(self, candidate: Candidate) -> list[str]:
        """Returns the simplified program line by line, each with what it does."""
        lines = []
        for name, function in zip(FUNCTIONS, self.simplified(candidate), strict=True):
            lines.append(f"{name}:")
            written = [self.text.write(instruction) for instruction in function]
            width = max(map(len, written), default=0)
            for text, instruction in zip(written, function, strict=True):
                lines.append(f"    {text:<{width}}  # {explain(self.language, instruction)}")
        return lines

    def exported(self, candidate: Candidate) -> str:
        """Returns the source of a Python file that needs numpy alone and predicts what the program predicts."""
        return exported(self.language, self.code(candidate), self.describe(candidate))

    def settings(self) -> Mapping[str, Any]:
        return {item.name: _plain(getattr(self, item.name)) for item in dataclasses.fields(self)}


@functools.cache
def _costs(instructions: int) -> Mapping[str, float]:
    """Returns one mapping for all programs of a length, which then write it only once."""
    return {"instructions": float(instructions)}


def _plain(value: Any) -> Any:
    """Returns a setting as JSON data."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return list(value) if isinstance(value, list | tuple) else value


def _size(name: str, size: Size) -> tuple[int, int]:
    low, high = (size, size) if isinstance(size, int) else tuple(size) if len(size) == 2 else (-1, -1)
    if not (isinstance(low, int) and isinstance(high, int) and 0 <= low <= high <= LONGEST):
        raise InvalidSpace(f"{name}={size!r}: give a number of instructions from 0 to {LONGEST}, or [fewest, most]")
    return low, high


def _seed(rng: np.random.Generator) -> np.uint64:
    return np.uint64(rng.integers(0, 2**63, dtype=np.int64))
