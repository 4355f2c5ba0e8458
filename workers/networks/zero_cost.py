"""Scores of networks that were not trained: what one batch, and the freshly drawn weights, say of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from automl.behaviour import Array, Probe
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.evaluators.task import Task
from workers.networks.arrays import arrays_of, arrays_task
from workers.networks.resizing import described_at, resized, size_for

if TYPE_CHECKING:
    import torch
    from torch import nn

_RIDGE = 1e-6
"""What is added to the kernel of activation patterns: two examples of one pattern make its determinant 0."""

SCORES = ("naswot", "synflow", "gradient_norm", "jacobian_covariance", "parameters", "macs")


@dataclass(frozen=True)
class ZeroCost(Evaluator):
    """Scores networks without training them; each score is a metric of its own, and more is meant to be better.

    - naswot: logarithm of the determinant of how alike the patterns of activations (ReLU and its like) are
      (Mellor et al., ICML 2021).
    - synflow: logarithm of the sum of absolute values of weight times gradient, with all weights made positive, on an
      input of ones (Tanaka et al. 2020, arXiv 2006.05467).
    - gradient_norm: norm of the gradient of the loss.
    - jacobian_covariance: how little the gradients of the outputs by the inputs are correlated between examples (the
      first version of Mellor et al.).
    - parameters, macs: counts, for comparison.

    A score estimates an order and is no accuracy. Initial weights come from the evaluation's seed; the batch is fixed.

    Attributes:
        task: `Task`, or the name of a registered one; its training part gives the batch.
        batch_size: Number of examples in the batch.
        resize: Height and width to which smaller images are enlarged; None takes what the space asks for.

    Example:
        >>> from torch import nn
        >>> from automl.behaviour import Module
        >>> work = Work(Module(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))), {}, "{}")
        >>> metrics = ZeroCost(task="digits").evaluate(work, Evaluation(seed=0))
        >>> metrics["parameters"], sorted(metrics) == sorted(SCORES)
        (650.0, True)
    """

    name: ClassVar[str] = "zero-cost"
    version: ClassVar[str] = "1"
    metrics: ClassVar[Mapping[str, str]] = dict.fromkeys(SCORES, "maximize")
    has_test_part: ClassVar[bool] = False

    task: Task | str = "digits"
    batch_size: int = 64
    resize: int | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise InvalidInput(f"batch_size is {self.batch_size!r}; it must be at least 2")

    def settings(self) -> dict[str, Any]:
        return {
            "task": described_at(arrays_task(self.task), self.resize),
            "batch_size": self.batch_size,
            "resize": self.resize,
        }

    def data(self) -> Task:
        """Returns the task itself."""
        return arrays_task(resized(arrays_task(self.task), self.resize))

    def for_space(self, space: Any) -> Evaluator:
        """Returns the evaluator with images of the size that the space asks for."""
        return self if self.resize is not None else replace(self, resize=size_for(self.data(), space.load()))

    def probe(self) -> Probe:
        from workers.networks.training import prepared

        return Probe(inputs=(Array(tuple(prepared(self.data().train[0][:2]).shape[1:])),))

    def sizes(self) -> tuple[Sequence[Array], int]:
        return self.probe().inputs, arrays_of(self.data(), "cpu").outputs()

    def prepare(self) -> None:
        arrays_of(self.data(), "cpu")

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        from automl.spaces.costs import module_costs
        from workers.networks import training

        inputs, targets = arrays_of(self.data(), how.device).train[:2]
        inputs, targets = inputs[: self.batch_size], targets[: self.batch_size]
        scores: dict[str, float] = {}
        ways: dict[str, Callable[[nn.Module], float]] = {
            "naswot": lambda module: naswot(module, inputs),
            "gradient_norm": lambda module: gradient_norm(module, inputs, targets),
            "jacobian_covariance": lambda module: jacobian_covariance(module, inputs),
            "synflow": lambda module: synflow(module, inputs),
        }
        for name, score in ways.items():
            with training.seeded(how.seed, how.device):  # each on the weights as they were drawn
                module = training.module_of(work.behaviour).to(how.device)
                scores[name] = score(module)
        counts = module_costs(module.cpu().float(), Array(tuple(inputs.shape[1:])))
        found = {**scores, **counts}
        if wrong := [name for name, value in found.items() if not math.isfinite(value)]:
            raise CandidateFailure(f"the network has no {wrong[0]}: {found[wrong[0]]}")
        return {name: float(found[name]) for name in SCORES}


def naswot(module: nn.Module, inputs: torch.Tensor) -> float:
    """Returns the logarithm of the determinant of the kernel of activation patterns.

    Without such activations, and with units too few to tell the examples apart, it is far below 0. A pattern says which
    units are positive after ReLU, ReLU6, SiLU or GELU, wherever the network calls them.
    """
    import torch

    module.train()
    patterns = _patterns()
    with torch.no_grad(), patterns:
        module(inputs)
    count = len(inputs)
    kernel = torch.zeros(count, count) if patterns.kernel is None else patterns.kernel.cpu()
    return float(torch.linalg.slogdet(kernel.double() + _RIDGE * torch.eye(count)).logabsdet)


def _patterns() -> Any:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    aten = torch.ops.aten
    activations = {aten.relu.default, aten.relu_.default, aten.hardtanh.default, aten.hardtanh_.default}
    activations |= {aten.silu.default, aten.silu_.default, aten.gelu.default, aten.leaky_relu.default}

    class Patterns(TorchDispatchMode):  # type: ignore[no-untyped-call]
        """Adds up, over all activations, for how many units two examples agree."""

        kernel: torch.Tensor | None = None

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if func in activations:
                on = (out.flatten(1) > 0).double()
                agree = on @ on.T + (1 - on) @ (1 - on).T
                self.kernel = agree if self.kernel is None else self.kernel + agree
            return out

    return Patterns()  # type: ignore[no-untyped-call]


def synflow(module: nn.Module, inputs: torch.Tensor) -> float:
    """Returns the logarithm of the synaptic flow, in float64 and with batch norms that change nothing."""
    import torch

    module.double().eval()
    with torch.no_grad():
        for one in module.parameters():
            one.abs_()
    module.zero_grad(set_to_none=True)
    module(torch.ones_like(inputs[:1], dtype=torch.float64)).sum().backward()
    flow = sum(float((one.detach() * one.grad).abs().sum()) for one in module.parameters() if one.grad is not None)
    return math.log(max(flow, 1e-300))


def gradient_norm(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    """Returns the norm of the loss's gradient by all weights."""
    from torch.nn import functional

    module.train()
    functional.cross_entropy(module(inputs), targets).backward()  # type: ignore[no-untyped-call]
    return math.sqrt(sum(float(one.grad.square().sum()) for one in module.parameters() if one.grad is not None))


def jacobian_covariance(module: nn.Module, inputs: torch.Tensor) -> float:
    """Returns minus the sum of log λ + 1/λ over the eigenvalues of the correlation of the examples' input gradients."""
    import torch

    module.train()
    given = inputs.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(module(given).sum(), given)
    rows = gradient.flatten(1).double().cpu().numpy()
    if not np.isfinite(rows).all() or (rows.std(1) == 0).any():
        return -1e6  # an example that the outputs do not depend on
    values = np.linalg.eigvalsh(np.corrcoef(rows)) + 1e-5
    return -float(np.sum(np.log(values) + 1.0 / values))
