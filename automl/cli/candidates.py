"""Where one candidate of a file ends and the next one begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_BEGINS_PROGRAM = re.compile(r"\s*def\s+setup\b", re.IGNORECASE)
_OF_PROGRAM = re.compile(r"def\s|#|\s")


def written_candidates(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    r"""Yields (number of its first line, text) for each candidate that is written in some lines.

    Nearly always that is one line. A text in round brackets, such as `Genotype(normal=[…` in the layout of the papers,
    goes on until its brackets are closed; a program that begins with `def Setup():` goes on until the next one does.
    Lines that are empty, or nothing but a comment, lie between candidates.

    Example:
        >>> list(written_candidates(["Genotype(", "  normal=[])", "", '{"x": 1}']))
        [(1, 'Genotype(\n  normal=[])'), (4, '{"x": 1}')]
    """
    held: list[str] = []
    first, program = 0, False
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\n")
        if held and program and not _BEGINS_PROGRAM.match(line) and (not line.strip() or _OF_PROGRAM.match(line)):
            held.append(line)
            continue
        if held and not program:
            held.append(line)
        elif held:
            yield first, "\n".join(held)
            held = []
        if not held:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            held, first, program = [line], number, _BEGINS_PROGRAM.match(line) is not None
        if not program and not _open(held):
            yield first, "\n".join(held)
            held = []
    if held:
        yield first, "\n".join(held)


def _open(lines: list[str]) -> bool:
    """Returns True while a text has brackets to be closed; a line of JSON is one candidate, closed or not."""
    if lines[0].lstrip()[:1] in ("{", "[", '"'):
        return False
    text = "\n".join(lines)
    return len(text) < 100_000 and sum(map(text.count, "([{")) > sum(map(text.count, ")]}"))
