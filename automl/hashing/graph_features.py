"""Features of a graph's function: what is read off its pruned, canonical form while it stands in the table of values.

Every value that the outputs need counts once, whatever number of nodes compute it; sums are flattened and no step of
their own; what is zero is not there. So graphs with one key have one form, and their features follow from the form and
the probe alone. A function without weights that only feeds another operation belongs to that operation.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from automl.hashing.features import PLACES
from automl.hashing.operations import Elementwise
from automl.hashing.plans import INPUT, SAME, SUM, WEIGHTED, ZERO, GraphPlan
from automl.hashing.values import ValueTable

LONGEST = 5
"""Operations in a row that are counted together, at most."""

FORM_BYTES, RUN_BYTES = 1000, 150
"""Of a form without its places and runs, and of one entry of its runs: what Python takes for them, rounded up."""

Term = tuple[int, ...]
"""One part of a form: a value of the table, or, where a linear operation reads a sum, that operation and its terms."""


@dataclass(slots=True)
class _Form:
    """What is known of one term, whatever graph it stands in.

    Attributes:
        runs: by length less one, how many times each sequence of operations ends here, by the hash of the sequence.
        places: the same for all lengths, by place.
        depth, shortest: operations on the longest and the shortest path that ends here.
        paths: number of paths that end here.
        size: weights at the size of the probe, and multiply-accumulates.
        counted: 1 for operations, 0 for inputs.
        weighted: True where it has weights.
    """

    runs: tuple[Mapping[int, int], ...]
    places: np.ndarray
    depth: int
    shortest: int
    paths: float
    size: tuple[float, float]
    counted: int
    weighted: bool


class GraphForms:
    """Reads features off graphs that have run through one table.

    Args:
        table: in which they have run.

    Attributes:
        bytes: that the forms take.
    """

    def __init__(self, table: ValueTable) -> None:
        self._table = table
        self.bytes = 0
        self._labels: dict[int, str] = {}
        self._numbers: dict[tuple[str, tuple[int, ...], tuple[float, float]], int] = {}
        self._forms: list[_Form] = []

    def features(self, plan: GraphPlan, values: Sequence[int]) -> dict[str, np.ndarray]:
        """Returns the features of one graph by group: `paths` [PLACES] and `shape` [len(SHAPE)].

        Args:
            plan: of the graph.
            values: of its steps, in the table.
        """
        reading = _Reading(self, self._table, plan, values)
        ends = [term for output in plan.outputs for term in reading.terms[values[output]]]
        needed, open_ = set(ends), list(ends)
        while open_:
            for source in reading.sources[open_.pop()]:
                if source not in needed:
                    needed.add(source)
                    open_.append(source)
        forms = [self._forms[reading.number[term]] for term in needed]
        end = _made("output", [self._forms[reading.number[term]] for term in ends], (0.0, 0.0), False)
        places = end.places.copy()
        for form in forms:
            places += form.places
        levels = Counter(form.depth for form in forms if form.counted)
        shape = (
            end.depth - 1,
            end.shortest - 1,
            max(levels.values(), default=0),
            sum(form.counted for form in forms),
            sum(form.weighted for form in forms),
            math.log1p(end.paths),
            math.log1p(sum(form.size[0] for form in forms)),
            math.log1p(sum(form.size[1] for form in forms)),
        )
        return {"paths": places, "shape": np.array(shape, dtype=np.float64)}

    def number(self, label: str, sources: Sequence[int], size: tuple[float, float], weighted: bool) -> int:
        """Returns the number of the form of an operation on forms; on a larger probe it is another form."""
        key = (label, tuple(sorted(sources)), size)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._forms)
            form = _made(label, [self._forms[source] for source in sources], size, weighted)
            self._forms.append(form)
            self.bytes += FORM_BYTES + form.places.nbytes + RUN_BYTES * sum(len(runs) for runs in form.runs)
        return found

    def label(self, operation: int) -> str:
        """Returns what an operation is, as text that is the same in every process."""
        found = self._labels.get(operation)
        if found is None:
            found = self._labels[operation] = self._table.identity(operation)
        return found


class _Reading:
    """Takes one graph apart.

    Attributes:
        terms: of each value, what it is the sum of.
        sources: of each term, the terms that it reads.
        number: of each term, the number of its form.
    """

    def __init__(self, forms: GraphForms, table: ValueTable, plan: GraphPlan, values: Sequence[int]) -> None:
        self._of, self._table = forms, table
        self.terms: dict[int, tuple[Term, ...]] = {}
        self.sources: dict[Term, tuple[Term, ...]] = {}
        self.number: dict[Term, int] = {}
        self._linear: dict[Term, int] = {}  # operations of terms that are linear in what they read
        self._before: dict[Term, str] = {}  # labels of functions that belong to the operation that reads them
        for position, (kind, operation, sources, _) in enumerate(plan.steps):
            value = values[position]
            if value in self.terms or kind == SAME:
                continue
            if kind == ZERO or table.zero[value]:
                self.terms[value] = ()
                continue
            read = [values[source] for source in sources]
            terms = [term for source in read for term in self.terms[source]]
            if kind == SUM:
                self.terms[value] = self._gathered(terms)
            elif kind == INPUT:
                self._enter((value,), f"input {operation}", ())
                self.terms[value] = ((value,),)
            else:
                self.terms[value] = (self._operation(kind, operation, value, read, terms),)

    def _operation(self, kind: int, operation: int, value: int, read: Sequence[int], terms: list[Term]) -> Term:
        found = self._table.operation(operation)[0]
        if found.linear:
            return self._linear_term(operation, terms)
        label, sources = self._of.label(operation), tuple(terms)
        if len(terms) == 1 and terms[0] in self._before:
            label, sources = f"{self._before[terms[0]]}+{label}", self.sources[terms[0]]
        size = self._size(operation, read, value) if kind == WEIGHTED else (0.0, 0.0)
        term = (value,)
        self._enter(term, label, sources, size, kind == WEIGHTED)
        if isinstance(found, Elementwise):
            self._before[term] = label
        return term

    def _gathered(self, terms: Sequence[Term]) -> tuple[Term, ...]:
        """Returns the terms of a sum, those that one linear operation makes put together: it may stand behind the sum
        as well as before.
        """
        kept: list[Term] = []
        together: dict[int, list[Term]] = defaultdict(list)
        for term in terms:
            if term in self._linear:
                together[self._linear[term]] += self.sources[term]
            else:
                kept.append(term)
        kept += [self._linear_term(operation, inner) for operation, inner in together.items()]
        return tuple(sorted(kept))

    def _linear_term(self, operation: int, terms: Sequence[Term]) -> Term:
        inner = self._gathered(terms)
        numbers = tuple(number for term in inner for number in (*term, -2))
        term = (-1, operation, *numbers)
        if term not in self.number:
            self._enter(term, self._of.label(operation), inner)
            self._linear[term] = operation
        return term

    def _enter(
        self,
        term: Term,
        label: str,
        sources: tuple[Term, ...],
        size: tuple[float, float] = (0.0, 0.0),
        weighted: bool = False,
    ) -> None:
        self.sources[term] = sources
        self.number[term] = self._of.number(label, [self.number[source] for source in sources], size, weighted)

    def _size(self, operation: int, read: Sequence[int], value: int) -> tuple[float, float]:
        arrays = self._table.arrays
        made, settings = self._table.operation(operation)
        shapes = made.weights(settings, [arrays[source].shape[1:] for source in read])
        weights = float(sum(math.prod(shape) for shape in shapes))
        return weights, weights * math.prod(arrays[value].shape[2:])


def _made(label: str, sources: Sequence[_Form], size: tuple[float, float], weighted: bool) -> _Form:
    seed = xxhash.xxh3_64_intdigest(label.encode())
    runs: list[Mapping[int, int]] = [{seed: 1}]
    for length in range(LONGEST - 1):
        longer: Counter[int] = Counter()
        for source in sources:
            for run, count in source.runs[length].items():
                longer[_joined(run, seed)] += count
        runs.append(longer)
    places = np.zeros(PLACES)
    for found in runs:
        for run, count in found.items():
            places[run % PLACES] += count
    counted = int(not label.startswith("input "))
    return _Form(
        runs=tuple(runs),
        places=places,
        depth=counted + max((source.depth for source in sources), default=0),
        shortest=counted + min((source.shortest for source in sources), default=0),
        paths=float(sum(source.paths for source in sources)) if sources else float(not counted),
        size=size,
        counted=counted,
        weighted=weighted,
    )


def _joined(run: int, seed: int) -> int:
    """Returns the hash of a sequence of operations made longer by one."""
    return ((run * 0x9E3779B97F4A7C15) ^ seed) * 0xD6E8FEB86659FD93 % (1 << 64) >> 7
