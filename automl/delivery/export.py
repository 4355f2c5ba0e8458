"""Exports: written beside the folder first, run again from the written files, and only then put in place."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from automl import registry
from automl.delivery.formats.form import Exporter, Trained, Written
from automl.delivery.readme import readme
from automl.errors import InvalidInput, brief
from automl.evaluators.delivery import delivers

if TYPE_CHECKING:
    import torch
    from torch import nn

    from automl.delivery.ensemble import Ensemble
    from automl.delivery.model import TrainedModel

    Exported: TypeAlias = TrainedModel | Ensemble

COMPARED = 256
"""Examples of the test part on which outputs are compared, at most."""

OUTPUTS = 1e-4
"""Outputs of the export and of the module differ by no more than this, relative to the largest output."""

FIGURES = 2e-3
"""Figures of the export and of the module differ by no more than this, relative to figures above 1."""

FACTS = "automl-export.json"


def export_model(model: Exported, to: str, folder: Path) -> Path:
    """Writes a trained network in a form that needs no automl, checks it, and returns the folder.

    Raises:
        InvalidInput: the folder cannot be written or holds something, the form is unknown or cannot say what the
            network does, or the written files do not compute what the network does. Nothing is left behind.
    """
    exporter: Exporter = registry.load("exporters", to)
    with new_folder(folder) as place:
        facts = _facts(model)
        examples = _examples(model)
        trained = Trained(model.module, examples, facts)
        written = exporter(trained, place)
        checked = _checked(model, written, examples)
        facts = {**facts, "form": to, "checked": checked}
        (place / FACTS).write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        (place / "README.md").write_text(
            readme(facts, written, [tuple(one.shape) for one in examples]), encoding="utf-8"
        )
    return folder


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Gives the body a folder to fill, which becomes `folder` when the body ends; if it raises, nothing is left.

    Raises:
        InvalidInput: there is something already, or it cannot be written; no room included.
    """
    folder = folder.absolute()
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidInput(f"{brief(str(folder))} is there already and not an empty folder; name a new one")
        place = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:60]}."))
    except OSError as error:
        raise InvalidInput(f"{brief(str(folder))} cannot be written: {error.strerror}") from error
    try:
        try:
            yield place
            if folder.exists():
                folder.rmdir()
            place.chmod(0o777 & ~_umask())
            place.replace(folder)
        except OSError as error:
            raise InvalidInput(f"{brief(str(folder))} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def _facts(model: Exported) -> dict[str, Any]:
    return {
        **model.facts(),
        **delivers(model.training.evaluator).described_data(),
        **{name: value for name, value in model.training.facts.items() if name != "part"},
    }


def _examples(model: Exported) -> tuple[torch.Tensor, ...]:
    how = model.training.how(model.seed)
    return tuple(one.cpu() for one in delivers(model.training.evaluator).examples(how, COMPARED))


def _checked(model: Exported, written: Written, examples: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    """Runs the written files; returns what was compared.

    Raises:
        InvalidInput: they cannot be loaded, or compute something else than the network.
    """
    try:
        exported = written.load()
        gap = _largest_gap(model.module, exported, examples)
    except InvalidInput:
        raise
    except Exception as error:  # what cannot be run may fail in any way
        raise InvalidInput(f"the export was refused: it cannot be run ({type(error).__name__}: {error})") from error
    if not gap <= OUTPUTS:
        raise InvalidInput(
            f"the export was refused: its outputs differ from the network's by {gap:.3g} of the largest output"
        )
    training = model.training
    work, how = training.work(model.candidate.json), training.how(model.seed)
    found = delivers(training.evaluator).measured(_on(exported, training.device), work, how)
    for name, value in model.metrics.items():
        if name in found and not abs(found[name] - value) <= FIGURES * max(1.0, abs(value)):
            both = f"{found[name]:g}, and the network's was {value:g}"
            raise InvalidInput(f"the export was refused: its {name} on the test part is {both}")
    return {
        "examples": len(examples[0]),
        "largest_output_gap": gap,
        "figures": {name: value for name, value in found.items() if name in model.metrics},
    }


def _on(exported: nn.Module, device: str) -> nn.Module:
    import torch

    class OnCPU(torch.nn.Module):
        """Runs an export on the processor, whatever the inputs lie on; it is no part of it, for some have no modes."""

        def forward(self, *inputs: torch.Tensor) -> Any:
            return exported(*(one.cpu() for one in inputs)).to(device)

    return OnCPU()


def _largest_gap(module: nn.Module, exported: nn.Module, examples: tuple[torch.Tensor, ...]) -> float:
    """Returns the largest difference of two networks' outputs, for several numbers of examples, relative to them."""
    import torch

    gap = 0.0
    for count in sorted({1, 2, len(examples[0])}):
        some = tuple(one[:count] for one in examples)
        with torch.no_grad():
            ours, theirs = _flat(module(*some)), _flat(exported(*some))
        if [one.shape for one in ours] != [one.shape for one in theirs]:
            return float("inf")
        for one, other in zip(ours, theirs, strict=True):
            scale = max(1.0, float(one.abs().max())) if one.numel() else 1.0
            difference = (one.double() - other.double()).abs() / scale
            gap = max(gap, float(torch.where(one == other, 0.0, difference).max()) if one.numel() else 0.0)
    return gap


def _flat(outputs: Any) -> list[torch.Tensor]:
    """Returns the tensors of a network's outputs, in order."""
    import torch

    if isinstance(outputs, torch.Tensor):
        return [outputs]
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    return [tensor for one in outputs for tensor in _flat(one)]
