"""The text of expressions, such as `x * sigmoid(x)`: written from trees, parsed by Python's `ast`, never evaluated.

    sum    = term { ("+" | "-") term }
    term   = factor { ("*" | "/") factor }
    factor = "-" factor | number | "-" number | variable | operator "(" sum { "," sum } ")" | "(" sum ")"

`-0.5` is a constant and `-(0.5)` the negative of one; the rest is as in school. Writing and reading keep the tree.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Collection, Mapping
from itertools import accumulate
from typing import NoReturn

from automl.errors import InvalidCandidate
from automl.registry import unknown
from automl.spaces.expressions.operators import PRECEDENCE, SIGNS, Operator
from automl.spaces.expressions.tree import Call, Constant, Tree, Variable, depth

DEEPEST = 100
"""Brackets inside brackets, and minuses in a row, that are read at most; far more than a readable formula has."""
TALLEST = 500
"""Operators of which each is an argument of the next, as in a long sum: whoever walks through a tree is as deep in
Python's stack."""
LONGEST = 100_000
"""Characters of a text that is read."""

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<sign>[-+*/(),])|(?P<other>\S)"
)
_OPERAND = "expected a number, a variable or an operator"
_BY_SIGN = {sign: name for name, sign in SIGNS.items()}
_BY_NODE: Mapping[type[ast.operator], str] = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}


def write(tree: Tree) -> str:
    """Returns the text of a tree; `read` gives the same tree again."""
    if isinstance(tree, Variable):
        return tree.name
    if isinstance(tree, Constant):
        return number_text(tree.value)
    if tree.operator == "neg":
        (argument,) = tree.arguments
        plain = isinstance(argument, Variable) or (isinstance(argument, Call) and argument.operator not in PRECEDENCE)
        return f"-{write(argument)}" if plain else f"-({write(argument)})"
    if tree.operator in SIGNS:
        own = PRECEDENCE[tree.operator]
        left, right = tree.arguments
        one, other = write(left), write(right)
        one = f"({one})" if precedence(left) < own else one
        other = f"({other})" if precedence(right) <= own else other
        return f"{one} {SIGNS[tree.operator]} {other}"
    return f"{tree.operator}({', '.join(map(write, tree.arguments))})"


def number_text(value: float) -> str:
    """Returns the shortest text that reads back as this number."""
    text = repr(float(value))
    return text.removesuffix(".0")


def is_readable(tree: Tree) -> bool:
    """Tells whether `read` takes what `write` makes of a tree: writing knows no limits."""
    if depth(tree) > TALLEST:
        return False
    text = write(tree)
    open_brackets = accumulate((sign == "(") - (sign == ")") for sign in text)
    return len(text) <= LONGEST and max(open_brackets) < DEEPEST


def precedence(tree: Tree) -> int:
    """Returns how strongly a tree's text holds together: 1 sums, 2 products, 3 negatives, 4 what stands alone."""
    return PRECEDENCE.get(tree.operator, 4) if isinstance(tree, Call) else 4


def shortened(text: str) -> str:
    """Returns a text as messages show it: 80 characters at most."""
    return text if len(text) <= 80 else text[:77] + "..."


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


_Token = tuple[str, str, int]
"""Its kind ("number", "name", "end", or the sign itself), how it is written, and its position from 0."""


