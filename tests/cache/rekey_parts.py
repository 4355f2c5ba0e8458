"""What the tests of `automl cache rekey` share: a database as an older hash left it, with whatever keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xxhash
from cache_parts import asked, done, failed
from sqlalchemy import select

import automl
from automl.cache.store import EquivalenceCache
from automl.hashing import Hasher
from automl.jsontext import canonical
from automl.setup.rekeying import stored_as
from automl.setup.targets import resolve
from automl.storage.candidates import digest
from automl.storage.engine import Database
from automl.storage.schema import curve, evaluation
from automl.storage.sessions import Session
from automl.storage.spaces import StoredSpace, space_id

SPACE = '''
import pathlib, time
import automl
from automl.behaviour import Configuration


class Pair(automl.Space):
    """Two numbers whose order does not matter."""

    x = automl.Integer(0, 99)
    y = automl.Integer(0, 99)

    def behaviour(self, candidate):
        slow = pathlib.Path(__file__).with_name("seconds")
        time.sleep(float(slow.read_text()) if slow.exists() else 0)
        return Configuration(sorted((candidate.x, candidate.y)))
'''
"""A user's file. The hash of today sees two orders of one pair as equal; a file beside it makes that slow."""

OLD = "0"
"""A version of the hash that is older than any that there was."""


def described(version: str | None = None, **more: Any) -> dict[str, Any]:
    """A context of a search, under the hash of today or an older one."""
    hasher = Hasher().description()
    return {
        "hasher": hasher if version is None else {**hasher, "version": version},
        "evaluator": {"name": "weighing", "version": "1", "settings": {}},
        "fidelity": {},
        "part": "validation",
        **more,
    }


def pair(x: int, y: int) -> str:
    return canonical({"x": x, "y": y})


def key_of(*what: Any) -> bytes:
    """A key that an old hash gave."""
    return xxhash.xxh3_128_digest(canonical(list(what)).encode())


def key_now(x: int, y: int) -> bytes:
    """The key of a pair today."""
    from automl.behaviour import Configuration

    return Hasher().hash_many([(Configuration(sorted((x, y))), {})])[0].key


def space_file(folder: Path, text: str = SPACE) -> str:
    """Writes the user's file and returns the target of its space."""
    (folder / "pair.py").write_text(text)
    return f"{folder}/pair.py:Pair"


def stored(target: str) -> StoredSpace:
    return stored_as(resolve(target)[1])


Evaluated = tuple[bytes, str, Any]
"""Old key, candidate, and the metric; None for a failure."""


def fill(
    database: Database,
    space: StoredSpace | None,
    evaluated: Sequence[Evaluated],
    description: dict[str, Any] | None = None,
    study: int | None = None,
    audits: Sequence[Evaluated] = (),
) -> int:
    """Stores evaluations under an old hash's keys, in the order of time, and returns their context."""
    with Session(database) as session:
        number = None if space is None else database.write(lambda given: space_id(given, space))
        cache = EquivalenceCache(database, session=session, space=number)
        context = cache.context(description or described(OLD))
        met: dict[bytes, int] = {}
        for place, (key, candidate, metric) in enumerate(evaluated):
            first = met.get(key, 0)
            met[key] = first + 1
            _one(cache, context, study, asked(place, key, candidate, first + 1, first=first), metric)
            _at(database, context, (key, candidate, metric), place)
        for place, (key, candidate, metric) in enumerate(audits, len(evaluated)):
            _one(cache, context, study, asked(place, key, candidate, met[key], audit=True), metric)
            _at(database, context, (key, candidate, metric), place)
    return context


def _one(cache: EquivalenceCache, context: int, study: int | None, request: Any, metric: Any) -> None:
    (claim,) = cache.resolve_many(context, study, [request], None, count=True)[0].claims
    points = f'[[1.0,{{"score":{metric}}}]]'
    end = failed(claim, "ValueError: no") if metric is None else done(claim, {"score": metric}, 2.0, points)
    cache.finish_many(context, [end])


def _at(database: Database, context: int, one: Evaluated, time: int) -> None:
    """Gives each evaluation a second of its own, so that no clock decides their order."""
    mine = (evaluation.c.context == context, evaluation.c.key == one[0], evaluation.c.candidate == digest(one[1]))
    dated = evaluation.update().where(*mine, evaluation.c.changed > 1e6).values(changed=float(time))
    database.write(lambda connection: connection.execute(dated).rowcount)


def rows(database: Database, context: int) -> list[Any]:
    """All evaluations of a context by key and replicate."""
    with database.read() as connection:
        query = select(evaluation).where(evaluation.c.context == context)
        return list(connection.execute(query.order_by(evaluation.c.key, evaluation.c.replicate)))


def curves(database: Database, context: int) -> dict[tuple[bytes, int], str]:
    with database.read() as connection:
        found = connection.execute(select(curve).where(curve.c.context == context))
        return {(row.key, row.replicate): row.points for row in found}


def context_now(database: Database, **more: Any) -> int:
    return EquivalenceCache(database).context(described(**more))


def scores(found: Sequence[Any]) -> list[Any]:
    return [None if row.metrics is None else float(row.metrics[len('{"score":') : -1]) for row in found]


def served(database: Database, x: int, y: int) -> list[float]:
    """What a search of today is served for a pair."""
    results = EquivalenceCache(database).replicates(context_now(database), [key_now(x, y)])
    return [one.metrics["score"] for some in results.values() for one in some if one.metrics]


def rekeyed(database: Database, **more: Any) -> Any:
    return automl.rekey(database.url, **more)
