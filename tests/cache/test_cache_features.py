"""Features of classes as rows: stored once, read by the next search, exported, imported, pruned, and given new keys."""

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rekey_parts import OLD, described, fill, key_of, pair, rekeyed, space_file, stored
from sqlalchemy import select

import automl
from automl.behaviour import Array, Graph, Node, Probe
from automl.cache import features as stored_features
from automl.cache import maintenance
from automl.cache.features import StoredFeatures
from automl.cache.store import EquivalenceCache
from automl.cache.transfer import export_cache, import_cache
from automl.cache.versions import hasher_now, mark_of
from automl.errors import InvalidInput
from automl.hashing import Hasher
from automl.hashing.features import FEATURES_VERSION, written
from automl.hashing.isolated import HashJobs
from automl.storage.engine import Database
from automl.storage.features import keep_features
from automl.storage.schema import feature
from automl.strategies.surrogate import Surrogate

ONE, OTHER = b"1" * 16, b"2" * 16


@pytest.fixture
def database(any_url: str) -> Any:
    with Database(any_url) as opened:
        yield opened


def of(database: Database, *keys: bytes, hasher: Hasher | None = None) -> dict[bytes, dict[str, list[float]]]:
    found = StoredFeatures(database, hasher or Hasher()).find(list(keys))
    return {key: {name: values.tolist() for name, values in one.items()} for key, one in found.items()}


def keep(database: Database, features: dict[bytes, Any], hasher: Hasher | None = None) -> None:
    rows = StoredFeatures(database, hasher or Hasher())
    rows.add(features)
    rows.write()


def count(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(select(feature)).all())


def test_features_stand_once_a_class_under_their_hasher_and_version(database: Database) -> None:
    keep(database, {ONE: {"shape": np.array([0.1, 1e-300, -0.0])}, OTHER: {}})
    keep(database, {ONE: {"shape": np.array([9.0])}})  # the first that came stay
    assert of(database, ONE, OTHER) == {ONE: {"shape": [0.1, 1e-300, 0.0]}}
    assert of(database, ONE, hasher=Hasher(Probe((Array((4,)),)))) == {}
    mark = mark_of(Hasher().description())
    for version in (FEATURES_VERSION + 1, FEATURES_VERSION):  # an older program replaces nothing
        row = (ONE, written({"shape": np.array([float(version)])}))
        database.write(partial(keep_features, hasher=mark, version=version, rows=[row]))
    assert of(database, ONE) == {}
    assert count(database) == 1


def test_what_waits_is_written_before_it_grows_and_memory_is_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_features, "WAITING", 3)
    monkeypatch.setattr(stored_features, "REMEMBERED_BYTES", 5000)
    rows = StoredFeatures(database, Hasher())
    keys = [bytes([number]) * 16 for number in range(8)]
    for number, key in enumerate(keys):
        rows.add({key: {"paths": np.eye(1, 200, number)[0]}})
        rows.write_due()
    assert (count(database), len(rows.waiting), len(rows._known)) == (6, 2, 2)
    found = rows.find(keys)
    assert [found[key]["paths"].argmax() for key in keys] == list(range(8))


def test_features_go_along_with_an_exported_cache_and_are_checked(database: Database, tmp_path: Path) -> None:
    context = described()
    cache = EquivalenceCache(database)
    for key in (ONE, OTHER):
        cache.get_or_evaluate(key, lambda: {"accuracy": 0.5}, context=context, replicates=2)
    numbers = {"shape": np.array([2.0, np.nan, 0.1]), "paths": np.eye(1, 300, 7)[0]}
    keep(database, {ONE: numbers, b"of a pool" + b"0" * 7: numbers})
    file = tmp_path / "cache.jsonl.gz"
    assert export_cache(database, file).evaluations == 4
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert [("features" in line) for line in lines if "key" in line] == [True, False, False, False]
    there = Database(f"sqlite:///{tmp_path / 'there.db'}")
    import_cache(there, file)
    assert list(of(there, ONE, OTHER)) == [ONE]
    assert of(there, ONE)[ONE]["paths"] == numbers["paths"].tolist()
    again = tmp_path / "again.jsonl.gz"
    export_cache(there, again)
    assert gzip.decompress(again.read_bytes()) == gzip.decompress(file.read_bytes())
    for wrong, why in {
        "[]": "features are a JSON object",
        '{"numbers":{},"version":1,"more":1}': "unknown",
        '{"numbers":{"a":["x"]},"version":1}': "it must be a number",
        '{"numbers":{"a":{"of":1e9}},"version":1}': "4096 numbers or fewer",
        '{"numbers":{"a":{"of":3,"3":1}},"version":1}': "have no place",
    }.items():
        rows = [line | ({"features": json.loads(wrong)} if line.get("features") else {}) for line in lines]
        damaged = tmp_path / "damaged.jsonl.gz"
        damaged.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))
        with pytest.raises(InvalidInput, match=why):
            import_cache(there, damaged)
    newer = [line | ({"features": {"version": 99, "numbers": {}}} if line.get("features") else {}) for line in lines]
    file.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in newer).encode()))
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    assert import_cache(fresh, file).added == 4
    assert count(fresh) == 0


