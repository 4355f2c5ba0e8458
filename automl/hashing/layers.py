"""Layers of graphs: dense, norms, convolutions, poolings, and what brings branches together, in numpy.

Arrays have the shape (stack, batch, ...), as in `automl.hashing.operations`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from automl.errors import Unhashable
from automl.hashing.inputs import EXTRA
from automl.hashing.mixing import without_noise
from automl.hashing.operations import Operation, Settings, Shape

BATCH_NORM_EPSILON = 1e-5


class Concat(Operation):
    """Concatenates inputs along the channel axis.

    Example:
        >>> Concat().apply({}, [np.ones((1, 2, 3, 8, 8)), np.ones((1, 2, 5, 8, 8))], []).shape
        (1, 2, 8, 8, 8)
    """

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(inputs, axis=2)


class Linear(Operation):
    """Dense layer on the last axis, with the settings `width` (by default the input's) and `bias` (default True).

    Example:
        >>> Linear().weights({"width": 5}, [(3,)])  # matrix and bias
        ((5, 3), (5,))
    """

    def identity(self, settings: Settings) -> Settings:
        return {"width": settings.get("width"), "bias": bool(settings.get("bias", True))}

    def weights(self, settings: Settings, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        width = int(settings.get("width", shapes[0][-1]))
        return ((width, shapes[0][-1]), (width,)) if settings.get("bias", True) else ((width, shapes[0][-1]),)

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        x, matrix = inputs[0], weights[0]
        flat = x.reshape(len(x), -1, x.shape[-1]) @ matrix.transpose(0, 2, 1)
        if len(weights) > 1:
            flat = flat + weights[1][:, None, :]
        return flat.reshape(*x.shape[:-1], matrix.shape[1])


class BatchNorm(Operation):
    """Batch norm in training mode, with scale 1 and shift 0 as at the start of training.

    The setting `epsilon` is that of the layer in the trained network.

    Example:
        >>> bool(BatchNorm().apply({}, [np.full((1, 6, 3), 7.0)], []).any())  # constant channels become zero
        False
    """

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        return batch_norm(inputs[0], float(settings.get("epsilon", BATCH_NORM_EPSILON)))


def batch_norm(x: np.ndarray, epsilon: float = BATCH_NORM_EPSILON) -> np.ndarray:
    """Normalises each channel over the batch and the spatial axes; constant channels become exactly zero.

    Mean and variance are those of the probe's own examples. The two examples that follow them, one with large and one
    with small values, are shifted and divided by these too, as a network does in evaluation mode.

    Example:
        >>> bool(batch_norm(np.full((1, 6, 3), 7.0)).any())
        False
    """
    axes = (1, *range(3, x.ndim))
    own = x[:, :-EXTRA]
    share = 1.0 / (own.shape[1] * math.prod(x.shape[3:]))
    mean = own.sum(axis=axes, keepdims=True) * share
    largest = np.abs(own).max(axis=axes, keepdims=True)
    centred = x - mean
    centred[:, :-EXTRA] = without_noise(centred[:, :-EXTRA], largest)
    centred[:, -EXTRA:] = without_noise(centred[:, -EXTRA:], np.maximum(np.abs(x[:, -EXTRA:]), np.abs(mean)))
    variance = (centred[:, :-EXTRA] ** 2).sum(axis=axes, keepdims=True) * share
    return centred / np.sqrt(variance + epsilon)


def _window(settings: Settings, kernel: int | None = None) -> tuple[int, int, int, int]:
    kernel = int(settings.get("kernel", kernel or 3))
    stride, dilation = int(settings.get("stride", 1)), int(settings.get("dilation", 1))
    return kernel, stride, dilation, int(settings.get("padding", dilation * (kernel - 1) // 2))


def _patches(x: np.ndarray, window: tuple[int, int, int, int], fill: float) -> np.ndarray:
    """Returns all windows of the two last axes: shape (..., kernel * kernel, height out, width out)."""
    kernel, stride, dilation, padding = window
    if kernel == 1 and padding == 0:
        return x[..., None, ::stride, ::stride]
    edges = [(0, 0)] * (x.ndim - 2) + [(padding, padding)] * 2
    padded = np.pad(x, edges, constant_values=fill) if padding else x
    span = dilation * (kernel - 1) + 1
    if min(padded.shape[-2:]) < span:
        raise Unhashable(
            f"a window of {span} does not fit the probe's {x.shape[-2]}x{x.shape[-1]} image; "
            "give the graph a larger probe"
        )
    windows = np.lib.stride_tricks.sliding_window_view(padded, (span, span), axis=(-2, -1))
    windows = windows[..., ::stride, ::stride, ::dilation, ::dilation]
    high, wide = windows.shape[-4:-2]
    return np.moveaxis(windows.reshape(*windows.shape[:-2], kernel * kernel), -1, -3).reshape(
        *x.shape[:-2], kernel * kernel, high, wide
    )


class Convolution(Operation):
    """A two-dimensional convolution without bias, padded to keep the size.

    Settings: kernel, stride, dilation, padding, groups (a number, or "depthwise") and width (number of output channels,
    by default the number of input channels).

    Example:
        >>> Convolution().weights({"kernel": 3, "groups": "depthwise"}, [(16, 8, 8)])
        ((16, 1, 3, 3),)
        >>> kernels = [np.ones((1, 32, 16, 1, 1))]
        >>> Convolution().apply({"kernel": 1, "stride": 2, "width": 32}, [np.ones((1, 2, 16, 8, 8))], kernels).shape
        (1, 2, 32, 4, 4)
    """

    def identity(self, settings: Settings) -> Settings:
        return {"window": list(_window(settings)), "groups": settings.get("groups", 1), "width": settings.get("width")}

    def weights(self, settings: Settings, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        channels = shapes[0][0]
        groups = self._groups(settings, channels)
        width = int(settings.get("width", channels))
        if channels % groups or width % groups:
            raise Unhashable(
                f"{channels} channels to {width} cannot be split into {groups} groups; "
                "give the graph a probe whose channels can"
            )
        kernel = _window(settings)[0]
        return ((width, channels // groups, kernel, kernel),)

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        x, kernels = inputs[0], weights[0]
        stack, batch, channels = x.shape[:3]
        groups, width = self._groups(settings, channels), kernels.shape[1]
        patches = _patches(x, _window(settings), 0.0)
        high, wide = patches.shape[-2:]
        columns = patches.reshape(stack, batch, groups, -1, high * wide).transpose(0, 2, 3, 1, 4)
        columns = columns.reshape(stack, groups, -1, batch * high * wide)
        product = kernels.reshape(stack, groups, width // groups, -1) @ columns
        return product.reshape(stack, width, batch, high, wide).transpose(0, 2, 1, 3, 4)

    @staticmethod
    def _groups(settings: Settings, channels: int) -> int:
        groups = settings.get("groups", 1)
        return channels if groups == "depthwise" else int(groups)


class FactorizedReduce(Operation):
    """Halves height and width by two parallel 1x1 convolutions of stride 2 (Liu et al. 2019, arXiv 1806.09055, DARTS).

    The second convolution reads the input shifted by one pixel in both directions. The two outputs are concatenated
    along the channel axis, so that the number of channels is kept. The operation has neither ReLU nor batch norm, which
    are operations of their own. `weights` returns the shapes (output channels, input channels, height, width) of both
    kernels for an input of shape (channels, height, width).

    Example:
        >>> FactorizedReduce().weights({}, [(16, 8, 8)])
        ((8, 16, 1, 1), (8, 16, 1, 1))
    """

    def weights(self, settings: Settings, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        channels = shapes[0][0]
        return (channels - channels // 2, channels, 1, 1), (channels // 2, channels, 1, 1)

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        x = inputs[0]
        moved = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(0, 1)] * 2)[..., 1:, 1:]
        halves = [
            Convolution().apply({"kernel": 1, "stride": 2}, [part], [kernels])
            for part, kernels in zip((x, moved), weights, strict=True)
        ]
        return np.concatenate(halves, axis=2)


class GlobalAverage(Operation):
    """Mean over all axes after the channel axis.

    Example:
        >>> GlobalAverage().apply({}, [np.ones((1, 2, 3, 8, 8))], []).shape
        (1, 2, 3)
    """

    linear = True

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        return inputs[0].mean(axis=tuple(range(3, inputs[0].ndim)))


class AveragePool(Operation):
    """Average pooling without counting the padding, with the settings kernel, stride and padding.

    Example:
        >>> AveragePool().apply({"kernel": 3, "stride": 2}, [np.ones((1, 2, 3, 8, 8))], []).shape
        (1, 2, 3, 4, 4)
    """

    linear = True

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        window = _window(settings)
        ones = np.ones((1, *inputs[0].shape[-2:]))
        return _patches(inputs[0], window, 0.0).sum(axis=-3) / _patches(ones, window, 0.0).sum(axis=-3)


class MaxPool(Operation):
    """Maximum pooling, with the settings kernel, stride and padding.

    Example:
        >>> settings = {"kernel": 2, "padding": 0, "stride": 2}
        >>> MaxPool().apply(settings, [np.arange(16.0).reshape(1, 1, 1, 4, 4)], []).tolist()
        [[[[[5.0, 7.0], [13.0, 15.0]]]]]
    """

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        return np.asarray(_patches(inputs[0], _window(settings), -np.inf).max(axis=-3))
