"""Programs made readable: dead instructions out, addresses numbered in the order in which they are first used."""

from __future__ import annotations

import numpy as np

from automl.programs.analysis import mark_live
from automl.programs.code import Functions, Instruction, decode
from automl.programs.language import ProgramLanguage

_FIXED = {"s": {0: 0, 1: 1}, "v": {0: 0}, "m": {}}  # label, prediction and features keep their places


def simplified(language: ProgramLanguage, code: bytes) -> Functions:
    """Returns the live instructions of a program, with addresses renumbered; it computes the same, draws included."""
    marks = np.zeros(sum(code[:3]), np.uint8)
    mark_live(np.frombuffer(code, np.uint8), language.table, marks, language.scalars, language.vectors)
    live = iter(marks.tolist())
    kept = [[item for item in function if next(live)] for function in decode(code)]
    numbers: dict[str, dict[int, int]] = {kind: dict(fixed) for kind, fixed in _FIXED.items()}

    def place(kind: str, address: int) -> int:
        return numbers[kind].setdefault(address, len(numbers[kind]))

    renamed: list[tuple[Instruction, ...]] = []
    for function in kept:
        out = []
        for item in function:
            operation = language.operations[item.operation]
            inputs = zip(operation.inputs, (item.first, item.second), strict=False)
            operands = [place(kind, address) for kind, address in inputs]
            first, second = (*operands, 0, 0)[:2]
            out.append(item._replace(out=place(operation.output, item.out), first=first, second=second))
        renamed.append(tuple(out))
    return renamed[0], renamed[1], renamed[2]