class _Reader:
    """Reads one text: `_split` finds its tokens, `_check` refuses what cannot stand where it stands, `_tree` builds.

    Python's parser sees neither names nor numbers of the text: `_12` stands for the name that is token 12, and `12` for
    the number. So keywords, normalised identifiers and literals of other kinds have no say.
    """

    def __init__(
        self,
        text: str,
        operators: Mapping[str, Operator],
        variables: Collection[str],
        refused: Callable[[str], str | None],
    ) -> None:
        self._text, self._operators, self._variables, self._refused = text, operators, variables, refused
        if len(text) > LONGEST:
            raise InvalidCandidate(
                f"the expression {shortened(text)!r} has {len(text):,} characters; write at most {LONGEST:,}"
            )
        self._tokens: list[_Token] = []
        self._source = self._split()
        self._check()

    def whole(self) -> Tree:
        try:
            return self._tree(ast.parse(self._source, mode="eval").body, TALLEST)
        except (RecursionError, MemoryError):  # Python's parser, or this one's caller, is deep in the stack already
            self._refuse_height(0)

    def _split(self) -> str:
        """Finds the tokens and returns what Python's parser gets for them, a space between."""
        tokens, source = self._tokens, []
        for number, match in enumerate(_TOKEN.finditer(self._text)):
            kind, piece = match.lastgroup or "", match[0]
            if kind == "other":
                self._refuse(f"unexpected {piece!r}", match.start())
            if kind == "sign":
                kind = piece
            tokens.append((kind, piece, match.start()))
            source.append(f"_{number}" if kind == "name" else str(number) if kind == "number" else piece)
        tokens.append(("end", "the end", len(self._text)))
        return " ".join(source)

    def _check(self) -> None:
        """Refuses the first token that cannot follow those before it, and nesting deeper than `DEEPEST`."""
        brackets: list[bool] = []  # the open ones; True for those of an operator, which may hold a comma
        minuses, begun, before = 0, False, ""  # begun: an operand has begun, and may end here
        for kind, piece, at in self._tokens:
            if not begun:
                if kind not in ("number", "name", "(", "-"):
                    self._refuse(f"{_OPERAND}, not {piece!r}" if kind != "end" else _OPERAND, at)
                begun = kind in ("number", "name")
                minuses = minuses + 1 if kind == "-" else 0
                brackets += [False] if kind == "(" else []
            elif kind == "(" and before == "name":
                brackets.append(True)
                begun = False
            elif kind in _BY_SIGN or (kind == "," and brackets[-1:] == [True]):
                begun = False
            elif kind == ")" and brackets:
                brackets.pop()
            elif brackets:
                self._refuse("expected ')'" + ("" if kind == "end" else f", not {piece!r}"), at)
            elif kind != "end":
                self._refuse(f"unexpected {piece!r}", at)
            if len(brackets) + minuses > DEEPEST:
                self._refuse(f"nested more than {DEEPEST} deep", at)
            before = kind

    def _tree(self, node: ast.expr, room: int) -> Tree:
        """Returns the tree of a node, at most `room` operators high; only the kinds of nodes named here are known."""
        if room < 0:
            self._refuse_height(node.col_offset)
        match node:
            case ast.Constant(value=int(number)):
                return self._constant(number, "")
            case ast.Name(id=stand_in):
                return self._variable(int(stand_in[1:]))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))) if (
                self._tokens[number - 1][0] == "-"
            ):
                return self._constant(number, "-")
            case ast.UnaryOp(op=ast.USub()):
                name, arguments = "neg", [node.operand]
            case ast.BinOp() if type(node.op) in _BY_NODE:
                name, arguments = _BY_NODE[type(node.op)], [node.left, node.right]
            case ast.Call(func=ast.Name(id=stand_in), keywords=[]):
                name, arguments = self._tokens[int(stand_in[1:])][1], node.args
            case _:
                raise InvalidCandidate(f"{shortened(self._text)!r} is no expression")
        operator = self._operators.get(name)
        if operator is None or operator.arity != len(arguments) or self._refused(name) is not None:
            self._refuse_operator(name, node, len(arguments))
        trees = []
        for argument in arguments:
            trees.append(self._tree(argument, room - 1))  # noqa: PERF401 - a comprehension is a second frame a level
        return Call(name, tuple(trees))

    def _constant(self, number: int, sign: str) -> Constant:
        _, digits, at = self._tokens[number]
        value = float(sign + digits)
        if not math.isfinite(value):
            self._refuse(f"constant {sign}{shortened(digits)} is too large", at)
        return Constant(value + 0.0)

    def _variable(self, number: int) -> Variable:
        _, name, at = self._tokens[number]
        if name not in self._variables:
            if name in self._operators:
                self._refuse(f"operator {name!r} without arguments", at, f"write {name}(…)")
            self._unknown("variable", name, at, self._variables)
        return Variable(name)

    # --- what is wrong, in one sentence ------------------------------------------------------------------------------

    def _refuse(self, what: str, at: int, advice: str = "") -> NoReturn:
        raise InvalidCandidate(
            f"{what} at position {at + 1} of {shortened(self._text)!r}" + (f"; {advice}" if advice else "")
        )

    def _refuse_operator(self, name: str, node: ast.expr, given: int) -> NoReturn:
        number = self._source.count(" ", 0, node.col_offset)
        if isinstance(node, ast.BinOp):  # its sign stands behind the left side and the brackets round that
            number = self._source.count(" ", 0, node.left.end_col_offset) + 1
            while self._tokens[number][0] == ")":
                number += 1
        at = self._tokens[number][2]
        if name not in self._operators:
            self._unknown("operator", name, at, [item for item in self._operators if self._refused(item) is None])
        if reason := self._refused(name):
            what, _, advice = reason.partition("; ")
            self._refuse(what, at, advice)
        arity = self._operators[name].arity
        plural = "" if arity == 1 else "s"
        self._refuse(f"operator {name!r} takes {arity} argument{plural} and was given {given}", at)

    def _refuse_height(self, column: int) -> NoReturn:
        self._refuse(
            f"more than {TALLEST} operators, each an argument of the next (such as a sum of more terms),",
            self._tokens[self._source.count(" ", 0, column)][2],
        )

    def _unknown(self, what: str, name: str, at: int, known: Collection[str]) -> NoReturn:
        message, _, hint = unknown(what, name, known).partition("; ")
        self._refuse(message, at, hint)
