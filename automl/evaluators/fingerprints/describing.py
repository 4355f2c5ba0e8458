"""What stands for an evaluator in a context: name, version and settings, and what its code depends on."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl import registry
from automl.errors import InvalidInput
from automl.evaluators.fingerprints.content import is_left_out
from automl.evaluators.fingerprints.refusal import NoContent
from automl.evaluators.fingerprints.walk import Fingerprint, fingerprint
from automl.jsontext import canonical

if TYPE_CHECKING:
    from automl.evaluators.artefacts import Artefact
    from automl.evaluators.base import Evaluator


NOT_READ = Fingerprint("")


@dataclass(frozen=True)
class Description:
    """Identity of an evaluator in a context: name, version, settings, and the digest of its code.

    Attributes:
        stands: JSON data that identifies the evaluator in a context and in a study.
        source: Fingerprint of the evaluator's code; empty if its version identifies the code.
        read: `Fingerprint` of the code, with the files and libraries that the code depends on.

    Example:
        >>> from automl.evaluators.function import FunctionEvaluator
        >>> named = description(FunctionEvaluator(lambda candidate: candidate.x, code_version="3"))
        >>> dict(named.stands)
        {'name': 'function', 'version': '1', 'settings': {'function': '<lambda>', 'code': '3'}}
    """

    stands: Mapping[str, Any]
    source: str = ""
    read: Fingerprint = NOT_READ


def description(evaluator: Evaluator | Artefact) -> Description:
    """Returns what identifies an evaluator now: name, version and settings, and the code's digest if no version is
    given.

    A version that the user gave identifies the code. Otherwise the source does, together with the variables that it
    captured. The data that an instance holds is part of the identity in both cases.

    Raises:
        InvalidInput: the evaluator depends on an object that cannot be compared by content, and gives no version.

    Example:
        >>> import automl
        >>> def score(candidate):
        ...     return candidate.x
        >>> description(automl.FunctionEvaluator(score, code_version="1")).stands["settings"]
        {'function': 'score', 'code': '1'}
    """
    kind = type(evaluator)
    stands: dict[str, Any] = {"name": evaluator.name, "version": evaluator.version, "settings": evaluator.settings()}
    stands |= evaluator.more_of_context()
    if is_registered(kind):
        return Description(stands, "", evaluator.looked_at() or NOT_READ)
    versioned = _is_versioned(kind)
    found = _read(evaluator, [one for one in kind.__mro__ if _is_users(one)], versioned)
    held = {name: value for name, value in _held(evaluator, stands["settings"]).items() if not is_left_out(value)}
    if held:
        captured = _read(evaluator, [held], versioned)
        stands |= {"captured": captured.digest} if captured else {}
    if found is None:
        return Description(stands)
    if not versioned:
        stands["source"] = found.digest
    return Description(stands, found.digest, found)


def describe(evaluator: Evaluator) -> Mapping[str, Any]:
    """Returns the JSON data that identifies an evaluator in a context, see `description`.

    Example:
        >>> from automl.testing.pools import Numbered
        >>> dict(describe(Numbered()))["name"]
        'numbered'
    """
    return description(evaluator).stands


def _read(evaluator: Evaluator | Artefact, things: list[Any], versioned: bool) -> Fingerprint | None:
    try:
        return fingerprint(*things)
    except NoContent as error:
        if versioned:
            return None  # the version answers for what cannot be read
        raise InvalidInput(
            f"evaluator {type(evaluator).__qualname__} captures {error} so changes of it would go unnoticed; "
            "give the class a version (version = '1') and raise it when the figures change"
        ) from None


def _held(evaluator: Evaluator | Artefact, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what an instance holds that its settings do not say: attributes of its own, and fields of data.

    A class that says its settings itself may leave fields out that are JSON (a number of threads); data never is.
    """
    fields: set[str] = (
        {item.name for item in dataclasses.fields(evaluator)} if dataclasses.is_dataclass(evaluator) else set()
    )
    derived = {
        name
        for base in type(evaluator).__mro__
        for name, item in vars(base).items()
        if isinstance(item, functools.cached_property)
    }
    own = {name: value for name, value in vars(evaluator).items() if name not in derived and name not in settings}
    return {name: value for name, value in own.items() if name not in fields or not is_json(value)}


def is_json(value: Any) -> bool:
    """Tells whether a value can stand in a context as it is: Python's own JSON data, whose dicts have texts as names.

    Arrays can be written as JSON too, but two of different types would read alike.
    """
    try:
        canonical(value)
    except InvalidInput:
        return False
    return _is_pythons(value)


def _is_pythons(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_pythons(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_pythons, value))
    return value is None or isinstance(value, str | int | float)


def as_setting(value: Any, name: str) -> Any:
    """Returns what stands for the value of a field: the value itself where it is JSON, else its content's digest.

    Raises:
        InvalidInput: it is neither.
    """
    if is_json(value):
        return value
    if is_left_out(value):
        return None
    try:
        return {"type": type(value).__qualname__, "fingerprint": fingerprint(value).digest}
    except NoContent as error:
        raise InvalidInput(
            f"setting {name} holds {error} so changes of it would go unnoticed; "
            "leave it out of settings() and raise the evaluator's version when it changes"
        ) from None


def _is_users(kind: type) -> bool:
    ours = ("automl", "workers", "abc", "typing", "builtins")
    return kind is not object and kind.__module__.partition(".")[0] not in ours


def _is_versioned(kind: type) -> bool:
    return is_registered(kind) or any("version" in vars(one) for one in kind.__mro__ if _is_users(one))


@functools.lru_cache(maxsize=64)
def is_registered(kind: type) -> bool:
    """Tells whether an evaluator's class comes with a package, whose versions answer for it."""
    return not _is_users(kind) or registry.holds("evaluators", kind)
