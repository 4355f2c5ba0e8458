"""Operations of graphs, run in numpy on many inputs at once.

Four names are part of the hasher itself and need no class: `input` (setting `index`, default 0), `identity` (also
called `skip_connect`), `zero` (also called `none`) and `add`. Everything else is an `Operation`; a graph may bring
its own, or a plain function of arrays for one without weights.

Arrays have the shape (stack, batch, ...): a stack of inputs is worked on in one call. Images are (stack, batch,
channels, height, width).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.errors import Unhashable
from automl.hashing.inputs import EXTRA
from automl.hashing.mixing import mix, without_noise
from automl.jsontext import canonical

Settings = Mapping[str, Any]
Shape = tuple[int, ...]

BATCH_NORM_EPSILON = 1e-5


class Operation:
    """Base class of operations: what a node of a graph does to its inputs.

    Override `apply` and, for an operation with weights, `weights`.

    Class attributes:
        commutative: True if the order of the inputs does not matter.
        linear: True if the operation has one input, no weights, and maps a sum to the sum of what it gives for the
            terms.

    Example:
        >>> import automl
        >>> class Scale(Operation):
        ...     def weights(self, settings, shapes):
        ...         return (shapes[0],)  # shape of the weight: one factor per value of an example
        ...     def apply(self, settings, inputs, weights):
        ...         return inputs[0] * weights[0][:, None]
        >>> nodes = automl.Node("input"), automl.Node("scale", (0,)), automl.Node("scale", (1,))
        >>> graph = automl.Graph(nodes, outputs=(2,), operations={"scale": Scale()})
        >>> len(automl.functional_hash(graph, automl.Probe((automl.Array((4,)),))))
        16
    """

    commutative: bool = False
    linear: bool = False

    def identity(self, settings: Settings) -> Settings:
        """Returns the settings with defaults written out; operations with equal settings share weights."""
        return settings

    def weights(self, settings: Settings, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Returns the shape of each weight tensor, output axis first.

        Args:
            settings: settings of the node.
            shapes: shapes of the inputs, without the stack and batch axes.
        """
        return ()

    def seed(self, settings: Settings) -> bytes:
        """Returns the seed of the weights, which also depend on the values that reach the operation."""
        return mix(type(self).__qualname__, canonical(dict(self.identity(settings))))

    def label(self, settings: Settings) -> str:
        """Returns the operation with its settings as text for readers."""
        inside = ", ".join(f"{name} {value}" for name, value in sorted(settings.items()))
        return type(self).__name__ + (f"[{inside}]" if inside else "")

    def has_weights(self) -> bool:
        """Tells whether the operation may have weights."""
        return type(self).weights is not Operation.weights

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the outputs, shape (stack, batch, ...), for inputs of that kind and weights of shape (stack, ...)."""
        raise TypeError(f"{type(self).__name__} does not say what it computes; override `apply`")


@dataclass(frozen=True)
class Elementwise(Operation):
    """Function without weights, applied to each element of one input.

    Example:
        >>> Elementwise(np.tanh).apply({}, [np.zeros((1, 2, 3))], []).shape  # stack, batch, features
        (1, 2, 3)
    """

    function: Callable[[np.ndarray], np.ndarray]

    def label(self, settings: Settings) -> str:
        return self.function.__name__.strip("_")

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        return self.function(inputs[0])


@dataclass(frozen=True)
class Fold(Operation):
    """Function of two arrays, folded over any number of inputs of one shape, such as a sum.

    Example:
        >>> ones = np.ones((1, 2, 3))
        >>> Fold(np.add).apply({}, [ones, ones, ones], [])[0, 0]
        array([3., 3., 3.])
    """

    function: Callable[[np.ndarray, np.ndarray], np.ndarray]
    commutative: bool = True

    def label(self, settings: Settings) -> str:
        return self.function.__name__

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        result = inputs[0]
        for item in inputs[1:]:
            result = self.function(result, same_axes(item, result))
        return without_cancelled(result, inputs) if self.function is np.subtract else result


def same_axes(item: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns `item`, if it has as many axes as `other`.

    Raises:
        Unhashable: it has not, so that examples would be taken for channels.

    Example:
        >>> same_axes(np.ones((1, 4, 3)), np.zeros((1, 4, 5))).shape
        (1, 4, 3)
    """
    if item.ndim != other.ndim:
        raise Unhashable(
            f"values of shape {other.shape[2:]} and {item.shape[2:]} cannot be combined; bring them to one shape"
        )
    return item


