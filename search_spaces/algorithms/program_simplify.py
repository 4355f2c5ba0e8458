"""Programs made readable: what changes nothing is left out, addresses are numbered in the order of their first use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automl.spaces.programs.analysis import mark_live
from automl.spaces.programs.code import FUNCTIONS, Functions, Instruction, decode, encode
from automl.spaces.programs.draws import normals
from automl.spaces.programs.language import ProgramLanguage

_FIXED = {"s": {0: 0, 1: 1}, "v": {0: 0}, "m": {}}  # label, prediction and features keep their places

_SEEDS = (11, 12, 13)
_EXAMPLES = 40  # to learn from, and as many that are only predicted


def pruned(language: ProgramLanguage, code: bytes) -> Functions:
    """Returns the live instructions of a program, addresses renumbered. It computes the same bits, draws included."""
    return _renumbered(language, _live(language, code))


def simplified(language: ProgramLanguage, code: bytes) -> Functions:
    """Returns a program without the instructions that change no bit of its predictions on three trial tasks.

    That finds more than `pruned` does (sums of zeros, say), by evidence and not by proof. A program that ends early
    on a trial task is only pruned.
    """
    current = _live(language, code)
    wanted = _behaviour(language, [encode(current)])[0]
    if np.isfinite(wanted).all():
        while True:
            shorter = [_without(current, part, n) for part in range(len(FUNCTIONS)) for n in range(len(current[part]))]
            if not shorter:
                break
            same = (_behaviour(language, [encode(program) for program in shorter]) == wanted).all(axis=1)
            if not same.any():
                break
            current = shorter[int(same.argmax())]
    return _renumbered(language, current)


def _live(language: ProgramLanguage, code: bytes) -> Sequence[Sequence[Instruction]]:
    marks = np.zeros(sum(code[: len(FUNCTIONS)]), np.uint8)
    mark_live(np.frombuffer(code, np.uint8), language.table, marks, language.scalars, language.vectors)
    live = iter(marks.tolist())
    return [[item for item in function if next(live)] for function in decode(code)]


def _without(program: Sequence[Sequence[Instruction]], part: int, n: int) -> Sequence[Sequence[Instruction]]:
    return [
        [*function[:n], *function[n + 1 :]] if place == part else function for place, function in enumerate(program)
    ]


def _behaviour(language: ProgramLanguage, codes: Sequence[bytes]) -> np.ndarray:
    """Returns all predictions of each program on the trial tasks, in one row."""
    rows = []
    for seed in _SEEDS:
        inputs = normals((2 * _EXAMPLES, language.features), seed, 5)
        labels = normals((_EXAMPLES,), seed, 6)
        labels = (labels > 0).astype(np.float64) if language.probabilities else labels
        rows.append(language.predictions(codes, inputs[:_EXAMPLES], labels, inputs[_EXAMPLES:], seed=seed))
    return np.concatenate(rows, axis=1)


def _renumbered(language: ProgramLanguage, program: Sequence[Sequence[Instruction]]) -> Functions:
    numbers: dict[str, dict[int, int]] = {kind: dict(fixed) for kind, fixed in _FIXED.items()}

    def place(kind: str, address: int) -> int:
        return numbers[kind].setdefault(address, len(numbers[kind]))

    renamed: list[tuple[Instruction, ...]] = []
    for function in program:
        out = []
        for item in function:
            operation = language.operations[item.operation]
            inputs = zip(operation.inputs, (item.first, item.second), strict=False)
            operands = [place(kind, address) for kind, address in inputs]
            first, second = (*operands, 0, 0)[:2]
            out.append(item._replace(out=place(operation.output, item.out), first=first, second=second))
        renamed.append(tuple(out))
    return renamed[0], renamed[1], renamed[2]
