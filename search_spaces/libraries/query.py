"""Queries: a model of a library and the values that its arguments can have, as in `resnet18?drop_path=0|0.1`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote

from automl.errors import InvalidSpace

Scalar = str | int | float | bool | None

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Query:
    """Model of a library and the values of its arguments.

    Attributes:
        scheme: Name of the library: what stands before the colon.
        model: Name of the model, as the library has it.
        values: Mapping from each argument to its values, in the order of the text; one value is a constant.

    Example:
        >>> parse("timm", "resnet18?drop_path=0|0.1&act_layer=gelu").values
        {'drop_path': (0, 0.1), 'act_layer': ('gelu',)}
    """

    scheme: str
    model: str
    values: Mapping[str, tuple[Scalar, ...]]

    @property
    def target(self) -> str:
        """Scheme and model, without the arguments."""
        return f"{self.scheme}:{self.model}"

    @property
    def first(self) -> dict[str, Scalar]:
        """The first value of each argument."""
        return {name: options[0] for name, options in self.values.items()}


def parse(scheme: str, text: str) -> Query:
    """Reads `MODEL?ARGUMENT=VALUE|VALUE&ARGUMENT=VALUE`; nothing of it is evaluated.

    A value is a JSON scalar; any other word is a text. `%7C`, `%26` and `%25` stand for `|`, `&` and `%` in a text.

    Raises:
        InvalidSpace: the text has another form, an argument is named twice, or there is nothing to choose.

    Example:
        >>> parse("transformers", 'bert?hidden_size=64|128&hidden_act=relu|"gelu"&use_cache=false').values["hidden_act"]
        ('relu', 'gelu')
        >>> parse("timm", "resnet18?drop_path=0")
        Traceback (most recent call last):
        automl.errors.InvalidSpace: timm:resnet18?drop_path=0: every argument has one value, so there is nothing to \
choose; separate values by |, as in drop_path=0|VALUE (a shell needs quotes around it)
    """
    whole = f"{scheme}:{text}"

    def refuse(why: str) -> NoReturn:
        raise InvalidSpace(f"{whole}: {why}")

    model, _, rest = text.partition("?")
    if not model:
        refuse(f"no model is named; write {scheme}:MODEL?ARGUMENT=VALUE|VALUE")
    if not rest:
        refuse(
            "no argument is named, so there is nothing to choose; write "
            f"{scheme}:{model}?ARGUMENT=VALUE|VALUE (a shell needs quotes around it)"
        )
    values: dict[str, tuple[Scalar, ...]] = {}
    for part in rest.split("&"):
        name, equals, options = part.partition("=")
        name = unquote(name)
        if not equals or not _NAME.fullmatch(name):
            refuse(f"{part!r} is no argument; write ARGUMENT=VALUE|VALUE, several of them joined by &")
        if name in values:
            refuse(f"{name} is named twice; give all its values at once, as in {name}=VALUE|VALUE")
        read = []
        for one in options.split("|"):
            try:
                read.append(_scalar(unquote(one)))
            except ValueError as error:
                refuse(f"{name}: {error}; give numbers, texts, true, false or null")
            if any(type(one) is type(read[-1]) and one == read[-1] for one in read[:-1]):
                refuse(f"{name} has {_text(read[-1])} twice; keep one")
        values[name] = tuple(read)
    if all(len(options) == 1 for options in values.values()):
        name, [value] = next(iter(values.items()))
        refuse(
            "every argument has one value, so there is nothing to choose; separate values by |, as in "
            f"{name}={_text(value)}|VALUE (a shell needs quotes around it)"
        )
    return Query(scheme, model, values)


def words(values: Mapping[str, Any]) -> str:
    """Returns arguments as a query has them.

    Example:
        >>> words({"drop_path": 0.1, "act_layer": "gelu"})
        'drop_path=0.1, act_layer=gelu'
    """
    return ", ".join(f"{name}={_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> Scalar:
    if not text:
        raise ValueError("a value is empty")

    def not_finite(name: str) -> NoReturn:
        raise OverflowError(f"{name} is not finite")

    try:
        value = json.loads(text, parse_constant=not_finite)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    except (ValueError, RecursionError) as error:
        if text[0] in '[{"':
            raise ValueError(f"{text} is no JSON scalar") from error
        return text
    if isinstance(value, list | dict):
        raise ValueError(f"{text} is a {'list' if isinstance(value, list) else 'JSON object'}")
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is not finite")
    scalar: Scalar = value
    return scalar
