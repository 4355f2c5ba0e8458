"""Tables as tasks: typed columns, missing values, categories; a CSV or Parquet file, or a data frame."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from automl import registry
from automl.data.splits import SHARES, split
from automl.errors import InvalidInput, brief
from automl.evaluators.parts import PARTS
from automl.evaluators.task import Task

if TYPE_CHECKING:
    import pandas as pd

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]|$)")
_LIKE = {"val": "validation", "valid": "validation"}

MOST_CATEGORIES = 100
"""A column of texts with more values is refused: it is a name or a free text, and one input for each value too many."""


@dataclass(frozen=True)
class Column:
    """How a column of a table becomes inputs; all numbers are of the training part.

    Attributes:
        name: Name of the column.
        categories: Values of a column of categories, one input each; empty for a column of numbers.
        fill: What stands for a missing number: the median.
        center, scale: Mean and standard deviation that numbers are scaled by.
        missing: Whether one more input says that the value is missing.
        time: Whether texts of the column are dates, taken as seconds.

    Example:
        >>> Column("colour", categories=("blue", "red")).inputs
        ('colour=blue', 'colour=red')
    """

    name: str
    categories: tuple[str, ...] = ()
    fill: float = 0.0
    center: float = 0.0
    scale: float = 1.0
    missing: bool = False
    time: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs that the column becomes."""
        own = tuple(f"{self.name}={one}" for one in self.categories) or (self.name,)
        return (*own, f"{self.name} is missing") if self.missing else own

    def encode(self, values: pd.Series) -> np.ndarray:
        """Returns float32 of shape (rows, inputs). A category that the training part lacks is none of those known."""
        values = _time(values) if self.time else values
        gone = values.isna().to_numpy()
        if self.categories:
            texts = _texts(values)
            found = np.stack([(texts == one) & ~gone for one in self.categories], 1).astype(np.float32)
        else:
            numbers = np.where(gone, self.fill, _as_numbers(values))
            found = ((numbers - self.center) / self.scale).astype(np.float32)[:, None]
        return np.concatenate([found, gone[:, None].astype(np.float32)], 1) if self.missing else found


@dataclass(frozen=True)
class TableTask(Task):
    """Task made of a table; it can encode further rows as its own.

    Attributes:
        columns: How each column becomes inputs.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"size": range(20), "colour": ["red", "blue"] * 10, "kind": ["a", "b"] * 10})
        >>> task = from_frame(frame, "kind")
        >>> task.inputs, task.encode(frame[:2]).shape
        (('size', 'colour=blue', 'colour=red'), (2, 3))
    """

    scales_targets: ClassVar[bool] = True
    columns: tuple[Column, ...] = field(default=(), repr=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs of the network, in order."""
        return tuple(name for column in self.columns for name in column.inputs)

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Returns the inputs of further rows, float32 of shape (rows, inputs).

        Raises:
            InvalidInput: a column is missing.
        """
        for column in self.columns:
            if column.name not in frame.columns:
                raise InvalidInput(registry.unknown("column", column.name, map(str, frame.columns)))
        return np.concatenate([column.encode(frame[column.name]) for column in self.columns], 1)


def from_frame(
    frame: pd.DataFrame,
    target: str | Sequence[str],
    *,
    shares: Sequence[float] = SHARES,
    group: str | None = None,
    time: str | None = None,
    part: str | None = None,
    leave_out: Sequence[str] = (),
    name: str = "table",
) -> TableTask:
    """Returns a table as a task: numbers scaled, categories as one input for each value, missing values filled in.

    Numbers (and times, in seconds; texts such as 2020-01-31 are times) are scaled by mean and standard deviation; a
    missing one is the median, and one more input says that it was missing. Texts, categories and truth values
    become one input for each value; a missing one is none of them. All of this is read off the training part. A
    target that is text or whole numbers is a class; numbers with fractions, or several targets, are values. They stay
    as they are: a regression standardises them while it trains (`Regression.scale_targets`).

    Args:
        frame: Data frame of pandas, one row an example.
        target: Name of the column of the target, or names of several.
        shares: Share of the training, validation and test part.
        group: Name of a column of groups: no group is in two parts. It is no input.
        time: Name of a column of times: the training part is the earliest. It is no input.
        part: Name of a column that says "train", "validation" or "test"; nothing is split then.
        leave_out: Names of columns that are no inputs.
        name: Name of the task in tables.

    Raises:
        InvalidInput: a column is unknown, a target is missing, a column has too many categories, or none is left.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"age": [20, 30, None, 50] * 5, "ill": ["yes", "no", "no", "yes"] * 5})
        >>> from_frame(frame, "ill").inputs
        ('age', 'age is missing')
    """
    targets = [target] if isinstance(target, str) else list(target)
    for column in (*targets, *leave_out, *(one for one in (group, time, part) if one is not None)):
        if column not in frame.columns:
            raise InvalidInput(registry.unknown(f"column of {name}", column, map(str, frame.columns)))
    wanted = _targets(frame, targets, name)
    places = _places(frame, wanted, shares, group, time, part)
    no_inputs = {*targets, *leave_out, group, time, part}
    used = [column for column in frame.columns if column not in no_inputs]
    if not used:
        raise InvalidInput(f"task {name!r}: no column is left as an input of the target {', '.join(targets)}")
    first = frame.iloc[places[0]]
    columns = tuple(_column(str(column), frame[column], first[column], name) for column in used)
    whole = np.concatenate([one.encode(frame[column]) for column, one in zip(used, columns, strict=True)], 1)
    train, validation, test = ((whole[one], wanted[one]) for one in places)
    return TableTask(train, validation, test, name, columns=columns)


def from_table(path: Path | str, target: str | Sequence[str], **more: Any) -> TableTask:
    r"""Returns a CSV or Parquet file as a task; see `from_frame` for the settings.

    Raises:
        InvalidInput: the file cannot be read, or pyarrow is needed and not installed.

    Example:
        >>> _ = Path("houses.csv").write_text("rooms,price\n" + "".join(f"{n},{n / 2}\n" for n in range(20)))
        >>> from_table("houses.csv", "price").train[0].shape
        (12, 1)
    """
    import pandas as pd

    path = Path(path)
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",")
    except ImportError as error:
        raise InvalidInput(f"{path}: Parquet needs pyarrow: pip install 'automl-functional-hashing[tables]'") from error
    except (OSError, ValueError, UnicodeError) as error:  # pandas' and pyarrow's own errors are ValueErrors
        raise InvalidInput(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from error
    return from_frame(frame, target, **{"name": path.stem, **more})


def _targets(frame: pd.DataFrame, targets: Sequence[str], name: str) -> np.ndarray:
    for target in targets:
        gone = frame[target].isna().to_numpy()
        if gone.any():
            raise InvalidInput(
                f"task {name!r}: the target {target!r} is missing in {int(gone.sum()):,} rows, the first is row "
                f"{int(np.argmax(gone))}; leave these rows out: frame.dropna(subset=[{target!r}])"
            )
    found = [frame[target] for target in targets]
    if len(found) == 1:
        plain = found[0].to_numpy()
        return plain.astype(str) if plain.dtype.kind not in "biuf" else plain
    return np.stack([_as_numbers(one) for one in found], 1)


def _places(
    frame: pd.DataFrame,
    wanted: np.ndarray,
    shares: Sequence[float],
    group: str | None,
    time: str | None,
    part: str | None,
) -> list[np.ndarray]:
    if part is not None:
        said = np.array([_LIKE.get(one, one) for one in np.char.lower(_texts(frame[part]))])
        wrong = [one for one in np.unique(said) if one not in PARTS]
        if wrong or len(np.unique(said)) < len(PARTS):
            raise InvalidInput(
                f"column {part!r} says {', '.join(map(str, np.unique(said)))}; it must say train, validation and test"
            )
        return [np.flatnonzero(said == one) for one in PARTS]
    classes = None
    if group is None and time is None and wanted.ndim == 1 and wanted.dtype.kind in "USbiu":
        classes = wanted if len(np.unique(wanted)) * 10 <= len(wanted) or wanted.dtype.kind in "US" else None
    return split(
        len(frame),
        shares,
        classes=classes,
        groups=None if group is None else _texts(frame[group]),
        times=None if time is None else _as_numbers(_time(frame[time])),
    )


def _texts(values: pd.Series) -> np.ndarray:
    return np.array([str(one) for one in values])


def _time(values: pd.Series) -> pd.Series:
    """Returns a column of times, reading texts as dates."""
    import pandas as pd

    if values.dtype.kind in "biufM":
        return values
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas wants a format; dates are read one by one without
            return pd.to_datetime(values)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"column {values.name!r} holds no times: {error}") from error


