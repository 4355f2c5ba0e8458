"""A torch module as a function of its parameters: filled by colour, run on the probe, looked at through its
gradients.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from automl.behaviour import Probe
from automl.errors import Unhashable
from automl.hashing import outputs
from automl.hashing.mixing import NOISE, mix, rounded
from automl.hashing.one_thread import one_thread
from automl.hashing.outputs import Seen
from automl.hashing.scales import FAR, NEAR, UNIT, scaled, weights
from automl.hashing.shared_generators import SharedGenerators
from automl.hashing.signature import BITS, SUMS, as_real, project
from automl.hashing.torch_mode import Deterministic
from automl.hashing.torch_names import WIDER

_BUILD_SEED = 0
_MOVE = 1.0 + 2.0**-44
_KNOWN = 2.0**-22
"""A tiny gradient that changes by a larger share when everything is moved by 2**-44 is noise."""

_MANY = 32
"""Examples on which slots are looked for that hardly any example reaches, such as experts."""


class UnsteadyError(Exception):
    """A module gave something else when it was run a second time."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a module does with one set of weights.

    Attributes:
        values: what it returned in each run and the gradients with respect to its inputs, as named arrays; long ones
            as random sums.
        outputs: digest of what it returned, its names and the numbers that noise met.
        gradients: digest of the gradients with respect to its inputs.
        slots: signature of the gradient of each slot; None where nothing flows back.
    """

    values: list[tuple[str, np.ndarray]]
    outputs: bytes
    gradients: bytes
    slots: list[bytes | None]


class Slots:
    """A module's distinct parameters, each of which can be given weights.

    Args:
        build: returns the module; called with all random numbers from a fixed seed.
        probe: inputs of the module.
        mantissa_bits: precision of rounded outputs.
        seeded: Python's, numpy's and torch's shared generators are set to one state before each run.

    Attributes:
        noisy: slots whose gradient in training is known to be mere noise, such as a bias before batch norm.

    Raises:
        Unhashable: the probe has no inputs.
    """

    def __init__(
        self, build: Callable[[], torch.nn.Module], probe: Probe, mantissa_bits: int, *, seeded: bool = False
    ) -> None:
        if not probe.inputs:
            raise Unhashable("the probe has no inputs; give Probe(inputs=(Array(shape),)) shaped like one example")
        self._bits = mantissa_bits
        self._seeded = seeded
        self._generator = torch.Generator()
        self._inputs = {scale: scaled(probe, scale) for scale in (UNIT, FAR, NEAR)}
        self._probe = probe
        self._generator.manual_seed(_BUILD_SEED)
        if seeded:
            SharedGenerators.seed()
        with Deterministic(self._generator, stream=True):
            built = build()
        self.module = _wide(built)
        with Deterministic(self._generator, stream=True):
            self._initialise_lazy()
        named = list(self.module.named_parameters())
        self.names = [name for name, _ in named]
        self.parameters = [item for _, item in named]
        self.trained = [item.requires_grad for item in self.parameters]
        for item in self.parameters:  # who is trained is one question, what depends on whom another
            item.requires_grad_(item.is_floating_point() or item.is_complex())
        self.shapes = [_shape(item) for item in self.parameters]
        self.noisy: set[int] = set()
        self._seeds: Sequence[bytes] = ()
        self._filled = ("nothing", 0.0)
        self._plain: dict[bool, bool] = {}
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

    def _initialise_lazy(self) -> None:
        if any(isinstance(item, torch.nn.parameter.UninitializedParameter) for item in self.module.parameters()):
            with torch.no_grad():
                self.module(*self._inputs[UNIT])

    def fill(self, seeds: Sequence[bytes]) -> None:
        """Gives each slot the weights that its seed stands for."""
        self._seeds = seeds
        self._filled = ("nothing", 0.0)
        self._fill(UNIT, 1.0)

    def _fill(self, scale: str, factor: float) -> None:
        if self._filled == (scale, factor) or not self.parameters:
            return
        self._filled = (scale, factor)
        values = [
            weights(seed, shape, scale, item.shape, item.is_complex())
            for item, seed, shape in zip(self.parameters, self._seeds, self.shapes, strict=True)
        ]
        if factor != 1.0:
            values = [item * factor for item in values]
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, values)

    def _train(self, training: bool) -> None:
        """Switches to training or evaluation; what that does to a module without its own `train` is remembered."""
        if self._modes is None:
            parts = list(self.module.modules())
            plain = all(type(part).train is torch.nn.Module.train for part in parts)
            self._modes = parts if plain and all("train" not in part.__dict__ for part in parts) else []
        for part in self._modes:
            part.__dict__["training"] = training
        if not self._modes:
            self.module.train(training)

    def _restore(self) -> None:
        now: dict[int, torch.Tensor] = {}
        for owner, name, buffer in self._buffers:
            owner._buffers[name] = now.setdefault(id(buffer), self._first[id(buffer)].clone())

    # --- looks -------------------------------------------------------------------------------------------------------

    def gradients(self, *, training: bool = True, transparent: bool = False, many: bool = False) -> list[bytes | None]:
        """Returns the signature of each slot's gradient; None where nothing but noise flows back.

        Args:
            training: in training mode; else in evaluation mode, after a step of training.
            transparent: through what is detached, too.
            many: on more examples than the probe has, where the module takes them.
        """
        table = self._gradient_table(1.0, training, transparent, many)
        return self._signatures(table, lambda: self._gradient_table(_MOVE, training, transparent, many))

    def _signatures(self, table: np.ndarray | None, again: Callable[[], np.ndarray | None]) -> list[bytes | None]:
        """Returns the rounded sums of each slot; None where they are zero or noise, which a second look tells where
        they are tiny beside the others'.
        """
        if table is None:
            return [None] * len(self.parameters)
        sizes = np.abs(table).max(axis=1, initial=0.0)
        floor = NOISE * sizes[np.isfinite(sizes)].max(initial=0.0)
        known = (sizes > floor) | ~np.isfinite(sizes)
        odd = [number for number in np.flatnonzero((sizes > 0) & ~known) if number not in self.noisy]
        if odd:
            moved = again()
            self._fill(UNIT, 1.0)
            for number in odd if moved is not None else ():
                change = np.abs(moved[number] - table[number]).max() / sizes[number]
                known[number] = 0.0 < change < _KNOWN
        mixed = rounded(table, BITS)
        return [row.tobytes() if is_known else None for row, is_known in zip(mixed, known, strict=True)]

    def _gradient_table(self, factor: float, training: bool, transparent: bool, many: bool) -> np.ndarray | None:
        """Returns three random sums of each slot's gradient, zeros where there is none; None without any gradient."""
        inputs = scaled(_enlarged(self._probe), UNIT) if many else self._inputs[UNIT]
        if factor != 1.0:
            self._fill(UNIT, factor)
            inputs = [item * factor if item.is_floating_point() else item for item in inputs]
        self._restore()
        try:
            if not training:
                with torch.no_grad():
                    self._run(inputs, training=True)
            found = self._backward(inputs, training, transparent)[1]
        except Unhashable:
            raise
        except Exception:
            if training and not transparent and not many:
                raise
            return None  # evaluation need not survive a backward pass, nor a module other numbers of examples
        return self._table(found)

    def _table(self, found: Sequence[torch.Tensor | None] | None) -> np.ndarray | None:
        if found is None:
            return None
        table = np.zeros((len(self.parameters), SUMS))
        kept = [(number, item) for number, item in enumerate(found[: len(self.parameters)]) if item is not None]
        if kept:
            sums = torch.stack([project("slot", as_real(item), SUMS) for _, item in kept])
            table[[number for number, _ in kept]] = sums.numpy()
        return table

    def answers(self) -> bytes:
        """Returns a digest of what the module returns in training and then in evaluation."""
        self._restore()
        marks: set[bytes] = set()
        found = []
        with torch.no_grad():
            for training in (True, False):
                for name, item in self._named(self._run(self._inputs[UNIT], training=training, marks=marks), ""):
                    found += outputs.shortened(outputs.seen(name, item), 1.0)
        return mix(outputs.digest(found, self._bits), *sorted(marks))

    def look(self, *, check: bool = True) -> Look:
        """Runs the module at every scale, in training and in evaluation, and looks at all that comes out.

        A step near zero follows a step at scale one before evaluation, so that running statistics are moved twice.

        Args:
            check: raise UnsteadyError where a second run gives something else.
        """
        seen, back, marks, table = self._all_runs(1.0)
        units = [1.0] * len(seen), [1.0] * len(back)
        if any(item.fading for item in (*seen, *back)):
            moved_seen, moved_back, _, _ = self._all_runs(_MOVE)
            for group, moved, found in ((seen, moved_seen, units[0]), (back, moved_back, units[1])):
                for place, (one, other) in enumerate(zip(group, moved, strict=True)):
                    if one.fading:
                        found[place] = outputs.compared(one, other)
        slots = self._signatures(table, lambda: self._gradient_table(_MOVE, True, False, False))
        arrays, gradients = (
            [array for item, unit in zip(group, found, strict=True) for array in outputs.shortened(item, unit)]
            for group, found in zip((seen, back), units, strict=True)
        )
        if check:
            self._check_steady(next(item for item in seen if item.name.endswith("in training")))
        shapes = repr([(item.name, item.shape) for item in seen])
        return Look(
            [*arrays, *gradients],
            mix(shapes, outputs.digest(arrays, self._bits), *sorted(marks)),
            mix(repr([item.shape for item in back]), outputs.digest(gradients, self._bits)),
            slots,
        )

    def _check_steady(self, before: Seen) -> None:
        """Runs a step of training a second time; raises UnsteadyError where it gives something else."""
        self._fill(UNIT, 1.0)
        self._restore()
        with torch.no_grad():
            again = outputs.seen("", self._run(self._inputs[UNIT], training=True)[0][1])
        same = again.shape == before.shape and (
            torch.equal(again.values, before.values)
            or torch.allclose(again.values, before.values, rtol=1e-5, atol=1e-7, equal_nan=True)
        )
        if not same:
            raise UnsteadyError

    def _all_runs(self, factor: float) -> tuple[list[Seen], list[Seen], set[bytes], np.ndarray | None]:
        marks: set[bytes] = set()
        seen: list[Seen] = []
        moved = {
            scale: [item * factor if item.is_floating_point() and factor != 1.0 else item for item in items]
            for scale, items in self._inputs.items()
        }

        def run(scale: str, *, training: bool) -> None:
            with torch.no_grad():
                returned = self._run(moved[scale], training=training, marks=marks)
            where = ("in training" if training else "in evaluation") + (f", {scale}" if scale else "")
            seen.extend(outputs.seen(name, item) for name, item in self._named(returned, where))

        self._restore()
        self._fill(FAR, factor)
        run(FAR, training=True)
        run(FAR, training=False)
        self._restore()
        self._fill(UNIT, factor)
        returned, found = self._backward(moved[UNIT], True, False, marks)
        seen.extend(outputs.seen(name, item) for name, item in self._named(returned, "in training"))
        leaves = found[len(self.parameters) :] if found is not None else []
        back = [
            outputs.seen(f"gradient of input {place}", torch.zeros(0) if item is None else item)
            for place, item in enumerate(leaves)
        ]
        self._fill(NEAR, factor)
        run(NEAR, training=True)
        self._fill(UNIT, factor)
        run(UNIT, training=False)
        return seen, back, marks, self._table(found)

    # --- runs --------------------------------------------------------------------------------------------------------

    def _mode(self, training: bool, transparent: bool = False) -> Deterministic | nullcontext[None]:
        """Returns what calls are watched with: nothing, where a run before had nothing to change."""
        if not transparent and self._plain.get(training):
            return nullcontext()
        return Deterministic(self._generator, transparent=transparent)

    def _noted(self, mode: Deterministic | None, training: bool, marks: set[bytes] | None) -> None:
        if mode is not None:
            if marks is not None:
                marks |= mode.numbers
            if not mode.acted:
                self._plain.setdefault(training, True)
            else:
                self._plain[training] = False

    def _run(
        self, inputs: Sequence[torch.Tensor], *, training: bool, marks: set[bytes] | None = None
    ) -> list[tuple[str, torch.Tensor]]:
        """Runs the module without gradients of its inputs."""
        self._train(training)
        if self._seeded:
            SharedGenerators.seed()
        with self._mode(training) as mode:
            returned = self.module(*(item.clone() for item in inputs))
        self._noted(mode, training, marks)
        return outputs.returned_tensors(returned)

    def _backward(
        self,
        inputs: Sequence[torch.Tensor],
        training: bool,
        transparent: bool,
        marks: set[bytes] | None = None,
    ) -> tuple[list[tuple[str, torch.Tensor]], list[torch.Tensor | None] | None]:
        """Runs the module and returns what it gave, and the gradients of random sums of that with respect to
        the parameters and then the inputs; None where nothing flows back at all.
        """
        self._train(training)
        if self._seeded:
            SharedGenerators.seed()
        leaves = [item.clone().requires_grad_(item.is_floating_point()) for item in inputs]
        with self._mode(training, transparent) as mode:
            # in-place operations may not touch a leaf that wants its gradient, so the module gets copies
            returned = self.module(*(item.clone() for item in leaves))
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
        gradients = dict(zip(map(id, wanted), given, strict=True))
        return found, [gradients.get(id(item)) for item in every]

    def _named(self, found: Sequence[tuple[str, torch.Tensor]], where: str) -> Iterator[tuple[str, torch.Tensor]]:
        for place, (path, item) in enumerate(found):
            yield f"output {place}{path} {where}", item


