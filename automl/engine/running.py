"""Runs one search, or several runs of it, over one pool and one database, and stops cleanly when it is asked to."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from automl import registry
from automl.artefacts.store import ArtefactStore
from automl.engine.beginning import has_begun
from automl.engine.blame import blaming
from automl.engine.config import StudyConfig
from automl.engine.gathering import studies_named
from automl.engine.lifecycle import Lifecycle, stem_of
from automl.engine.loop import Interrupted
from automl.engine.phases import Phases
from automl.engine.refusing import check_stored
from automl.engine.repeats import Runs
from automl.engine.run_config import RunConfig
from automl.engine.signals import Stopped as Stopped
from automl.engine.signals import StopSignals as StopSignals
from automl.errors import InvalidInput, InvalidSpace, WorkersLost, warn
from automl.evaluators.checkpoints import check_folder
from automl.isolation.limits import OutOfTime, alarm
from automl.observers import closed_at_end
from automl.pool import Pool, WorkerSetup
from automl.rules import BEGIN_FROM_CONTEXT
from automl.setup.parts import Parts, rungs_of
from automl.setup.preflight import check_enqueued, check_first_sample, check_goals
from automl.setup.proposing import ARTEFACTS
from automl.setup.shipping import folder_to_ship
from automl.storage.engine import Database
from automl.storage.studies import StudyStore
from automl.strategies.base import FULL
from automl.study import RepeatedStudy, Study

FIRST_SECONDS = 5.0
"""Allowed for the first sample besides: libraries are imported then."""


def execute(
    parts: Parts,
    config: StudyConfig,
    run: RunConfig,
    name: str | None,
    runs: Runs | None = None,
    wider: Mapping[str, Any] | None = None,
) -> Study:
    """Checks everything that can be checked, then opens pool and database and runs the phases.

    Args:
        parts: of the search.
        config: of the study; of several runs, what they have in common.
        run: where and how.
        name: of the study, None for a free one.
        runs: number of runs and whether they share a part of the cache; None runs it once.
        wider: bounds of the budget that a stored study is given instead of its own.
    """
    with closed_at_end(run.observers), StopSignals() as signals:
        check_search(parts, config, run, name)
        if run.simulated_workers is None and workers_of(parts, run):
            check_stored(parts, config, run, name, runs, bool(wider))
        with _opened(parts, run, name) as pool:
            signals.install()  # Ray has put its own handler in place
            database = Database(run.storage, claim_timeout=run.claim_timeout)
            try:
                return _run(parts, config, run, database, pool, signals, name, runs, wider)
            except BaseException:
                database.close()
                raise


def check_search(parts: Parts, config: StudyConfig, run: RunConfig, name: str | None) -> None:
    """Checks everything of a search that can be checked before anything is opened or written.

    Args:
        parts, config, run, name: as of `execute`.

    Raises:
        InvalidInput: something is wrong.
    """
    parts.rater.settings()
    parts.evaluator.settings()  # reads the data's names and fingerprints, or says what is wrong with them
    _ = parts.proposing  # says what the strategy's artefacts lack
    _check_first(parts, config.seed, run)
    shares = [rung.share for rung in rungs_of(parts)]
    if not {"hashes", ARTEFACTS} & {*parts.strategy.wants}:
        # what it refuses of the space is refused before workers are started
        with blaming(f"strategy {parts.strategy.name} cannot search {parts.space.kind}", run.hash_seconds):
            parts.strategy.bind(parts.space, [*shares, FULL])
    many = max(1, len(config.enqueue))
    with blaming(f"space {parts.space.kind} cannot read what is enqueued", run.hash_seconds * many):
        check_enqueued(parts, config.enqueue)
    Database.check(run.storage)
    _check_beginning(config, run, name)
    if run.artefacts is not None:
        ArtefactStore(run.artefacts).check()
    if run.checkpoints is not None:
        check_folder(run.checkpoints)


def _check_beginning(config: StudyConfig, run: RunConfig, name: str | None) -> None:
    """Refuses a beginning from studies that are not there, before anything is written.

    A search that has begun keeps what it began from: the studies may have other names since, or be gone.
    """
    names = [name for name in config.begin_from if name != BEGIN_FROM_CONTEXT]
    if not names:
        return
    if not Database.exists(run.storage):
        raise InvalidInput(f"begin_from: there is no study {names[0]!r}, for there is no database yet")
    database = Database(run.storage, create=False)
    try:
        store = StudyStore(database)
        stored = None if name is None else store.find(name)
        if stored is None or not has_begun(store, stored.id):
            studies_named(store, names)
    finally:
        database.close()


def _check_first(parts: Parts, seed: int, run: RunConfig) -> None:
    """Refuses what would fail for every candidate. A first sample that never comes back is said, and is one of many."""
    seconds = run.hash_seconds + FIRST_SECONDS
    try:
        with blaming(f"space {parts.space.kind} fails on its first sample"), alarm(seconds):
            check_first_sample(parts.space, parts.evaluator, seed)
            if parts.rating is not None:
                check_first_sample(parts.space, parts.rating.evaluator, seed)
            check_goals(parts, seed)
    except InvalidSpace as error:
        if not isinstance(error.__cause__, OutOfTime):
            raise
        for observer in run.observers:
            observer.note(f"Warning: {error}")


def _opened(parts: Parts, run: RunConfig, name: str | None) -> Pool:
    """Opens the pool; a signal that Ray takes for itself meanwhile stops the search like any other."""
    try:
        return open_pool(parts, run, name)
    except SystemExit as ended:
        if ended.code == signal.SIGTERM:
            raise Stopped(None, signal.SIGTERM) from None
        raise


def _run(
    parts: Parts,
    config: StudyConfig,
    run: RunConfig,
    database: Database,
    pool: Pool,
    signals: StopSignals,
    name: str | None,
    runs: Runs | None,
    wider: Mapping[str, Any] | None,
) -> Study:
    if parts.notice and not run.observers:
        warn(parts.notice)
    for observer in run.observers:
        observer.note(pool.notice)
        observer.note(parts.notice)
        observer.note(parts.why)
    with Phases(parts, config, run, database, pool, wider) as first:
        if runs is None:
            name = name or first.lifecycle.reserve(lambda free: [(free, first.lifecycle)])
            [record] = first.lifecycle.extend([first.lifecycle.create_or_find(name)], first.note)
            with stoppable(signals, first.interrupt, name):
                return first.run(record)

        def runs_of(name: str, runs: Runs = runs) -> list[tuple[str, Phases]]:
            return [(own, first.alike(given)) for own, given in runs.of(config, name)]

        name = name or first.lifecycle.reserve(lambda free: _lifecycles(runs_of(free)))
        return _run_all(runs_of(name), name, signals)


def _run_all(runs: Sequence[tuple[str, Phases]], name: str, signals: StopSignals) -> Study:
    """Stores all runs at once, so that whoever goes on knows how many there are, then runs what is not finished."""
    first = runs[0][1]
    records = first.lifecycle.extend(first.lifecycle.create_or_find_all(name, _lifecycles(runs)), first.note)
    stopping = threading.Event()
    current: list[Phases] = []

    def interrupt() -> None:
        stopping.set()
        for phases in current:
            phases.interrupt()

    with stoppable(signals, interrupt, name):
        for record, (_, phases) in zip(records, runs, strict=True):
            if record.state == "finished":
                continue
            current[:] = [phases]
            if stopping.is_set():
                raise Interrupted
            phases.run(record)
    return RepeatedStudy(name, [Study(first.database, record, first.parts.space, first.parts) for record in records])


def _lifecycles(runs: Sequence[tuple[str, Phases]]) -> list[tuple[str, Lifecycle]]:
    return [(own, phases.lifecycle) for own, phases in runs]


def workers_of(parts: Parts, run: RunConfig) -> int:
    """Returns the number of evaluations at one time: as asked for, or one per core, or 0 for this process.

    Of workers that follow a cluster it is the largest number, or what the cluster has room for now.
    """
    if run.simulated_workers is not None:
        return run.simulated_workers
    if (asked := run.most_workers) is not None:
        return asked
    if run.workers is None and parts.evaluator.inline and parts.rater.inline and not run.follows:
        return 0
    if run.follows:
        at_hand: Callable[..., int] = registry.load("pools", "ray").at_hand
        shipped = shipped_by(parts, run)[0]
        return max(1, at_hand(run.cpus_per_worker, run.gpus_per_worker, run.cluster, run.dashboard, shipped))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, int(cores / run.cpus_per_worker))


def open_pool(parts: Parts, run: RunConfig, name: str | None = None) -> Pool:
    """Opens the pool that a run asks for.

    Args:
        parts: of the search.
        run: where and how it runs.
        name: of the study; None where it has none yet.

    Raises:
        WorkersUnavailable: more workers than Ray's resources hold.
    """
    title = name or stem_of(parts)
    plan = WorkerSetup(parts.reference, parts.for_workers, parts.objective, run.first_limit, title)
    if run.simulated_workers is not None:
        return named_pool("simulated")(plan, workers=run.simulated_workers)
    number = None if run.follows else workers_of(parts, run)
    if number == 0:
        return named_pool("inline")(plan)

    def say(sentence: str) -> None:
        for observer in run.observers:
            observer.note(sentence)
        if not run.observers:
            warn(sentence)

    shipped, sentence = shipped_by(parts, run)
    if sentence:
        say(sentence)
    return named_pool("ray")(
        plan,
        workers=number,
        min_workers=(run.min_workers or 1) if run.follows else None,
        max_workers=run.most_workers if run.follows else None,
        wait=run.wait,
        num_cpus=run.cpus_per_worker,
        num_gpus=run.gpus_per_worker,
        memory=run.memory_bytes,
        address=run.cluster,
        dashboard=run.dashboard,
        ship=shipped,
        say=say,
    )


def shipped_by(parts: Parts, run: RunConfig) -> tuple[str | None, str]:
    """Returns the folder that a run sends to the nodes of a cluster, and what is to be said of it."""
    if run.cluster is None:
        return None, ""
    folder, sentence = folder_to_ship(parts, run.ship)
    return None if folder is None else str(folder), sentence


def named_pool(name: str) -> Callable[..., Pool]:
    """Returns a registered kind of pool."""
    found: Callable[..., Pool] = registry.load("pools", name)
    return found


@contextlib.contextmanager
def stoppable(signals: StopSignals, interrupt: Callable[[], None], study: str) -> Iterator[None]:
    """Lets the first signal stop the body after this turn of the loop, and names the study to whoever wants to go on.

    Raises:
        Stopped: the search was asked to stop.
        WorkersLost: all workers are gone; the sentence says how to go on.
    """
    signals.stop = interrupt
    try:
        yield
    except Interrupted:
        raise Stopped(study, signals.number or signal.SIGINT) from None
    except WorkersLost as error:
        raise WorkersLost(f"{error}; go on with: automl resume {study}") from error
    finally:
        signals.stop = None
