"""Reading what code takes from modules: of libraries the version, of the user's own the source of what is used."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Set
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import xxhash

from automl.evaluators.fingerprints.naming import goes_without_saying
from automl.evaluators.fingerprints.origin import is_extension, library, of_module, of_name
from automl.evaluators.fingerprints.refusal import NoContent
from automl.evaluators.fingerprints.uses import Chain, Import, Uses

if TYPE_CHECKING:
    from automl.evaluators.fingerprints.walk import Walk


def chains(walk: Walk, name: str, module: ModuleType, used: Set[Chain], met: set[str] | None = None) -> None:
    """Adds what is read off a module that a name stands for.

    Args:
        walk: takes it in.
        name: stands for the module.
        module: the user's own, or a library's.
        used: attributes read off it.
        met: what was added already, where the name has one meaning throughout.
    """
    met = set() if met is None else met
    for chain in sorted(used):
        label, rest = name, chain
        value: Any = module
        while isinstance(value, ModuleType) and of_module(value) == "user" and rest:
            try:
                value = getattr(value, rest[0])
            except AttributeError:
                value = None  # reading it fails when the code runs, too
            label, rest = f"{label}.{rest[0]}", rest[1:]
        if value is sys and rest[:1] == ("argv",):  # what a program was started with decides what it is
            label, value = f"{label}.argv", sys.argv[1:]
        if f"{label}=" in met or goes_without_saying(label, value):
            continue
        met.add(f"{label}=")
        walk.fact(label, value)


def imported(walk: Walk, one: Import, used: Uses, scope: Mapping[str, Any]) -> None:
    """Adds what a function imports when it runs. Modules of the user's own are imported for it, others are not."""
    try:
        full = resolve_name("." * one.level + one.module, scope.get("__package__") or None)
    except ImportError:
        return  # it fails when the function runs, too
    origin = of_name(full)
    if origin == "library":
        found = library(full.partition(".")[0])
        walk.libraries.add(found)
        walk.fact(f"import {full}", found)
    if origin != "user" and full != "sys":
        return
    try:
        module = import_module(full)
    except (Exception, SystemExit):
        walk.fact(f"import {full}", "fails")
        return
    for name in one.names:
        if not hasattr(module, name):  # a module of the package, which nobody imported yet
            with contextlib.suppress(ImportError):
                import_module(f"{full}.{name}")
        used_of = used.local.get(name, frozenset({()}))
        chains(walk, full, module, {(name, *chain) for chain in used_of})
    if not one.names:
        start = module if one.whole else import_module(full.partition(".")[0])
        chains(walk, full, start, used.local.get(one.alias, {()}) if one.alias else {()})


def read(walk: Walk, module: ModuleType) -> None:
    """Adds a whole module of the user's: its text, and what its names stand for.

    Raises:
        NoContent: it has no source, or one of its names has no content.
    """
    file = getattr(module, "__file__", None)
    if is_extension(module) and file:
        walk.files.add(file)
        walk.text(module.__name__, b"extension" + xxhash.xxh3_128_digest(Path(file).read_bytes()))
        return
    found = walk.file_of(file, vars(module)) if file else None
    if found is None:
        raise NoContent("a live module, whose source cannot be read")
    walk.text(module.__name__, found.text)
    for name, value in sorted(vars(module).items()):
        if not (name.startswith("__") and name.endswith("__")) and not goes_without_saying(name, value):
            walk.fact(name, value)
