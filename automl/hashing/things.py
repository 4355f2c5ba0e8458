"""Turning anything that runs into a behaviour."""

from __future__ import annotations

import inspect
import sys
from typing import Any, get_args

from automl.behaviour import Behaviour, Function, Module
from automl.errors import InvalidInput


def as_behaviour(thing: Any) -> Behaviour:
    """Returns `thing` if it is a behaviour, or the behaviour of a torch module or a callable.

    Raises:
        InvalidInput: it is neither, or a callable whose number of arguments cannot be told.
    """
    if isinstance(thing, get_args(Behaviour)):
        return thing
    torch = sys.modules.get("torch")  # whoever has a torch module has imported torch
    if torch is not None and isinstance(thing, torch.nn.Module):
        from automl.hashing.copies import Copied

        return Module(build=Copied(thing))
    if not callable(thing):
        raise InvalidInput(f"{thing!r} cannot be run; give a behaviour, a torch module or a function of arrays")
    return Function(thing, arity=arity(thing))


def arity(function: Any) -> int:
    """Returns how many arrays a function takes: its positional parameters without a default.

    Raises:
        InvalidInput: that cannot be told; wrap the function in `automl.behaviour.Function(call, arity=…)`.
    """
    known = getattr(function, "nin", None)  # a numpy ufunc
    if isinstance(known, int):
        return known
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{function!r} does not say how many arguments it takes; wrap it in Function(call, arity=…)"
        ) from error
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = sum(item.kind in positional and item.default is inspect.Parameter.empty for item in parameters)
    if not found:
        raise InvalidInput(f"{function!r} takes no arguments that could be probed; wrap it in Function(call, arity=…)")
    return found
