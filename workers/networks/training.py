"""One training in torch: the loop between the data and the measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from automl.behaviour import Behaviour, Graph, Module
from automl.data.datasets import inputs_of
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation
from automl.evaluators.pruning import Pruned
from workers.networks.averages import Average, Patience
from workers.networks.batches import Part, Parts, called
from workers.networks.batches import parts_of as parts_of
from workers.networks.batches import prepared as prepared
from workers.networks.losses import loss_of
from workers.networks.measuring import measure as measure
from workers.networks.measuring import measure_midway
from workers.networks.optimizers import Rates, optimizer_of
from workers.networks.randomness import preserved_random_state as preserved_random_state
from workers.networks.randomness import seeded as seeded
from workers.networks.scaling import loss_in_units
from workers.networks.settings import Settings
from workers.networks.snapshots import Training
from workers.networks.step import Step, droppable, larger_is_better, set_drop_path

_MIDWAY_SHARE = 0.3  # of the training examples, forward only: less than a tenth of an epoch's time


def module_of(behaviour: Behaviour) -> nn.Module:
    """Builds the module of a behaviour.

    Raises:
        CandidateFailure: the behaviour is no network.
    """
    if not isinstance(behaviour, Graph | Module):
        raise CandidateFailure(f"a {behaviour.kind} cannot be trained; it needs a torch module")
    return behaviour.build()


def misfit(behaviour: Behaviour, parts: Parts, settings: Settings) -> str:
    """Returns why a network cannot be trained on a task, an empty text where it can.

    It takes one step forward and one back on real examples, so that a wrong width of input or output is found before
    anything is paid for.

    Args:
        behaviour: of the candidate.
        parts: of the task.
        settings: of the training.
    """
    train: Part = parts.train
    with seeded(0, str(train.device)):
        module = module_of(behaviour).to(train.device)
        inputs, targets = train.first(2)
        shapes = [tuple(one.shape) for one in inputs_of(inputs)]
        shape = shapes[0] if len(shapes) == 1 else shapes
        try:
            with torch.no_grad():
                outputs = called(module.eval(), inputs)
        except Exception as error:  # a module raises what it likes
            return f"on inputs of shape {shape} it raises {type(error).__name__}: {error}"
        if not isinstance(outputs, torch.Tensor):
            return f"the network returns {type(outputs).__name__} instead of a tensor"
        if wanted := settings.kind.wanted(tuple(outputs.shape), tuple(targets.shape), parts.outputs()):
            return f"the network gives outputs of shape {tuple(outputs.shape)} for {len(targets)} examples; {wanted}"
        if settings.drop_path and not droppable(module):
            return f"drop_path={settings.drop_path} has no effect: no part of the network has a drop_path_prob"
        step = Step(module.train(), settings, loss_of(settings, train), train.device)
        try:
            step.backward(*train.first(8))
        except InvalidInput as error:
            return str(error)
        except Exception as error:  # a module raises what it likes
            return f"in a training step on 8 examples of the task it raises {type(error).__name__}: {error}"
        if step.parameters and all(one.grad is None for one in step.parameters):
            return "after a step back none of its parameters has a gradient"
    return ""


def fit(
    module: nn.Module,
    data: Part,
    settings: Settings,
    how: Evaluation,
    until: int,
    held: Part | None = None,
    saved: bytes | None = None,
    watched: Part | None = None,
) -> tuple[nn.Module, int]:
    """Trains a module in place.

    Args:
        module: to be trained.
        data: training part.
        settings: of the whole training; its schedule is over all of `epochs`.
        how: gives the seed of the order of examples, the checkpoint where states are left, from time to time too, and
            the learning curve.
        until: the epoch after which to stop; a training that stops before its end leaves a checkpoint.
        held: data that the module is measured on between epochs; None reports nothing. Where it is large beside `data`,
            only every second epoch, every third … is measured.
        saved: a state to go on from; the result is the same as without.
        watched: data that an early stop, or a schedule that follows a figure, looks at after each epoch.

    Returns:
        The module to be measured and kept (the average of the weights, where one is asked for), and the epoch after
        which the training ended.

    Raises:
        CandidateFailure: the loss is not finite.
        Pruned: the search asked it to stop early; it has left a checkpoint.
        Unreadable: `saved` is no state of this training.
    """
    size = min(settings.batch_size, data.examples)
    steps = data.examples // size
    if settings.channels_last:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    step = Step(module, settings, loss_in_units(loss_of(settings, data), module, settings), data.device)
    if not step.parameters:
        return module, 0
    optimizer = optimizer_of(step.parameters, settings)
    rates = Rates(optimizer, settings, steps)
    average = Average(module, settings.ema) if settings.ema is not None else None
    patience = Patience(settings.patience, larger_is_better(settings)) if settings.patience is not None else None
    order = torch.Generator().manual_seed(how.seed)
    training = Training(module, optimizer, rates, step.scaler, order, data.device, how.curve, average, patience)
    between = _Between(training, settings, how, until, held, watched)
    between.every = 1 if held is None else math.ceil(held.examples / (_MIDWAY_SHARE * steps * size))
    epoch = training.load(saved, until) if saved is not None else 0
    module.train()
    while epoch < until and not training.stopped:
        set_drop_path(module, settings.drop_path * epoch / settings.epochs, settings)
        total = torch.zeros((), device=data.device)
        for inputs, targets in data.shuffled(size, order):
            optimizer.zero_grad(set_to_none=True)
            loss = step.backward(inputs, targets)
            if settings.gradient_clip is not None:
                step.scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(step.parameters, settings.gradient_clip)
            step.scaler.step(optimizer)
            step.scaler.update()
            rates.after_step()
            if average is not None:
                average.update(module)
            total += loss
            if data.device.type == "cpu":
                _check(total, epoch)
        _check(total, epoch)  # on a GPU once an epoch only: looking at a number waits for all work before it
        epoch += 1
        between.after(epoch, total, steps)
    if patience is not None and patience.weights:
        training.tested.load_state_dict(patience.weights)
    set_drop_path(training.tested, 0.0, settings)
    return training.tested, epoch


@dataclass
class _Between:
    """What happens between two epochs: a look at held-out data, a report, a checkpoint."""

    training: Training
    settings: Settings
    how: Evaluation
    until: int
    held: Part | None
    watched: Part | None
    every: int = 1

    def after(self, epoch: int, total: torch.Tensor, steps: int) -> None:
        """Looks after an epoch, whose losses add up to `total`.

        Raises:
            Pruned: the search wants no more of this training; its state is saved.
        """
        pruned = False
        settings, how, tested = self.settings, self.how, self.training.tested
        seen = self._watch() if self.watched is not None else 0.0
        if self.training.patience is not None:
            self.training.patience.look(seen, tested)
        self.training.rates.after_epoch(-seen if larger_is_better(settings) else seen)
        ends = epoch == settings.epochs or self.training.stopped
        if self.held is not None:
            due = epoch % self.every == 0 and not ends
            midway = measure_midway(tested, self.held, settings) if due else {}
            pruned = how.report(epoch, {"train_loss": float(total) / steps, **midway})
        due = how.checkpoint is not None and (epoch == self.until or ends or pruned or how.checkpoint.due)
        if how.checkpoint is not None and epoch < settings.epochs and due:
            how.checkpoint.write(self.training.save(epoch))
        if pruned and epoch < self.until and not ends:
            raise Pruned

    def _watch(self) -> float:
        assert self.watched is not None
        seen = measure_midway(self.training.tested, self.watched, self.settings)
        first = next(iter(self.settings.table))
        if first not in seen:
            raise CandidateFailure("the network cannot be copied, so it cannot be measured between epochs")
        return seen[first]


def _check(total: torch.Tensor, epoch: int) -> None:
    if not torch.isfinite(total):
        raise CandidateFailure(f"training diverged: the loss was not finite in epoch {epoch + 1}")
