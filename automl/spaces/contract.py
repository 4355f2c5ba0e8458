"""What holds of every space: its candidates are what it reads from their JSON data, and its costs are numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.errors import InvalidCandidate
from automl.isolation.limits import OwnExit
from automl.jsontext import plain
from automl.spaces.differences import difference
from automl.spaces.field import finite
from automl.spaces.options import shown
from automl.spaces.space import Candidate, Space


def checked(space: Space, value: Any) -> Candidate:
    """Decodes JSON data, or takes a candidate, and checks that encoding and decoding again gives the same candidate.

    Returns:
        The `Candidate`.

    Raises:
        InvalidCandidate: the data are not a candidate, or come back changed; the message names the place where they
            differ.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> checked(Line(), {"x": 3}).x
        3
    """
    return read_back(space, value if isinstance(value, Candidate) else space.decode(value))


def read_back(space: Space, candidate: Candidate) -> Candidate:
    """Checks that a space decodes a candidate's JSON data to that very candidate, and returns it.

    Raises:
        InvalidCandidate: decoding gives another candidate (the message names the place where they differ), `decode`
            refuses the data, or the object is no candidate at all.

    Example:
        >>> import automl
        >>> class Even(automl.Space):
        ...     x = automl.Integer(0, 20)
        ...     def sample(self, rng):
        ...         return automl.Candidate({"x": 21})  # what `decode` never gives
        >>> read_back(Even(), Even().sample(None))
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: Even refuses its own candidate {'x': 21}: candidate.x: 21 is not a ...
    """
    read = space.checked(candidate)
    if read != candidate:
        raise InvalidCandidate(
            f"{space.kind}: decode({shown(candidate.value)}) is another candidate: "
            f"{difference(candidate.value, read.value)}; decode must give back what the space has made"
        )
    return candidate


def costs_of(space: Space, candidate: Candidate) -> tuple[Mapping[str, float], str]:
    """Returns a candidate's costs, without those that are not finite numbers, and a warning if something is wrong.

    Costs describe one candidate, and an error in them never makes its evaluation fail.

    Returns:
        Mapping from name to number, empty if the space declares no costs; and a sentence, empty if all is well.

    Example:
        >>> import automl
        >>> class Net(automl.Space):
        ...     width = automl.Integer(1, 64)
        ...     def costs(self, candidate):
        ...         return {"parameters": 10 * candidate.width, "latency": float("nan")}
        >>> costs_of(Net(), Net().decode({"width": 3}))
        ({'parameters': 30}, "costs() of Net gives latency=nan, which is no finite number (candidate {'width': 3})")
    """
    try:
        found: Any = space.costs(candidate)
    except (Exception, SystemExit, OwnExit) as error:  # the user's code may raise anything, or try to exit
        return (
            {},
            f"costs() of {space.kind} raises {type(error).__name__}: {error} (candidate {shown(candidate.value)})",
        )
    if not (type(found) is dict or isinstance(found, Mapping)):
        return {}, f"costs() of {space.kind} returns {shown(found)}; let it return a dict of numbers by name"
    for name, value in found.items():
        if not (type(name) is str and type(value) is float and -_INFINITE < value < _INFINITE):
            break
    else:
        return found, ""  # the very mapping: spaces that return one for many candidates have it written once
    kept = {str(name): finite(plain(value)) for name, value in found.items()}
    wrong = [name for name, value in kept.items() if value is None]
    complaint = ""
    if wrong:
        complaint = (
            f"costs() of {space.kind} gives {wrong[0]}={shown(found[wrong[0]])}, which is no finite number "
            f"(candidate {shown(candidate.value)})"
        )
    return {
        name: number if type(found[name]) is not int else found[name]
        for name, number in kept.items()
        if number is not None
    }, complaint


_INFINITE = float("inf")
