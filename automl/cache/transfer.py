"""A cache as one portable file: JSON lines, compressed with gzip.

The first line names the format, then each context stands on a line, followed by its evaluations and, before the first
that names it, each space that read their candidates. The first evaluation of a class holds the class's features. The
last line counts the evaluations, so that a file cut short is noticed. An import checks every row: sizes, types, that
fingerprints and seeds are what they must be, and that no keys come from a newer hasher than the one installed here. It
is one transaction, so that a file is taken over as a whole or not at all. Keys of an older hasher are not served;
`automl.cache.rekey` gives such evaluations new ones.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.artefacts.store import ArtefactStore
from automl.cache.fidelity_groups import chosen
from automl.cache.rows import FORMAT, MAX_BYTES, MAX_ROW, ContextRow, EvaluationRow, SpaceRow, read_rows
from automl.cache.versions import COMMAND, mark_of, version_of
from automl.errors import ArtefactUnreadable, InvalidInput
from automl.hashing import HASHER_VERSION
from automl.hashing.features import FEATURES_VERSION
from automl.jsontext import stored
from automl.storage import artefacts, evaluations, transfers
from automl.storage.engine import Database
from automl.storage.features import keep_features
from automl.storage.spaces import space_id, spaces_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Exported:
    """Number of contexts and evaluations that `export_cache` wrote to a file.

    Attributes:
        contexts: Number of contexts in the file.
        evaluations: Number of evaluations in the file, in all contexts.
        artefacts: Number of contents (weights, supernets) that were copied beside the file.
        missing: Number of contents that could not be read where they are kept, and were left out.

    Example:
        >>> Exported(contexts=2, evaluations=5044).sentence()
        'exported 5,044 evaluations of 2 contexts'
    """

    contexts: int
    evaluations: int
    artefacts: int = dataclasses.field(default=0, repr=False)
    missing: int = dataclasses.field(default=0, repr=False)

    def sentence(self) -> str:
        """Returns the numbers as a sentence."""
        beside = f"; {self.artefacts:,} artefacts lie beside it" if self.artefacts else ""
        left = f"; {self.missing:,} artefacts could not be read and were left out" if self.missing else ""
        return f"exported {self.evaluations:,} evaluations of {self.contexts:,} contexts{beside}{left}"


@dataclass(frozen=True, slots=True)
class Imported:
    """Number of evaluations of a file that `import_cache` added to a database, and that it knew already.

    Attributes:
        contexts: Number of contexts in the file.
        added: Number of evaluations that were added to the database, including `extra`.
        known: Number of evaluations that the database held already, with the same result.
        extra: Number of evaluations among `added` whose replicate number was taken by another result (one seed can give
            other figures on another machine); each was stored under the next free replicate number.
        outdated: Tuple of the numbers of those contexts whose keys come from an older version of the functional hash.
            The cache serves none of their evaluations until `automl.rekey` has given them new keys.
        artefacts: Number of contents (weights, supernets) that were taken over.

    Example:
        >>> Imported(contexts=1, added=100, known=20, extra=3).sentence()
        'imported 100 evaluations, 3 of them as further replicates; 20 were here already'
    """

    contexts: int
    added: int
    known: int
    extra: int
    outdated: tuple[int, ...] = ()
    artefacts: int = dataclasses.field(default=0, repr=False)

    def sentence(self) -> str:
        """Returns the numbers as a sentence."""
        more = f", {self.extra:,} of them as further replicates" if self.extra else ""
        old = (
            f"; {len(self.outdated):,} of {self.contexts:,} contexts have keys of an older functional hash, and "
            f"`{COMMAND}` computes new ones"
            if self.outdated
            else ""
        )
        kept = f"; {self.artefacts:,} artefacts were taken over" if self.artefacts else ""
        return f"imported {self.added:,} evaluations{more}; {self.known:,} were here already{kept}{old}"


def export_cache(
    database: Database,
    path: str | Path,
    *,
    contexts: Sequence[int] = (),
    groups: Sequence[int] = (),
    namespace: str | None = None,
    store: ArtefactStore | None = None,
) -> Exported:
    """Writes the finished evaluations of a database to a file. An existing file is replaced only when the new one is
    complete.

    Args:
        database: Open database to read. Running studies are not delayed.
        path: Path of the file to write, such as cache.jsonl.gz.
        contexts: Numbers of contexts; if any are given, only these are written.
        groups: Numbers of contexts; if any are given, these are written, and all contexts that differ from one of these
            in fidelity alone.
        namespace: Name of a part of the cache; if given, only this part is written.
        store: Where the database's artefacts are kept; if given, those that the evaluations have made are copied into
            the folder PATH.artefacts.

    Returns:
        An `Exported` with the numbers written; both are 0 for an empty database.

    Raises:
        InvalidInput: a context does not exist, or the file cannot be written.

    Example:
        >>> from automl.cache.store import EquivalenceCache
        >>> ours = EquivalenceCache("sqlite:///ours.db")
        >>> ours.get_or_evaluate(b"k" * 16, lambda: 0.93)
        0.93
        >>> export_cache(ours.database, "cache.jsonl.gz")
        Exported(contexts=1, evaluations=1)
        >>> theirs = Database("sqlite:///theirs.db")
        >>> import_cache(theirs, "cache.jsonl.gz")
        Imported(contexts=1, added=1, known=0, extra=0, outdated=())
    """
    named = chosen(database, contexts, groups)
    rows = [
        row
        for row in transfers.contexts(database)
        if (not named or row.id in named) and (namespace is None or row.namespace == namespace)
    ]
    still = transfers.unmoved(database, [row.id for row in rows])
    rows = [row for row in rows if row.id in still]
    path = Path(path)
    try:
        handle, partial = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}; name a file in a folder of yours") from error
    count = 0
    try:
        with os.fdopen(handle, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) as out:
            for line in _lines(database, rows):
                out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
                count += "key" in line
        Path(partial).replace(path)
    finally:
        Path(partial).unlink(missing_ok=True)
    copied, missing = (0, 0) if store is None else _copied(store, beside(path), _made(database, rows))
    return Exported(len(rows), count, copied, missing)


def beside(path: Path) -> ArtefactStore:
    """Returns the store of the artefacts of an exported file.

    Example:
        >>> beside(Path("cache.jsonl.gz")).url
        'cache.jsonl.gz.artefacts'
    """
    return ArtefactStore(f"{path}.artefacts")


def _made(database: Database, rows: Sequence[Any]) -> list[str]:
    with database.read() as connection:
        links = [link for row in rows for link in artefacts.links_in(connection, row.id)]
    return sorted({bytes(link.digest).hex() for link in links if link.relation == artefacts.MADE})


def _copied(source: ArtefactStore, target: ArtefactStore, digests: Iterable[str]) -> tuple[int, int]:
    """Copies contents, each compared with its digest; returns how many, and how many could not be read."""
    copied = missing = 0
    for digest in digests:
        try:
            target.put(source.get(digest))
            copied += 1
        except ArtefactUnreadable:
            missing += 1
    return copied, missing


def _lines(database: Database, rows: Sequence[Any]) -> Iterator[dict[str, Any]]:
    yield FORMAT
    count = 0
    named: set[int] = set()
    for row in rows:
        described = stored(row.description)
        last = b""
        links = _links(database, row.id)
        yield {
            "context": described,
            "namespace": row.namespace,
            "fingerprint": row.fingerprint.hex(),
        }
        for fact in transfers.facts(database, row.id, mark_of(described.get("hasher")), FEATURES_VERSION):
            count += 1
            more: dict[str, Any] = {"curve": stored(fact.points)} if fact.points else {}
            if fact.space is not None:
                more["space"] = fact.space
                if fact.space not in named:
                    named.add(fact.space)
                    yield _space(database, fact.space)
            if fact.numbers is not None and fact.key != last:
                more["features"] = {"version": FEATURES_VERSION, "numbers": stored(fact.numbers)}
            last = fact.key
            if fact.found is not None:
                more["found"] = stored(fact.found)
            if own := links.get((bytes(fact.key), fact.replicate)):
                more["artefacts"] = own
            yield {
                "key": fact.key.hex(),
                "replicate": fact.replicate,
                "seed": fact.seed,
                "candidate": fact.json,
                "metrics": None if fact.metrics is None else stored(fact.metrics),
                "error": fact.error,
                "seconds": fact.seconds,
                "times_seen": fact.times_seen or 0,
                **more,
            }
    yield {"end": count}


def _links(database: Database, context: int) -> dict[tuple[bytes, int], list[dict[str, Any]]]:
    found: dict[tuple[bytes, int], list[dict[str, Any]]] = {}
    with database.read() as connection:
        for link in artefacts.links_in(connection, context):
            one = {"relation": link.relation, "name": link.name, "digest": bytes(link.digest).hex(), "size": link.size}
            found.setdefault((bytes(link.key), link.replicate), []).append(one)
    return found


def _space(database: Database, number: int) -> dict[str, Any]:
    with database.read() as connection:
        found = spaces_of(connection, [number])[number]
    return {"space": number, "target": found.target, "settings": dict(found.settings), "source": found.source}


def import_cache(
    database: Database,
    path: str | Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_row: int = MAX_ROW,
    store: ArtefactStore | None = None,
) -> Imported:
    """Adds the evaluations of a file to a database, which then holds every replicate of both.

    Every row is checked, and all are written in one transaction: if a row is refused, the database is unchanged.

    Args:
        database: Open database to write to. Running studies wait for the transaction (some seconds for 100,000
            evaluations).
        path: Path of a file that `export_cache` wrote.
        max_bytes: Largest size of the decompressed file in bytes; a larger file is refused.
        max_row: Largest length of a row in bytes; a longer row is refused.
        store: Where the database's artefacts are kept; if given, those that lie beside the file are taken over, each
            compared with its digest.

    Returns:
        An `Imported` with the numbers added and known.

    Raises:
        InvalidInput: the file was not written by `export_cache`, is damaged or too large, has an invalid row (the line
            number is named), or has keys of a newer version of the functional hash. Nothing was written.

    Example:
        >>> from automl.cache.store import EquivalenceCache
        >>> ours = EquivalenceCache("sqlite:///ours.db")
        >>> ours.get_or_evaluate(b"k" * 16, lambda: 0.93)
        0.93
        >>> written = export_cache(ours.database, "cache.jsonl.gz")
        >>> import_cache(ours.database, "cache.jsonl.gz")  # nothing is stored twice
        Imported(contexts=1, added=0, known=1, extra=0, outdated=())
    """
    path = Path(path)

    def work(connection: Connection) -> Imported:
        contexts: dict[bytes, int] = {}
        old: set[int] = set()
        spaces: dict[int, int] = {}
        added = known = extra = 0
        for item in _batches(read_rows(path, max_bytes, max_row)):
            if isinstance(item, SpaceRow):
                spaces[item.number] = space_id(connection, item.space)
                continue
            context, batch = item
            mark = context.fingerprint
            found = evaluations.context_id(connection, mark, context.namespace, context.description)
            contexts[mark] = found
            described = stored(context.description)
            if version_of(described) not in (None, HASHER_VERSION):
                old.add(found)
            numbers = [(row.key, row.features) for row in batch if row.features]
            keep_features(connection, mark_of(described.get("hasher")), FEATURES_VERSION, numbers)
            merged = transfers.merge(connection, found, [_fields(row, spaces) for row in batch])
            added, known, extra = added + merged[0], known + merged[1], extra + merged[2]
        return Imported(len(contexts), added, known, extra, tuple(sorted(old)))

    done = database.write(work)
    if store is None:
        return done
    contents = beside(path)
    copied, _ = _copied(contents, store, [digest for digest, _ in contents.digests()])
    return dataclasses.replace(done, artefacts=copied)


def _fields(row: EvaluationRow, spaces: Mapping[int, int]) -> dict[str, Any]:
    """Returns the columns of a row; its space has another number here than in the file."""
    return {**dataclasses.asdict(row), "space": None if row.space is None else spaces[row.space]}


_Batch = tuple[ContextRow, list[EvaluationRow]]


def _batches(rows: Iterator[ContextRow | EvaluationRow | SpaceRow]) -> Iterator[_Batch | SpaceRow]:
    """Yields spaces as they come, and evaluations in batches of one context each, a context without any once."""
    context: ContextRow | None = None
    batch: list[EvaluationRow] = []
    for row in rows:
        if isinstance(row, SpaceRow):
            yield row  # its evaluations come after it, and so does their batch
            continue
        if context is not None and (isinstance(row, ContextRow) or len(batch) == _BATCH):
            yield context, batch
            batch = []
        if isinstance(row, ContextRow):
            context = row
        else:
            batch.append(row)
    if context is not None:
        yield context, batch
