"""What a torch module costs: its parameters and multiply-accumulates, counted by running it once; its latency."""

from __future__ import annotations

import contextlib
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from automl.behaviour import Array
from automl.errors import InvalidInput

if TYPE_CHECKING:
    import torch
    from torch import nn


def module_costs(module: nn.Module, *inputs: Array) -> dict[str, float]:
    """Returns the number of parameters of a module, and of multiply-accumulates ("macs") in one example's forward pass.

    Multiply-accumulates of convolutions, matrix products, attention and recurrent layers are counted with torch's own
    flop counter (which counts each as two operations). Sums, activations and normalisations count 0, as is usual in
    papers.

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

    placed, named = _zeros(inputs, 1, "cpu")
    training = module.training
    with torch.no_grad(), _plain_kernels(), FlopCounterMode(display=False) as counter:
        module.eval()(*placed, **named)
    module.train(training)
    return {
        "parameters": float(sum(parameter.numel() for parameter in module.parameters())),
        "macs": counter.get_total_flops() / 2,
    }


def latency(
    module: nn.Module, *inputs: Array, batch: int | Sequence[int] = 1, device: str | None = None, runs: int = 30
) -> dict[str, float]:
    """Returns how long a forward pass of a module takes, in milliseconds: the median of warm runs.

    Return it from `Space.costs`: there it belongs to the candidate, is measured for each one, recorded with its trial
    and never served to another one whose function is equal. It is measured where costs are asked for, in the process
    that hashes. Other work on the device changes it, so leave some cores free.

    Args:
        module: Module, which is run in evaluation mode on zeros, without gradients.
        inputs: Shape of each input of the module, without the batch axis; those that have a name are given by it.
        batch: Number of examples, or several numbers.
        device: "cpu" or "cuda"; None takes CUDA where torch can use it.
        runs: Runs of which the median is taken, after a fifth as many to warm up.

    Returns:
        Dict with an entry "latency_ms_N" for each batch size N.

    Raises:
        InvalidInput: a batch size or the number of runs is below 1.

    Example:
        >>> from torch import nn
        >>> found = latency(nn.Linear(64, 10), Array((64,)), batch=[1, 32], device="cpu", runs=5)
        >>> list(found), all(value > 0 for value in found.values())
        (['latency_ms_1', 'latency_ms_32'], True)
    """
    import torch

    sizes = [batch] if isinstance(batch, int) else list(batch)
    if runs < 1 or not sizes or min(sizes) < 1:
        raise InvalidInput(f"latency of batch={batch!r} in runs={runs!r}; give sizes and a number of at least 1")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    training, home = module.training, next((one.device for one in module.parameters()), None)
    module.eval().to(device)
    wait = torch.cuda.synchronize if device.startswith("cuda") else _nothing  # a GPU's work is only queued until then
    found = {}
    with torch.no_grad():
        for size in sizes:
            placed, named = _zeros(inputs, size, device)
            seconds = []
            for _ in range(runs + max(1, runs // 5)):
                began = time.perf_counter()
                module(*placed, **named)
                wait()
                seconds.append(time.perf_counter() - began)
            found[f"latency_ms_{size}"] = 1000 * statistics.median(seconds[-runs:])
    module.train(training)
    if home is not None:
        module.to(home)
    return found


@contextlib.contextmanager
def _plain_kernels() -> Iterator[None]:
    """Lets torch do its work by kernels that the counter knows: it counts nothing for fused attention, for the fast
    path of transformer layers, and for recurrent layers of oneDNN.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
            warnings.filterwarnings("ignore", "TF32 acceleration")  # said by torch whenever oneDNN's flags are touched
            with torch.backends.mkldnn.flags(enabled=False):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _nothing() -> None:
    """Stands for the wait for a device that computes at once."""


def _zeros(inputs: Sequence[Array], batch: int, device: str) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """Returns the inputs that a module takes by their place and those that it takes by name."""
    import torch

    kinds = [torch.float32 if one.high is None else torch.int64 for one in inputs]
    made = [
        torch.zeros((batch, *one.shape), dtype=kind, device=device) for one, kind in zip(inputs, kinds, strict=True)
    ]
    pairs = list(zip(inputs, made, strict=True))
    return [item for one, item in pairs if not one.name], {one.name: item for one, item in pairs if one.name}
