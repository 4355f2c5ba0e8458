"""What a process computes on, in words, for the record."""

from __future__ import annotations

import os
import platform


def machine() -> str:
    """Returns cores and processor of this machine, such as "2 x Intel(R) Xeon(R) Processor"."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {model}"


def hardware(device: str) -> str:
    """Returns the machine, with the names of the GPUs that torch sees here where the device is one.

    Args:
        device: "cpu" or "cuda"; torch is imported for the latter only.
    """
    if device != "cuda":
        return machine()
    import torch

    names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return f"{machine()} with {', '.join(names)}"
