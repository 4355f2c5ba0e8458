"""What a torch module costs: its parameters and multiply-accumulates, counted by running it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.behaviour import Array

if TYPE_CHECKING:
    from torch import nn


def module_costs(module: nn.Module, *inputs: Array) -> dict[str, float]:
    """Returns the number of parameters of a module, and of multiply-accumulates ("macs") in one example's forward pass.

    Multiply-accumulates of convolutions, matrix products and attention are counted with torch's own flop counter (which
    counts each as two operations). Sums, activations and normalisations count 0, as is usual in papers.

    Args:
        module: Module, which is run once in evaluation mode on zeros.
        inputs: Shape of each input of the module, without the batch axis; those that have a name are given by it.

    Returns:
        Dict with the entries "parameters" and "macs", both floats.

    Example:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
        >>> module_costs(network, Array((1, 8, 8)))
        {'parameters': 2610.0, 'macs': 4864.0}
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    examples = [
        torch.zeros((1, *one.shape), dtype=torch.float32 if one.high is None else torch.int64) for one in inputs
    ]
    placed = [item for item, one in zip(examples, inputs, strict=True) if not one.name]
    named = {one.name: item for item, one in zip(examples, inputs, strict=True) if one.name}
    training = module.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(*placed, **named)
    module.train(training)
    return {
        "parameters": float(sum(parameter.numel() for parameter in module.parameters())),
        "macs": counter.get_total_flops() / 2,
    }
