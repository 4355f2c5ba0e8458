"""Which artefacts evaluations have made and read, as rows beside the evaluations. The contents lie elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger as SQLInteger
from sqlalchemy import Connection, LargeBinary, Row, Text, and_, bindparam, select

from automl.storage.bulk import chunks, insert_into
from automl.storage.evaluations import DONE
from automl.storage.schema import artefact, candidate, evaluation

MADE, READ = "made", "read"
_PLACE = ("context", "key", "replicate")
_OWN = ("relation", "name", "digest", "size")
_TYPES = {"relation": Text, "name": Text, "digest": LargeBinary, "size": SQLInteger}


def keep_artefacts(
    connection: Connection, links: Sequence[dict[str, Any]], owner: Sequence[str], *, over: bool = True
) -> None:
    """Stores which artefacts belong to evaluations that have just been written in this transaction.

    Args:
        connection: in a writing transaction.
        links: each holds context, key, replicate, relation, name, digest (32 bytes), size and the columns of `owner`.
        owner: columns of the evaluation that show whether it is the one that made or read them. Where somebody else was
            faster the link is dropped, as the result was.
        over: write over a link that stands there; an import leaves it, since the content is the one that is here.
    """
    if not links:
        return
    found = (*_PLACE, *owner)
    accepted = select(
        *(evaluation.c[name] for name in _PLACE), *(bindparam(name, type_=kind) for name, kind in _TYPES.items())
    ).where(evaluation.c.state == DONE, *(evaluation.c[name] == bindparam(f"of_{name}") for name in found))
    insert = insert_into(connection.dialect.name, artefact).from_select([*_PLACE, *_OWN], accepted)
    here = list(artefact.primary_key.columns)
    insert = (
        insert.on_conflict_do_update(
            index_elements=here, set_={"digest": insert.excluded.digest, "size": insert.excluded.size}
        )
        if over
        else insert.on_conflict_do_nothing(index_elements=here)
    )
    rows = [{name: one[name] for name in _OWN} | {f"of_{name}": one[name] for name in found} for one in links]
    connection.execute(insert, rows)


def artefacts_of(connection: Connection, context: int, key: bytes, replicate: int) -> list[Row[Any]]:
    """Returns (relation, name, digest, size) of one evaluation's artefacts."""
    query = select(*(artefact.c[name] for name in _OWN)).where(
        artefact.c.context == context, artefact.c.key == key, artefact.c.replicate == replicate
    )
    return list(connection.execute(query))


def evaluated(connection: Connection, context: int, key: bytes, replicate: int) -> Row[Any] | None:
    """Returns state, seed, metrics, error, seconds and candidate (JSON) of one evaluation; None where there is none."""
    query = (
        select(
            *(evaluation.c[name] for name in ("state", "seed", "metrics", "error", "seconds", "study")),
            candidate.c.json,
        )
        .join_from(evaluation, candidate, evaluation.c.candidate == candidate.c.digest)
        .where(evaluation.c.context == context, evaluation.c.key == key, evaluation.c.replicate == replicate)
    )
    found: Row[Any] | None = connection.execute(query).first()  # type: ignore[assignment]
    return found


def links_in(connection: Connection, context: int) -> list[Row[Any]]:
    """Returns (key, replicate, relation, name, digest, size) of all artefacts of the evaluations in a context."""
    columns = (artefact.c.key, artefact.c.replicate, *(artefact.c[name] for name in _OWN))
    query = select(*columns).where(artefact.c.context == context)
    return list(connection.execute(query.order_by(artefact.c.key, artefact.c.replicate, artefact.c.name)))


def known(connection: Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Returns those of the contents that some evaluation has left or read."""
    found: set[bytes] = set()
    for chunk in chunks(digests, 500):
        query = select(artefact.c.digest).where(artefact.c.digest.in_(chunk)).distinct()
        found.update(bytes(row.digest) for row in connection.execute(query))
    return found


def readers(connection: Connection, digest: bytes) -> list[tuple[int, bytes, int]]:
    """Returns the (context, key, replicate) of the evaluations that have read a content."""
    query = select(*(artefact.c[name] for name in _PLACE)).where(
        and_(artefact.c.digest == digest, artefact.c.relation == READ)
    )
    return [(row.context, bytes(row.key), row.replicate) for row in connection.execute(query.order_by(*_PLACE))]


def readers_of_others(
    connection: Connection, context: int, digests: Mapping[str, Collection[bytes]]
) -> list[tuple[int, bytes, int]]:
    """Returns the evaluations in a context that have read another content than those of today, by name."""
    return [
        (context, bytes(link.key), link.replicate)
        for link in links_in(connection, context)
        if link.relation == READ and bytes(link.digest) not in digests.get(link.name, ())
    ]


def forget_made(connection: Connection, place: tuple[int, bytes, int], digest: bytes) -> None:
    """Deletes the evaluation at a place, if it still is the one that made this content."""
    mine = [artefact.c[name] == value for name, value in zip(_PLACE, place, strict=True)]
    link = artefact.delete().where(*mine, artefact.c.relation == MADE, artefact.c.digest == digest)
    if connection.execute(link).rowcount or not digest:
        here = [evaluation.c[name] == value for name, value in zip(_PLACE, place, strict=True)]
        connection.execute(evaluation.delete().where(*here, evaluation.c.state == DONE))


def remove_links(connection: Connection, places: Sequence[tuple[int, bytes, int]]) -> None:
    """Deletes the links of the evaluations at (context, key, replicate)."""
    if places:
        one = artefact.delete().where(*(artefact.c[name] == bindparam(f"of_{name}") for name in _PLACE))
        connection.execute(
            one, [{f"of_{name}": value for name, value in zip(_PLACE, place, strict=True)} for place in places]
        )


def all_made(connection: Connection) -> list[Row[Any]]:
    """Returns name, digest and size of every content that an evaluation has left, each once."""
    query = select(artefact.c.name, artefact.c.digest, artefact.c.size).where(artefact.c.relation == MADE).distinct()
    return list(connection.execute(query.order_by(artefact.c.name, artefact.c.digest)))
