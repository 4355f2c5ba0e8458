"""What the user should hear while a search runs, each sentence once: slow evaluations, silent holders, JSON keys."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from automl.cache.alone import HOLDER_SECONDS
from automl.cache.store import EquivalenceCache
from automl.engine.keyer import Keyer
from automl.engine.notices import Notices
from automl.engine.trial import Slot
from automl.pool import Pool

LOOK_SECONDS = 1.0
"""How often evaluations under way are looked at."""

SLOW_TIMES = 10.0
SLOW_SECONDS = 60.0
"""An evaluation is named when it has taken so many times the median, and so many seconds."""

FIRST_SECONDS = 300.0
"""It is named after so many seconds where none has ended yet."""

JSON_SHARE = 0.1
"""Said again when more than this share of the candidates is keyed by its JSON."""


class SlowEvaluations:
    """Follows how long evaluations take.

    Args:
        pool: runs them.
        first: seconds allowed for the first evaluations, where each that follows is allowed a multiple of the median
            (`--timeout auto`); None where the limit stays as it is.

    Example:
        >>> from automl.engine.troubles import SlowEvaluations
        >>> slow = SlowEvaluations(pool=None, first=None)
        >>> for seconds in (1.0, 2.0, 30.0, 2.0, 1.0):
        ...     slow.ended(seconds)
        >>> slow.median
        2.0
    """

    def __init__(self, pool: Pool, first: float | None) -> None:
        self._pool = pool
        self._first = first
        self._recent: deque[float] = deque(maxlen=255)  # another thread may read it: by list() at one go
        self._limit: float | None = None
        self._said: set[int] = set()
        self._looked = 0.0

    @property
    def median(self) -> float | None:
        """Seconds of one evaluation; None before five have ended."""
        recent = list(self._recent)
        return statistics.median(recent) if len(recent) >= 5 else None

    @property
    def recent(self) -> list[float]:
        """Seconds of the evaluations that ended last, 255 at most."""
        return list(self._recent)

    def _usual(self) -> float | None:
        """Returns the median, or the longest of fewer than five; None before one has ended."""
        median = self.median
        return max(list(self._recent), default=None) if median is None else median

    def ended(self, seconds: float) -> None:
        """Takes the seconds of an evaluation that gave metrics, at full fidelity."""
        self._recent.append(seconds)

    @contextmanager
    def watched(self, name: Callable[[int], str], say: Callable[[Sequence[str]], None]) -> Iterator[None]:
        """Lets another thread look while the body evaluates in this one, where the pool does so.

        Args:
            name: names the trial of a job.
            say: tells the user; called in that thread.
        """
        if not self._pool.evaluates_here:
            yield
            return
        over = threading.Event()

        def watch() -> None:
            while not over.wait(LOOK_SECONDS):
                if late := self._late(name):
                    say(late)

        thread = threading.Thread(target=watch, name="slow evaluations", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def look(self, name: Callable[[int], str]) -> list[str]:
        """Returns a sentence for each evaluation that has become slow.

        Args:
            name: names the trial of a job.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return []
        self._looked = now
        # Of several at one time the quickest ends first, so a few say little; here one follows the other.
        usual = self._usual() if self._pool.evaluates_here else self.median
        if self._first is not None and usual is not None:
            self._adapt(max(SLOW_SECONDS, SLOW_TIMES * usual))
            return []
        return [] if self._pool.evaluates_here else self._late(name)

    def _late(self, name: Callable[[int], str]) -> list[str]:
        """Returns a sentence for each evaluation that takes long and was not named before."""
        usual = self._usual()
        if usual is None:
            bound, than = FIRST_SECONDS, "and none has ended yet"
        else:
            than = f"where {'the longest so far' if self.median is None else 'the median'} is {usual:.3g} s"
            bound = max(SLOW_SECONDS, SLOW_TIMES * usual)
        then = (
            "`--timeout SECONDS`, or `--timeout auto`, ends such evaluations"
            if self._first is None
            else f"`--timeout auto` ends one of the first after {self._first:.0f} s (--first-timeout)"
        )
        found = []
        for one in self._pool.running():
            if one.seconds >= bound and one.job not in self._said:
                self._said.add(one.job)
                which = f"{name(one.job)}, or one of {one.others} in its batch," if one.others else name(one.job)
                found.append(f"{which} has been evaluated by {one.worker} for {one.seconds:.0f} s, {than}; {then}")
        return found

    def _adapt(self, bound: float) -> None:
        """Lets the pool's limit follow the median; a limit that moves a little is left alone."""
        if self._limit is None or not 0.5 * self._limit <= bound <= self._limit:
            self._limit = 1.5 * bound if self._limit is not None and bound > self._limit else bound
            self._pool.limit(self._limit)


class SilentHolders:
    """Names processes whose claims this search waits for.

    Args:
        cache: knows who holds what.
    """

    def __init__(self, cache: EquivalenceCache) -> None:
        self._cache = cache
        self._since: dict[Slot, float] = {}
        self._said: set[Slot] = set()

    def look(self, waited: Sequence[Slot]) -> list[str]:
        """Returns a sentence for each slot that has been waited for too long.

        Args:
            waited: what other processes are evaluating for this search.
        """
        now = time.monotonic()
        self._since = {slot: self._since.get(slot, now) for slot in waited}
        self._said &= set(waited)
        late = [slot for slot, since in self._since.items() if now - since >= HOLDER_SECONDS and slot not in self._said]
        self._said.update(late)
        return [sentence for slot in late[:1] if (sentence := self._cache.holder(*slot))]


class KeyedByJson:
    """Counts candidates whose function could not be probed, and says so at the first and at a tenth of all.

    Args:
        keyer: counts them.
        note: keeps the count with the study.
        notices: says it, once in all loops that it serves.
        hint: what helps.
        before: what earlier runs of the study have kept.
    """

    def __init__(
        self,
        keyer: Keyer,
        note: Callable[[dict[str, object]], None],
        notices: Notices,
        hint: str = "",
        before: Mapping[str, Any] | None = None,
    ) -> None:
        self._keyer = keyer
        self._note = note
        self._notices = notices
        self._hint = hint
        self._before = before or {"candidates": 0, "by_json": 0, "why": []}
        self._said = 0

    def look(self, last: bool = False) -> None:
        """Says what is to be said now.

        Args:
            last: True at the end of the loop, when the count is stored once more.
        """
        count, of = self._keyer.by_json, self._keyer.hashed
        if not count:
            return
        due = self._said == 0 or (self._said == 1 and of >= 20 and count > JSON_SHARE * of)
        if due or last:
            self._note(self._in_all(count, of))
        if not due:
            return
        self._said += 1
        why = self._keyer.why_json()[0]["why"]
        which = "a candidate is keyed by its" if count == 1 else f"{count} of {of} candidates are keyed by their"
        self._notices.once(
            f"keyed by JSON, {self._said}",
            f"{which} JSON and not by the function, so only exact repeats are recognised: {why}{self._hint}",
        )

    def _in_all(self, count: int, of: int) -> dict[str, object]:
        """Returns the counts of this run and of those before."""
        before, why = self._before, Counter[str]()
        for one in (*before["why"], *self._keyer.why_json()):
            why[one["why"]] += one["candidates"]
        return {
            "candidates": before["candidates"] + of,
            "by_json": before["by_json"] + count,
            "why": [{"why": text, "candidates": number} for text, number in why.most_common(5)],
        }
