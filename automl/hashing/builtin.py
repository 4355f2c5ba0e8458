"""The built-in operations of graphs by name: elementwise functions, layers, and the operations of three benchmarks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from automl.hashing.layers import (
    AveragePool,
    BatchNorm,
    Concat,
    Convolution,
    FactorizedReduce,
    GlobalAverage,
    Linear,
    MaxPool,
)
from automl.hashing.operations import Elementwise, Fold, Operation, Steps, WithTail


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _silu(x: np.ndarray) -> np.ndarray:
    return x * _sigmoid(x)


def _leaky_relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.01 * x)


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


def _gelu(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return np.asarray(0.5 * x * (1.0 + erf(x / math.sqrt(2.0))))


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


_RELU, _CONVOLUTION, _NORM = Elementwise(_relu), Convolution(), BatchNorm()


def _steps(*steps: Operation | tuple[Operation, Mapping[str, Any]]) -> Steps:
    """Returns the steps, those without weights joined to the one with weights before them."""
    joined: list[tuple[Operation, Mapping[str, Any]]] = []
    for operation, fixed in (item if isinstance(item, tuple) else (item, {}) for item in steps):
        last = joined[-1] if joined else None
        if operation.has_weights() or last is None or not isinstance(last[0], WithTail):
            joined.append((WithTail(operation, fixed, ()), {}) if operation.has_weights() else (operation, fixed))
        else:
            joined[-1] = (WithTail(last[0].first, last[0].fixed, (*last[0].rest, (operation, fixed))), {})
    return Steps(tuple(joined))


def _relu_conv_norm(kernel: int) -> Steps:
    return _steps(_RELU, (_CONVOLUTION, {"kernel": kernel}), _NORM)


def _conv_norm_relu(kernel: int) -> Steps:
    return _steps((_CONVOLUTION, {"kernel": kernel}), _NORM, _RELU)


def _separable(kernel: int) -> Steps:
    """Depthwise and pointwise, twice; only the first is strided."""
    depthwise = {"kernel": kernel, "groups": "depthwise"}
    pointwise = (_CONVOLUTION, {"kernel": 1, "stride": 1})
    first, second = (_CONVOLUTION, depthwise), (_CONVOLUTION, {**depthwise, "stride": 1})
    return _steps(_RELU, first, pointwise, _NORM, _RELU, second, pointwise, _NORM)


def _dilated(kernel: int) -> Steps:
    depthwise = {"kernel": kernel, "groups": "depthwise", "dilation": 2}
    return _steps(_RELU, (_CONVOLUTION, depthwise), (_CONVOLUTION, {"kernel": 1, "stride": 1}), _NORM)


OPERATIONS: dict[str, Operation] = {
    "relu": _RELU,
    "tanh": Elementwise(np.tanh),
    "sigmoid": Elementwise(_sigmoid),
    "silu": Elementwise(_silu),
    "gelu": Elementwise(_gelu),
    "leaky_relu": Elementwise(_leaky_relu),
    "elu": Elementwise(_elu),
    "abs": Elementwise(np.abs),
    "square": Elementwise(np.square),
    "negate": Elementwise(np.negative),
    "softmax": Elementwise(_softmax),
    "multiply": Fold(np.multiply),
    "maximum": Fold(np.maximum),
    "minimum": Fold(np.minimum),
    "subtract": Fold(np.subtract, commutative=False),
    "concat": Concat(),
    "global_average": GlobalAverage(),
    "linear": Linear(),
    "convolution": _CONVOLUTION,
    "batch_norm": _NORM,
    "average_pool": AveragePool(),
    "max_pool": MaxPool(),
    # NAS-Bench-201 (Dong and Yang 2020): ReLU, convolution, batch norm; pooling does not count its padding
    "nor_conv_1x1": _relu_conv_norm(1),
    "nor_conv_3x3": _relu_conv_norm(3),
    "avg_pool_3x3": AveragePool(),
    # NAS-Bench-101 (Ying et al. 2019): convolution, batch norm, ReLU
    "conv1x1-bn-relu": _conv_norm_relu(1),
    "conv3x3-bn-relu": _conv_norm_relu(3),
    "maxpool3x3": MaxPool(),
    # DARTS (Liu, Simonyan and Yang 2019); setting stride
    "max_pool_3x3": MaxPool(),
    "sep_conv_3x3": _separable(3),
    "sep_conv_5x5": _separable(5),
    "dil_conv_3x3": _dilated(3),
    "dil_conv_5x5": _dilated(5),
    "factorized_reduce": _steps(_RELU, FactorizedReduce(), _NORM),
}
"""The built-in operations by name."""
