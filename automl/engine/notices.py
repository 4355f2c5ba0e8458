"""Faults that a search goes on in spite of: each kind is said once."""

from __future__ import annotations

from collections.abc import Callable

from automl.errors import warn


class Notices:
    """Says a thing the first time that it happens.

    Args:
        say: tells the user; a warning where it is left out.

    Attributes:
        say: the same, for what is said each time.

    Example:
        >>> notices = Notices(print)
        >>> for number in (1, 2):
        ...     notices.once("costs", f"costs() of trial {number} is no number")
        costs() of trial 1 is no number
    """

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self.say = say or warn
        self._said: set[str] = set()

    def once(self, kind: str, text: str) -> None:
        """Says a text, unless one of this kind was said before."""
        if kind not in self._said:
            self._said.add(kind)
            self.say(text)
