"""Evaluators that train a network which can be handed over: what they add to the contract of evaluators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl.errors import InvalidInput

if TYPE_CHECKING:
    import torch
    from torch import nn

    from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work


class Delivers(ABC):
    """Mixin of evaluators whose trained module is kept and delivered: `class Mine(Delivers, Evaluator)`.

    Such an evaluator calls `how.keep(module)` when it has measured the module, and can build, measure and train it
    again.

    Example:
        >>> from automl import registry
        >>> issubclass(registry.load("evaluators", "classification"), Delivers)
        True
    """

    @abstractmethod
    def untrained(self, work: Work, how: Evaluation) -> nn.Module:
        """Returns the module of a candidate as it is before training, on `how.device`.

        Random draws follow from `how.seed`, and every global generator is afterwards what it was.
        """

    @abstractmethod
    def measured(self, module: nn.Module, work: Work, how: Evaluation) -> Metrics:
        """Measures a trained module on `how.part` as `evaluate` does after training. It may be an exported one."""

    @abstractmethod
    def examples(self, how: Evaluation, most: int) -> tuple[torch.Tensor, ...]:
        """Returns inputs of the module for the first examples of `how.part`, `most` at most, one tensor an argument.

        The first axis of each tensor counts examples.
        """

    def predicted(self, module: nn.Module, work: Work, how: Evaluation) -> torch.Tensor:
        """Returns what a trained module gives for all examples of `how.part`, in order, on the CPU.

        With `mixed` and `scored` it lets networks be joined (`Study.ensemble`). An evaluator may do without the three.

        Raises:
            InvalidInput: the evaluator does without them.
        """
        raise self._joins_none()

    def mixed(self, outputs: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
        """Returns what several networks give together for the same examples, in the form of one network's outputs.

        Args:
            outputs: of each network.
            weights: of each network, with sum 1.
        """
        raise self._joins_none()

    def scored(self, outputs: torch.Tensor, how: Evaluation, chosen: Sequence[int] | None = None) -> Metrics:
        """Measures outputs for all examples of `how.part`, or for the examples at the places `chosen`.

        For the outputs of one module it gives the figures of `measured`.
        """
        raise self._joins_none()

    def _joins_none(self) -> InvalidInput:
        return InvalidInput(
            f"evaluator {getattr(self, 'name', self)} cannot join networks; let it have predicted(), mixed() and "
            "scored(), see automl.evaluators.delivery.Delivers"
        )

    def described_data(self) -> dict[str, Any]:
        """Returns what whoever runs the network must know of its data, as JSON: "columns" of a table, "classes"."""
        return {}

    def trained_on(self, parts: str) -> Evaluator:
        """Returns the same evaluator, which trains on more data: "train+validation" adds the validation part.

        Raises:
            InvalidInput: the evaluator cannot.
        """
        raise InvalidInput(f"evaluator {getattr(self, 'name', self)} cannot train on {parts!r}, only on 'train'")


def delivers(evaluator: Any) -> Delivers:
    """Returns an evaluator that trains a module.

    Raises:
        InvalidInput: it trains none.

    Example:
        >>> from automl.testing.pools import Numbered
        >>> delivers(Numbered())
        Traceback (most recent call last):
        automl.errors.InvalidInput: evaluator numbered hands over no trained network; ...
    """
    if not isinstance(evaluator, Delivers):
        raise InvalidInput(
            f"evaluator {evaluator.name} hands over no trained network; `--to python` writes what the space can say of "
            "a candidate, and an evaluator of your own can be made to (automl.evaluators.delivery.Delivers)"
        )
    return evaluator
