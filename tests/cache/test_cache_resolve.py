"""Look, claim, complete, fail, lose and take over: the rules of one replicate's life."""

import logging
from collections.abc import Iterator

import pytest
from cache_parts import asked, done, failed, lost
from sqlalchemy import event, select

from automl.cache.records import Asked, Claim
from automl.cache.store import EquivalenceCache
from automl.errors import InvalidInput
from automl.storage.engine import Database
from automl.storage.schema import equivalence_class, evaluation
from automl.storage.sessions import Session

A, B, C = (bytes([number]) * 16 for number in (1, 2, 3))


@pytest.fixture
def database(any_url: str) -> Iterator[Database]:
    with Database(any_url) as opened:
        yield opened


@pytest.fixture
def cache(database: Database) -> Iterator[EquivalenceCache]:
    with Session(database) as session:
        yield EquivalenceCache(database, session=session)


@pytest.fixture
def colleague(any_url: str) -> Iterator[EquivalenceCache]:
    with Database(any_url) as database, Session(database) as session:
        yield EquivalenceCache(database, session=session)


def ask(number: int, key: bytes, replicates: int = 1, **more: object) -> Asked:
    return asked(number, key, f'"candidate {number}"', replicates, **more)


def test_a_miss_is_claimed_evaluated_and_served(cache: EquivalenceCache) -> None:
    context = cache.context({"task": "digits"})
    (first,) = cache.resolve_many(context, 7, [ask(3, A)], None)
    (claim,) = first.claims
    assert claim == Claim(3, A, 0, cache.seed(context, A, 0), 1)
    assert (first.results, first.waiting, first.queued) == ((), (), False)
    cache.finish_many(context, [done(claim, {"accuracy": 0.75, "epochs": 3}, 2.5)])
    (second,) = cache.resolve_many(context, 8, [ask(0, A)], None)
    (result,) = second.results
    assert (result.metrics, result.seconds, result.study, result.trial) == ({"accuracy": 0.75, "epochs": 3}, 2.5, 7, 3)
    assert (second.claims, second.waiting, second.queued) == ((), (), False)


def test_two_requests_of_one_key_in_one_call_make_one_claim(cache: EquivalenceCache) -> None:
    context = cache.context({})
    first, second, third = cache.resolve_many(context, 1, [ask(5, A), ask(6, A), ask(7, A, 2)], None)
    assert [claim.replicate for claim in first.claims] == [0]
    assert (second.claims, second.waiting) == ((), (0,))
    assert ([claim.replicate for claim in third.claims], third.waiting) == ([1], (0,))


def test_a_claim_of_ones_own_counts_as_claimed(cache: EquivalenceCache) -> None:
    context = cache.context({})
    cache.resolve_many(context, 1, [ask(5, A)], None)
    (again,) = cache.resolve_many(context, 1, [ask(5, A)], None)
    assert (again.claims, again.waiting) == ((), (0,))


def test_a_living_colleagues_claim_is_waited_for(cache: EquivalenceCache, colleague: EquivalenceCache) -> None:
    context = cache.context({})
    assert colleague.context({}) == context
    (theirs,) = colleague.resolve_many(context, 1, [ask(0, A)], None)
    (ours,) = cache.resolve_many(context, 2, [ask(0, A)], None)
    assert (ours.claims, ours.waiting) == ((), (0,))
    colleague.finish_many(context, [done(theirs.claims[0], {"accuracy": 1.0}, 1.0)])
    (ours,) = cache.resolve_many(context, 2, [ask(0, A)], None)
    assert ours.results[0].metrics == {"accuracy": 1.0}


def test_claims_go_to_the_first_requests_up_to_the_limit_and_are_made_in_key_order(
    cache: EquivalenceCache, database: Database
) -> None:
    context = cache.context({})
    inserted: list[list[bytes]] = []

    def note(_conn, _cursor, statement, parameters, _context, many) -> None:
        if statement.startswith("INSERT INTO evaluation"):
            inserted.append([row[1] for row in parameters] if many else list(parameters["all_key"]))

    event.listen(database._write_engine, "before_cursor_execute", note)
    answers = cache.resolve_many(context, 1, [ask(0, C, 2), ask(1, A), ask(2, B), ask(3, C)], 3)
    assert [[claim.replicate for claim in one.claims] for one in answers] == [[0, 1], [0], [], []]
    assert [one.queued for one in answers] == [False, False, True, False]
    assert answers[3].waiting == (0,)
    assert inserted == [[A, C, C]]
    (nothing,) = cache.resolve_many(context, 1, [ask(2, B)], 0)
    assert (nothing.queued, nothing.claims) == (True, ())


