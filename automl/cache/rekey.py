"""New keys for stored evaluations, after the functional hash has changed. Nothing is evaluated.

The key of each evaluation is computed anew from the candidate that was really evaluated. Classes that fall together
keep all their replicates, and of a class that splits each evaluation goes to its own candidate's class. First all new
keys of a context are computed and stored, batch by batch, so that a kill costs one batch; then the context is changed
in one transaction, so that old keys answer until all new ones do.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from automl.cache import keys
from automl.cache.features import StoredFeatures
from automl.cache.rekeyed import ContextDone, Kept, Rekeyed
from automl.cache.replicates import numbered
from automl.cache.versions import Outdated
from automl.errors import AutoMLError, one_line
from automl.hashing import Hasher
from automl.hashing.isolated import HashJobs
from automl.isolation.limits import FAULTS, alarm, no_exit
from automl.jsontext import canonical, parse
from automl.spaces.space import Candidate
from automl.storage import evaluations, rekeying
from automl.storage.bulk import chunks
from automl.storage.engine import Database
from automl.storage.features import any_features
from automl.storage.spaces import StoredSpace, space_id, spaces_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

_BATCHES = (16, 1024)
"""Candidates that are hashed before their keys are stored, at first and at most."""
_CLASSES = 1000
"""Classes that are looked at together."""
_BATCH_SECONDS = 2.0
"""What a kill may cost, where one candidate does not take longer."""


class Jobs(Protocol):
    """Opens the jobs that hash the candidates of one space: `automl.setup.rekeying`."""

    def __call__(self, hasher: Hasher) -> HashJobs:
        """Returns jobs for this hasher's probe."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """A stored space that could be loaded, so that its candidates can be hashed again.

    Attributes:
        stored: Description of the space as the evaluations store it.
        jobs: Function that takes a hasher and returns the object that hashes the space's candidates with it.

    Example:
        >>> stored = StoredSpace(0, "nasbench201", {}, source="", imported=False)
        >>> found = Found(stored, jobs=lambda hasher: None)  # makes what hashes the space's candidates with a hasher
        >>> found.stored.target
        'nasbench201'
    """

    stored: StoredSpace
    jobs: Jobs


FindSpace = Callable[[StoredSpace | None], Found | str]
"""Returns a space that evaluations store, or why it cannot be loaded; None asks for that of evaluations without one."""


@dataclass
class Keys:
    """New keys of candidates, computed here or by another process.

    Where the classes of the old keys had features, those of the new ones are computed along with the keys.

    Attributes:
        database: where they are stored on the way.
        find: finds spaces.
        contexts: all old ones, by which a key that was made of a candidate's JSON before is known.
        by_json: why candidates were keyed by their JSON here, and how many.
        refused: why candidates have no key, by hasher, space and digest.
    """

    database: Database
    find: FindSpace
    contexts: Sequence[Outdated]
    stack: ExitStack
    by_json: Counter[str] = field(default_factory=Counter)
    refused: dict[tuple[bytes, int], dict[bytes, str]] = field(default_factory=dict)
    _found: dict[int, Found | str] = field(default_factory=dict)
    _ids: dict[bytes, int] = field(default_factory=dict)
    _jobs: dict[tuple[bytes, int], HashJobs] = field(default_factory=dict)
    _features: dict[bytes, bool] = field(default_factory=dict)  # by the mark of the old hasher

    def space(self, number: int) -> Found | str:
        """Returns the space of this number, or why it is not at hand."""
        if number not in self._found:
            if number == rekeying.UNKNOWN:
                self._found[number] = self.find(None)
            else:
                with self.database.read() as connection:
                    known = spaces_of(connection, [number])
                self._found[number] = self.find(known[number]) if number in known else "its row is gone"
        return self._found[number]

    def named(self, number: int) -> str:
        """Returns how sentences name the space of this number."""
        if number == rekeying.UNKNOWN:
            return "of an unknown space"
        with self.database.read() as connection:
            known = spaces_of(connection, [number])
        return f"of {known[number]}" if number in known else "of an unknown space"

    def id_of(self, found: Found) -> int:
        """Returns the number under which keys of a space are stored."""
        if found.stored.digest not in self._ids:
            self._ids[found.stored.digest] = self.database.write(lambda given: space_id(given, found.stored))
        return self._ids[found.stored.digest]

    def compute(
        self, context: Outdated, found: Found, wanted: Sequence[bytes], texts: Mapping[bytes, str]
    ) -> dict[bytes, bytes]:
        """Returns the new keys of candidates; those that the space refuses have none.

        Two processes that compute the same ones begin at places of their own and so meet each other's keys.

        Args:
            context: says which hasher.
            found: reads the candidates.
            wanted: digests.
            texts: their JSON, as far as it is at hand; the rest is read.
        """
        number = self.id_of(found)
        refused = self.refused.setdefault((context.mark, number), {})
        start = random.SystemRandom().randrange(len(wanted)) if wanted else 0
        order = [*wanted[start:], *wanted[:start]]
        size, place = _BATCHES[0], 0
        keys: dict[bytes, bytes] = {}
        while place < len(order):
            batch = [one for one in order[place : place + size] if one not in refused]
            place += size
            known = rekeying.keys_of(self.database, context.mark, number, batch)
            keys |= known
            missing = [one for one in batch if one not in known]
            if not missing:
                size = _BATCHES[1]
                continue
            read = {one: texts[one] for one in missing if one in texts}
            read |= rekeying.candidates_of(self.database, [one for one in missing if one not in read])
            refused.update(dict.fromkeys(set(missing) - read.keys(), "its JSON is not in the database"))
            began = time.monotonic()
            new, why = self._hashed(context, found, number, read)
            refused.update(why)
            rekeying.keep_keys(self.database, context.mark, number, new)
            keys |= new
            quick = time.monotonic() - began < _BATCH_SECONDS / 2
            size = min(_BATCHES[1], size * 2) if quick else max(1, size // 2)
        return keys

    def _hashed(
        self, context: Outdated, found: Found, number: int, texts: Mapping[bytes, str]
    ) -> tuple[dict[bytes, bytes], dict[bytes, str]]:
        """Returns the keys of candidates, and why the others have none, both by digest.

        A key is final. Where time, memory or the machine kept a candidate from being probed, it gets none this time,
        unless its old key was made of its JSON as well.
        """
        place = context.mark, number
        if place not in self._jobs:
            self._jobs[place] = self.stack.enter_context(found.jobs(context.hasher))
        jobs = self._jobs[place]
        read: dict[bytes, Candidate] = {}
        why: dict[bytes, str] = {}
        for one, text in texts.items():
            try:
                with no_exit(), alarm(jobs.seconds):
                    read[one] = jobs.space.decode(parse(text))
            except FAULTS as error:
                why[one] = _said(error)
        try:
            with no_exit():
                hashed = jobs.hash(list(read.values()), features=self._had_features(context))
        except FAULTS as error:
            if len(read) == 1:
                return {}, why | dict.fromkeys(read, _said(error))
            parts = [self._hashed(context, found, number, {one: texts[one]}) for one in read]
            return {one: key for keys, _ in parts for one, key in keys.items()}, why | {
                one: said for _, refused in parts for one, said in refused.items()
            }
        passing = {one: item for one, item in zip(read, hashed, strict=True) if item.passing}
        before = self._by_json_before(context, jobs, {one: read[one] for one in passing})
        why |= {one: item.fallback for one, item in passing.items() if one not in before}
        final = {one: item for one, item in zip(read, hashed, strict=True) if one not in why}
        self.by_json.update(item.fallback for item in final.values() if item.fallback)
        if self._had_features(context):
            kept = StoredFeatures(self.database, context.hasher)
            kept.add({item.key: item.features for item in final.values()})
            kept.write()
        return {one: item.key for one, item in final.items()}, why

    def _by_json_before(self, context: Outdated, jobs: HashJobs, some: Mapping[bytes, Candidate]) -> set[bytes]:
        """Returns those candidates whose old key was made of their JSON too; version 1 left the space's source out."""
        if not some:
            return set()
        plain = Hasher(jobs.hasher.probe, jobs.hasher.mantissa_bits)
        possible: dict[bytes, set[bytes]] = {}
        for one, candidate in some.items():
            try:
                with no_exit(), alarm(jobs.seconds):
                    kind, training = jobs.space.behaviour(candidate).kind, jobs.space.training(candidate)
            except FAULTS:  # it was there a moment ago
                continue
            possible[one] = {made.by_json(kind, candidate.json, training, "").key for made in (plain, jobs.hasher)}
        ids = [one.id for one in self.contexts if one.mark == context.mark]
        there = rekeying.standing_under(self.database, ids, {key for keys in possible.values() for key in keys})
        return {one for one, keys in possible.items() if keys & there}

    def _had_features(self, context: Outdated) -> bool:
        """Tells whether somebody wanted the features of classes under the old keys."""
        if context.mark_before not in self._features:
            with self.database.read() as connection:
                self._features[context.mark_before] = any_features(connection, context.mark_before)
        return self._features[context.mark_before]


