"""Drawing, mutating and crossing expression trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from automl.spaces.expressions.operators import Operator
from automl.spaces.expressions.text import DEEPEST, is_readable
from automl.spaces.expressions.tree import Call, Constant, Path, Tree, Variable, replaced, size, variables, walk

ATTEMPTS = 100
"""Draws after which a child that the grammar allows is no longer waited for."""


@dataclass(frozen=True)
class Grammar:
    """Operators, variables, constants and sizes that trees of a space may have.

    Attributes:
        operators: Tuple of the allowed `Operator`.
        variables: Names of the arguments, repeated in proportion to how often they are to be drawn.
        constants: Numbers from which constants are drawn.
        most: Largest number of operators and leaves in a tree.
        needs: Groups of variables; a sampled tree contains at least one variable of each group.
        constant_share: Probability that a sampled leaf is a constant.

    Example:
        >>> from automl.spaces.expressions.operators import BUILT_IN
        >>> grammar = Grammar((BUILT_IN["add"], BUILT_IN["tanh"]), ("x",), constants=(1.0,), most=3, needs=(("x",),))
        >>> [operator.name for operator in grammar.of(2)]
        ['add']
        >>> grammar.allows(Constant(1.0))  # it lacks x
        False
    """

    operators: tuple[Operator, ...]
    variables: tuple[str, ...]
    constants: tuple[float, ...]
    most: int
    needs: tuple[tuple[str, ...], ...]
    constant_share: float = 0.25

    def __post_init__(self) -> None:
        by_arity = {arity: tuple(item for item in self.operators if item.arity == arity) for arity in (1, 2)}
        object.__setattr__(self, "_by_arity", by_arity)

    def of(self, arity: int) -> tuple[Operator, ...]:
        """Returns the operators with this number of arguments."""
        return self.__dict__["_by_arity"][arity]  # type: ignore[no-any-return]

    def allows(self, tree: Tree) -> bool:
        """True for trees of an allowed size that have the variables they need, and whose text can be read again."""
        nodes = size(tree)
        if nodes > self.most or (nodes > DEEPEST and not is_readable(tree)):
            return False
        found = variables(tree)
        return all(not found.isdisjoint(group) for group in self.needs)


def _pick(items: Sequence[Operator], rng: np.random.Generator) -> Operator:
    return items[int(rng.integers(len(items)))]


def leaf(grammar: Grammar, rng: np.random.Generator) -> Tree:
    """Draws a variable or a constant."""
    if grammar.constants and rng.random() < grammar.constant_share:
        return Constant(float(grammar.constants[int(rng.integers(len(grammar.constants)))]))
    return Variable(grammar.variables[int(rng.integers(len(grammar.variables)))])


def grown(grammar: Grammar, nodes: int, rng: np.random.Generator) -> Tree:
    """Draws a tree of `nodes` operators and leaves, or a few less: arity first, then how many each side gets."""
    if nodes < 2:
        return leaf(grammar, rng)
    arities = [arity for arity in (1, 2) if grammar.of(arity) and nodes > arity]
    if not arities:
        return leaf(grammar, rng)
    arity = arities[int(rng.integers(len(arities)))]
    operator = _pick(grammar.of(arity), rng).name
    if arity == 1:
        return Call(operator, (grown(grammar, nodes - 1, rng),))
    left = 1 + int(rng.integers(nodes - 2))
    return Call(operator, (grown(grammar, left, rng), grown(grammar, nodes - 1 - left, rng)))


def sample(grammar: Grammar, rng: np.random.Generator) -> Tree:
    """Draws a tree: its size uniformly, then its shape, operators and leaves."""
    smallest = max(1, min(3, grammar.most))
    for _ in range(ATTEMPTS):
        tree = grown(grammar, int(rng.integers(smallest, grammar.most + 1)), rng)
        if grammar.allows(tree):
            return tree
    return simplest(grammar)


def simplest(grammar: Grammar) -> Tree:
    """Returns a small tree with the variables that are needed."""
    needed = [Variable(group[0]) for group in grammar.needs] or [Variable(grammar.variables[0])]
    tree: Tree = needed[0]
    for other in needed[1:]:
        tree = Call(grammar.of(2)[0].name, (tree, other))
    return tree


def mutate(grammar: Grammar, tree: Tree, rng: np.random.Generator) -> Tree:
    """Returns a tree that differs in one place; kind and place are drawn until the grammar allows the child."""
    for _ in range(ATTEMPTS):
        kind = _KINDS[int(rng.integers(len(_KINDS)))]
        places = list(walk(tree))
        path, part = places[int(rng.integers(len(places)))]
        child = kind(grammar, tree, path, part, rng)
        if child is not None and child != tree and grammar.allows(child):
            return child
    return sample(grammar, rng)


def cross(grammar: Grammar, one: Tree, other: Tree, rng: np.random.Generator) -> Tree:
    """Returns `one` with a subtree replaced by a subtree of `other` (Koza 1992, section 6.4.2)."""
    gives = [part for _, part in walk(other)]
    takes = [path for path, _ in walk(one)]
    for _ in range(ATTEMPTS):
        child = replaced(one, takes[int(rng.integers(len(takes)))], gives[int(rng.integers(len(gives)))])
        if grammar.allows(child):
            return child
    return one


# --- kinds of mutation: each returns the child, or None where it does not fit the place ------------------------------

_Kind = Callable[[Grammar, Tree, Path, Tree, np.random.Generator], "Tree | None"]


def _regrow(grammar: Grammar, tree: Tree, path: Path, part: Tree, rng: np.random.Generator) -> Tree | None:
    """A new subtree of at most a few nodes more than the old one."""
    room = min(grammar.most - size(tree) + size(part), size(part) + 3)
    return replaced(tree, path, grown(grammar, int(rng.integers(1, room + 1)), rng)) if room > 0 else None


def _swap_operator(grammar: Grammar, tree: Tree, path: Path, part: Tree, rng: np.random.Generator) -> Tree | None:
    """Another operator with the same arguments."""
    if not isinstance(part, Call):
        return None
    return replaced(tree, path, Call(_pick(grammar.of(len(part.arguments)), rng).name, part.arguments))


def _change_leaf(grammar: Grammar, tree: Tree, path: Path, part: Tree, rng: np.random.Generator) -> Tree | None:
    """Another leaf, or for constants, half of the time, a near number with three digits."""
    if isinstance(part, Call):
        return None
    if isinstance(part, Constant) and rng.random() < 0.5:
        return replaced(tree, path, Constant(float(f"{part.value * float(np.exp(rng.normal(0.0, 0.5))):.3g}")))
    return replaced(tree, path, leaf(grammar, rng))


def _wrap(grammar: Grammar, tree: Tree, path: Path, part: Tree, rng: np.random.Generator) -> Tree | None:
    """An operator above the place; of two arguments, the other is a new leaf."""
    operator = _pick(grammar.operators, rng)
    arguments = (part,) if operator.arity == 1 else (part, leaf(grammar, rng))
    if operator.arity == 2 and rng.random() < 0.5:
        arguments = arguments[::-1]
    return replaced(tree, path, Call(operator.name, arguments))


def _hoist(_: Grammar, tree: Tree, path: Path, part: Tree, rng: np.random.Generator) -> Tree | None:
    """One of the arguments in the place of the operator."""
    if not isinstance(part, Call):
        return None
    return replaced(tree, path, part.arguments[int(rng.integers(len(part.arguments)))])


_KINDS: tuple[_Kind, ...] = (_regrow, _swap_operator, _change_leaf, _wrap, _hoist)