def test_a_failure_of_the_candidates_own_is_a_fact_that_colleagues_are_told(
    cache: EquivalenceCache, colleague: EquivalenceCache
) -> None:
    context = cache.context({})
    colleague.context({})
    (one,) = cache.resolve_many(context, 1, [ask(0, A)], None)
    cache.finish_many(context, [failed(one.claims[0], "RuntimeError: shapes do not match", 0.5)])
    (told,) = colleague.resolve_many(context, 2, [ask(0, A)], None)
    (result,) = told.results
    assert (result.metrics, result.error) == (None, "RuntimeError: shapes do not match")
    assert told.claims == ()


def test_a_lost_evaluation_is_nobodys_fault_and_anybody_may_claim_it(
    cache: EquivalenceCache, colleague: EquivalenceCache
) -> None:
    context = cache.context({})
    colleague.context({})
    (one,) = cache.resolve_many(context, 1, [ask(0, A)], None)
    cache.finish_many(context, [lost(one.claims[0], "the worker died")])
    (other,) = colleague.resolve_many(context, 2, [ask(4, A)], None)
    (claim,) = other.claims
    assert (claim.attempt, claim.number, claim.seed) == (2, 4, one.claims[0].seed)
    colleague.finish_many(context, [done(claim, {"accuracy": 0.5}, 1.0)])
    (told,) = cache.resolve_many(context, 1, [ask(0, A)], None)
    assert (told.results[0].study, told.results[0].trial) == (2, 4)


def test_the_claims_of_the_dead_are_taken_over_once(cache: EquivalenceCache, colleague: EquivalenceCache) -> None:
    context = cache.context({})
    colleague.context({})
    colleague.resolve_many(context, 1, [ask(0, A), ask(1, B)], None)
    colleague.session.close()
    first, second = cache.resolve_many(context, 2, [ask(8, A), ask(9, A)], None)
    assert [(claim.attempt, claim.number) for claim in first.claims] == [(2, 8)]
    assert (second.claims, second.waiting) == ((), (0,))
    (limited,) = cache.resolve_many(context, 2, [ask(7, B)], 0)
    assert limited.queued  # no room for it: not claimed


def test_a_late_result_of_a_lost_claim_is_logged_and_dropped(
    cache: EquivalenceCache, colleague: EquivalenceCache, caplog: pytest.LogCaptureFixture
) -> None:
    context = cache.context({})
    colleague.context({})
    (early,) = colleague.resolve_many(context, 1, [ask(0, A)], None)
    colleague.finish_many(context, [lost(early.claims[0], "the worker was thought dead")])
    (late,) = cache.resolve_many(context, 2, [ask(0, A)], None)
    cache.finish_many(context, [done(late.claims[0], {"accuracy": 0.5}, 1.0)])
    with caplog.at_level(logging.WARNING):
        colleague.finish_many(context, [done(early.claims[0], {"accuracy": 0.9}, 1.0)])
    assert "1 of 1 results came too late" in caplog.text
    assert [result.metrics for result in cache.replicates(context, [A])[A]] == [{"accuracy": 0.5}]


def test_replicates_are_asked_for_one_by_one_and_hidden_ones_are_not_looked_at(cache: EquivalenceCache) -> None:
    context = cache.context({})
    for number, wanted in enumerate((1, 2, 3)):
        (one,) = cache.resolve_many(context, 1, [ask(number, A, wanted)], None)
        assert len(one.results) == wanted - 1
        cache.finish_many(context, [done(one.claims[0], {"accuracy": wanted / 10}, 1.0)])
    (fewer,) = cache.resolve_many(context, 1, [ask(9, A, 2)], None)
    assert [result.replicate for result in fewer.results] == [0, 1]  # however many are stored
    (hidden,) = cache.resolve_many(context, 1, [ask(10, A, 4, first=3)], None)
    assert hidden.results == ()
    assert [claim.replicate for claim in hidden.claims] == [3]
    assert len(cache.replicates(context, [A, B])[A]) == 3


def test_an_audit_evaluates_a_spelling_of_its_own_and_is_never_served(cache: EquivalenceCache) -> None:
    context = cache.context({})
    (one,) = cache.resolve_many(context, 1, [ask(0, A)], None)
    cache.finish_many(context, [done(one.claims[0], {"accuracy": 0.5}, 1.0)])
    (audited,) = cache.resolve_many(context, 1, [ask(1, A, audit=True)], None)
    assert [result.metrics for result in audited.results] == [{"accuracy": 0.5}]
    (claim,) = audited.claims
    assert claim.replicate < 0
    assert claim.seed != one.claims[0].seed
    cache.finish_many(context, [done(claim, {"accuracy": 0.1}, 1.0)])
    (again,) = cache.resolve_many(context, 1, [ask(1, A, audit=True)], None)
    assert again.audit is not None
    assert again.audit.metrics == {"accuracy": 0.1}
    assert [result.metrics for result in again.results] == [{"accuracy": 0.5}]
    (served,) = cache.resolve_many(context, 1, [ask(2, A, 5)], 0)
    assert [result.replicate for result in served.results] == [0]
    assert len(cache.replicates(context, [A])[A]) == 1


