"""Expressions as Python source, for numpy and for torch: one line for each distinct operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from automl.errors import InvalidInput
from automl.spaces.expressions.operators import Operator
from automl.spaces.expressions.running import Step, steps_of
from automl.spaces.expressions.tree import Tree

Framework = Literal["numpy", "torch"]


class _Piece(str):
    """A piece of source that stands for an argument in an operator's template; `{0:t}` asks for a tensor."""

    __slots__ = ("constant",)

    constant: bool

    def __format__(self, how: str) -> str:
        if how == "t" and self.constant:
            return f"torch.tensor({self}, dtype=torch.float64)"  # a 0-dimensional tensor widens no other
        if how and self.startswith("{"):
            return f"{self[:-1]}:{how}}}"  # an argument of a defined operator: the question is passed on
        return str(self)


def _piece(text: str, constant: bool = False) -> _Piece:
    piece = _Piece(text)
    piece.constant = constant
    return piece


def _number(value: float) -> _Piece:
    if value != value or value in (float("inf"), float("-inf")):
        return _piece(f'float("{value}")', constant=True)
    return _piece(repr(value) if value >= 0 else f"({value!r})", constant=True)


def _template(operator: Operator, framework: Framework) -> str:
    return operator.numpy if framework == "numpy" else operator.torch


def inlined(tree: Tree, operators: Mapping[str, Operator], variables: Sequence[str], framework: Framework) -> str:
    """Returns a tree as one Python expression with {0} and {1} for variables; empty where an operator has no source."""
    pieces: list[_Piece] = []
    for step in steps_of(tree, operators, variables):
        if step.operator is not None:
            template = _template(step.operator, framework)
            if not template:
                return ""
            pieces.append(_piece(f"({template.format(*(pieces[number] for number in step.arguments))})"))
        elif step.arguments:
            pieces.append(_piece(f"{{{step.arguments[0]}}}"))
        else:
            pieces.append(_number(step.value))
    return pieces[-1].removeprefix("(").removesuffix(")") if pieces[-1].count("(") == 1 else str(pieces[-1])


def lines_of(
    tree: Tree, operators: Mapping[str, Operator], variables: Sequence[str], framework: Framework
) -> tuple[list[str], str]:
    """Returns assignments, one for each distinct operation, and the source of the result.

    Raises:
        InvalidInput: an operator of the user's own has no source for this framework.
    """
    lines: list[str] = []
    names: list[_Piece] = []
    for step in steps_of(tree, operators, variables):
        if step.operator is not None:
            name = f"t{len(lines) + 1}"
            lines.append(f"{name} = {_filled_in(step, names, framework)}")
            names.append(_piece(name))
        elif step.arguments:
            names.append(_piece(variables[step.arguments[0]]))
        else:
            names.append(_number(step.value))
    if names[-1].constant:
        return lines, f"{'np' if framework == 'numpy' else 'torch'}.full_like({variables[0]}, {names[-1]})"
    return lines, str(names[-1])


def _filled_in(step: Step, names: Sequence[_Piece], framework: Framework) -> str:
    assert step.operator is not None
    template = _template(step.operator, framework)
    if not template:
        raise InvalidInput(
            f"operator {step.operator.name!r} has no {framework} source, so the function cannot be exported; "
            f"give Operator({step.operator.name!r}, …, {framework}='…')"
        )
    return template.format(*(names[number] for number in step.arguments))
