"""Why a module has no key, in a sentence that names the layer where it happened and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from types import TracebackType

import torch
from torch.nn.parameter import UninitializedParameter

from automl.behaviour import Probe
from automl.errors import Unhashable

_SHAPE_ERRORS = re.compile(
    r"shape|size|dimension|channels|broadcast|expected \d+D|out of (range|bounds)|einops|divisible|match", re.IGNORECASE
)
_MEMORY_ERRORS = re.compile(r"can't allocate memory|out of memory|Cannot allocate memory", re.IGNORECASE)
_CALL_ERRORS = re.compile(r"(forward|__call__)\(\) (missing|got|takes)|You (have to|must) specify")


def refusal(error: Exception, probe: Probe) -> Unhashable:
    """Returns why a module that raised `error` while it was run on a probe has no key."""
    text = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {text[0] if text else 'no message'}"
    layer = layer_of(error.__traceback__)
    where = f" (in {layer})" if layer else ""
    return Unhashable(f"the module cannot be run on the probe: {message}{where}{_way_out(error, message, probe)}")


def layer_of(trace: TracebackType | None) -> str:
    """Returns the name and class of the innermost module among the frames of an error; empty where there is none.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(3, 4))
        >>> try:
        ...     net(torch.zeros(2, 5))
        ... except RuntimeError as error:
        ...     layer_of(error.__traceback__)
        "layer '1', a Linear"
    """
    found = list(_modules(trace))
    if not found:
        return ""
    root = found[0]
    mode = "" if root.training else ", in evaluation"
    names = {id(part): name for name, part in root.named_modules()}
    for part in reversed(found):
        if id(part) in names:
            name = names[id(part)]
            return f"layer {name!r}, a {type(part).__name__}{mode}" if name else f"{type(part).__name__} itself{mode}"
    return f"a {type(root).__name__}{mode}"


def largest_layer(module: torch.nn.Module) -> str:
    """Returns the layer with the most parameters of its own, and how many those are.

    Example:
        >>> largest_layer(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 100)))
        "layer '1', a Linear, with 400"
    """
    sizes = {
        name: (parameter_count(part.parameters(recurse=False)), type(part).__name__)
        for name, part in module.named_modules()
    }
    name = max(sizes, key=lambda one: sizes[one][0])
    return f"layer {name!r}, a {sizes[name][1]}, with {sizes[name][0]:,}"


def parameter_count(parameters: Iterable[torch.nn.Parameter]) -> int:
    """Returns the number of values in parameters, of lazy ones without a size yet none."""
    return sum(item.numel() for item in parameters if not isinstance(item, UninitializedParameter))


def _modules(trace: TracebackType | None) -> Iterator[torch.nn.Module]:
    while trace is not None:
        held = trace.tb_frame.f_locals.get("self")
        if isinstance(held, torch.nn.Module):
            yield held
        trace = trace.tb_next


def _way_out(error: Exception, message: str, probe: Probe) -> str:
    if isinstance(error, MemoryError) or _MEMORY_ERRORS.search(message):
        return "; hash a smaller one, Module(build, reduced=…), or give a smaller probe"
    shapes = ", ".join(
        f"{one.name + ' ' if one.name else ''}{(probe.batch, *one.shape)} "
        f"{'numbers' if one.low is None else f'whole numbers from {one.low} to {one.high}'}"
        for one in probe.inputs
    )
    if isinstance(error, TypeError) and _CALL_ERRORS.search(message):
        return (
            f"; the probe gives {shapes}: name an input with Array(…, name=…), or wrap the module in one that calls it"
        )
    if _SHAPE_ERRORS.search(message):
        return f"; the probe gives {shapes}: give Probe(inputs=…) shaped like one example"
    if "deepcopy" in message or "pickle" in message:
        return "; give Module(build), a function that makes it anew"
    return "; wrap it in a module that calls it as your evaluator does"
