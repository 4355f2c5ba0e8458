"""Artefacts before evaluations: each is made by one process of all that want it, on one of its workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from automl.artefacts.shelf import Shelf
from automl.artefacts.store import ArtefactStore
from automl.cache.artefacts import KEY, Made, StoredArtefacts, context_of_artefact
from automl.cache.policy import ReplicatePlan
from automl.cache.records import Claim, Completion
from automl.cache.store import EquivalenceCache
from automl.engine.loop import Interrupted
from automl.engine.notices import Notices
from automl.errors import InvalidInput, SearchFailed
from automl.evaluators import checkpoints
from automl.evaluators.artefacts import Artefact, declared_artefacts, recipe_of
from automl.evaluators.base import Evaluation, Evaluator
from automl.evaluators.checkpoints import Checkpoint, file_of
from automl.evaluators.places import place
from automl.jsontext import canonical
from automl.pool import Job, Pool

POLL_SECONDS = 0.25
"""How often claims of other processes are looked at."""

Digests = Mapping[str, str]
"""Digests of artefacts by name."""


@dataclass(frozen=True)
class Place:
    """Where an artefact is made, and for whom.

    Attributes:
        study: number and name of the study that asks.
        checkpoints: folder for states; None keeps none.
        retries: how often a making that was lost to the machine is tried again.
        limit: seconds that evaluations are allowed, to be set again afterwards; making has no limit.
        rates: True if the evaluator that rates declares them.
    """

    study: int
    name: str
    checkpoints: str | None
    retries: int
    limit: float | None
    rates: bool = False


class Making:
    """Sees to it that the artefacts of an evaluator are there.

    Args:
        evaluator: declares them, with what depends on the device fixed.
        cache: of the search.
        pool: whose workers make them; nothing of it is in flight.
        store: of contents.
        place: see above.
        notices: says what the user should know.
        interrupted: tells whether the search was asked to stop.

    Attributes:
        used: what was made or found, by name and digest.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        cache: EquivalenceCache,
        pool: Pool,
        store: ArtefactStore,
        place: Place,
        notices: Notices,
        interrupted: Callable[[], bool],
    ) -> None:
        self._evaluator = evaluator
        self._cache = cache
        self._pool = pool
        self._store = store
        self._place = place
        self._notices = notices
        self._interrupted = interrupted
        self._stored = StoredArtefacts(cache, store)
        self.used: dict[str, Made] = {}

    def ready(self, replicates: Iterable[int]) -> dict[int, Digests]:
        """Makes what is missing for these replicates, and returns the digests by replicate.

        Raises:
            SearchFailed: a making failed by itself.
            InvalidInput: there is no room for a content, or the declaration is wrong.
            Interrupted: the search was asked to stop; a claim of ours was given back.
        """
        known: dict[str, Made] = {}
        digests: dict[int, Digests] = {}
        for replicate in replicates:
            among = declared_artefacts(self._evaluator, replicate)
            mine: dict[str, str] = {}
            for one in among:
                description = context_of_artefact(recipe_of(one, among), self._pool.device)
                text = canonical(description)
                if text not in known:
                    known[text] = self._one(one, description, replicate, {name: mine[name] for name in one.reads})
                mine[one.name] = known[text].digest
            digests[replicate] = mine
        return digests

    def _one(self, artefact: Artefact, description: Mapping[str, Any], replicate: int, reads: Digests) -> Made:
        context = self._cache.context(description)
        tries = 0
        before: Made | None = None
        while True:
            found = self._stored.find(context, artefact.name)
            if found is not None and found.why:
                before = found
                self._stored.forget(context, found)
                self._notices.say(f"artefact {artefact.name}: {found.why}; it is made again")
            elif found is not None:
                if before is not None:
                    self._notices.say(self._stored.replaced(artefact.name, before, found))
                self.used[f"{artefact.name} {found.digest}"] = found
                return found
            plan = ReplicatePlan()
            text = canonical(description)
            [answer] = self._cache.resolve_many(context, self._place.study, [(0, KEY, text, plan)], 1)
            if answer.claims:
                tries += 1
                lost = self._make(artefact, context, answer.claims[0], text, replicate, reads)
                if lost and tries > self._place.retries:
                    raise SearchFailed(self._place.name, f"artefact {artefact.name} cannot be made: {lost}")
            elif answer.results:
                error = answer.results[0].error
                if answer.results[0].metrics is None:
                    raise SearchFailed(
                        self._place.name,
                        f"artefact {artefact.name} cannot be made: {error}; `automl cache prune --failed` forgets that",
                    )
            else:
                self._wait(context)

    def account(self) -> list[dict[str, Any]]:
        """Returns what was used, as JSON data: seconds are charged to the study that caused the making."""
        return [
            {
                "name": name.partition(" ")[0],
                "digest": one.digest,
                "bytes": one.size,
                "seconds": one.seconds,
                "made": one.study == self._place.study,
            }
            for name, one in self.used.items()
        ]

    def _wait(self, context: int) -> None:
        """Waits a moment for the process that is making it."""
        if self._interrupted():
            raise Interrupted
        if sentence := self._cache.holder(context, KEY, 0):
            self._notices.once(f"artefact {context}", sentence)
        time.sleep(POLL_SECONDS)

    def _make(self, artefact: Artefact, context: int, claim: Claim, text: str, replicate: int, reads: Digests) -> str:
        """Makes an artefact on a worker and ends the claim; returns why it was lost, empty where it was not."""
        folder = self._place.checkpoints
        group = str(place(folder) / self._cache.fidelity_group(context)) if folder else None
        owner = f"{self._place.name}, number {self._place.study}"
        with checkpoints.used(group, owner) as use:
            kept = Checkpoint(place(file_of(group, claim.key, claim.seed, text))) if group else None
            shelf = Shelf(self._store, reads)
            how = Evaluation(claim.seed, "validation", replicate, checkpoint=kept, shelf=shelf, rates=self._place.rates)
            job = Job(1, text, how, artefact.name)
            done: Completion | None = None
            self._pool.limit(None)
            try:
                self._pool.submit([job])
                while done is None:
                    done = next(iter(self._pool.completed(POLL_SECONDS)), None)
                    if self._interrupted() and (done is None or done.fault == "stopped"):
                        raise Interrupted
            finally:
                self._pool.limit(self._place.limit)
                if done is None:
                    lost = Completion(fault="lost", error="the search stopped")
                    self._cache.finish_many(context, [(claim, lost)])
            if done.not_kept:
                lost = Completion(fault="lost", error=done.not_kept)
                self._cache.finish_many(context, [(claim, lost)])
                raise InvalidInput(done.not_kept)
            self._cache.finish_many(context, [(claim, done)])
            if done.lost:
                use.keep()  # the next try goes on from there
        return (done.error or str(done.fault)) if done.lost else ""


