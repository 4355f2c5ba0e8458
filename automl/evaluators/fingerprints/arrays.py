"""The content of arrays, tensors, modules and frames. A library is looked at only where it is loaded already."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import xxhash

from automl.evaluators.fingerprints.refusal import NoContent, Token, at
from automl.evaluators.fingerprints.written import mixed


def of_array(value: Any, token: Token) -> bytes | None:
    """Returns 16 bytes of what an array, a tensor, a module or a frame holds, None for anything else."""
    if isinstance(value, np.ndarray):
        return _numpy(value, token)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "Tensor"):
        if isinstance(value, torch.Tensor):
            return _tensor(value, token, torch)
        if isinstance(value, torch.nn.Module):
            return _module(value, token)
        if isinstance(value, torch.Generator):
            return mixed("torch.Generator", str(value.device), token(value.get_state()))
        if isinstance(value, torch.dtype | torch.device | torch.layout | torch.memory_format):
            return mixed("torch", repr(value))
    pandas = sys.modules.get("pandas")
    if pandas is not None and hasattr(pandas, "DataFrame"):
        if isinstance(value, pandas.DataFrame):
            columns = [token(value.iloc[:, place].array) for place in range(value.shape[1])]
            return mixed(
                "frame",
                token(type(value)),
                token(value.columns),
                token(value.index),
                *columns,
                token(dict(value.attrs)),
            )
        if isinstance(value, pandas.Series):
            parts = (value.name, value.index, value.array, dict(value.attrs))
            return mixed("series", token(type(value)), *map(token, parts))
    return None


def _numpy(value: np.ndarray, token: Token) -> bytes:
    if isinstance(value, np.ma.MaskedArray):
        return mixed("masked", token(np.asarray(value.filled())), token(np.ma.getmaskarray(value)))
    kind = str(value.dtype)
    if value.dtype.hasobject:
        return mixed("objects", kind, repr(value.shape), token(value.reshape(-1).tolist()))
    digest = xxhash.xxh3_128(f"array{kind}{value.dtype.str}{value.shape}".encode())
    if value.nbytes:
        digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    if type(value) in (np.ndarray, np.memmap):
        return digest.digest()
    return mixed(digest.digest(), token(type(value)), token(dict(getattr(value, "__dict__", {}))))


def _tensor(value: Any, token: Token, torch: Any) -> bytes:
    data = value.detach()
    if data.layout != torch.strided:
        data = data.coalesce() if data.layout == torch.sparse_coo else data.to_sparse_coo().coalesce()
        return mixed("sparse", repr(tuple(data.shape)), token(data.indices()), token(data.values()))
    if data.is_meta:
        raise NoContent("a tensor on the meta device, which holds no values")
    if data.is_quantized:
        return mixed("quantized", str(data.dtype), token(data.int_repr()), token(data.dequantize()))
    data = data.cpu().resolve_conj().resolve_neg().contiguous()
    kind = f"tensor{data.dtype}{tuple(data.shape)}{value.requires_grad}"
    digest = xxhash.xxh3_128(kind.encode())
    if data.numel():
        digest.update(memoryview(data.reshape(-1).view(torch.uint8).numpy()))
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        return digest.digest()
    return mixed(digest.digest(), token(type(value)), token(dict(value.__dict__)))


def _module(value: Any, token: Token) -> bytes:
    """Returns what a torch module holds: weights, buffers, parts, hooks and settings of its own.

    Hooks stand under numbers that a process counts up, so their order is taken and not the numbers.
    """
    held = dict(value.__dict__)
    code = getattr(value, "code", None) if type(value).__module__.startswith("torch.jit") else None
    if code is not None:
        return mixed("script", str(code), token({name: one.detach() for name, one in value.state_dict().items()}))
    parts = []
    for name in sorted(held):
        if "_hooks" in name:
            parts += [mixed(name, token(list(held[name].values())))] if held[name] else []
        else:
            parts.append(mixed(name, at(f".{name}", held[name], token)))
    return mixed("module", token(type(value)), *parts)
