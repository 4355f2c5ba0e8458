"""The error tree. Every class says what happened; every message says, with the value, what to do.

`automl` (the command) prints the message of an `InvalidInput` and exits with 2; anything else is our fault and exits
with 1.
"""

from __future__ import annotations

import re
import sys
import warnings
from typing import Any

MOST = 700
"""Characters of a message that are shown, at most."""

_OURS = ("automl", "workers", "search_spaces")

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""What a terminal would obey or a reader would not see: controls, escapes, marks of direction, halves of characters."""


def legible(text: str, most: int | None = None) -> str:
    r"""Returns text that may be shown safely: control characters escaped, the middle of a long text left out.

    Names, candidates and error messages can come from files and programs of others. Shown unchanged, their control
    characters could move the cursor, hide the following text, or fill the screen.

    Args:
        text: Text to be shown. Line ends and tabs stay.
        most: Largest number of characters to show, two thirds from the start and one third from the end. None shows
            all.

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
    r"""Returns text on one line: every run of white space becomes one space, and control characters are escaped.

    If the text is longer than `most` characters, its middle is left out first (see `legible`).

    Example:
        >>> one_line("no such column:\n  x")
        'no such column: x'
    """
    return " ".join(legible(text, most).split())


def brief(value: Any, most: int = 200) -> str:
    """Returns a value as an error message quotes it: on one line, cut to `most` characters, even if its `repr` fails.

    Example:
        >>> brief({"lr": 0.1})
        "{'lr': 0.1}"
    """
    try:
        return one_line(repr(value), most)
    except Exception:  # nested too deeply, too many digits, or an object whose own repr fails
        return f"a value of type {type(value).__name__}"


def warn(text: str) -> None:
    """Warns the user, at the line of the user's own program that called this package.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as seen:
        ...     warn("three candidates are alike")
        >>> str(seen[0].message)
        'three candidates are alike'
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


class AutoMLError(Exception):
    r"""Base class of all errors that the engine raises on purpose.

    The message is shown on one line, without control characters, and cut to `MOST` characters.

    Example:
        >>> str(AutoMLError("first line\nsecond"))
        'first line second'
        >>> issubclass(InvalidInput, AutoMLError), issubclass(StorageError, AutoMLError)
        (True, True)
    """

    def __str__(self) -> str:
        return one_line(super().__str__())

    def _render_traceback_(self) -> list[str]:
        """Is what notebooks and IPython show instead of a traceback: the sentence says all that the user needs."""
        return [f"{type(self).__name__}: {self}"]


class InvalidInput(AutoMLError, ValueError):
    """Raised if the user gave something wrong: a name, a value, a file, a combination of options. Nothing was written.

    Example:
        >>> import automl
        >>> automl.search("nasbench202", evaluator="nasbench201-table")
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown space 'nasbench202'; did you mean ...
    """


class InvalidCandidate(InvalidInput):
    """Raised if a candidate's JSON does not describe a point of the space.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> Line().decode({"x": 21})
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: ...
    """


class InvalidEnqueued(InvalidCandidate):
    """Raised if a candidate that is to be proposed first does not belong to the space.

    Attributes:
        number: Position of the candidate among those given, from 1.
        reason: Sentence that says what is wrong with the candidate.

    Example:
        >>> error = InvalidEnqueued(2, "x = 21 is above 20")
        >>> error.number, str(error)
        (2, 'enqueued candidate 2: x = 21 is above 20')
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"enqueued candidate {number}: {reason}")
        self.number = number
        self.reason = reason


class InvalidSpace(InvalidInput):
    """Raised if a space definition cannot be searched: no fields, a `build` that raises, a field with too few values.

    Example:
        >>> import automl
        >>> class Empty(automl.Space):
        ...     x = automl.Integer  # a class where an instance belongs, such as automl.Integer(0, 20)
        Traceback (most recent call last):
        automl.errors.InvalidSpace: ...
    """


