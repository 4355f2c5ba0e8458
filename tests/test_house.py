"""The structure that newcomers see: few modules at the root, every other one in a room, old names still importable."""

import ast
import pkgutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import automl
import search_spaces
import workers
from automl.setup.moved import MOVED

ROOT_FOLDER = Path(automl.__file__).parent.parent
PROJECT = Path(__file__).parent.parent / "pyproject.toml"
ROOT_FILES = sorted(Path(automl.__file__).parent.glob("*.py"))
ROOT = {
    "api", "behaviour", "errors", "jsontext", "observers", "pool", "registry", "rules", "settings",
    "study",
}  # fmt: skip
"""What everybody imports. A new module belongs in a room; see ARCHITECTURE.md."""


def modules_of(package):
    return [
        found.name
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if ".migrations" not in found.name
    ]


def test_the_root_keeps_its_modules():
    assert {path.stem for path in ROOT_FILES} - {"__init__"} == ROOT


def contract_of(container):
    """The layers of the import contract of a package, in pyproject.toml."""
    contracts = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (found,) = (one for one in contracts if one.get("containers") == [container] and one.get("exhaustive"))
    return [[name.strip() for name in layer.split("|")] for layer in found["layers"]]


@pytest.mark.parametrize("package", ["automl", "automl.report", "automl.storage", "workers"])
def test_the_import_contract_names_every_room_and_module(package):
    folder = ROOT_FOLDER.joinpath(*package.split("."))
    there = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    named = [name for layer in contract_of(package) for name in layer]
    assert sorted(named) == sorted(there - {"__init__"})


def test_no_import_of_automl_points_to_its_own_floor_or_up():
    """What the linter holds, here with imports for types too: a room knows the names of lower rooms only."""
    floor = {name: -number for number, layer in enumerate(contract_of("automl")) for name in layer}
    up = []
    for path in [*(path for path in ROOT_FILES if path.stem in ROOT), *Path(automl.__file__).parent.glob("*/**/*.py")]:
        here = path.relative_to(ROOT_FOLDER / "automl").with_suffix("").parts[0]
        rooms = {module.split(".")[1] for module in imported_by(path)} - {here}
        up += [f"{path}: {room}" for room in rooms if floor[room] >= floor[here]]
    assert not up


def imported_by(path):
    """Names of the modules of automl that a file imports anywhere, for types or not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "automl":
            yield from (f"automl.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("automl."):
            yield node.module


def test_every_room_says_what_is_inside():
    folders = [
        path for top in ("automl", "search_spaces", "workers") for path in (ROOT_FOLDER / top).rglob("__init__.py")
    ]
    assert len(folders) > 15
    for path in folders:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_the_architecture_names_every_room_and_root_module():
    text = (PROJECT.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tree = text.partition("## The rooms")[2].partition("```\n")[2].partition("```")[0]
    rooms = [
        path.parent
        for top in ("automl", "search_spaces", "workers")
        for path in (ROOT_FOLDER / top).glob("*/__init__.py")
    ]
    assert len(rooms) > 15
    missing = [room for room in rooms if f"{room.name}/" not in tree and room.parent.name != "search_spaces"]
    assert not missing
    assert set(tree.split()) >= ROOT


def test_every_module_imports_and_search_is_still_the_function():
    for package in (automl, search_spaces, workers):
        for name in modules_of(package):
            import_module(name)
    assert callable(automl.search)
    assert automl.search.__name__ == "search"


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_a_moved_module_is_the_same_object_under_its_old_name(old, new):
    for name in [name for name in sys.modules if name == old or name.startswith(f"{old}.")]:
        del sys.modules[name]
    with pytest.warns(DeprecationWarning, match=f"{old} has moved: import {new} instead"):
        found = import_module(old)
    assert found is import_module(new)


def test_no_old_name_is_that_of_something_else_in_its_package():
    """Importing `package.name` puts the module there: a function of that name would be gone from then on."""
    script = (
        "from importlib import import_module; from automl.setup.moved import MOVED\n"
        "for old in MOVED:\n"
        "    package, _, name = old.rpartition('.')\n"
        "    if hasattr(import_module(package), name): print(old)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_what_lies_inside_a_moved_package_is_loaded_once():
    with pytest.warns(DeprecationWarning, match=r"automl\.programs\.code has moved"):
        inside = import_module("automl.programs.code")
    assert inside is import_module("automl.spaces.programs.code")


def test_old_names_work_before_anything_else_was_imported():
    script = (
        "import workers.programs, automl.cells; from automl.evaluator import Task, Evaluator; print(Task.__module__)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "automl.evaluators.task"
