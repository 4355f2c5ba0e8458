"""A network as ONNX, run again by onnxruntime."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.delivery.formats.form import Trained, Written, traced
from automl.errors import InvalidInput, one_line

if TYPE_CHECKING:
    import torch
    from torch import nn

FILE = "model.onnx"
NEEDED = ("onnx", "onnxscript", "onnxruntime")

REGISTRATION = "torch.onnx._internal.exporter._registration"
_SKIPPED = "torchvision is not installed. Skipping"

_USAGE = f"""import onnxruntime

session = onnxruntime.InferenceSession("{FILE}")
names = [one.name for one in session.get_inputs()]
[outputs] = session.run(None, dict(zip(names, [inputs])))  # inputs: a numpy array as described below
"""


def write(trained: Trained, folder: Path) -> Written:
    """Writes `model.onnx`.

    Raises:
        InvalidInput: a package is missing, the network cannot be traced, or has an operation that ONNX lacks.

    Example:
        >>> import tempfile, torch
        >>> written = write(Trained(torch.nn.Linear(2, 1), (torch.zeros(4, 2),)), Path(tempfile.mkdtemp()))
        >>> tuple(written.load()(torch.zeros(7, 2)).shape)
        (7, 1)
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InvalidInput(
            f"ONNX needs {', '.join(missing)}: pip install 'automl-functional-hashing[onnx]', or export --to pt2"
        )
    import torch

    path = folder / FILE
    program = traced(trained)
    try:
        with without_torchvision():
            found = torch.onnx.export(program, dynamo=True, verbose=False)
        assert found is not None
        found.save(str(path))
    except Exception as error:  # the converter raises what it likes
        raise InvalidInput(f"the network cannot be written as ONNX: {_why(error)}") from error
    return Written(lambda: _session(path), _USAGE, ("onnxruntime",))


@contextlib.contextmanager
def without_torchvision() -> Iterator[None]:
    """Leaves out, in the body, what torch says of operators of torchvision where that is not installed.

    A network that was traced has none of them: they are of no use to whoever reads it. All else is said as before.

    Example:
        >>> with without_torchvision():
        ...     logging.getLogger(REGISTRATION).warning("torchvision is not installed. Skipping %s", "torchvision::nms")
    """
    logger = logging.getLogger(REGISTRATION)
    logger.addFilter(_says_more)
    try:
        yield
    finally:
        logger.removeFilter(_says_more)


def _says_more(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_SKIPPED)


def _why(error: BaseException) -> str:
    """Returns the reason at the bottom of a chain of errors, on one line."""
    chain = [error]
    while (below := chain[-1].__cause__) is not None and below not in chain:
        chain.append(below)
    said = next((line for line in str(chain[-1]).splitlines() if line.strip()), "")
    return f"{type(chain[-1]).__name__}: {one_line(said, 300)}"


def _session(path: Path) -> nn.Module:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, torch.get_num_threads())
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    class Session(torch.nn.Module):
        def forward(self, *inputs: torch.Tensor) -> Any:
            found = session.run(None, {name: one.cpu().numpy() for name, one in zip(names, inputs, strict=True)})
            outputs = tuple(torch.from_numpy(one) for one in found)
            return outputs[0] if len(outputs) == 1 else outputs

    return Session()
