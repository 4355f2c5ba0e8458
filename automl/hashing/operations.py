"""Operations of graphs, run in numpy on many inputs at once.

Four names are part of the hasher itself and need no class: `input` (setting `index`, default 0), `identity` (also
called `skip_connect`), `zero` (also called `none`) and `add`. Everything else is an `Operation`; a graph may bring
its own, or a plain function of arrays for one without weights. The layers are in `automl.hashing.layers`.

Arrays have the shape (stack, batch, ...): a stack of inputs is worked on in one call. Images are (stack, batch,
channels, height, width).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.hashing.cancelled import cleaned, same_axes, without_cancelled
from automl.hashing.mixing import mix
from automl.jsontext import canonical

Settings = Mapping[str, Any]
Shape = tuple[int, ...]


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


@dataclass(frozen=True)
class Steps(Operation):
    """Several operations applied one after the other, under one name.

    Each step receives the node's settings, overridden by fixed settings of its own. The hasher runs each step as a
    separate node, so that a chain and the same operations written as nodes get one key.

    Example:
        >>> from automl.hashing.layers import Convolution
        >>> chain = Steps(((Elementwise(np.tanh), {}), (Convolution(), {"kernel": 1})))
        >>> len(chain.steps)
        2
    """

    steps: tuple[tuple[Operation, Mapping[str, Any]], ...]


@dataclass(frozen=True)
class WithTail(Operation):
    """Operation with weights followed by operations without weights, run as one step for speed.

    Example:
        >>> from automl.hashing.layers import BatchNorm, Convolution
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