def _said(error: BaseException) -> str:
    if isinstance(error, AutoMLError):
        return one_line(str(error))
    return one_line(f"{type(error).__name__}: {error}")


def rekey_contexts(database: Database, found: Keys, contexts: Sequence[Outdated], *, dry_run: bool) -> Rekeyed:
    """Gives the evaluations of these contexts new keys, as far as their spaces are at hand.

    Args:
        database: to write to.
        found: computes keys.
        contexts: old ones.
        dry_run: look, and write nothing.
    """
    report = Rekeyed(dry_run=dry_run)
    by_id = {one.id: one for one in contexts}
    for one in rekeying.pending(database, list(by_id)):
        context, space = by_id[one.context], found.space(one.space)
        if isinstance(space, str):
            report.kept.append(Kept(context.name, found.named(one.space), one.evaluations, one.seconds, space))
        elif dry_run:
            report.contexts.append(ContextDone(context.name, str(space.stored), one.evaluations, one.seconds))
        else:
            _rekey(database, found, context, one, space, report)
    return report


def kept_blindly(database: Database, contexts: Sequence[int]) -> list[Kept]:
    """Returns what is kept of contexts that do not say what they were probed on."""
    return [
        Kept(f"context {one.context}", "of whatever space", one.evaluations, one.seconds, "its probe is not known")
        for one in rekeying.pending(database, contexts)
    ]


