"""The operators that expressions are made of, each with its value, its derivative, and how it is written."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from automl.errors import InvalidSpace


@dataclass(frozen=True)
class Operator:
    """Function of one or two arrays that is applied element by element in expressions.

    Attributes:
        name: Name in the text of an expression; a Python identifier.
        value: Function that takes one or two numpy arrays of equal shape (or numbers) and returns an array of that
            shape and type. Use numpy functions, so that float32 stays float32 and the hasher can follow rounding
            errors.
        derivative: Function that takes the same and returns the derivative with respect to the argument, or a tuple of
            two. If None, the operator can be used only in spaces that need no derivatives (update rules). At a kink,
            return the mean of both sides, as the built-in operators do; equal functions then have equal derivatives.
        formula: Format in which people write the operator, with {0} and {1} for the arguments; by default name(…).
        numpy: Python source of the value, in numpy, with {0} and {1}; needed by `exported` only.
        torch: Python source of the value, in torch; {0:t} asks for a tensor where the argument may be a number.

    Raises:
        InvalidSpace: the name is no identifier, or the value takes neither one nor two arguments.

    Example:
        >>> import numpy as np
        >>> bump = Operator("bump", value=lambda x: np.exp(-x * x), derivative=lambda x: -2 * x * np.exp(-x * x))
        >>> bump.arity, float(bump.value(0.0))
        (1, 1.0)
    """

    name: str
    value: Callable[..., Any]
    derivative: Callable[..., Any] | None = None
    formula: str = ""
    numpy: str = ""
    torch: str = ""
    arity: int = 0

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise InvalidSpace(f"operator {self.name!r}: the name must be an identifier, such as 'bump'")
        arity = self.arity or _arity(self.value)
        if arity not in (1, 2):
            raise InvalidSpace(f"operator {self.name!r} takes {arity} arguments; operators take one or two")
        object.__setattr__(self, "arity", arity)
        if not self.formula:
            object.__setattr__(self, "formula", self.name + ("({0})" if arity == 1 else "({0}, {1})"))


def _arity(value: Callable[..., Any]) -> int:
    if isinstance(value, np.ufunc):
        return value.nin
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        return sum(item.kind in kinds for item in inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return 0


# --- derivatives that are more than a line ---------------------------------------------------------------------------


_STEEP, _SMALL, _LARGE = 2.0**20, 1e-30, 1e30


def _above(x: Any) -> Any:
    """1 where x > 0, 0 where x < 0, a half between: the mean of both sides at the kink."""
    return 0.5 + 0.5 * np.sign(x)


def _larger(x: Any, y: Any) -> tuple[Any, Any]:
    """1 and 0 where x > y, 0 and 1 where x < y, halves between.

    A ramp, a millionth of the size of x and y wide, stands for the jump: terms that are equal but for rounding then
    count as equal, in every encoding.
    """
    size = np.minimum(np.maximum(np.abs(x) + np.abs(y), _SMALL), _LARGE)
    ramp = (x - y) * (_STEEP / size)
    half = 0.5 * np.minimum(np.maximum(ramp, -1.0), 1.0)
    return 0.5 + half, 0.5 - half


def _tanh_slope(x: Any) -> Any:
    cosh = np.cosh(x)
    return 1.0 / (cosh * cosh)


def _gauss(x: Any) -> Any:
    return np.exp(-(x * x))


def _sqrt_abs_slope(x: Any) -> Any:
    return np.sign(x) / (2.0 * np.sqrt(np.abs(x)))


_TWO_OVER_ROOT_PI = 1.1283791670955126

_ALL = (
    # arithmetic; the text writes these between their arguments
    Operator("add", np.add, lambda _x, _y: (1.0, 1.0), "{0} + {1}", "{0} + {1}", "{0} + {1}"),
    Operator("sub", np.subtract, lambda _x, _y: (1.0, -1.0), "{0} − {1}", "{0} - {1}", "{0} - {1}"),
    Operator("mul", np.multiply, lambda x, y: (y, x), "{0} · {1}", "{0} * {1}", "{0} * {1}"),
    Operator("div", np.divide, lambda x, y: (1.0 / y, -x / (y * y)), "{0} / {1}", "{0} / {1}", "{0} / {1}"),
    Operator("neg", np.negative, lambda _: -1.0, "−{0}", "-{0}", "-{0}"),
    # two arguments
    Operator(
        "max", np.maximum, _larger, "",
        "np.maximum({0}, {1})", "torch.maximum({0:t}, {1:t})",
    ),
    Operator(
        "min", np.minimum, lambda x, y: _larger(y, x), "",
        "np.minimum({0}, {1})", "torch.minimum({0:t}, {1:t})",
    ),
    # one argument
    Operator("abs", np.abs, np.sign, "|{0}|", "np.abs({0})", "torch.abs({0})"),
    Operator("square", np.square, lambda x: 2.0 * x, "({0})²", "np.square({0})", "torch.square({0})"),
    Operator("cube", lambda x: x * x * x, lambda x: 3.0 * (x * x), "({0})³", "{0} * {0} * {0}", "{0} * {0} * {0}"),
    Operator("sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), "√({0})", "np.sqrt({0})", "torch.sqrt({0})"),
    Operator(
        "sqrt_abs", lambda x: np.sqrt(np.abs(x)), _sqrt_abs_slope, "√|{0}|",
        "np.sqrt(np.abs({0}))", "torch.sqrt(torch.abs({0}))",
    ),
    Operator("exp", np.exp, np.exp, "exp({0})", "np.exp({0})", "torch.exp({0})"),
    Operator("log", np.log, lambda x: 1.0 / x, "ln({0})", "np.log({0})", "torch.log({0})"),
    Operator(
        "log_abs", lambda x: np.log(np.abs(x)), lambda x: 1.0 / x, "ln|{0}|",
        "np.log(np.abs({0}))", "torch.log(torch.abs({0}))",
    ),
    Operator("sin", np.sin, np.cos, "sin({0})", "np.sin({0})", "torch.sin({0})"),
    Operator("cos", np.cos, lambda x: -np.sin(x), "cos({0})", "np.cos({0})", "torch.cos({0})"),
    Operator("tanh", np.tanh, _tanh_slope, "tanh({0})", "np.tanh({0})", "torch.tanh({0})"),
    Operator("atan", np.arctan, lambda x: 1.0 / (1.0 + x * x), "arctan({0})", "np.arctan({0})", "torch.arctan({0})"),
    Operator(
        "asinh", np.arcsinh, lambda x: 1.0 / np.sqrt(1.0 + x * x), "arsinh({0})",
        "np.arcsinh({0})", "torch.arcsinh({0})",
    ),
    Operator(
        "erf", special.erf, lambda x: _TWO_OVER_ROOT_PI * _gauss(x), "erf({0})",
        "special.erf({0})", "torch.erf({0})",
    ),
    Operator(
        "sigmoid", special.expit, lambda x: special.expit(x) * special.expit(-x), "σ({0})",
        "special.expit({0})", "torch.sigmoid({0})",
    ),
    Operator(
        "softplus", lambda x: np.logaddexp(x, 0.0), special.expit, "softplus({0})",
        "np.logaddexp({0}, 0.0)", "torch.logaddexp({0}, torch.zeros_like({0}))",
    ),
    Operator(
        "relu", lambda x: np.maximum(x, 0.0), _above, "max({0}, 0)",
        "np.maximum({0}, 0.0)", "torch.maximum({0}, torch.zeros_like({0}))",
    ),
    Operator(
        "gauss", _gauss, lambda x: -2.0 * x * _gauss(x), "exp(−({0})²)",
        "np.exp(-({0} * {0}))", "torch.exp(-({0} * {0}))",
    ),
    # without a derivative: they have steps
    Operator("sign", np.sign, None, "sign({0})", "np.sign({0})", "torch.sign({0})"),
    Operator("floor", np.floor, None, "⌊{0}⌋", "np.floor({0})", "torch.floor({0})"),
)  # fmt: skip

BUILT_IN: dict[str, Operator] = {item.name: item for item in _ALL}
"""The built-in operators by name. `log_abs` and `sqrt_abs` are defined for negative numbers too (Bello et al. 2017)."""

SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
"""Operators that the text writes between their arguments; `neg` is a minus before its argument."""

PRECEDENCE = {"add": 1, "sub": 1, "mul": 2, "div": 2, "neg": 3}
