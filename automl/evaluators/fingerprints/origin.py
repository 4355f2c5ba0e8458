"""Where code comes from: this package, Python, an installed library, or the user. Only the user's is read."""

from __future__ import annotations

import functools
import sys
import sysconfig
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import xxhash

Origin = Literal["ours", "standard", "library", "user"]

OURS = ("automl", "workers", "search_spaces")
_HOME = Path(__file__).resolve().parents[3]
_STANDARD = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib") if sysconfig.get_path(name)
)


@functools.lru_cache(maxsize=4096)
def of_file(path: str) -> Origin:
    """Returns where a source file belongs. Code without a file, such as a notebook's cell, is the user's.

    Example:
        >>> of_file("/home/ann/model.py"), of_file("<stdin>"), of_file("/x/site-packages/numpy/__init__.py")
        ('user', 'user', 'library')
    """
    if path.startswith("<"):
        return "standard" if path.startswith("<frozen ") else "user"
    place = Path(path).resolve()
    if place.is_relative_to(_HOME) and place.relative_to(_HOME).parts[0] in OURS:
        return "ours"
    if {"site-packages", "dist-packages"} & set(place.parts):
        return "library"
    return "standard" if str(place).startswith(_STANDARD) else "user"


def of_module(module: ModuleType | None) -> Origin:
    """Returns where a module belongs; one without a file is Python's own where it is built in, else the user's."""
    if module is None:
        return "user"
    file = getattr(module, "__file__", None)
    if file is not None:
        return of_file(file)
    found = getattr(module, "__spec__", None)
    if found is not None and found.origin in ("built-in", "frozen"):
        return "standard"
    folders = list(getattr(module, "__path__", ()))
    return of_file(folders[0]) if folders else "user"


def of_name(name: str) -> Origin:
    """Returns where a module of this name belongs, without importing more than is imported already."""
    if name == "__main__":
        return "user"
    if name == "builtins" or name.partition(".")[0] in sys.builtin_module_names:
        return "standard"
    for known in (name, name.partition(".")[0]):
        if known in sys.modules:
            return of_module(sys.modules[known])
    try:
        found = find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        return "user"
    if found is None:
        return "user"
    folders = list(found.submodule_search_locations or ())
    if found.origin in ("built-in", "frozen"):
        return "standard"
    return of_file(found.origin or folders[0]) if found.origin or folders else "user"


def of_class(kind: type) -> Origin:
    """Returns where a class belongs."""
    return of_name(kind.__module__) if isinstance(kind.__module__, str) else "user"


def is_extension(module: ModuleType) -> bool:
    """Tells whether a module is compiled, so that there is no source to read."""
    return str(getattr(module, "__file__", None) or "").endswith(tuple(EXTENSION_SUFFIXES))


@functools.cache
def library(package: str) -> str:
    """Returns an installed package's name and version; without a version, its name and a digest of its file.

    Args:
        package: the name that is imported, such as "sklearn".

    Example:
        >>> library("xxhash").split()[0]
        'xxhash'
    """
    module = sys.modules.get(package)
    version: Any = getattr(module, "__version__", None)
    if not isinstance(version, str):
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            owners = metadata.packages_distributions().get(package, [])
            version = metadata.version(owners[0]) if owners else None
    if version is None:
        file = getattr(module, "__file__", None)
        version = xxhash.xxh3_128_hexdigest(Path(file).read_bytes()) if file and Path(file).is_file() else "unknown"
    return f"{package} {version}"
