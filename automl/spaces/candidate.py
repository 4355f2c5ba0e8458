"""Candidates: one immutable point of a space each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.jsontext import canonical


class Candidate:
    """One immutable point of a space. Equal JSON means the same candidate.

    The fields of a declarative space are attributes: `c.depth`, `c.block.width`, `c.layers[0].kind`.

    Attributes:
        value: the candidate as JSON data; never change it.
        json: the same as canonical text.
    """

    __slots__ = ("_json", "value")

    def __init__(self, value: Any, json: str | None = None) -> None:
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "_json", json)

    @property
    def json(self) -> str:
        if self._json is None:
            object.__setattr__(self, "_json", canonical(self.value))
        text: str = self._json
        return text

    def __getattr__(self, name: str) -> Any:
        value = object.__getattribute__(self, "value")
        if isinstance(value, Mapping) and name in value:
            return _view(value[name])
        raise AttributeError(
            f"the candidate has no field {name!r}" + (f"; it has {sorted(value)}" if isinstance(value, Mapping) else "")
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a candidate is immutable; make another one with space.mutate or space.decode")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)

    def __repr__(self) -> str:
        return f"Candidate({self.json})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Candidate, (self.value, self._json))


def _view(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Candidate(value)
    if isinstance(value, list | tuple):
        return tuple(_view(item) for item in value)
    return value