class StudyMismatch(InvalidInput):
    """Raised if a study of this name exists with other settings; the message names each setting that differs.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=4, baseline=False, workers=0, study="line", storage="sqlite:///mismatch.db")
        >>> automl.search(Line(), seed=0, **given).close()
        >>> automl.search(Line(), seed=1, **given)
        Traceback (most recent call last):
        automl.errors.StudyMismatch: ...seed...
    """


class StudyExists(InvalidInput):
    """Raised if a study of this name exists already.

    Example:
        >>> from automl.storage.engine import Database
        >>> from automl.storage.studies import StudyStore
        >>> studies = StudyStore(Database("sqlite:///exists.db"))
        >>> studies.create("cells", "search", {}).name
        'cells'
        >>> studies.create("cells", "search", {})
        Traceback (most recent call last):
        automl.errors.StudyExists: a study named 'cells' exists already; choose another name, or resume it
    """


class StudyBusy(InvalidInput):
    """Raised if another living process coordinates this study.

    Example:
        >>> try:
        ...     raise StudyBusy("study cells is run by process 4711 on node-1")
        ... except InvalidInput as error:  # the user can correct it, as a wrong name
        ...     print(error)
        study cells is run by process 4711 on node-1
    """


class ArtefactUnreadable(AutoMLError, OSError):
    """Raised if an artefact is missing, damaged, or cannot be read from where it is kept.

    Example:
        >>> from automl.artefacts.store import ArtefactStore
        >>> ArtefactStore("nowhere").get("0" * 64)
        Traceback (most recent call last):
        automl.errors.ArtefactUnreadable: artefact 000000000000 is not in nowhere
    """


class StorageError(AutoMLError):
    """Raised if the database fails during work; what was committed before remains.

    Example:
        >>> issubclass(StorageError, InvalidInput)  # not the user's mistake: the command exits with 1
        False
    """


class StorageRefused(InvalidInput):
    """Raised if the database cannot be used at all: unreachable, not writable, not made by automl, damaged, or of an
    older schema.

    Example:
        >>> import automl
        >>> automl.Study.open("cells", storage="sqlite:///nowhere.db")
        Traceback (most recent call last):
        automl.errors.StorageRefused: there is no database at sqlite:///...nowhere.db; ...
    """


class Unhashable(AutoMLError):
    """Raised if a behaviour cannot be run on probe inputs. A search then takes the candidate's JSON as its key, so that
    only exact repeats are recognised.

    Example:
        >>> import automl
        >>> automl.functional_hash(automl.Function(lambda x: 1 / 0))
        Traceback (most recent call last):
        automl.errors.Unhashable: ...
    """


class WorkersUnavailable(InvalidInput):
    """Raised if Ray cannot give the resources that were asked for.

    Example:
        >>> issubclass(WorkersUnavailable, InvalidInput)  # ask for fewer workers: the command exits with 2
        True
    """


class SearchFailed(AutoMLError):
    """Raised if no evaluation of a search succeeded and the candidates are probably not the cause.

    Attributes:
        study: Name of the study.

    Example:
        >>> error = SearchFailed("cells", "all 20 candidates failed with the same error")
        >>> error.study, str(error)
        ('cells', 'all 20 candidates failed with the same error; `automl report cells` shows where it was raised')
    """

    def __init__(self, study: str, sentence: str) -> None:
        super().__init__(f"{sentence}; `automl report {study}` shows where it was raised")
        self.study = study


class WorkersLost(AutoMLError):
    """Raised if all workers of a search ended and none came back in time. Finished evaluations are kept.

    Example:
        >>> issubclass(WorkersLost, InvalidInput)  # the machine's fault: the command exits with 1
        False
    """


class CandidateFailure(AutoMLError):
    """Raised by an evaluator for a candidate that cannot be evaluated because of what it is.

    The failure is stored for the candidate's equivalence class, that is, for every candidate that computes the same
    function; none of these is evaluated again. Do not raise it for what a machine may have caused, such as a full disk:
    MemoryError, OSError and ImportError are tried again on another worker.

    Example:
        >>> def accuracy(network):
        ...     if not network:
        ...         raise CandidateFailure("no layer is left")  # stored for the class; never tried again
        >>> accuracy([])
        Traceback (most recent call last):
        automl.errors.CandidateFailure: no layer is left
    """
