"""Places of a module: dotted names of its parts and their attributes, and patterns that match them."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidSpace

if TYPE_CHECKING:
    from torch import nn

_PLAIN = (bool, int, float, str)


def matching(pattern: str, model: nn.Module) -> list[str]:
    """Returns the places that a pattern matches, in the module's order: parts, or else attributes of parts.

    `*` stands for any letters within one name, `**` for any number of names.

    Raises:
        InvalidSpace: the pattern matches nothing; the message offers the nearest names.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1), nn.Linear(4, 4))
        >>> matching("*", model), matching("1.p", model)
        (['0', '1', '2'], ['1.p'])
    """
    if not isinstance(pattern, str) or not pattern or pattern.startswith(".") or pattern.endswith("."):
        raise InvalidSpace(
            f"Variants: {pattern!r} is no pattern; write names of parts with dots between, as in 'layers.*.act'"
        )
    names = [name for name, _ in model.named_modules(remove_duplicate=False) if name]
    expression = re.compile(_expression(pattern))
    found = [name for name in names if expression.fullmatch(name)]
    if found:
        return found
    owners, _, attribute = pattern.rpartition(".")
    found = _owners(owners, attribute, names, model)
    if found:
        return found
    near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.4) or names[:3]
    said = f"; nearest are {', '.join(near)}" if near else "; the model has no parts"
    raise InvalidSpace(f"Variants: {pattern!r} matches no part of the model, and no number or text of one{said}")


def part_at(model: nn.Module, place: str) -> Any:
    """Returns the module or the attribute at a place."""
    found: Any = model
    for name in place.split("."):
        found = getattr(found, name)
    return found


def put_at(model: nn.Module, place: str, part: Any) -> None:
    """Puts a module or an attribute at a place."""
    owner, _, name = place.rpartition(".")
    setattr(part_at(model, owner) if owner else model, name, part)


def _owners(owners: str, attribute: str, names: list[str], model: nn.Module) -> list[str]:
    """Returns the places of an attribute of the parts that a pattern matches."""
    if any(sign in attribute for sign in "*?["):
        return []
    if owners:
        expression = re.compile(_expression(owners))
        names = [name for name in names if expression.fullmatch(name)]
    else:
        names = [""]
    return [
        f"{name}.{attribute}" if name else attribute
        for name in names
        if isinstance(vars(part_at(model, name) if name else model).get(attribute), _PLAIN)
    ]


def _expression(pattern: str) -> str:
    """Returns the regular expression of a pattern."""
    parts = []
    for segment in pattern.split("."):
        if segment == "**":
            parts.append(r"[^.]+(?:\.[^.]+)*")
        else:
            parts.append("".join("[^.]*" if letter == "*" else re.escape(letter) for letter in segment))
    return r"\.".join(parts)
