"""Settings of parts, as users write them: `--set population=100`, checked against the fields of the part."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from automl import registry
from automl.errors import InvalidInput
from automl.jsontext import canonical

T = TypeVar("T")


def known(part: Callable[..., Any]) -> dict[str, Any]:
    """Returns the settings of a part (a dataclass or any callable) with their default values."""
    if dataclasses.is_dataclass(part):
        return {
            item.name: item.default
            if item.default is not dataclasses.MISSING
            else item.default_factory()
            if item.default_factory is not dataclasses.MISSING
            else inspect.Parameter.empty
            for item in dataclasses.fields(part)
            if item.init
        }
    try:
        parameters = inspect.signature(part).parameters
    except ValueError:  # builtins do not say what they take
        return {}
    return {name: parameter.default for name, parameter in parameters.items() if name not in ("args", "kwargs")}


def make(part: Callable[..., T], settings: Mapping[str, Any], what: str) -> T:
    """Calls `part` with settings whose names and types have been checked against its own.

    Raises:
        InvalidInput: an unknown setting, a missing one, or a value of another type than the default's.
    """
    allowed = known(part)
    fitted = {}
    for name, value in settings.items():
        if name not in allowed:
            raise InvalidInput(registry.unknown(f"setting of {what}", name, allowed))
        fitted[name] = _fit(value, allowed[name], f"{what}: {name}")
    missing = [name for name, default in allowed.items() if default is inspect.Parameter.empty and name not in fitted]
    if missing:
        raise InvalidInput(f"{what} needs {missing[0]!r}; give --set {missing[0]}=VALUE")
    try:
        return part(**fitted)
    except (TypeError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{what} refuses {dict(settings)}: {error}") from error


def _fit(value: Any, default: Any, what: str) -> Any:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InvalidInput(f"{what}={value!r}: it must be true or false")
    elif isinstance(default, int) and not isinstance(default, bool):
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput(f"{what}={value!r}: it must be a whole number")
    elif isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInput(f"{what}={value!r}: it must be a number")
        return float(value)
    elif isinstance(default, str) and isinstance(value, bool | int | float):
        return canonical(value)  # `--set name=201` was meant as a text; an object is what it is
    elif isinstance(default, str) and isinstance(value, list | dict):
        raise InvalidInput(f"{what}={value!r}: it must be a text")
    elif isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    return value
