"""Targets: how a space is named (registered name, `file.py`, `file.py:attribute`, `module:attribute`) and loaded."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import xxhash

from automl import registry
from automl.errors import InvalidInput, InvalidSpace
from automl.jsontext import canonical, parse
from automl.settings import make
from automl.space import Space


@dataclass(frozen=True)
class SpaceReference:
    """What travels to a worker instead of a space: enough to load it there once.

    Attributes:
        target: as on the command line; None for a space that only exists as an object in the caller's program.
        settings: of the instance.
        source: 32 hexadecimal digits of the file's content, for targets that are files.
        space: the object itself where there is no target.
    """

    target: str | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    space: Space | None = None

    def load(self) -> Space:
        """Returns the space, loaded at most once in a process.

        Raises:
            InvalidInput: the target cannot be loaded, or its file has changed since the reference was made.
        """
        if self.space is not None:
            return self.space
        assert self.target is not None
        return _load_once(self.target, canonical(dict(self.settings)), self.source)

    def identity(self) -> dict[str, Any]:
        """Returns what makes this the same space on resume, as JSON data."""
        return {
            "target": self.target or f"object {type(self.space).__name__}",
            "settings": dict(self.settings),
            "source": self.source,
        }


@functools.lru_cache(maxsize=32)
def _load_once(target: str, settings: str, source: str | None) -> Space:
    space, reference = resolve(target, parse(settings))
    if reference.source != source:
        raise InvalidInput(f"{target} has changed since the search started; start the search again")
    return space


def resolve(target: str, settings: Mapping[str, Any] | None = None) -> tuple[Space, SpaceReference]:
    """Loads the space named by `target`, made with `settings`.

    Raises:
        InvalidInput: no such name, file, module or attribute, or settings that the space does not know.
        InvalidSpace: the thing found is no space.
    """
    settings = dict(settings or {})
    found, target, source = _find(target)
    return _instance(found, settings, target), SpaceReference(target, settings, source)


def attribute(target: str) -> Any:
    """Returns what `file.py:Name` or `module:Name` names: a user's own strategy or evaluator.

    Raises:
        InvalidInput: no such file, module or attribute.
    """
    return _find(target)[0]


def _find(target: str) -> tuple[Any, str, str | None]:
    """Returns the object, the target with its path made absolute, and the hash of the file's content."""
    source = None
    if target.partition(":")[0].endswith(".py"):
        file, _, name = target.partition(":")
        path = Path(file).expanduser()
        if not path.is_file():
            raise InvalidInput(
                f"no file {file!r}; give an existing Python file, a registered space or module:attribute"
            )
        source = xxhash.xxh3_128_hexdigest(path.read_bytes())
        found = _attribute_of(_load_file(path.resolve(), source), name, target)
        target = f"{path.resolve()}:{name}" if name else str(path.resolve())
    elif ":" in target:
        package, _, name = target.partition(":")
        try:
            module = importlib.import_module(package)
        except ImportError as error:
            raise InvalidInput(f"module {package!r} of target {target!r} cannot be imported: {error}") from error
        found = _attribute_of(module, name, target)
    else:
        found = registry.load("spaces", target)
    return found, target, source


def reference_to(space: Space) -> SpaceReference:
    """Returns a reference to a space made in the caller's program; it travels as the object itself."""
    try:
        file = inspect.getsourcefile(type(space))
    except TypeError:
        file = None
    source = xxhash.xxh3_128_hexdigest(Path(file).read_bytes()) if file and Path(file).is_file() else None
    return SpaceReference(None, dict(space.settings()), source, space)


def _load_file(path: Path, source: str) -> ModuleType:
    name = f"automl_user_space_{source}"
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    folder = str(path.parent)
    added = folder not in sys.path
    if added:  # so that the file can import its neighbours
        sys.path.append(folder)
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a user's file may do anything
        del sys.modules[name]
        raise InvalidInput(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def _attribute_of(module: ModuleType, name: str, target: str) -> Any:
    if name:
        try:
            return functools.reduce(getattr, name.split("."), module)
        except AttributeError:
            known = [item for item in vars(module) if not item.startswith("_")]
            raise InvalidInput(registry.unknown(f"attribute of {target.partition(':')[0]}", name, known)) from None
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
    space = make(found, settings, f"space {target}")
    if not isinstance(space, Space):
        raise InvalidSpace(f"{target} gives {type(space).__name__}, which is no space; it must be an automl.Space")
    return space
