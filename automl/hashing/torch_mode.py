"""What happens to torch calls while a module is hashed: randomness is made a function of what it meets, and everything
narrower than float64 becomes float64, without touching anything that another thread could see.
"""

from __future__ import annotations

import contextlib
import functools
import types as kinds
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from automl.hashing.mixing import mix
from automl.hashing.signature import signature
from automl.hashing.torch_draws import Noise, Seeded, attention, dropped

_DROPS = frozenset(
    [
        "alpha_dropout",
        "alpha_dropout_",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "feature_dropout",
        "feature_dropout_",
        "feature_alpha_dropout",
        "feature_alpha_dropout_",
        "rrelu",
        "rrelu_",
        "native_dropout",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "fractional_max_pool2d",
        "fractional_max_pool2d_with_indices",
        "fractional_max_pool3d",
        "fractional_max_pool3d_with_indices",
        "poisson",
        "multinomial",
        "binomial",
        "_standard_gamma",
        "_sample_dirichlet",
        "trunc_normal_",
        "orthogonal_",
        "sparse_",
    ]
)
"""Random functions of tensors: drawn from their arguments."""

_NOISE = frozenset(
    [
        "rand",
        "randn",
        "rand_like",
        "randn_like",
        "randint",
        "randint_like",
        "randperm",
        "bernoulli",
        "bernoulli_",
        "normal",
        "normal_",
        "uniform_",
        "exponential_",
        "random_",
        "geometric_",
        "cauchy_",
        "log_normal_",
        "xavier_uniform_",
        "xavier_normal_",
        "kaiming_uniform_",
        "kaiming_normal_",
    ]
)
"""Sources of noise, whose rate may only show in a later comparison; the numbers that meet it are recorded."""

_LIKE = {"rand_like": torch.rand, "randn_like": torch.randn}
_INSIDE = frozenset(["multi_head_attention_forward", "gumbel_softmax", "grad", "backward"])
"""Functions written in Python whose own calls must be seen, those that a backward pass makes among them."""

_PLAIN = frozenset(
    ["dim", "size", "view", "reshape", "transpose", "permute", "flatten", "unflatten", "unsqueeze", "squeeze", "clone"]
    + ["contiguous", "is_floating_point", "numel", "stride"]
)
"""Methods that neither draw, nor cast, nor mix tensors."""

_NUMBERS = (bool, int, float)
_LAID_OUT = frozenset(
    ["view", "reshape", "expand", "expand_as", "unsqueeze", "squeeze", "transpose", "permute", "repeat", "flatten"]
    + ["size", "dim", "__getitem__", "to", "type", "contiguous", "clone", "detach", "movedim", "swapaxes", "chunk"]
)
"""Functions whose numbers say how values lie, not what they are."""

WIDER = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
"""Each type of number that is too coarse to be hashed, and what it becomes."""

_CASTS = frozenset(["float", "half", "bfloat16", "cfloat", "chalf"])
_FLOATS = frozenset(["zeros", "ones", "empty", "rand", "randn", "linspace", "logspace", "eye", "empty_strided"])
_REQUIRES_GRAD = torch.Tensor.requires_grad.__set__  # type: ignore[attr-defined]
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]


_ACTING = _CASTS | _DROPS | _NOISE | _FLOATS | _INSIDE - {"grad"} | {"to", "type", "requires_grad_"}


