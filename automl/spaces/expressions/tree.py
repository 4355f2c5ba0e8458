"""Expression trees: immutable, hashable, and addressed by the path of argument numbers from the root."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """Argument of the function, identified by its name.

    Example:
        >>> Call("tanh", (Variable("x"),)).arguments[0].name
        'x'
    """

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A finite number.

    Example:
        >>> Constant(0.5) == Constant(0.5)
        True
    """

    value: float


@dataclass(frozen=True, slots=True)
class Call:
    """An operator applied to one or two trees.

    Attributes:
        operator: Name of the operator.
        arguments: Tuple of trees, one for each argument.

    Example:
        >>> tree = Call("add", (Variable("x"), Constant(1.0)))
        >>> size(tree), depth(tree)
        (3, 1)
    """

    operator: str
    arguments: tuple[Tree, ...]


Tree = Variable | Constant | Call
Path = tuple[int, ...]


def walk(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Tree]]:
    """Yields a (path, subtree) pair for every place in a tree, the root first. Paths list argument numbers.

    Example:
        >>> tree = Call("add", (Variable("x"), Constant(1.0)))
        >>> [path for path, _ in walk(tree)]
        [(), (0,), (1,)]
    """
    yield path, tree
    if isinstance(tree, Call):
        for number, argument in enumerate(tree.arguments):
            yield from walk(argument, (*path, number))


def size(tree: Tree) -> int:
    """Returns the number of operators, variables and constants in a tree; 1 for a variable or a constant.

    Example:
        >>> size(Call("mul", (Variable("x"), Call("tanh", (Variable("x"),)))))
        4
    """
    return 1 + sum(map(size, tree.arguments)) if isinstance(tree, Call) else 1


def depth(tree: Tree) -> int:
    """Returns the number of operators on the longest path from the root to a leaf; 0 for a variable or a constant.

    Example:
        >>> depth(Call("mul", (Variable("x"), Call("tanh", (Variable("x"),)))))
        2
    """
    return 1 + max(map(depth, tree.arguments)) if isinstance(tree, Call) else 0


def variables(tree: Tree) -> set[str]:
    """Returns the names of the variables in a tree.

    Example:
        >>> sorted(variables(Call("add", (Variable("g"), Variable("m")))))
        ['g', 'm']
    """
    return {item.name for _, item in walk(tree) if isinstance(item, Variable)}


def replaced(tree: Tree, path: Path, other: Tree) -> Tree:
    """Returns a copy of a tree in which the subtree at `path` is replaced by another tree.

    Example:
        >>> replaced(Call("tanh", (Variable("x"),)), (0,), Constant(2.0))
        Call(operator='tanh', arguments=(Constant(value=2.0),))
    """
    if not path:
        return other
    assert isinstance(tree, Call)
    arguments = list(tree.arguments)
    arguments[path[0]] = replaced(arguments[path[0]], path[1:], other)
    return Call(tree.operator, tuple(arguments))
