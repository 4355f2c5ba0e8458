"""The structure that newcomers see: few modules at the root, every other one in a room, old names still importable."""

import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import automl
import search_spaces
import workers
from automl.setup.moved import MOVED

ROOT = {
    "api", "behaviour", "errors", "jsontext", "observers", "pool", "registry", "rules", "settings", "study",
}  # fmt: skip
"""What everybody imports. A new module belongs in a room; see ARCHITECTURE.md."""


def modules_of(package):
    return [
        found.name
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if ".migrations" not in found.name
    ]


def test_the_root_keeps_its_modules():
    assert {path.stem for path in Path(automl.__file__).parent.glob("*.py")} - {"__init__"} == ROOT


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
