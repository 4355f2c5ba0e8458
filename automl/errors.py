"""The error tree. Every class says what happened; every message says, with the value, what to do.

`automl` (the command) prints the message of an `InvalidInput` and exits with 2; anything else is our fault and exits
with 1.
"""


class AutoMLError(Exception):
    """Root of all errors that the engine raises on purpose."""


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