@dataclass(frozen=True)
class Own(Operation):
    """Operation made of a user's function, which takes arrays of shape (batch, ...), one per input, and settings by
    keyword.

    Example:
        >>> Own(lambda x, power: x**power).apply({"power": 2}, [np.full((1, 2, 3), 3.0)], [])[0, 0]
        array([9., 9., 9.])
    """

    function: Callable[..., np.ndarray]

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(
            [np.asarray(self.function(*items, **settings), dtype=np.float64) for items in zip(*inputs, strict=True)]
        )


class Concat(Operation):
    """Concatenates inputs along the channel axis.

    Example:
        >>> Concat().apply({}, [np.ones((1, 2, 3, 8, 8)), np.ones((1, 2, 5, 8, 8))], []).shape
        (1, 2, 8, 8, 8)
    """

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(inputs, axis=2)


class GlobalAverage(Operation):
    """Mean over all axes after the channel axis.

    Example:
        >>> GlobalAverage().apply({}, [np.ones((1, 2, 3, 8, 8))], []).shape
        (1, 2, 3)
    """

    linear = True

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        return inputs[0].mean(axis=tuple(range(3, inputs[0].ndim)))


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


@dataclass(frozen=True)
class Steps(Operation):
    """Several operations applied one after the other, under one name.

    Each step receives the node's settings, overridden by fixed settings of its own. The hasher runs each step as a
    separate node, so that a chain and the same operations written as nodes get one key.

    Example:
        >>> chain = Steps(((Elementwise(np.tanh), {}), (Convolution(), {"kernel": 1})))
        >>> len(chain.steps)
        2
    """

    steps: tuple[tuple[Operation, Mapping[str, Any]], ...]


@dataclass(frozen=True)
class WithTail(Operation):
    """Operation with weights followed by operations without weights, run as one step for speed.

    Example:
        >>> WithTail(Convolution(), {"kernel": 3}, ((BatchNorm(), {}),)).label({})
        'Convolution[kernel 3]-BatchNorm'
    """

    first: Operation
    fixed: Mapping[str, Any]
    rest: tuple[tuple[Operation, Mapping[str, Any]], ...]

    def label(self, settings: Settings) -> str:
        return "-".join(one.label({**settings, **fixed}) for one, fixed in ((self.first, self.fixed), *self.rest))

    def seed(self, settings: Settings) -> bytes:
        return self.first.seed({**settings, **self.fixed})

    def weights(self, settings: Settings, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        return self.first.weights({**settings, **self.fixed}, shapes)

    def apply(self, settings: Settings, inputs: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        result = self.first.apply({**settings, **self.fixed}, inputs, weights)
        for operation, fixed in self.rest:
            result = operation.apply({**settings, **fixed}, [cleaned(result, inputs)], ())
        return result


def cleaned(output: np.ndarray, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the output with values below the rounding noise of the inputs replaced by exact zero, for each item of
    the stack.

    The last two examples, one with large and one with small values, are left unchanged: each has a scale of its own.
    Rounding noise in these comes from sums only (see `without_cancelled`).

    Example:
        >>> cleaned(np.full((1, 4, 1), 1e-17), [np.ones((1, 4, 1))])[0, 0]
        array([0.])
    """
    stack = len(output)
    scale = np.abs(output[:, :-EXTRA]).reshape(stack, -1).max(axis=1, initial=0.0)
    for item in inputs:
        scale = np.maximum(scale, np.abs(item[:, :-EXTRA]).reshape(stack, -1).max(axis=1, initial=0.0))
    scale = np.where(np.isfinite(scale), scale, 0.0)
    own = without_noise(output[:, :-EXTRA], scale.reshape(stack, *(1,) * (output.ndim - 1)))
    return np.concatenate([own, output[:, -EXTRA:]], axis=1)


def without_cancelled(output: np.ndarray, terms: Sequence[np.ndarray]) -> np.ndarray:
    """Returns a sum in which results of cancellation are exactly zero.

    An element is the result of cancellation if its absolute value is below 2**-38 times the largest absolute value
    among the terms at the same position (infinite terms are ignored): it is rounding noise, as in 0.1 + 0.2 - 0.3.

    Args:
        output: Sum of the terms.
        terms: Arrays that were added, of the output's shape.

    Returns:
        New array of the output's shape.

    Example:
        >>> terms = [np.array([0.1 + 0.2, 1.0]), np.array([-0.3, 2.0])]
        >>> without_cancelled(terms[0] + terms[1], terms)  # 0.1 + 0.2 - 0.3 gives 5.6e-17
        array([0., 3.])
    """
    scale = np.abs(terms[0])
    for item in terms[1:]:
        scale = np.maximum(scale, np.abs(item))
    return without_noise(output, np.where(np.isfinite(scale), scale, 0.0))
