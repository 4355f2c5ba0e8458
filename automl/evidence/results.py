"""Relative improvement of results from elsewhere: a CSV with the columns dataset, method, kind, run, acc.

A row is one final accuracy; `kind` is `method` or `random`. Random rows belong to the method of the same name, because
each method has its own space and training protocol (Yang et al. 2020, section 3); random rows without a method name (or
named `random`) serve every method of their data set that has none of its own.
"""

from __future__ import annotations

import csv
import io
import math
import re
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl.errors import InvalidInput, brief
from automl.evidence.comparisons import relative_improvement
from automl.evidence.intervals import Estimate
from automl.jsontext import decoded

COLUMNS = ("dataset", "method", "kind", "run", "acc")
_BLANK = frozenset({"", "nan"})
_SHARED = frozenset({"", "random"})


@dataclass(frozen=True, slots=True)
class ResultRow:
    """Relative improvement (RI) of one method over random architectures on one data set.

    RI = 100 · (mean of the method − mean of random) / mean of random, of the accuracies in a results file.

    Attributes:
        dataset: Name of the data set.
        method: Name of the method.
        ri: `Estimate` of RI in percent, with its 95 % interval.
        runs: Number of the method's runs that entered RI.
        random: Number of accuracies of random architectures that entered RI.
        left_out: Number of rows, of the method and of its random architectures, that were ignored because their
            accuracy is blank.

    Example:
        >>> row = ResultRow("cifar10", "ours", Estimate(4.2, low=3.1, high=5.3), runs=5, random=20, left_out=0)
        >>> f"{row.method} on {row.dataset}: {row.ri.value} % [{row.ri.low}, {row.ri.high}]"
        'ours on cifar10: 4.2 % [3.1, 5.3]'
    """

    dataset: str
    method: str
    ri: Estimate
    runs: int
    random: int
    left_out: int


@dataclass(frozen=True, slots=True)
class ResultsTable:
    """Relative improvement (RI) of each method on each data set, in the order of a results file.

    Attributes:
        source: Name of the file.
        rows: Tuple of `ResultRow`, one for each method and data set.
        notes: Sentences about what looks wrong in the file.

    Example:
        >>> table = ResultsTable("results.csv", (ResultRow("cifar10", "ours", Estimate(4.2), 5, 20, 0),))
        >>> table.to_json()["relative_improvement"][0]["ri"]
        4.2
    """

    source: str
    rows: tuple[ResultRow, ...]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Returns `{"relative_improvement": [{"dataset", "method", "ri", "low", "high", "runs", …}], "notes"}`."""
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
            ],
            "notes": list(self.notes),
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
    r"""Reads a results file and returns the relative improvement of every method on every data set.

    The file is a CSV with the columns dataset, method, kind ("method" or "random"), run and acc. Random rows with an
    empty method name serve every method of their data set that has none of its own.

    Args:
        path: Path of the file.

    Raises:
        InvalidInput: there is no such file, a column is missing, a row is malformed (the line number is named), or a
            method has no random rows (the method is named).

    Example:
        >>> rows = "digits,ours,method,1,0.97", "digits,,random,1,0.94", "digits,,random,2,0.93"
        >>> written = Path("results.csv").write_text("\n".join(["dataset,method,kind,run,acc", *rows]))
        >>> [row] = results_table("results.csv").rows
        >>> row.method, round(row.ri.value, 2)
        ('ours', 3.74)
    """
    groups = _read(Path(path))
    rows = []
    notes = []
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
        if _on_two_scales([value for group in (own, random) for run in group.nested() for value in run]):
            notes.append(
                f"Method {method} on data set {dataset}: some accuracies look like percent and some like fractions; RI "
                "compares them as they are. Write all of them in one unit."
            )
        left_out = own.blank + random.blank
        rows.append(ResultRow(dataset, method, ri, ri.units[0], random.count(), left_out))
    if not rows:
        raise InvalidInput(f"{path}: holds no rows of kind 'method'; there is nothing to compare with random")
    return ResultsTable(str(path), tuple(rows), notes)


def _on_two_scales(values: list[float]) -> bool:
    """Tells whether some figures of one method and its random rows, times 100, would lie among the others."""
    large = [value for value in values if value > 1.5]
    small = [value for value in values if 0.0 < value < 1.0]
    if not large or not small:
        return False
    middle = statistics.median(large)
    return middle <= 100.0 and any(middle / 2.5 <= 100.0 * value <= 1.25 * middle for value in small)


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
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InvalidInput(f"{path} has more than {MAX_BYTES:,} bytes; a table of results has far fewer")
        text = decoded(data, str(path))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise InvalidInput(f"{path}: line 1 lacks the column {missing[0]!r}; it needs {','.join(COLUMNS)}")
        if twice := next((name for name in COLUMNS if header.count(name) > 1), None):
            raise InvalidInput(f"{path}: line 1 has the column {twice!r} twice; name each once")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                dataset, method, kind, run, value = _row(path, reader.line_num, header, cells, reader.dialect.delimiter)
                groups[dataset, method, kind].add(run, value)
    except (OSError, csv.Error) as error:
        raise InvalidInput(
            f"{path} cannot be read as CSV: {error}; give an existing file with {','.join(COLUMNS)}"
        ) from error
    return groups


MAX_BYTES = 64 << 20
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def _delimiter(text: str) -> str:
    """Returns what separates the columns: spreadsheets of countries with a decimal comma write semicolons, or tabs."""
    header = text.partition("\n")[0]
    return next((mark for mark in ";\t" if mark in header and "," not in header), ",")


def _row(
    path: Path, line: int, header: list[str], cells: list[str], delimiter: str
) -> tuple[str, str, str, str, float | None]:
    if len(cells) != len(header):
        raise InvalidInput(
            f"{path}: line {line} has {len(cells)} values and the header {len(header)}; give one for each column"
        )
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    kind = values["kind"].lower()
    if kind not in ("random", "method"):
        raise InvalidInput(f"{path}: line {line} has the kind {brief(values['kind'])}; give 'random' or 'method'")
    if not values["dataset"]:
        raise InvalidInput(f"{path}: line {line} has no data set; name one")
    if kind == "method" and not values["method"]:
        raise InvalidInput(f"{path}: line {line} has no method; name one")
    if values["acc"].lower() in _BLANK:
        return values["dataset"], values["method"], kind, values["run"], None
    written = values["acc"]
    comma = _DECIMAL_COMMA.fullmatch(written) is not None
    try:
        value = float(written.replace(",", ".") if comma and delimiter != "," else written)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        advice = f"write {written.replace(',', '.')}" if comma else "give a number, or leave it blank"
        raise InvalidInput(f"{path}: line {line} has the accuracy {brief(written)}; {advice}")
    return values["dataset"], values["method"], kind, values["run"], value
