"""Why something has no fingerprint, and through which names it was reached."""

from __future__ import annotations

from typing import Any, Protocol


class Token(Protocol):
    """Gives the 16 bytes of a part of something."""

    def __call__(self, value: Any) -> bytes: ...

    def alone(self, value: Any) -> bytes:
        """Returns 16 bytes that do not depend on what was read before, by which parts are put in order."""
        ...


class NoContent(Exception):
    """Raised if an evaluator uses an object that cannot be compared by content, such as an open file.

    Attributes:
        what: Description of the object, such as "an open file".
        path: Names through which the object was reached, the outermost first.

    Example:
        >>> str(NoContent("an open file").within("log").within("trainer."))
        'trainer.log, an open file,'
    """

    def __init__(self, what: str, path: str = "") -> None:
        super().__init__(what, path)
        self.what = what
        self.path = path

    def within(self, step: str) -> NoContent:
        """Returns the same error with one more step in front of its path."""
        return NoContent(self.what, step + self.path)

    def __str__(self) -> str:
        return f"{self.path}, {self.what}," if self.path else f"{self.what},"


def at(step: str, value: Any, token: Token) -> bytes:
    """Returns the 16 bytes of a part; what cannot be read names the step that leads there."""
    try:
        return token(value)
    except NoContent as error:
        raise error.within(step) from None
