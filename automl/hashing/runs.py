"""A torch module that can be run: in float64, with weights by colour, from the same state each time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from automl.behaviour import Probe
from automl.errors import Unhashable
from automl.hashing import outputs
from automl.hashing.builds import built
from automl.hashing.guard import Guard
from automl.hashing.observed import FAR, NEAR
from automl.hashing.one_thread import one_thread
from automl.hashing.scales import MATRICES, UNIT, scaled, weights, write
from automl.hashing.shared_generators import SharedGenerators
from automl.hashing.signature import as_real, project
from automl.hashing.torch_mode import Deterministic

_UNDIFFERENTIABLE = "is not differentiable with respect to argument"


class CoarseError(BaseException):
    """A module has an operation without a kernel for float64. Not an Exception, so that no `except` swallows it."""


class Runs:
    """A module with its distinct parameters, and its runs on the probe.

    Args:
        build: returns the module; called with all random numbers from a fixed seed.
        probe: inputs of the module.
        seeded: Python's, numpy's and torch's shared generators are set to one state before each run.
        coarse: some operations may be computed in float32.
        guard: counts the runs and refuses a module that takes too long.

    Attributes:
        parameters, names: the parameters and what they are called.
        shapes: what parameters are matched by.
        trained: whether each is.
        inputs: by scale.
        chance: stands for the state that shared generators are set to.
        is_same_each_time: whether two builds hold the same numbers.

    Raises:
        Unhashable: the probe has no inputs.
    """

    def __init__(
        self,
        build: Callable[[], torch.nn.Module],
        probe: Probe,
        *,
        seeded: bool = False,
        coarse: bool = False,
        guard: Guard | None = None,
    ) -> None:
        if not probe.inputs:
            raise Unhashable("the probe has no inputs; give Probe(inputs=(Array(shape),)) shaped like one example")
        self._seeded = seeded
        self.chance = 0
        self._coarse = coarse
        self._guard = guard or Guard(None)
        self._generator = torch.Generator()
        self.inputs = {scale: scaled(probe, scale) for scale in (UNIT, FAR, NEAR)}
        self.probe = probe
        self.module, self.is_same_each_time = built(
            build, lambda module: self._called(module, self.inputs[UNIT]), seeded=seeded
        )
        named = list(self.module.named_parameters())
        self.names = [name for name, _ in named]
        self.parameters = [item for _, item in named]
        self.trained = [item.requires_grad for item in self.parameters]
        for item in self.parameters:  # who is trained is one question, what depends on whom another
            item.requires_grad_(item.is_floating_point() or item.is_complex())
        self.shapes = [_shape(item) for item in self.parameters]
        self._seeds: list[bytes] = []
        self._filled: list[tuple[bytes, str, float] | None] = [None] * len(self.parameters)
        self._versions = [-1] * len(self.parameters)
        self._plain: dict[bool, bool] = {}
        self._without_gradient: frozenset[int] = frozenset()
        self._modes: list[torch.nn.Module] | None = None
        self._buffers = [
            (owner, name, buffer)
            for owner in self.module.modules()
            for name, buffer in owner._buffers.items()
            if buffer is not None
        ]
        copies: dict[int, torch.Tensor] = {}  # a buffer that two modules share stays shared
        for _, _, buffer in self._buffers:
            copies.setdefault(id(buffer), buffer.detach().clone())
        self._first = copies

    def _called(self, module: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> Any:
        """Returns what a module returns for inputs given by place or, those of the probe with names, by name."""
        named = {one.name: item for one, item in zip(self.probe.inputs, inputs, strict=True) if one.name}
        placed = [item for one, item in zip(self.probe.inputs, inputs, strict=True) if not one.name]
        return module(*placed, **named)

    def narrow(self) -> bool:
        """Takes no more examples than the probe has at any scale; tells whether there were more before."""
        found = {scale: scaled(self.probe, scale, narrow=True) for scale in self.inputs}
        wider = any(found[scale][0].shape != items[0].shape for scale, items in self.inputs.items())
        self.inputs = found
        return wider

    def fill(self, seeds: Sequence[bytes]) -> None:
        """Gives each slot the weights that its seed stands for."""
        self._seeds = list(seeds)
        self.refill(UNIT, 1.0)

    def refill(self, scale: str, factor: float) -> None:
        """Gives each slot its weights at a scale, all multiplied by a factor; those that it has are left."""
        into, values, grown = [], [], defaultdict(list)
        for number, (item, seed, shape) in enumerate(zip(self.parameters, self._seeds, self.shapes, strict=True)):
            before = self._filled[number] if self._versions[number] == item._version else None  # the module may write
            if before == (seed, scale, factor):
                continue
            self._filled[number] = (seed, scale, factor)
            if len(shape) > 1 and before is not None and (before[0], before[2]) == (seed, factor):
                ratio = MATRICES[scale] / MATRICES[before[1]]  # a power of two, so nothing is rounded
                if ratio != 1.0:
                    grown[ratio].append(item)
                continue
            if write(item, seed, shape, scale, factor):
                continue
            made = weights(seed, shape, scale, item.shape, item.is_complex())
            into.append(item)
            values.append(made * factor if factor != 1.0 else made)
        with torch.no_grad():
            for ratio, items in grown.items():
                torch._foreach_mul_(list[torch.Tensor](items), ratio)
            if into:
                torch._foreach_copy_(list[torch.Tensor](into), values)
        self._versions = [item._version for item in self.parameters]

    def _begin(self, training: bool) -> None:
        self._guard.before_run(self.module, lambda: self._called(self.module, self.inputs[UNIT]))
        self._train(training)

    def _train(self, training: bool) -> None:
        """Switches to training or evaluation; what that does to a module without its own `train` is remembered."""
        if self._modes is None:
            parts = list(self.module.modules())
            plain = all(type(part).train is torch.nn.Module.train and "training" in part.__dict__ for part in parts)
            self._modes = parts if plain and all("train" not in part.__dict__ for part in parts) else []
        for part in self._modes:
            part.__dict__["training"] = training
        if not self._modes:
            self.module.train(training)

    def state(self) -> list[torch.Tensor | None]:
        """Returns the buffers as they are; they are not changed after the next `restore`."""
        return [owner._buffers.get(name) for owner, name, _ in self._buffers]

    def put(self, state: Sequence[torch.Tensor | None]) -> None:
        """Puts back copies of what `state` returned, shared ones shared."""
        now: dict[int, torch.Tensor] = {}
        for (owner, name, _), buffer in zip(self._buffers, state, strict=True):
            owner._buffers[name] = None if buffer is None else now.setdefault(id(buffer), buffer.clone())

    def restore(self) -> None:
        """Puts the buffers back, shared ones shared."""
        now: dict[int, torch.Tensor] = {}
        for owner, name, buffer in self._buffers:
            owner._buffers[name] = now.setdefault(id(buffer), self._first[id(buffer)].clone())

    def _mode(self, training: bool, transparent: bool = False) -> Deterministic | nullcontext[None]:
        """Returns what calls are watched with: nothing, where a run before had nothing to change."""
        if not transparent and self._plain.get(training):
            return nullcontext()
        return Deterministic(self._generator, transparent=transparent)

    def _noted(self, mode: Deterministic | None, training: bool, marks: set[bytes] | None) -> None:
        if mode is not None:
            if mode.coarse and not self._coarse:
                raise CoarseError
            if marks is not None:
                marks |= mode.numbers
            if mode.wrote:
                self._versions = [-1] * len(self.parameters)
            if not mode.acted:
                self._plain.setdefault(training, True)
            else:
                self._plain[training] = False

    def run(
        self, inputs: Sequence[torch.Tensor], *, training: bool, marks: set[bytes] | None = None
    ) -> list[tuple[str, torch.Tensor]]:
        """Runs the module without gradients of its inputs."""
        self._begin(training)
        if self._seeded:
            SharedGenerators.seed(self.chance)
        with self._mode(training) as mode:
            returned = self._called(self.module, [item.clone() for item in inputs])
        self._noted(mode, training, marks)
        return outputs.returned_tensors(returned)

    def _watched(
        self, inputs: Sequence[torch.Tensor], training: bool, transparent: bool
    ) -> tuple[list[torch.Tensor], Deterministic | None, Any]:
        """Runs the module; returns the inputs that gradients are asked for, what watched, and what was returned."""
        leaves = [
            item.clone().requires_grad_(item.is_floating_point() and place not in self._without_gradient)
            for place, item in enumerate(inputs)
        ]
        with self._mode(training, transparent) as mode:
            # in-place operations may not touch a leaf that wants its gradient, so the module gets copies
            return leaves, mode, self._called(self.module, [item.clone() for item in leaves])

    def _without(self, inputs: Sequence[torch.Tensor], training: bool) -> frozenset[int]:
        """Returns the inputs that have no gradient, such as the target of a loss that has none for it."""
        every = frozenset(range(len(inputs)))
        found = set()
        for place in every:
            self._without_gradient = every - {place}
            self.restore()
            try:
                self._watched(inputs, training, False)
            except RuntimeError:
                found.add(place)
        return frozenset(found)

    def backward(
        self,
        inputs: Sequence[torch.Tensor],
        training: bool,
        transparent: bool,
        marks: set[bytes] | None = None,
    ) -> tuple[list[tuple[str, torch.Tensor]], list[torch.Tensor | None] | None]:
        """Runs the module and returns what it gave, and the gradients of random sums of that with respect to
        the parameters and then the inputs; None where nothing flows back at all.
        """
        self._begin(training)
        if self._seeded:
            SharedGenerators.seed(self.chance)
        try:
            leaves, mode, returned = self._watched(inputs, training, transparent)
        except RuntimeError as error:
            if _UNDIFFERENTIABLE not in str(error) or self._without_gradient:
                raise
            self._without_gradient = self._without(inputs, training)
            self.restore()
            leaves, mode, returned = self._watched(inputs, training, transparent)
        self._noted(mode, training, marks)
        found = outputs.returned_tensors(returned)
        total: Any = 0.0
        for place, (_, item) in enumerate(found):
            if item.requires_grad:
                flat = as_real(item)
                total = total + project(f"gradient {place}", flat, 1)[0]
        every = (*self.parameters, *leaves)
        wanted = [item for item in every if item.requires_grad]
        if not isinstance(total, torch.Tensor) or not wanted:
            return found, None
        with mode.backward() if mode is not None else nullcontext():
            given = _gradients(total, wanted)
        self._noted(mode, training, None)  # a backward pass may have kernels of its own
        gradients = dict(zip(map(id, wanted), given, strict=True))
        return found, [gradients.get(id(item)) for item in every]


def _gradients(total: torch.Tensor, wanted: Sequence[torch.Tensor]) -> Sequence[torch.Tensor | None]:
    try:
        return torch.autograd.grad(total, wanted, allow_unused=True, retain_graph=True)
    except RuntimeError as error:
        if "incompatible with .grad()" not in str(error) and "not compatible with .grad()" not in str(error):
            raise
    for item in wanted:
        item.grad = None
    total.backward()  # type: ignore[no-untyped-call]  # what reentrant checkpointing asks for
    found = [item.grad for item in wanted]
    for item in wanted:
        item.grad = None
    return found


def _shape(parameter: torch.Tensor) -> tuple[int, ...]:
    """Returns what parameters are matched by: their shape without axes of size one; of complex ones with the pair."""
    shape = tuple(size for size in parameter.shape if size != 1)
    return (*(shape or (1,)), 2) if parameter.is_complex() else shape


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Lets this thread compute alone, with gradients, whatever surrounds the call; no other thread sees it."""
    with one_thread(), torch.inference_mode(False), torch.enable_grad():
        yield
