"""Behaviours: how a candidate can be run. One class per kind; each kind has its hasher in `automl.hashing`.

A behaviour is what evaluators receive and what the functional hash covers. It is cheap to make: a torch module, for
instance, is only built when somebody calls `build`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True, slots=True)
class Array:
    """What one input looks like, without its batch axis.

    Attributes:
        shape: sizes of the axes after the batch axis, such as (1, 8, 8) for an 8x8 grey image.
        low: for integer inputs (token indices) the smallest value; None for real inputs.
        high: for integer inputs the largest value, included; None for real inputs.

    Example:
        >>> Array((1, 8, 8))  # a grey image of 8 x 8 pixels, real values
        Array(shape=(1, 8, 8), low=None, high=None)
        >>> Array((16,), low=0, high=99)  # sixteen indices of tokens, one hundred of which there are
        Array(shape=(16,), low=0, high=99)
    """

    shape: tuple[int, ...]
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """The fixed inputs on which behaviours are run to be hashed.

    Attributes:
        inputs: one entry per input of the behaviour.
        batch: number of examples in each input; at least 2, so that batch statistics exist.
        seed: of the generator that draws the probe values.

    Example:
        >>> images = Probe((Array((3, 32, 32)),), batch=4)
        >>> [(images.batch, *entry.shape) for entry in images.inputs]  # shapes that a behaviour is run on
        [(4, 3, 32, 32)]
    """

    inputs: tuple[Array, ...] = ()
    batch: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a graph, applied to the values of earlier nodes.

    Attributes:
        operation: a name in the graph's operations (see `automl.hashing.builtin` for the built-in ones).
        inputs: indices of the nodes whose values it takes, in the order that the operation expects.
        settings: what else determines it (stride, groups, width), as sorted (name, JSON scalar) pairs.

    Example:
        >>> Node("conv", inputs=(0,), settings=(("kernel", 3), ("stride", 2)))
        Node(operation='conv', inputs=(0,), settings=(('kernel', 3), ('stride', 2)))
    """

    operation: str
    inputs: tuple[int, ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Graph:
    """A directed acyclic graph of named operations: a cell, or a whole network.

    Attributes:
        nodes: in topological order; node i reads only nodes before i. An `input` node reads none.
        outputs: indices of the nodes whose values are the graph's outputs, in order.
        frame: JSON settings of what surrounds the graph in the network that is trained (stem width, number of cells).
            The key covers them verbatim, because the evaluator's result depends on them.
        module: builds the trainable `torch.nn.Module` around this graph; None where no evaluator needs one.
        operations: the user's own operations by name, beside the built-in ones.
        unordered_outputs: True where whoever consumes concatenated channels does not see their order.
        probe: inputs to hash it on; None takes the evaluator's own (a cell is better given small ones: what reaches it
            in the network has another shape than the evaluator's data).

    Example:
        >>> import automl
        >>> start = Node("input")
        >>> once = Graph((start, Node("relu", (0,))), outputs=(1,))
        >>> twice = Graph((start, Node("relu", (0,)), Node("relu", (1,))), outputs=(2,))
        >>> probe = Probe((Array((4, 8, 8)),))
        >>> automl.functional_hash(once, probe=probe) == automl.functional_hash(twice, probe=probe)
        True
    """

    kind: ClassVar[str] = "graph"
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    frame: Mapping[str, Any] = field(default_factory=dict)
    module: Callable[[], torch.nn.Module] | None = None
    operations: Mapping[str, Any] = field(default_factory=dict)
    unordered_outputs: bool = False
    probe: Probe | None = None

    def build(self) -> torch.nn.Module:
        """Returns a freshly initialised torch module (initialised from torch's current random state)."""
        if self.module is None:
            raise TypeError("this graph has no `module`: give Graph(module=...) a function that builds the network")
        return self.module()


@dataclass(frozen=True)
class Module:
    """An eager `torch.nn.Module`.

    Attributes:
        build: returns a freshly initialised module (initialised from torch's current random state).
        probe: inputs to hash it on, where they should differ from the evaluator's own (a reduced size); None takes
            those.
        reduced: builds a smaller module for hashing, equal for equal candidates and different for different ones; None
            hashes what `build` returns.

    Example:
        >>> def build():
        ...     import torch
        ...     return torch.nn.Linear(8, 2)
        >>> behaviour = Module(build, probe=Probe((Array((8,)),)))
        >>> behaviour.kind  # nothing was built yet
        'module'
    """

    kind: ClassVar[str] = "module"
    build: Callable[[], torch.nn.Module]
    probe: Probe | None = None
    reduced: Callable[[], torch.nn.Module] | None = None


class Language(Protocol):
    """How programs of one language are run. The language decides how a program is encoded.

    Example:
        >>> import numpy as np
        >>> class Polynomials:
        ...     settings = {}
        ...     def outputs(self, programs, probe):  # a program is its coefficients; three outputs each
        ...         points = np.linspace(-1, 1, 3)
        ...         return np.stack([np.polyval(program, points) for program in programs])
        >>> Polynomials().outputs([[1, 0], [1, 0, 0]], Probe())
        array([[-1.,  0.,  1.],
               [ 1.,  0.,  1.]])
    """

    @property
    def settings(self) -> Mapping[str, Any]:
        """JSON settings that change what a program computes; the key covers them verbatim."""
        ...

    def outputs(self, programs: Sequence[Any], probe: Probe) -> np.ndarray:
        """Runs each program's learning steps and predictions on the probe task.

        Returns:
            float64 array of shape (number of programs, number of outputs).
        """
        ...


@dataclass(frozen=True, slots=True)
class Program:
    """A learning algorithm as a program: set up, predict, learn over typed memory.

    Attributes:
        code: the program as its language encodes it.
        language: runs such programs.

    Example:
        >>> class Constants:
        ...     settings = {}
        ...     def outputs(self, programs, probe):  # a program of this language is the number that it predicts
        ...         import numpy as np
        ...         return np.array(programs, float)[:, None]
        >>> import automl
        >>> automl.functional_hash(Program(3, Constants())) == automl.functional_hash(Program(3.0, Constants()))
        True
    """

    kind: ClassVar[str] = "program"
    code: Any
    language: Language


@dataclass(frozen=True, slots=True)
class Function:
    """A function of arrays: an activation, a loss, an update rule.

    Attributes:
        call: takes float64 arrays of equal shape, one per argument, and returns an array or a tuple of arrays; numpy
            functions, or torch functions when `torch` is True.
        arity: number of arguments.
        derivative: True where the evaluator also uses the derivatives with respect to each argument.
        torch: True where `call` takes and returns torch tensors.
        pointwise: True where each output element depends on the input elements at the same place only.

    Example:
        >>> import automl
        >>> import numpy as np
        >>> one = Function(lambda x: np.tanh(x))
        >>> other = Function(lambda x: 1 - 2 / (np.exp(2 * x) + 1))  # another way to write it
        >>> automl.functional_hash(one) == automl.functional_hash(other)
        True
    """

    kind: ClassVar[str] = "function"
    call: Callable[..., Any]
    arity: int = 1
    derivative: bool = False
    torch: bool = False
    pointwise: bool = True


@dataclass(frozen=True, slots=True)
class Configuration:
    """A candidate that cannot be run before its evaluation: plain values that the evaluator reads.

    Two configurations are equal when their JSON is equal.

    Example:
        >>> Configuration({"rate": 0.1}) == Configuration({"rate": 0.1})
        True
    """

    kind: ClassVar[str] = "configuration"
    value: Any


Behaviour = Graph | Module | Program | Function | Configuration
