"""Relative improvement of results from elsewhere: a CSV with the columns dataset, method, kind, run, acc.

A row is one final accuracy; `kind` is `method` or `random`. Random rows belong to the method of the same name, because
each method has its own space and training protocol (Yang et al. 2020, section 3); random rows without a method name (or
named `random`) serve every method of their data set that has none of its own.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.errors import InvalidInput
from automl.evidence.comparisons import relative_improvement
from automl.evidence.intervals import Estimate

COLUMNS = ("dataset", "method", "kind", "run", "acc")
_BLANK = frozenset({"", "nan"})
_SHARED = frozenset({"", "random"})


@dataclass(frozen=True, slots=True)
class ResultRow:
    """RI of one method on one data set.

    Attributes:
        ri: in percent, with its interval.
        runs: of the method that counted.
        random: random values that counted.
        left_out: blank values among the method's and its random rows.
    """

    dataset: str
    method: str
    ri: Estimate
    runs: int
    random: int
    left_out: int


@dataclass(frozen=True, slots=True)
class ResultsTable:
    """RI per method and data set, in the order of the file."""

    source: str
    rows: tuple[ResultRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns `{"relative_improvement": [{"dataset", "method", "ri", "low", "high", "runs", "left_out"}]}`."""
        return {
            "relative_improvement": [
                {
                    "dataset": row.dataset,
                    "method": row.method,
                    "ri": row.ri.value,
                    "low": row.ri.low,
                    "high": row.ri.high,
                    "runs": row.runs,
                    "left_out": row.left_out,
                }
                for row in self.rows
            ]
        }


class _Group:
    """Values of one data set, method and kind by run, in the file's order, and how many were blank."""

    def __init__(self) -> None:
        self.runs: dict[str, list[float]] = {}
        self.blank = 0

    def add(self, run: str, value: float | None) -> None:
        if value is None:
            self.blank += 1
        else:
            self.runs.setdefault(run, []).append(value)

    def count(self) -> int:
        return sum(map(len, self.runs.values()))

    def nested(self) -> list[list[float]]:
        return list(self.runs.values())


def results_table(path: str | Path) -> ResultsTable:
    """Reads a results file and returns the relative improvement of every method on every data set.

    Raises:
        InvalidInput: no such file, a column is missing, a row is malformed (its line is named), or a method has no
            random rows (it is named).
    """
    groups = _read(Path(path))
    rows = []
    for (dataset, method, kind), own in groups.items():
        if kind != "method":
            continue
        random = _random_of(groups, dataset, method)
        if random is None or not random.runs:
            what = "no random rows" if random is None else "only blank random rows"
            raise InvalidInput(
                f"{path}: method {method!r} on data set {dataset!r} has {what}; add rows of kind random for it "
                "(the same space and training, architectures drawn at random)"
            )
        ri = relative_improvement(own.nested(), random.nested())
        left_out = own.blank + random.blank
        rows.append(ResultRow(dataset, method, ri, ri.units[0], random.count(), left_out))
    if not rows:
        raise InvalidInput(f"{path}: holds no rows of kind 'method'; there is nothing to compare with random")
    return ResultsTable(str(path), tuple(rows))


def _random_of(groups: dict[tuple[str, str, str], _Group], dataset: str, method: str) -> _Group | None:
    own = groups.get((dataset, method, "random"))
    if own is not None:
        return own
    for (name, owner, kind), group in groups.items():
        if name == dataset and kind == "random" and owner.lower() in _SHARED:
            return group
    return None


def _read(path: Path) -> dict[tuple[str, str, str], _Group]:
    groups: dict[tuple[str, str, str], _Group] = defaultdict(_Group)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                raise InvalidInput(f"{path}: line 1 lacks the column {missing[0]!r}; it needs {','.join(COLUMNS)}")
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    dataset, method, kind, run, value = _row(path, reader.line_num, header, cells)
                    groups[dataset, method, kind].add(run, value)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(
            f"{path} cannot be read as CSV: {error}; give an existing file with {','.join(COLUMNS)}"
        ) from error
    return groups


def _row(path: Path, line: int, header: list[str], cells: list[str]) -> tuple[str, str, str, str, float | None]:
    if len(cells) != len(header):
        raise InvalidInput(
            f"{path}: line {line} has {len(cells)} values and the header {len(header)}; give one for each column"
        )
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    kind = values["kind"].lower()
    if kind not in ("random", "method"):
        raise InvalidInput(f"{path}: line {line} has the kind {values['kind']!r}; give 'random' or 'method'")
    if not values["dataset"]:
        raise InvalidInput(f"{path}: line {line} has no data set; name one")
    if kind == "method" and not values["method"]:
        raise InvalidInput(f"{path}: line {line} has no method; name one")
    if values["acc"].lower() in _BLANK:
        return values["dataset"], values["method"], kind, values["run"], None
    try:
        value = float(values["acc"])
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise InvalidInput(f"{path}: line {line} has the accuracy {values['acc']!r}; give a number, or leave it blank")
    return values["dataset"], values["method"], kind, values["run"], value
