"""The contract of exporters: what they are given, what they write, and how what they wrote is run again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidInput, one_line

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.export import ExportedProgram

_LEAST_EXAMPLES = 2


@dataclass(frozen=True)
class Trained:
    """A trained network as an exporter gets it.

    Attributes:
        module: The module on the CPU, in evaluation mode.
        examples: Inputs, one tensor an argument of the module; the first axis counts examples, of which there are at
            least two.
        facts: JSON data on candidate, study and figures, for readers.

    Example:
        >>> import torch
        >>> trained = Trained(torch.nn.Linear(2, 1), (torch.zeros(4, 2),))
        >>> [tuple(one.shape) for one in trained.examples]
        [(4, 2)]
    """

    module: nn.Module
    examples: tuple[torch.Tensor, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """What an exporter has written.

    Attributes:
        load: Function that loads the written files and returns a module that runs *them*.
        usage: Python source that loads them without automl, for the README.
        needs: Names of the packages that it needs, as pip takes them.

    Example:
        >>> Written(load=lambda: None, usage="import torch", needs=("torch",)).needs
        ('torch',)
    """

    load: Callable[[], nn.Module]
    usage: str
    needs: tuple[str, ...]


Exporter = Callable[[Trained, Path], Written]
"""A function that writes a trained network into an empty folder. Entry point `automl.exporters`."""


def traced(trained: Trained) -> ExportedProgram:
    """Returns a network as torch.export sees it: one graph of operations, for any number of examples.

    Raises:
        InvalidInput: it cannot be traced; the operation that stands in the way is named.

    Example:
        >>> import torch
        >>> program = traced(Trained(torch.nn.Linear(2, 1), (torch.zeros(4, 2),)))
        >>> tuple(program.module()(torch.zeros(7, 2)).shape)
        (7, 1)
    """
    import torch

    if len(trained.examples[0]) < _LEAST_EXAMPLES:
        raise InvalidInput("an export needs two examples of the test part or more, so that their number stays free")
    batch = torch.export.Dim("batch")
    shapes: tuple[Any, ...] = tuple({0: batch} for _ in trained.examples)
    taken = list(inspect.signature(trained.module.forward).parameters.values())
    if (rest := next((place for place, one in enumerate(taken) if one.kind is one.VAR_POSITIONAL), None)) is not None:
        shapes = (*shapes[:rest], shapes[rest:])  # `forward(self, *inputs)`: what it gathers is one argument
    try:
        with torch.no_grad():
            return torch.export.export(trained.module, trained.examples, dynamic_shapes=shapes, strict=False)
    except Exception as error:  # whatever the module or the tracer raises
        raise InvalidInput(f"the network cannot be traced, so it cannot be exported in this form: {_why(error)}") from (
            error
        )


def _why(error: BaseException) -> str:
    """Returns the first sentence of an error, and the user's own line that it came from."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    where = ""
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if (
            "torch" not in Path(name).parts
            and "automl" not in Path(name).parts
            and trace.tb_frame.f_code.co_name != "<module>"
        ):
            where = f" ({Path(name).name}, line {trace.tb_lineno}, in {trace.tb_frame.f_code.co_name})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {one_line(said, 300)}{where}"
