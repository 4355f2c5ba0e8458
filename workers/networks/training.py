"""One training in torch: data on the device, seeds, the loop, and the measurement afterwards."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from automl.behaviour import Behaviour, Graph, Module
from automl.errors import CandidateFailure
from automl.evaluators.base import Evaluation, Metrics
from automl.evaluators.task import Task
from workers.networks.snapshots import Training
from workers.remembered import Remembered

_MEASURE_BATCH = 1024
_MIDWAY_BATCH = 128  # on a CPU a third faster than 1,024; final figures keep theirs, to the last bit
_MIDWAY_SHARE = 0.3  # of the training examples, forward only: less than a tenth of an epoch's time
_MIXED = {"float16": torch.float16, "bfloat16": torch.bfloat16}
Part = tuple[torch.Tensor, torch.Tensor]


class Settings(Protocol):
    """What a training reads of an evaluator's settings; `Classification` says what each of them means."""

    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def schedule(self) -> str: ...
    @property
    def warmup(self) -> float: ...
    @property
    def label_smoothing(self) -> float: ...
    @property
    def gradient_clip(self) -> float | None: ...
    @property
    def precision(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Tensors:
    """A task's parts as (inputs, targets) on one device."""

    train: Part
    validation: Part
    test: Part


def tensors(task: Task, device: str) -> Tensors:
    """Returns a task's data on a device, copied there once a process."""
    return _loaded(task, device)


def _load(task: Task, device: str) -> Tensors:
    return Tensors(*(_part(getattr(task, name), device) for name in ("train", "validation", "test")))


_loaded = Remembered(_load)


def _part(part: tuple[np.ndarray, np.ndarray], device: str) -> Part:
    inputs, targets = part
    return torch.from_numpy(prepared(inputs)).to(device), torch.from_numpy(np.asarray(targets, dtype=np.int64)).to(
        device
    )


def prepared(inputs: np.ndarray) -> np.ndarray:
    """Returns inputs as modules get them: float32, bytes scaled to [0, 1], grey images with a channel axis."""
    if inputs.dtype == np.uint8:
        inputs = inputs.astype(np.float32) / 255.0
    if np.issubdtype(inputs.dtype, np.integer):
        return inputs.astype(np.int64)
    inputs = np.ascontiguousarray(inputs, dtype=np.float32)
    return inputs[:, None] if inputs.ndim == 3 else inputs


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Seeds every global generator that a module may draw from, and puts their states back afterwards."""
    with preserved_random_state(device):
        torch.manual_seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)
        random.seed(seed)
        yield


@contextmanager
def preserved_random_state(device: str) -> Iterator[None]:
    """Puts the states of all global generators back afterwards."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.startswith("cuda") else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def module_of(behaviour: Behaviour) -> nn.Module:
    """Builds the module of a behaviour.

    Raises:
        CandidateFailure: the behaviour is no network.
    """
    if not isinstance(behaviour, Graph | Module):
        raise CandidateFailure(f"a {behaviour.kind} cannot be trained as a classifier; it needs a torch module")
    return behaviour.build()


def misfit(behaviour: Behaviour, task: Task) -> str:
    """Returns why a network cannot be trained on a task, an empty text where it can.

    It is run on two examples, so that a wrong width of input or output is found before anything is paid for.
    """
    inputs, targets = task.train
    classes = int(np.max(targets)) + 1
    some = torch.from_numpy(prepared(inputs[:2]))
    with seeded(0, "cpu"), torch.no_grad():
        module = module_of(behaviour)
        try:
            logits = module(some)
        except Exception as error:  # a module raises what it likes
            return f"on inputs of shape {tuple(some.shape)} it raises {type(error).__name__}: {error}"
    if not isinstance(logits, torch.Tensor):
        return f"the network returns {type(logits).__name__} instead of a tensor"
    if logits.ndim != 2 or len(logits) != len(some) or logits.shape[1] < classes:
        return (
            f"the network gives outputs of shape {tuple(logits.shape)} for {len(some)} examples; "
            f"give one logit for each of the {classes} classes, ({len(some)}, {classes})"
        )
    return ""


def fit(
    module: nn.Module,
    data: Part,
    settings: Settings,
    how: Evaluation,
    until: int,
    held: Part | None = None,
    saved: bytes | None = None,
) -> None:
    """Trains a module in place.

    Args:
        module: to be trained.
        data: inputs and targets.
        settings: of the whole training; its schedule is over all of `epochs`.
        how: gives the seed of the order of examples, the checkpoint where states are left, from time to time too, and
            the learning curve.
        until: the epoch after which to stop; a training that stops before its end leaves a checkpoint.
        held: data that the module is measured on between epochs; None reports nothing. Where it is large beside `data`,
            only every second epoch, every third … is measured.
        saved: a state to go on from; the result is the same as without.

    Raises:
        CandidateFailure: the loss is not finite.
        Unreadable: `saved` is no state of this training.
    """
    inputs, targets = data
    device = inputs.device
    size = min(settings.batch_size, len(inputs))
    steps = len(inputs) // size
    parameters = [item for item in module.parameters() if item.requires_grad]
    every = 1 if held is None else math.ceil(len(held[0]) / (_MIDWAY_SHARE * steps * size))
    if not parameters:
        return
    optimizer = _optimizer(parameters, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(settings, steps * settings.epochs))
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "float16")
    order = torch.Generator().manual_seed(how.seed)
    training = Training(module, optimizer, schedule, scaler, order, device, how.curve)
    begun = training.load(saved, until) if saved is not None else 0
    module.train()
    for epoch in range(begun, until):
        permutation = torch.randperm(len(inputs), generator=order).to(device)
        total = torch.zeros((), device=device)
        for batch in permutation[: steps * size].reshape(steps, size):
            with _precision(settings.precision, device):
                logits = module(inputs[batch])
                loss = nn.functional.cross_entropy(logits, targets[batch], label_smoothing=settings.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            if settings.gradient_clip is not None:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(parameters, settings.gradient_clip)
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
            total += loss.detach()
            if device.type == "cpu":
                _check(total, epoch)
        _check(total, epoch)  # on a GPU once an epoch only: looking at a number waits for all work before it
        done = epoch + 1
        if held is not None:
            midway = measure_midway(module, held, settings) if done % every == 0 and done < settings.epochs else {}
            how.report(done, {"train_loss": float(total) / steps, **midway})
        if how.checkpoint is not None and done < settings.epochs and (done == until or how.checkpoint.due):
            how.checkpoint.write(training.save(done))


def _check(total: torch.Tensor, epoch: int) -> None:
    if not torch.isfinite(total):
        raise CandidateFailure(f"training diverged: the loss was not finite in epoch {epoch + 1}")


def _optimizer(parameters: list[nn.Parameter], settings: Settings) -> torch.optim.Optimizer:
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        parameters,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.momentum > 0,
    )


