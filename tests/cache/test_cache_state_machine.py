"""Claim, complete, fail, lose, die, take over, resume: any order of them is what a dictionary would have said."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from cache_parts import asked, done, failed, lost
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from hypothesis.stateful import run_state_machine_as_test as run_as_test

from automl.cache import store
from automl.cache.keys import audit_replicate
from automl.cache.records import Asked, Claim, Resolution
from automl.cache.store import EquivalenceCache
from automl.storage.engine import Database
from automl.storage.sessions import Session

PROCESSES = 3
KEYS = [bytes([number]) * 16 for number in (1, 2, 250)]
CANDIDATES = ['"written so"', '"written otherwise"']

Place = tuple[bytes, int]

wishes = st.tuples(
    st.sampled_from(KEYS), st.sampled_from(CANDIDATES), st.integers(0, 1), st.integers(1, 2), st.booleans()
)
blocks = st.lists(wishes, min_size=1, max_size=4)
limits = st.none() | st.integers(0, 3)
numbers = itertools.count(1)


class Slot:
    """What the model knows of one replicate."""

    def __init__(self) -> None:
        self.holder: int | None = None  # the session that has claimed it
        self.attempt = 0
        self.seed: int | None = None
        self.ended: tuple[object, str] | None = None  # metrics and error, once it is a fact


class Life(RuleBasedStateMachine):
    """Three processes over one database; each is killed now and then, and goes on as another session."""

    databases: list[Database]
    claims: Bundle[tuple[EquivalenceCache, Claim]] = Bundle("claims")

    @initialize()
    def begin(self) -> None:
        self.description = {"life": next(numbers)}  # a context of its own: one database serves all
        self.slots: dict[Place, Slot] = {}
        self.dead: set[int] = set()
        self.caches = [self._opened(number) for number in range(PROCESSES)]

    def _opened(self, number: int) -> EquivalenceCache:
        database = self.databases[number]
        cache = EquivalenceCache(database, session=Session(database))
        self.context = cache.context(self.description)
        return cache

    def _slot(self, key: bytes, replicate: int) -> Slot:
        return self.slots.setdefault((key, replicate), Slot())

    def _free(self, slot: Slot) -> bool:
        return slot.ended is None and (slot.holder is None or slot.holder in self.dead)

    # --- what the cache has to answer ---------------------------------------------------------------------------------

    def _expected(self, cache: EquivalenceCache, wanted: list[Asked], limit: int | None) -> dict[Place, int]:
        """Returns which trial claims which place."""
        granted: dict[Place, int] = {}
        for number, key, candidate, plan in wanted:
            for replicate in self._replicates(candidate, plan):
                place = (key, replicate)
                full = limit is not None and len(granted) >= limit
                if not full and place not in granted and self._free(self._slot(*place)):
                    granted[place] = number
        return granted

    def _replicates(self, candidate: str, plan) -> list[int]:
        return [*range(plan.first, plan.replicates), *([audit_replicate(candidate)] if plan.audit else [])]

    def _wanted(self, wishes: list[tuple[bytes, str, int, int, bool]]) -> list[Asked]:
        return [
            asked(number, key, candidate, first + more, first, audit)
            for number, (key, candidate, first, more, audit) in enumerate(wishes)
        ]

    def _checked(self, cache: EquivalenceCache, one: Asked, answer: Resolution, granted: dict[Place, int]) -> None:
        """Compares one answer with the model as it was before."""
        number, key, candidate, plan = one
        claims = {claim.replicate: claim for claim in answer.claims}
        results = {result.replicate: result for result in answer.results}
        if answer.audit is not None:
            results[answer.audit.replicate] = answer.audit
        queued = False
        for replicate in self._replicates(candidate, plan):
            slot = self._slot(key, replicate)
            if slot.ended is not None:
                assert (results[replicate].metrics, results[replicate].error) == slot.ended
            elif granted.get((key, replicate)) == number:
                claim = claims.pop(replicate)
                assert (claim.number, claim.attempt) == (number, slot.attempt + 1)
                assert claim.seed == cache.seed(self.context, key, replicate)
                assert slot.seed in (None, claim.seed)
            elif (key, replicate) in granted or not self._free(slot):
                assert replicate in answer.waiting
            else:
                queued = True
        assert not claims
        assert answer.queued is queued

    def _claimed(self, cache: EquivalenceCache, answers: list[Resolution]) -> list[tuple[EquivalenceCache, Claim]]:
        made = [(cache, claim) for answer in answers for claim in answer.claims]
        for _, claim in made:
            slot = self._slot(claim.key, claim.replicate)
            slot.holder, slot.attempt, slot.seed = cache.session.id, claim.attempt, claim.seed
        return made

    def _ended(self, cache: EquivalenceCache, claim: Claim, metrics: object, error: str, fact: bool) -> None:
        slot = self._slot(claim.key, claim.replicate)
        if slot.ended is None and (slot.holder, slot.attempt) == (cache.session.id, claim.attempt):
            slot.holder = None
            slot.ended = (metrics, error) if fact else None

    # --- what may happen ----------------------------------------------------------------------------------------------

    @rule(target=claims, process=st.integers(0, PROCESSES - 1), wishes=blocks, limit=limits)
    def ask(self, process, wishes, limit):
        cache, wanted = self.caches[process], self._wanted(wishes)
        granted = self._expected(cache, wanted, limit)
        answers = cache.resolve_many(self.context, None, wanted, limit)
        for one, answer in zip(wanted, answers, strict=True):
            self._checked(cache, one, answer, granted)
        return multiple(*self._claimed(cache, answers))

    @rule(held=st.lists(consumes(claims), min_size=1, max_size=3, unique_by=lambda one: id(one)), value=st.integers())
    def complete(self, held, value):
        for cache in {id(cache): cache for cache, _ in held}.values():
            own = [claim for holder, claim in held if holder is cache]
            cache.finish_many(self.context, [done(claim, {"score": value}) for claim in own])
            for claim in own:
                self._ended(cache, claim, {"score": value}, "", fact=True)

    @rule(held=consumes(claims), text=st.sampled_from(["ValueError: no", "RuntimeError: shapes"]))
    def fail(self, held, text):
        cache, claim = held
        cache.finish_many(self.context, [failed(claim, text)])
        self._ended(cache, claim, None, text, fact=True)

    @rule(held=consumes(claims))
    def lose(self, held):
        cache, claim = held
        cache.finish_many(self.context, [lost(claim, "its worker died")])
        self._ended(cache, claim, None, "", fact=False)

    @rule(held=claims)
    def end_twice(self, held):
        """A result that was sent twice, or after somebody else had taken over, changes no fact."""
        cache, claim = held
        cache.finish_many(self.context, [done(claim, {"score": 1})])
        self._ended(cache, claim, {"score": 1}, "", fact=True)
        cache.finish_many(self.context, [done(claim, {"score": 2}), failed(claim, "ValueError: late")])

    @rule(process=st.integers(0, PROCESSES - 1))
    def die_and_resume(self, process):
        self.dead.add(self.caches[process].session.id)
        self.caches[process].session.close()
        self.caches[process] = self._opened(process)

    @rule(process=st.integers(0, PROCESSES - 1), wishes=blocks)
    def roll_back(self, process, wishes):
        """A transaction that fails at its end has happened nowhere."""
        cache = self.caches[process]

        def work(connection):
            for answer in cache.resolve_many(self.context, None, self._wanted(wishes), None, connection=connection):
                ends = [done(claim, {"score": -1}) for claim in answer.claims]
                cache.finish_many(self.context, ends, connection)
            raise KeyError

        with pytest.raises(KeyError):
            self.databases[process].write(work)

    @invariant()
    def all_see_the_same_facts(self):
        facts: dict[bytes, list[tuple[int, object, str]]] = {}
        for (key, replicate), slot in sorted(self.slots.items()):
            if slot.ended is not None and replicate >= 0:
                facts.setdefault(key, []).append((replicate, *slot.ended))
        for cache in self.caches:
            found = cache.replicates(self.context, KEYS)
            seen = {key: [(one.replicate, one.metrics, one.error) for one in some] for key, some in found.items()}
            assert seen == facts

    def teardown(self) -> None:
        for cache in getattr(self, "caches", ()):
            cache.session.close()


@pytest.fixture
def databases(any_url: str) -> Iterator[list[Database]]:
    opened = [Database(any_url) for _ in range(PROCESSES)]
    yield opened
    for database in opened:
        database.close()


def test_any_order_of_events_is_what_a_dictionary_says(databases, monkeypatch) -> None:
    monkeypatch.setattr(store, "_JUDGE_EVERY_SECONDS", -1.0)  # whoever is dead is seen to be so at once
    quick = settings(max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_as_test(type("OneLife", (Life,), {"databases": databases}), settings=quick)
