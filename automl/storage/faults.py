"""What a database error means: try again, wait for the server, or give up with a sentence."""

from __future__ import annotations

from enum import Enum, auto

from sqlalchemy.exc import DBAPIError

from automl.errors import StorageError


class Remedy(Enum):
    """What to do about an error of the database.

    AGAIN: the transaction lost a race (deadlock, serialisation failure, a lock held too long) and was rolled back.
    RECONNECT: the server is gone, and whether the transaction was committed is not known.
    NONE: repeating it would not help.
    """

    AGAIN = auto()
    RECONNECT = auto()
    NONE = auto()


_AGAIN_STATES = {"40001", "40P01", "55P03"}
_GONE_CLASSES = {"08", "57"}


def remedy(error: DBAPIError) -> Remedy:
    """Returns what to do about `error`."""
    text = str(error.orig)
    if "database is locked" in text or "database table is locked" in text:
        return Remedy.AGAIN
    state = getattr(error.orig, "sqlstate", None)
    if state in _AGAIN_STATES:
        return Remedy.AGAIN
    if error.connection_invalidated or (state is not None and state[:2] in _GONE_CLASSES):
        return Remedy.RECONNECT
    if (
        state is None
        and type(error.orig).__module__.startswith("psycopg")
        and type(error.orig).__name__ == "OperationalError"
    ):
        return Remedy.RECONNECT  # refused or broken connections carry no state
    return Remedy.NONE


def storage_error(error: DBAPIError, url_shown: str) -> StorageError:
    """Returns the sentence for an error that repeating cannot cure; never the statement with its values."""
    text = " ".join(str(error.orig).split())
    if "disk is full" in text or getattr(error.orig, "sqlstate", None) == "53100":
        return StorageError(
            f"the database {url_shown} is full ({text}); everything finished before stands: make room, then resume"
        )
    if "malformed" in text or "not a database" in text:
        return StorageError(f"the database {url_shown} is damaged ({text}); restore it from a copy")
    if "locked" in text:
        return StorageError(
            f"the database {url_shown} stayed locked by another process ({text}); end that process, then resume"
        )
    return StorageError(f"the database {url_shown} failed: {text}; what was committed before stands")
