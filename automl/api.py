"""search(): the one place that joins all parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from automl.engine.config import RunConfig, StudyConfig, check_name
from automl.engine.repeats import Runs, common_config, config_of
from automl.engine.running import execute, workers_of
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator
from automl.evaluators.task import Task
from automl.observers import Observer
from automl.setup.enqueued import enqueued_values
from automl.setup.parts import Parts, assemble
from automl.spaces.space import Space
from automl.storage.engine import Database
from automl.storage.studies import StudyRecord, StudyStore
from automl.study import Study, find

if TYPE_CHECKING:
    from automl.strategies import Strategy

WINDOW_PER_WORKER = 4
WINDOW_INLINE = 64
"""Trials under way where an evaluation costs next to nothing: each transaction then carries dozens of them."""


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
    until: float | None = None,
    study: str | None = None,
    repeats: int = 1,
    warm_cache: bool = False,
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
    front: int = 10,
    confirm: int = 2,
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
        until: end as soon as this fitness is reached; the space's own, if it has one, where no budget is given.
        study: its name; a free one where left out.
        repeats: how often the whole search is run, random search and tests included, each time with a seed derived
            from `seed` and in a cold part of the cache; the study returned then has `runs`.
        warm_cache: whether repeats share their part of the cache; they are not independent then, and reports say so.
        seed, window, replicates, forget_probability, audit_probability, on_duplicate, namespace, asynchronous,
            enqueue, baseline, finalists, front, confirm, test_seeds, sample: see `automl.engine.config.StudyConfig`;
                `enqueue` takes candidates in any form: JSON data or its text, `study.best`, a `Candidate`, an entry of
                a report's JSON, rows of `trials_dataframe()`.
        storage, workers, cpus_per_worker, gpus_per_worker, memory_per_worker, ray_address, simulated_workers, timeout,
            checkpoints, dashboard, callbacks, observers: see `automl.engine.config.RunConfig`.

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
        until = parts.space.defaults.until if until is None else until
    config = StudyConfig(
        trials=trials,
        evaluations=evaluations,
        hours=hours,
        until=until,
        seed=seed,
        window=_window(window, parts, run, trials or evaluations),
        replicates=replicates,
        forget_probability=forget_probability,
        audit_probability=audit_probability,
        on_duplicate=on_duplicate,
        namespace=namespace,
        asynchronous=asynchronous,
        enqueue=enqueued_values(parts.space, enqueue),
        baseline=baseline,
        finalists=finalists,
        front=front,
        confirm=confirm,
        test_seeds=test_seeds,
        sample=sample,
    )
    check_name(study)
    runs = Runs(repeats, warm_cache)
    return execute(parts, config, run, study, runs if repeats > 1 else None)


def _window(given: int | None, parts: Parts, run: RunConfig, budget: int | None) -> int:
    """Returns how many trials may be under way.

    A strategy learns of a trial that much later, which shows when it is more than a fiftieth of the search: over 100
    seeds of NAS-Bench-201, 200 trials lost 0.2 % accuracy with a window of 16, and 1,000 trials nothing with 64.
    """
    if given is not None:
        return given
    workers = workers_of(parts, run)
    least = WINDOW_PER_WORKER * max(1, workers)
    if parts.space.defaults.window is None and parts.evaluator.inline and workers == 0:
        return max(least, min(WINDOW_INLINE, (budget or 50 * WINDOW_INLINE) // 50))
    return parts.space.defaults.window or least


def resume(study: str, *, storage: str = "sqlite:///automl.db", run: RunConfig | None = None, **extended: Any) -> Study:
    """Goes on with a stored study exactly where it stopped; nothing finished is lost or done again.

    Args:
        study: its name.
        storage: the database.
        run: where and how; its `storage` is ignored.
        extended: a larger budget: `trials`, `evaluations`, `hours`, or a better `until`.

    Raises:
        InvalidInput: no such study, its space or evaluator cannot be loaded by name, or a budget below the old one.
        StudyBusy: another living process coordinates it.
    """
    database = Database(storage, create=False)
    try:
        records = find_searches(database, study)
        stored = Study(database, records[0])
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
    finally:
        database.close()
    wider = {name: value for name, value in extended.items() if value is not None}
    if records[0].name == study:
        config, runs = config_of(settings), None
    else:
        config, runs = common_config([record.settings for record in records])
    for name, value in wider.items():
        old = getattr(config, name)
        sign = -1 if name == "until" and parts.direction == "minimize" else 1
        if old is not None and sign * value < sign * old:
            raise InvalidInput(f"{name}={value} is less than the study's {old}; a budget can only grow")
    return execute(parts, replace(config, **wider), run, study, runs, wider)


def find_searches(database: Database, name: str) -> list[StudyRecord]:
    """Returns the record of a study of kind search, or those of its runs; raises InvalidInput for its children."""
    store = StudyStore(database)
    record = store.find(name)
    if record is None:
        return store.runs(name) or [find(store, name)]
    if record.kind != "search":
        raise InvalidInput(f"{name} belongs to another study; name that one: {name.rpartition('/')[0]}")
    return [record]
