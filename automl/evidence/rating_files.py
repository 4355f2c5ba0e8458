"""Truth and ratings of architectures in CSV files, joined by the candidate's text.

A truth has the columns candidate and one metric, a row for each seed; ratings have candidate, rating, and optionally
parameters, macs and further ratings as columns, a row for each supernet. Both may have a column seconds.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from automl.errors import InvalidInput, brief
from automl.evidence.ratings import RatingWorth, rating_worth
from automl.jsontext import canonical, decoded, parse_foreign

COUNTS = ("parameters", "macs")
MAX_BYTES = 256 << 20


@dataclass(frozen=True)
class Scores:
    """Figures of architectures by name of the column, several for an architecture with several seeds.

    Attributes:
        source: Name of the file or study, for messages.
        columns: Mapping from column to a mapping from candidate to its figures, one for each row.
        seconds: Sum of the column seconds; None without it.

    Example:
        >>> scores = Scores("truth.csv", {"accuracy": {"12001022": [0.91, 0.92]}})
        >>> scores.only()
        ('accuracy', {'12001022': [0.91, 0.92]})
    """

    source: str
    columns: Mapping[str, Mapping[str, Sequence[float]]]
    seconds: float | None = None

    def only(self, metric: str | None = None) -> tuple[str, Mapping[str, Sequence[float]]]:
        """Returns the column of the truth: the named one, or the only one that is there.

        Raises:
            InvalidInput: there is no such column, or several and none is named.
        """
        if metric is not None and metric not in self.columns:
            raise InvalidInput(f"{self.source} has no column {metric!r}; it has {', '.join(self.columns)}")
        if metric is None and len(self.columns) != 1:
            raise InvalidInput(f"{self.source} has the metrics {', '.join(self.columns)}; name one with --metric")
        name = metric or next(iter(self.columns))
        return name, self.columns[name]


def candidate_text(text: str) -> str:
    """Returns the one text under which a candidate is joined: JSON in its canonical form, anything else as it stands.

    Example:
        >>> candidate_text('"12001022"'), candidate_text("12001022"), candidate_text('["conv2", "att4"]')
        ('12001022', '12001022', '["conv2","att4"]')
    """
    text = text.strip()
    if text[:1] not in ('"', "[", "{"):
        return text
    value = parse_foreign(text)
    return value if isinstance(value, str) else canonical(value)


def read_scores(path: str | Path, needs: str | None = None) -> Scores:
    r"""Reads a file of truth or ratings.

    Args:
        path: Path of the file.
        needs: Name of a column that must be there.

    Raises:
        InvalidInput: there is no such file, a column is missing, or a row is malformed (its line is named).

    Example:
        >>> _ = Path("truth.csv").write_text("candidate,accuracy\n12001022,0.91\n12001022,0.92\n11111111,0.95\n")
        >>> read_scores("truth.csv").only()
        ('accuracy', {'12001022': [0.91, 0.92], '11111111': [0.95]})
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InvalidInput(f"{path} has more than {MAX_BYTES:,} bytes; a table of ratings has far fewer")
        rows = list(csv.reader(io.StringIO(decoded(data, str(path)), newline="")))
    except (OSError, csv.Error) as error:
        raise InvalidInput(f"{path} cannot be read as CSV: {error}; give a file with candidate,rating") from error
    header = [name.strip() for name in rows[0]] if rows else []
    for name in ("candidate", *([needs] if needs else [])):
        if name not in header:
            raise InvalidInput(f"{path}: line 1 lacks the column {name!r}; it has {','.join(header) or 'nothing'}")
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise InvalidInput(f"{path}: line 1 has the column {twice!r} twice; name each once")
    names = [name for name in header if name not in ("candidate", "seconds")]
    if not names:
        raise InvalidInput(f"{path}: line 1 has no column beside candidate; add the metric or the rating")
    return _collected(
        str(path), names, (_row(path, number, header, row) for number, row in enumerate(rows[1:], 2) if row)
    )


