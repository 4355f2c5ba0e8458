"""Training networks on a supervised task: what the evaluators of all kinds of tasks have in common."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from automl import registry
from automl.behaviour import Array, Behaviour, Probe
from automl.data import DatasetTask, load
from automl.data.named import names_file
from automl.errors import InvalidInput, brief
from automl.evaluators.base import BY_SEARCH, Evaluation, Evaluator, Fidelity, Metrics, Work, added
from automl.evaluators.checks import check_apart, check_inputs
from automl.evaluators.delivery import Delivers
from automl.evaluators.labels import class_labels
from automl.evaluators.parts import AnyTask
from automl.evaluators.task import Task
from automl.jsontext import stored
from automl.setup.targets import SpaceReference, sized
from workers.networks.checks import check_settings, has_heads, misfit_of
from workers.networks.kinds import Classes, Kind
from workers.networks.resizing import described_at, resized, size_for
from workers.networks.scores import Score, scores_of
from workers.networks.tricks import left_out, settings_of, tricks_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from workers.networks.batches import Parts

_ALIASES = {"lr": "learning_rate"}
_FIXED = ("task", "precision", "loss", "scores", "ignore", "resize", "network", "space", "scale_targets")
"""Settings of the whole search: no candidate has its own."""


class _Measured:
    """The metrics of an evaluator that lets its user choose them: those of an object, or a class's own."""

    def __get__(self, instance: Supervised | None, owner: type[Supervised]) -> Mapping[str, str]:
        table = scores_of(owner.kind_of.__name__, owner.usual) if instance is None else instance.table
        return {name: score.direction for name, score in table.items()}


