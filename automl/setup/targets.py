"""Targets: how a space is named and loaded: a registered name, `file.py`, `file.py:attribute`, `module:attribute`,
`scheme:text`.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import xxhash

from automl import registry
from automl.errors import InvalidInput, InvalidSpace
from automl.jsontext import canonical
from automl.registry import Named
from automl.settings import known, make
from automl.setup.space_code import SpaceCode, space_code
from automl.setup.splitting import refuse_field
from automl.spaces.space import Space


@dataclass(frozen=True)
class SpaceReference:
    """Reference from which a worker loads a space: target and settings, or the object itself.

    Attributes:
        target: Target as on the command line; None for a space that exists only as an object in the caller's program.
        settings: Mapping from name to value: the settings with which the space is made.
        source: Hash of the file's content, 32 hexadecimal digits, if the target is a file; workers load exactly this
            content.
        space: The space object if there is no target.
        code: Code of the space.

    Example:
        >>> space, reference = resolve("nasbench201")
        >>> reference.target, type(reference.load()).__name__
        ('nasbench201', 'NASBench201')
    """

    target: str | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    space: Space | None = None
    code: SpaceCode = field(default_factory=SpaceCode)

    def load(self) -> Space:
        """Returns the space, loaded at most once in a process.

        Raises:
            InvalidInput: the target cannot be loaded, or its file has changed since the reference was made.
        """
        if self.space is not None:
            return self.space
        assert self.target is not None
        if self._place not in _loaded:
            space, reference = _made(find(self.target), self.settings)
            if reference.source != self.source:
                raise InvalidInput(f"{self.target} has changed since the search started; start the search again")
            _loaded[self._place] = space  # the target may be relative to a folder that was sent here
        return _loaded[self._place]

    def moved(self, there: Callable[[str], str]) -> SpaceReference:
        """Returns the reference for a machine on which files lie elsewhere.

        Args:
            there: Function that returns the path of a file on that machine.
        """
        place, dot, name = (self.target or "").partition(".py")
        if not dot or (name and not name.startswith(":")):
            return self
        return replace(self, target=f"{there(place + dot)}{name}")

    @property
    def _place(self) -> tuple[str | None, str, str | None]:
        return self.target, canonical(dict(self.settings)), self.source

    def identity(self) -> dict[str, Any]:
        """Returns what makes this the same space on resume, as JSON data."""
        named = {"target": self.target or f"object {type(self.space).__name__}", "settings": dict(self.settings)}
        return {**named, **({"code": dict(self.code.parts)} if self.code.is_users else {"source": self.source})}

    def identity_as(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the identity in the form in which a study has stored it: version 0.1 knew whole files only."""
        now = self.identity()
        if "code" in stored or "code" not in now:
            return now
        return {"target": now["target"], "settings": now["settings"], "source": self.source}


_loaded: OrderedDict[tuple[str | None, str, str | None], Space] = OrderedDict()
"""The spaces loaded in this process, those of the last few references."""

_KEPT = 32


def resolve(target: str, settings: Mapping[str, Any] | None = None) -> tuple[Space, SpaceReference]:
    """Loads the space that `target` names and makes it with `settings`.

    Returns:
        The space and its `SpaceReference`.

    Raises:
        InvalidInput: there is no such name, file, module or attribute, or the space does not know a setting.
        InvalidSpace: the object is not a space.

    Example:
        >>> space, reference = resolve("nasbench101", {"vertices": 5})
        >>> space.vertices, dict(reference.settings)
        (5, {'vertices': 5})
        >>> resolve("nasbench101", {"vertex": 5})
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown setting of space nasbench101 'vertex'; did you mean vertices?
    """
    return made(find(target), settings or {})


def made(named: Named, settings: Mapping[str, Any]) -> tuple[Space, SpaceReference]:
    """Makes the space from the object that a target names, with settings. Pools of this process then use this very
    space.

    Returns:
        The space and its `SpaceReference`.

    Raises:
        InvalidInput: the space does not know a setting.
        InvalidSpace: the object is not a space.

    Example:
        >>> space, reference = made(find("nasbench101"), {"vertices": 5})
        >>> space.vertices
        5
    """
    space, reference = _made(named, settings)
    return space, replace(reference, code=space_code(space))


