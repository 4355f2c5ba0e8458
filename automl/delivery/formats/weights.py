"""The weights alone, under the names that the candidate's own module gives them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING

from automl.artefacts.content import Content
from automl.artefacts.weights import load_weights, weights_of
from automl.delivery.formats.form import Trained, Written

if TYPE_CHECKING:
    from torch import nn

FILE = "weights.safetensors"
CANDIDATE = "candidate.json"

_USAGE = f"""from safetensors.torch import load_file

weights = load_file("{FILE}")  # name → tensor
model.load_state_dict(weights)  # model: the network of candidate.json, as the space builds it
model.eval()
"""

_IN_UNITS = f"""from safetensors.torch import load_file

weights = load_file("{FILE}")  # name → tensor
center, scale = weights.pop("center"), weights.pop("scale")
model.load_state_dict({{name.removeprefix("network."): one for name, one in weights.items()}})
model.eval()  # the network of candidate.json, as the space builds it; it has learned standardised targets
outputs = model(inputs) * scale + center
"""


def write(trained: Trained, folder: Path) -> Written:
    """Writes `weights.safetensors` and `candidate.json`.

    Raises:
        InvalidInput: the module keeps state that is no tensor.

    Example:
        >>> import tempfile, torch
        >>> written = write(Trained(torch.nn.Linear(2, 1), (torch.zeros(4, 2),)), Path(tempfile.mkdtemp()))
        >>> tuple(written.load()(torch.zeros(7, 2)).shape)
        (7, 1)
    """
    path = folder / FILE
    path.write_bytes(weights_of(trained.module, trained.facts).data)
    text = json.dumps(dict(trained.facts), ensure_ascii=False, indent=1, sort_keys=True)
    (folder / CANDIDATE).write_text(text + "\n", encoding="utf-8")

    def load() -> nn.Module:
        module = copy.deepcopy(trained.module)
        for parameter in module.state_dict().values():
            parameter.zero_()  # what the file lacks must not be there by chance
        load_weights(module, Content(path.read_bytes()))
        return module.eval()

    usage = _IN_UNITS if trained.facts.get("scaled_targets") else _USAGE
    return Written(load, usage, ("torch", "safetensors"))
