"""The one loop that trains supernets, whatever their objective.

Each epoch draws from generators of its own, made from (seed, stage, epoch): a training that goes on after an epoch
needs weights and momentum, and no state of generators.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import nn

from automl.errors import CandidateFailure

if TYPE_CHECKING:
    from automl.evaluators.checkpoints import Checkpoint
    from workers.networks.batches import ArrayPart
    from workers.networks.settings import LoopSettings

_WARM = 0.1
_MIXED = {"float16": torch.float16, "bfloat16": torch.bfloat16}


class Objective(Protocol):
    """What a supernet learns, stage by stage."""

    @property
    def clip(self) -> float | None:
        """Largest norm of all gradients together; None does not clip."""
        ...

    @property
    def module(self) -> nn.Module:
        """What is trained."""
        ...

    @property
    def stages(self) -> int:
        """Number of stages, trained one after the other."""
        ...

    def labels(self, targets: torch.Tensor) -> torch.Tensor:
        """Returns what is learned of the training part, of the form of its targets."""
        ...

    def begin(self, stage: int) -> list[nn.Parameter]:
        """Prepares a stage and returns the parameters that it trains."""
        ...

    def loss(
        self, stage: int, inputs: torch.Tensor, targets: torch.Tensor, rng: np.random.Generator, views: torch.Generator
    ) -> torch.Tensor:
        """Returns the loss of one step."""
        ...

    def after(self, stage: int, share: float) -> None:
        """Is called after each step, with the share of the stage's steps that are done."""
        ...

    def figures(self) -> dict[str, float]:
        """Returns what the learning curve gets beside the loss."""
        ...

    def over(self) -> bool:
        """Tells after an epoch whether the stage ends before its last one."""
        ...

    def finish(self, stage: int) -> None:
        """Ends a stage."""
        ...

    def facts(self) -> dict[str, Any]:
        """Returns what must be kept beside the module's state, as JSON data."""
        ...

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns what must be kept beside the module's state, as tensors."""
        ...

    def restore(self, facts: Any, tensors: dict[str, torch.Tensor]) -> None:
        """Puts back what `facts` and `tensors` returned."""
        ...


