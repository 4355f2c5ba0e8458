"""The weights of a relaxed network's options, learned by gradient in turn with its own (Liu, Simonyan and Yang, ICLR
2019, first order), with two cures for its collapse into skip connections.

- Random perturbation of the options' weights while the network's are trained (Chen and Hsieh, ICML 2020, SDARTS-RS).
- An end as soon as the chosen cell has so many skip connections (Liang et al. 2019, arXiv 1909.06035, DARTS+).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from automl.errors import InvalidInput
from workers.supernets.relaxation_settings import RelaxationSettings

if TYPE_CHECKING:
    from automl.spaces.space import Space
    from workers.networks.batches import ArrayPart

_LEAST_PERTURBATION = 0.1
"""Share of the perturbation with which it begins, as in the paper's code (0.03 of 0.3)."""


class Relaxation:
    """The objective: see `workers.supernets.loop.Objective`.

    Args:
        space: a space with a relaxed network.
        settings: of the training.
        held: examples from which the options' weights learn, inputs and targets.
    """

    stages = 1
    clip = 5.0

    def __init__(self, space: Space, settings: RelaxationSettings, held: ArrayPart) -> None:
        self.space, self.settings, self._held = space, settings, held
        network: Any = space.relaxed()
        self.module: nn.Module = network
        self.logits = {name: nn.Parameter(1e-3 * torch.randn(shape)) for name, shape in network.choices.items()}
        self._adam = torch.optim.Adam(
            self.logits.values(), settings.architecture_rate, (0.5, 0.999), weight_decay=settings.architecture_decay
        )
        self._share = 0.0

    def to(self, device: str) -> None:
        """Moves network and options' weights to a device."""
        self.module.to(device)
        for one in self.logits.values():
            one.data = one.data.to(device)

    def begin(self, stage: int) -> list[nn.Parameter]:
        self.module.requires_grad_(True).train()
        return list(self.module.parameters())

    def labels(self, targets: torch.Tensor) -> torch.Tensor:
        return targets

    def loss(
        self, stage: int, inputs: torch.Tensor, targets: torch.Tensor, rng: np.random.Generator, views: torch.Generator
    ) -> torch.Tensor:
        """Makes a step of the options' weights, and returns the loss of the network's."""
        if self._warm:
            self._step(rng)
        with torch.no_grad():
            weights = self.weights()
            most = self.settings.perturbation * (_LEAST_PERTURBATION + (1 - _LEAST_PERTURBATION) * self._share)
            if most:
                weights = {name: _perturbed(one, most, views) for name, one in weights.items()}
        return functional.cross_entropy(self.module(inputs, weights), targets)

    def _step(self, rng: np.random.Generator) -> None:
        inputs, targets = self._held.inputs, self._held.targets
        size = min(self.settings.batch_size, len(inputs))
        batch = torch.from_numpy(rng.choice(len(inputs), size, replace=False)).to(inputs.device)
        with torch.autocast(inputs.device.type, enabled=False):  # small gradients, and no scaler of their own
            loss = functional.cross_entropy(self.module(inputs[batch], self.weights()), targets[batch])
            gradients = torch.autograd.grad(loss, list(self.logits.values()), allow_unused=True)
        for (name, one), gradient in zip(self.logits.items(), gradients, strict=True):
            if gradient is None:
                raise InvalidInput(
                    f"the relaxed network of {self.space.kind} does not use the weights of {name!r}; use them, or "
                    "leave them out of its choices"
                )
            one.grad = gradient
        self._adam.step()

    def weights(self) -> dict[str, torch.Tensor]:
        """Returns the options' weights by group, which add up to 1 for each choice."""
        return {name: torch.softmax(one, 1) for name, one in self.logits.items()}

    @property
    def _warm(self) -> bool:
        return self._share >= self.settings.warmup

    def after(self, stage: int, share: float) -> None:
        self._share = share

    def over(self) -> bool:
        """Tells after an epoch whether the chosen cell has too many skip connections."""
        return bool(self.settings.skips) and self._warm and self.chosen_skips() >= self.settings.skips

    def chosen_skips(self) -> int:
        """Returns the number of skip connections of the candidate with the largest weights."""
        weights = {name: one.detach().cpu().numpy() for name, one in self.weights().items()}
        return self.space.skips(self.space.from_weights(weights))

    def figures(self) -> dict[str, float]:
        """Returns what the learning curve gets: skip connections, and how undecided the weights are (1: all alike)."""
        rows = [one.detach() for one in self.weights().values()]
        entropy = [-(one * one.clamp_min(1e-12).log()).sum(1).mean() / np.log(one.shape[1]) for one in rows]
        return {"skips": float(self.chosen_skips()), "entropy": float(torch.stack(entropy).mean())}

    def finish(self, stage: int) -> None:
        self.module.requires_grad_(False)

    def facts(self) -> dict[str, Any]:
        return {"share": self._share, "skips": self.chosen_skips()}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns the options' logits, and the state of Adam."""
        found = {f"logits.{name}": one.detach() for name, one in self.logits.items()}
        for name, one in self.logits.items():
            found |= {f"adam.{name}.{key}": value for key, value in self._adam.state.get(one, {}).items()}
        return found

    def restore(self, facts: Any, tensors: dict[str, torch.Tensor]) -> None:
        self._share = float(facts["share"])
        for name, one in self.logits.items():
            one.data = tensors[f"logits.{name}"].to(one.device).clone()
            state = {key: tensors[f"adam.{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")
                     if f"adam.{name}.{key}" in tensors}  # fmt: skip
            if state:
                placed = {key: value.clone() if key == "step" else value.to(one.device).clone() for key, value in
                          state.items()}  # fmt: skip
                self._adam.state[one] = placed


def _perturbed(weights: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """Returns weights changed by up to `most`, none below 0, that add up to 1 for each choice."""
    change = (2 * torch.rand(weights.shape, generator=generator) - 1) * most
    moved = (weights + change.to(weights.device)).clamp_min(0.0)
    return moved / moved.sum(1, keepdim=True).clamp_min(1e-12)
