"""Every public class and function says what it does and shows it: its docstring has an example, and all of them run."""

import ast
import doctest
import functools
import importlib
import re
import tomllib
from pathlib import Path

import pytest

import automl

TOP = Path(__file__).resolve().parents[1]
FILES = {
    ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("automl", "search_spaces", "workers")
    for path in sorted((TOP / package).rglob("*.py"))
}
PAGES = [TOP / "README.md", *(TOP / "docs").glob("*.md"), *(TOP / "docs" / "tutorials").glob("*.md")]
REFERENCE = "\n".join(path.read_text(encoding="utf-8") for path in (TOP / "docs" / "api").glob("*.md"))


@functools.cache
def tree(module):
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def defined(module):
    """The classes and functions that stand at the top of a module, by name."""
    return {
        node.name: node
        for node in tree(module).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    }


def home(module, name):
    """The module that defines what is imported as `module.name`; None where it is neither class nor function."""
    while name not in defined(module):
        for node in tree(module).body:
            if isinstance(node, ast.ImportFrom) and any((one.asname or one.name) == name for one in node.names):
                if node.module not in FILES:
                    return None
                module = node.module
                break
        else:
            return None
    return module


def in_the_reference():
    for module in re.findall(r"automodule:: ([\w.]+)\n(?!\s+:no-members:)", f"{REFERENCE}\n"):
        yield from ((module, name) for name in defined(module))
    for path in re.findall(r"auto(?:class|function):: ([\w.]+)", REFERENCE):
        yield path.rpartition(".")[::2]


def exported():
    yield from (value.rpartition(".")[::2] for value in (f"{place}.{name}" for name, place in automl._HOMES.items()))
    for module in FILES:
        for node in tree(module).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__" and module != "automl":
                yield from ((module, name) for name in ast.literal_eval(node.value))


def registered():
    points = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    yield from (value.split(":") for group in points.values() for value in group.values())


def imported_by_pages():
    for page in PAGES:
        for module, names in re.findall(
            r"from ((?:automl|workers|search_spaces)[\w.]*) import ([\w, ]+)", page.read_text()
        ):
            yield from ((module, name.strip()) for name in names.split(",") if module != "automl")


def public():
    """The module and the name of everything that a user can meet: by import, by name, or in the documentation."""
    found = {
        (place, name)
        for module, name in (*in_the_reference(), *exported(), *registered(), *imported_by_pages())
        if (place := home(module, name))
    }
    return sorted(found)


PUBLIC = public()
WITH_EXAMPLES = [module for module, path in FILES.items() if ">>> " in path.read_text(encoding="utf-8")]


def test_all_ways_to_public_names_are_looked_at():
    for way in (in_the_reference, exported, registered, imported_by_pages):
        assert {(home(*place), place[1]) for place in way()} & set(PUBLIC)
    assert {("automl.api", "search"), ("automl.spaces.space", "Space"), ("workers.tasks", "digits")} <= set(PUBLIC)
    assert len(PUBLIC) > 290


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[".".join(one) for one in PUBLIC])
def test_it_says_what_it_does_and_shows_it(module, name):
    text = ast.get_docstring(defined(module)[name]) or ""
    first = text.partition("\n\n")[0]
    assert first, "it has no docstring"
    assert first[0].isupper() or not first[0].isalpha(), "its first line begins in the middle of a sentence"
    assert first.endswith("."), "its first line is no whole sentence"
    assert ">>> " in text.partition("Example:\n")[2], "it has no example that runs"


def examples(module):
    """The docstrings of a module that hold examples, private ones too, each as a test in the module's own names."""
    names = {**vars(importlib.import_module(module)), "__name__": "__main__"}  # as for whoever types them
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ">>> " in (ast.get_docstring(node) or ""):
            what = f"{module}.{getattr(node, 'name', '')}"
            text = ast.get_docstring(node, clean=False)
            yield doctest.DocTestParser().get_doctest(text, names, what, str(FILES[module]), node.body[0].lineno - 1)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_run(module, tmp_path, monkeypatch):
    found = list(examples(module))
    assert found
    for number, test in enumerate(found):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        told = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
        result = runner.run(test, out=told.append)
        assert result.attempted
        assert not result.failed, "".join(told)