def _schedule(settings: Settings, steps: int) -> Callable[[int], float]:
    """Returns the share of the highest learning rate at each step."""
    warmup = settings.warmup * steps

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if settings.schedule == "constant":
            return 1.0
        done = (step - warmup) / max(1.0, steps - warmup)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))

    return share


def _precision(precision: str, device: torch.device) -> torch.autocast:
    mixed = precision in _MIXED
    return torch.autocast(device.type, dtype=_MIXED.get(precision, torch.bfloat16), enabled=mixed)


def measure_midway(module: nn.Module, data: Part, settings: Settings) -> Metrics:
    """Measures a copy of a module in the middle of its training, which it leaves no trace in.

    Nothing is measured of a module that cannot be copied, or not in the memory that is left: whatever it does when it
    is looked at (buffers, counters, weights that `eval` folds) would change what is trained.
    """
    try:
        copied = copy.deepcopy(module)
    except Exception:  # a module raises what it likes
        return {}
    device = data[0].device.type
    with preserved_random_state(device):
        return measure(copied, data, settings, _MIDWAY_BATCH if device == "cpu" else _MEASURE_BATCH)


@torch.no_grad()
def measure(module: nn.Module, data: Part, settings: Settings, batch: int = _MEASURE_BATCH) -> Metrics:
    """Returns accuracy and mean cross-entropy of a trained module on held-out data."""
    inputs, targets = data
    module.eval()
    correct, loss = 0, 0.0
    for some, wanted in zip(torch.split(inputs, batch), torch.split(targets, batch), strict=True):
        with _precision(settings.precision, inputs.device):
            logits = module(some)
        correct += int((logits.argmax(1) == wanted).sum())
        loss += float(nn.functional.cross_entropy(logits.float(), wanted, reduction="sum"))
    return {"accuracy": correct / len(targets), "loss": loss / len(targets)}
