"""search(): the one place that joins all parts."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from automl import registry
from automl.config import RunConfig, StudyConfig
from automl.errors import InvalidInput
from automl.evaluator import Evaluator, Task
from automl.loop import Interrupted
from automl.monitoring import Observer
from automl.parts import Parts, assemble, check_first_sample, rungs_of
from automl.phases import Phases, check_enqueued, check_name
from automl.pool import Plan, Pool
from automl.space import Space
from automl.storage.engine import Database
from automl.study import Study, find

if TYPE_CHECKING:
    from automl.strategies import Strategy

WINDOW_PER_WORKER = 4


class Stopped(KeyboardInterrupt):
    """The search was interrupted; what had finished is recorded.

    Attributes:
        study: its name, for going on.
    """

    def __init__(self, study: str) -> None:
        super().__init__(study)
        self.study = study


def search(
    space: str | Space,
    *,
    task: str | Task | None = None,
    evaluator: str | Evaluator | Callable[..., Any] | None = None,
    objective: str | None = None,
    direction: str | None = None,
    strategy: str | Strategy | None = None,
    settings: Mapping[str, Any] | None = None,
    trials: int | None = None,
    evaluations: int | None = None,
    hours: float | None = None,
    study: str | None = None,
    seed: int = 0,
    window: int | None = None,
    replicates: int = 1,
    forget_probability: float = 0.0,
    audit_probability: float = 0.0,
    on_duplicate: Literal["serve", "vary"] = "serve",
    namespace: str = "default",
    asynchronous: bool = False,
    enqueue: Sequence[Any] = (),
    baseline: bool = True,
    finalists: int = 3,
    test_seeds: int = 3,
    sample: int = 24,
    storage: str = "sqlite:///automl.db",
    workers: int | None = None,
    cpus_per_worker: float = 1.0,
    gpus_per_worker: float = 0.0,
    memory_per_worker: int | None = None,
    ray_address: str | None = None,
    simulated_workers: int | None = None,
    timeout: float | None = None,
    checkpoints: str | None = None,
    dashboard: bool = False,
    callbacks: Sequence[Callable[..., None]] = (),
    observers: Sequence[Observer] = (),
) -> Study:
    """Searches a space, compares the result with random search, and returns the study.

    A study of the same name and settings is gone on with; finished evaluations are never repeated.

    Args:
        space: an instance, or a target (registered name, `file.py:attribute`, `module:attribute`).
        task: the data; a registered name or a Task of your own arrays.
        evaluator: a registered name, an Evaluator, or a function `candidate, seed → number or dict of metrics`.
        objective: the metric to optimise; the evaluator's first where left out.
        direction: "maximize" or "minimize"; as the metric says where left out.
        strategy: a registered name, `file.py:Name`, or a Strategy.
        settings: of space, evaluator and strategy by name, as `--set` takes them.
        trials, evaluations, hours: budget; the space's default number of trials where all are left out.
        study: its name; a free one where left out.
        seed, window, replicates, forget_probability, audit_probability, on_duplicate, namespace, asynchronous,
            enqueue, baseline, finalists, test_seeds, sample: see `automl.config.StudyConfig`; `enqueue` takes JSON
                data of candidates.
        storage, workers, cpus_per_worker, gpus_per_worker, memory_per_worker, ray_address, simulated_workers, timeout,
            checkpoints, dashboard, callbacks, observers: see `automl.config.RunConfig`.

    Raises:
        InvalidInput: something given is wrong; nothing was written.
        StorageError: the database failed; what had finished is intact, and calling again goes on.
        Stopped: the search was interrupted (a KeyboardInterrupt); calling again with the same study name goes on.
    """
    parts = assemble(
        space,
        evaluator=evaluator,
        task=task,
        strategy=strategy,
        objective=objective,
        direction=direction,
        settings=settings,
    )
    run = RunConfig(
        storage=storage,
        workers=workers,
        cpus_per_worker=cpus_per_worker,
        gpus_per_worker=gpus_per_worker,
        memory_per_worker=memory_per_worker,
        ray_address=ray_address,
        simulated_workers=simulated_workers,
        timeout=timeout,
        checkpoints=checkpoints,
        dashboard=dashboard,
        callbacks=tuple(callbacks),
        observers=tuple(observers),
    )
    if trials is None and evaluations is None and hours is None:
        trials = parts.space.defaults.trials
    config = StudyConfig(
        trials=trials,
        evaluations=evaluations,
        hours=hours,
        seed=seed,
        window=_window(window, parts, run),
        replicates=replicates,
        forget_probability=forget_probability,
        audit_probability=audit_probability,
        on_duplicate=on_duplicate,
        namespace=namespace,
        asynchronous=asynchronous,
        enqueue=tuple(enqueue),
        baseline=baseline,
        finalists=finalists,
        test_seeds=test_seeds,
        sample=sample,
    )
    return execute(parts, config, run, study)


def _window(given: int | None, parts: Parts, run: RunConfig) -> int:
    if given is not None:
        return given
    return parts.space.defaults.window or WINDOW_PER_WORKER * max(1, workers_of(parts, run))


def execute(parts: Parts, config: StudyConfig, run: RunConfig, name: str | None) -> Study:
    """Checks everything that can be checked, then opens pool and database and runs the phases."""
    check_first_sample(parts.space, parts.evaluator, config.seed)
    rungs_of(parts)
    check_enqueued(parts, config.enqueue)
    check_name(name)
    Database.check(run.storage)
    with open_pool(parts, run) as pool:
        database = Database(run.storage)
        try:
            phases = Phases(parts, config, run, database, pool)
            record, _ = phases.create_or_find(name)
            for observer in run.observers:
                observer.note(pool.notice)
            with _interruptible(phases, record.name):
                return phases.run(record)
        except BaseException:
            database.close()
            raise


def resume(study: str, *, storage: str = "sqlite:///automl.db", run: RunConfig | None = None, **extended: Any) -> Study:
    """Goes on with a stored study exactly where it stopped; nothing finished is lost or done again.

    Args:
        study: its name.
        storage: the database.
        run: where and how; its `storage` is ignored.
        extended: a larger budget: `trials`, `evaluations` or `hours`.

    Raises:
        InvalidInput: no such study, its space or evaluator cannot be loaded by name, or a budget below the old one.
        StudyBusy: another living process coordinates it.
    """
    database = Database(storage, create=False)
    try:
        stored = Study(database, find_search(database, study))
        settings = dict(stored.settings)
        run = replace(run or RunConfig(), storage=storage)
        space = stored.space
        given = settings["evaluator_given"]
        if given is None:
            raise InvalidInput(
                f"the evaluator of study {study} is an object in somebody's program; "
                "run that program again with the same study name to go on"
            )
        parts = assemble(
            settings["space"]["target"],
            evaluator=given["name"],
            evaluator_settings=given["settings"],
            strategy=settings["strategy"]["name"],
            strategy_settings=settings["strategy"]["settings"],
            space_settings=settings["space"]["settings"],
            objective=settings["objective"],
            direction=settings["direction"],
        )
        assert space.kind == parts.space.kind
        fields = {name: settings[name] for name in StudyConfig.__dataclass_fields__}
        config = StudyConfig(**{**fields, "enqueue": tuple(fields["enqueue"])})
        wider = {name: value for name, value in extended.items() if value is not None}
        if wider:
            config = _extend(stored, config, wider)
    finally:
        database.close()
    return execute(parts, config, run, study)


def _extend(stored: Study, config: StudyConfig, wider: Mapping[str, Any]) -> StudyConfig:
    for name, value in wider.items():
        old = getattr(config, name)
        if old is not None and value < old:
            raise InvalidInput(f"{name}={value} is less than the study's {old}; a budget can only grow")
    config = replace(config, **wider)
    stored.store.reopen(stored.record_id, {**stored.settings, **wider})
    return config


def find_search(database: Database, name: str) -> Any:
    """Returns the record of a study of kind search; raises InvalidInput for its children."""
    from automl.storage.studies import StudyStore

    record = find(StudyStore(database), name)
    if record.kind != "search":
        raise InvalidInput(f"{name} belongs to another study; name that one: {name.rpartition('/')[0]}")
    return record


def workers_of(parts: Parts, run: RunConfig) -> int:
    """Returns the number of evaluations at one time: as asked for, or one per core, or 0 for this process."""
    if run.simulated_workers is not None:
        return run.simulated_workers
    if run.workers is not None:
        return run.workers
    if parts.evaluator.inline:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, int(cores / run.cpus_per_worker))


def open_pool(parts: Parts, run: RunConfig) -> Pool:
    """Opens the pool that a run asks for.

    Raises:
        WorkersUnavailable: more workers than Ray's resources hold.
    """
    plan = Plan(parts.reference, parts.evaluator, parts.objective, run.timeout)
    workers = workers_of(parts, run)
    if run.simulated_workers is not None:
        return _pool("simulated")(plan, workers=run.simulated_workers)
    if workers == 0:
        return _pool("inline")(plan)
    return _pool("ray")(
        plan,
        workers=workers,
        num_cpus=run.cpus_per_worker,
        num_gpus=run.gpus_per_worker,
        memory=run.memory_per_worker,
        address=run.ray_address,
        dashboard=run.dashboard,
    )


def _pool(name: str) -> Callable[..., Pool]:
    found: Callable[..., Pool] = registry.load("pools", name)
    return found


@contextlib.contextmanager
def _interruptible(phases: Phases, study: str) -> Iterator[None]:
    """Turns the first Ctrl-C into a clean stop after this turn of the loop, and the second into an immediate one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGINT, before)
        phases.interrupt()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    except Interrupted:
        raise Stopped(study) from None
    finally:
        signal.signal(signal.SIGINT, before)
