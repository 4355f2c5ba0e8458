"""A torch module as a function of its parameters: filled by colour, run on the probe, looked at through its
gradients.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from automl.behaviour import Probe
from automl.errors import Unhashable
from automl.hashing.inputs import probe_arrays
from automl.hashing.mixing import NOISE, digest_array, mix, rounded
from automl.hashing.signature import BITS, SUMS, as_real, project, without_dust
from automl.hashing.torch_mode import Deterministic
from automl.hashing.weights import weight

SMALL = 2**14
"""Weights up to this number of values are remembered."""

LONGEST = 64
"""Outputs with more values than this are reduced to as many random sums before they are rounded."""


@dataclass(frozen=True, slots=True)
class Look:
    """One run of a module.

    Attributes:
        values: what it returned and, where asked for, the gradients with respect to its inputs, as named arrays; long
            ones as random sums.
        outputs: digest of what it returned, in training and where asked for in evaluation, and of the numbers that
            noise met.
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
        build: returns the module; called with torch's random state set to a fixed seed.
        probe: inputs of the module.
        mantissa_bits: precision of rounded outputs.

    Raises:
        Unhashable: the probe has no inputs.
    """

    def __init__(self, build: Callable[[], torch.nn.Module], probe: Probe, mantissa_bits: int) -> None:
        if not probe.inputs:
            raise Unhashable("the probe has no inputs; give Probe(inputs=(Array(shape),)) shaped like one example")
        self._bits = mantissa_bits
        self.module = build().to("cpu").double()
        self._inputs = [torch.from_numpy(np.array(array)) for array in probe_arrays(probe)]
        self._initialise_lazy()
        named = list(self.module.named_parameters())
        self.names = [name for name, _ in named]
        self.parameters = [item for _, item in named]
        self.shapes = [tuple(size for size in item.shape if size != 1) for item in self.parameters]
        self._buffers = [
            (owner, name, buffer.clone())
            for owner in self.module.modules()
            for name, buffer in owner._buffers.items()
            if buffer is not None
        ]

    def _initialise_lazy(self) -> None:
        if any(isinstance(item, torch.nn.parameter.UninitializedParameter) for item in self.module.parameters()):
            with torch.no_grad():
                self.module(*self._inputs)

    def fill(self, seeds: Sequence[bytes]) -> None:
        """Gives each slot the weights that its seed stands for."""
        with torch.no_grad():
            for parameter, seed, shape in zip(self.parameters, seeds, self.shapes, strict=True):
                parameter.copy_(_weights(seed, shape or (1,)).view(parameter.shape))

    def _restore(self) -> None:
        for owner, name, buffer in self._buffers:
            owner._buffers[name] = buffer.clone()

    def look(self, *, gradients: bool = True, evaluation: bool = False) -> Look:
        """Runs the module in training mode, and with `evaluation` in evaluation mode after it.

        Args:
            gradients: also look at the gradients of the training outputs.
            evaluation: mix the outputs in evaluation mode, running statistics moved by the training run, into
                `outputs`.
        """
        self._restore()
        leaves = [item.clone().requires_grad_(item.is_floating_point()) for item in self._inputs]
        outputs, marks = self._run(leaves, training=True)
        values = [(f"output {place} in training", item.detach()) for place, item in enumerate(outputs)]
        slots: list[bytes | None] = [None] * len(self.parameters)
        back: list[torch.Tensor] = []
        if gradients:
            slots, back = self._gradients(outputs, leaves)
        if evaluation:
            with torch.no_grad():
                again, more = self._run(leaves, training=False)
            marks += [b"evaluation", *more]
            values += [(f"output {place} in evaluation", item) for place, item in enumerate(again)]
        gradient_values = [(f"gradient of input {place}", item) for place, item in enumerate(back)]
        found, digest = self._mixed(values)
        behind, gradient_digest = self._mixed(gradient_values)
        return Look([*found, *behind], mix(digest, *marks), gradient_digest, slots)

    def _mixed(self, values: Sequence[tuple[str, torch.Tensor]]) -> tuple[list[tuple[str, np.ndarray]], bytes]:
        arrays = [(name, _shortened(item)) for name, item in values]
        shapes = repr([tuple(item.shape) for _, item in values])
        return arrays, mix(shapes, *(digest_array(array, self._bits) for _, array in arrays))

    def evaluation_slots(self) -> list[bytes | None]:
        """Returns the signature of each slot's gradient in evaluation mode, after a run in training mode."""
        self._restore()
        leaves = [item.clone().requires_grad_(item.is_floating_point()) for item in self._inputs]
        with torch.no_grad():
            self._run(leaves, training=True)
        outputs, _ = self._run(leaves, training=False)
        return self._gradients(outputs, leaves)[0]

    def _run(self, leaves: Sequence[torch.Tensor], *, training: bool) -> tuple[list[torch.Tensor], list[bytes]]:
        self.module.train(training)
        with Deterministic(training) as mode:
            # in-place operations may not touch a leaf that wants its gradient, so the module gets copies
            returned = self.module(*(item.clone() for item in leaves))
        return list(_tensors(returned)), sorted(mode.scalars)

    def _gradients(
        self, outputs: Sequence[torch.Tensor], leaves: Sequence[torch.Tensor]
    ) -> tuple[list[bytes | None], list[torch.Tensor]]:
        total: Any = 0.0
        for place, item in enumerate(outputs):
            if item.requires_grad:
                flat = as_real(item)
                total = total + project(f"gradient {place}", flat, 1)[0]
        wanted = [item for item in (*self.parameters, *leaves) if item.requires_grad]
        if not isinstance(total, torch.Tensor) or not wanted:
            return [None] * len(self.parameters), []
        found = dict(zip(map(id, wanted), torch.autograd.grad(total, wanted, allow_unused=True), strict=True))
        slots = _signatures([found.get(id(item)) for item in self.parameters])
        back = [found.get(id(item)) for item in leaves]
        return slots, [torch.zeros(0) if item is None else item for item in back]


