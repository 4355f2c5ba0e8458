"""Measuring a trained network on a part of a task."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from automl.errors import CandidateFailure
from automl.evaluators.base import Metrics
from automl.evaluators.labels import IGNORED
from workers.networks.batches import Part, called
from workers.networks.losses import measured_loss
from workers.networks.randomness import preserved_random_state
from workers.networks.scores import Score, measuring
from workers.networks.settings import Settings

MEASURE_BATCH = 1024
_MIDWAY_BATCH = 128  # on a CPU a third faster than 1,024; final figures keep theirs, to the last bit
_MIXED = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def precision(name: str, device: torch.device) -> torch.autocast:
    """Returns the context of automatic mixed precision, which does nothing for float32."""
    return torch.autocast(device.type, dtype=_MIXED.get(name, torch.bfloat16), enabled=name in _MIXED)


def measure_midway(module: nn.Module, data: Part, settings: Settings) -> Metrics:
    """Measures a copy of a module in the middle of its training, which it leaves no trace in.

    Nothing is measured of a module that cannot be copied, or not in the memory that is left: whatever it does when it
    is looked at (buffers, counters, weights that `eval` folds) would change what is trained.
    """
    try:
        copied = copy.deepcopy(module)
    except Exception:  # a module raises what it likes
        return {}
    device = data.device.type
    with preserved_random_state(device):
        return measure(copied, data, settings, _MIDWAY_BATCH if device == "cpu" else MEASURE_BATCH)


@torch.no_grad()
def measure(module: nn.Module, data: Part, settings: Settings, batch: int = MEASURE_BATCH) -> Metrics:
    """Returns the metrics of a trained module on held-out data.

    Raises:
        CandidateFailure: a user's metric gives no number.
    """
    module.eval()
    table: _Table | None = None
    for some, wanted in data.in_order(batch):
        with precision(settings.precision, data.device):
            outputs = settings.kind.align(called(module, some), wanted)
        if table is None:
            table = _Table(settings, wanted, outputs, data.device)
        table.add(outputs, wanted)
    assert table is not None
    return table.metrics()


@torch.no_grad()
def outputs_of(module: nn.Module, data: Part, settings: Settings) -> torch.Tensor:
    """Returns what a trained module gives for all examples of a part, in order, as float32 on the CPU."""
    module.eval()
    found = []
    for some, _ in data.in_order(MEASURE_BATCH):
        with precision(settings.precision, data.device):
            found.append(called(module, some).float().cpu())
    return torch.cat(found)


@torch.no_grad()
def measure_outputs(
    outputs: torch.Tensor, data: Part, settings: Settings, chosen: Sequence[int] | None = None
) -> Metrics:
    """Returns the metrics of outputs for all examples of a part, or for those that are chosen.

    Args:
        outputs: for all examples, in order, on the CPU.
        data: the part.
        settings: say which metrics.
        chosen: places of examples; one may be chosen several times.

    Raises:
        CandidateFailure: a user's metric gives no number.
    """
    targets = data.labels().cpu()
    if chosen is not None:
        places = torch.as_tensor(chosen)
        outputs, targets = outputs[places], targets[places]
    table: _Table | None = None
    for some, wanted in zip(torch.split(outputs, MEASURE_BATCH), torch.split(targets, MEASURE_BATCH), strict=True):
        aligned = settings.kind.align(some, wanted)
        if table is None:
            table = _Table(settings, wanted, aligned, targets.device)
        table.add(aligned, wanted)
    assert table is not None
    return table.metrics()


class _Table:
    """The metrics of one pass over a part, batch by batch."""

    def __init__(self, settings: Settings, targets: torch.Tensor, outputs: torch.Tensor, device: torch.device) -> None:
        self._kind = type(settings.kind).__name__
        self._classes = not targets.is_floating_point()
        self._scores = settings.table
        self._correct, self._loss, self._count = 0, 0.0, 0
        self._own_loss = measured_loss(settings, not self._classes)
        width = int(outputs.shape[1]) if outputs.ndim > 1 else 1
        self._made = {
            name: measuring(self._kind, score, width, device) for name, score in self._scores.items() if score.metric
        }
        self._gathered: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._gathers = any(score.function for score in self._scores.values())

    def add(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        if self._gathers:
            self._gathered.append((outputs.float().cpu(), targets.cpu()))
        if self._classes:
            valid = targets != IGNORED
            count = int(valid.sum())
            self._correct += int((outputs.argmax(1) == targets).sum())
        else:
            valid, count = None, len(targets)
        self._count += count
        if count == 0:
            return
        if self._own_loss is not None:
            self._loss += float(self._own_loss(outputs.float(), targets)) * count
        else:
            self._loss += float(
                nn.functional.cross_entropy(outputs.float(), targets, reduction="sum", ignore_index=IGNORED)
            )
        for name, metric in self._made.items():
            metric.update(*self._taken(self._scores[name], outputs.float(), targets, valid))

    def _taken(
        self, score: Score, outputs: torch.Tensor, targets: torch.Tensor, valid: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns predictions and targets as a metric of torchmetrics takes them, without what does not count."""
        if self._kind == "Values":
            return (outputs[:, 0], targets[:, 0]) if outputs.shape[1] == 1 else (outputs, targets)
        if self._kind == "Several":
            return torch.sigmoid(outputs), targets.long()
        assert valid is not None
        flat = outputs.movedim(1, -1)[valid]
        return (torch.softmax(flat, -1) if score.probabilities else flat.argmax(-1)), targets[valid]

    def metrics(self) -> Metrics:
        if self._count == 0:
            raise CandidateFailure("every target of this part is ignored; there is nothing to measure")
        loss = self._loss / self._count
        plain = {"accuracy": self._correct / self._count, "loss": loss, "perplexity": math.exp(min(loss, 700.0))}
        found: Metrics = {}
        for name, score in self._scores.items():
            if score.function is not None:
                outputs, targets = (torch.cat(one) for one in zip(*self._gathered, strict=True))
                found[name] = _figure(name, score.function(outputs, targets))
            elif score.metric:
                found[name] = float(self._made[name].compute().mean())  # several values: the mean of theirs
            else:
                found[name] = plain[name]
        return found


def _figure(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CandidateFailure(f"metric {name} returned {type(value).__name__} instead of a number: {error}") from error