class Deterministic(TorchFunctionMode):
    """Makes random calls deterministic and floating point float64, for the calls of one thread.

    Args:
        generator: for all that is drawn; seeded afresh before every draw, or never where `stream` is set.
        stream: numbers are drawn one after the other, as while a module is built.
        transparent: gradients flow through what is detached, as if it were not.

    Attributes:
        numbers: the plain numbers that noise met, as digests; part of the module's key.
        acted: whether any call was changed, so that this is needed at all.
    """

    def __init__(self, generator: torch.Generator, *, stream: bool = False, transparent: bool = False) -> None:
        super().__init__()
        self.numbers: set[bytes] = set()
        self.acted = transparent or stream
        self._generator = generator
        self._stream = stream
        self._transparent = transparent
        self._calls: Counter[bytes] = Counter()
        self._noise: dict[int, tuple[torch.Tensor, Noise]] = {}  # the tensor is kept alive, so that its id() stays its
        self._wide: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @contextlib.contextmanager
    def backward(self) -> Iterator[None]:
        """Counts calls from the start, because what checkpointing computes again must be drawn again."""
        calls, self._calls = self._calls, Counter()
        with self:
            yield
        self._calls = calls

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name == "__deepcopy__" or (name == "__set__" and func != _REQUIRES_GRAD):  # about the very tensor
            return func(*args, **(kwargs or {}))
        if name == "__get__":
            if self._transparent and func == _DATA:
                return args[0].view_as(args[0])
            result = func(*args)
            known = id(args[0]) in self._noise or id(args[0]) in self._wide
            if not known or not isinstance(result, torch.Tensor):
                return result
        quiet = not self._noise and not self._wide
        if quiet and name in _PLAIN and args and args[0].dtype not in WIDER:
            return func(*args, **kwargs) if kwargs else func(*args)
        kwargs = dict(kwargs) if kwargs else {}
        if not args and "tensor" in kwargs:  # as torch.nn.init calls itself
            args = (kwargs.pop("tensor"),)
        narrow = noisy = has_tensor = False
        for item in (*args, *kwargs.values()) if kwargs else args:
            if item is None or type(item) in _NUMBERS:
                continue
            for one in item if type(item) in (tuple, list) else (item,):
                if isinstance(one, torch.Tensor):
                    has_tensor = True
                    narrow = narrow or one.dtype in WIDER
                    noisy = noisy or (not quiet and id(one) in self._noise)
        if narrow or noisy or name in _ACTING or "dtype" in kwargs:
            self.acted = True
        if name in _CASTS:
            return self._widened(args[0]).double() if not name.startswith("c") else args[0].to(torch.complex128)
        if name in ("to", "type"):
            args = tuple(_wider_type(item) for item in args)
        if "dtype" in kwargs:
            kwargs["dtype"] = _wider_type(kwargs["dtype"])
        if name in _FLOATS and kwargs.get("dtype") is None and kwargs.get("out") is None:
            kwargs["dtype"] = torch.float64
        if narrow:
            args, kwargs = _mapped(args, self._widened), {key: self._widened(item) for key, item in kwargs.items()}
        if name in ("requires_grad_", "__set__"):
            self.acted = True
        if name in ("requires_grad_", "__set__") and (done := _set_requires_grad(args)) is not None:
            return done
        if self._transparent:
            if name == "_set_grad_enabled":
                return None
            if name in ("detach", "detach_"):
                return args[0].view_as(args[0])
        if name in _INSIDE and isinstance(func, kinds.FunctionType) and not _dropless(name, args, kwargs):
            with self:
                return _bare(func)(*args, **kwargs)
        if noisy:
            return self._with_noise(func, name, args, kwargs)
        if name in _NOISE:
            return self._drawn(func, name, args, kwargs)
        if name in ("dropout", "dropout_"):
            return self._dropout(func, name, *args, **kwargs)
        if name == "scaled_dot_product_attention" and (kwargs.get("dropout_p") or (len(args) > 4 and args[4])):
            return attention(self._dropped, *args, **kwargs)
        if name in _DROPS:
            return self._random(func, name, args, kwargs)
        result = func(*args, **kwargs)
        if type(result) is torch.Tensor and result.dtype in WIDER:
            self.acted = True
            return _again(func, result, args, kwargs, has_tensor)
        return result

    # --- numbers of little precision ---------------------------------------------------------------------------------

    def _widened(self, item: Any) -> Any:
        """Returns a tensor as float64 or complex128; the same one for the same tensor, so that it can be changed."""
        if not isinstance(item, torch.Tensor) or item.dtype not in WIDER:
            return item
        known = self._wide.get(id(item))
        if known is None:
            known = self._wide[id(item)] = (item, item.to(WIDER[item.dtype]))
        return known[1]

    # --- randomness --------------------------------------------------------------------------------------------------

    def _seed(self, what: bytes) -> None:
        if not self._stream:
            self._calls[what] += 1
            self._generator.manual_seed(int.from_bytes(mix(what, str(self._calls[what]))[:8], "little") >> 1)

    def _random(self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        given = [item for item in (*args, *kwargs.values()) if not isinstance(item, bool)]
        numbers = sorted(float(item) for item in given if isinstance(item, int | float))
        if not self._stream:
            tensors = [] if name.endswith("l_") else [signature(item) for item in _tensors(given)]
            self._seed(mix(name, repr(numbers), *tensors))
        if not name.endswith("_"):  # random numbers are laid out as the tensor is in memory
            args = _mapped(args, lambda item: item.contiguous() if isinstance(item, torch.Tensor) else item)
        with Seeded(self._generator):
            return func(*args, **kwargs)

    def _dropout(
        self,
        func: Callable[..., Any],
        name: str,
        input: torch.Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
        train: bool = True,
    ) -> torch.Tensor:
        if not 0 <= p <= 1 or not (training and train) or p == 0 or not input.is_floating_point():
            return func(input, p, training and train)
        self.acted = True
        if inplace or name == "dropout_":
            return input.copy_(self._dropped(input.clone(), p))
        return self._dropped(input, p)

    def _dropped(self, x: torch.Tensor, p: float) -> torch.Tensor:
        if not self._stream:
            self._seed(mix(_label("bernoulli", x.shape, [1.0 - p]), signature(x)))
            self.numbers.add(mix(repr(1.0 - p)))
        return dropped(x, p, self._generator)

    def _drawn(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Draws noise. It is bound to what it meets later, unless it has tensors for arguments already."""
        kwargs.pop("generator", None)
        in_place = name.endswith("_")
        if self._stream:
            if name in _LIKE:
                return _LIKE[name](args[0].shape, generator=self._generator, dtype=kwargs.get("dtype") or torch.float64)
            if name == "randint_like":
                return self._random(func, name, args, kwargs)
            return _finished(func(*args, generator=self._generator, **kwargs), kwargs)
        others = [signature(item) for item in _tensors((*args[in_place:], *kwargs.values()))]
        if name in _LIKE or name == "randint_like":
            others = []
        shape = args[0].shape if in_place or name.endswith("_like") else None
        numbers = [item for item in (*args, *kwargs.values()) if _is_number(item)]
        source: Callable[[torch.Generator], torch.Tensor]
        if in_place:
            fresh = functools.partial(torch.empty, args[0].shape, dtype=args[0].dtype)

            def source(generator: torch.Generator) -> torch.Tensor:
                return func(fresh(), *args[1:], generator=generator, **kwargs)

        elif name in _LIKE:
            dtype = kwargs.get("dtype") or torch.float64
            source = functools.partial(_made_like, _LIKE[name], args[0].shape, dtype)
        elif name == "randint_like":
            dtype = kwargs.get("dtype") or args[0].dtype
            low, high = (0, args[1]) if len(args) == 2 else args[1:3]
            source = functools.partial(_whole_like, args[0].shape, low, high, dtype)
        else:

            def source(generator: torch.Generator) -> torch.Tensor:
                return _finished(func(*args, generator=generator, **kwargs), kwargs)

        if shape is None:
            result = source(self._generator)
            shape = result.shape
            if name in ("rand", "randn", "randperm"):
                numbers = [] if name != "randperm" else numbers[:1]
            elif name == "randint":
                numbers = [item for item in args if _is_number(item)]
        label = mix(_label(name.rstrip("_").removesuffix("_like"), shape, numbers), *others)
        self.numbers |= {mix(repr(float(item))) for item in numbers}
        self._seed(label)
        result = source(self._generator)
        if in_place:
            with torch.no_grad():
                args[0].copy_(result)
            result = args[0]
        if not others:
            self._noise[id(result)] = (result, Noise(label, source))
        return result

    def _with_noise(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = list(_tensors((*args, *kwargs.values())))
        unmet = {id(item): self._noise[id(item)][1] for item in given if self._is_unmet(item)}
        others = [item for item in given if id(item) not in self._noise or not self._is_unmet(item)]
        if name in _NOISE and name.endswith("_") and len(given) == 1:  # drawn over it: what it was is gone
            self._noise.pop(id(given[0]))
            return self._drawn(func, name, args, kwargs)
        if not others:
            result = func(*args, **kwargs)
            if name not in _LAID_OUT:
                given_numbers = [item for item in (*args, *kwargs.values()) if _is_number(item)]
                self.numbers |= {mix(repr(float(item))) for item in given_numbers}
            if isinstance(result, torch.Tensor):
                places = list(unmet)

                def make(*parents: torch.Tensor) -> torch.Tensor:
                    by_id = dict(zip(places, parents, strict=True))
                    put = functools.partial(_replaced, by_id)
                    return func(*_mapped(args, put), **{key: put(item) for key, item in kwargs.items()})

                label = mix(*(one.label for one in unmet.values()))
                self._noise[id(result)] = (result, Noise(label, make, list(unmet.values())))
            return result
        if unmet:
            met = [signature(self._settled(item)) for item in others]
            for one in unmet.values():
                self._seed(mix(one.label, *sorted(met)))
                one.settle(self._generator)
        args = _mapped(args, self._settled)
        kwargs = {key: self._settled(item) for key, item in kwargs.items()}
        with self:
            return func(*args, **kwargs)

    def _is_unmet(self, item: torch.Tensor) -> bool:
        known = self._noise.get(id(item))
        return known is not None and known[1].settled is None

    def _settled(self, item: Any) -> Any:
        known = self._noise.get(id(item)) if isinstance(item, torch.Tensor) else None
        return item if known is None or known[1].settled is None else known[1].settled


def _label(name: str, shape: Any, numbers: Iterable[Any]) -> bytes:
    return mix(name, repr(tuple(shape)), repr([float(item) for item in numbers]))


def _is_number(item: Any) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)


def _made_like(make: Any, shape: Any, dtype: Any, generator: torch.Generator) -> torch.Tensor:
    return make(shape, dtype=dtype, generator=generator)


def _whole_like(shape: Any, low: int, high: int, dtype: Any, generator: torch.Generator) -> torch.Tensor:
    return torch.randint(low, high, shape, generator=generator).to(dtype)


def _finished(result: torch.Tensor, kwargs: Mapping[str, Any]) -> torch.Tensor:
    """Returns what was drawn as float64 where it is narrower."""
    if result.dtype not in WIDER:
        return result
    return result.to(WIDER[result.dtype]).requires_grad_(bool(kwargs.get("requires_grad")))


def _tensors(given: Iterable[Any]) -> Iterator[torch.Tensor]:
    for item in given:
        if isinstance(item, torch.Tensor):
            yield item
        elif type(item) in (tuple, list):
            yield from _tensors(item)


def _mapped(args: Iterable[Any], put: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(type(item)(map(put, item)) if type(item) in (tuple, list) else put(item) for item in args)


def _replaced(by_id: Mapping[int, torch.Tensor], item: Any) -> Any:
    return by_id.get(id(item), item)


def _wider_type(item: Any) -> Any:
    if isinstance(item, torch.dtype):
        return WIDER.get(item, item)
    if isinstance(item, str) and item in ("torch.FloatTensor", "torch.HalfTensor", "torch.BFloat16Tensor"):
        return torch.float64
    return item


def _again(func: Callable[..., Any], result: torch.Tensor, args: Any, kwargs: dict[str, Any], has: bool) -> Any:
    """Returns a narrow result in full precision: whole numbers in float64, or made with another type."""
    try:
        if has:
            whole = functools.partial(_as_double)
            again = func(*_mapped(args, whole), **{key: whole(item) for key, item in kwargs.items()})
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