def _signatures(gradients: Sequence[torch.Tensor | None]) -> list[bytes | None]:
    """Returns the rounded random sums of each gradient as bytes; None where it is missing or, beside the others,
    noise.
    """
    flat = [None if item is None else as_real(item) for item in gradients]
    sums = [project("slot", item, SUMS) for item in flat if item is not None]
    if not sums:
        return [None] * len(flat)
    table = torch.stack(sums).numpy()
    sizes = np.abs(table).max(axis=1)
    floor = NOISE * sizes[np.isfinite(sizes)].max(initial=0.0)
    mixed = rounded(table, BITS)
    found = iter([None if size <= floor else row.tobytes() for size, row in zip(sizes, mixed, strict=True)])
    return [None if item is None else next(found) for item in flat]


def _shortened(tensor: torch.Tensor) -> np.ndarray:
    """Returns the values as float64, more than `LONGEST` of them as that many random sums, noise as zeros."""
    flat = as_real(tensor)
    if flat.numel() > LONGEST:
        flat = project("outputs", flat, LONGEST)
    return without_dust(flat)


def _weights(seed: bytes, shape: tuple[int, ...]) -> torch.Tensor:
    """Returns the weights of a seed; small ones are kept, because first colours come again and again."""
    return _small_weights(seed, shape) if math.prod(shape) <= SMALL else torch.from_numpy(weight(seed, shape))


@functools.lru_cache(maxsize=256)
def _small_weights(seed: bytes, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(weight(seed, shape))


def _tensors(returned: Any) -> Iterator[torch.Tensor]:
    """Yields the tensors of a module's return value: of tuples and lists in order, of dicts by sorted key."""
    if isinstance(returned, torch.Tensor):
        yield returned
    elif isinstance(returned, dict):
        for name in sorted(returned, key=str):
            yield from _tensors(returned[name])
    elif isinstance(returned, list | tuple):
        for item in returned:
            yield from _tensors(item)
    elif isinstance(returned, bool | int | float):
        yield torch.tensor(float(returned), dtype=torch.float64)
    elif hasattr(returned, "__dataclass_fields__"):
        for name in returned.__dataclass_fields__:
            yield from _tensors(getattr(returned, name))
    elif returned is not None:
        raise Unhashable(
            f"the module returns {type(returned).__name__}; return tensors, or tuples, lists or dicts of them"
        )


@contextlib.contextmanager
def quiet_torch(seed: int) -> Iterator[None]:
    """Runs torch on one thread, in float64, from a fixed seed, without fused attention; leaves everything as it was."""
    threads, default = torch.get_num_threads(), torch.get_default_dtype()
    fast = torch.backends.mha.get_fastpath_enabled()
    state = torch.get_rng_state()
    try:
        if threads != 1:
            torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        torch.backends.mha.set_fastpath_enabled(False)
        torch.default_generator.manual_seed(seed)
        with torch.enable_grad():
            yield
    finally:
        torch.set_rng_state(state)
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.set_default_dtype(default)
        if threads != 1:
            torch.set_num_threads(threads)