def prepared(
    evaluator: Evaluator,
    cache: EquivalenceCache,
    pool: Pool,
    store: ArtefactStore | None,
    place: Place,
    notices: Notices,
    interrupted: Callable[[], bool],
    most: int,
    *,
    forgets: bool,
) -> tuple[dict[int, Digests], list[dict[str, Any]]]:
    """Sees to it that the artefacts of an evaluator are there.

    Args:
        evaluator, cache, pool, store, place, notices, interrupted: as of `Making`.
        most: number of replicates that may be asked for.
        forgets: whether look-ups may forget, which asks for ever more replicates.

    Returns:
        The digests by replicate, and what was used, see `Making.account`.

    Raises:
        InvalidInput: there is no place for artefacts, or no number of them would be enough.
    """
    kept = place_for(store, f"evaluator {evaluator.name}")
    one, other = ([item.recipe() for item in declared_artefacts(evaluator, number)] for number in (0, 1))
    if one != other and forgets:
        raise InvalidInput(
            f"evaluator {evaluator.name} has artefacts for each replicate, and forgetting asks for ever more "
            "replicates; leave forget_probability at 0"
        )
    making = Making(evaluator, cache, pool, kept, place, notices, interrupted)
    return making.ready(range(1 if one == other else most)), making.account()


def place_for(store: ArtefactStore | None, who: str) -> ArtefactStore:
    """Returns where artefacts are kept.

    Raises:
        InvalidInput: there is no such place.
    """
    if store is None:
        raise InvalidInput(
            f"{who} needs artefacts, and there is no place for them beside this database; name one with --artefacts URL"
        )
    return store