def test_pruning_removes_the_features_of_classes_that_nothing_belongs_to(database: Database) -> None:
    cache = EquivalenceCache(database)
    kept, gone = (cache.context({**described(), "task": task}) for task in ("kept", "gone"))
    cache.get_or_evaluate(ONE, lambda: 0.5, context={**described(), "task": "kept"})
    cache.get_or_evaluate(OTHER, lambda: 0.5, context={**described(), "task": "gone"})
    keep(database, {key: {"shape": np.ones(2)} for key in (ONE, OTHER, b"3" * 16)})
    assert kept != gone
    assert maintenance.prune(database, contexts=[gone]).features == 2
    assert list(of(database, ONE, OTHER, b"3" * 16)) == [ONE]


class Chain(automl.Space):
    """Three functions in a row, which a graph computes."""

    first = automl.Choice("relu", "tanh", "abs", "square")
    second = automl.Choice("relu", "tanh", "abs", "square")
    third = automl.Choice("relu", "tanh", "abs", "square")

    def behaviour(self, candidate: Any) -> Graph:
        nodes = (Node("input"), *(Node(candidate.value[name], (at,)) for at, name in enumerate(candidate.value)))
        return Graph(nodes, (3,), probe=Probe((Array((4,)),)))


def worth(candidate: Any) -> float:
    return float(sum(map(len, candidate.value.values())))


def search(url: str, trials: int, name: str = "s") -> list[str]:
    study = automl.search(
        Chain(), evaluator=automl.FunctionEvaluator(worth, code_version="1"), trials=trials, storage=url, study=name,
        strategy=Surrogate(hashed=8, kept=30), workers=0, baseline=False, confirm=1, seed=0,
    )  # fmt: skip
    return [trial.candidate for trial in study.trials()]


def test_a_search_stores_what_it_learns_from_and_one_resumed_reads_it(
    any_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    really = StoredFeatures.add

    def counted(self: StoredFeatures, features: Any) -> None:
        computed.append(len(features))
        really(self, features)

    monkeypatch.setattr(StoredFeatures, "add", counted)
    first = search(any_url, 12)
    with Database(any_url) as database:
        stored_classes = count(database)
        assert stored_classes == sum(computed) > 12  # each class once, and the pool's, too
    computed.clear()
    resumed = search(any_url, 14)
    assert resumed[:12] == first
    with Database(any_url) as database:
        assert sum(computed) == count(database) - stored_classes
        database.write(lambda connection: connection.execute(feature.delete()).rowcount)
    assert search(any_url, 14, "other") == resumed  # an old database: they are computed when they are wanted


GRAPHS = '''
import automl
from automl.behaviour import Array, Graph, Node, Probe


class Pair(automl.Space):
    """A graph that adds two functions in either order."""

    x = automl.Integer(0, 99)
    y = automl.Integer(0, 99)

    def behaviour(self, candidate):
        names = ["relu" if one % 2 else "tanh" for one in (candidate.x, candidate.y)]
        nodes = (Node("input"), Node(names[0], (0,)), Node(names[1], (0,)), Node("add", (1, 2)))
        return Graph(nodes, (3,), probe=Probe((Array((4,)),)))
'''


@pytest.mark.parametrize("wanted", [True, False])
def test_a_rekey_computes_the_features_of_the_new_keys_where_the_old_ones_had_some(
    database: Database, tmp_path: Path, wanted: bool
) -> None:
    target = space_file(tmp_path, GRAPHS)
    old = described(OLD)
    fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5), (key_of(2), pair(2, 1), 0.25)], old)
    if wanted:
        mark = mark_of(old["hasher"])
        database.write(lambda given: keep_features(given, mark, 1, [(key_of(1), '{"shape":[1.0]}')]))
    done = rekeyed(database)
    assert [(one.classes, one.classes_now) for one in done.contexts] == [(2, 1)]
    space = automl.setup.targets.resolve(target)[0]
    candidate = space.decode({"x": 1, "y": 2})
    hasher = hasher_now(old["hasher"])
    assert hasher is not None
    jobs = HashJobs(space, hasher)
    [key] = jobs.hash([candidate], features=True)
    found = of(database, key.key, hasher=hasher)
    named = {name: values.tolist() for name, values in key.features.items()}
    assert found == ({key.key: named} if wanted else {})
