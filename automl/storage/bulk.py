"""Many rows in one statement, given as columns and tuples.

On SQLite the driver executes a statement once for each row, within the process; the tuples go to it as they are, since
preparing each for it would cost more than the row itself. On PostgreSQL that would be a message for each row, so the
rows travel as one array for each column and are unfolded there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ARRAY, Column, Connection, Insert, Table, Update, bindparam, column, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.selectable import TableValuedAlias

T = TypeVar("T")
Values = tuple[Any, ...]
"""One row: a value for each of the columns given beside it, which stand in the order that they have in the table."""


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yields the items in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_into(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Returns an insertion that knows ON CONFLICT."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@lru_cache(maxsize=64)
def _unfolded_once(table: Table, columns: tuple[str, ...]) -> TableValuedAlias:
    return unfolded(table, columns, {})


def unfolded(table: Table, columns: Sequence[str], like: Mapping[str, Column[Any]]) -> TableValuedAlias:
    """Returns PostgreSQL's table of the arrays that `folded` makes of these columns.

    Args:
        table: gives the columns their types.
        columns: their names.
        like: columns of the table whose types those have that have other names.
    """
    types = {name: (like[name] if name in like else table.c[name]).type for name in columns}
    arrays = [bindparam(f"all_{name}", type_=ARRAY(types[name])) for name in columns]
    values = func.unnest(*arrays).table_valued(*(column(name, types[name]) for name in columns))
    return values.render_derived(name="given")


def folded(columns: Sequence[str], rows: Iterable[Values]) -> dict[str, list[Any]]:
    """Returns the rows as one list for each column."""
    return {f"all_{name}": list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}


@lru_cache(maxsize=64)
def driver_text(statement: Insert | Update, columns: tuple[str, ...]) -> str:
    """Returns a statement as the SQLite driver takes it; its parameters are `columns`, in this order."""
    keys = list(columns) if isinstance(statement, Insert) else None
    compiled = statement.compile(dialect=sqlite.dialect(), column_keys=keys)
    assert compiled.positiontup == list(columns), (compiled.positiontup, columns)
    return str(compiled)


@lru_cache(maxsize=64)
def _inserting(dialect: str, table: Table, columns: tuple[str, ...]) -> sqlite.Insert | postgresql.Insert:
    insert = insert_into(dialect, table)
    return insert if dialect == "sqlite" else insert.from_select(list(columns), select(_unfolded_once(table, columns)))


@lru_cache(maxsize=64)
def _ignoring(dialect: str, table: Table, columns: tuple[str, ...]) -> Insert:
    insert = _inserting(dialect, table, columns)
    return insert.on_conflict_do_nothing(index_elements=list(table.primary_key.columns))


@lru_cache(maxsize=64)
def _adding(dialect: str, table: Table, columns: tuple[str, ...], add: str) -> Insert:
    insert = _inserting(dialect, table, columns)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={add: table.c[add] + insert.excluded[add]}
    )


@lru_cache(maxsize=64)
def _returning(table: Table, columns: tuple[str, ...]) -> Any:
    return _ignoring("postgresql", table, columns).returning(*table.primary_key.columns)


def _run(connection: Connection, statement: Insert, columns: tuple[str, ...], rows: list[Values]) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(driver_text(statement, columns), rows)
    else:
        connection.execute(statement, folded(columns, rows))


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: list[Values], *, ignoring: bool
) -> None:
    """Inserts rows; `ignoring` passes over those whose primary key stands there."""
    if rows:
        make = _ignoring if ignoring else _inserting
        _run(connection, make(connection.dialect.name, table, columns), columns, rows)


def insert_won(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: list[Values]
) -> set[tuple[Any, ...]]:
    """Inserts rows and returns the primary keys of those that did not stand there already."""
    if not rows:
        return set()
    if connection.dialect.name == "sqlite":
        # The transaction has had the only write lock since before it looked: nobody can have been faster.
        insert_rows(connection, table, columns, rows, ignoring=False)
        places = [columns.index(one.name) for one in table.primary_key.columns]
        return {tuple(row[place] for place in places) for row in rows}
    return {tuple(row) for row in connection.execute(_returning(table, columns), folded(columns, rows))}


def upsert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: list[Values], *, add: str
) -> None:
    """Inserts rows; where the primary key stands there already, adds the column `add` to what it holds."""
    if rows:
        _run(connection, _adding(connection.dialect.name, table, columns, add), columns, rows)