def _column(name: str, values: pd.Series, train: pd.Series, task: str) -> Column:
    """Returns how a column is encoded, as its training part has it."""
    missing, time = bool(train.isna().any()), _holds_dates(values)
    if time:
        values, train = _time(values), _time(train)
    if _is_number(values):
        numbers = _as_numbers(train)[~train.isna().to_numpy()]
        if len(numbers) == 0:
            raise InvalidInput(f"task {task!r}: column {name!r} has no value in the training part; leave it out")
        if not np.isfinite(numbers).all():
            raise InvalidInput(f"task {task!r}: column {name!r} holds infinite values; replace them, or leave it out")
        fill = float(np.median(numbers))
        filled = np.where(train.isna().to_numpy(), fill, _as_numbers(train))
        scale = float(filled.std())
        return Column(name, (), fill, float(filled.mean()), scale if scale > 0 else 1.0, missing, time)
    categories = tuple(sorted(set(_texts(train.dropna()).tolist())))
    if len(categories) > MOST_CATEGORIES:
        raise InvalidInput(
            f"task {task!r}: column {name!r} has {len(categories)} different values such as "
            f"{brief(categories[0], 30)}; leave it out (leave_out=[{name!r}]), or make numbers of it"
        )
    if not categories:
        raise InvalidInput(f"task {task!r}: column {name!r} has no value in the training part; leave it out")
    return Column(name, categories, missing=missing)


def _holds_dates(values: pd.Series) -> bool:
    """Tells whether all texts of a column begin as dates of ISO 8601 do."""
    texts = values.dropna()
    return bool(len(texts)) and all(isinstance(one, str) and _DATE.match(one) for one in texts)


def _is_number(values: pd.Series) -> bool:
    import pandas as pd

    kinds = pd.api.types
    return bool(
        (kinds.is_numeric_dtype(values) and not kinds.is_bool_dtype(values)) or kinds.is_datetime64_any_dtype(values)
    )


def _as_numbers(values: pd.Series) -> np.ndarray:
    """Returns float64; times as seconds, missing values as NaN."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values):
        plain = values.dt.tz_localize(None) if getattr(values.dt, "tz", None) is not None else values
        seconds = plain.astype("datetime64[ns]").astype("int64").to_numpy() / 1e9
        return np.where(values.isna().to_numpy(), np.nan, seconds)
    try:
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"column {values.name!r} holds values that are no numbers: {error}") from error
