"""Ensembles of a study's networks: what they are made of, what they reach, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidInput
from automl.evidence.intervals import Estimate
from automl.spaces.space import Candidate

if TYPE_CHECKING:
    from torch import nn

    from automl.delivery.running import Training


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Attributes:
        candidate: Candidate that it is the network of.
        trial: Number of the trial of its class.
        weight: Its share in the ensemble's output: how often it was chosen, divided by all choices.
        digest: SHA-256 of its weights, 64 hexadecimal digits.
        seed: Seed of its training.

    Example:
        >>> Member(Candidate({"width": 16}), trial=7, weight=0.5, digest="0" * 64, seed=3).weight
        0.5
    """

    candidate: Candidate
    trial: int
    weight: float
    digest: str
    seed: int


@dataclass(frozen=True)
class Ensemble:
    """Several trained networks whose outputs are joined, with figures beside those of the study's best network.

    Attributes:
        members: Tuple of `Member`, those with the largest weight first.
        validation: Mapping from metric name to its value on the validation part, which chose the members: it flatters.
        metrics: Mapping from metric name to its value on the test part.
        single: The same of the study's best network alone.
        gain: `Estimate` of the objective on the test part minus that of the best network, by how much it is better; its
            interval resamples the test examples and takes the networks as they are.
        library: Number of networks that could be chosen.
        seconds: Seconds in which networks were trained for it, and in which they were run.
        module: `torch.nn.Module` that joins the networks, on the CPU and in evaluation mode.

    Example:
        >>> import automl, numpy as np, torch
        >>> rng = np.random.default_rng(0)
        >>> parts = [(rng.normal(size=(40, 2)), np.arange(40) % 2) for _ in range(3)]
        >>> class Net(automl.Space):
        ...     width = automl.Choice(2, 4, 8)
        ...     def build(self, c):
        ...         return torch.nn.Sequential(torch.nn.Linear(2, c.width), torch.nn.Linear(c.width, 2))
        >>> trainer = automl.Classification(task=automl.Task(*parts), epochs=1)
        >>> study = automl.search(Net(), evaluator=trainer, trials=4, workers=0, storage="sqlite:///net.db")
        >>> joined = study.ensemble(3, workers=0)
        >>> sorted(joined.metrics), round(sum(one.weight for one in joined.members), 6)
        (['accuracy', 'loss'], 1.0)
        >>> tuple(joined.module(torch.zeros(5, 2)).shape)
        (5, 2)
    """

    members: tuple[Member, ...]
    validation: Mapping[str, float]
    metrics: Mapping[str, float]
    single: Mapping[str, float]
    gain: Estimate
    library: int
    seconds: Mapping[str, float]
    module: nn.Module = field(repr=False, compare=False)
    training: Training = field(repr=False, compare=False)
    study: str = ""

    def export(self, to: str, folder: str | Path) -> Path:
        """Writes the joined networks as one for people without automl, checks what was written, returns the folder.

        Args:
            to: "pt2", "onnx", "python", or a registered exporter. "safetensors" is refused: no space builds it.
            folder: a new or empty folder.

        Raises:
            InvalidInput: it cannot be written in this form, or what was written computes something else; no folder is
                left behind then.
        """
        from automl.delivery.export import export_model

        if to == "safetensors":
            raise InvalidInput(
                "weights alone are of no use here, for no space builds an ensemble; export it as pt2, onnx or python"
            )
        return export_model(self, to, Path(folder))

    @property
    def candidate(self) -> Candidate:
        """Candidate of the network with the largest weight."""
        return self.members[0].candidate

    @property
    def seed(self) -> int:
        """Seed of that network's training."""
        return self.members[0].seed

    def facts(self) -> dict[str, Any]:
        """Returns what an export says of it, as JSON data."""
        members = [
            {"candidate": one.candidate.value, "weight": one.weight, "seed": one.seed, "weights": one.digest}
            for one in self.members
        ]
        return {"study": self.study, "ensemble": members, "figures": dict(self.metrics)}

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as JSON data."""
        members = [
            {"candidate": one.candidate.value, "trial": one.trial, "weight": one.weight, "weights": one.digest}
            for one in self.members
        ]
        return {
            "members": members,
            "validation": dict(self.validation),
            "test": dict(self.metrics),
            "best_network_test": dict(self.single),
            "gain": self.gain.to_json(),
            "library": self.library,
            "seconds": dict(self.seconds),
        }
