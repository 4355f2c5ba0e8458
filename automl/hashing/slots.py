"""A torch module as a function of its parameters: filled by colour, run on the probe, looked at through its
gradients.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from automl.behaviour import Probe
from automl.errors import Unhashable
from automl.hashing import outputs
from automl.hashing.guard import Guard
from automl.hashing.mixing import mix, rounded
from automl.hashing.observed import FAR, NEAR
from automl.hashing.outputs import Seen
from automl.hashing.precision import COARSE, FINE
from automl.hashing.runs import Runs
from automl.hashing.scales import UNIT, scaled
from automl.hashing.shared_generators import STATES
from automl.hashing.signature import SUMS, as_real, project_many

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
        seen, back: what it returned and the gradients with respect to its inputs, as they are.
        slot_gradients: gradient of each slot in training; None without any.
    """

    values: list[tuple[str, np.ndarray]]
    outputs: bytes
    gradients: bytes
    slots: list[bytes | None]
    seen: Sequence[Seen]
    back: Sequence[Seen]
    slot_gradients: Sequence[torch.Tensor | None] | None


@dataclass(frozen=True, slots=True)
class Step:
    """What a step of training gave.

    Attributes:
        seeds: the weights.
        returned, inputs: what the module returned, and the gradients of random sums of that with respect to its inputs.
        marks: the numbers that noise met.
        table: three random sums of the gradient with respect to each slot; None without any gradient.
        gradients: with respect to the slots and then the inputs, as they are.
        state: the buffers after it.
    """

    seeds: list[bytes]
    returned: list[Seen]
    inputs: list[Seen]
    marks: set[bytes]
    table: np.ndarray | None
    gradients: Sequence[torch.Tensor | None] | None
    state: list[torch.Tensor | None]


