"""New keys for stored evaluations: nothing is lost, nothing is evaluated, every figure stands at its own function."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cache_parts import asked, done, lost
from rekey_parts import (
    OLD,
    SPACE,
    context_now,
    curves,
    described,
    fill,
    key_now,
    key_of,
    pair,
    rekeyed,
    rows,
    scores,
    served,
    space_file,
    stored,
)

from automl.cache import keys
from automl.cache.audits import audit_report
from automl.cache.maintenance import prune, stats
from automl.cache.store import EquivalenceCache
from automl.cache.transfer import export_cache, import_cache
from automl.cache.versions import outdated, waiting_sentence
from automl.errors import InvalidInput
from automl.evaluators.checkpoints import file_of
from automl.hashing import HASHER_VERSION
from automl.setup.targets import resolve
from automl.storage.candidates import digest
from automl.storage.engine import Database
from automl.storage.sessions import Session
from automl.storage.spaces import StoredSpace


def test_classes_that_fall_together_keep_all_replicates_in_the_order_of_time(database: Database, target: str) -> None:
    one, other = key_of("one order"), key_of("the other order")
    old = fill(
        database,
        stored(target),
        [(one, pair(1, 2), 0.5), (other, pair(2, 1), 0.25), (one, pair(1, 2), 0.125), (other, pair(2, 1), None)],
    )
    before, points = rows(database, old), curves(database, old)
    done = rekeyed(database)
    assert [(one.classes, one.classes_now, one.merged, one.split) for one in done.contexts] == [(2, 1, 1, 0)]
    now = context_now(database)
    found = rows(database, now)
    assert [(row.key, row.replicate) for row in found] == [(key_now(1, 2), number) for number in range(4)]
    assert scores(found) == [0.5, 0.25, 0.125, None]
    by_time = sorted(before, key=lambda row: row.changed)
    kept = ("state", "seed", "candidate", "metrics", "error", "seconds", "study", "trial", "changed")
    assert [[getattr(row, name) for name in kept] for row in found] == [
        [getattr(row, name) for name in kept] for row in by_time
    ]
    assert [json.loads(row.found) for row in found] == [
        {
            "group": keys.fingerprint("default", described(OLD)).hex(),
            "hasher": OLD,
            "key": row.key.hex(),
            "replicate": row.replicate,
        }
        for row in by_time
    ]
    new_points = curves(database, now)
    assert {number: new_points.get((key_now(1, 2), number)) for number in range(4)} == {
        number: points.get((row.key, row.replicate)) for number, row in enumerate(by_time)
    }
    assert served(database, 2, 1) == [0.5, 0.25, 0.125]
    assert [(row.key, row.replicate, row.moved) for row in rows(database, old)] == [
        (row.key, row.replicate, now) for row in before
    ]


def test_a_class_that_splits_gives_each_evaluation_to_its_own_candidates_class(database: Database, target: str) -> None:
    wrong = key_of("all alike")
    fill(database, stored(target), [(wrong, pair(1, 2), 0.5), (wrong, pair(3, 4), 0.25), (wrong, pair(2, 1), 0.125)])
    [done] = rekeyed(database).contexts
    assert (done.evaluations, done.classes, done.classes_now, done.split) == (3, 1, 2, 1)
    assert served(database, 1, 2) == [0.5, 0.125]
    assert served(database, 4, 3) == [0.25]


def test_an_audit_that_showed_a_wrong_merge_becomes_the_figure_of_its_own_function(
    database: Database, target: str
) -> None:
    wrong = key_of("all alike")
    audits = [(wrong, pair(2, 1), 0.5), (wrong, pair(3, 4), 0.25), (wrong, pair(4, 3), 0.75)]
    old = fill(database, stored(target), [(wrong, pair(1, 2), 0.5)], audits=audits)
    assert audit_report(database, "score", context=old).audited == 3
    rekeyed(database)
    now = context_now(database)
    found = {(row.key, row.candidate): row.replicate for row in rows(database, now)}
    right, own = key_now(1, 2), key_now(3, 4)
    assert found[right, digest(pair(1, 2))] == 0
    assert found[right, digest(pair(2, 1))] == keys.audit_replicate(pair(2, 1))
    assert found[own, digest(pair(3, 4))] == 0
    assert found[own, digest(pair(4, 3))] == keys.audit_replicate(pair(4, 3))
    assert served(database, 3, 4) == [0.25]
    assert audit_report(database, "score", context=old).audited == 3  # what the old study found stands
    assert audit_report(database, "score").audited == 2


def test_what_is_served_already_keeps_its_number(database: Database, target: str) -> None:
    fill(database, stored(target), [(key_now(1, 2), pair(1, 2), 0.75)], described())
    fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5), (key_of(2), pair(2, 1), 0.25)])
    rekeyed(database)
    assert served(database, 1, 2) == [0.75, 0.5, 0.25]
    fill(database, stored(target), [(key_of(3), pair(2, 1), 0.125)], described("00"))
    rekeyed(database)
    assert served(database, 1, 2) == [0.75, 0.5, 0.25, 0.125]


def test_an_evaluation_that_comes_again_is_known(database: Database, target: str, tmp_path: Path) -> None:
    old = fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5), (key_of(2), pair(3, 4), None)])
    file = tmp_path / "before.jsonl.gz"
    export_cache(database, file)
    rekeyed(database)
    before = rows(database, context_now(database))
    assert prune(database, contexts=[old]).evaluations == 2
    found = import_cache(database, file)
    assert (found.added, found.known, found.outdated) == (2, 0, (old,))
    [done] = rekeyed(database).contexts
    assert (done.evaluations, done.known) == (2, 2)
    assert rows(database, context_now(database)) == before


def test_an_export_afterwards_takes_everything_along_and_its_seeds_are_checked(
    database: Database, target: str, tmp_path: Path
) -> None:
    fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5), (key_of(2), pair(2, 1), 0.25)])
    fill(database, None, [(key_of(3), pair(5, 6), 0.75)])
    rekeyed(database)
    file = tmp_path / "after.jsonl.gz"
    assert export_cache(database, file).evaluations == 3
    lines = gzip.decompress(file.read_bytes()).splitlines()
    assert [line for line in lines if b'"target"' in line] == [
        json.dumps(
            {"space": 1, "target": target, "settings": {}, "source": stored(target).source}, separators=(",", ":")
        ).encode()
    ]
    with Database(f"sqlite:///{tmp_path}/there.db") as there:
        found = import_cache(there, file)
        assert (found.contexts, found.added, len(found.outdated)) == (2, 3, 1)
        assert served(there, 1, 2) == [0.5, 0.25]
        [row, _] = rows(there, context_now(there))
        [mine, _] = rows(database, context_now(database))
        assert (row.found, row.seed, row.candidate) == (mine.found, mine.seed, mine.candidate)
        assert import_cache(there, file).added == 0
        [(count, why)] = kept_of(there)  # still of no known space
        assert count == 1
        assert "name it with --space" in why
    found_there = next(json.loads(line) for line in lines if b'"found"' in line)
    for name, wrong in (("key", key_of(9).hex()), ("group", "0" * 32), ("replicate", 5_000_000), ("more", 1)):
        changed = {**found_there, "found": {**found_there["found"], name: wrong}}
        spoiled = [json.dumps(changed).encode() if b'"found"' in line else line for line in lines]
        (tmp_path / "spoiled.gz").write_bytes(gzip.compress(b"\n".join(spoiled)))
        with pytest.raises(InvalidInput, match="nothing is taken over"):
            import_cache(database, tmp_path / "spoiled.gz")


def test_a_file_that_an_import_names_is_not_loaded_by_its_name(database: Database, target: str, tmp_path: Path) -> None:
    """It could name any file or module here, and loading one runs it."""
    marks = tmp_path / "marks"
    mine = stored(space_file(tmp_path, SPACE + f"open({str(marks)!r}, 'a').write('x')\n"))
    fill(database, mine, [(key_of(1), pair(1, 2), 0.5)])
    export_cache(database, tmp_path / "sent.jsonl.gz")
    loaded = marks.read_text()
    with Database(f"sqlite:///{tmp_path}/there.db") as there:
        import_cache(there, tmp_path / "sent.jsonl.gz")
        for name in [name for name in sys.modules if name.startswith("automl_user_space_")]:
            del sys.modules[name]
        [(count, why)] = kept_of(there)
        assert count == 1
        assert "only an imported file names it" in why
        assert marks.read_text() == loaded
        assert kept_of(there, spaces=[target]) == []
        assert marks.read_text() != loaded
        assert served(there, 2, 1) == [0.5]


def test_old_keys_answer_as_before_and_nothing_counts_twice(database: Database, target: str) -> None:
    old = fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5), (key_of(2), pair(3, 4), None)])
    cache = EquivalenceCache(database)
    before = cache.replicates(old, [key_of(1), key_of(2)])
    curve = cache.learning_curves(old, [key_of(1)])
    seconds = sum(one.seconds for one in stats(database).contexts)
    rekeyed(database)
    assert cache.replicates(old, [key_of(1), key_of(2)]) == before
    assert {key: of[0].points for key, of in cache.learning_curves(old, [key_of(1)]).items()} == {
        key: of[0].points for key, of in curve.items()
    }
    found = {one.id: one for one in stats(database).contexts}
    assert sum(one.seconds for one in found.values()) == seconds
    assert (found[old].classes, found[old].moved, found[old].hasher) == (0, 2, OLD)
    now = found[context_now(database)]
    assert (now.classes, now.replicates, now.failed, now.hasher) == (2, 1, 1, HASHER_VERSION)
    assert prune(database, contexts=[old]).evaluations == 2
    assert served(database, 1, 2) == [0.5]


def test_an_evaluation_that_nobody_finished_makes_room(database: Database, target: str) -> None:
    fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5)])
    now = context_now(database)
    with Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        cache.context(described())
        [claim] = cache.resolve_many(now, None, [asked(0, key_now(1, 2), pair(1, 2))], None)[0].claims
        cache.finish_many(now, [lost(claim, "the worker died")])
    rekeyed(database)
    assert [(row.replicate, row.state) for row in rows(database, now)] == [(0, "done")]


def kept_of(database: Database, **more: Any) -> list[tuple[int, str]]:
    return [(one.evaluations, one.why) for one in rekeyed(database, **more).kept]


def test_a_space_that_is_gone_or_has_changed_keeps_its_rows_and_is_tried_again(
    database: Database, target: str, tmp_path: Path
) -> None:
    old = fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5), (key_of(2), pair(3, 4), 0.25)])
    before = rows(database, old)
    file = tmp_path / "pair.py"
    file.unlink()
    [(count, why)] = kept_of(database)
    assert count == 2
    assert f"no file '{file}'" in why
    space_file(tmp_path, SPACE.replace("sorted((candidate.x, candidate.y))", "[candidate.x + candidate.y]"))
    [(count, why)] = kept_of(database)
    assert count == 2
    assert "its source has changed" in why
    assert rows(database, old) == before
    assert rows(database, context_now(database)) == []
    assert "not served" in waiting_sentence(database)
    assert "automl cache rekey" in waiting_sentence(database)
    space_file(tmp_path)
    assert kept_of(database) == []
    assert served(database, 1, 2) == [0.5]
    assert served(database, 3, 4) == [0.25]
    assert waiting_sentence(database) == ""


def test_a_comment_more_is_no_change_and_a_file_that_has_moved_is_named(
    database: Database, target: str, tmp_path: Path
) -> None:
    fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5)])
    (tmp_path / "pair.py").unlink()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    named = space_file(moved, "# it has moved\n" + SPACE)
    assert [count for count, _ in kept_of(database)] == [1]
    assert kept_of(database, spaces=[named]) == []
    assert served(database, 1, 2) == [0.5]


def test_an_object_of_somebodys_program_is_found_again_there(database: Database, target: str) -> None:
    space, _ = resolve(target)
    one = type(space)()
    mine = stored(target)
    fill(database, StoredSpace(0, "object Pair", {}, mine.source, imported=False), [(key_of(1), pair(1, 2), 0.5)])
    [(_, why)] = kept_of(database)
    assert "automl.rekey(storage, spaces=[it])" in why
    assert kept_of(database, spaces=[one]) == []
    assert served(database, 2, 1) == [0.5]


def test_rows_that_remember_no_space_wait_until_one_is_named(database: Database, target: str) -> None:
    fill(database, None, [(key_of(1), pair(1, 2), 0.5)])
    [(_, why)] = kept_of(database)
    assert "name it with --space" in why
    [(_, why)] = kept_of(database, spaces=[target, "nasbench201"])
    assert "several spaces were named" in why
    assert kept_of(database, spaces=[target]) == []
    [row] = rows(database, context_now(database))
    assert row.space is not None
    assert served(database, 1, 2) == [0.5]


def test_candidates_that_the_space_refuses_are_kept_and_said(database: Database, target: str) -> None:
    fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5), (key_of(2), pair(1, 200), 0.25)])
    [(count, why)] = kept_of(database)
    assert count == 1
    assert "1 of their candidates have no new key" in why
    assert "200" in why
    assert served(database, 1, 2) == [0.5]
    assert [count for count, _ in kept_of(database)] == [1]


def test_a_dry_run_says_it_all_and_writes_nothing(database: Database, target: str) -> None:
    old = fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5)])
    fill(database, None, [(key_of(9), pair(1, 2), 0.5)], described(OLD, part="test"))
    before = stats(database)
    found = rekeyed(database, dry_run=True)
    assert [one.evaluations for one in found.contexts] == [1]
    assert [one.evaluations for one in found.kept] == [1]
    assert "nothing was written" in found.sentences()[0]
    assert stats(database).contexts == before.contexts
    assert [row.moved for row in rows(database, old)] == [None]


def test_keys_of_a_newer_hash_and_keys_of_ones_own_are_left_alone(database: Database, target: str) -> None:
    newer = fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5)], described("1000"))
    own = fill(database, None, [(key_of(1), '"mine"', 0.5)], {"task": "mine"})
    assert outdated(database) == []
    assert rekeyed(database).sentences() == [
        f"all evaluations have keys of version {HASHER_VERSION}, the version of this automl"
    ]
    assert [row.moved for context in (newer, own) for row in rows(database, context)] == [None, None]


def test_a_context_that_does_not_say_what_it_was_probed_on_is_kept_and_said(database: Database, target: str) -> None:
    old = fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5)], {"hasher": {"version": OLD}})
    assert kept_of(database, contexts=[old]) == [(1, "its probe is not known")]
    assert "not served" in waiting_sentence(database)


def test_a_context_that_is_named_and_not_there_is_refused(database: Database, target: str) -> None:
    fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5)])
    with pytest.raises(InvalidInput, match="context 99 has no keys of an older functional hash"):
        rekeyed(database, contexts=[99])
    with pytest.raises(InvalidInput, match="there is no search 'none'"):
        rekeyed(database, studies=["none"])


EPOCHS = {"epochs": 1}


def seed_of(database: Database, context: int, key: bytes, replicate: int = 0) -> int:
    [seed] = [row.seed for row in rows(database, context) if (row.key, row.replicate) == (key, replicate)]
    return int(seed)


@pytest.mark.parametrize("by_seed", [True, False], ids=["named by its seed", "left by an earlier version"])
def test_checkpoints_follow_and_a_fuller_evaluation_has_the_seed_that_they_were_left_under(
    database: Database, target: str, tmp_path: Path, by_seed: bool
) -> None:
    space, cheap = stored(target), described(OLD, fidelity=EPOCHS)
    was = fill(database, space, [(key_of(1), pair(1, 2), 0.5), (key_of(2), pair(3, 4), 0.25)], cheap)
    fill(database, space, [(key_of(2), pair(3, 4), 0.75)])
    folder = tmp_path / "checkpoints"
    group = keys.fingerprint("default", described(OLD)).hex()
    (folder / group).mkdir(parents=True)
    seed = seed_of(database, was, key_of(1))
    old = Path(file_of(str(folder / group), key_of(1), seed, pair(1, 2)))
    if not by_seed:
        old = old.with_name(old.name.replace(f"-s{seed}-", "-0-"))
    old.write_bytes(b"the state after one epoch")
    Path(file_of(str(folder / group), key_of(7), 0, pair(5, 6))).write_bytes(b"of an evaluation that never ended")
    assert rekeyed(database, checkpoints=str(folder)).checkpoints == 1
    now = keys.fingerprint("default", described()).hex()
    assert not old.exists()
    assert seed_of(database, context_now(database, fidelity=EPOCHS), key_now(1, 2)) == seed
    with Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        full = cache.context(described())
        requests = [asked(0, key_now(1, 2), pair(1, 2)), asked(1, key_now(3, 4), pair(3, 4), 2)]
        first, second = cache.resolve_many(full, None, requests, None)
        [claim] = first.claims
        assert claim.seed == seed
        new = Path(file_of(str(folder / now), claim.key, claim.seed, pair(1, 2)))
        assert new.read_bytes() == b"the state after one epoch"
        assert [(claim.replicate, claim.seed) for claim in second.claims] == [(1, cache.seed(full, key_now(3, 4), 1))]
        cache.finish_many(full, [done(first.claims[0], {"score": 1.0}), done(second.claims[0], {"score": 1.0})])
    assert rekeyed(database, checkpoints=str(folder)).checkpoints == 0


def test_no_evaluation_goes_on_with_the_state_of_another_seed(database: Database, target: str, tmp_path: Path) -> None:
    """A search of the new version has claimed the number that the evaluation would get to which the state belongs."""
    was = fill(database, stored(target), [(key_of(1), pair(1, 2), 0.5)], described(OLD, fidelity=EPOCHS))
    folder = tmp_path / "checkpoints"
    group = folder / keys.fingerprint("default", described(OLD)).hex()
    group.mkdir(parents=True)
    seed = seed_of(database, was, key_of(1))
    Path(file_of(str(group), key_of(1), seed, pair(1, 2))).write_bytes(b"a state")
    with Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        full = cache.context(described())
        [claim] = cache.resolve_many(full, None, [asked(0, key_now(1, 2), pair(1, 2))], None)[0].claims
        assert claim.seed != seed
        assert rekeyed(database, checkpoints=str(folder)).checkpoints == 1
        now = str(folder / keys.fingerprint("default", described()).hex())
        assert Path(file_of(now, claim.key, seed, pair(1, 2))).exists()
        assert not Path(file_of(now, claim.key, claim.seed, pair(1, 2))).exists()
        cache.finish_many(full, [done(claim, {"score": 1.0})])


def test_a_checkpoint_of_a_class_that_splits_differently_at_two_fidelities_stays(
    database: Database, target: str, tmp_path: Path
) -> None:
    space, wrong = stored(target), key_of("all alike")
    was = fill(database, space, [(wrong, pair(1, 2), 0.5)], described(OLD, fidelity=EPOCHS))
    fill(database, space, [(wrong, pair(3, 4), 0.75)], described(OLD, fidelity={"epochs": 2}))
    folder = tmp_path / "checkpoints"
    group = folder / keys.fingerprint("default", described(OLD)).hex()
    group.mkdir(parents=True)
    left = Path(file_of(str(group), wrong, seed_of(database, was, wrong), pair(1, 2)))
    left.write_bytes(b"a state")
    assert rekeyed(database, checkpoints=str(folder)).checkpoints == 0
    assert left.exists()


def test_an_audit_whose_number_is_taken_becomes_one_more_replicate(database: Database, target: str) -> None:
    """A search of the new version has audited the same encoding: neither figure is lost."""
    mine = [(key_now(1, 2), pair(1, 2), 0.5)]
    fill(database, stored(target), mine, described(), audits=[(key_now(1, 2), pair(2, 1), 0.25)])
    old = [(key_of(1), pair(1, 2), 0.75)]
    fill(database, stored(target), old, audits=[(key_of(1), pair(2, 1), 0.125)])
    [done] = rekeyed(database).contexts
    assert (done.evaluations, done.known) == (2, 0)
    assert served(database, 1, 2) == [0.5, 0.75, 0.125]
    assert audit_report(database, "score").audited == 1
    [audit] = [row for row in rows(database, context_now(database)) if row.replicate < 0]
    assert scores([audit]) == [0.25]
