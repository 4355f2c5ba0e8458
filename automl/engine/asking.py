"""A study whose evaluations are run by a loop of the user's own: it asks, evaluates as it likes, and tells.

Each call is a short visit to the study: stored trials are replayed, the search goes on until it needs an evaluation
that nobody knows or runs, and that one is handed out under a claim. So several processes may ask one study at the same
time, and each visit finds what the others have told.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from automl.cache.alone import HOLDER_SECONDS
from automl.cache.policy import ReplicatePlan
from automl.cache.records import Claim, Completion
from automl.cache.store import EquivalenceCache
from automl.engine.config import StudyConfig
from automl.engine.loop import Parked
from automl.engine.phases import Phases
from automl.engine.run_config import RunConfig
from automl.engine.running import check_search, named_pool
from automl.errors import InvalidInput, StudyBusy, brief
from automl.evaluators.base import Evaluation, Part
from automl.jsontext import parse
from automl.observers import closed_at_end
from automl.pool import Job, Pool, WorkerSetup
from automl.setup.parts import Parts
from automl.spaces.space import Candidate
from automl.storage.engine import Database
from automl.storage.records import StudyRecord
from automl.storage.sessions import Session
from automl.study import Study

BUSY_SECONDS = 60.0
"""A visit of another process ends within moments; one that lasts so long is none."""

POLL_SECONDS = 0.25
"""How often a study is visited again while others have all that it could hand out."""


@dataclass(frozen=True)
class Asked:
    """One evaluation that a study asks for. Treat it as immutable; it can be pickled, and told by another process.

    Attributes:
        candidate: `Candidate` to be evaluated.
        seed: Seed for everything random in it.
        part: "validation", or "test" for final figures.
        number: Number of the trial.
        study: Name of the study or of its phase: `mine`, `mine/random`, `mine/confirmed`, `mine/test`.
        replicate: Number of the evaluation within its class, from 0.

    Example:
        >>> asked = Asked(Candidate({"x": 3}), seed=11, part="validation", number=0, study="mine", replicate=0)
        >>> asked.candidate.value
        {'x': 3}
    """

    candidate: Candidate
    seed: int
    part: Part
    number: int
    study: str
    replicate: int
    context: int = field(default=0, repr=False)
    key: bytes = field(default=b"", repr=False)

    @property
    def slot(self) -> tuple[int, bytes, int]:
        """What the evaluation fills."""
        return self.context, self.key, self.replicate


@dataclass(frozen=True)
class _Out:
    """An evaluation that this process has handed out."""

    asked: Asked
    claim: Claim
    job: Job
    began: float


class AskedStudy(Study):
    """Study of `automl.ask_and_tell`. Its other members are those of `Study`.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> loop = automl.OwnLoop("height, 1", seeded=False)
        >>> study = automl.ask_and_tell(Line(), evaluator=loop, trials=30, baseline=False, storage="sqlite:///l.db")
        >>> while (asked := study.ask()) is not None:
        ...     study.tell(asked, {"fitness": asked.candidate.x})
        >>> study.best.fitness > 10
        True
        >>> study.close()
    """

    def __init__(
        self, phases: Phases, pool: Pool, record: StudyRecord, session: Session, cache: EquivalenceCache
    ) -> None:
        super().__init__(phases.database, record, phases.parts.space, phases.parts)
        self._phases, self._pool, self._session, self._cache = phases, pool, session, cache
        self._closed = False
        self._out: dict[tuple[int, bytes, int], _Out] = {}

    def ask(self) -> Asked | None:
        """Returns the next evaluation that nobody knows and nobody runs; None once the search is over.

        A candidate whose function is known already is answered from the cache: it becomes a trial, and is not asked
        for. After the search come random search, confirmation and test figures, unless they are switched off. Where
        other processes have everything that could be asked now, waits until one of them tells; while the study is
        paused, until it goes on.

        Raises:
            InvalidInput: everything that could be asked now was asked here and is not told yet.
            StudyBusy: another process runs the study for long.
        """
        began, named = time.monotonic(), False
        while True:
            self._wait_while_paused()
            found, over = self._visit(1)
            if found or over:
                return found[0] if found else None
            if self.paused:
                continue  # it was paused just now, and so nothing was handed out
            current = self._phases.current
            elsewhere = [slot for slot in current.awaited() if slot not in self._out] if current else []
            if not named and elsewhere and time.monotonic() - began > HOLDER_SECONDS:
                named = True
                self._phases.note(self._cache.holder(*elsewhere[0]))
            if not elsewhere:
                numbers = ", ".join(str(one.asked.number) for one in self._out.values())
                raise InvalidInput(
                    f"study {self.name} cannot propose more before it is told of trials {numbers}: "
                    f"its window is {self._phases.config.window}; tell one, or give a larger window"
                )
            time.sleep(POLL_SECONDS)

    def tell(
        self,
        asked: Asked | Candidate,
        metrics: Mapping[str, Any] | None = None,
        *,
        failed: str = "",
        seconds: float | None = None,
        curve: Iterable[tuple[float, Mapping[str, float]]] = (),
    ) -> None:
        """Stores what came of an evaluation, at once and for good, and lets the study take note of it.

        What was asked in another process, or before a kill, can be told here too, and so can any candidate of the
        space that you have evaluated anyway: it is not asked for then. A class that has its result keeps it. A paused
        study takes note of it as soon as it goes on.

        Args:
            asked: what `ask` returned, or a candidate (validation, first replicate).
            metrics: dict of numbers, the objective among them. Where that is NaN, the candidate has failed.
            failed: in words, why the candidate itself failed, in place of metrics. What failed because of a machine is
                given back instead, see `give_back`.
            seconds: that the evaluation took; since it was asked, unless given.
            curve: pairs of an epoch and the metrics after it.

        Raises:
            InvalidInput: there are no metrics, or the objective is not among them; nothing was stored. Or another
                process is evaluating it.
        """
        told = self._checked(metrics, failed)
        out = self._found(asked)
        if out is None:
            return  # a class keeps the result that it has
        spent = time.monotonic() - out.began if seconds is None else seconds
        self._end(out, self._judge(out.job, told, spent, list(curve)))

    def give_back(self, asked: Asked) -> None:
        """Gives an evaluation back that was asked and will not be told: it is asked again, here or elsewhere."""
        out = self._out.get(asked.slot)
        if out is None:
            raise InvalidInput(f"trial {asked.number} of {asked.study} was not asked here, or was told already")
        self._end(out, Completion(out.job.id, None, "lost", "it was given back"))

    def close(self) -> None:
        """Gives back what was asked and not told, and closes the database."""
        with closed_at_end(self._phases.run_config.observers if not self._closed else ()):
            self._closed = True
            self._phases.__exit__()
            self._session.close()
            super().close()

    def __enter__(self) -> AskedStudy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_while_paused(self) -> None:
        """Waits outside of any visit, so that this process and others can tell meanwhile."""
        said = False
        while self.paused:
            if not said:
                said = True
                self._phases.note(f"paused: what was asked can be told; `automl resume {self.name}` lets it go on")
            time.sleep(POLL_SECONDS)

    def _checked(self, metrics: Mapping[str, Any] | None, failed: str) -> Mapping[str, Any] | str:
        objective = self.settings["objective"]
        if (metrics is None) == (not failed):
            raise InvalidInput("tell either metrics or, with failed='…', why there are none")
        if metrics is None:
            return failed
        if not isinstance(metrics, Mapping) or objective not in metrics:
            raise InvalidInput(
                f"the objective {objective!r} is not among the metrics {brief(metrics)}: tell a dict such as "
                f"{{{objective!r}: 0.5}}"
            )
        return metrics

    def _found(self, asked: Asked | Candidate) -> _Out | None:
        """Returns the claim of what is told, made now where it was not handed out here; None where a result stands."""
        if isinstance(asked, Candidate):
            candidate = self.space.decode(asked.value)
            [hashed] = self._phases.jobs.hash([candidate])
            asked = Asked(candidate, 0, "validation", 0, "", 0, self._context("validation"), hashed.key)
        if (out := self._out.get(asked.slot)) is not None:
            return out
        if asked.context != self._context(asked.part):
            raise InvalidInput(
                f"trial {asked.number} of {asked.study} was asked by a study that measures something else than "
                f"{self.name}; tell it to that one"
            )
        study = self.store.find(asked.study) if asked.study else None
        plan = ReplicatePlan(first=asked.replicate, replicates=asked.replicate + 1)
        [answer] = self._cache.resolve_many(
            asked.context, study.id if study else None, [(asked.number, asked.key, asked.candidate.json, plan)], 1
        )
        if answer.claims:
            how = Evaluation(answer.claims[0].seed, asked.part, asked.replicate)
            return _Out(asked, answer.claims[0], Job(0, asked.candidate.json, how), time.monotonic())
        if answer.results:
            return None
        raise InvalidInput(
            f"candidate {brief(asked.candidate.json)} is being evaluated by another process; "
            + (self._cache.holder(*asked.slot) or "what that one tells will stand")
        )

    def _context(self, part: Part) -> int:
        return self._cache.context(self._phases.context(part))

    def _judge(self, job: Job, told: Mapping[str, Any] | str, seconds: float, curve: list[Any]) -> Completion:
        judged: Completion = self._pool.judged(job, told, seconds, curve)  # type: ignore[attr-defined]
        return judged

    def _end(self, out: _Out, completion: Completion) -> None:
        self._cache.finish_many(out.asked.context, [(out.claim, completion)])
        self._out.pop(out.asked.slot, None)
        with suppress(StudyBusy):  # it is stored; whoever visits next takes note of it
            self._visit(0)

    def _visit(self, wanted: int) -> tuple[list[Asked], bool]:
        """Lets the search go on as far as it can; returns what it asks for, and whether it is over."""
        began = time.monotonic()
        pool: Any = self._pool
        pool.wanted = wanted
        while True:
            pool.taken.clear()
            try:
                self._phases.run(self._record(), self._session)
            except Parked as parked:
                return self._handed_out(list(pool.taken), parked.claims), False
            except StudyBusy:
                if time.monotonic() - began > BUSY_SECONDS:
                    raise
                time.sleep(0.05)
            else:
                return [], True

    def _record(self) -> StudyRecord:
        try:
            return self.store.by_id(self.record_id)
        except InvalidInput as error:
            raise InvalidInput(
                f"study {self.name!r} was deleted; what was told is in the cache, and a study of another name finds it"
            ) from error

    def _handed_out(self, jobs: list[Job], claims: Mapping[int, tuple[int, Claim]]) -> list[Asked]:
        current = self._phases.current
        assert current is not None
        found = []
        for job in jobs:
            context, claim = claims[job.id]
            candidate = self.space.decode(parse(job.candidate))
            how = job.evaluation
            asked = Asked(
                candidate,
                claim.seed,
                how.part,
                claim.number,
                current.settings.name,
                claim.replicate,
                context,
                claim.key,
            )
            self._out[asked.slot] = _Out(asked, claim, job, time.monotonic())
            found.append(asked)
        return found


def begin_asking(
    parts: Parts, config: StudyConfig, run: RunConfig, name: str | None, wider: Mapping[str, Any] | None
) -> AskedStudy:
    """Stores or finds the study of a loop of the user's own, and opens it.

    Args:
        parts, config, run, name, wider: as of `automl.engine.running.execute`.

    Example:
        >>> import automl
        >>> from automl.rules import Budget
        >>> from automl.setup.parts import PartSettings, assemble
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> parts = assemble(Line(), PartSettings(evaluator=automl.OwnLoop("height, 1")))
        >>> config, run = StudyConfig(budget=Budget(trials=9)), RunConfig(storage="sqlite:///line.db")
        >>> with begin_asking(parts, config, run, "mine", None) as study:
        ...     study.ask().study
        'mine'
    """
    check_search(parts, config, run, name)
    pool = named_pool("handing-out")(WorkerSetup(parts.reference, parts.for_workers, parts.objective))
    database = Database(run.storage, claim_timeout=run.claim_timeout)
    try:
        phases = Phases(parts, config, run, database, pool, wider)
        name = name or phases.lifecycle.reserve(lambda free: [(free, phases.lifecycle)])
        [record] = phases.lifecycle.extend([phases.lifecycle.create_or_find(name)], phases.note)
        session = Session(database)
        cache = EquivalenceCache(database, config.namespace, session, phases.space_id)
        return AskedStudy(phases, pool, record, session, cache)
    except BaseException:
        database.close()
        raise
