"""Terms: named operations, put together by four compositions; read from text by a parser of their own.

term = name | composition "(" term { "," term } ")" | "repeat" "(" term "," number ")"
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from automl.errors import InvalidCandidate
from automl.registry import unknown
from automl.spaces.options import shown

SEQUENCE, BRANCH, RESIDUAL, REPEAT = "sequence", "branch", "residual", "repeat"

COMPOSITIONS = (SEQUENCE, BRANCH, RESIDUAL, REPEAT)
"""How terms are put together: one after the other; side by side, summed; added to what came in; several times over."""

DEEPEST = 100
"""Brackets inside brackets that are read at most."""

LONGEST = 100_000
"""Characters of a text that is read."""

MOST_TIMES = 1000
"""Times that `repeat` may repeat a term, at most."""

_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z_]\w*)|(?P<number>\d{1,9})|(?P<sign>[(),])|(?P<other>\S))")


@dataclass(frozen=True, slots=True)
class Term:
    """One composition of operations.

    Attributes:
        name: Name of an operation, a rule, or one of the compositions `sequence`, `branch`, `residual`, `repeat`.
        parts: Tuple of the terms that a composition puts together; empty for anything else.
        times: Number of times that `repeat` repeats its part; 0 for anything else.

    Example:
        >>> str(Term("branch", (Term("conv3x3"), Term("skip"))))
        'branch(conv3x3, skip)'
    """

    name: str
    parts: tuple[Term, ...] = ()
    times: int = 0

    def __str__(self) -> str:
        inner = [str(part) for part in self.parts] + ([str(self.times)] if self.name == REPEAT else [])
        return f"{self.name}({', '.join(inner)})" if inner else self.name

    def leaves(self) -> Iterator[str]:
        """Yields the names at the leaves, from left to right; what is repeated once only."""
        if not self.parts:
            yield self.name
        for part in self.parts:
            yield from part.leaves()


def operation_counts(term: Term) -> Counter[str]:
    """Returns how often each operation is applied; what is repeated three times counts three times.

    Example:
        >>> operation_counts(read("sequence(pool, repeat(conv3x3, 3))", {"pool", "conv3x3"}))
        Counter({'conv3x3': 3, 'pool': 1})
    """
    if not term.parts:
        return Counter({term.name: 1})
    found: Counter[str] = Counter()
    for part in term.parts:
        found.update(operation_counts(part))
    times = max(1, term.times)
    return Counter({name: times * count for name, count in found.items()})


def read(text: str, names: Collection[str], where: str = "") -> Term:
    """Reads a term from its text.

    Args:
        text: Such as `sequence(conv3x3, residual(conv1x1))`; white space says nothing.
        names: Names that may stand at the leaves.
        where: Where the text stands, for the message.

    Raises:
        InvalidCandidate: the text is no term over these names; the message names the position, counted from 1.

    Example:
        >>> read("branch( a,b )", {"a", "b"})
        Term(name='branch', parts=(Term(name='a', parts=(), times=0), Term(name='b', parts=(), times=0)), times=0)
        >>> read("branch(a, c)", {"a", "b"})
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: 'branch(a, c)': unknown operation 'c'; known: a, b (position 11)
    """
    return _Reader(text, names, where).whole()


class _Reader:
    def __init__(self, text: str, names: Collection[str], where: str) -> None:
        self._text, self._names, self._where = text, names, where
        if len(text) > LONGEST:
            raise InvalidCandidate(f"{where}a text of {len(text):,} characters; at most {LONGEST:,} are read")
        found = [(str(match.lastgroup), match[match.lastgroup or 0], match.end()) for match in _TOKEN.finditer(text)]
        self._tokens = [(kind, token, end - len(token)) for kind, token, end in found]
        self._at = 0

    def whole(self) -> Term:
        term = self._term(0)
        if self._at < len(self._tokens):
            self._refuse(f"expected the end, found {self._tokens[self._at][1]!r}")
        return term

    def _term(self, depth: int) -> Term:
        kind, name, place = self._next()
        if kind != "name":
            self._refuse(f"expected an operation or a composition, found {name or 'the end'!r}", place)
        if not self._take("("):
            if name in COMPOSITIONS and name not in self._names:
                self._refuse(f"{name} stands without brackets; write {name}(…)", place)
            if name not in self._names:
                self._refuse(unknown("operation", name, [*self._names]), place)
            return Term(name)
        if name not in COMPOSITIONS:
            self._refuse(unknown("composition", name, COMPOSITIONS), place)
        if depth >= DEEPEST:
            self._refuse(f"more than {DEEPEST} brackets inside brackets", place)
        return self._composition(name, place, depth)

    def _composition(self, name: str, place: int, depth: int) -> Term:
        parts = [self._term(depth + 1)]
        times = 0
        while self._take(","):
            if name == REPEAT:
                times = self._number()
                break
            parts.append(self._term(depth + 1))
        if not self._take(")"):
            self._refuse("expected a comma or a closing bracket")
        if name == REPEAT and not times:
            self._refuse(f"{REPEAT} needs a number of times, as in {REPEAT}({parts[0]}, 3)", place)
        if name == RESIDUAL and len(parts) != 1:
            self._refuse(f"{RESIDUAL} has {len(parts)} parts; it takes one", place)
        if name in (SEQUENCE, BRANCH) and len(parts) < 2:
            self._refuse(f"{name} has one part; give at least two", place)
        return Term(name, tuple(parts), times)

    def _number(self) -> int:
        kind, text, place = self._next()
        if kind != "number" or not 1 <= int(text) <= MOST_TIMES:
            self._refuse(f"expected a number from 1 to {MOST_TIMES}, found {text!r}", place)
        return int(text)

    def _next(self) -> tuple[str, str, int]:
        token = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "", len(self._text))
        self._at += 1
        return token

    def _take(self, sign: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1] == sign:
            self._at += 1
            return True
        return False

    def _refuse(self, what: str, place: int | None = None) -> NoReturn:
        if place is None:
            place = self._tokens[self._at][2] if self._at < len(self._tokens) else len(self._text)
        raise InvalidCandidate(f"{self._where}{shown(self._text)}: {what} (position {place + 1})")