def test_contexts_and_namespaces_share_nothing(database: Database, cache: EquivalenceCache) -> None:
    descriptions = [
        {"task": "digits", "epochs": 5},
        {"task": "digits", "epochs": 6},
        {"task": "fashion", "epochs": 5},
        {"task": "digits", "epochs": 5, "hasher": {"version": "2"}},
        {"task": "digits", "epochs": 5, "precision": "bf16"},
    ]
    elsewhere = EquivalenceCache(database, namespace="elsewhere", session=cache.session)
    contexts = [cache.context(one) for one in descriptions] + [elsewhere.context(one) for one in descriptions]
    assert len(set(contexts)) == 10
    assert cache.context({"epochs": 5, "task": "digits"}) == contexts[0]  # the order of names does not matter
    seeds = {(cache if place < 5 else elsewhere).seed(context, A, 0) for place, context in enumerate(contexts)}
    assert len(seeds) == 10
    (one,) = cache.resolve_many(contexts[0], 1, [ask(0, A)], None)
    cache.finish_many(contexts[0], [done(one.claims[0], {"accuracy": 1.0}, 1.0)])
    for place, context in enumerate(contexts[1:], 1):
        of = cache if place < 5 else elsewhere
        assert of.resolve_many(context, 1, [ask(0, A)], None)[0].results == ()


def test_seeds_follow_from_what_they_belong_to(tmp_path) -> None:
    seeds = []
    for name in ("one", "two"):
        with EquivalenceCache(f"sqlite:///{tmp_path / name}.db") as cache:
            cache.context({"padding": name})  # another number for the same context
            context = cache.context({"task": "digits"})
            seeds.append([cache.seed(context, key, replicate) for key in (A, B) for replicate in range(3)])
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 6
    assert all(0 <= seed < 1 << 63 for seed in seeds[0])


def test_claim_completion_and_record_can_share_one_transaction(cache: EquivalenceCache, database: Database) -> None:
    context = cache.context({})

    def work(connection):
        (one,) = cache.resolve_many(context, 1, [ask(0, A)], None, connection=connection)
        cache.finish_many(context, [done(one.claims[0], {"accuracy": 1.0}, 0.0)], connection)
        raise KeyError

    with pytest.raises(KeyError):
        database.write(work)
    assert cache.replicates(context, [A]) == {}
    (again,) = cache.resolve_many(context, 1, [ask(0, A)], None)
    assert len(again.claims) == 1


def test_a_mixed_batch_of_results_is_stored_row_by_row(cache: EquivalenceCache, database: Database) -> None:
    context = cache.context({})
    requests = [ask(number, number.to_bytes(16, "big")) for number in range(2500)]
    claims = [claim for one in cache.resolve_many(context, 1, requests, None) for claim in one.claims]
    assert len(claims) == 2500
    cache.finish_many(context, [done(claim, {"accuracy": claim.number / 10}, 1.0) for claim in claims[:2000]])
    cache.finish_many(context, [failed(claim, f"error {claim.number}", 1.0) for claim in claims[2000:]])
    answers = cache.resolve_many(context, 1, requests, None, count=True)
    for number, one in enumerate(answers):
        (result,) = one.results
        assert result.trial == number
        assert result.metrics == ({"accuracy": number / 10} if number < 2000 else None)
    with database.read() as connection:
        assert set(connection.scalars(select(equivalence_class.c.times_seen))) == {1}
        assert set(connection.scalars(select(evaluation.c.state))) == {"done", "failed"}


@pytest.mark.parametrize("metrics", [{"accuracy": float("nan")}, {"accuracy": float("inf")}, {"accuracy": object()}])
def test_metrics_that_are_not_json_are_refused_before_anything_is_written(
    cache: EquivalenceCache, metrics: dict[str, object]
) -> None:
    context = cache.context({})
    one, two = cache.resolve_many(context, 1, [ask(0, A), ask(1, B)], None)
    with pytest.raises(InvalidInput):
        cache.finish_many(context, [done(one.claims[0], {"accuracy": 1.0}, 1.0), done(two.claims[0], metrics, 1.0)])
    assert cache.replicates(context, [A, B]) == {}


def test_bad_requests_are_refused(cache: EquivalenceCache) -> None:
    context = cache.context({})
    with pytest.raises(InvalidInput, match="a key is 16 bytes"):
        cache.resolve_many(context, 1, [ask(0, b"short")], None)
    with pytest.raises(InvalidInput, match="was not opened by this cache"):
        cache.seed(context + 1, A, 0)
    with pytest.raises(InvalidInput):
        cache.context({"task": float("nan")})
    assert cache.resolve_many(context, 1, [], None) == []
