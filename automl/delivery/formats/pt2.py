"""A network as torch's own archive: `torch.export.load` reads it wherever torch is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automl.delivery.formats.form import Trained, Written, traced

if TYPE_CHECKING:
    from torch import nn

FILE = "model.pt2"

_USAGE = f"""import torch

model = torch.export.load("{FILE}").module()
outputs = model(inputs)  # inputs: a tensor as described below
"""


def write(trained: Trained, folder: Path) -> Written:
    """Writes `model.pt2`.

    Raises:
        InvalidInput: the network cannot be traced.

    Example:
        >>> import tempfile, torch
        >>> written = write(Trained(torch.nn.Linear(2, 1), (torch.zeros(4, 2),)), Path(tempfile.mkdtemp()))
        >>> tuple(written.load()(torch.zeros(7, 2)).shape)
        (7, 1)
    """
    import torch

    path = folder / FILE
    torch.export.save(traced(trained), path)

    def load() -> nn.Module:
        found: nn.Module = torch.export.load(path).module()
        return found

    return Written(load, _USAGE, ("torch",))
