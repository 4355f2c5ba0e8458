"""Many rows in one statement.

On SQLite a statement is executed once for each row, within the process. On PostgreSQL that would be a message for each
row, so the rows travel as one array for each column and are unfolded there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ARRAY, Connection, Insert, Table, bindparam, column, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.selectable import TableValuedAlias

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yields the items in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_into(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Returns an insertion that knows ON CONFLICT."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@lru_cache(maxsize=64)
def unfolded(table: Table, columns: tuple[str, ...]) -> TableValuedAlias:
    """Returns PostgreSQL's table of the arrays bound to the names of these columns."""
    arrays = [bindparam(name, type_=ARRAY(table.c[name].type)) for name in columns]
    values = func.unnest(*arrays).table_valued(*(column(name, table.c[name].type) for name in columns))
    return values.render_derived(name="given")


def folded(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Returns the rows as one list for each column."""
    return {name: [row[name] for row in rows] for name in columns}


@lru_cache(maxsize=64)
def _inserting(dialect: str, table: Table, columns: tuple[str, ...], ignoring: bool) -> Insert:
    insert = insert_into(dialect, table)
    if dialect != "sqlite":
        insert = insert.from_select(list(columns), select(unfolded(table, columns)))
    if ignoring:
        insert = insert.on_conflict_do_nothing(index_elements=list(table.primary_key.columns))
    return insert


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, ignoring: bool) -> None:
    """Inserts rows that all have the same columns; `ignoring` passes over those whose primary key stands there."""
    if not rows:
        return
    columns = tuple(rows[0])
    statement = _inserting(connection.dialect.name, table, columns, ignoring)
    connection.execute(statement, rows if connection.dialect.name == "sqlite" else folded(columns, rows))


@lru_cache(maxsize=64)
def _inserting_returning(table: Table, columns: tuple[str, ...]) -> Any:
    return _inserting("postgresql", table, columns, True).returning(*table.primary_key.columns)


def insert_won(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    """Inserts rows and returns the primary keys of those that did not stand there already."""
    if not rows:
        return set()
    columns = tuple(rows[0])
    if connection.dialect.name == "sqlite":
        keys = [one.name for one in table.primary_key.columns]
        # The transaction has had the only write lock since before it looked: nobody can have been faster.
        connection.execute(_inserting("sqlite", table, columns, False), rows)
        return {tuple(row[name] for name in keys) for row in rows}
    return {tuple(row) for row in connection.execute(_inserting_returning(table, columns), folded(columns, rows))}


@lru_cache(maxsize=64)
def _upserting(dialect: str, table: Table, columns: tuple[str, ...], add: str) -> Insert:
    insert = insert_into(dialect, table)
    if dialect != "sqlite":
        insert = insert.from_select(list(columns), select(unfolded(table, columns)))
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={add: table.c[add] + insert.excluded[add]}
    )


def upsert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, add: str) -> None:
    """Inserts rows; where the primary key stands there already, adds the column `add` to what it holds."""
    if not rows:
        return
    columns = tuple(rows[0])
    statement = _upserting(connection.dialect.name, table, columns, add)
    connection.execute(statement, rows if connection.dialect.name == "sqlite" else folded(columns, rows))
