"""Supernets as contents: safetensors and JSON facts that say of which space, data, settings and seed they are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from automl.errors import InvalidInput, brief
from automl.jsontext import canonical
from workers.networks.randomness import preserved_random_state
from workers.supernets.bootstrap import Bootstrap
from workers.supernets.labels import Labelled
from workers.supernets.loop import put_state, train
from workers.supernets.rater import Examples
from workers.supernets.settings import SupernetSettings

if TYPE_CHECKING:
    from automl.artefacts.content import Content
    from automl.evaluators.checkpoints import Checkpoint
    from automl.spaces.paths import PathSpace
    from workers.networks.batches import Parts

FORMAT = "automl supernet 1"
Trained = Bootstrap | Labelled


def fresh(space: PathSpace, data: Parts, settings: SupernetSettings, seed: int) -> Trained:
    """Returns the objective with freshly drawn weights.

    Args:
        space: a space with blocks.
        data: the task's parts, on the device where the supernet is to be.
        settings: of the training.
        seed: of the weights.

    Raises:
        InvalidInput: the space has no blocks.
    """
    device = str(data.train[0].device)
    if not getattr(space, "lengths", ()):
        raise InvalidInput(f"space {space.kind} has no blocks, so no supernet can be trained; subclass PathSpace")
    with preserved_random_state(device):
        torch.manual_seed(seed)
        made: Trained
        if settings.trainer == "bootstrap":
            made = Bootstrap(space, settings, Examples.of(data.train[0], data.validation[0], settings))
        else:
            made = Labelled(space, settings, data.train)
    made.module.to(device)
    return made


def made(
    space: PathSpace,
    data: Parts,
    settings: SupernetSettings,
    seed: int,
    *,
    precision: str = "float32",
    report: Callable[[float, Mapping[str, float]], object] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Trains a supernet and returns its objective."""
    objective = fresh(space, data, settings, seed)
    with preserved_random_state(str(data.train[0].device)):
        train(objective, data.train, settings, seed, precision=precision, report=report, checkpoint=checkpoint)
    return objective


def content_of(objective: Trained, recipe: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Returns tensors and facts of a trained supernet, as `automl.artefacts.content.Content` takes them."""
    tensors = {f"module.{name}": one for name, one in objective.module.state_dict().items()}
    tensors |= {f"more.{name}": one for name, one in objective.tensors().items()}
    facts = {"format": FORMAT, "recipe": dict(recipe), "facts": objective.facts()}
    return {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}, facts


def restored(
    content: Content, space: PathSpace, parts: Parts, settings: SupernetSettings, recipe: Mapping[str, Any]
) -> Trained:
    """Returns the objective whose content was kept.

    Args:
        content: what was kept.
        space: the space.
        parts: the task's parts.
        settings: of the training.
        recipe: what it must have been made by.

    Raises:
        InvalidInput: it is of another space, task or training; the difference is named.
    """
    facts = content.facts
    if facts.get("format") != FORMAT:
        raise InvalidInput(f"this is no supernet: its format is {brief(facts.get('format'), 60)}, and not {FORMAT!r}")
    if why := difference(facts["recipe"], recipe):
        raise InvalidInput(f"this supernet is another one: {why}; train one for this search")
    objective = fresh(space, parts, settings, 0)
    put_state(objective, facts["facts"], content.tensors())
    objective.module.requires_grad_(False)
    return objective


def difference(was: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Returns the first difference of two recipes in words; empty if there is none.

    Example:
        >>> difference({"task": {"name": "digits"}, "epochs": 3}, {"task": {"name": "digits"}, "epochs": 5})
        'epochs was 3, and is 5 here'
    """
    for name in sorted({*was, *wanted}):
        one, other = was.get(name), wanted.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            if inner := difference(one, other):
                return f"{name}.{inner}"
        elif canonical(one) != canonical(other):
            return f"{name} was {brief(one, 60)}, and is {brief(other, 60)} here"
    return ""


class Memory:
    """The supernets of this process: the last few, each made once however many threads ask for it.

    Example:
        >>> memory = Memory(2)
        >>> memory.get("a", lambda: 1), memory.get("a", lambda: 2)
        (1, 1)
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        """Returns what is kept under a key, or makes it."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]
