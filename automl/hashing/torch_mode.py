"""What happens to torch calls while a module is hashed: randomness is made a function of what it meets, and everything
narrower than float64 becomes float64, without touching anything that another thread could see.
"""

from __future__ import annotations

import contextlib
import functools
import types as kinds
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from automl.hashing.torch_draws import attention
from automl.hashing.torch_kernels import WRITTEN, in_float32
from automl.hashing.torch_names import ACTING, CASTS, DROPS, FLOATS, INSIDE, NOISE, PLAIN, WATCHED, WIDER
from automl.hashing.torch_noise import Draws, mapped, tensors

_REQUIRES_GRAD = torch.Tensor.requires_grad.__set__  # type: ignore[attr-defined]
_OVERFLOW = "without overflow"
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]


class Deterministic(TorchFunctionMode):
    """Makes random calls deterministic and floating point float64, for the calls of one thread.

    Args:
        generator: for all that is drawn.
        stream: numbers are drawn one after the other, as while a module is built.
        transparent: gradients flow through what is detached, as if it were not.

    Attributes:
        acted: whether any call was changed, so that this is needed at all.
        wrote: whether somebody may have written a parameter past its count of versions.
        coarse: whether any call was made in float32, because torch has no kernel for more.
    """

    def __init__(self, generator: torch.Generator, *, stream: bool = False, transparent: bool = False) -> None:
        super().__init__()
        self.acted = transparent or stream
        self.wrote = False
        self.coarse = False
        self._draws = Draws(generator, stream=stream)
        self._transparent = transparent
        self._wide: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def numbers(self) -> set[bytes]:
        """The plain numbers that noise met, as digests; part of the module's key."""
        return self._draws.numbers

    @contextlib.contextmanager
    def backward(self) -> Iterator[None]:
        """Counts calls from the start, because what checkpointing computes again must be drawn again."""
        self._draws.begin_again()
        with self:
            yield

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        quiet = not (self._draws.noise or self._wide)
        if quiet and args:  # the usual cases first: a network calls hundreds of functions in a run
            if name == "__get__":
                if func != _DATA:
                    return func(*args)
            elif name in PLAIN:
                if args[0].dtype not in WIDER:
                    return func(*args, **(kwargs or {}))
            elif name in WATCHED:
                if name == "dropout" and args[0].dtype is torch.float64:
                    return self._dropout(func, name, *args, **(kwargs or {}))
            elif not _any_narrow(args) and not (kwargs and ("dtype" in kwargs or _any_narrow(kwargs.values()))):
                return self._finished(func, name, args, dict(kwargs) if kwargs else {})
        return self._looked_at(func, name, args, kwargs or {})

    def _looked_at(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Calls a function that may draw, cast or mix types, or while there is noise."""
        if name == "__deepcopy__" or (name == "__set__" and func != _REQUIRES_GRAD):  # about the very tensor
            return func(*args, **kwargs)
        if name == "__get__":
            if func == _DATA:
                self.acted = self.wrote = True
            result = self._transparent_data(args[0]) if func == _DATA else func(*args)
            if not isinstance(result, torch.Tensor) or not self._knows(args[0]):
                return result
        kwargs = dict(kwargs)
        if not args and "tensor" in kwargs:  # as torch.nn.init calls itself
            args = (kwargs.pop("tensor"),)
        return self._called(func, name, *self._in_float64(name, args, kwargs))

    def _called(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.acted = self.acted or name in ACTING
        if name in CASTS:
            return args[0].to(torch.complex128 if name.startswith("c") else torch.float64)
        if name in ("requires_grad_", "__set__") and (done := _set_requires_grad(args)) is not None:
            return done
        if self._transparent and name in ("_set_grad_enabled", "detach", "detach_"):
            return args[0].view_as(args[0]) if name != "_set_grad_enabled" else None
        if name in INSIDE and isinstance(func, kinds.FunctionType) and not _dropless(name, args, kwargs):
            with self:
                return _bare(func)(*args, **kwargs)
        if self._draws.noise and any(map(self._draws.knows, tensors((*args, *kwargs.values())))):
            done, result = self._draws.met(func, name, args, kwargs)
            if done:
                return result
            args, kwargs = result
        if name in NOISE:
            return self._draws.drawn(func, name, args, kwargs)
        if name in ("dropout", "dropout_"):
            return self._dropout(func, name, *args, **kwargs)
        if name == "scaled_dot_product_attention" and (kwargs.get("dropout_p") or (len(args) > 4 and args[4])):
            self.acted = True
            return attention(self._draws.dropped, *args, **kwargs)
        if name in DROPS:
            return self._draws.random(func, name, args, kwargs)
        return self._finished(func, name, args, kwargs)

    def _finished(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls a function; what comes out narrow is made again in full precision."""
        result = self._computed(func, name, args, kwargs)
        if type(result) is torch.Tensor and result.dtype in WIDER:
            self.acted = True
            return _again(func, result, args, kwargs)
        return result

    def _computed(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls a function, one without a kernel for float64 as it is written in others, or in float32."""
        if name in WRITTEN:
            self.acted = True
            return WRITTEN[name](*args, **kwargs)
        try:
            return func(*args, **kwargs)
        except RuntimeError as error:
            if _OVERFLOW in str(error) and kwargs.get("dtype") is None:  # the smallest number of float64, as a mask
                self.acted = True
                return func(*args, **{**kwargs, "dtype": torch.float64})
            if name.endswith("_") or kwargs.get("out") is not None:
                raise
            found = in_float32(func, args, kwargs, error)
            self.acted = self.coarse = True
            return found

    def _dropout(
        self,
        func: Callable[..., Any],
        name: str,
        x: torch.Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
        train: bool = True,
    ) -> torch.Tensor:
        if not 0 <= p <= 1 or not (training and train) or p == 0 or not x.is_floating_point():
            return func(x, p, training and train)
        self.acted = True
        if inplace or name == "dropout_":
            return x.copy_(self._draws.dropped(x.clone(), p))
        return self._draws.dropped(x, p)

    # --- numbers of little precision ---------------------------------------------------------------------------------

    def _in_float64(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Returns arguments without narrow types: of what is made, of what is cast to, and of tensors."""
        if "dtype" in kwargs or name in FLOATS:
            self.acted = True
            given = kwargs.get("dtype")
            if given is not None or name not in FLOATS:
                kwargs["dtype"] = _wider_type(given)
            elif kwargs.get("out") is None:
                kwargs["dtype"] = torch.float64
        if name in ("to", "type"):
            args = tuple(_wider_type(item) for item in args)
        if _any_narrow(args) or _any_narrow(kwargs.values()):
            self.acted = True
            args, kwargs = mapped(args, self._widened), {key: self._widened(item) for key, item in kwargs.items()}
        return args, kwargs

    def _widened(self, item: Any) -> Any:
        """Returns a tensor as float64 or complex128; the same one for the same tensor, so that it can be changed."""
        if not isinstance(item, torch.Tensor) or item.dtype not in WIDER:
            return item
        known = self._wide.get(id(item))
        if known is None:
            known = self._wide[id(item)] = (item, item.to(WIDER[item.dtype]))
        return known[1]

    def _knows(self, item: torch.Tensor) -> bool:
        return id(item) in self._wide or self._draws.knows(item)

    def _transparent_data(self, item: torch.Tensor) -> torch.Tensor:
        return item.view_as(item) if self._transparent else item.data


def _any_narrow(given: Iterable[Any]) -> bool:
    """Tells whether a tensor among arguments, or in a list or tuple of them, has a type that is too coarse."""
    for item in given:
        if isinstance(item, torch.Tensor):
            if item.dtype in WIDER:
                return True
        elif type(item) in (tuple, list) and _any_narrow(item):
            return True
    return False


def _wider_type(item: Any) -> Any:
    if isinstance(item, torch.dtype):
        return WIDER.get(item, item)
    if isinstance(item, str) and item in ("torch.FloatTensor", "torch.HalfTensor", "torch.BFloat16Tensor"):
        return torch.float64
    return item


def _again(func: Callable[..., Any], result: torch.Tensor, args: Any, kwargs: dict[str, Any]) -> Any:
    """Returns a narrow result in full precision: whole numbers in float64, or made with another type."""
    try:
        if any(True for _ in tensors((*args, *kwargs.values()))):
            again = func(*mapped(args, _as_double), **{key: _as_double(item) for key, item in kwargs.items()})
        elif kwargs.get("dtype") is None:
            again = func(*args, **{**kwargs, "dtype": WIDER[result.dtype]})
        else:
            return result
    except (TypeError, RuntimeError):
        again = result
    wide = isinstance(again, torch.Tensor) and again.dtype not in WIDER
    return again if wide else result.to(WIDER[result.dtype])


def _as_double(item: Any) -> Any:
    if isinstance(item, torch.Tensor) and not item.is_floating_point() and not item.is_complex():
        return item.double()
    return item


def _set_requires_grad(args: tuple[Any, ...]) -> Any:
    """Returns what setting `requires_grad` gives for a tensor that is computed and wants its gradient anyway."""
    item, wanted = args[0], args[1] if len(args) > 1 else True
    return item if wanted and not item.is_leaf and item.requires_grad else None


def _dropless(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Tells whether attention drops nothing, so that there is nothing to see inside."""
    if name != "multi_head_attention_forward":
        return False
    return not (args[10] if len(args) > 10 else kwargs["dropout_p"]) or not kwargs.get("training", True)


@functools.cache
def _bare(func: Any) -> Callable[..., Any]:
    """Returns a function of `torch.nn.functional` without the question whether somebody wants to see the call."""
    inside = {**func.__globals__, "has_torch_function": _never, "has_torch_function_unary": _never}
    inside["has_torch_function_variadic"] = _never
    bare = kinds.FunctionType(func.__code__, inside, func.__name__, func.__defaults__, func.__closure__)
    bare.__kwdefaults__ = func.__kwdefaults__
    return bare


def _never(*_: Any) -> bool:
    return False
