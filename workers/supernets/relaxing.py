"""Trains a relaxed network on a task, and returns what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from workers.networks.arrays import arrays_of
from workers.networks.batches import ArrayPart
from workers.networks.randomness import preserved_random_state
from workers.supernets.loop import train
from workers.supernets.relaxation import Relaxation

if TYPE_CHECKING:
    from automl.evaluators.base import Evaluation
    from automl.evaluators.task import Task
    from automl.spaces.space import Space
    from workers.supernets.relaxation_settings import RelaxationSettings

FORMAT = "automl relaxation 1"


def relaxed_content(
    space: Space, task: Task, settings: RelaxationSettings, how: Evaluation, recipe: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Trains a space's relaxed network and returns tensors and facts, as `automl.artefacts.content.Content` takes them.

    Args:
        space: with a relaxed network.
        task: of arrays.
        settings: of the training.
        how: seed, device, checkpoint and learning curve.
        recipe: what is made, for the facts.

    Raises:
        CandidateFailure: the loss is not finite.
    """
    inputs, targets = arrays_of(task, how.device).train[:2]
    order = torch.from_numpy(np.random.default_rng([how.seed, 0]).permutation(len(inputs))).to(inputs.device)
    halves = [ArrayPart(inputs[some], targets[some]) for some in order.tensor_split(2)]
    with preserved_random_state(how.device):
        torch.manual_seed(how.seed)
        made = Relaxation(space, settings, halves[1])
        made.to(how.device)
        train(made, halves[0], settings, how.seed, report=how.report, checkpoint=how.checkpoint)
    tensors = {f"module.{name}": one for name, one in made.module.state_dict().items()}
    tensors |= {f"more.{name}": one for name, one in made.tensors().items() if name.startswith("logits.")}
    facts = {"format": FORMAT, "recipe": dict(recipe), "facts": made.facts()}
    return {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}, facts
