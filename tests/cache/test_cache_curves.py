"""Learning curves beside results: stored with them, dropped with them, pruned with them, carried with them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from cache_parts import asked, done, lost
from sqlalchemy import func, select

from automl.cache import maintenance
from automl.cache.records import Claim
from automl.cache.store import EquivalenceCache
from automl.cache.transfer import export_cache, import_cache
from automl.errors import InvalidInput
from automl.evaluators.curves import LearningCurve
from automl.storage.engine import Database
from automl.storage.schema import curve
from automl.storage.sessions import Session

DESCRIPTION = {"task": "digits", "hasher": {"version": "1"}}
KEYS = [bytes([number]) * 16 for number in range(4)]


def points(*values: float) -> str:
    made = LearningCurve()
    for epoch, value in enumerate(values, 1):
        made.report(epoch, {"accuracy": value})
    return made.json()


def claims_of(cache: EquivalenceCache, context: int, replicates: int = 1) -> list[Claim]:
    requests = [asked(number, key, f'"{number}"', replicates) for number, key in enumerate(KEYS)]
    return [claim for found in cache.resolve_many(context, 1, requests, None) for claim in found.claims]


@pytest.fixture
def database(any_url: str) -> Database:
    return Database(any_url)


def stored(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(curve)).scalar_one())


def fill(database: Database, *, base: float = 0.5, description: object = DESCRIPTION) -> int:
    """Stores two replicates of every class, with curves for the first two classes."""
    with Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context(description)
        claims = claims_of(cache, context, 2)
        ends = []
        for claim in claims:
            accuracy = base + claim.replicate / 10
            ends.append(
                done(claim, {"accuracy": accuracy}, 1.0, points(0.1, accuracy) if claim.key in KEYS[:2] else "")
            )
        cache.finish_many(context, ends)
        return context


def test_curves_stand_beside_their_replicates(database: Database) -> None:
    context = fill(database)
    cache = EquivalenceCache(database)
    found = cache.learning_curves(context, [*KEYS, b"\7" * 16])
    assert {key: {number: one.values("accuracy") for number, one in of.items()} for key, of in found.items()} == {
        key: {0: {1.0: 0.1, 2.0: 0.5}, 1: {1.0: 0.1, 2.0: 0.6}} for key in KEYS[:2]
    }
    assert cache.classes_with_curves(context, 9) == KEYS[:2]
    assert cache.classes_with_curves(context, 1) == KEYS[:1]
    assert cache.classes_with_curves(context + 1, 9) == []


def test_the_curve_of_a_result_that_came_too_late_is_dropped_with_it(database: Database) -> None:
    with Session(database) as early, Session(database) as late:
        first = EquivalenceCache(database, session=early)
        context = first.context(DESCRIPTION)
        claims = claims_of(first, context)
        first.finish_many(context, [lost(claims[0], "the worker died")])
        second = EquivalenceCache(database, session=late)
        second.context(DESCRIPTION)
        (taken,) = claims_of(second, context)
        first.finish_many(context, [done(claim, {"accuracy": 0.1}, 1.0, points(0.1)) for claim in claims])
        assert first.learning_curves(context, KEYS).keys() == set(KEYS[1:])
        second.finish_many(context, [done(taken, {"accuracy": 0.9}, 1.0, points(0.9))])
        assert second.learning_curves(context, KEYS[:1])[KEYS[0]][0].values("accuracy") == {1.0: 0.9}


def test_pruning_takes_the_curves_along_and_leaves_the_others(database: Database) -> None:
    kept, pruned = fill(database), fill(database, description={"task": "other"})
    assert stored(database) == 8
    maintenance.prune(database, contexts=[pruned])
    assert stored(database) == 4
    assert EquivalenceCache(database).learning_curves(kept, KEYS).keys() == set(KEYS[:2])
    fill(database, base=0.2, description={"task": "other"})
    found = EquivalenceCache(database).learning_curves(pruned, KEYS)
    assert found[KEYS[0]][0].values("accuracy")[2.0] == 0.2


def test_an_exported_cache_carries_them_into_another_one(database: Database, tmp_path: Path) -> None:
    fill(database)
    export_cache(database, tmp_path / "cache.gz")
    with Database(f"sqlite:///{tmp_path / 'there.db'}") as there:
        fill(there, base=0.3)  # the same seeds with other results: what comes is kept as replicates 2 and 3
        import_cache(there, tmp_path / "cache.gz")
        cache = EquivalenceCache(there)
        found = cache.learning_curves(cache.context(DESCRIPTION), KEYS)
        assert {number: one.values("accuracy")[2.0] for number, one in found[KEYS[1]].items()} == {
            0: 0.3, 1: 0.4, 2: 0.5, 3: 0.6,
        }  # fmt: skip
        assert stored(there) == 8
        import_cache(there, tmp_path / "cache.gz")
        assert stored(there) == 8


def rewritten(file: Path, change: object) -> Path:
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    for line in lines:
        change(line)  # type: ignore[operator]
    file.write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    return file


def test_a_file_of_the_first_version_has_none_and_is_read(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'here.db'}") as here:
        fill(here)
        export_cache(here, tmp_path / "cache.gz")

    def older(line: dict[str, object]) -> None:
        line.pop("curve", None)
        if "version" in line:
            line["version"] = 1

    with Database(f"sqlite:///{tmp_path / 'there.db'}") as there:
        assert import_cache(there, rewritten(tmp_path / "cache.gz", older)).added == 8
        assert stored(there) == 0


def test_an_import_gives_known_results_the_curves_that_they_lack(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'here.db'}") as here:
        context = fill(here)
        export_cache(here, tmp_path / "cache.gz")
        here.write(lambda connection: connection.execute(curve.delete()))
        assert import_cache(here, tmp_path / "cache.gz").known == 8
        assert EquivalenceCache(here).learning_curves(context, KEYS).keys() == set(KEYS[:2])


def test_a_failed_evaluation_with_a_curve_is_refused(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'here.db'}") as here:
        fill(here)
        export_cache(here, tmp_path / "cache.gz")

    def failed(line: dict[str, object]) -> None:
        if "curve" in line:
            line.update(metrics=None, error="ValueError")

    with (
        Database(f"sqlite:///{tmp_path / 'there.db'}") as there,
        pytest.raises(InvalidInput, match=r"line 3: an evaluation that failed has no learning curve"),
    ):
        import_cache(there, rewritten(tmp_path / "cache.gz", failed))


@pytest.mark.parametrize("wrong", [5, [[1.0]], [[2.0, {"a": 1.0}], [1.0, {"a": 1.0}]], [[1.0, {"a": "x"}]], "text"])
def test_a_curve_that_is_none_is_refused_with_its_line(tmp_path: Path, wrong: object) -> None:
    with Database(f"sqlite:///{tmp_path / 'here.db'}") as here:
        fill(here)
        export_cache(here, tmp_path / "cache.gz")
    file = rewritten(tmp_path / "cache.gz", lambda line: line.update(curve=wrong) if "curve" in line else None)
    with (
        Database(f"sqlite:///{tmp_path / 'there.db'}") as there,
        pytest.raises(InvalidInput, match=r"line 3: .*learning curve"),
    ):
        import_cache(there, file)