def _made(named: Named, settings: Mapping[str, Any]) -> tuple[Space, SpaceReference]:
    reference = SpaceReference(named.target, dict(settings), named.source)
    space = _instance(named.thing, dict(settings), named.target)
    _loaded[reference._place] = space
    while len(_loaded) > _KEPT:
        _loaded.popitem(last=False)
    return space, reference


def sized(reference: SpaceReference, sizes: Mapping[str, Any]) -> SpaceReference:
    """Returns a reference to the same space with other sizes of the network around its candidates.

    Raises:
        InvalidInput: the space has no such size (`Space.scalable`).
        InvalidSpace: a size is impossible.

    Example:
        >>> larger = sized(resolve("darts", {"layers": 8})[1], {"layers": 20})
        >>> larger.load().settings()["layers"]
        20
        >>> sized(resolve("darts")[1], {"depth": 20})
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown size of the networks of DARTS 'depth'; known: auxiliary, channels, layers
    """
    space = reference.load()
    for name in sizes:
        if name not in space.scalable:
            raise InvalidInput(registry.unknown(f"size of the networks of {space.kind}", name, space.scalable))
    if reference.target is None:
        made_again: Any = type(space)
        return reference_to(made_again(**{**space.settings(), **sizes}))
    _, larger = _made(find(reference.target), {**reference.settings, **sizes})
    return replace(larger, code=reference.code)


def find(target: str) -> Named:
    r"""Returns the class, function or instance that a target names, without calling it.

    What stands behind a registered scheme (`timm:…`) is that scheme's to read.

    Raises:
        InvalidInput: there is no such name, file, module or attribute, or the scheme refuses its text.
        InvalidSpace: the file or module contains no space, or several.

    Example:
        >>> from pathlib import Path
        >>> text = "import automl\nclass Line(automl.Space):\n    x = automl.Integer(0, 20)\n"
        >>> written = Path("line.py").write_text(text)
        >>> find("line.py").thing.__name__  # its only space
        'Line'
    """
    scheme, colon, text = target.partition(":")
    if colon and scheme in registry.names("schemes"):
        return Named(registry.load("schemes", scheme)(text), target)
    named = registry.find("spaces", target)
    if isinstance(named.thing, ModuleType):
        return replace(named, thing=_only_space(named.thing, target))
    return named


def reference_to(space: Space) -> SpaceReference:
    """Returns a reference to a space made in the caller's program; workers receive the object itself.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> line = Line()
        >>> reference_to(line).load() is line
        True
    """
    try:
        file = inspect.getsourcefile(type(space))
    except (TypeError, OSError):  # a class of a notebook, of `python -i`, of a text
        file = None
    source = xxhash.xxh3_128_hexdigest(Path(file).read_bytes()) if file and Path(file).is_file() else None
    return SpaceReference(None, dict(space.settings()), source, space, space_code(space))


def _only_space(module: ModuleType, target: str) -> Any:
    spaces = _spaces_in(module)
    if len(spaces) != 1:
        what = "defines no space" if not spaces else f"defines {len(spaces)} spaces ({', '.join(spaces)})"
        advice = (
            "define a subclass of automl.Space in it"
            if not spaces
            else f"name one, as in {target}:{next(iter(spaces))}"
        )
        raise InvalidSpace(f"{target} {what}; {advice}")
    return next(iter(spaces.values()))


def _spaces_in(module: ModuleType) -> dict[str, Any]:
    """Returns what a file offers: its instances of spaces, or else its space classes that can be built or run."""
    instances = {name: item for name, item in vars(module).items() if isinstance(item, Space)}
    if instances:
        return instances
    classes = {
        name: item
        for name, item in vars(module).items()
        if isinstance(item, type) and issubclass(item, Space) and item.__module__ == module.__name__
    }
    whole = {
        name: item
        for name, item in classes.items()
        if item.build is not Space.build or item.behaviour is not Space.behaviour
    }
    return whole or classes


def _instance(found: Any, settings: dict[str, Any], target: str) -> Space:
    if isinstance(found, Space):
        if settings:
            raise InvalidInput(f"{target} is a ready-made space and takes no settings; it was given {sorted(settings)}")
        return found
    if not callable(found):
        raise InvalidSpace(f"{target} is {found!r}, which is no space; name a subclass or an instance of automl.Space")
    for name in settings.keys() - known(found).keys():
        refuse_field(found, name, settings[name])
    space = make(found, settings, f"space {target}")
    if not isinstance(space, Space):
        raise InvalidSpace(f"{target} gives {type(space).__name__}, which is no space; it must be an automl.Space")
    return space