class Slots(Runs):
    """A module's distinct parameters, each of which can be given weights and looked at.

    Args:
        build, probe, seeded, guard: as of `Runs`.
        mantissa_bits: precision of rounded outputs.
        coarse: some operations have a kernel for float32 only.

    Attributes:
        noisy: slots whose gradient in training is known to be mere noise, such as a bias before batch norm.
    """

    def __init__(
        self,
        build: Callable[[], torch.nn.Module],
        probe: Probe,
        mantissa_bits: int,
        *,
        seeded: bool = False,
        coarse: bool = False,
        guard: Guard | None = None,
    ) -> None:
        super().__init__(build, probe, seeded=seeded, coarse=coarse, guard=guard)
        self._precision = COARSE if coarse else FINE
        self._bits = min(mantissa_bits, self._precision.bits)
        self.noisy: set[int] = set()
        self._step: Step | None = None
        self._signed: tuple[np.ndarray, list[bytes | None]] | None = None  # the table looked at last, where none is odd

    # --- looks -------------------------------------------------------------------------------------------------------

    def step(self, factor: float = 1.0) -> Step:
        """Returns what a step of training gives, from the first state on, everything multiplied by a factor.

        A step with the weights that there are now is remembered until the next one.
        """
        if self._step is not None and factor == 1.0 and self._step.seeds == self._seeds:
            return self._step
        if factor == 1.0:
            self._step = None  # before its arrays are made again
        self.restore()
        self.refill(UNIT, factor)
        marks: set[bytes] = set()
        returned, found = self.backward(self._moved(UNIT, factor), True, False, marks)
        leaves = found[len(self.parameters) :] if found is not None else []
        step = Step(
            list(self._seeds),
            [outputs.seen(name, item) for name, item in self._named(returned, "in training")],
            [
                outputs.seen(f"gradient of input {place}", torch.zeros(0) if item is None else item)
                for place, item in enumerate(leaves)
            ],
            marks,
            self._table(found),
            found,
            self.state(),
        )
        if factor == 1.0:
            self._step = step
        return step

    def gradients(self, *, training: bool = True, transparent: bool = False, many: bool = False) -> list[bytes | None]:
        """Returns the signature of each slot's gradient; None where nothing but noise flows back.

        Args:
            training: in training mode; else in evaluation mode, after a step of training.
            transparent: through what is detached, too.
            many: on more examples than the probe has, where the module takes them.
        """
        if training and not transparent and not many:
            return self._signatures(self.step().table, lambda: self.step(self._precision.move).table)
        table = self._gradient_table(1.0, training, transparent, many)
        return self._signatures(table, lambda: self._gradient_table(self._precision.move, training, transparent, many))

    def _signatures(self, table: np.ndarray | None, again: Callable[[], np.ndarray | None]) -> list[bytes | None]:
        """Returns the rounded sums of each slot; None where they are zero or noise, which a second look tells where
        they are tiny beside the others', or all are.
        """
        if table is None:
            return [None] * len(self.parameters)
        if self._signed is not None and self._signed[0] is table:
            return list(self._signed[1])
        sizes = np.abs(table).max(axis=1, initial=0.0)
        largest = sizes[np.isfinite(sizes)].max(initial=0.0)
        floor = largest if largest < self._precision.fading else self._precision.noise * largest
        known = (sizes > floor) | ~np.isfinite(sizes)
        odd = [number for number in np.flatnonzero((sizes > 0) & ~known) if number not in self.noisy]
        if odd:
            moved = again()
            self.refill(UNIT, 1.0)
            for number in odd:
                if moved is None:
                    break
                change = np.abs(moved[number] - table[number]).max() / sizes[number]
                known[number] = 0.0 < change < self._precision.known
        mixed = rounded(table, self._precision.slot_bits)
        found = [row.tobytes() if is_known else None for row, is_known in zip(mixed, known, strict=True)]
        if not odd:
            self._signed = (table, found)
        return list(found)

    def _gradient_table(self, factor: float, training: bool, transparent: bool, many: bool) -> np.ndarray | None:
        """Returns three random sums of each slot's gradient, zeros where there is none; None without any gradient."""
        inputs = _times(scaled(_enlarged(self.probe), UNIT) if many else self.inputs[UNIT], factor)
        self.refill(UNIT, factor)
        self.restore()
        try:
            if not training:
                with torch.no_grad():
                    self.run(inputs, training=True)
            found = self.backward(inputs, training, transparent)[1]
        except Unhashable:
            raise
        except Exception:
            return None  # evaluation need not survive a backward pass, nor a module other numbers of examples
        return self._table(found)

    def _table(self, found: Sequence[torch.Tensor | None] | None) -> np.ndarray | None:
        if found is None:
            return None
        table = np.zeros((len(self.parameters), SUMS))
        alike: dict[int, list[int]] = defaultdict(list)  # slots by number of values, which one product sums
        flat = [None if item is None else as_real(item) for item in found[: len(self.parameters)]]
        for number, item in enumerate(flat):
            if item is not None:
                alike[item.numel()].append(number)
        for numbers in alike.values():
            sums = project_many("slot", [one for number in numbers if (one := flat[number]) is not None], SUMS)
            table[numbers] = sums.numpy()
        return table

    def answers(self) -> bytes:
        """Returns a digest of what the module returns in training and then in evaluation."""
        self.refill(UNIT, 1.0)
        self.restore()
        marks: set[bytes] = set()
        found = []
        with torch.no_grad():
            for training in (True, False):
                for name, item in self._named(self.run(self.inputs[UNIT], training=training, marks=marks), ""):
                    found += outputs.shortened(outputs.seen(name, item), 1.0, self._precision)
        return mix(outputs.digest(found, self._bits), *sorted(marks))

    def chances(self) -> bytes:
        """Returns a digest of what the module returns with other numbers from the shared generators.

        Numbers of one state may all lie on one side of a rate, as if nothing were ever dropped.
        """
        found = []
        for chance in range(1, STATES + 1):
            self.chance = chance
            found.append(self.answers())
        self.chance = 0
        return mix(*found)

    def look(self, *, check: bool = True) -> Look:
        """Runs the module at every scale, in training and in evaluation, and looks at all that comes out.

        A step near zero follows a step at scale one before evaluation, so that running statistics are moved twice.

        Args:
            check: raise UnsteadyError where a second run gives something else.
        """
        step = self.step()
        if check:
            self._check_steady(step.returned[0])
        marks = set(step.marks)
        after = self._after(step, 1.0, marks)
        far = self._far(1.0, marks)
        move = self._precision.move
        moved_far = self._far(move, set()) if self._any_fades(far) else []
        moved_after: list[Seen] = []
        moved = None
        if self._any_fades(after) or self._any_fades((*step.returned, *step.inputs)):
            moved = self.step(move)
            moved_after = self._after(moved, move, set()) if self._any_fades(after) else []
        slots = self._signatures(step.table, lambda: (moved or self.step(move)).table)
        returned = [
            *self._shortened(far, moved_far),
            *self._shortened(step.returned, moved.returned if moved else []),
            *self._shortened(after, moved_after),
        ]
        gradients = self._shortened(step.inputs, moved.inputs if moved else [])
        seen = [*far, *step.returned, *after]
        shapes = repr([(item.name, item.shape) for item in seen]) + self._precision.name
        return Look(
            [*returned, *gradients],
            mix(shapes, outputs.digest(returned, self._bits), *sorted(marks)),
            mix(repr([item.shape for item in step.inputs]), outputs.digest(gradients, self._bits)),
            slots,
            seen,
            step.inputs,
            step.gradients,
        )

    def _any_fades(self, items: Sequence[Seen]) -> bool:
        return any(item.fades(self._precision) for item in items)

    def _shortened(self, items: Sequence[Seen], moved: Sequence[Seen]) -> list[tuple[str, np.ndarray]]:
        """Returns what is rounded of arrays; fading ones are compared to those of a moved run."""
        precision, found = self._precision, []
        for place, item in enumerate(items):
            is_compared = item.fades(precision) and place < len(moved)
            unit = outputs.compared(item, moved[place], precision) if is_compared else 1.0
            found += outputs.shortened(item, unit, precision)
        return found

    def _check_steady(self, before: Seen) -> None:
        """Runs a step of training a second time; raises UnsteadyError where it gives something else."""
        self.refill(UNIT, 1.0)
        self.restore()
        with torch.no_grad():
            again = outputs.seen("", self.run(self.inputs[UNIT], training=True)[0][1])
        same = again.shape == before.shape and (
            torch.equal(again.values, before.values)
            or torch.allclose(again.values, before.values, rtol=1e-5, atol=1e-7, equal_nan=True)
        )
        if not same:
            raise UnsteadyError

    def _far(self, factor: float, marks: set[bytes]) -> list[Seen]:
        """Returns what the module gives far from zero, in training and in evaluation."""
        self.restore()
        try:
            found = self._seen(FAR, factor, True, marks)
        except Exception:  # it may take only as many examples as the probe has
            if not self.narrow():
                raise
            return self._far(factor, marks)
        return found + self._seen(FAR, factor, False, marks)

    def _after(self, step: Step, factor: float, marks: set[bytes]) -> list[Seen]:
        """Returns what the module gives after a step: in training near zero, and then in evaluation."""
        self.put(step.state)
        try:
            found = self._seen(NEAR, factor, True, marks)
        except Exception:
            if not self.narrow():
                raise
            return self._after(step, factor, marks)
        return found + self._seen(UNIT, factor, False, marks)

    def _seen(self, scale: str, factor: float, training: bool, marks: set[bytes]) -> list[Seen]:
        self.refill(scale, factor)
        with torch.no_grad():
            returned = self.run(self._moved(scale, factor), training=training, marks=marks)
        where = ("in training" if training else "in evaluation") + (f", {scale}" if scale else "")
        return [outputs.seen(name, item) for name, item in self._named(returned, where)]

    def _moved(self, scale: str, factor: float) -> Sequence[torch.Tensor]:
        return _times(self.inputs[scale], factor)

    def _named(self, found: Sequence[tuple[str, torch.Tensor]], where: str) -> Iterator[tuple[str, torch.Tensor]]:
        for place, (path, item) in enumerate(found):
            yield f"output {place}{path} {where}", item


def _times(inputs: Sequence[torch.Tensor], factor: float) -> Sequence[torch.Tensor]:
    if factor == 1.0:
        return inputs
    return [item * factor if item.is_floating_point() else item for item in inputs]


def _enlarged(probe: Probe) -> Probe:
    return dataclasses.replace(probe, batch=max(_MANY, probe.batch))