def _collected(source: str, names: Sequence[str], rows: Iterable[tuple[str, dict[str, float]]]) -> Scores:
    columns: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    seconds: float | None = None
    for candidate, values in rows:
        if "seconds" in values:
            seconds = (seconds or 0.0) + values["seconds"]
        for name in names:
            if name in values:
                columns[name].setdefault(candidate, []).append(values[name])
    return Scores(source, columns, seconds)


def _row(path: Path, line: int, header: Sequence[str], cells: Sequence[str]) -> tuple[str, dict[str, float]]:
    if len(cells) != len(header):
        raise InvalidInput(f"{path}: line {line} has {len(cells)} values and the header {len(header)}")
    values: dict[str, float] = {}
    candidate = ""
    for name, cell in zip(header, cells, strict=True):
        if name == "candidate":
            candidate = candidate_text(cell)
            continue
        if not cell.strip() or cell.strip().lower() == "nan":
            continue
        try:
            values[name] = float(cell)
        except ValueError:
            values[name] = math.nan
        if not math.isfinite(values[name]):
            raise InvalidInput(f"{path}: line {line} has {brief(cell, 40)} as {name}; give a number, or leave it blank")
    if not candidate:
        raise InvalidInput(f"{path}: line {line} has no candidate")
    return candidate, values


@dataclass(frozen=True)
class Joined:
    """Worth of a rating, and what could not be joined.

    Attributes:
        worth: `RatingWorth` of the architectures that have both.
        metric: Name of the truth's metric.
        notes: Sentences about what was left out.

    Example:
        >>> Joined(RatingWorth(5, (), None, None, None, ()), "accuracy").metric
        'accuracy'
    """

    worth: RatingWorth
    metric: str
    notes: tuple[str, ...] = field(default=())


def joined(
    truth: Scores,
    ratings: Scores,
    *,
    metric: str | None = None,
    minimize: bool = False,
    counts: Sequence[str] = COUNTS,
) -> Joined:
    """Joins a truth with ratings by candidate, and judges the rating.

    Args:
        truth: Figures of trained architectures.
        ratings: Ratings, with the column rating.
        metric: Column of the truth; None takes the only one.
        minimize: True if smaller figures of the truth are better.
        counts: Columns of the ratings that count something; a linear fit is made of them together.

    Raises:
        InvalidInput: fewer than four architectures have both; or a column is missing.

    Example:
        >>> truth = Scores("t", {"accuracy": {name: [value] for name, value in zip("abcdef", (1, 2, 3, 4, 6, 5))}})
        >>> ratings = Scores("r", {"rating": {name: [value] for name, value in zip("abcdefg", range(7))}})
        >>> found = joined(truth, ratings)
        >>> round(found.worth.rows[0].rho.value, 2), found.notes
        (0.94, ('1 of the rated candidates have no truth.',))
    """
    name, figures = truth.only(metric)
    if "rating" not in ratings.columns:
        raise InvalidInput(f"{ratings.source} has no column 'rating'; it has {', '.join(ratings.columns)}")
    rated = ratings.columns["rating"]
    both = [candidate for candidate in figures if candidate in rated]
    if len(both) < 4:
        raise InvalidInput(
            f"{len(both)} candidates stand in both {truth.source} and {ratings.source}, and four are the least; they "
            "are joined by the text of the column candidate"
        )
    sign = -1.0 if minimize else 1.0
    means = {
        column: [math.fsum(values[one]) / len(values[one]) for one in both]
        for column, values in ratings.columns.items()
        if column != "rating" and all(one in values for one in both)
    }
    missing = [column for column in ratings.columns if column != "rating" and column not in means]
    worth = rating_worth(
        [[sign * value for value in figures[one]] for one in both],
        [rated[one] for one in both],
        {column: means[column] for column in counts if column in means},
        {column: values for column, values in means.items() if column not in counts},
        seconds={what: one.seconds for what, one in (("truth", truth), ("rating", ratings)) if one.seconds is not None},
    )
    notes = []
    for count, what in ((len(figures) - len(both), "truth"), (len(rated) - len(both), "rating")):
        if count:
            notes.append(
                f"{count} of the trained candidates have no rating."
                if what == "truth"
                else f"{count} of the rated candidates have no truth."
            )
    notes += [f"The column {column} is left out: not every candidate has a value." for column in missing]
    return Joined(worth, name, tuple(notes))
