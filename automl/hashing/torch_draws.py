"""Random numbers inside hashed modules, from a generator of our own: torch's shared one is neither read nor moved.

What is drawn depends on what is drawn and on what it meets, not on when: noise that meets a tensor is drawn anew from
that tensor's values, so two branches can be written in any order and memory that nobody wrote is never looked at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Noise:
    """Random numbers that have met nothing yet.

    Attributes:
        label: what is drawn: distribution, shape, numbers.
        settled: the numbers, once they have met something.
    """

    __slots__ = ("_make", "_parents", "label", "settled")

    def __init__(self, label: bytes, make: Callable[..., torch.Tensor], parents: Sequence[Noise] = ()) -> None:
        self.label = label
        self.settled: torch.Tensor | None = None
        self._make = make
        self._parents = parents

    def settle(self, generator: torch.Generator) -> torch.Tensor:
        """Returns the numbers, drawn now unless they were before; with them those that they are made of."""
        if self.settled is None:
            if self._parents:
                self.settled = self._make(*(one.settle(generator).clone() for one in self._parents))
            else:
                self.settled = self._make(generator)
        return self.settled


class Seeded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Gives every random operation underneath a call of torch the generator given here.

    Args:
        generator: where the numbers come from.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._generator = generator

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        how = _how(func)
        if how is _GIVEN:
            kwargs["generator"] = self._generator
        elif how is not None:
            return how(func, self._generator, args, kwargs)
        return func(*args, **kwargs)


def _given(*_: Any) -> Any:
    raise AssertionError("the generator is given as an argument")


_GIVEN = _given


@functools.cache
def _how(func: Any) -> Callable[..., Any] | None:
    """Returns how an operation is drawn from a generator; None where it is not random."""
    if torch.Tag.nondeterministic_seeded not in func.tags:
        return None
    if any(argument.name == "generator" for argument in func._schema.arguments):
        return _GIVEN
    name = func._schema.name.removeprefix("aten::")
    if name.endswith("_like"):
        return functools.partial(_drawn_like, name)
    if name == "native_dropout":
        return _native_dropout
    packet = getattr(torch.ops.aten, name)
    return functools.partial(_other_overload, packet) if "generator" in packet.overloads() else None


def _drawn_like(name: str, _: Any, generator: torch.Generator, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    target = torch.empty_like(args[0], **{key: kwargs[key] for key in ("dtype", "device") if kwargs.get(key)})
    if name == "rand_like":
        return target.uniform_(generator=generator)
    if name == "randn_like":
        return target.normal_(generator=generator)
    low, high = (0, args[1]) if len(args) == 2 else args[1:3]
    return target.random_(low, high, generator=generator)


def _native_dropout(_: Any, generator: torch.Generator, args: Any, __: dict[str, Any]) -> Any:
    x, rate, training = args
    if training is False:
        return x.clone(), torch.ones_like(x, dtype=torch.bool)
    kept = torch.empty_like(x).bernoulli_(1 - rate, generator=generator)
    return x * kept / max(1 - rate, 1e-300), kept.bool()


def _other_overload(packet: Any, _: Any, generator: torch.Generator, args: Any, kwargs: dict[str, Any]) -> Any:
    return packet(*args, generator=generator, **kwargs)


TILED = frozenset(["normal_", "uniform_", "trunc_normal_"])
_LARGE = 2**20
_TILE = 65_521
"""A prime, so that no two rows of a matrix begin alike."""


def is_large(name: str, args: Sequence[Any]) -> bool:
    """Tells whether a call draws a parameter of very many values, which the hash gives others anyway."""
    if name not in TILED or not args or not isinstance(args[0], torch.nn.Parameter):
        return False
    return args[0].numel() > _LARGE and args[0].is_contiguous()


def tiled(func: Callable[..., Any], generator: torch.Generator, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Draws the beginning of a parameter and lays it end to end: drawing all of it takes longer than a run."""
    tile = torch.empty(_TILE, dtype=args[0].dtype)
    func(tile, *args[1:], **{**kwargs, "generator": generator})
    flat = args[0].detach().view(-1)
    rows, rest = divmod(flat.numel(), _TILE)
    flat[: rows * _TILE].view(rows, _TILE).copy_(tile)
    flat[rows * _TILE :].copy_(tile[:rest])
    return args[0]


def dropped(x: torch.Tensor, rate: float, generator: torch.Generator) -> torch.Tensor:
    """Returns `x` with a share `rate` of its values set to zero and the others enlarged, as dropout does in training.

    Random numbers are laid out as the tensor is in memory, so the mask is always made anew.
    """
    kept = torch.empty(x.shape, dtype=torch.float64).bernoulli_(1.0 - rate, generator=generator)
    return x * (kept.div_(1.0 - rate) if rate < 1.0 else kept)


def attention(
    drop: Callable[[torch.Tensor, float], torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Returns scaled dot product attention written out, its weights dropped by `drop`; arguments as torch has them."""
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = (item.repeat_interleave(repeats, -3) for item in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        ones = torch.ones(scores.shape[-2:], dtype=torch.bool)
        scores = scores.masked_fill(~ones.tril(), -torch.inf)
    if attn_mask is not None:
        is_bool = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -torch.inf) if is_bool else scores + attn_mask
    return drop(scores.softmax(-1), dropout_p) @ value
