"""Rebuilds order, meter and strategy of a study from its recorded trials; nothing of them is kept anywhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from automl.engine.blame import blaming
from automl.engine.meter import Meter
from automl.engine.objective import ObjectiveCheck
from automl.engine.order import TellOrder
from automl.engine.trial import told_of
from automl.errors import StudyMismatch
from automl.hashing.isolated import HashJobs
from automl.jsontext import parse
from automl.rules import LoopSettings
from automl.storage.records import TrialRecord
from automl.storage.studies import StudyStore
from automl.strategies.base import FULL, Proposal, Told


class Replay:
    """Reads the recorded trials of one study.

    Args:
        settings: of the loop.
        jobs: their space decodes candidates.
        store: holds the trials.
        objective: is told what metrics they had.
        recorded: called with each trial, before the strategy is told of it.

    Attributes:
        best: fitness among the trials that were read, as the objective reads; None where none has one.
    """

    def __init__(
        self,
        settings: LoopSettings,
        jobs: HashJobs,
        store: StudyStore,
        objective: ObjectiveCheck,
        recorded: Callable[[TrialRecord], None] = lambda _: None,
    ) -> None:
        self._recorded = recorded
        self._settings = settings
        self._space = jobs.space
        self._seconds = jobs.seconds
        self.best: float | None = None
        self._store = store
        self._objective = objective

    def run(self, order: TellOrder, meter: Meter, tell: Callable[[Sequence[Told]], None]) -> set[bytes]:
        """Leads order and meter through the recorded trials.

        Args:
            order: as it was made.
            meter: as it was made.
            tell: tells the strategy, and is called with whatever need not wait for the next block.

        Returns:
            Where a kill cut a block in two: the keys, as they are counted, that its recorded trials were the first to
            have. The whole block is proposed again, and for it they count as new.
        """
        settings, numbers, asked = self._settings, set[int](), 0
        shares = {settings.context_of(one.share): one.share for one in settings.fidelities}
        met: deque[tuple[bytes, bool]] = deque(maxlen=settings.block)  # keys, and whether they were new
        for record in self._store.trials(settings.study):
            # What stopped early stands in a context of the epoch that it reached.
            share = shares.get(record.context, FULL if settings.prune else None)
            if share is None:
                raise StudyMismatch(
                    f"study {settings.name!r}: trial {record.number} was evaluated in another context than those of "
                    "today (another kind of device, or an evaluator whose fidelities have changed), so its figures "
                    "cannot be gone on with; take another study name"
                )
            self._recorded(record)
            key = settings.counted_key(record.key, share)
            met.append((key, key not in settings.plans))
            meter.plan(record.key, record.number, asked, record.candidate, share)
            meter.seconds_before = max(meter.seconds_before, record.told_at)
            numbers.add(record.number)
            asked = max(asked, record.number + 1)
            self._objective.replayed(record.metrics)
            with blaming(f"space {self._space.kind} cannot read its trial {record.number} again", self._seconds):
                candidate = self._space.decode(parse(record.candidate))
            if record.fitness is not None:
                known = record.fitness if self.best is None else self.best
                self.best = max(record.fitness, known, key=settings.objective.worth)
            proposal = Proposal(candidate, record.origin, record.parents, share)
            tell(order.replayed(told_of(record, candidate, share, settings.objective), proposal))
        again = order.resume(numbers)
        return {key for key, new in list(met)[len(met) - again :] if new}
