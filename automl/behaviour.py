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
    """Shape and kind of one input, without its batch axis.

    Attributes:
        shape: Sizes of the axes after the batch axis, such as (1, 8, 8) for an 8x8 grey image.
        low: Smallest value of an integer input (token indices); None for real inputs.
        high: Largest value of an integer input, included; None for real inputs.
        name: Name of the argument of a module's `forward` that takes the input; empty for an input that is given by its
            place, as all inputs of graphs are.

    Example:
        >>> Array((1, 8, 8))  # a grey image of 8 x 8 pixels, real values
        Array(shape=(1, 8, 8), low=None, high=None, name='')
        >>> Array((16,), low=0, high=99, name="input_ids")  # sixteen token indices, from a vocabulary of 100
        Array(shape=(16,), low=0, high=99, name='input_ids')
    """

    shape: tuple[int, ...]
    low: int | None = None
    high: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """The fixed inputs on which behaviours are run to be hashed.

    Attributes:
        inputs: Tuple of `Array`, one for each input of the behaviour.
        batch: Number of examples in each input; at least 2, so that batch statistics exist.
        seed: Seed of the generator that draws the probe values.

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
        operation: Name of an operation: one of the graph's own or a built-in one (see `automl.hashing.builtin`).
        inputs: Indices of the nodes whose values the operation reads, in the order that the operation expects.
        settings: Further settings of the operation (stride, groups, width), as sorted (name, JSON scalar) pairs.

    Example:
        >>> Node("conv", inputs=(0,), settings=(("kernel", 3), ("stride", 2)))
        Node(operation='conv', inputs=(0,), settings=(('kernel', 3), ('stride', 2)))
    """

    operation: str
    inputs: tuple[int, ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Graph:
    """Behaviour that is a directed acyclic graph of named operations: a cell, or a whole network.

    Attributes:
        nodes: Tuple of `Node` in topological order; node i reads only nodes before i. An `input` node reads none.
        outputs: Indices of the nodes whose values are the graph's outputs, in order.
        frame: JSON settings of the network around the graph (stem width, number of cells). The key covers these
            settings verbatim, because the evaluator's result depends on them.
        module: Function that builds the trainable `torch.nn.Module` around this graph; None if no evaluator needs one.
        operations: Mapping from name to the user's own operations, in addition to the built-in ones.
        unordered_outputs: True if the network does not depend on the order in which the outputs are concatenated.
        probe: Inputs on which the graph is hashed. None takes the evaluator's own; a cell should be given small ones,
            since the values that reach it in the network have another shape than the evaluator's data.

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
    """Behaviour that is an eager `torch.nn.Module`.

    Attributes:
        build: Function that returns a new module, initialised from torch's current random state.
        probe: Inputs on which the module is hashed, if they should differ from the evaluator's own (a reduced size).
            None takes the evaluator's own.
        reduced: Function that builds a smaller module for hashing: equal for equal candidates and different for
            different ones. None hashes what `build` returns.
        frame: JSON settings that results depend on and hashing does not see: the widths that `reduced` leaves out, a
            digest of weights that `build` loads. The key covers them verbatim.

    Example:
        >>> def build():
        ...     import torch
        ...     return torch.nn.Linear(8, 2)
        >>> behaviour = Module(build, probe=Probe((Array((8,)),)))
        >>> behaviour.kind  # `build` has not been called yet
        'module'
    """

    kind: ClassVar[str] = "module"
    build: Callable[[], torch.nn.Module]
    probe: Probe | None = None
    reduced: Callable[[], torch.nn.Module] | None = None
    frame: Mapping[str, Any] = field(default_factory=dict)


class Language(Protocol):
    """Protocol of what runs programs of one language. The language decides how a program is encoded.

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
    """Behaviour that is a learning algorithm written as a program, which an interpreter (`language`) can run.

    Programs of `automl.spaces.programs.language.ProgramLanguage` have the three functions of AutoML-Zero: setup,
    predict and learn, on a typed memory of scalars, vectors and matrices. A language of one's own may have any other
    form.

    Attributes:
        code: The program in its language's encoding: any value that `language.outputs` can run, such as bytes.
        language: Object that runs such programs, with the members of `Language`: `settings`, a mapping that the key
            covers, and `outputs(programs, probe)`, which takes a list of codes and returns a float64 array of shape
            (programs, outputs).

    Example:
        >>> class Constants:
        ...     settings = {}
        ...     def outputs(self, programs, probe):  # a code is one number, and the program predicts it
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
    """Behaviour that is a function of arrays, such as an activation, a loss or an update rule.

    Attributes:
        call: Function that takes float64 arrays of equal shape, one per argument, and returns an array or a tuple of
            arrays. It uses numpy, or torch if `torch` is True.
        arity: Number of arguments.
        derivative: True if the evaluator also uses the derivatives with respect to each argument.
        torch: True if `call` takes and returns torch tensors.
        pointwise: True if each output element depends only on the input elements at the same position.

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
    """Behaviour of a candidate that cannot be run before its evaluation: plain values that the evaluator reads.

    Two configurations are equal when their JSON is equal.

    Example:
        >>> Configuration({"rate": 0.1}) == Configuration({"rate": 0.1})
        True
    """

    kind: ClassVar[str] = "configuration"
    value: Any


Behaviour = Graph | Module | Program | Function | Configuration