def _rekey(
    database: Database, found: Keys, context: Outdated, waiting: rekeying.Pending, space: Found, report: Rekeyed
) -> None:
    number = found.id_of(space)
    refused = found.refused.setdefault((context.mark, number), {})
    while True:
        wanted = rekeying.pending_candidates(database, context.id, waiting.space)
        found.compute(context, space, wanted, {})
        done = database.write(partial(_change, context=context, space=waiting.space, read_by=number, refused=refused))
        if done is not None:
            break  # else somebody has added evaluations in the meantime
    if done.evaluations:
        report.contexts.append(done)
    left = [one for one in rekeying.pending(database, [context.id]) if one.space == waiting.space]
    for one in left:
        why = next(iter(refused.values()), "it was added in the meantime")
        sentence = f"{len(refused):,} of their candidates have no new key, the first for this reason: {why}"
        report.kept.append(Kept(context.name, found.named(waiting.space), one.evaluations, one.seconds, sentence))


def _change(
    connection: Connection, *, context: Outdated, space: int, read_by: int, refused: Mapping[bytes, str]
) -> ContextDone | None:
    """Copies what has a new key into the new context; None where a key is missing that could be had."""
    rekeying.lock(connection)
    rows = rekeying.movable(connection, context.id, context.mark, space, read_by)
    if any(row.new_key is None and row.candidate not in refused for row in rows):
        return None
    rows = [row for row in rows if row.new_key is not None]
    now = context.now
    mark, text = keys.fingerprint(context.namespace, now), canonical(now)
    new = evaluations.context_id(connection, mark, context.namespace, text)
    classes: dict[bytes, list[rekeying.Waiting]] = {}
    for row in sorted(rows, key=lambda row: (row.changed, row.key, row.replicate)):
        if row.new_key is not None:
            classes.setdefault(context.counted(row.new_key, row.candidate), []).append(row)
    seen_before = rekeying.moved_before(connection, context.id, {row.key for row in rows})
    firsts: dict[bytes, bytes] = {}
    into: dict[bytes, set[bytes]] = {}
    known = 0
    seconds = 0.0
    for chunk in chunks(sorted(classes), _CLASSES):
        here: dict[bytes, dict[int, rekeying.Standing]] = {key: {} for key in chunk}
        for there in evaluations.read_evaluations(connection, new, [(key, *rekeying.ALL) for key in chunk]):
            here[there.key][there.replicate] = there
        placed = []
        for key in chunk:
            given, same = numbered(classes[key], here[key], partial(_result, connection, context.id))
            known += same
            for row, replicate in given:
                placed.append((row.key, row.replicate, key, replicate, row.found or _found(context, row)))
            for row in classes[key]:
                seconds += row.seconds
                firsts.setdefault(row.key, key)
                into.setdefault(row.key, set()).add(key)
        taken = {(key, number) for _, _, key, number, _ in placed}
        lost = [(key, number) for key in chunk for number, one in here[key].items() if one.state == evaluations.LOST]
        rekeying.remove_lost(connection, new, [place for place in lost if place in taken])
        rekeying.copy_evaluations(connection, context.id, new, read_by, placed)
    rekeying.mark_moved(connection, context.id, new, read_by, [(row.key, row.replicate) for row in rows])
    rekeying.count_classes(
        connection, context.id, new, [(old, key) for old, key in firsts.items() if old not in seen_before]
    )
    [stored] = spaces_of(connection, [read_by]).values()
    return ContextDone(
        context.name,
        str(stored),
        len(rows),
        seconds,
        known=known,
        classes=len(into),
        classes_now=len(classes),
        merged=sum(len({row.key for row in some}) > 1 for some in classes.values()),
        split=sum(len(some) > 1 for some in into.values()),
    )


def _found(context: Outdated, row: rekeying.Waiting) -> str:
    """Says which key a seed comes from, so that an import can check it."""
    return canonical(
        {"group": context.group.hex(), "hasher": context.version, "key": row.key.hex(), "replicate": row.replicate}
    )


def _result(connection: Connection, context: int, row: rekeying.Waiting) -> tuple[str | None, str]:
    [stored] = evaluations.read_evaluations(connection, context, [(row.key, row.replicate, row.replicate)])
    return stored.metrics, stored.error
