"""What a module draws while it is hashed: from what it is and from what it meets."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch

from automl.hashing.mixing import mix
from automl.hashing.signature import signature
from automl.hashing.torch_draws import Noise, Seeded, dropped, is_large, tiled
from automl.hashing.torch_names import FILLED, LAID_OUT, LIKE, NOISE, WIDER


class Draws:
    """The random calls of one run.

    Args:
        generator: for all that is drawn; seeded afresh before every draw, or never where `stream` is set.
        stream: numbers are drawn one after the other, as while a module is built.

    Attributes:
        numbers: the plain numbers that noise met, as digests; part of the module's key.
        noise: what was drawn and is not bound to a tensor that it met, by the id() of its tensor.
    """

    def __init__(self, generator: torch.Generator, *, stream: bool = False) -> None:
        self.numbers: set[bytes] = set()
        self._generator = generator
        self._stream = stream
        self._calls: Counter[bytes] = Counter()
        self.noise: dict[int, tuple[torch.Tensor, Noise]] = {}  # the tensor is kept alive, so that its id() stays its

    def knows(self, item: torch.Tensor) -> bool:
        """Tells whether a tensor is noise."""
        return id(item) in self.noise

    def begin_again(self) -> Counter[bytes]:
        """Counts calls from the start; returns the counts so far."""
        before, self._calls = self._calls, Counter()
        return before

    def _seed(self, what: bytes) -> None:
        if not self._stream:
            self._calls[what] += 1
            self._generator.manual_seed(int.from_bytes(mix(what, str(self._calls[what]))[:8], "little") >> 1)

    def random(self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """Calls a random function of tensors, its numbers drawn from what it is given."""
        if self._stream and is_large(name, args):
            return tiled(func, self._generator, args, kwargs)
        given = [item for item in (*args, *kwargs.values()) if not isinstance(item, bool)]
        numbers = sorted(float(item) for item in given if isinstance(item, int | float))
        if not self._stream:
            seen = [] if name in FILLED else [signature(item) for item in tensors(given)]
            self._seed(mix(name, repr(numbers), *seen))
        if not name.endswith("_"):  # random numbers are laid out as the tensor is in memory
            args = mapped(args, lambda item: item.contiguous() if isinstance(item, torch.Tensor) else item)
        with Seeded(self._generator):
            return func(*args, **kwargs)

    def dropped(self, x: torch.Tensor, p: float) -> torch.Tensor:
        """Returns `x` after dropout; the mask is the one that `x * bernoulli(1 - p)` would meet."""
        if not self._stream:
            label, number = _of_dropout(p, x.shape)
            self._seed(mix(label, signature(x)))
            self.numbers.add(number)
        return dropped(x, p, self._generator)

    def drawn(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Draws noise. It is bound to what it meets later, unless it has tensors for arguments already."""
        kwargs.pop("generator", None)
        if self._stream and is_large(name, args):
            return tiled(func, self._generator, args, kwargs)
        if name == "randint_like":
            low, high = (0, args[1]) if len(args) == 2 else args[1:3]
            dtype = kwargs.get("dtype") or args[0].dtype
            func, args, kwargs = _whole, (low, high, args[0].shape), {"dtype": dtype}
        elif name in LIKE:
            func, args, kwargs = LIKE[name], (args[0].shape,), {"dtype": kwargs.get("dtype") or torch.float64}
        if self._stream:
            return _finished(func(*args, generator=self._generator, **kwargs), kwargs)
        in_place = name.endswith("_")
        label = self._label_of(name, args, kwargs, in_place)

        def draw(generator: torch.Generator) -> torch.Tensor:
            first = (torch.empty(args[0].shape, dtype=args[0].dtype),) if in_place else args[:1]
            return _finished(func(*first, *args[1:], generator=generator, **kwargs), kwargs)

        others = [signature(item) for item in tensors((*args[in_place:], *kwargs.values()))]
        result = draw(self._generator)  # its shape is part of what it is seeded by
        label = mix(label, repr(tuple(result.shape)), *others)
        self._seed(label)
        result = draw(self._generator)
        if in_place:
            with torch.no_grad():
                args[0].copy_(result)
            result = args[0]
        if not others:
            self.noise[id(result)] = (result, Noise(label, draw))
        return result

    def _label_of(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], in_place: bool) -> bytes:
        """Returns what stands for a distribution, its numbers noted; sizes are no numbers of it."""
        given = [*args[in_place:], *kwargs.values()]
        numbers = [float(item) for item in given if _is_number(item)]
        if name in ("rand", "randn", "rand_like", "randn_like"):
            numbers = []
        self.numbers |= {mix(repr(item)) for item in numbers}
        return mix(name.rstrip("_").removesuffix("_like"), repr(numbers))

    def met(
        self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[bool, Any]:
        """Lets noise meet the other arguments of a call.

        Returns:
            True and the result, where all is noise; or False and the arguments with the noise that this call gets.
        """
        given = list(tensors((*args, *kwargs.values())))
        unmet = {id(item): self.noise[id(item)][1] for item in given if self._is_unmet(item)}
        others = [item for item in given if id(item) not in self.noise or not self._is_unmet(item)]
        if name in NOISE and name.endswith("_") and len(given) == 1:  # drawn over it: what it was is gone
            self.noise.pop(id(given[0]))
            return True, self.drawn(func, name, args, kwargs)
        if not others:
            result = func(*args, **kwargs)
            if name not in LAID_OUT:
                given_numbers = [item for item in (*args, *kwargs.values()) if _is_number(item)]
                self.numbers |= {mix(repr(float(item))) for item in given_numbers}
            if isinstance(result, torch.Tensor):
                places = list(unmet)

                def make(*parents: torch.Tensor) -> torch.Tensor:
                    by_id = dict(zip(places, parents, strict=True))
                    put = functools.partial(_replaced, by_id)
                    return func(*mapped(args, put), **{key: put(item) for key, item in kwargs.items()})

                label = mix(*(one.label for one in unmet.values()))
                self.noise[id(result)] = (result, Noise(label, make, list(unmet.values())))
            return True, result
        if unmet:
            met = [signature(self._settled(item)) for item in others]
            for one in unmet.values():
                self._seed(mix(one.label, *sorted(met)))
                one.settle(self._generator)
        args = mapped(args, self._settled)
        kwargs = {key: self._settled(item) for key, item in kwargs.items()}
        return False, (args, kwargs)

    def _is_unmet(self, item: torch.Tensor) -> bool:
        known = self.noise.get(id(item))
        return known is not None and known[1].settled is None

    def _settled(self, item: Any) -> Any:
        known = self.noise.get(id(item)) if isinstance(item, torch.Tensor) else None
        return item if known is None or known[1].settled is None else known[1].settled


@functools.lru_cache(maxsize=4096)
def _of_dropout(p: float, shape: torch.Size) -> tuple[bytes, bytes]:
    """Returns what stands for a mask of a shape, and for the number that it is drawn by."""
    return mix(mix("bernoulli", repr([1.0 - p])), repr(tuple(shape))), mix(repr(1.0 - p))


def _is_number(item: Any) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)


def _whole(low: int, high: int, shape: Any, *, generator: torch.Generator, dtype: Any) -> torch.Tensor:
    return torch.randint(low, high, shape, generator=generator).to(dtype)


def _finished(result: torch.Tensor, kwargs: Mapping[str, Any]) -> torch.Tensor:
    """Returns what was drawn as float64 where it is narrower."""
    if result.dtype not in WIDER:
        return result
    return result.to(WIDER[result.dtype]).requires_grad_(bool(kwargs.get("requires_grad")))


def tensors(given: Iterable[Any]) -> Iterator[torch.Tensor]:
    """Yields the tensors among arguments, those in lists and tuples too."""
    for item in given:
        if isinstance(item, torch.Tensor):
            yield item
        elif type(item) in (tuple, list):
            yield from tensors(item)


def mapped(args: Iterable[Any], put: Callable[[Any], Any]) -> tuple[Any, ...]:
    """Returns arguments, each replaced by what `put` gives for it, in lists and tuples too."""
    return tuple(type(item)(map(put, item)) if type(item) in (tuple, list) else put(item) for item in args)


def _replaced(by_id: Mapping[int, torch.Tensor], item: Any) -> Any:
    return by_id.get(id(item), item)
