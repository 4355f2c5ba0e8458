"""The whole state of one training as bytes: continued, it ends with the very weights that it would have had."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from automl.evaluators.curves import LearningCurve
from workers.networks.averages import Average, Patience
from workers.networks.optimizers import Rates


class Unreadable(Exception):
    """A snapshot is damaged, or of another training than the one that would go on with it."""


@dataclass(frozen=True, slots=True)
class Training:
    """Everything that changes while a module is trained, beside the global generators; and what was reported of it."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    rates: Rates
    scaler: torch.amp.GradScaler
    order: torch.Generator
    device: torch.device
    curve: LearningCurve
    average: Average | None = None
    patience: Patience | None = None

    @property
    def tested(self) -> nn.Module:
        """The network that is measured and kept: the average where there is one."""
        return self.module if self.average is None else self.average.module

    @property
    def stopped(self) -> bool:
        """Whether training has ended early."""
        return self.patience is not None and self.patience.stopped

    def save(self, epoch: int) -> bytes:
        """Returns the state after so many epochs, the states of the global generators included."""
        _, words, *rest = np.random.get_state()
        state = {
            "epoch": epoch,
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.rates.state_dict(),
            "scaler": self.scaler.state_dict(),
            "order": self.order.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "numpy": [torch.from_numpy(np.asarray(words).astype(np.int64)), *rest],
            "python": random.getstate(),
            "curve": self.curve.json(),
            "average": self.average.state_dict() if self.average is not None else None,
            "patience": self.patience.state_dict() if self.patience is not None else None,
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getvalue()

    def load(self, saved: bytes, until: int) -> int:
        """Puts a saved state in place of this one and returns the epochs that are done. Runs no code of the file.

        Raises:
            Unreadable: it does not fit, or went further than `until`; the training is no longer of use.
        """
        try:
            state: dict[str, Any] = torch.load(io.BytesIO(saved), map_location=self.device, weights_only=True)
            epoch = int(state["epoch"])
            self.module.load_state_dict(state["module"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.rates.load_state_dict(state["schedule"])
            self.scaler.load_state_dict(state["scaler"])
            self.order.set_state(state["order"].cpu())
            torch.set_rng_state(state["torch"].cpu())
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda"].cpu(), self.device)
            words, *rest = state["numpy"]
            np.random.set_state(("MT19937", words.cpu().numpy().astype(np.uint32), *rest))
            for name, one in (("average", self.average), ("patience", self.patience)):
                if one is not None:
                    one.load_state_dict(state[name])
            version, internal, following = state["python"]
            random.setstate((version, tuple(internal), following))
            curve = LearningCurve.checked(state.get("curve", ""))  # earlier versions saved none
        except Exception as error:  # a foreign file can fail in any way
            raise Unreadable(f"{type(error).__name__}: {error}") from error
        if epoch > until:
            raise Unreadable(f"it went on to epoch {epoch}")
        self.curve.points[:] = curve.points
        return epoch
