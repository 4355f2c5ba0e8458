"""Candidates that are encoded programs; their JSON is only made when somebody asks for it."""

from __future__ import annotations

from automl.spaces.programs.code import decode
from automl.spaces.space import Candidate
from search_spaces.algorithms.program_text import ProgramText

_set = object.__setattr__


class ProgramCandidate(Candidate):
    """One program.

    Attributes:
        code: the encoded program.
    """

    __slots__ = ("_text", "code")

    code: bytes
    _text: ProgramText

    def __init__(self, code: bytes, text: ProgramText) -> None:
        _set(self, "code", code)
        _set(self, "_text", text)
        _set(self, "_json", None)

    @property
    def value(self) -> dict[str, list[str]]:
        return self._text.write_program(decode(self.code))

    @property
    def json(self) -> str:
        written: str | None = self._json
        if written is None:
            written = self._text.json(self.code)
            _set(self, "_json", written)
        return written
