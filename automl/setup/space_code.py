"""What a space consists of, part by part, so that a study that goes on under another space can name the difference."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import xxhash

from automl.evaluators.fingerprints import NoContent, fingerprint
from automl.evaluators.fingerprints.describing import is_json
from automl.evaluators.fingerprints.origin import library, of_class
from automl.jsontext import canonical
from automl.spaces.declared import fields_of, is_declared
from automl.spaces.fields import Field
from automl.spaces.space import Space

_MADE = frozenset({"_abc_impl", "_declared", "_record"})
"""Attributes that follow from the fields, which are looked at themselves."""


@dataclass(frozen=True)
class SpaceCode:
    r"""Code of a space: a text or a digest for each field, method and attribute.

    Attributes:
        parts: Mapping from the name of each field, method and attribute to its description: fields as text, the rest as
            digests.
        is_users: False for spaces that come with a package and are identified by its version.
        files: Paths of the files whose source was read.
        libraries: Names of the libraries that are identified by name and version only.
        left_out: Names of members that cannot be compared by content, so that changes of these go unnoticed.

    Example:
        >>> from pathlib import Path
        >>> from automl.setup.targets import resolve
        >>> text = "import automl\nclass Line(automl.Space):\n    x = automl.Integer(0, 20)\n"
        >>> written = Path("line.py").write_text(text)
        >>> code = resolve("line.py")[1].code
        >>> code.is_users, dict(code.parts), len(code.digest)
        (True, {'x': 'Integer(high=20, log=False, low=0)'}, 32)
    """

    parts: Mapping[str, str] = field(default_factory=dict)
    is_users: bool = False
    files: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """32 hexadecimal digits of all parts."""
        return xxhash.xxh3_128_hexdigest(canonical(dict(self.parts)).encode())


def space_code(space: Space) -> SpaceCode:
    """Looks at a space as it is now: its fields, the methods of its class and bases, what they use, what it holds.

    Comments, docstrings and layout do not count, nor whatever else stands in its file.

    Example:
        >>> from automl import Integer, Space
        >>> class Wide(Space):
        ...     x = Integer(0, 1000)
        >>> space_code(Wide()).parts
        {'x': 'Integer(high=1000, log=False, low=0)'}
    """
    kind = type(space)
    own = [base for base in kind.__mro__ if of_class(base) == "user"]
    found: dict[str, Any] = {}
    for base in reversed(own):
        found |= {name: value for name, value in vars(base).items() if _counts(name, value)}
    found |= fields_of(space) if own else {}
    derived = {name for base in kind.__mro__ for name, value in vars(base).items() if _is_derived(value)}
    held = {name: value for name, value in vars(space).items() if name not in derived | _MADE}
    found |= {f"self.{name}": value for name, value in held.items() if not is_declared(name, value)}
    parts: dict[str, str] = {}
    files: set[str] = set()
    libraries: set[str] = set()
    left_out = []
    base = next((one for one in kind.__mro__ if of_class(one) != "user"), Space)
    if base is not Space:
        version = library(base.__module__.partition(".")[0]) if of_class(base) == "library" else base.__module__
        parts["class"] = f"{version}:{base.__qualname__}"
    for name in sorted(found):
        try:
            read = fingerprint(found[name], environment=True)
        except NoContent as error:
            left_out.append(f"{name}: {error.what}" if not error.path else f"{name}: {error.path}, {error.what}")
            parts[name] = "not looked at"
            continue
        files.update(read.files)
        libraries.update(read.libraries)
        parts[name] = _words(found[name], read.digest)
    return SpaceCode(parts, bool(own), tuple(sorted(files)), tuple(sorted(libraries)), tuple(left_out))


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Returns what differs between the parts of two spaces, in words.

    Example:
        >>> changes({"x": "Integer(0, 3)", "build": "01f"}, {"x": "Integer(0, 9)", "build": "02e"})
        'build has changed, x was Integer(0, 3) and is Integer(0, 9)'
    """
    said = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is None:
            said.append(f"{name} is new")
        elif new is None:
            said.append(f"{name} is gone")
        elif old != new:
            said.append(f"{name} was {old} and is {new}" if "(" in old + new else f"{name} has changed")
    return ", ".join(said)


def _counts(name: str, value: Any) -> bool:
    if name in _MADE or name == "defaults":  # what a search takes where nothing else is named is in its own settings
        return False
    return not (name.startswith("__") and name.endswith("__")) or isinstance(value, FunctionType)


def _is_derived(value: Any) -> bool:
    return isinstance(value, functools.cached_property)


def _words(value: Any, digest: str) -> str:
    """Returns a field as it was written, as far as that is short; the digest of anything else."""
    if not isinstance(value, Field):
        return digest
    shown = {name: one for name, one in sorted(vars(value).items()) if not name.startswith("_")}
    words = f"{type(value).__name__}({', '.join(f'{name}={one!r}' for name, one in shown.items())})"
    if of_class(type(value)) == "ours" and all(map(is_json, shown.values())) and len(words) <= 200:
        return words
    return f"{type(value).__name__}(…) {digest}"
