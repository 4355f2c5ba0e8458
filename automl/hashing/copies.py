"""Copies of modules that stand on their own: their hooks and lambdas read the copy, not what was copied."""

from __future__ import annotations

import copy
import functools
import types
from collections import OrderedDict
from typing import Any

import torch


class Copied:
    """Makes a copy of one module each time that it is called.

    Args:
        module: what is copied; it is not changed.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    def __call__(self) -> torch.nn.Module:
        return copied(self._module)


def copied(module: torch.nn.Module) -> torch.nn.Module:
    """Returns a copy of a module that shares nothing with it.

    Beyond `copy.deepcopy`: hooks on parameters are kept, functions over the module itself (a tied head written as
    a lambda) read the copy, and tensors that were computed, which `deepcopy` refuses, are copied as plain ones. What
    else it refuses (a lock, a library, an operator with a kernel of its own) is shared with the copy.
    """
    with torch.inference_mode(False), torch._C.DisableTorchFunction():  # about the very tensors
        memo: dict[int, Any] = {}
        hooked = []
        for part in module.modules():
            for held in (part.__dict__, part._parameters, part._buffers):
                for item in held.values():
                    if isinstance(item, torch.Tensor):
                        if not item.is_leaf or item.is_inference():
                            memo.setdefault(id(item), item.detach().clone())
                        if item._backward_hooks and item.is_leaf:
                            hooked.append(item)
        known = dict(memo)
        try:
            result = copy.deepcopy(module, memo)
        except TypeError:
            memo = known | _uncopied(module, known)
            result = copy.deepcopy(module, memo)
        # an object that was not copied is kept in the list under id(memo), which is no copy of anything
        made = {key: one for key, one in memo.items() if key != id(memo)}
        rebound = _Rebound(made)
        for part in result.modules():
            for name, item in list(part.__dict__.items()):
                part.__dict__[name] = rebound.of(item)
        for item in hooked:
            hooks = item._backward_hooks or {}
            made[id(item)]._backward_hooks = OrderedDict((key, rebound.of(hook)) for key, hook in hooks.items())
        return result


def _uncopied(module: torch.nn.Module, known: dict[int, Any]) -> dict[int, Any]:
    """Returns what the parts of a module hold that cannot be copied, by its id()."""
    found: dict[int, Any] = {}
    for part in module.modules():
        for name, item in part.__dict__.items():
            if name not in ("_parameters", "_buffers", "_modules"):
                try:
                    copy.deepcopy(item, dict(known))
                except TypeError:
                    found[id(item)] = item
    return found


class _Rebound:
    """Functions whose closures, defaults and bound objects read copies.

    Args:
        made: copies by the id() of what was copied.
    """

    def __init__(self, made: dict[int, Any]) -> None:
        self._made = made
        self._functions: dict[int, tuple[Any, Any]] = {}

    def of(self, item: Any) -> Any:
        """Returns a value with every function inside it bound to copies."""
        if isinstance(item, types.FunctionType):
            return self._function(item)
        if isinstance(item, functools.partial):
            arguments = [self._read(one) for one in item.args]
            return functools.partial(
                self._read(item.func), *arguments, **{name: self._read(one) for name, one in item.keywords.items()}
            )
        if type(item) in (dict, OrderedDict):
            for key, one in list(item.items()):
                item[key] = self.of(one)
        elif type(item) is list:
            item[:] = [self.of(one) for one in item]
        elif type(item) is tuple:
            return tuple(self.of(one) for one in item)
        return item

    def _read(self, item: Any) -> Any:
        known = self._made.get(id(item))
        if known is not None and type(known) is type(item):
            return known
        if isinstance(item, types.MethodType) and id(item.__self__) in self._made:
            return types.MethodType(item.__func__, self._made[id(item.__self__)])
        return self.of(item) if isinstance(item, types.FunctionType | functools.partial) else item

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        known = self._functions.get(id(function))
        if known is not None:
            return known[1]
        cells = function.__closure__ or ()
        defaults = function.__defaults__ or ()
        read = [self._read(one) for one in defaults]
        contents = [_content(cell) for cell in cells]
        self._functions[id(function)] = (function, function)  # a function may be in its own closure
        new_contents = [self._read(one) for one in contents]
        if all(a is b for a, b in zip((*contents, *defaults), (*new_contents, *read), strict=True)):
            return function
        closure = tuple(
            cell if old is new else types.CellType(new)
            for cell, old, new in zip(cells, contents, new_contents, strict=True)
        )
        made = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, tuple(read) or None, closure or None
        )
        made.__kwdefaults__ = function.__kwdefaults__
        self._functions[id(function)] = (function, made)
        return made


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing in it yet
        return None