def _gradients(total: torch.Tensor, wanted: Sequence[torch.Tensor]) -> Sequence[torch.Tensor | None]:
    try:
        return torch.autograd.grad(total, wanted, allow_unused=True, retain_graph=True)
    except RuntimeError as error:
        if "incompatible with .grad()" not in str(error) and "not compatible with .grad()" not in str(error):
            raise
    for item in wanted:
        item.grad = None
    total.backward()  # what reentrant checkpointing asks for
    found = [item.grad for item in wanted]
    for item in wanted:
        item.grad = None
    return found


def _shape(parameter: torch.Tensor) -> tuple[int, ...]:
    """Returns what parameters are matched by: their shape without axes of size one; of complex ones with the pair."""
    shape = tuple(size for size in parameter.shape if size != 1)
    return (*(shape or (1,)), 2) if parameter.is_complex() else shape


def _wide(module: torch.nn.Module) -> torch.nn.Module:
    """Returns the module on the CPU, its parameters and buffers in float64 or complex128."""
    every = [item for part in module.modules() for held in (part._parameters, part._buffers) for item in held.values()]
    if all(item is None or (item.dtype not in WIDER and item.device.type == "cpu") for item in every):
        return module
    made: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # a buffer that two modules share stays shared

    def wide(item: torch.Tensor) -> torch.Tensor:
        if item.dtype not in WIDER and item.device.type == "cpu":
            return item
        found = item.to("cpu", WIDER.get(item.dtype, item.dtype))
        return made.setdefault(id(item), (item, found))[1]

    return module._apply(wide)


def _enlarged(probe: Probe) -> Probe:
    return dataclasses.replace(probe, batch=max(_MANY, probe.batch))


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Lets this thread compute alone, with gradients, whatever surrounds the call; no other thread sees it."""
    with one_thread(), torch.inference_mode(False), torch.enable_grad():
        yield
