"""Making functions out of texts: as modules on disk, and as a notebook or `exec` makes them."""

import importlib
import itertools
import sys
from importlib.util import module_from_spec, spec_from_file_location

from automl.evaluators.fingerprints import fingerprint

_numbers = itertools.count()


def from_file(folder, text):
    """Imports a text as a module of its own and returns it."""
    name = f"stale_case_{next(_numbers)}"
    path = folder / f"{name}.py"
    path.write_text(text)
    found = spec_from_file_location(name, path)
    module = module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


def from_text(text):
    """Runs a text that has no file, and returns its names."""
    scope = {"__name__": "stale_case_of_a_notebook"}
    exec(text, scope)
    return scope


def digest(thing):
    return fingerprint(thing).digest


def write_package(folder, files):
    """Writes modules into a folder and forgets what was imported of them."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for kept in path.parent.glob("__pycache__/*"):
            kept.unlink()  # sources written within one second look alike to it
    tops = {name.split("/")[0].removesuffix(".py") for name in files}
    for name in [name for name in sys.modules if name.split(".")[0] in tops]:
        del sys.modules[name]
    importlib.invalidate_caches()
