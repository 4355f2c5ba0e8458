"""New operators from old ones, by a formula: value, derivative and exported source follow from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from automl.errors import InvalidSpace
from automl.spaces.expressions.operators import BUILT_IN, Operator
from automl.spaces.expressions.running import Compiled
from automl.spaces.expressions.source import inlined
from automl.spaces.expressions.text import read
from automl.spaces.expressions.tree import Call, walk

_HEAD = re.compile(r"\s*([^\W\d]\w*)\s*\(\s*([^\W\d]\w*)\s*(?:,\s*([^\W\d]\w*)\s*)?\)\s*=(.*)", re.DOTALL)


def define(text: str, operators: Mapping[str, Operator] = BUILT_IN) -> Operator:
    """Returns the operator that a line such as `mish(x) = x * tanh(softplus(x))` defines.

    Args:
        text: Line of the form `name(arguments) = expression`, with one or two arguments.
        operators: Mapping from name to the `Operator` that the expression may use.

    Raises:
        InvalidSpace: the line has another form.
        InvalidCandidate: the expression cannot be read; the message names the position.

    Example:
        >>> mish = define("mish(x) = x * tanh(softplus(x))")
        >>> mish.name, mish.arity, round(float(mish.value(1.0)), 4)
        ('mish', 1, 0.8651)
        >>> define("x * tanh(x)")
        Traceback (most recent call last):
        automl.errors.InvalidSpace: 'x * tanh(x)' defines no operator; write it as 'mish(x) = x * tanh(softplus(x))'
    """
    match = _HEAD.fullmatch(text)
    if match is None:
        raise InvalidSpace(f"{text!r} defines no operator; write it as 'mish(x) = x * tanh(softplus(x))'")
    name, *arguments = (item for item in match.groups()[:3] if item)
    tree = read(match[4], operators, arguments)
    used = {operators[item.operator] for _, item in walk(tree) if isinstance(item, Call)}
    derivative = None
    if all(item.derivative is not None for item in used):
        towards = [Compiled(tree, operators, arguments, argument) for argument in arguments]

        def derivative(*given: Any) -> Any:
            slopes = tuple(compiled.value_and_derivative(*given)[1] for compiled in towards)
            return slopes if len(slopes) == 2 else slopes[0]

    return Operator(
        name,
        Compiled(tree, operators, arguments).value,
        derivative,
        numpy=inlined(tree, operators, arguments, "numpy"),
        torch=inlined(tree, operators, arguments, "torch"),
        arity=len(arguments),
    )
