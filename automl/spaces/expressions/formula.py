"""Expressions as people read them: a formula in one line, and a picture of the operations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from automl.spaces.expressions.operators import PRECEDENCE, Operator
from automl.spaces.expressions.running import steps_of
from automl.spaces.expressions.text import number_text, precedence
from automl.spaces.expressions.tree import Constant, Tree, Variable

if TYPE_CHECKING:
    import networkx

_ATOM = re.compile(r"\(([^\W²³]+)\)(?=[²³])|(?<=√)\((\w+)\)")


def formula(tree: Tree, operators: Mapping[str, Operator]) -> str:
    """Returns the formula, such as `x · σ(x)`, numbers to four digits."""
    if isinstance(tree, Variable):
        return tree.name
    if isinstance(tree, Constant):
        return _shown(tree.value)
    parts = list(map(formula, tree.arguments, repeat(operators)))
    own = PRECEDENCE.get(tree.operator)
    if own is not None:
        # a sum on the right of a sum needs no parentheses for the reader, though the text keeps them
        needs = {"add": (1, 1), "sub": (1, 2), "mul": (2, 2), "div": (2, 3), "neg": (2, 2)}[tree.operator]
        for place, argument in enumerate(tree.arguments):
            negative = parts[place].startswith("−") and (place > 0 or tree.operator == "neg")
            if precedence(argument) < needs[place] or negative:
                parts[place] = f"({parts[place]})"
    template = operators[tree.operator].formula
    if "|" in template and "|" in parts[0]:
        template = template.replace(
            "|{0}|", "abs({0})" if template == "|{0}|" else "(abs({0}))"
        )  # bars in bars confuse
    return _ATOM.sub(lambda match: match[1] or match[2], template.format(*parts))


def _shown(value: float) -> str:
    return number_text(float(f"{value:.4g}")).replace("-", "−")


def picture(tree: Tree, operators: Mapping[str, Operator], variables: Sequence[str], result: str) -> networkx.DiGraph:
    """Returns the distinct operations as a graph from the variables down to `result`; equal subtrees are drawn once."""
    import networkx

    graph = networkx.DiGraph()
    steps = steps_of(tree, operators, variables)
    for number, step in enumerate(steps):
        if step.operator is None:
            label = variables[step.arguments[0]] if step.arguments else _shown(step.value)
        else:
            label = _label(step.operator)
        graph.add_node(number, label=label)
        sides = ("left", "right") if step.operator is not None and step.operator.name in ("sub", "div") else ("", "")
        for place, argument in enumerate(step.arguments if step.operator is not None else ()):
            graph.add_edge(argument, number, label="both" if graph.has_edge(argument, number) else sides[place])
    graph.add_node("result", label=result)
    graph.add_edge(len(steps) - 1, "result", label="")
    return graph.subgraph(networkx.ancestors(graph, "result") | {"result"}).copy()


def _label(operator: Operator) -> str:
    shown = operator.formula.format("·", "·") if operator.arity == 1 else operator.formula
    return {"add": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−", "relu": "max(·, 0)"}.get(
        operator.name, operator.name if operator.arity == 2 else shown.replace("(·)²", "·²").replace("(·)³", "·³")
    )
