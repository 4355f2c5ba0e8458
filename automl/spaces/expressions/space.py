"""The base of all spaces of functions: a subclass names its variables, and perhaps operators and leaves of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from automl.behaviour import Function
from automl.errors import InvalidCandidate, InvalidInput, InvalidSpace
from automl.registry import unknown
from automl.spaces.expressions import formula, source, variation
from automl.spaces.expressions.operators import BUILT_IN, Operator
from automl.spaces.expressions.running import Compiled, without_derivative
from automl.spaces.expressions.simplify import simplified
from automl.spaces.expressions.text import read, shortened, write
from automl.spaces.expressions.tree import Tree, Variable, size
from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    import networkx

LARGEST = 1e30
"""Arguments beyond it are far outside any training that goes well; its square is infinite in single precision."""


def finite(x: Any) -> Any:
    """Clips numbers to ±LARGEST and maps NaN to -LARGEST, so that expressions are compared on finite numbers only.

    Example:
        >>> finite(np.array([1.0, np.inf, -np.inf]))
        array([ 1.e+00,  1.e+30, -1.e+30])
    """
    return np.fmin(np.fmax(x, -LARGEST), LARGEST)


@dataclass(eq=False)
class ExpressionSpace(Space):
    """Base class of spaces of formulas. A candidate is the text of a formula, such as "x * sigmoid(x)".

    A subclass sets the class attributes.

    Class attributes:
        variables: Names of the arguments, in order.
        needs: Groups of variables; every sampled expression contains at least one variable of each group.
        towards: Name of the variable with respect to which evaluators differentiate; None if derivatives are not used.
        leaves: Names of variables, repeated in proportion to how often they are to be drawn; if empty, all are equally
            likely.
        usual: Names of the operators that are used if the setting `operators` names none; None takes every possible
            one.
        own_operators: Operators in addition to the built-in ones (see `Operator` and `define`).
        domain: Mapping from variable to a function that maps every number into the range that evaluators use, and
            leaves numbers in that range unchanged. Expressions that differ only outside this range get one key. A
            variable without an entry is mapped by `finite`, so that values at infinity do not distinguish expressions.
        result: Name of the result in formulas, such as "f(x)".

    Attributes:
        operators: Names of the operators that may be used; None takes `usual`.
        constants: Numbers from which constants are drawn. Mutation changes them, and candidates may hold any number.
        most: Largest number of operators, variables and constants in an expression.

    Raises:
        InvalidSpace: an operator is unknown or lacks a derivative that is needed, a constant is not finite, or the size
            is below 3.

    Example:
        >>> import automl
        >>> class Bump(ExpressionSpace):
        ...     variables = ("x",)
        >>> space = Bump(operators=["add", "mul", "tanh"], most=7)
        >>> one, other = space.decode("x + tanh(x)"), space.decode("tanh(x) + x")
        >>> automl.functional_hash(space.behaviour(one)) == automl.functional_hash(space.behaviour(other))
        True
    """

    variables: ClassVar[tuple[str, ...]] = ("x",)
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("x",),)
    towards: ClassVar[str | None] = None
    leaves: ClassVar[tuple[str, ...]] = ()
    usual: ClassVar[tuple[str, ...] | None] = None
    own_operators: ClassVar[tuple[Operator, ...]] = ()
    domain: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    result: ClassVar[str] = "f(x)"

    operators: Sequence[str] | None = None
    constants: Sequence[float] = (-1.0, 0.1, 0.5, 1.0, 2.0, 3.0)
    most: int = 12

    def __post_init__(self) -> None:
        own = {item.name: item for item in self.own_operators}
        for name in own.keys() & set(self.variables):
            raise InvalidSpace(f"operator {name!r} has the name of a variable; call it something else")
        self.known: dict[str, Operator] = {**BUILT_IN, **own}
        self.in_use = self._allowed()
        if isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 3:
            raise InvalidSpace(f"most={self.most!r}: an expression needs room for at least 3 operators and leaves")
        for value in self.constants:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InvalidSpace(f"constant {value!r} is not a finite number")

    def _allowed(self) -> dict[str, Operator]:
        if isinstance(self.operators, str):
            raise InvalidSpace(f"operators={self.operators!r}: give a list of names")
        usual = None if self.usual is None else (*self.usual, *(item.name for item in self.own_operators))
        names = usual if self.operators is None else self.operators
        if names is None:
            names = [name for name, item in self.known.items() if self.towards is None or item.derivative is not None]
        for name in names:
            if name not in self.known:
                raise InvalidSpace(unknown("operator", name, self.known))
            if self.towards is not None and self.known[name].derivative is None:
                raise InvalidSpace(without_derivative(name))
        allowed = {name: self.known[name] for name in names}
        if len(self.needs) > 1 and not any(item.arity == 2 for item in allowed.values()):
            raise InvalidSpace(
                f"no operator takes two arguments, and a {self.kind} needs "
                + " and ".join(group[0] for group in self.needs)
            )
        if not allowed:
            raise InvalidSpace("operators=[]: allow at least one operator")
        return allowed

    @cached_property
    def grammar(self) -> variation.Grammar:
        """What sampling and mutation draw from."""
        return variation.Grammar(
            tuple(self.in_use.values()),
            self.leaves or self.variables,
            tuple(map(float, self.constants)),
            self.most,
            self.needs,
        )

    # --- proposing ---------------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Candidate:
        return Candidate(write(variation.sample(self.grammar, rng)))

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        return Candidate(write(variation.mutate(self.grammar, self.tree(candidate), rng)))

    def crossover(self, one: Candidate, other: Candidate, rng: np.random.Generator) -> Candidate:
        return Candidate(write(variation.cross(self.grammar, self.tree(one), self.tree(other), rng)))

    def decode(self, value: Any) -> Candidate:
        """Reads a candidate from its text, however it is spaced and bracketed.

        Raises:
            InvalidCandidate: the text is no expression of this space; the message names the position.
        """
        if not isinstance(value, str):
            raise InvalidCandidate(
                f"an expression is a text such as {write(variation.simplest(self.grammar))!r}, not {value!r}"
            )
        tree = read(value, self.known, self.variables, self._refusal)
        if size(tree) > self.most:
            raise InvalidCandidate(
                f"{shortened(value)!r} has {size(tree)} operators and leaves, and this space at most {self.most}; "
                f"set most={size(tree)}"
            )
        return Candidate(write(tree))

    def _refusal(self, name: str) -> str | None:
        """Returns why an operator is not allowed here, or None."""
        if name in self.in_use:
            return None
        if self.towards is not None and self.known[name].derivative is None:
            return without_derivative(name)
        return f"operator {name!r} is not allowed in this space; allowed: {', '.join(sorted(self.in_use))}"

    def size(self) -> int | None:
        """Returns None: constants make expressions a continuum."""
        return None

    def settings(self) -> Mapping[str, Any]:
        return {
            item.name: list(value) if isinstance(value := getattr(self, item.name), tuple | list) else value
            for item in dataclasses.fields(self)
        }

    # --- what a candidate is -----------------------------------------------------------------------------------------

    def tree(self, candidate: Candidate) -> Tree:
        """Returns the candidate as a tree."""
        return read(candidate.value, self.in_use, self.variables)

    def compiled(self, candidate: Candidate) -> Compiled:
        """Returns the candidate ready to be called on arrays, with derivatives where the space needs them."""
        return Compiled(self.tree(candidate), self.in_use, self.variables, self.towards)

    def outputs(self, compiled: Compiled) -> Callable[..., Any]:
        """Returns what evaluators use of the function, and so what the key covers: value, derivative, or both."""
        return compiled.value if self.towards is None else compiled.value_and_derivative

    def behaviour(self, candidate: Candidate) -> Function:
        compiled = self.compiled(candidate)
        used = {step.tree.name for step in compiled.steps if isinstance(step.tree, Variable)}
        maps = tuple(self.domain.get(name, finite) if name in used else None for name in self.variables)
        return Function(_Quiet(self.outputs(compiled), maps), arity=len(self.variables))

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns how many distinct operations this encoding runs."""
        return {"operations": float(sum(step.operator is not None for step in self.compiled(candidate).steps))}

    def references(self) -> dict[str, Candidate]:
        """Returns what people use today, by name, as candidates: to be enqueued, or printed beside the best."""
        return {}

    def readable(self, named: Mapping[str, str]) -> dict[str, Candidate]:
        """Returns those of some named texts that are points of this space; a user may have left an operator out."""
        found = {}
        for name, text in named.items():
            with contextlib.suppress(InvalidCandidate):
                found[name] = self.decode(text)
        return found

    # --- for people --------------------------------------------------------------------------------------------------

    def describe(self, candidate: Candidate) -> str:
        """Returns the formula, simplified, numbers to four digits; the candidate's text is exact."""
        return f"{self.result} = {formula.formula(simplified(self.tree(candidate), self.known), self.known)}"

    def picture(self, candidate: Candidate) -> networkx.DiGraph:
        return formula.picture(simplified(self.tree(candidate), self.known), self.known, self.variables, self.result)

    def exported(self, candidate: Candidate, framework: source.Framework = "numpy") -> str:
        """Returns the source of a Python file with the function, which needs numpy (and scipy) or torch alone.

        Raises:
            InvalidInput: another framework, or an operator of the user's own without source for it.
        """
        if framework not in ("numpy", "torch"):
            raise InvalidInput(f"framework {framework!r} is unknown; it is 'numpy' or 'torch'")
        names = ", ".join(self.variables)
        lines, result = source.lines_of(self.tree(candidate), self.known, self.variables, framework)
        body = "\n".join(f"    {line}" for line in [*lines, f"return {result}"])
        imports = "import torch" if framework == "torch" else "import numpy as np"
        if "special." in body:
            imports += "\nfrom scipy import special"
        return (
            f'"""{self.describe(candidate)}\n\nFound by automl as: {candidate.value}\n"""\n\n{imports}\n\n\n'
            f"def {self.function_name}({names}):\n{body}\n{self.usage(framework)}"
        )

    def usage(self, framework: source.Framework) -> str:
        """Returns source behind the exported function that shows its use, such as a torch criterion; usually none."""
        return ""

    function_name: ClassVar[str] = "f"
    """Of the exported function."""


@dataclass(frozen=True, slots=True)
class _Quiet:
    """Calls a function on arguments in its domain, without warnings about infinities on the way.

    Class attributes:
        interpreted: our own code runs the expression: no code of the candidate's own, and it always ends.
    """

    interpreted: ClassVar[bool] = True

    function: Callable[..., Any]
    maps: tuple[Callable[[Any], Any] | None, ...]

    def __call__(self, *arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            mapped = (item if map_ is None else map_(item) for item, map_ in zip(arguments, self.maps, strict=True))
            return self.function(*mapped)
