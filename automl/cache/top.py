"""The best functions that a cache knows, a row a function and a column a context: what each reached on which data."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.cache.known import KnownContext, classes_in, known_contexts, standing
from automl.cache.spread import belongs_to_encodings
from automl.cache.versions import mark_of
from automl.jsontext import canonical
from automl.selection.objectives import Objective
from automl.storage.engine import Database
from automl.storage.known import texts_of
from automl.storage.spaces import spaces_of
from automl.storage.studies import StudyStore


@dataclass(frozen=True)
class Column:
    """One context of the table.

    Attributes:
        context: Number of the context.
        title: Evaluator, and those of its settings in which it differs from the others.
        objective: Metric that is shown, and whether less is better.
        classes: Number of functions with a figure.

    Example:
        >>> column = Column(3, "nasbench201, dataset=cifar10", Objective("accuracy"), classes=100)
        >>> column.title, column.objective.minimize
        ('nasbench201, dataset=cifar10', False)
    """

    context: int
    title: str
    objective: Objective
    classes: int


@dataclass(frozen=True)
class Row:
    """One function of the table.

    Attributes:
        function: Hexadecimal text of 16 characters, the first half of its key.
        candidate: JSON text of a candidate that was evaluated.
        standing: Mean over the contexts of where it stands among what is known there, 0 the best and 1 the worst.
        values: Its figure in each column; None if there is none.

    Example:
        >>> row = Row("8a0c5d11f3b2e907", '{"x":3}', standing=0.05, values=(91.5, None))
        >>> row.values[0]
        91.5
    """

    function: str
    candidate: str
    standing: float
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Top:
    """The best functions that a cache knows.

    Attributes:
        columns: List of `Column`.
        rows: List of `Row`, the best first.
        functions: Number of functions that are known in all.

    Example:
        >>> column = Column(3, "table, dataset=cifar10", Objective("accuracy"), classes=1)
        >>> print(Top([column], [Row("0" * 16, '{"x":3}', 0.5, (91.5,))], functions=1).csv(), end="")
        function,candidate,standing,"context 3: table, dataset=cifar10, accuracy"
        0000000000000000,"{""x"":3}",0.5,91.5
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    functions: int

    def csv(self) -> str:
        """Returns the table as CSV, with one line of names."""
        written = io.StringIO()
        lines = csv.writer(written, lineterminator="\n")
        titles = [f"context {one.context}: {one.title}, {one.objective.metric}" for one in self.columns]
        lines.writerow(["function", "candidate", "standing", *titles])
        for row in self.rows:
            values = ["" if value is None else repr(value) for value in row.values]
            lines.writerow([row.function, row.candidate, f"{row.standing:.6g}", *values])
        return written.getvalue()

    def as_json(self) -> dict[str, Any]:
        """Returns the table as JSON data."""
        return {
            "functions": self.functions,
            "contexts": [
                {"context": one.context, "title": one.title, "metric": one.objective.metric, "classes": one.classes}
                for one in self.columns
            ],
            "rows": [
                {"function": one.function, "candidate": one.candidate, "standing": one.standing, "values": one.values}
                for one in self.rows
            ],
        }


def top(database: Database, n: int = 20, space: str | None = None, namespace: str | None = None) -> Top:
    """Returns the best functions that a cache knows, over all contexts of the validation part.

    A function has one key over all tasks whose data have one shape, so that its results can be joined. Ratings, which
    belong to encodings, are joined by their function too, and averaged over its encodings.

    Args:
        database: Open database.
        n: Number of rows.
        space: Target of a space: only what was evaluated for it; None for all.
        namespace: Part of the cache; None for all of it.

    Example:
        >>> top(Database("sqlite:///empty.db")).rows
        []
    """
    found: list[tuple[KnownContext, dict[bytes, list[float]]]] = []
    candidates: dict[bytes, bytes] = {}  # digests
    spaces: dict[int | None, bool] = {None: space is None}
    for one in known_contexts(database, namespace, StudyStore(database).all()):
        mark, encodings = mark_of(one.description.get("hasher"))[:8], belongs_to_encodings(one.description)
        figures: dict[bytes, list[float]] = {}
        for known in classes_in(database, one.id):
            if known.space not in spaces:
                with database.read() as connection:
                    stored = spaces_of(connection, [known.space] if known.space is not None else [])
                spaces[known.space] = space is None or any(str(item.target) == space for item in stored.values())
            objective = one.objective or _first(known.metrics)
            if not spaces[known.space] or objective is None or objective.metric not in known.metrics:
                continue
            function = mark + (known.key[8:] if encodings else known.key[:8])
            figures.setdefault(function, []).append(known.metrics[objective.metric])
            candidates.setdefault(function, known.candidate)
            if one.objective is None:
                one = KnownContext(one.id, one.description, objective)
        if figures:
            found.append((one, figures))
    return _table(database, found, candidates, n)


def _table(
    database: Database,
    found: Sequence[tuple[KnownContext, Mapping[bytes, Sequence[float]]]],
    candidates: Mapping[bytes, bytes],
    n: int,
) -> Top:
    stands: dict[bytes, list[float]] = {}
    values: list[dict[bytes, float]] = []
    for context, figures in found:
        assert context.objective is not None
        means = {function: float(np.mean(several)) for function, several in figures.items()}
        values.append(means)
        places = standing([context.objective.worth(value) for value in means.values()])
        for function, place in zip(means, places, strict=True):
            stands.setdefault(function, []).append(float(place))
    order = sorted(stands, key=lambda function: (float(np.mean(stands[function])), function))[:n]
    with database.read() as connection:
        texts = texts_of(connection, [candidates[function] for function in order])
    rows = [
        Row(
            function[8:].hex(),
            texts.get(candidates[function], ""),
            float(np.mean(stands[function])),
            tuple(means.get(function) for means in values),
        )
        for function in order
    ]
    titles = _titles([context for context, _ in found])
    columns = [
        Column(context.id, title, context.objective or Objective(""), len(means))
        for (context, _), title, means in zip(found, titles, values, strict=True)
    ]
    return Top(columns, rows, len(stands))


def _first(metrics: Mapping[str, float]) -> Objective | None:
    return Objective(min(metrics)) if metrics else None


def _titles(contexts: Sequence[KnownContext]) -> list[str]:
    """Returns what tells the contexts apart: the evaluator, and those settings in which it differs between them."""
    settings = [_settings(one.description) for one in contexts]
    titles = []
    for mine in settings:
        alike = [other for other in settings if other["evaluator"] == mine["evaluator"]]
        apart = {
            name: value
            for name, value in mine.items()
            if name != "evaluator" and any(canonical(other.get(name)) != canonical(value) for other in alike)
        }
        words = [f"{name}={value if isinstance(value, str) else canonical(value)}" for name, value in apart.items()]
        titles.append(", ".join([str(mine["evaluator"]), *words]))
    return titles


def _settings(description: Mapping[str, Any]) -> dict[str, Any]:
    evaluator = description.get("evaluator")
    evaluator = evaluator if isinstance(evaluator, Mapping) else {}
    own = {name: value for name, value in (evaluator.get("settings") or {}).items() if _short(value)}
    fidelity = description.get("fidelity") or {}
    return {"evaluator": evaluator.get("name", ""), **own, "version": evaluator.get("version"), **fidelity}


def _short(value: Any) -> bool:
    """Tells whether a setting can stand in a title: no digests, and no descriptions of data."""
    return not isinstance(value, Mapping | list) and len(str(value)) <= 30
