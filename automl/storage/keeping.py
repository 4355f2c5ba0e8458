"""Reading and thinning out the whole cache: figures, audits, pruning. Reading never holds up a writer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, select, text

from automl.storage.artefacts import remove_links
from automl.storage.bulk import chunks
from automl.storage.curves import remove_curves
from automl.storage.engine import Database
from automl.storage.evaluations import CLAIMED, DONE, FAILED, LOST
from automl.storage.features import remove_unused_features
from automl.storage.schema import (
    candidate,
    context,
    database_time,
    equivalence_class,
    evaluation,
    study,
    trial,
)


def _counted(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)


def context_rows(database: Database) -> list[Row[Any]]:
    """Returns one row for each context: what it is, and how many evaluations of each state it holds.

    What has a copy under a newer key is counted there alone, as `moved` here.
    """
    here = evaluation.c.moved.is_(None)
    ordinary = and_(evaluation.c.replicate >= 0, here)
    query = (
        select(
            context.c.id,
            context.c.namespace,
            context.c.description,
            func.count(case((here, evaluation.c.key)).distinct()).label("classes"),
            _counted(ordinary, evaluation.c.state == DONE).label("replicates"),
            _counted(ordinary, evaluation.c.state == FAILED).label("failed"),
            _counted(evaluation.c.state == CLAIMED).label("claimed"),
            _counted(evaluation.c.state == LOST).label("lost"),
            _counted(evaluation.c.replicate < 0, here, evaluation.c.state.in_([DONE, FAILED])).label("audits"),
            func.coalesce(func.sum(case((here, evaluation.c.seconds), else_=0.0)), 0.0).label("seconds"),
            _counted(evaluation.c.moved.is_not(None)).label("moved"),
        )
        .join_from(context, evaluation, context.c.id == evaluation.c.context, isouter=True)
        .group_by(context.c.id, context.c.namespace, context.c.description)
        .order_by(context.c.id)
    )
    with database.read() as connection:
        return list(connection.execute(query))


def study_rows(database: Database) -> list[Row[Any]]:
    """Returns one row for each study and outcome: how many trials, and the seconds they paid, saved and hashed."""
    query = (
        select(
            study.c.id,
            study.c.name,
            study.c.kind,
            study.c.settings,
            trial.c.outcome,
            func.count().label("trials"),
            func.sum(trial.c.paid_seconds).label("paid_seconds"),
            func.sum(trial.c.saved_seconds).label("saved_seconds"),
            func.sum(trial.c.hash_seconds).label("hash_seconds"),
        )
        .join_from(study, trial, study.c.id == trial.c.study)
        .group_by(study.c.id, study.c.name, study.c.kind, study.c.settings, trial.c.outcome)
        .order_by(study.c.id, trial.c.outcome)
    )
    with database.read() as connection:
        return list(connection.execute(query))


def size_bytes(database: Database) -> int:
    """Returns the size of the database."""
    with database.read() as connection:
        if database.sqlite:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def audited_rows(database: Database, context_id: int | None, studies: Collection[int] | None) -> list[Row[Any]]:
    """Returns all finished evaluations of the classes that hold an audit, ordered by class.

    With studies, only of those audits that they paid for.
    """
    audits = select(evaluation.c.context, evaluation.c.key).where(
        evaluation.c.replicate < 0, evaluation.c.state.in_([DONE, FAILED])
    )
    if context_id is not None:
        audits = audits.where(evaluation.c.context == context_id)
    else:
        audits = audits.where(evaluation.c.moved.is_(None))  # else its copy counts
    if studies is not None:
        audits = audits.where(evaluation.c.study.in_(studies))
    chosen = audits.distinct().subquery()
    columns = (evaluation.c[name] for name in ("context", "key", "replicate", "state", "candidate", "metrics", "study"))
    query = (
        select(*columns)
        .join_from(chosen, evaluation, and_(evaluation.c.context == chosen.c.context, evaluation.c.key == chosen.c.key))
        .where(evaluation.c.state.in_([DONE, FAILED]))
        .order_by(evaluation.c.context, evaluation.c.key, evaluation.c.replicate)
    )
    with database.read() as connection:
        return list(connection.execute(query))


def finished_rows(database: Database, context_id: int) -> list[Row[Any]]:
    """Returns key and metrics of the first replicate of each class of a context that has metrics."""
    query = select(evaluation.c.key, evaluation.c.metrics).where(
        evaluation.c.context == context_id, evaluation.c.replicate == 0, evaluation.c.state == DONE
    )
    with database.read() as connection:
        return list(connection.execute(query.order_by(evaluation.c.key)))


def repeated_rows(database: Database, contexts: Sequence[int]) -> list[Row[Any]]:
    """Returns the finished replicates of the classes of these contexts that have two or more, ordered by class."""
    repeated = (
        select(evaluation.c.context, evaluation.c.key)
        .where(evaluation.c.context.in_(contexts), evaluation.c.replicate == 1, evaluation.c.state == DONE)
        .subquery()
    )
    query = (
        select(evaluation.c.context, evaluation.c.key, evaluation.c.metrics)
        .join_from(
            repeated, evaluation, and_(evaluation.c.context == repeated.c.context, evaluation.c.key == repeated.c.key)
        )
        .where(evaluation.c.replicate >= 0, evaluation.c.state == DONE)
        .order_by(evaluation.c.context, evaluation.c.key, evaluation.c.replicate)
    )
    with database.read() as connection:
        return list(connection.execute(query))


def prunable(
    database: Database, *, older_than: float | None, contexts: Sequence[int], failed: bool, lost: bool
) -> list[tuple[int, bytes, int]]:
    """Returns the (context, key, replicate) of evaluations that all of the given conditions hold for.

    Claims are never among them: a living session's is at work, a dead one's will be taken over.

    Args:
        database: to read.
        older_than: seconds since the evaluation ended.
        contexts: ids; empty for all.
        failed: only these; with `lost`, both; neither for all.
        lost: only these.
    """
    states = [state for state, chosen in ((FAILED, failed), (LOST, lost)) if chosen]
    conditions: list[ColumnElement[bool]] = [
        evaluation.c.state.in_(states) if states else evaluation.c.state != CLAIMED
    ]
    if contexts:
        conditions.append(evaluation.c.context.in_(contexts))
    if older_than is not None:
        conditions.append(evaluation.c.changed < database_time() - older_than)
    query = select(evaluation.c.context, evaluation.c.key, evaluation.c.replicate).where(*conditions)
    with database.read() as connection:
        return [(row.context, row.key, row.replicate) for row in connection.execute(query)]


def remove_evaluations(database: Database, places: Sequence[tuple[int, bytes, int]]) -> int:
    """Deletes evaluations in short transactions and returns how many there were.

    A claim that somebody took in the meantime is left alone.
    """
    removed = 0
    for chunk in chunks(places, 500):
        removed += database.write(lambda connection, chunk=chunk: _remove(connection, chunk))  # type: ignore[misc]
    return removed


def _remove(connection: Connection, places: Sequence[tuple[int, bytes, int]]) -> int:
    removed = []
    for place in places:
        context_id, key, replicate = place
        statement = evaluation.delete().where(
            evaluation.c.context == context_id,
            evaluation.c.key == key,
            evaluation.c.replicate == replicate,
            evaluation.c.state != CLAIMED,
        )
        if connection.execute(statement).rowcount:
            removed.append(place)
    remove_curves(connection, removed)
    remove_links(connection, removed)
    return len(removed)


def remove_unused(database: Database) -> tuple[int, int, int]:
    """Deletes classes and features without an evaluation or trial, and candidates without an evaluation; returns how
    many classes, candidates and classes with features.
    """

    def work(connection: Connection) -> tuple[int, int, int]:
        if not database.sqlite:
            # A claim that is just being made names its candidate before we could see it: wait for its transaction.
            connection.exec_driver_sql("LOCK TABLE candidate, equivalence_class IN EXCLUSIVE MODE")
            connection.exec_driver_sql("SET LOCAL enable_seqscan = on")
            connection.exec_driver_sql("SET LOCAL enable_hashjoin = on")
        kept = select(evaluation.c.context, evaluation.c.key).union(select(trial.c.context, trial.c.key)).subquery()
        unused = (
            select(equivalence_class.c.context, equivalence_class.c.key)
            .join_from(
                equivalence_class,
                kept,
                and_(equivalence_class.c.context == kept.c.context, equivalence_class.c.key == kept.c.key),
                isouter=True,
            )
            .where(kept.c.key.is_(None))
        )
        classes = [(row.context, row.key) for row in connection.execute(unused)]
        for context_id, key in classes:
            connection.execute(
                equivalence_class.delete().where(
                    equivalence_class.c.context == context_id, equivalence_class.c.key == key
                )
            )
        orphans = candidate.delete().where(candidate.c.digest.not_in(select(evaluation.c.candidate)))
        return len(classes), connection.execute(orphans).rowcount, remove_unused_features(connection)

    return database.write(work)
