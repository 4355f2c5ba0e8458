"""The equivalence cache: of all processes on all machines exactly one evaluates a replicate of a class.

Idea: Gillard et al. 2023, Unified Functional Hashing in Automatic Machine Learning (arXiv 2302.05433), the functional
equivalence cache; here it is shared through a database, survives its processes, and counts replicates.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.cache import keys as keying
from automl.cache import resolving
from automl.cache.alone import get_or_evaluate
from automl.cache.records import Asked, Claim, Completion, Resolution, Result
from automl.errors import InvalidInput
from automl.evaluators.curves import LearningCurve
from automl.jsontext import canonical
from automl.storage import evaluations, fidelities
from automl.storage.artefacts import keep_artefacts
from automl.storage.candidates import digest
from automl.storage.curves import classes_with_curves, curves_of, keep_curves
from automl.storage.engine import Database
from automl.storage.sessions import Session, dead_among, signs_of_life

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger(__name__)

_JUDGE_EVERY_SECONDS = 0.5
"""A session found alive is not asked about again for this long: waiting is polling, and polls should cost one query."""


class EquivalenceCache:
    """Stores results of evaluations by (context, key, replicate), in a database that any number of processes share.

    A cache pickles as its URL and namespace, and works in a forked process, so one object can be passed to workers.

    The key is the functional hash of a candidate; candidates with one key in one context form an equivalence class. The
    context is everything else that a result depends on: evaluator, task, settings, fidelity. The replicate counts the
    evaluations of one class, each with a seed of its own.

    Args:
        database_or_url: Open `Database`, or the URL of one.
        namespace: Name of a part of the cache. Results are shared within one namespace only; a new name starts empty.
        session: `Session` in whose name evaluations are reserved. If None, the cache opens its own when it first needs
            one.
        space: Number of the stored space that the candidates belong to, stored with each evaluation; None outside of
            studies.
        claim_timeout: Seconds after which a process of this machine that gives no sign of life (a suspended one, for
            instance) loses the evaluations that it has claimed; None takes 600, or what an open `Database` has. It is
            named after a minute.

    Raises:
        StorageRefused: the database cannot be used.

    Example:
        >>> cache = EquivalenceCache("sqlite:///cache.db")
        >>> def train():
        ...     print("training")
        ...     return 0.93
        >>> key = bytes(16)  # the key of what is trained, such as `automl.functional_hash(network)`
        >>> cache.get_or_evaluate(key, train, context={"epochs": 3})
        training
        0.93
        >>> cache.get_or_evaluate(key, train, context={"epochs": 3})  # a second process would be served, too
        0.93
        >>> cache.close()
    """

    def __init__(
        self,
        database_or_url: Database | str,
        namespace: str = "default",
        session: Session | None = None,
        space: int | None = None,
        claim_timeout: float | None = None,
    ):
        self._owns_database = isinstance(database_or_url, str)
        self.database = (
            Database(database_or_url, claim_timeout=claim_timeout)
            if isinstance(database_or_url, str)
            else database_or_url
        )
        self.namespace = namespace
        self._session = session
        self._owns_session = session is None
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._contexts: dict[bytes, int] = {}
        self._groups: dict[int, bytes] = {}
        self._rekeyed: dict[int, tuple[int, ...]] = {}
        self._space = space
        self._alive: dict[int, float] = {}

    @property
    def session(self) -> Session:
        """`Session` in whose name evaluations are reserved."""
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._lock = threading.Lock()  # the parent's may have been held when it forked
            self._session, self._owns_session = None, True
        with self._lock:
            if self._session is None:
                self._session = Session(self.database)
            return self._session

    def context(self, description: Mapping[str, Any]) -> int:
        """Returns the id of the context described, the same for equal descriptions in one namespace.

        Raises:
            InvalidInput: the description is not JSON.
        """
        mark = keying.fingerprint(self.namespace, description)
        if mark not in self._contexts:
            text = canonical(description)

            def work(connection: Connection) -> tuple[int, tuple[int, ...]]:
                found = evaluations.context_id(connection, mark, self.namespace, text)
                alike = fidelities.fidelities_of(connection, found).keys() - {found}
                return found, fidelities.rekeyed_among(connection, alike)

            found, others = self.database.write(work)
            self._contexts[mark], self._rekeyed[found] = found, others
            self._groups[found] = keying.fingerprint(self.namespace, fidelities.at_full_fidelity(description))
        return self._contexts[mark]

    def fidelity_group(self, context: int) -> str:
        """Returns 32 hexadecimal digits that all fidelities of one context share; from this cache's `context()`."""
        return self._groups[context].hex()

    def seed(self, context: int, key: bytes, replicate: int) -> int:
        """Returns the 63-bit seed of one replicate; `context` must come from this cache's own `context()`.

        All fidelities of a context have the same seeds, so that a fuller evaluation can go on where a cheaper ended.
        """
        if context not in self._groups:
            raise InvalidInput(f"context {context} was not opened by this cache; get its id from context(description)")
        return keying.seed(self.namespace, self._groups[context], key, replicate)

    def _seeds(
        self, connection: Connection, context: int, places: Collection[resolving.Place]
    ) -> dict[resolving.Place, int]:
        """Returns the seed of each place: that of its other fidelities where theirs come from older keys."""
        others = self._rekeyed.get(context, ())
        kept = fidelities.seeds_kept(connection, context, others, {key for key, _ in places}) if others else {}
        return {place: kept[place] if place in kept else self.seed(context, *place) for place in places}

    def resolve_many(
        self,
        context: int,
        study: int | None,
        asked: Sequence[Asked],
        limit: int | None = None,
        *,
        count: bool = False,
        connection: Connection | None = None,
    ) -> list[Resolution]:
        """Looks up what all trials ask in one transaction and claims what is missing, for at most `limit` evaluations.

        Claims are granted in the order of the trials and made in the order of the keys. Of two trials that ask for one
        key the first claims and the second waits. Claims that were lost, or whose session is dead, are taken over.

        Args:
            context: number of a context, from `context()`.
            study: number of the study that causes the evaluations; None outside of studies.
            asked: (trial number, key, candidate JSON, plan) for each trial.
            limit: number of evaluations that could be started now.
            count: True to count that these classes have been seen once more. Trials of a study are counted when they
                are recorded.
            connection: open writing transaction to use; None opens one.

        Raises:
            InvalidInput: a key is not 16 bytes.
            StorageError: the database failed; no claim was made.
        """
        if not asked:
            return []
        for _, key, _, _ in asked:
            if type(key) is not bytes or len(key) != 16:
                keying.check_key(key)
        session = self.session.id

        def work(given: Connection) -> list[Resolution]:
            if count:
                self._count(given, context, asked)
            call = resolving.Call(
                connection=given,
                context=context,
                session=session,
                study=study,
                seeds=lambda places: self._seeds(given, context, places),
                space=self._space,
                dead=lambda sessions: self._dead(given, sessions),
                limit=limit,
            )
            return resolving.resolve(call, asked)

        return self.database.within(connection, work)

    def _count(self, connection: Connection, context: int, asked: Sequence[Asked]) -> None:
        times = Counter(key for _, key, _, _ in asked)
        evaluations.see_classes(connection, [(context, key, times[key]) for key in sorted(times)])

    def _dead(self, connection: Connection, sessions: set[int]) -> set[int]:
        now = time.monotonic()
        unknown = {one for one in sessions if now - self._alive.get(one, float("-inf")) > _JUDGE_EVERY_SECONDS}
        dead = dead_among(self.database, connection, unknown) if unknown else set()
        self._alive.update(dict.fromkeys(unknown - dead, now))
        return dead

    def finish_many(
        self, context: int, ends: Sequence[tuple[Claim, Completion]], connection: Connection | None = None
    ) -> None:
        """Ends claims. A claim that another process has taken over is logged and dropped.

        Metrics, and an error of the candidate's own, are facts about the class and are stored with the learning curve.
        After any other fault, any process may claim the evaluation again.

        Args:
            context: number of a context, from `context()`.
            ends: pairs of a claim and the completion of its evaluation.
            connection: open writing transaction to use; None opens one.

        Raises:
            InvalidInput: metrics are not JSON, or hold NaN or an infinity; nothing was stored.
        """
        if not ends:
            return
        session = self.session.id
        rows = [
            (*_stored(completion), context, claim.key, claim.replicate, session, claim.attempt)
            for claim, completion in ends
        ]
        curves = [
            {
                "context": context,
                "key": claim.key,
                "replicate": claim.replicate,
                "session": session,
                "attempt": claim.attempt,
                "points": completion.curve,
            }
            for claim, completion in ends
            if completion.curve and completion.metrics is not None
        ]

        links = [
            {
                "context": context,
                "key": claim.key,
                "replicate": claim.replicate,
                "session": session,
                "attempt": claim.attempt,
                "relation": one.relation,
                "name": one.name,
                "digest": bytes.fromhex(one.digest),
                "size": one.size,
            }
            for claim, completion in ends
            if completion.metrics is not None
            for one in completion.artefacts
        ]

        def work(given: Connection) -> int:
            ours = evaluations.end_claims(given, rows)
            keep_curves(given, curves, ("session", "attempt"))
            keep_artefacts(given, links, ("session", "attempt"))
            return ours

        ours = self.database.within(connection, work)
        if ours < len(rows):
            log.warning(
                "%d of %d results came too late: their claims had been taken over by others; they are dropped",
                len(rows) - ours,
                len(rows),
            )

    def keep_reached(
        self,
        study: int | None,
        stopped: Sequence[tuple[int, Claim, Completion, str]],
        connection: Connection | None = None,
    ) -> None:
        """Stores results of evaluations that stopped early, with their learning curves.

        Args:
            study: number of the study that caused them.
            stopped: the context of the epoch that was reached, the claim, the completion and the candidate's JSON.
            connection: open writing transaction to use; None opens one.
        """
        rows = [
            {
                "context": context,
                "key": claim.key,
                "replicate": claim.replicate,
                "seed": claim.seed,
                "candidate": digest(candidate),
                "metrics": canonical(completion.metrics),
                "seconds": float(completion.seconds),
                "study": study,
                "trial": claim.number,
                "space": self._space,
            }
            for context, claim, completion, candidate in stopped
        ]
        curves = [{**row, "points": completion.curve} for row, (_, _, completion, _) in zip(rows, stopped, strict=True)]

        def work(given: Connection) -> None:
            evaluations.keep_reached(given, rows)
            keep_curves(given, curves, ("seed", "metrics"))

        self.database.within(connection, work)

    def holder(self, context: int, key: bytes, replicate: int) -> str:
        """Returns a sentence on the other process that is evaluating a replicate; empty if there is none."""
        with self.database.read() as connection:
            rows = evaluations.read_evaluations(connection, context, [(key, replicate, replicate)])
            ids = {row.session for row in rows if row.state == evaluations.CLAIMED and row.session != self.session.id}
            found = signs_of_life(connection, ids)
        if not found:
            return ""
        who, seconds = found[0]
        return (
            f"an evaluation that {who} has claimed is waited for; its last sign of life is {seconds:.0f} s old "
            f"(who has stood still for {self.database.claim_timeout:.0f} s loses its claims: --claim-timeout)"
        )

    def traceback(self, context: int, key: bytes) -> str:
        """Returns the traceback of a class's first failure, whether the candidate or the machine failed; else empty."""
        with self.database.read() as connection:
            rows = evaluations.read_evaluations(connection, context, [(key, 0, 1 << 62)])
        return next((text for row in rows if (text := row.error.partition("\n")[2])), "")

    def replicates(self, context: int, keys: Sequence[bytes]) -> dict[bytes, list[Result]]:
        """Returns the finished replicates of each class in order, audits excluded; a class without one is left out."""
        found: dict[bytes, list[Result]] = {}
        with self.database.read() as connection:
            rows = evaluations.read_evaluations(connection, context, [(key, 0, 1 << 62) for key in sorted(set(keys))])
        for row in rows:
            if row.state in (evaluations.DONE, evaluations.FAILED):
                found.setdefault(row.key, []).append(resolving.to_result(row))
        return found

    def learning_curves(self, context: int, keys: Sequence[bytes]) -> dict[bytes, dict[int, LearningCurve]]:
        """Returns the learning curves of each class by replicate, audits excluded; a class without one is left out."""
        found: dict[bytes, dict[int, LearningCurve]] = {}
        with self.database.read() as connection:
            for row in curves_of(connection, context, keys):
                found.setdefault(bytes(row.key), {})[row.replicate] = LearningCurve.from_json(row.points)
        return found

    def classes_with_curves(self, context: int, most: int) -> list[bytes]:
        """Returns the keys of classes with a learning curve in a context, `most` at most."""
        with self.database.read() as connection:
            return classes_with_curves(connection, context, most)

    def fidelities(self, context: int) -> dict[int, dict[str, Any]]:
        """Returns the contexts that differ from one in fidelity alone, with their fidelities; `{}` is the full one."""
        with self.database.read() as connection:
            return fidelities.fidelities_of(connection, context)

    def classes_in_both(self, one: int, other: int, most: int) -> list[bytes]:
        """Returns the keys of classes with a finished evaluation in both contexts, `most` at most."""
        with self.database.read() as connection:
            return fidelities.classes_in_both(connection, one, other, most)

    def get_or_evaluate(
        self,
        key: Any,
        function: Callable[..., Any],
        *,
        replicates: int = 1,
        context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Returns the stored result for `key`, or what `function` returns, and stores it: see `automl.cache.alone`."""
        return get_or_evaluate(self, key, function, replicates=replicates, context=context or {})

    def close(self) -> None:
        """Ends the session and closes the database, if the cache opened them itself."""
        if self._owns_session and self._session is not None:
            self._session.close()
            self._session = None
        if self._owns_database:
            self.database.close()

    def __enter__(self) -> EquivalenceCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            EquivalenceCache,
            (self.database.url, self.namespace, None, self._space, self.database.claim_timeout),
        )


def _stored(completion: Completion) -> tuple[str, str | None, str, float]:
    """Returns how an evaluation ended, as the first columns of `evaluations.END`: state, metrics, error, seconds."""
    if completion.metrics is not None:
        return evaluations.DONE, canonical(completion.metrics), "", float(completion.seconds)
    if completion.lost:
        return evaluations.LOST, None, _with_traceback(f"{completion.fault}: {completion.error}", completion), 0.0
    error = _with_traceback(completion.error or "failed", completion)
    return evaluations.FAILED, None, error, float(completion.seconds)


def _with_traceback(error: str, completion: Completion) -> str:
    """Returns what is stored of a failure: the sentence in the first line, then the traceback where there is one."""
    return f"{error}\n{completion.traceback}" if completion.traceback else error
