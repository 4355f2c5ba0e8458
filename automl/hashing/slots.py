"""A torch module as a function of its parameters: filled by colour, run on the probe, looked at through its
gradients.
"""

from __future__ import annotations

import dataclasses
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
from automl.hashing.signature import SUMS, as_real, project

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

    # --- looks -------------------------------------------------------------------------------------------------------

    def gradients(self, *, training: bool = True, transparent: bool = False, many: bool = False) -> list[bytes | None]:
        """Returns the signature of each slot's gradient; None where nothing but noise flows back.

        Args:
            training: in training mode; else in evaluation mode, after a step of training.
            transparent: through what is detached, too.
            many: on more examples than the probe has, where the module takes them.
        """
        table = self._gradient_table(1.0, training, transparent, many)
        return self._signatures(table, lambda: self._gradient_table(self._precision.move, training, transparent, many))

    def _signatures(self, table: np.ndarray | None, again: Callable[[], np.ndarray | None]) -> list[bytes | None]:
        """Returns the rounded sums of each slot; None where they are zero or noise, which a second look tells where
        they are tiny beside the others'.
        """
        if table is None:
            return [None] * len(self.parameters)
        sizes = np.abs(table).max(axis=1, initial=0.0)
        floor = self._precision.noise * sizes[np.isfinite(sizes)].max(initial=0.0)
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
        return [row.tobytes() if is_known else None for row, is_known in zip(mixed, known, strict=True)]

    def _gradient_table(self, factor: float, training: bool, transparent: bool, many: bool) -> np.ndarray | None:
        """Returns three random sums of each slot's gradient, zeros where there is none; None without any gradient."""
        inputs: Sequence[torch.Tensor] = scaled(_enlarged(self.probe), UNIT) if many else self.inputs[UNIT]
        if factor != 1.0:
            self.refill(UNIT, factor)
            inputs = [item * factor if item.is_floating_point() else item for item in inputs]
        self.restore()
        try:
            if not training:
                with torch.no_grad():
                    self.run(inputs, training=True)
            found = self.backward(inputs, training, transparent)[1]
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
        self.restore()
        marks: set[bytes] = set()
        found = []
        with torch.no_grad():
            for training in (True, False):
                for name, item in self._named(self.run(self.inputs[UNIT], training=training, marks=marks), ""):
                    found += outputs.shortened(outputs.seen(name, item), 1.0, self._precision)
        return mix(outputs.digest(found, self._bits), *sorted(marks))

    def look(self, *, check: bool = True) -> Look:
        """Runs the module at every scale, in training and in evaluation, and looks at all that comes out.

        A step near zero follows a step at scale one before evaluation, so that running statistics are moved twice.

        Args:
            check: raise UnsteadyError where a second run gives something else.
        """
        seen, back, marks, given = self._all_runs(1.0)
        table = self._table(given)
        units = [1.0] * len(seen), [1.0] * len(back)
        precision = self._precision
        if any(item.fades(precision) for item in (*seen, *back)):
            moved_seen, moved_back, _, _ = self._all_runs(precision.move)
            for group, moved, found in ((seen, moved_seen, units[0]), (back, moved_back, units[1])):
                for place, (one, other) in enumerate(zip(group, moved, strict=True)):
                    if one.fades(precision):
                        found[place] = outputs.compared(one, other, precision)
        slots = self._signatures(table, lambda: self._gradient_table(precision.move, True, False, False))
        arrays, gradients = (
            [
                array
                for item, unit in zip(group, found, strict=True)
                for array in outputs.shortened(item, unit, precision)
            ]
            for group, found in zip((seen, back), units, strict=True)
        )
        if check:
            self._check_steady(next(item for item in seen if item.name.endswith("in training")))
        shapes = repr([(item.name, item.shape) for item in seen]) + precision.name
        return Look(
            [*arrays, *gradients],
            mix(shapes, outputs.digest(arrays, self._bits), *sorted(marks)),
            mix(repr([item.shape for item in back]), outputs.digest(gradients, self._bits)),
            slots,
            seen,
            back,
            given,
        )

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

    def _all_runs(
        self, factor: float
    ) -> tuple[list[Seen], list[Seen], set[bytes], Sequence[torch.Tensor | None] | None]:
        marks: set[bytes] = set()
        seen: list[Seen] = []
        moved = {
            scale: [item * factor if item.is_floating_point() and factor != 1.0 else item for item in items]
            for scale, items in self.inputs.items()
        }

        def run(scale: str, *, training: bool) -> None:
            with torch.no_grad():
                returned = self.run(moved[scale], training=training, marks=marks)
            where = ("in training" if training else "in evaluation") + (f", {scale}" if scale else "")
            seen.extend(outputs.seen(name, item) for name, item in self._named(returned, where))

        self.restore()
        self.refill(FAR, factor)
        try:
            run(FAR, training=True)
        except Exception:  # it may take only as many examples as the probe has
            if not self.narrow():
                raise
            return self._all_runs(factor)
        run(FAR, training=False)
        self.restore()
        self.refill(UNIT, factor)
        returned, found = self.backward(moved[UNIT], True, False, marks)
        seen.extend(outputs.seen(name, item) for name, item in self._named(returned, "in training"))
        leaves = found[len(self.parameters) :] if found is not None else []
        back = [
            outputs.seen(f"gradient of input {place}", torch.zeros(0) if item is None else item)
            for place, item in enumerate(leaves)
        ]
        self.refill(NEAR, factor)
        run(NEAR, training=True)
        self.refill(UNIT, factor)
        run(UNIT, training=False)
        return seen, back, marks, found

    def _named(self, found: Sequence[tuple[str, torch.Tensor]], where: str) -> Iterator[tuple[str, torch.Tensor]]:
        for place, (path, item) in enumerate(found):
            yield f"output {place}{path} {where}", item


def _enlarged(probe: Probe) -> Probe:
    return dataclasses.replace(probe, batch=max(_MANY, probe.batch))
