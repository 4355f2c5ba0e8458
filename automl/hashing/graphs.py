"""The functional hash of graphs: content-addressed weights over a table of values.

A weight is drawn from what its operation is and from the digest of the values that reach it, so relabelled, reordered
and differently written graphs get equal weights and equal outputs. Twins (equal operations on equal inputs) are
numbered as `automl.hashing.twins` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from automl.behaviour import Graph, Probe
from automl.errors import Unhashable
from automl.hashing import twins
from automl.hashing.graph_features import GraphForms
from automl.hashing.inputs import by_scale, graph_arrays
from automl.hashing.mixing import mix
from automl.hashing.observed import Observed
from automl.hashing.plans import INPUT, SAME, SUM, WEIGHTED, ZERO, GraphPlan, Planner, Step
from automl.hashing.values import Call, ValueTable

CHUNK = 1024
"""Graphs that are worked on together."""


class Run:
    """One graph on its way through the table, with one arrangement of ranks.

    Attributes:
        values: the value of each step so far.
        ranks: by step; None while ranks are given out in the order of the steps.
        groups: the weighted steps met so far, by operation and input values.
    """

    __slots__ = ("groups", "inputs", "plan", "ranks", "values")

    def __init__(self, plan: GraphPlan, inputs: Sequence[int], ranks: twins.Ranks | None = None) -> None:
        self.plan = plan
        self.inputs = inputs
        self.ranks = ranks
        self.values: list[int] = []
        self.groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}


class GraphHasher:
    """Hashes graphs, many a call.

    Args:
        mantissa_bits: precision of rounded values.
    """

    def __init__(self, mantissa_bits: int) -> None:
        self._bits = mantissa_bits
        self._begin()

    def _begin(self) -> None:
        self._table = ValueTable(self._bits)
        self._planner = Planner(self._table)
        self._forms = GraphForms(self._table)
        self._inputs: dict[Probe, list[int]] = {}
        self._smallest: dict[bytes, bytes] = {}

    def digests(self, graphs: Sequence[Graph], probe: Probe) -> list[bytes | Unhashable]:
        """Returns the digest of each graph's function, or the reason why there is none."""
        return [digest for chunk in self._chunks(graphs) for digest in self._chunk(chunk, probe)]

    def digests_with_features(
        self, graphs: Sequence[Graph], probe: Probe
    ) -> list[tuple[bytes | Unhashable, dict[str, np.ndarray]]]:
        """Returns the digest of each graph's function with its features, which are read off the same run."""
        found: list[tuple[bytes | Unhashable, dict[str, np.ndarray]]] = []
        for chunk in self._chunks(graphs):
            features: list[dict[str, np.ndarray]] = [{} for _ in chunk]
            found += zip(self._chunk(chunk, probe, features), features, strict=True)
        return found

    def _chunks(self, graphs: Sequence[Graph]) -> Iterator[Sequence[Graph]]:
        for start in range(0, len(graphs), CHUNK):
            if self._table.bytes + self._forms.bytes > ValueTable.LIMIT:
                self._begin()
            yield graphs[start : start + CHUNK]

    def _chunk(
        self, graphs: Sequence[Graph], probe: Probe, features: list[dict[str, np.ndarray]] | None = None
    ) -> list[bytes | Unhashable]:
        results: list[bytes | Unhashable] = [b""] * len(graphs)
        runs: dict[int, Run] = {}
        for number, graph in enumerate(graphs):
            try:
                runs[number] = Run(self._planner.plan(graph), self._probe_values(graph.probe or probe))
            except Unhashable as error:
                results[number] = error
        errors = self._finish(list(runs.values()))
        twins_left: dict[int, bytes] = {}
        for number, run in runs.items():
            if id(run) in errors:
                results[number] = errors[id(run)]
                continue
            output = results[number] = self._output(run, graphs[number])
            if features is not None:
                features[number] = self._forms.features(run.plan, run.values)
            if any(len(group) > 1 for group in run.groups.values()):
                twins_left[number] = output
        self._settle(twins_left, runs, graphs, results)
        return results

    def _settle(
        self,
        left: dict[int, bytes],
        runs: dict[int, Run],
        graphs: Sequence[Graph],
        results: list[bytes | Unhashable],
    ) -> None:
        """Replaces the outputs of graphs with twins by the smallest over all arrangements of ranks.

        Every output met on the way stands for the same function, hence for the same smallest one.
        """
        tried: dict[int, list[Run]] = {}
        first: dict[bytes, int] = {}
        for number, output in left.items():
            if output not in self._smallest and first.setdefault(output, number) == number:
                run = runs[number]
                tried[number] = [Run(run.plan, run.inputs, ranks) for ranks in self._arrangements(run, graphs[number])]
        errors = self._finish([run for several in tried.values() for run in several])
        for number, several in tried.items():
            failed = [errors[id(run)] for run in several if id(run) in errors]
            if failed:
                results[number] = failed[0]
                continue
            outputs = [self._output(run, graphs[number]) for run in several]
            smallest = min(outputs)
            self._smallest.update(dict.fromkeys([*outputs, left[number]], smallest))
        for number, output in left.items():
            results[number] = self._smallest.get(output, results[number])

    def observe(self, graph: Graph, probe: Probe) -> Observed:
        """Returns the outputs behind a graph's digest and its live steps.

        Raises:
            Unhashable: the graph cannot be run.
        """
        run = Run(self._planner.plan(graph), self._probe_values(graph.probe or probe))
        runs = [run]
        if not (errors := self._finish(runs)):
            if any(len(group) > 1 for group in run.groups.values()):
                runs = [Run(run.plan, run.inputs, ranks) for ranks in self._arrangements(run, graph)]
            errors = self._finish(runs)
        for error in errors.values():
            raise error
        best = min(runs, key=lambda one: self._output(one, graph))
        values = [best.values[step] for step in best.plan.outputs]
        if graph.unordered_outputs:
            values.sort(key=self._table.digests.__getitem__)
        arrays = [
            (f"output {place}{scale}", array)
            for place, value in enumerate(values)
            for scale, array in by_scale(self._table.arrays[value], graph.probe or probe)
        ]
        return Observed(arrays, self._form(best))

    def _form(self, run: Run) -> list[str]:
        """Returns one line for each value that the outputs need, whatever number of nodes compute it."""
        table, values, steps = self._table, run.values, run.plan.steps
        first: dict[int, int] = {}
        for position, value in enumerate(values):
            first.setdefault(value, position)
        named = {value: f"input {place}" for place, value in enumerate(run.inputs)}
        named |= {value: "0" for value in values if table.zero[value]}
        terms: dict[int, list[int]] = {}
        needed = {values[output] for output in run.plan.outputs}
        for value, position in sorted(first.items(), key=lambda item: -item[1]):
            if value in needed and value not in named:
                kind, _, sources, _ = steps[position]
                taken = [values[source] for source in sources]
                terms[value] = list(table.add_key(taken)) if kind == SUM else taken
                needed.update(terms[value])
        lines: list[str] = []
        for value in sorted(terms, key=first.__getitem__):
            kind, operation, _, _ = steps[first[value]]
            named[value] = f"v{len(lines) + 1}"
            what = "add" if kind == SUM else table.name(operation)
            # a term of a flattened sum may have been made in another graph only
            lines.append(f"{named[value]} = {what}({', '.join(named.get(term, '…') for term in terms[value])})")
        return [*lines, "output " + ", ".join(named[values[output]] for output in run.plan.outputs)]

    def _probe_values(self, probe: Probe) -> list[int]:
        found = self._inputs.get(probe)
        if found is None:
            found = [self._table.intern_many(array[None])[0] for array in graph_arrays(probe)]
            self._inputs[probe] = found
        return found

    def _output(self, run: Run, graph: Graph) -> bytes:
        digests = [self._table.digests[run.values[step]] for step in run.plan.outputs]
        return mix(*(sorted(digests) if graph.unordered_outputs else digests))

    # --- running ----------------------------------------------------------------------------------------------------

    def _finish(self, runs: Sequence[Run]) -> dict[int, Unhashable]:
        """Runs all to their end, computing what they lack together; returns errors by the id() of the run."""
        errors: dict[int, Unhashable] = {}
        waiting = list(runs)
        failures = self._table.failures
        while waiting:
            missing: dict[Call, None] = {}
            still = []
            for run in waiting:
                try:
                    call = self._advance(run)
                except Unhashable as error:
                    errors[id(run)] = error
                    continue
                if call is None:
                    continue
                if call in failures:
                    errors[id(run)] = Unhashable(failures[call])
                else:
                    missing[call] = None
                    still.append(run)
            self._table.compute(list(missing))
            waiting = still
        return errors

    def _advance(self, run: Run) -> Call | None:
        """Takes a run as far as known results carry it; returns the call that it lacks, or None at its end."""
        table, values, ranks, steps = self._table, run.values, run.ranks, run.plan.steps
        results = table.results
        for position in range(len(values), len(steps)):
            kind, operation, sources, commutative = steps[position]
            if kind == SAME:
                values.append(values[sources[0]])
                continue
            if kind == SUM:
                terms = table.add_key([values[source] for source in sources])
                if len(terms) < 2:
                    values.append(terms[0] if terms else table.zeros_like(values[sources[0]]))
                    continue
                call = (operation, terms, 0)
            elif kind in (INPUT, ZERO):
                values.append(self._constant(run, steps[position]))
                continue
            else:
                inputs = tuple([values[source] for source in sources])
                if commutative:
                    inputs = tuple(sorted(inputs, key=table.digests.__getitem__))
                rank = 0
                if kind == WEIGHTED:
                    if ranks is None:
                        group = run.groups.setdefault((table.slots[operation], inputs), [])
                        if not group or group[-1] != position:
                            group.append(position)
                        rank = len(group) - 1
                    else:
                        rank = ranks.get(position, 0)
                call = (operation, inputs, rank)
            found = results.get(call)
            if found is None:
                return call
            values.append(found)
        return None

    def _constant(self, run: Run, step: Step) -> int:
        if step[0] == INPUT:
            if not 0 <= step[1] < len(run.inputs):
                raise Unhashable(
                    f"the graph reads input {step[1]} and the probe has {len(run.inputs)}; give it a probe with more"
                )
            return run.inputs[step[1]]
        return self._table.zeros_like(run.values[step[2][0]], step[1])

    # --- twins ------------------------------------------------------------------------------------------------------

    def _arrangements(self, run: Run, graph: Graph) -> list[twins.Ranks]:
        live = self._live(run)
        groups = [kept for group in run.groups.values() if len(kept := [step for step in group if step in live]) > 1]
        alike = self._alike(run, live, graph)
        if twins.count(groups) <= twins.ARRANGEMENTS:
            return twins.arrangements(groups, alike)

        def individual(several: Sequence[twins.Ranks]) -> list[bytes]:
            runs = [Run(run.plan, run.inputs, ranks) for ranks in several]
            errors = self._finish(runs)
            return [b"" if id(one) in errors else self._output(one, graph) for one in runs]

        probes = twins.told_apart(groups)
        members = [member for group in groups for member in group]
        colours = dict(zip(members, individual(probes), strict=True))
        return twins.ordered(groups, colours, alike, individual)

    def _live(self, run: Run) -> set[int]:
        """Returns the weighted steps that the outputs depend on, by function: where one value has several makers, the
        one with the fewest weights behind it counts; zeros and inputs have none.
        """
        values, steps = run.values, run.plan.steps
        behind: dict[int, int] = dict.fromkeys(run.inputs, 0)
        while True:
            changed = False
            for position, step in enumerate(steps):
                value = values[position]
                weights = 1 << position if step[0] == WEIGHTED else 0
                if step[0] != ZERO and not self._table.zero[value]:
                    for source in step[2]:
                        if not self._table.zero[values[source]]:
                            weights |= behind[values[source]]
                else:
                    weights = 0
                known = behind.get(value)
                if known is None or weights.bit_count() < known.bit_count():
                    changed = changed or known is not None
                    behind[value] = weights
            if not changed:
                break
        reached = 0
        for output in run.plan.outputs:
            reached |= behind[values[output]]
        return {position for position in range(len(steps)) if reached >> position & 1}

    def _alike(self, run: Run, live: set[int], graph: Graph) -> dict[int, object]:
        """Marks weighted steps; two with one mark feed the same sums and products, so exchanging them changes
        nothing.
        """
        users: dict[int, list[int]] = defaultdict(list)
        fixed = set() if graph.unordered_outputs else {run.values[output] for output in run.plan.outputs}
        for position, step in enumerate(run.plan.steps):
            if step[0] != SAME:
                for source in step[2]:
                    users[run.values[source]].append(position)
                    if not step[3]:
                        fixed.add(run.values[source])
        marks: dict[int, object] = {}
        for position in live:
            value = run.values[position]
            leaving = sum(run.values[output] == value for output in run.plan.outputs)
            marks[position] = position if value in fixed else (leaving, *users[value])
        return marks
