"""The text of expressions, such as `x * sigmoid(x)`: written from trees, read by a parser of our own, never evaluated.

    sum    = term { ("+" | "-") term }
    term   = factor { ("*" | "/") factor }
    factor = "-" factor | number | "-" number | variable | operator "(" sum { "," sum } ")" | "(" sum ")"

`-0.5` is a constant and `-(0.5)` the negative of one; the rest is as in school. Writing and reading keep the tree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import NoReturn

from automl.errors import InvalidCandidate
from automl.registry import unknown
from automl.spaces.expressions.operators import PRECEDENCE, SIGNS, Operator
from automl.spaces.expressions.tree import Call, Constant, Tree, Variable

DEEPEST = 100
"""Levels of nesting that the parser follows; far more than a readable formula has."""

_TOKEN = re.compile(r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<sign>[-+*/(),]))")
_BY_SIGN = {sign: name for name, sign in SIGNS.items()}


def write(tree: Tree) -> str:
    """Returns the text of a tree; `read` gives the same tree again."""
    return _write(tree)


def number_text(value: float) -> str:
    """Returns the shortest text that reads back as this number."""
    text = repr(float(value))
    return text.removesuffix(".0")


def _write(tree: Tree) -> str:
    if isinstance(tree, Variable):
        return tree.name
    if isinstance(tree, Constant):
        return number_text(tree.value)
    if tree.operator == "neg":
        (argument,) = tree.arguments
        plain = isinstance(argument, Variable) or (isinstance(argument, Call) and argument.operator not in PRECEDENCE)
        return f"-{_write(argument)}" if plain else f"-({_write(argument)})"
    if tree.operator in SIGNS:
        own = PRECEDENCE[tree.operator]
        left, right = tree.arguments
        one, other = _write(left), _write(right)
        one = f"({one})" if precedence(left) < own else one
        other = f"({other})" if precedence(right) <= own else other
        return f"{one} {SIGNS[tree.operator]} {other}"
    return f"{tree.operator}({', '.join(map(_write, tree.arguments))})"


def precedence(tree: Tree) -> int:
    """Returns how strongly a tree's text holds together: 1 sums, 2 products, 3 negatives, 4 what stands alone."""
    return PRECEDENCE.get(tree.operator, 4) if isinstance(tree, Call) else 4


def read(
    text: str,
    operators: Mapping[str, Operator],
    variables: Collection[str],
    refused: Callable[[str], str | None] = lambda _: None,
) -> Tree:
    """Reads the text of an expression.

    Args:
        text: such as `max(x, 0.1 * x)`.
        operators: by name.
        variables: names that stand for arguments.
        refused: says why an operator must not be used here, or None where nothing is against it.

    Raises:
        InvalidCandidate: the text is no expression over these operators and variables; the message names the position,
            counted from 1.
    """
    return _Reader(text, operators, variables, refused).whole()


class _Reader:
    def __init__(
        self,
        text: str,
        operators: Mapping[str, Operator],
        variables: Collection[str],
        refused: Callable[[str], str | None],
    ) -> None:
        self._text, self._operators, self._variables, self._refused = text, operators, variables, refused
        self._tokens: list[tuple[str, str, int]] = []
        self._next = 0
        self._level = 0
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                place = at + len(text[at:]) - len(text[at:].lstrip())
                self._refuse(f"unexpected {text[place]!r}", place)
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind], match.start(kind)))
            at = match.end()
        self._tokens.append(("end", "the end", len(text)))

    def whole(self) -> Tree:
        tree = self._sum()
        kind, token, at = self._tokens[self._next]
        if kind != "end":
            self._refuse(f"unexpected {token!r}", at)
        return tree

    def _refuse(self, what: str, at: int, advice: str = "") -> NoReturn:
        shown = self._text if len(self._text) <= 80 else self._text[:77] + "..."
        raise InvalidCandidate(f"{what} at position {at + 1} of {shown!r}" + (f"; {advice}" if advice else ""))

    def _take(self) -> tuple[str, str, int]:
        token = self._tokens[self._next]
        self._next += token[0] != "end"
        return token

    def _found(self, signs: str) -> str:
        kind, token, _ = self._tokens[self._next]
        if kind == "sign" and token in signs:
            self._next += 1
            return token
        return ""

    def _sum(self) -> Tree:
        self._level += 1
        if self._level > DEEPEST:
            self._refuse(f"nested more than {DEEPEST} deep", self._tokens[self._next][2])
        tree = self._term()
        while sign := self._found("+-"):
            tree = Call(_BY_SIGN[sign], (tree, self._term()))
        self._level -= 1
        return tree

    def _term(self) -> Tree:
        tree = self._factor()
        while sign := self._found("*/"):
            tree = Call(_BY_SIGN[sign], (tree, self._factor()))
        return tree

    def _factor(self) -> Tree:
        kind, token, at = self._take()
        if (kind, token) == ("sign", "-"):
            if self._tokens[self._next][0] == "number":
                _, digits, at = self._take()
                return self._constant("-" + digits, at)
            self._level += 1
            if self._level > DEEPEST:
                self._refuse(f"nested more than {DEEPEST} deep", at)
            negative = Call("neg", (self._factor(),))
            self._level -= 1
            return negative
        if kind == "number":
            return self._constant(token, at)
        if kind == "name":
            return self._named(token, at)
        if (kind, token) == ("sign", "("):
            tree = self._sum()
            self._close()
            return tree
        return self._refuse(
            "expected a number, a variable or an operator" + (f", not {token!r}" if kind != "end" else ""), at
        )

    def _constant(self, digits: str, at: int) -> Tree:
        value = float(digits)
        if not math.isfinite(value):
            self._refuse(f"constant {digits} is too large", at)
        return Constant(value + 0.0)

    def _named(self, name: str, at: int) -> Tree:
        if not self._found("("):
            if name in self._variables:
                return Variable(name)
            if name in self._operators:
                return self._refuse(f"operator {name!r} without arguments", at, f"write {name}(…)")
            return self._unknown("variable", name, at, self._variables)
        if name not in self._operators:
            allowed = [item for item in self._operators if self._refused(item) is None]
            return self._unknown("operator", name, at, allowed)
        if reason := self._refused(name):
            what, _, advice = reason.partition("; ")
            self._refuse(what, at, advice)
        arguments = [self._sum()]
        while self._found(","):
            arguments.append(self._sum())
        self._close()
        arity = self._operators[name].arity
        if len(arguments) != arity:
            plural = "" if arity == 1 else "s"
            self._refuse(f"operator {name!r} takes {arity} argument{plural} and was given {len(arguments)}", at)
        return Call(name, tuple(arguments))

    def _unknown(self, what: str, name: str, at: int, known: Collection[str]) -> NoReturn:
        message, _, hint = unknown(what, name, known).partition("; ")
        self._refuse(message, at, hint)

    def _close(self) -> None:
        kind, token, at = self._tokens[self._next]
        if not self._found(")"):
            self._refuse("expected ')'" + ("" if kind == "end" else f", not {token!r}"), at)
