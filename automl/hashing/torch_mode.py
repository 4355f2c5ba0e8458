"""What happens to torch calls while a module is hashed: randomness is made a function of its arguments, float64 stays
float64.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from automl.hashing.mixing import mix
from automl.hashing.signature import signature

_DROPS = frozenset(
    [
        "dropout",
        "dropout_",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "alpha_dropout",
        "alpha_dropout_",
        "feature_dropout",
        "feature_dropout_",
        "feature_alpha_dropout",
        "feature_alpha_dropout_",
        "rrelu",
        "rrelu_",
        "native_dropout",
        "multi_head_attention_forward",
        "scaled_dot_product_attention",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "fractional_max_pool2d",
        "fractional_max_pool3d",
        "gumbel_softmax",
    ]
)
"""Functions whose own output shows their rate."""

_NOISE = frozenset(
    [
        "rand",
        "rand_like",
        "randn",
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
        "poisson",
        "multinomial",
        "random_",
        "geometric_",
        "cauchy_",
        "log_normal_",
        "binomial",
    ]
)
"""Sources of noise whose rate may only show in a later comparison; the scalars that meet their output are recorded."""

_NARROW = (torch.float16, torch.bfloat16, torch.float32)
_CASTS = frozenset({"float", "half", "bfloat16"})


class Deterministic(TorchFunctionMode):
    """Seeds torch afresh before every random call, from the call's name, its tensors, and how often the same was
    called.

    So a mask depends on what it is laid over, not on how many others were drawn before.

    Attributes:
        scalars: the plain numbers that noise met, as digests; part of the module's key.
    """

    def __init__(self, training: bool) -> None:
        super().__init__()
        self.scalars: list[bytes] = []
        self._training = training
        self._calls: Counter[bytes] = Counter()
        self._noise: dict[int, torch.Tensor] = {}  # kept alive, so that an id() stays theirs

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in _CASTS:
            return args[0].double()
        if kwargs.get("dtype") in _NARROW:
            kwargs["dtype"] = torch.float64
        if name == "to":
            args = tuple(torch.float64 if item in _NARROW else item for item in args)
        if self._noise and any(id(item) in self._noise for item in args):
            self.scalars += [mix(repr(item)) for item in (*args, *kwargs.values()) if isinstance(item, int | float)]
        if name in _NOISE or (name in _DROPS and self._training):
            self._seed(name, args, kwargs)
            if not name.endswith("_"):  # random numbers are laid out as the tensor is in memory
                args = tuple(item.contiguous() if isinstance(item, torch.Tensor) else item for item in args)
            result = func(*args, **kwargs)
            if name in _NOISE and isinstance(result, torch.Tensor):
                self._noise[id(result)] = result
                self.scalars += [
                    mix(name, repr(item)) for item in (*args, *kwargs.values()) if isinstance(item, int | float)
                ]
            return result
        return func(*args, **kwargs)

    def _seed(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        given = (*args, *kwargs.values())
        tensors = [signature(item) for item in given if isinstance(item, torch.Tensor)]
        numbers = sorted(float(item) for item in given if isinstance(item, int | float) and not isinstance(item, bool))
        what = mix(name, repr(numbers), *tensors)
        self._calls[what] += 1
        torch.default_generator.manual_seed(int.from_bytes(mix(what, str(self._calls[what]))[:8], "little") >> 1)
