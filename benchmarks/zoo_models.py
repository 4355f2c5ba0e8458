"""The models of `hash_zoo.py`: one a line in `hash_zoo_models.jsonl`, built from its configuration, nothing downloaded.

A line has a name, what is called and with what, and the probe's inputs:

    {"name": "x-transformers/decoder", "model": {"call": "x_transformers.TransformerWrapper", "num_tokens": 50, …},
     "inputs": [{"shape": [12], "high": 49}]}

An object with "call" is what the call returns, a text that begins with "@" the thing of that name. An input is the
shape of one example; whole numbers have their largest, and inputs that are given by name have that.
"""

from __future__ import annotations

import importlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from automl.behaviour import Array, Probe

FILE = Path(__file__).with_name("hash_zoo_models.jsonl")


@dataclass(frozen=True)
class Model:
    """One line of the file."""

    name: str
    model: dict[str, Any]
    inputs: list[Any]
    batch: int = 2

    @property
    def library(self) -> str:
        return self.name.split("/")[0]

    @property
    def probe(self) -> Probe:
        return Probe(inputs=tuple(map(_array, self.inputs)), batch=self.batch)

    def build(self) -> torch.nn.Module:
        """Returns the module in float32, its weights from one seed."""
        torch.manual_seed(0)
        return _made(self.model)

    def examples(self) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
        """Returns float32 inputs by place and by name."""
        torch.manual_seed(1)
        found = []
        for one in self.probe.inputs:
            shape = (self.batch, *one.shape)
            found.append(torch.randn(shape) if one.low is None else torch.randint(one.low, one.high + 1, shape))
        names = [one.name for one in self.probe.inputs]
        placed = [item for item, name in zip(found, names, strict=True) if not name]
        return placed, {name: item for item, name in zip(found, names, strict=True) if name}


def models() -> list[Model]:
    """Returns all models, in the order of the file."""
    return [Model(**json.loads(line)) for line in FILE.read_text().splitlines() if line]


def prepare() -> None:
    """Makes torchvision's Python part importable beside a torch without its compiled part, and hubs unreachable.

    The two operators that its import looks for are declared; no model here calls them.
    """
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    warnings.simplefilter("ignore")
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    prepare.kept = library  # type: ignore[attr-defined]  # it goes with the object


def _array(given: Any) -> Array:
    if isinstance(given, list):
        return Array(tuple(given))
    low = given.get("low", 0) if "high" in given else None
    return Array(tuple(given["shape"]), low, given.get("high"), given.get("name", ""))


def _made(given: Any) -> Any:
    if isinstance(given, dict):
        made = {key: _made(item) for key, item in given.items() if key not in ("call", "args")}
        return _found(given["call"])(*_made(given.get("args", [])), **made) if "call" in given else made
    if isinstance(given, list):
        return [_made(item) for item in given]
    return _found(given[1:]) if isinstance(given, str) and given.startswith("@") else given


def _found(path: str) -> Any:
    """Returns what a dotted path names: the longest part that is a module is imported."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if error.name and not path.startswith(error.name):
                raise
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return found
    raise ImportError(f"there is no {path}")
