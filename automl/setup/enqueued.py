"""Candidates that are to be proposed first, in whatever form people have them: ours, JSON, rows of tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from automl.errors import InvalidEnqueued, InvalidInput
from automl.jsontext import canonical, parse, plain
from automl.spaces.space import Candidate, Space

_LONGEST = 1_000_000
"""Characters of a text that is read as a candidate, at most."""

_SHOWN = re.compile(r"\s*Candidate\((.*)\)\s*", re.DOTALL)


def enqueued_values(space: Space, given: Sequence[Any]) -> tuple[Any, ...]:
    """Returns the JSON data of candidates that are to be proposed first.

    Args:
        space: Space that the candidates belong to.
        given: Sequence of candidates, in the order of proposal. Each is JSON data, a `Candidate`, a `Best`, a trial's
            record, JSON text, an entry of a report's JSON or a row of `trials_dataframe()` (both have the candidate
            under `candidate`), or a row of a pandas frame with one column per field.

    Raises:
        InvalidEnqueued: an entry does not describe a candidate of the space; the message gives its position.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> enqueued_values(Line(), [{"x": 3}, '{"x": 4}', automl.Candidate({"x": 5})])
        ({'x': 3}, {'x': 4}, {'x': 5})
        >>> enqueued_values(Line(), [{"x": 3}, {"x": 30}])
        Traceback (most recent call last):
        automl.errors.InvalidEnqueued: enqueued candidate 2: candidate.x: 30 is not a whole number from 0 to 20
    """
    found = []
    for number, value in enumerate(given, 1):
        try:
            found.append(_data(space, value))
        except InvalidInput as error:
            raise InvalidEnqueued(number, str(error)) from error
    return tuple(found)


def read_candidate(space: Space, value: Any) -> Candidate:
    """Returns the candidate that a value stands for, in any of the forms that `enqueued_values` takes.

    Raises:
        InvalidCandidate: it stands for none; the message is that of its first reading.
    """
    first: InvalidInput | None = None
    for form in _forms(space, value):
        try:
            return space.decode(form)
        except InvalidInput as error:
            first = first or error
    assert first is not None
    raise first


def _data(space: Space, value: Any) -> Any:
    """Returns a value as JSON data: as it was written where it can be, else as the space writes it."""
    if isinstance(value, Candidate):
        value = value.value
    candidate = read_candidate(space, value)
    try:
        data = parse(canonical(value))
        if space.decode(data) == candidate:
            return data
    except InvalidInput:
        pass
    return candidate.value


def _forms(space: Space, value: Any) -> Iterator[Any]:
    """Yields what a value may stand for, the likeliest first."""
    if hasattr(value, "candidate") and not isinstance(value, Candidate | Mapping):  # Best, a trial's record
        value = value.candidate
    if isinstance(value, Candidate):
        value = value.value
    row = not isinstance(value, Mapping) and hasattr(value, "items")  # a pandas row
    value = {str(name): plain(item) for name, item in value.items()} if row else value
    yield value
    if isinstance(value, str) and len(value) <= _LONGEST:
        if shown := _SHOWN.fullmatch(value):
            value = shown[1]  # as Python shows a candidate
        try:
            yield from _forms(space, parse(value))
        except InvalidInput:
            return
    elif isinstance(value, Mapping):
        if "candidate" in value:
            yield from _forms(space, value["candidate"])
        if row:
            yield {name: _whole(item) for name, item in value.items() if name in space.record.fields}


def _whole(value: Any) -> Any:
    """Returns a whole number for a float that is one: pandas writes rows of numbers as floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