def train(
    objective: Objective,
    data: ArrayPart,
    settings: LoopSettings,
    seed: int,
    *,
    precision: str = "float32",
    report: Callable[[float, Mapping[str, float]], object] | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Trains a supernet in place.

    Args:
        objective: holds the module.
        data: training inputs and targets.
        settings: of the training.
        seed: of everything that is drawn.
        precision: "float32", "float16" or "bfloat16".
        report: is called after each epoch, stages counted on.
        checkpoint: where the state is left after epochs, and found again.

    Raises:
        CandidateFailure: the loss is not finite.
    """
    inputs, known = data[0], objective.labels(data[1])
    size = min(settings.batch_size, len(inputs))
    steps = len(inputs) // size
    begun = _resumed(objective, checkpoint)
    momenta: list[torch.Tensor] = begun.momenta
    for stage in range(begun.stage, objective.stages):
        parameters = objective.begin(stage)
        optimizer = _optimizer(parameters, settings, momenta)
        momenta = []
        scaler = torch.amp.GradScaler(inputs.device.type, enabled=precision == "float16")
        for epoch in range(begun.epoch if stage == begun.stage else 0, settings.epochs):
            total = torch.zeros((), device=inputs.device)
            rng = np.random.default_rng([seed, stage, epoch])
            generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
            order = torch.randperm(len(inputs), generator=generator)[: steps * size].reshape(steps, size)
            for step, batch in enumerate(order.to(inputs.device)):
                done = epoch * steps + step
                _set_rate(optimizer, settings, done, steps * settings.epochs)
                with _autocast(precision, inputs.device):
                    loss = objective.loss(stage, inputs[batch], known[batch], rng, generator)
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                if objective.clip is not None:
                    scaler.unscale_(optimizer)
                    nn.utils.clip_grad_norm_(parameters, objective.clip)
                scaler.step(optimizer)
                scaler.update()
                objective.after(stage, (done + 1) / (steps * settings.epochs))
                total += loss.detach()
            if not torch.isfinite(total):
                raise CandidateFailure(f"the supernet diverged: its loss was not finite in epoch {epoch + 1}")
            if report is not None:
                report(stage * settings.epochs + epoch + 1, {"train_loss": float(total) / steps, **objective.figures()})
            if objective.over():
                break
            if checkpoint is not None and checkpoint.due and epoch + 1 < settings.epochs:
                checkpoint.write(_saved(objective, stage, epoch + 1, optimizer))
        objective.module.zero_grad(set_to_none=True)
        objective.finish(stage)
        if checkpoint is not None and stage + 1 < objective.stages:
            checkpoint.write(_saved(objective, stage + 1, 0, None))


def _optimizer(
    parameters: list[nn.Parameter], settings: LoopSettings, momenta: list[torch.Tensor]
) -> torch.optim.Optimizer:
    """Returns the optimizer; norms and biases are not decayed."""
    decayed = [one for one in parameters if one.ndim > 1]
    others = [one for one in parameters if one.ndim <= 1]
    groups = [
        {"params": some, "weight_decay": decay} for some, decay in ((decayed, settings.weight_decay), (others, 0.0))
    ]
    optimizer = torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
    if momenta:
        for one, momentum in zip([*decayed, *others], momenta, strict=True):
            if momentum.numel():
                optimizer.state[one]["momentum_buffer"] = momentum.to(one.device)
    return optimizer


def _set_rate(optimizer: torch.optim.Optimizer, settings: LoopSettings, step: int, steps: int) -> None:
    warm = _WARM * steps
    share = (step + 1) / (warm + 1) if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * share


def _autocast(precision: str, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=_MIXED.get(precision, torch.bfloat16), enabled=precision in _MIXED)


class _Begun:
    """Where a training goes on."""

    def __init__(self, stage: int = 0, epoch: int = 0, momenta: list[torch.Tensor] | None = None) -> None:
        self.stage, self.epoch, self.momenta = stage, epoch, momenta or []


def _saved(objective: Objective, stage: int, epoch: int, optimizer: torch.optim.Optimizer | None) -> bytes:
    """Returns the state after so many epochs of a stage as safetensors: no pickle."""
    from safetensors.torch import save

    tensors = {f"module.{name}": one for name, one in objective.module.state_dict().items()}
    tensors |= {f"more.{name}": one for name, one in objective.tensors().items()}
    if optimizer is not None:
        held = [one for group in optimizer.param_groups for one in group["params"]]
        for number, one in enumerate(held):
            momentum = optimizer.state[one].get("momentum_buffer") if one in optimizer.state else None
            tensors[f"momentum.{number:06}"] = torch.empty(0) if momentum is None else momentum
    facts = json.dumps({"stage": stage, "epoch": epoch, "facts": objective.facts()})
    return save({name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}, {"automl": facts})


def _resumed(objective: Objective, checkpoint: Checkpoint | None) -> _Begun:
    """Puts a saved state into the objective; one that is damaged or does not fit is left alone."""
    data = checkpoint.read() if checkpoint is not None else None
    if data is None:
        return _Begun()
    try:
        facts, tensors = read_state(data)
        put_state(objective, facts["facts"], tensors)
        momenta = [tensors[name] for name in sorted(tensors) if name.startswith("momentum.")]
        return _Begun(facts["stage"], facts["epoch"], momenta)
    except Exception:  # a foreign file can fail in any way, and training anew is always right
        return _Begun()


def read_state(data: bytes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Returns the facts and the tensors of a saved state."""
    from safetensors.torch import load

    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["automl"]), load(data)


def put_state(objective: Objective, facts: Any, tensors: Mapping[str, torch.Tensor]) -> None:
    """Puts a state into an objective of the same space and settings."""
    objective.module.load_state_dict(
        {name.removeprefix("module."): one for name, one in tensors.items() if name.startswith("module.")}
    )
    objective.restore(
        facts, {name.removeprefix("more."): one for name, one in tensors.items() if name.startswith("more.")}
    )
