"""Shorter encodings of the same function, for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat

import numpy as np

from automl.spaces.expressions.operators import Operator
from automl.spaces.expressions.tree import Call, Constant, Tree, Variable


def simplified(tree: Tree, operators: Mapping[str, Operator]) -> Tree:
    """Returns a tree of the same values, without what does nothing.

    These go: sums with 0, products with 1, double negatives, extrema of equals, differences of a variable with itself,
    and calculations with constants alone.
    """
    if not isinstance(tree, Call):
        return tree
    arguments = tuple(map(simplified, tree.arguments, repeat(operators)))
    values = [argument.value for argument in arguments if isinstance(argument, Constant)]
    if len(values) == len(arguments):
        with np.errstate(all="ignore"):
            value = float(operators[tree.operator].value(*map(np.float64, values)))
        if np.isfinite(value):
            return Constant(value)
    found = _neutral(tree.operator, arguments)
    return Call(tree.operator, arguments) if found is None else found


def _neutral(operator: str, arguments: tuple[Tree, ...]) -> Tree | None:
    """Returns the argument that a call equals, or None."""
    first, last = arguments[0], arguments[-1]
    if operator == "neg" and isinstance(first, Call) and first.operator == "neg":
        return first.arguments[0]
    if operator in ("max", "min") and first == last:
        return first
    if operator == "sub" and first == last and isinstance(first, Variable):
        return Constant(0.0)
    for rule, one, other in (("add", last, first), ("add", first, last), ("mul", last, first), ("mul", first, last)):
        if operator == rule and other == Constant(0.0 if rule == "add" else 1.0):
            return one
    if (operator, last) in (("sub", Constant(0.0)), ("div", Constant(1.0))):
        return first
    return None
