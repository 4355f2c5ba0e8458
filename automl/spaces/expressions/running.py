"""Running expressions on arrays: values, and derivatives by forward accumulation through each distinct subtree once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.errors import InvalidSpace
from automl.spaces.expressions.operators import Operator
from automl.spaces.expressions.tree import Call, Constant, Tree, Variable


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a compiled expression: a variable, a constant, or a call.

    Attributes:
        tree: Subtree that the step computes.
        operator: `Operator` of a call; None for variables and constants.
        arguments: Numbers of the steps whose values the operator takes; for a variable, the number of the function's
            argument.
        value: Value of a constant.

    Example:
        >>> from automl.spaces.expressions.operators import BUILT_IN
        >>> from automl.spaces.expressions.tree import Call, Variable
        >>> x = Variable("x")
        >>> first, last = steps_of(Call("tanh", (x,)), BUILT_IN, ["x"])
        >>> last.arguments  # it takes the value of step 0
        (0,)
    """

    tree: Tree
    operator: Operator | None = None
    arguments: tuple[int, ...] = ()
    value: float = 0.0


def steps_of(tree: Tree, operators: Mapping[str, Operator], variables: Sequence[str]) -> list[Step]:
    """Returns the operations of a tree as a list of `Step`, in running order; equal subtrees become one step.

    A subtree without variables becomes a constant. The last step is the whole tree.

    Example:
        >>> from automl.spaces.expressions.operators import BUILT_IN
        >>> from automl.spaces.expressions.tree import Call, Variable
        >>> once = Call("tanh", (Variable("x"),))
        >>> len(steps_of(Call("add", (once, once)), BUILT_IN, ["x"]))  # x, tanh(x) and the sum: equal subtrees run once
        3
    """
    steps: list[Step] = []
    # leaves stand for themselves, calls as operator and steps: hashing whole trees would take as deep a stack
    known: dict[Variable | Constant | tuple[str, tuple[int, ...]], int] = {}

    def visit(part: Tree) -> int:
        numbers = tuple(map(visit, part.arguments)) if isinstance(part, Call) else ()
        shape = (part.operator, numbers) if isinstance(part, Call) else part
        if shape in known:
            return known[shape]
        if isinstance(part, Variable):
            step = Step(part, None, (variables.index(part.name),))
        elif isinstance(part, Constant):
            step = Step(part, value=part.value)
        else:
            operator = operators[part.operator]
            step = Step(part, operator, numbers)
            if all(_is_constant(steps[number]) for number in numbers):
                with np.errstate(all="ignore"):
                    step = Step(
                        part, value=float(operator.value(*(np.float64(steps[number].value) for number in numbers)))
                    )
        known[shape] = len(steps)
        steps.append(step)
        return len(steps) - 1

    visit(tree)
    return steps


def _is_constant(step: Step) -> bool:
    return step.operator is None and not step.arguments


class Compiled:
    """Expression that has been compiled to a function on numpy arrays, optionally with its derivative.

    `value(*arrays)` and `value_and_derivative(*arrays)` take one array per variable, all of one shape, and return
    arrays of that shape and type. Value and derivative are elementwise. Outside its domain an operator gives what numpy
    gives (NaN, an infinity).

    Args:
        tree: Expression to compile.
        operators: Mapping from name to `Operator`, such as `BUILT_IN`.
        variables: Names of the arguments, in order.
        towards: Name of the variable with respect to which the derivative is taken. If None, the derivative is 0.

    Raises:
        InvalidSpace: an operator on a path from the root of the tree to the variable `towards` has no derivative.

    Example:
        >>> from automl.spaces.expressions.operators import BUILT_IN
        >>> from automl.spaces.expressions.tree import Call, Variable
        >>> x = Variable("x")
        >>> square = Compiled(Call("mul", (x, x)), BUILT_IN, ["x"], towards="x")
        >>> value, derivative = square.value_and_derivative(np.array([1.0, 3.0]))
        >>> value.tolist(), derivative.tolist()
        ([1.0, 9.0], [2.0, 6.0])
    """

    def __init__(
        self, tree: Tree, operators: Mapping[str, Operator], variables: Sequence[str], towards: str | None = None
    ) -> None:
        self.steps = steps_of(tree, operators, variables)
        self._place = variables.index(towards) if towards is not None else -1
        self._sloped: list[bool] = []
        for step in self.steps:
            if step.operator is None:
                self._sloped.append(step.arguments == (self._place,))
                continue
            sloped = any(self._sloped[number] for number in step.arguments)
            if sloped and step.operator.derivative is None:
                raise InvalidSpace(without_derivative(step.operator.name))
            self._sloped.append(sloped)

    def value(self, *arguments: Any) -> Any:
        """Returns the value at each element of the arguments, which are arrays of equal shape.

        Returns:
            An array of that shape and of the arguments' type.
        """
        values: list[Any] = []
        for step in self.steps:
            if step.operator is None:
                values.append(arguments[step.arguments[0]] if step.arguments else _number(step.value, arguments[0]))
            else:
                values.append(step.operator.value(*(values[number] for number in step.arguments)))
        return _filled(values[-1], arguments[0])

    def value_and_derivative(self, *arguments: Any) -> tuple[Any, Any]:
        """Returns the values, and the derivative with respect to `towards`, both of the arguments' shape and type."""
        values: list[Any] = []
        slopes: list[Any] = []
        for step, sloped in zip(self.steps, self._sloped, strict=True):
            if step.operator is None:
                values.append(arguments[step.arguments[0]] if step.arguments else _number(step.value, arguments[0]))
                slopes.append(1.0)
                continue
            given = [values[number] for number in step.arguments]
            values.append(step.operator.value(*given))
            slopes.append(self._slope(step, given, slopes) if sloped else 0.0)
        return _filled(values[-1], arguments[0]), _filled(slopes[-1] if self._sloped[-1] else 0.0, arguments[0])

    def _slope(self, step: Step, given: Sequence[Any], slopes: Sequence[Any]) -> Any:
        """Returns the chain rule's sum, over the arguments that depend on `towards`."""
        assert step.operator is not None
        assert step.operator.derivative is not None
        partial = step.operator.derivative(*given)
        partials = partial if isinstance(partial, tuple) else (partial,)
        total: Any = None
        for number, item in zip(step.arguments, partials, strict=True):
            if self._sloped[number]:
                slope = slopes[number]
                term = item if isinstance(slope, float) and slope == 1.0 else item * slope
                total = term if total is None else total + term
        return total


def without_derivative(name: str) -> str:
    """Returns the error message for an operator whose derivative is needed and missing.

    Example:
        >>> print(without_derivative("heaviside"))
        operator 'heaviside' has no derivative, and these functions are trained through; ...
    """
    return (
        f"operator {name!r} has no derivative, and these functions are trained through; "
        f"give Operator({name!r}, …, derivative=…), or leave the operator out"
    )


def _number(value: float, like: Any) -> Any:
    """Returns a constant in the precision of the arguments; unlike Python's numbers, it can be divided by zero."""
    return getattr(like, "dtype", np.dtype(np.float64)).type(value)


def _filled(result: Any, like: Any) -> Any:
    """Returns a result that is a mere number as an array shaped like the arguments."""
    return np.full_like(like, result) if isinstance(result, float | int | np.generic) else result
