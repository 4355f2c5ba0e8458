"""A network as a Python file that needs torch and safetensors alone: its operations in order, its weights beside it.

The operations are those of torch's exported graph (`torch.ops.aten`), so the file reads as a listing of what is
computed, and nothing of the candidate's own code is needed to run it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from automl.delivery.formats.form import Trained, Written, traced
from automl.errors import InvalidInput

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.export import ExportedProgram

FILE = "model.py"
WEIGHTS = "weights.safetensors"

_USAGE = """from model import Model  # model.py, with weights.safetensors beside it

model = Model()
outputs = model(inputs)  # inputs: a tensor as described below
"""

_HEAD = '''"""A network found by search: torch's operations in order. It needs torch and safetensors alone.

Its weights are read from {weights} beside this file.
"""

from pathlib import Path

{imports}
from safetensors.torch import load_file

WEIGHTS = {names}
"""The arguments of `compute` that are weights, in order, and their names in the file."""


{function}

class Model(torch.nn.Module):
    """The trained network, in evaluation mode."""

    def __init__(self, weights=Path(__file__).with_name("{weights}")):
        super().__init__()
        stored = load_file(weights)
        for argument, name in WEIGHTS.items():
            self.register_buffer(argument, stored[name])

    def forward(self, *inputs):
        outputs = compute(*(getattr(self, argument) for argument in WEIGHTS), *inputs)
        return outputs[0] if len(outputs) == 1 else outputs
'''


def write(trained: Trained, folder: Path) -> Written:
    """Writes `model.py` and `weights.safetensors`.

    Raises:
        InvalidInput: the network cannot be traced, or computes with what torch's own operations do not say.

    Example:
        >>> import tempfile, torch
        >>> written = write(Trained(torch.nn.Linear(2, 1), (torch.zeros(4, 2),)), Path(tempfile.mkdtemp()))
        >>> tuple(written.load()(torch.zeros(7, 2)).shape)
        (7, 1)
    """
    program = traced(trained).run_decompositions({})
    names, tensors = _weights(program)
    (folder / FILE).write_text(_source(program, names), encoding="utf-8")
    _save(tensors, folder / WEIGHTS)
    return Written(lambda: _load(folder / FILE), _USAGE, ("torch", "safetensors"))


def _weights(program: ExportedProgram) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Returns the arguments that are weights with their names, and the tensors by name."""
    from torch.export.graph_signature import InputKind, OutputKind

    written = [one for one in program.graph_signature.output_specs if one.kind is not OutputKind.USER_OUTPUT]
    if written:
        raise InvalidInput(
            f"the network writes to {written[0].target or written[0].arg.name!r} when it is run, which a file of plain "
            "operations cannot; export --to pt2"
        )
    names, tensors = {}, {}
    state = {**program.state_dict, **program.constants}
    for one in program.graph_signature.input_specs:
        if one.kind is InputKind.USER_INPUT:
            continue
        if one.target not in state:
            raise InvalidInput(f"the network depends on {one.target!r}, which is no tensor; export --to pt2")
        names[one.arg.name], tensors[one.target] = one.target, state[one.target]
    return names, tensors


def _save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: one.detach().cpu().clone().contiguous() for name, one in tensors.items()}, path)


def _source(program: ExportedProgram, names: dict[str, str]) -> str:
    code = program.graph.python_code("self")
    function = re.sub(r";  [\w ]+( = \w+)* = None", "", code.src.strip())  # frees of memory, unreadable
    function = function.replace("def forward(self, ", "def compute(", 1).replace(
        "def forward(self)", "def compute()", 1
    )
    pairs = "".join(f"    {argument!r}: {name!r},\n" for argument, name in names.items())
    used = {name: value for name, value in code.globals.items() if re.search(rf"\b{name}\b", function)}
    return _HEAD.format(weights=WEIGHTS, imports=_imports(used), names=f"{{\n{pairs}}}", function=function)


def _imports(used: dict[str, Any]) -> str:
    """Returns the lines that give a graph's source the names that it uses."""
    import torch

    lines = {"import torch"}
    for name, value in used.items():
        if value is torch:
            continue
        if isinstance(value, float) and not math.isfinite(value):
            lines.add(f'{name} = float("{value}")')
        elif value is torch.device:
            lines.add(f"{name} = torch.device")
        elif value is type(None):
            lines.add(f"{name} = type(None)")
        elif getattr(value, "__module__", "") in ("operator", "_operator", "math", "builtins"):
            module = value.__module__.removeprefix("_")
            lines.add(f"from {module} import {value.__name__} as {name}")
        else:
            raise InvalidInput(f"the network computes with {name!r}, which a file of plain operations cannot; --to pt2")
    return "\n".join(sorted(lines, key=lambda line: (not line.startswith(("import", "from")), line)))


def _load(path: Path) -> nn.Module:
    """Runs the written file, without the folder of compiled code that an import would leave beside it."""
    module = ModuleType("automl_exported")
    module.__file__ = str(path)
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), module.__dict__)  # noqa: S102 - what was just written
    found: nn.Module = module.Model().eval()
    return found