@dataclass(frozen=True)
class Supervised(Delivers, Evaluator):
    """Trains a candidate's torch module on a task, and measures it on a held-out part.

    Initial weights, order of examples, augmentation and dropout come from the evaluation's seed: on the CPU, equal
    seeds give bit-for-bit equal metrics with equally many threads. Training stops with an error as soon as the loss is
    not finite.

    After every epoch the learning curve gets "train_loss", the mean over the epoch's steps, and the metrics on the
    validation part; if that part is large compared with the training part, only every n-th epoch, so that measuring
    costs less than a tenth of training. The curve changes no result.

    A space's `training` may give any of the fields from `epochs` on for one candidate ("lr" is short for
    "learning_rate"), except `precision`, `loss`, `scores` and `ignore`. The fidelity {"epochs": n} stops the same
    training after n epochs, in the middle of its schedule; with a checkpoint, a longer evaluation continues from there.

    A network that returns a tuple in training has auxiliary heads: all but the first. The drop probability of each of
    its parts that has an attribute `drop_path_prob` rises linearly up to `drop_path`.

    Attributes:
        task: Task, or the text of one: a registered name, a file or a folder; see `automl.data.load`.
        epochs: Number of passes over the training part.
        batch_size: Number of examples per step; the last, smaller batch of an epoch is left out unless it is the only
            one.
        optimizer: "sgd" (Nesterov), or the name of one of torch's, such as "adamw", "adam" or "rmsprop".
        learning_rate: Largest learning rate of the schedule.
        momentum: Momentum of sgd.
        weight_decay: Weight decay, as in torch's optimizers.
        schedule: "cosine" (down to 0) or "constant", after the warm-up; or the name of one of torch's, such as
            "one_cycle", "step", "exponential" or "reduce_lr_on_plateau", which counts epochs.
        warmup: Share of all steps in which the learning rate rises linearly. OneCycleLR, CyclicLR, LinearLR and
            ConstantLR begin in their own way and have no other warm-up.
        label_smoothing: Label smoothing of the training loss, from 0 to 1.
        gradient_clip: Largest norm of all gradients together; None does not clip.
        precision: "float32"; "float16" or "bfloat16" for automatic mixed precision; "auto" takes float16 with loss
            scaling on CUDA and float32 on the CPU.
        loss: Name of the training loss, or a function of (outputs, targets) that returns one number as a tensor.
        scores: Metrics, the default objective first: names, or a mapping from a name to None (a known metric) or to a
            function of (outputs, targets), or a pair of a function and "maximize" or "minimize". Empty: the usual ones.
        optimizer_settings: Further settings of torch's optimizer, such as {"betas": [0.9, 0.95]}.
        schedule_settings: Further settings of torch's schedule, such as {"step_size": 10, "gamma": 0.5}.
        ema: Decay of the exponential moving average of the weights, such as 0.999, which is then what is measured and
            kept; None has none.
        pieces: Pieces into which a batch is cut, to fit into memory; their gradients are added up.
        channels_last: Images in torch's channels-last format.
        compiled: Training runs through `torch.compile`.
        patience: Epochs without a better objective on the validation part after which training stops; the best
            epoch's weights are measured and kept. None trains to the end.
        augment: Augmentations of training batches by name: {"flip": true, "crop": 4, "cutout": 8, "mixup": 0.2,
            "cutmix": 1.0, "randaugment": [2, 9]}: pixels for crop and cutout, the parameter of the Beta distribution
            for mixup and cutmix, operations and strength for RandAugment (which needs kornia, the extra `augment`).
        auxiliary: Weight of the loss of each auxiliary head.
        drop_path: Drop probability of paths at the end of training.
        class_weights: Weight of each class in the training loss, or "balanced" for the inverse of its frequency; for
            several labels an example, the weight of a positive one.
        resize: Height and width to which smaller images are enlarged; None takes what the space asks for.
        network: Sizes of the network around a candidate, where it is to be another than the searched space's, such as
            {"layers": 20, "channels": 36}; the space says which it has (`Space.scalable`).
        space: Space whose candidates are trained at these sizes; the search sets it.
        ignore: Target that neither loss nor metrics count, such as 255 or -1; None counts all.

    Example:
        >>> from workers.networks.other_kinds import Regression
        >>> evaluator = Regression("digits", epochs=20, ema=0.99, patience=3, schedule="one_cycle")
        >>> isinstance(evaluator, Supervised), evaluator.watches  # a subclass for each kind of task
        (True, True)
    """

    resumable: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = _Measured()  # type: ignore[assignment]
    kind_of: ClassVar[type[Kind]]
    usual: ClassVar[Sequence[str]]
    losses: ClassVar[Sequence[str]]

    task: AnyTask | str
    epochs: int = 10
    batch_size: int = 64
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    warmup: float = 0.1
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    precision: str = "auto"
    loss: str | Callable[..., Any] = added("")
    scores: Sequence[str] | Mapping[str, Any] = added(())
    optimizer_settings: Mapping[str, Any] | None = added(None)
    schedule_settings: Mapping[str, Any] | None = added(None)
    ema: float | None = added(None)
    pieces: int = added(1)
    channels_last: bool = added(False)
    compiled: bool = added(False)
    patience: int | None = added(None)
    augment: Mapping[str, Any] | None = added(None)
    auxiliary: float = added(0.4)
    drop_path: float = added(0.0)
    class_weights: str | Sequence[float] | None = added(None)
    ignore: int | None = added(None)
    resize: int | None = added(None)
    network: Mapping[str, Any] | None = added(None)
    space: SpaceReference | None = field(default=None, repr=False, metadata={BY_SEARCH: True})

    def __post_init__(self) -> None:
        if self.loss == "":
            object.__setattr__(self, "loss", self.losses[0])
        check_settings(self)
        if isinstance(self.task, str) and names_file(self.task):
            object.__setattr__(self, "task", load(self.task))  # as the file is now; workers need not have it
        if not isinstance(self.task, AnyTask | str):
            raise InvalidInput(
                f"task is {brief(self.task)}; give an automl.Task, or one of {', '.join(registry.names('tasks'))}"
            )
        if isinstance(self.task, AnyTask):
            self._check_task()  # refuses what this kind of task cannot be, before anything is written

    def _check_task(self) -> None:
        if isinstance(self.task, Task):
            check_inputs(self.task)
            self.kind.targets(self.task)
            check_apart(self.task)
        elif isinstance(self.task, DatasetTask):
            from workers.networks.batches import check_stream

            check_stream(self.task, self.kind)

    @property
    def kind(self) -> Kind:
        """The kind of task that is trained."""
        return self.kind_of(self.ignore)

    @property
    def table(self) -> Mapping[str, Score]:
        """The metrics by name, the default objective first."""
        return scores_of(self.kind_of.__name__, self.scores or self.usual)

    @property
    def scaled(self) -> bool:
        """True if networks learn standardised targets."""
        return False

    @property
    def watches(self) -> bool:
        """True if training looks at the validation part between epochs."""
        return self.patience is not None or self.schedule.lower().replace("_", "").startswith("reducelronplateau")

    def data(self) -> AnyTask:
        """Returns the task itself.

        Raises:
            InvalidInput: no task of this name, or its data is not there or not of this kind.
        """
        return resized(self._given(), self.resize)

    def _given(self) -> AnyTask:
        return self.task if isinstance(self.task, AnyTask) else _named(type(self), self.task, self.ignore)

    def for_space(self, space: Any) -> Evaluator:
        """Returns the evaluator with images of the size that the space asks for.

        Raises:
            InvalidInput: `network` has a size that the space has not.
        """
        larger = sized(space, self.network) if self.network else None
        own = self if larger is None is self.space else dataclasses.replace(self, space=larger)
        held = (larger or space).load()
        if self.resize is not None or getattr(held, "image_size", None) is None:
            return own
        return dataclasses.replace(own, resize=size_for(self.data(), held))

    def priced(self, space: Any) -> Any:
        return space if self.space is None else self.space

    def settings(self) -> dict[str, Any]:
        found = {**super().settings(), "task": described_at(self._given(), self.resize)}
        if self.loss == self.losses[0]:
            del found["loss"]
        if self.watches and isinstance(self.scores, Mapping):
            found["watched"] = next(iter(self.table))  # the order of a mapping's names is not in JSON
        return found

    def prepare(self) -> None:
        self.parts("cpu")

    def parts(self, device: str) -> Parts:
        """Returns the data on a device."""
        from workers.networks import training

        return training.parts_of(self.data(), self.kind, device)

    def probe(self) -> Probe:
        from workers.networks.batches import prepared

        task = self.data()
        if not isinstance(task, Task):
            return Probe(inputs=task.arrays() if isinstance(task, DatasetTask) else ())
        inputs = prepared(task.train[0], task.layout)
        if np.issubdtype(inputs.dtype, np.integer):
            return Probe(inputs=(Array(tuple(inputs.shape[1:]), int(inputs.min()), int(inputs.max())),))
        return Probe(inputs=(Array(tuple(inputs.shape[1:])),))

    def sizes(self) -> tuple[Sequence[Array], int]:
        return self.probe().inputs, self.parts("cpu").outputs()

    def for_device(self, device: str) -> Supervised:
        if self.precision != "auto":
            return self
        return dataclasses.replace(self, precision="float16" if device.startswith("cuda") else "float32")

    def approximations(self) -> Sequence[Fidelity]:
        return [Fidelity(epochs / self.epochs, {"epochs": epochs}) for epochs in range(1, self.epochs)]

    def check(self, work: Work) -> None:
        """Refuses training settings that this evaluator does not know."""
        self.adjusted(work.training)

    def misfit(self, work: Work) -> str:
        """Says why a network cannot make a step on training examples, or gives other outputs than the targets need."""
        settings = dataclasses.replace(self.adjusted(work.training).for_device("cpu"), compiled=False)
        return misfit_of(settings, self.behaviour(work))

    def tricks(self, work: Work) -> Sequence[str]:
        found = tricks_of(self, has_heads(self, self.behaviour(work)))
        return [name for name in found if not {*settings_of(name)} & {*work.training}]

    def without(self, tricks: Collection[str], work: Work) -> Supervised:
        if own := [name for trick in tricks for name in settings_of(trick) if name in work.training]:
            raise InvalidInput(
                f"the space gives candidates their own {own[0]}, which no setting of the evaluator can leave out; name "
                "other tricks"
            )
        return dataclasses.replace(self, **left_out(self, tricks))

    def behaviour(self, work: Work) -> Behaviour:
        """Returns what is trained: the candidate's own network, or that of another size."""
        if self.space is None:
            return work.behaviour
        held = self.space.load()
        return held.behaviour(held.decode(stored(work.candidate)))

    def adjusted(self, training: Mapping[str, Any]) -> Supervised:
        """Returns this evaluator with a candidate's training settings in place of its own.

        Raises:
            InvalidInput: a setting that this evaluator does not know, or an impossible value.
        """
        if not training:
            return self
        known = [item.name for item in dataclasses.fields(self) if item.name not in _FIXED]
        changes: dict[str, Any] = {}
        for name, value in training.items():
            field = _ALIASES.get(name, name)
            if field not in known:
                raise InvalidInput(registry.unknown("training setting", name, [*known, *_ALIASES]))
            changes[field] = value
        return dataclasses.replace(self, **changes)

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        from workers.networks.snapshots import Unreadable

        saved = how.checkpoint.read() if how.checkpoint else None
        try:
            metrics = self._trained(work, how, saved)
        except Unreadable:
            metrics = self._trained(work, how, None)
        if how.checkpoint and not how.fidelity:
            how.checkpoint.discard()
        return metrics

    def _trained(self, work: Work, how: Evaluation, saved: bytes | None) -> Metrics:
        from workers.networks import training

        settings = self.adjusted(work.training).for_device(how.device)
        data = self.parts(how.device)
        until = self._until(how.fidelity, settings.epochs)
        with training.seeded(how.seed, how.device):
            module = self._network(work, how.device)
            held = data.validation if how.part == "validation" else None  # what is tested is looked at once
            more = {"watched": data.validation} if settings.watches else {}
            tested, ended = training.fit(module, data.train, settings, how, until, held, saved, **more)
            metrics = training.measure(tested, getattr(data, how.part), settings)
            how.keep(tested)
        if how.curve.points:
            how.report(ended, metrics)
        return metrics

    def untrained(self, work: Work, how: Evaluation) -> nn.Module:
        from workers.networks import training

        with training.seeded(how.seed, how.device):
            return self._network(work, how.device)

    def _network(self, work: Work, device: str) -> nn.Module:
        """Returns the network that is trained, with outputs in the units of the targets."""
        from workers.networks import scaling, training

        module = training.module_of(self.behaviour(work)).to(device)
        return scaling.in_units(module, self.parts(device).train) if self.scaled else module

    def measured(self, module: nn.Module, work: Work, how: Evaluation) -> Metrics:
        from workers.networks import training

        settings = self.adjusted(work.training).for_device(how.device)
        with training.preserved_random_state(how.device):
            return training.measure(module, getattr(self.parts(how.device), how.part), settings)

    def predicted(self, module: nn.Module, work: Work, how: Evaluation) -> torch.Tensor:
        from workers.networks import measuring, training

        settings = self.adjusted(work.training).for_device(how.device)
        with training.preserved_random_state(how.device):
            return measuring.outputs_of(module, getattr(self.parts(how.device), how.part), settings)

    def mixed(self, outputs: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
        return self.kind.mixed(outputs, weights)

    def scored(self, outputs: torch.Tensor, how: Evaluation, chosen: Sequence[int] | None = None) -> Metrics:
        from workers.networks import measuring

        return measuring.measure_outputs(outputs, getattr(self.parts("cpu"), how.part), self, chosen)

    def examples(self, how: Evaluation, most: int) -> tuple[torch.Tensor, ...]:
        inputs, _ = getattr(self.parts(how.device), how.part).first(most)
        if isinstance(inputs, dict):
            raise self.data().refusal(
                f"its inputs are given by name ({', '.join(inputs)}), and an exported network takes them by place; let "
                "collate give a tuple"
            )
        return inputs if isinstance(inputs, tuple) else (inputs,)

    def described_data(self) -> dict[str, Any]:
        task = self.data()
        columns = [dataclasses.asdict(one) for one in getattr(task, "columns", ())]
        found: dict[str, Any] = {"columns": columns} if columns else {}
        if isinstance(task, Task) and self.kind_of is Classes:
            found["classes"] = [str(one) for one in class_labels(task).names]
        if self.scaled:
            found["scaled_targets"] = True
        return found

    def trained_on(self, parts: str) -> Supervised:
        if parts != "train" and self.watches:
            raise InvalidInput(
                f"on={parts!r}: the training watches the validation part (patience, or a schedule that follows a "
                "figure), so it cannot learn from it; give on='train'"
            )
        return dataclasses.replace(self, task=self.data().trained_on(parts))

    def _until(self, fidelity: Mapping[str, Any], epochs: int) -> int:
        """Returns the epoch to stop after: of a candidate with epochs of its own, the same share of them."""
        if unknown := set(fidelity) - {"epochs"}:
            raise InvalidInput(registry.unknown(f"fidelity of {self.name}", min(unknown), ["epochs"]))
        return max(1, round(epochs * fidelity["epochs"] / self.epochs)) if fidelity else epochs


@functools.lru_cache(maxsize=8)
def _named(kind: type[Supervised], name: str, ignore: int | None) -> AnyTask:
    task = load(name)
    kind(task=task, ignore=ignore)
    return task
