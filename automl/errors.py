"""The error tree. Every class says what happened; every message says, with the value, what to do.

`automl` (the command) prints the message of an `InvalidInput` and exits with 2; anything else is our fault and exits
with 1.
"""

from __future__ import annotations

import re
from typing import Any

MOST = 700
"""Characters of a message that are shown, at most."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""What a terminal would obey or a reader would not see: controls, escapes, marks of direction, halves of characters."""


def legible(text: str, most: int | None = None) -> str:
    r"""Returns foreign text as it may be shown: control characters as their codes, the middle of a long one left out.

    A name, a candidate or an error message may come from anywhere. Shown as it is, it could move the cursor, hide what
    follows, or fill the screen.

    Args:
        text: to be shown. Line ends and tabs stay.
        most: characters that are shown, at most; all where left out.

    Example:
        >>> legible("a\x1b[31mb")
        'a\\x1b[31mb'
        >>> legible("x" * 5000, 100)[:50]
        'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
    """
    if most is not None and len(text) > most:
        gap = f" … ({len(text):,} characters) … "
        room = max(2, most - len(gap))
        text = text[: 2 * room // 3] + gap + text[-(room // 3) :]
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text.replace("\r\n", "\n"))


def one_line(text: str, most: int = MOST) -> str:
    """Returns foreign text as `legible` does, on one line."""
    return " ".join(legible(text, most).split())


def brief(value: Any, most: int = 200) -> str:
    """Returns a value as a message may quote it: one line, not too long, whatever its `repr` does.

    Example:
        >>> brief({"lr": 0.1})
        "{'lr': 0.1}"
    """
    try:
        return one_line(repr(value), most)
    except Exception:  # nested too deeply, too many digits, or an object whose own repr fails
        return f"a value of type {type(value).__name__}"


class AutoMLError(Exception):
    """Root of all errors that the engine raises on purpose.

    Whatever a message quotes, it is shown on one line, without control characters, and no longer than `MOST`.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class InvalidInput(AutoMLError, ValueError):
    """Something the user gave is wrong: a name, a value, a file, a combination of options. Nothing was written."""


class InvalidCandidate(InvalidInput):
    """A candidate's JSON does not describe a point of the space."""


class InvalidEnqueued(InvalidCandidate):
    """A candidate that was to be proposed first is no point of the space.

    Attributes:
        number: its place among them, from 1.
        reason: what is wrong with it.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"enqueued candidate {number}: {reason}")
        self.number = number
        self.reason = reason


class InvalidSpace(InvalidInput):
    """A space definition cannot be searched: no fields, a `build` that raises, a field with one value too few."""


class StudyMismatch(InvalidInput):
    """A study of this name exists with other settings; the message names each setting that differs."""


class StudyExists(InvalidInput):
    """A study of this name exists already."""


class StudyBusy(InvalidInput):
    """Another living process coordinates this study."""


class StorageError(AutoMLError):
    """The database failed in the middle of work; what was committed before stands."""


class StorageRefused(InvalidInput):
    """The database cannot be used at all: unreachable, not writable, not ours, damaged, or of an older schema."""


class Unhashable(AutoMLError):
    """A behaviour cannot be probed; its candidate is then keyed by its JSON, so that exact repeats are still found."""


class WorkersUnavailable(InvalidInput):
    """Ray cannot give the resources asked for."""


class SearchFailed(AutoMLError):
    """A search without one success: what went wrong is not the candidates'.

    Attributes:
        study: its name.
    """

    def __init__(self, study: str, sentence: str) -> None:
        super().__init__(f"{sentence}; `automl report {study}` shows where it was raised")
        self.study = study


class WorkersLost(AutoMLError):
    """All workers of a search are gone and none came back in time; what had finished is kept."""


class CandidateFailure(AutoMLError):
    """The candidate itself is at fault: it raised at full size, or a metric is not finite. A fact about its class."""
