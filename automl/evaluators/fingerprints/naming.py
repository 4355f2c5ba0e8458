"""What is known by its name: things of Python, of installed libraries with their version, and of this package."""

from __future__ import annotations

import functools
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.evaluators.fingerprints.origin import Origin, library, of_class, of_file, of_module, of_name
from automl.evaluators.fingerprints.refusal import NoContent
from automl.evaluators.fingerprints.written import mixed

if TYPE_CHECKING:
    from automl.evaluators.fingerprints.walk import Walk

_UNMISTAKABLE = frozenset(
    {"abc", "builtins", "collections.abc", "dataclasses", "enum", "functools", "itertools", "math", "pathlib", "typing"}
)
"""Modules of Python that no two of have different things under one name."""

_DESCRIPTORS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_CACHED = type(functools.cache(lambda: None))
_UFUNCS = ("numpy", "scipy.special")


def goes_without_saying(name: str, value: Any) -> bool:
    """Tells whether a name in a text says by itself what it stands for, such as `math`, `dataclass` or `Evaluator`."""
    if isinstance(value, types.ModuleType):
        return value.__name__ == name and of_module(value) in ("standard", "ours")
    if not isinstance(value, type | types.FunctionType | types.BuiltinFunctionType) or value.__qualname__ != name:
        return False
    if value.__module__ in _UNMISTAKABLE:
        return of_name(value.__module__) == "standard"
    ours = sys.modules.get("automl")
    public = getattr(ours, "__all__", ())
    return name in public and _origin(value) == "ours" and getattr(ours, name) is value


def _origin(value: Any) -> Origin:
    if isinstance(value, types.FunctionType):
        return of_file(value.__code__.co_filename)
    return of_class(value) if isinstance(value, type) else of_name(value.__module__ or "builtins")


def named(value: Any, walk: Walk) -> bytes | None:
    """Returns 16 bytes of what is known by name, or wraps something that is; None for other objects.

    Raises:
        NoContent: a wrapper of something that cannot be looked at.
    """
    if isinstance(value, types.ModuleType):
        return _name(value.__name__, "", of_module(value), walk)
    if isinstance(value, type):
        return _name(value.__module__, value.__qualname__, of_class(value), walk)
    if isinstance(value, types.FunctionType):
        return _of_library(value, walk)
    if isinstance(value, types.MethodType):
        return mixed("method", walk(value.__func__), walk(value.__self__))
    if isinstance(value, types.BuiltinFunctionType):
        owner = value.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            return _builtin(value, walk)
        return mixed("bound", value.__name__, walk(owner))
    if isinstance(value, types.MethodWrapperType):
        return mixed("bound", value.__name__, walk(value.__self__))
    if isinstance(value, _DESCRIPTORS):
        return mixed("descriptor", value.__name__, walk(value.__objclass__))
    return _wrapper(value, walk)


def _wrapper(value: Any, walk: Walk) -> bytes | None:
    if isinstance(value, functools.partial | functools.partialmethod):
        parts = (value.func, value.args, value.keywords, getattr(value, "__dict__", None) or None)
        return mixed("partial", *map(walk, parts[: 4 if isinstance(value, functools.partial) else 3]))
    if isinstance(value, staticmethod | classmethod):
        return mixed(type(value).__name__, walk(value.__func__))
    if isinstance(value, property):
        return mixed("property", walk(value.fget), walk(value.fset), walk(value.fdel))
    if isinstance(value, functools.cached_property):
        return mixed("cached property", walk(value.func))
    if isinstance(value, functools.singledispatchmethod):
        return mixed("dispatch", walk(value.dispatcher))
    if isinstance(value, _CACHED):
        return mixed("cached", walk(value.__wrapped__), walk(value.cache_parameters()))
    if isinstance(value, np.ufunc):
        return _ufunc(value, walk)
    kind = type(value).__module__.partition(".")[0]
    if kind == "numba" and hasattr(value, "py_func"):
        return mixed("numba", walk(type(value)), walk(value.py_func), walk(getattr(value, "targetoptions", None)))
    if type(value).__module__.startswith("torch.jit") and isinstance(getattr(value, "code", None), str):
        return None if hasattr(value, "state_dict") else mixed("script", value.code)
    return None


def _of_library(function: types.FunctionType, walk: Walk) -> bytes:
    """Returns a library's function: its name, and what it captured where it was made by another function."""
    if hasattr(function, "registry") and hasattr(function, "dispatch"):  # functools.singledispatch
        return mixed("dispatch", walk(dict(function.registry)))
    origin = of_file(function.__code__.co_filename)
    package = str(function.__globals__.get("__name__", ""))
    found = _name(package, function.__code__.co_qualname, origin, walk)
    original = getattr(function, "_torchdynamo_orig_callable", None)
    if original is not None:
        return mixed(found, walk(original))
    if function.__closure__ is None and "<locals>" not in function.__code__.co_qualname:
        return found
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    return mixed(found, walk(cells), walk(function.__defaults__), walk(function.__kwdefaults__))


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _builtin(value: Any, walk: Walk) -> bytes:
    module = value.__module__ or "builtins"
    origin = of_name(module)
    extension = sys.modules.get(module)
    if origin == "user" and extension is not None:
        return mixed("extension", value.__qualname__, walk(extension))
    return _name(module, value.__qualname__, origin, walk)


def _ufunc(value: np.ufunc, walk: Walk) -> bytes:
    for package in _UFUNCS:
        if getattr(sys.modules.get(package), value.__name__, None) is value:
            return _name(package, value.__name__, "library", walk)
    raise NoContent("a numpy function made of a Python function, which cannot be looked at")


def _name(module: str, name: str, origin: Origin, walk: Walk) -> bytes:
    if origin != "library":
        return mixed("named", module, name)
    found = library(module.partition(".")[0])
    walk.libraries.add(found)
    return mixed("named", module, name, found)
