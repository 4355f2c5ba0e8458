"""Export and import: nothing is lost, nothing is believed."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cache_parts import asked, done, failed, lost

from automl.cache import maintenance
from automl.cache.store import EquivalenceCache
from automl.cache.transfer import Exported, Imported, export_cache, import_cache
from automl.errors import InvalidInput
from automl.hashing import HASHER_VERSION
from automl.storage.engine import Database
from automl.storage.sessions import Session

DESCRIPTION = {"task": "größe", "hasher": {"version": HASHER_VERSION}}


def fill(database: Database, results: dict[tuple[int, int], float | None], description: Any = DESCRIPTION) -> None:
    """Evaluates {(class, replicate): accuracy or None for a failure}."""
    with Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context(description)
        for (number, replicate), accuracy in results.items():
            request = asked(number, bytes([number]) * 16, f'"candidate {number}"', replicate + 1, first=replicate)
            (claim,) = cache.resolve_many(context, 1, [request], None, count=True)[0].claims
            if accuracy is None:
                cache.finish_many(context, [failed(claim, "ValueError: größe", 1.5)])
            else:
                cache.finish_many(context, [done(claim, {"accuracy": accuracy}, 1.5)])


def content(database: Database, description: Any = DESCRIPTION) -> dict[tuple[int, int], float | None]:
    cache = EquivalenceCache(database)
    context = cache.context(description)
    stored = cache.replicates(context, [bytes([number]) * 16 for number in range(256)])
    return {
        (key[0], result.replicate): result.metrics["accuracy"] if result.metrics else None
        for key, results in stored.items()
        for result in results
    }


@pytest.fixture
def here(any_url: str) -> Database:
    return Database(any_url)


@pytest.fixture
def there(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'there.db'}")


def test_what_is_exported_is_imported_whole(here: Database, there: Database, tmp_path: Path) -> None:
    results = {(0, 0): 0.1, (0, 1): 0.30000000000000004, (7, 0): None, (9, 0): 1e-300, (200, 0): 0.5}
    fill(here, results)
    file = tmp_path / "cache.jsonl.gz"
    assert export_cache(here, file) == Exported(contexts=1, evaluations=5)
    assert import_cache(there, file) == Imported(contexts=1, added=5, known=0, extra=0)
    assert content(there) == results
    assert import_cache(there, file) == Imported(contexts=1, added=0, known=5, extra=0)
    again = tmp_path / "again.jsonl.gz"
    export_cache(there, again)
    assert gzip.decompress(again.read_bytes()) == gzip.decompress(file.read_bytes())


def test_merging_keeps_every_replicate_of_either_side(here: Database, there: Database, tmp_path: Path) -> None:
    fill(here, {(0, 0): 0.1, (0, 1): 0.2, (1, 0): 0.5, (3, 0): None})
    fill(there, {(0, 0): 0.1, (0, 2): 0.3, (2, 0): 0.6, (3, 0): None})
    file = tmp_path / "cache.jsonl.gz"
    export_cache(there, file)
    assert import_cache(here, file) == Imported(contexts=1, added=2, known=2, extra=0)
    assert content(here) == {(0, 0): 0.1, (0, 1): 0.2, (0, 2): 0.3, (1, 0): 0.5, (2, 0): 0.6, (3, 0): None}


def test_another_result_of_the_same_replicate_becomes_a_further_one(
    here: Database, there: Database, tmp_path: Path
) -> None:
    fill(here, {(0, 0): 0.1, (0, 1): 0.2})
    fill(there, {(0, 0): 0.15, (0, 1): 0.2})
    one, two = tmp_path / "one.jsonl.gz", tmp_path / "two.jsonl.gz"
    export_cache(there, one)
    assert import_cache(here, one) == Imported(contexts=1, added=1, known=1, extra=1)
    assert content(here) == {(0, 0): 0.1, (0, 1): 0.2, (0, 2): 0.15}
    assert import_cache(here, one).added == 0  # and only once
    export_cache(here, two)
    assert import_cache(there, two).sentence() == (
        "imported 1 evaluations, 1 of them as further replicates; 2 were here already"
    )
    assert sorted(content(there).values()) == [0.1, 0.15, 0.2]


def test_an_import_fills_what_is_claimed_or_lost_here(here: Database, there: Database, tmp_path: Path) -> None:
    fill(there, {(0, 0): 0.1, (1, 0): 0.2})
    file = tmp_path / "cache.jsonl.gz"
    export_cache(there, file)
    with Session(here) as session:
        cache = EquivalenceCache(here, session=session)
        context = cache.context(DESCRIPTION)
        requests = [asked(number, bytes([number]) * 16, f'"candidate {number}"') for number in range(2)]
        one, two = cache.resolve_many(context, 1, requests, None)
        cache.finish_many(context, [lost(two.claims[0], "lost")])
        assert import_cache(here, file).added == 2
        cache.finish_many(context, [done(one.claims[0], {"accuracy": 0.9}, 1.0)])  # too late
        assert content(here) == {(0, 0): 0.1, (1, 0): 0.2}


def test_only_some_contexts_or_one_namespace_can_be_exported(here: Database, there: Database, tmp_path: Path) -> None:
    fill(here, {(0, 0): 0.1})
    fill(here, {(1, 0): 0.2}, {"task": "other"})
    EquivalenceCache(here, namespace="elsewhere").get_or_evaluate(5, lambda: 1.0)
    file = tmp_path / "cache.jsonl.gz"
    second = maintenance.stats(here).contexts[1]
    assert export_cache(here, file, contexts=[second.id]) == Exported(1, 1)
    import_cache(there, file)
    assert content(there, {"task": "other"}) == {(1, 0): 0.2}
    assert content(there) == {}
    assert export_cache(here, file, namespace="elsewhere") == Exported(1, 1)
    with pytest.raises(InvalidInput, match="there is no context 99"):
        export_cache(here, file, contexts=[99])
    with pytest.raises(InvalidInput, match="cannot be written"):
        export_cache(here, tmp_path / "nowhere" / "cache.jsonl.gz")


@pytest.fixture
def exported(tmp_path: Path, there: Database) -> Path:
    fill(there, {(number, 0): number / 10 for number in range(3)})
    path = tmp_path / "cache.jsonl.gz"
    export_cache(there, path)
    return path


def change(line: int, **fields: Any) -> Callable[[list[Any]], list[Any]]:
    def edit(rows: list[Any]) -> list[Any]:
        rows[line].update(fields)
        return rows

    return edit


def without(line: int, name: str) -> Callable[[list[Any]], list[Any]]:
    def edit(rows: list[Any]) -> list[Any]:
        del rows[line][name]
        return rows

    return edit


SPOILED = [
    (change(0, version=5), "line 1: this is not an exported cache"),
    (change(1, namespace="other"), "line 2: the fingerprint"),
    (change(1, context={"task": "other"}), "line 2: the fingerprint"),
    (
        change(1, context={**DESCRIPTION, "hasher": {"version": "1000"}}),
        "line 2: its keys come from version 1000 of the functional hash",
    ),
    (change(2, seed=5), "line 3: the seed is not that of this class"),
    (change(2, key="00"), "line 3: the key '00' is not 32 hexadecimal digits"),
    (change(2, key=5), "line 3: the key 5 is not 32"),
    (change(2, replicate=True), "line 3: replicate is True"),
    (change(2, replicate=-5), "line 3: the number of an audit"),
    (change(2, seconds=-1), "line 3: seconds is -1"),
    (change(2, candidate="{ }"), "line 3: the candidate is not canonical JSON"),
    (change(2, metrics=[1]), "line 3: metrics are a JSON object"),
    (change(2, metrics=None), "line 3: an evaluation has either metrics or an error"),
    (change(2, error="why"), "line 3: an evaluation has either metrics or an error"),
    (change(2, extra=1), "line 3: the field 'extra' is unknown"),
    (without(3, "times_seen"), "line 4: the field 'times_seen' is missing"),
    (lambda rows: rows[:-1], "is cut short: its last line is missing"),
    (lambda rows: rows[:3] + rows[4:], "it says that 3 evaluations came before it, and 2 did"),
    (lambda rows: [rows[0], *rows[2:]], "line 2: an evaluation before any context"),
    (lambda rows: [*rows, rows[2]], "a row after the last one"),
    (lambda rows: [rows[0], 5, *rows[1:]], "line 2: not a JSON object"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILED)
def test_a_row_that_is_not_valid_is_refused_with_its_line_and_nothing_is_written(
    exported: Path, any_url: str, spoil: Callable[[list[Any]], list[Any]], said: str
) -> None:
    rows = [json.loads(line) for line in gzip.decompress(exported.read_bytes()).splitlines()]
    exported.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in spoil(rows)).encode()))
    with Database(any_url) as database:
        with pytest.raises(InvalidInput) as caught:
            import_cache(database, exported)
        assert said in str(caught.value)
        assert maintenance.stats(database).contexts == []


@pytest.mark.parametrize("text", ['{"accuracy": NaN}', "not JSON", '{"a": 1', b"\xff\xfe".decode("latin1")])
def test_text_that_is_not_json_is_refused(exported: Path, there: Database, text: str) -> None:
    lines = gzip.decompress(exported.read_bytes()).splitlines()
    lines[2] = text.encode("latin1")
    exported.write_bytes(gzip.compress(b"\n".join(lines)))
    with pytest.raises(InvalidInput, match="line 3"):
        import_cache(there, exported)


def test_bombs_and_endless_rows_are_refused(tmp_path: Path, there: Database) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"0" * (64 << 20)))
    with pytest.raises(InvalidInput, match="a row of more than 1,048,576 bytes"):
        import_cache(there, bomb)
    bomb.write_bytes(gzip.compress(b'{"format":"automl-cache","version":1}\n' + b"\n".join([b"{}"] * 100_000)))
    with pytest.raises(InvalidInput, match=r"holds more than 20 bytes when decompressed"):
        import_cache(there, bomb, max_bytes=20)


def test_a_file_that_is_no_export_is_refused(tmp_path: Path, there: Database, exported: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("hello")
    for path in (plain, tmp_path / "missing.gz", tmp_path):
        with pytest.raises(InvalidInput, match="cannot be read as an exported cache"):
            import_cache(there, path)
    exported.write_bytes(exported.read_bytes()[:-20])
    with pytest.raises(InvalidInput, match="cannot be read as an exported cache"):
        import_cache(there, exported)
