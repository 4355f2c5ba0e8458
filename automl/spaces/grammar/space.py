"""The space of a grammar: rules in the body of a class, candidates as texts."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from automl.behaviour import Behaviour, Graph, Module
from automl.errors import InvalidCandidate, InvalidSpace
from automl.spaces.cells import graph_picture
from automl.spaces.grammar.compose import term_module, term_nodes
from automl.spaces.grammar.derivations import Derivation, cross, derive, draw, mutate
from automl.spaces.grammar.rules import Rules, read_rules
from automl.spaces.grammar.terms import Term, read
from automl.spaces.options import shown
from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    import networkx
    import numpy as np
    from torch import nn

_COUNTED_BITS = 3322


class Grammar(Space):
    """Space of the terms that rules make of named operations, put together by `sequence`, `branch` (a sum), `residual`
    and `repeat`.

    A candidate's JSON is the text of its term. Candidates are drawn uniformly over the derivations of at most `depth`
    rules inside rules, or by the weights of the rules. A mutation draws one part anew; a crossover takes a part of the
    other parent that the same rule made.

    A subclass that defines `operation` is a space of torch modules. Otherwise the operations are those of graphs
    (`automl.hashing.builtin`), and a candidate is a graph.

    Class attributes:
        rules: Mapping from the name of a rule to its alternatives: a text with `|` between them, a list of texts, or a
            mapping from text to weight.
        operations: Names of the operations.
        start: Rule of a whole candidate; None takes the first.
        depth: Largest number of rules inside rules.

    Args:
        depth: Replaces the class's `depth`.

    Raises:
        InvalidSpace: a name is neither rule nor operation, a rule never ends, is never reached or does not end within
            the depth, or a weight is no positive number.

    Example:
        >>> import numpy as np
        >>> class Cells(Grammar):
        ...     rules = {"cell": "sequence(cell, cell) | branch(cell, cell) | residual(cell) | relu | abs"}
        ...     operations = ("relu", "abs")
        ...     depth = 3
        >>> space = Cells()
        >>> space.size()
        302
        >>> space.decode("branch( relu,  residual(abs) )").value
        'branch(relu, residual(abs))'
        >>> space.sample(np.random.default_rng(0)).value
        'branch(sequence(relu, relu), branch(abs, abs))'
    """

    rules: ClassVar[Mapping[str, Any]] = {}
    operations: ClassVar[Sequence[str]] = ()
    start: ClassVar[str | None] = None
    depth: int = 4

    def __init__(self, depth: int | None = None) -> None:
        if depth is not None:
            self.depth = depth
        self.grammar  # noqa: B018 - faults of the rules are named now

    def settings(self) -> Mapping[str, Any]:
        return {"depth": self.depth}

    @functools.cached_property
    def grammar(self) -> Rules:
        """The rules, read and counted."""
        kind = type(self)
        return read_rules(kind.rules, kind.operations, kind.start, self.depth, self.kind)

    def term(self, candidate: Candidate) -> Term:
        """Returns a candidate as a term."""
        return read(candidate.value, type(self).operations)

    def derivation(self, candidate: Candidate) -> Derivation:
        """Returns how the rules make a candidate: the first way, in the order in which the alternatives are written."""
        return derive(self.grammar, self.term(candidate))

    def sample(self, rng: np.random.Generator) -> Candidate:
        """Draws one candidate: uniformly over derivations, or by the weights of the rules."""
        return _candidate(draw(self.grammar, self.grammar.start, self.grammar.depth, rng))

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a candidate in which one part is drawn anew by the rule that made it."""
        return _candidate(mutate(self.grammar, self.derivation(candidate), rng))

    def crossover(self, one: Candidate, other: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns `one` with one of its parts replaced by a part of `other` that the same rule made."""
        return _candidate(cross(self.grammar, self.derivation(one), self.derivation(other), rng))

    def decode(self, value: Any) -> Candidate:
        """Reads a candidate from its text; white space says nothing.

        Raises:
            InvalidCandidate: the text is no term, or the rules do not make it.
        """
        if not isinstance(value, str):
            raise InvalidCandidate(
                f"{shown(value)} is no candidate of {self.kind}; write a text such as {self._example()!r}"
            )
        candidate = Candidate(str(read(value, type(self).operations)))
        self.derivation(candidate)
        return candidate

    def checked(self, candidate: Candidate) -> Candidate:
        return candidate  # what `sample`, `mutate` and `crossover` write reads back as it was written

    def size(self) -> int | None:
        """Returns the number of derivations: a term that can be derived in two ways counts twice."""
        count = self.grammar.counts[self.grammar.start][self.grammar.depth]
        return count if count.bit_length() <= _COUNTED_BITS else None

    def operation(self, name: str) -> nn.Module:
        """Returns a freshly initialised module for an operation; spaces of torch modules define it."""
        raise InvalidSpace(
            f"space {self.kind} has no `operation`: define operation(self, name), which returns the module of {name!r}"
        )

    def build(self, c: Candidate) -> nn.Module:
        """Returns the module of a candidate. Parts of a branch must give values of one shape."""
        return term_module(self.term(c), self.operation)

    def graph(self, candidate: Candidate) -> Graph:
        """Returns the graph of a candidate, from one input to one output."""
        nodes, output = term_nodes(self.term(candidate))
        return Graph(nodes, (output,))

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns a `Module` if the space defines `operation`, else a `Graph`."""
        if type(self).operation is Grammar.operation:
            return self.graph(candidate)
        return Module(build=lambda: self.build(candidate))

    def describe(self, candidate: Candidate) -> str:
        return str(candidate.value)

    def picture(self, candidate: Candidate) -> networkx.DiGraph:
        nodes, output = term_nodes(self.term(candidate))
        return graph_picture(Graph(nodes, (output,)))

    def _example(self) -> str:
        import numpy as np

        rules = self.grammar
        return str(draw(rules, rules.start, rules.lowest[rules.start], np.random.default_rng(0)).term)


def _candidate(derivation: Derivation) -> Candidate:
    return Candidate(str(derivation.term))
