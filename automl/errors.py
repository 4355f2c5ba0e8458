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
    r"""Returns text from elsewhere as it may be shown: control characters as codes, the middle of a long one left out.

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
    r"""Returns text from elsewhere on one line, made legible as `legible` does.

    Example:
        >>> one_line("no such column:\n  x")
        'no such column: x'
    """
    return " ".join(legible(text, most).split())


def brief(value: Any, most: int = 200) -> str:
    """Returns a value as an error message may quote it: on one line, not too long, even where its `repr` fails.

    Example:
        >>> brief({"lr": 0.1})
        "{'lr': 0.1}"
    """
    try:
        return one_line(repr(value), most)
    except Exception:  # nested too deeply, too many digits, or an object whose own repr fails
        return f"a value of type {type(value).__name__}"


class AutoMLError(Exception):
    r"""Root of all errors that the engine raises on purpose.

    Whatever a message quotes, it is shown on one line, without control characters, and no longer than `MOST`.

    Example:
        >>> str(AutoMLError("first line\nsecond"))
        'first line second'
        >>> issubclass(InvalidInput, AutoMLError), issubclass(StorageError, AutoMLError)
        (True, True)
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class InvalidInput(AutoMLError, ValueError):
    """The user gave something wrong: a name, a value, a file, a combination of options. Nothing was written.

    Example:
        >>> import automl
        >>> automl.search("nasbench202", evaluator="nasbench201-table")
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown space 'nasbench202'; did you mean ...
    """


class InvalidCandidate(InvalidInput):
    """A candidate's JSON does not describe a point of the space.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> Line().decode({"x": 21})
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: ...
    """


class InvalidEnqueued(InvalidCandidate):
    """A candidate that was to be proposed first is no point of the space.

    Attributes:
        number: its place among them, from 1.
        reason: what is wrong with it.

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
    """A space definition cannot be searched: no fields, a `build` that raises, a field with one value too few.

    Example:
        >>> import automl
        >>> class Empty(automl.Space):
        ...     x = automl.Integer  # a class where an instance belongs, such as automl.Integer(0, 20)
        Traceback (most recent call last):
        automl.errors.InvalidSpace: ...
    """


class StudyMismatch(InvalidInput):
    """A study of this name exists with other settings; the message names each setting that differs.

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
    """A study of this name exists already.

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
    """Another living process coordinates this study.

    Example:
        >>> try:
        ...     raise StudyBusy("study cells is run by process 4711 on node-1")
        ... except InvalidInput as error:  # a mistake of the user's, like a wrong name
        ...     print(error)
        study cells is run by process 4711 on node-1
    """


class StorageError(AutoMLError):
    """The database failed in the middle of work; what was committed before stands.

    Example:
        >>> issubclass(StorageError, InvalidInput)  # not the user's mistake: the command exits with 1
        False
    """


class StorageRefused(InvalidInput):
    """The database cannot be used at all: unreachable, not writable, not ours, damaged, or of an older schema.

    Example:
        >>> import automl
        >>> automl.Study.open("cells", storage="sqlite:///nowhere.db")
        Traceback (most recent call last):
        automl.errors.StorageRefused: there is no database at sqlite:///...nowhere.db; ...
    """


class Unhashable(AutoMLError):
    """A behaviour cannot be run on probe inputs. Its candidate is then keyed by its JSON: only exact repeats are found.

    Example:
        >>> import automl
        >>> automl.functional_hash(automl.Function(lambda x: 1 / 0))
        Traceback (most recent call last):
        automl.errors.Unhashable: ...
    """


class WorkersUnavailable(InvalidInput):
    """Ray cannot give the resources asked for.

    Example:
        >>> issubclass(WorkersUnavailable, InvalidInput)  # ask for fewer workers: the command exits with 2
        True
    """


class SearchFailed(AutoMLError):
    """No evaluation of a search succeeded, and what went wrong is probably not the candidates' fault.

    Attributes:
        study: its name.

    Example:
        >>> error = SearchFailed("cells", "all 20 candidates failed with the same error")
        >>> error.study, str(error)
        ('cells', 'all 20 candidates failed with the same error; `automl report cells` shows where it was raised')
    """

    def __init__(self, study: str, sentence: str) -> None:
        super().__init__(f"{sentence}; `automl report {study}` shows where it was raised")
        self.study = study


class WorkersLost(AutoMLError):
    """All workers of a search are gone and none came back in time. What had finished is kept.

    Example:
        >>> issubclass(WorkersLost, InvalidInput)  # the machine's fault: the command exits with 1
        False
    """


class CandidateFailure(AutoMLError):
    """The candidate itself is at fault. The failure is stored for its class, and is not tried again.

    Raise it from an evaluator for a candidate that cannot work, and never for what a machine may have caused.

    Example:
        >>> def accuracy(network):
        ...     if not network:
        ...         raise CandidateFailure("no layer is left")  # stored for the class; never tried again
        >>> accuracy([])
        Traceback (most recent call last):
        automl.errors.CandidateFailure: no layer is left
    """
