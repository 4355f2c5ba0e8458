"""One call of `resolve_many`: which of the wanted replicates are there, which become ours, which have to be waited for.

Everything is decided in memory between one batch of reading statements and one batch of writing ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from automl.cache.keys import audit_replicate
from automl.cache.policy import ReplicatePlan
from automl.cache.records import Asked, Claim, Resolution, Result
from automl.jsontext import stored
from automl.storage import evaluations
from automl.storage.candidates import digest, store_candidates

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

Place = tuple[bytes, int]
"""(key, replicate)"""


@dataclass(slots=True)
class Call:
    """What a call of `resolve_many` works with.

    Attributes:
        connection: in a writing transaction.
        context, session, study: on whose behalf.
        seeds: of places that nobody has claimed yet.
        space: that reads the candidates; None outside of studies.
        dead: which of the given sessions are dead.
        limit: at most this many claims, None for all.
    """

    connection: Connection
    context: int
    session: int
    study: int | None
    seeds: Callable[[Collection[Place]], Mapping[Place, int]]
    space: int | None
    dead: Callable[[set[int]], set[int]]
    limit: int | None
    rows: dict[Place, Row[Any]] = field(default_factory=dict)
    results: dict[Place, Result] = field(default_factory=dict)
    held: set[Place] = field(default_factory=set)
    claims: dict[Place, Claim] = field(default_factory=dict)


def resolve(call: Call, asked: Sequence[Asked]) -> list[Resolution]:
    """Answers what trials ask, in order."""
    _read(call, asked)
    granted = _grant(call, asked)
    _write(call, granted)
    return [_answer(call, one) for one in asked]


def wanted(candidate: str, plan: ReplicatePlan) -> Sequence[int]:
    """Returns the replicates that a plan wants for one candidate, the audit last."""
    replicates = range(plan.first, plan.replicates)
    return [*replicates, audit_replicate(candidate)] if plan.audit else replicates


def to_result(row: Row[Any]) -> Result:
    """Returns the stored result of a finished evaluation."""
    metrics = None if row.metrics is None else stored(row.metrics)
    return Result(row.replicate, metrics, row.error.partition("\n")[0], row.seconds, row.study, row.trial)


def _read(call: Call, asked: Sequence[Asked]) -> None:
    ranges: dict[bytes, tuple[bytes, int, int]] = {}
    for _, key, _, plan in asked:
        first, last = plan.first, plan.replicates - 1
        if key in ranges:
            first, last = min(first, ranges[key][1]), max(last, ranges[key][2])
        ranges[key] = (key, first, last)
    found = evaluations.read_evaluations(call.connection, call.context, sorted(ranges.values()))
    audited = sorted({(key, evaluations.LOWEST * 2, -1) for _, key, _, plan in asked if plan.audit})
    if audited:
        found += evaluations.read_evaluations(call.connection, call.context, audited)
    claimed = []
    for row in found:
        place, state = (row.key, row.replicate), row.state
        if state in (evaluations.DONE, evaluations.FAILED):
            call.results[place] = to_result(row)
        elif state == evaluations.CLAIMED:
            claimed.append((place, row))
        else:
            call.rows[place] = row
    others = {row.session for _, row in claimed if row.session != call.session}
    dead = call.dead(others) if others else set()
    for place, row in claimed:
        if row.session in dead:
            call.rows[place] = row
        else:
            call.held.add(place)


def _grant(call: Call, asked: Sequence[Asked]) -> dict[Place, tuple[int, str]]:
    """Chooses what to claim, in the order of the trials; returns number and candidate of who asked for each place."""
    granted: dict[Place, tuple[int, str]] = {}
    left = len(asked) * 1_000_000 if call.limit is None else call.limit
    for number, key, candidate, plan in asked:
        for replicate in wanted(candidate, plan):
            place = (key, replicate)
            if left <= 0:
                return granted
            if place not in call.results and place not in call.held and place not in granted:
                granted[place] = (number, candidate)
                left -= 1
    return granted


def _write(call: Call, granted: dict[Place, tuple[int, str]]) -> None:
    """Makes the claims, in the order of the keys; what somebody else won in the meantime is waited for."""
    if not granted:
        return
    candidates = {}
    fresh = []
    seeds = call.seeds(granted.keys())
    for place in sorted(granted):
        number, candidate = granted[place]
        one = digest(candidate)
        candidates[one] = candidate
        claim: dict[str, Any] = {
            "context": call.context,
            "key": place[0],
            "replicate": place[1],
            "seed": seeds[place],
            "candidate": one,
            "session": call.session,
            "study": call.study,
            "trial": number,
            "space": call.space,
        }
        row = call.rows.get(place)
        if row is None:
            fresh.append(claim)
        elif evaluations.take_over(call.connection, claim, row.session, row.attempt):
            call.claims[place] = Claim(number, *place, row.seed, row.attempt + 1)
        else:
            call.held.add(place)
    store_candidates(call.connection, candidates.items())
    won = evaluations.insert_claims(call.connection, fresh)
    for claim in fresh:
        place = (claim["key"], claim["replicate"])
        if place in won:
            call.claims[place] = Claim(claim["trial"], *place, claim["seed"], 1)
        else:
            call.held.add(place)


def _answer(call: Call, asked: Asked) -> Resolution:
    number, key, candidate, plan = asked
    results, claims, waiting, queued, audit = [], [], [], False, None
    for replicate in wanted(candidate, plan):
        place = (key, replicate)
        result = call.results.get(place)
        claim = call.claims.get(place)
        if result is not None:
            if replicate < 0:
                audit = result
            else:
                results.append(result)
        elif claim is not None and claim.number == number:
            claims.append(claim)
        elif claim is not None or place in call.held:
            waiting.append(replicate)
        else:
            queued = True
    return Resolution(number, tuple(results), tuple(claims), tuple(waiting), queued, audit)
