"""search() and resume(): the one place that joins all parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from automl.cache.policy import Policy
from automl.display import of_python
from automl.engine.ablation import ablate as engine_ablate
from automl.engine.asking import AskedStudy, begin_asking
from automl.engine.bill import bill
from automl.engine.config import STORED, StudyConfig, StudySettings
from automl.engine.continuing import find_search, let_go_on, stored_search
from automl.engine.repeats import Runs
from automl.engine.run_config import RunConfig
from automl.engine.running import check_search, execute, workers_of
from automl.errors import InvalidInput, brief, warn
from automl.evaluators.own_loop import OwnLoop
from automl.managing import ADOPTS, PAUSED, check_name, find, pause
from automl.observers import closed_at_end
from automl.report.reading.failures import failed_trials
from automl.rules import Budget
from automl.selection.objectives import objectives_of
from automl.settings import Setting, check, declared, part_of, setting
from automl.setup.enqueued import enqueued_values
from automl.setup.parts import Parts, PartSettings, assemble
from automl.setup.signature import takes
from automl.setup.stored import stored_parts
from automl.spaces.space import Space
from automl.storage.engine import Database
from automl.storage.managing import insist_free
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore
from automl.study import Study

WINDOW_PER_WORKER = 4
WINDOW_INLINE = 64
"""Trials under way where an evaluation costs next to nothing: each transaction then carries dozens of them."""


_NOT_IN_OWN_LOOPS = frozenset(
    {
        "repeats",
        "final",
        "hours",
        "prune",
        "workers",
        "simulated_workers",
        "ray_address",
        "timeout",
        "memory_per_worker",
    }
)


@dataclass(frozen=True, kw_only=True)
class SearchSettings(RunConfig, Runs, StudySettings, Policy, Budget, PartSettings):
    """All settings of `automl.search`. Each is declared in the class that it belongs to (`Budget`, `Policy`, …).

    Example:
        >>> settings = SearchSettings(space="nasbench201", trials=100)
        >>> settings.trials, settings.seed, settings.storage
        (100, 0, 'sqlite:///automl.db')
        >>> SearchSettings(space="nasbench201", trials=0)
        Traceback (most recent call last):
        automl.errors.InvalidInput: trials=0: it must be ...
    """

    space: str | Space = field(
        kw_only=False,
        metadata={
            "setting": Setting(
                "What is searched: an instance, or a target (registered name, file.py, file.py:attribute, "
                "module:attribute).",
                group="Search",
                flags=None,
            )
        },
    )
    study: str | None = setting(
        None,
        "Name of the study. A study of this name is continued. What is left out is as it is stored, a larger budget "
        "is written to it, any other difference is refused.",
        group="Search",
        otherwise="a free name",
        unit="NAME",
    )

    def __post_init__(self) -> None:
        check(self)
        check_name(self.study)


@takes(SearchSettings)
def search(asked: SearchSettings, given: frozenset[str]) -> Study:
    """Searches a space, compares the result with random search, and returns the study.

    A stored study of the same name is continued; finished evaluations are never repeated. Settings that are left out
    then take their stored values. A larger budget is written to the study. Any other difference is refused.

    Args:
        every setting of `SearchSettings`.

    Returns:
        The finished `Study`, or a `RepeatedStudy` if `repeats` is above 1.

    Raises:
        InvalidInput: a setting is wrong; nothing was written.
        StudyMismatch: a study of this name has other settings; the message names each difference.
        StorageError: the database failed; what had been written is intact, and calling again continues.
        Stopped: the search was interrupted (a KeyboardInterrupt); calling again with the same study name continues.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> study = automl.search(Line(), evaluator=height, trials=200, workers=0, storage="sqlite:///line.db")
        >>> study.name, study.best.fitness
        ('Line-1', 20.0)
        >>> study.close()
    """
    run = _shown(part_of(RunConfig, asked))
    parts, config, runs, wider = _prepared(asked, given, run)
    return _said(execute(parts, config, run, asked.study, runs if runs.repeats > 1 else None, wider))


@takes(SearchSettings)
def ask_and_tell(asked: SearchSettings, given: frozenset[str]) -> AskedStudy:
    """Begins a search whose evaluations your own loop runs, or goes on with it, and returns its study.

    The loop calls `study.ask()` and `study.tell(asked, metrics)` until `ask` returns None. Trials, cache, random
    search, confirmation, verdict and report are those of `automl.search`. What was told is stored at once. Several
    processes may ask one study at the same time: each gives the same name and settings, and a `window` of as many
    trials as are to be under way together.

    Args:
        every setting of `SearchSettings`.

    Raises:
        InvalidInput: a setting is wrong, or means nothing in a loop of your own; nothing was written.
        StudyMismatch: a study of this name has other settings; the message names each difference.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> loop = automl.OwnLoop("height, 1", seeded=False)  # what the figures depend on
        >>> with automl.ask_and_tell(Line(), evaluator=loop, trials=9, storage="sqlite:///line.db") as study:
        ...     while (asked := study.ask()) is not None:
        ...         study.tell(asked, {"fitness": asked.candidate.x})
        ...     study.name, study.finished
        ('Line-1', True)
    """
    if not isinstance(asked.evaluator, OwnLoop):
        raise InvalidInput(
            f"evaluator={brief(asked.evaluator)}: your own loop evaluates; name what its figures depend on, such as "
            "evaluator=automl.OwnLoop('train.py 3, CIFAR-10, 20 epochs', metrics=['accuracy'])"
        )
    for name in sorted(given & _NOT_IN_OWN_LOOPS):
        if getattr(asked, name) != declared(SearchSettings)[name].default:
            raise InvalidInput(f"{name} means nothing in a loop of your own, which evaluates itself; leave it out")
    run = replace(part_of(RunConfig, asked), progress=False, workers=0)
    parts, config, _, wider = _prepared(asked, given, run)
    return begin_asking(parts, config, run, asked.study, wider)


@takes(SearchSettings)
def plan(asked: SearchSettings, given: frozenset[str]) -> str:
    """Checks a search as `automl.search` does, and says what it would evaluate; nothing is evaluated or written.

    Args:
        every setting of `SearchSettings`.

    Raises:
        InvalidInput: a setting is wrong.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> print(plan(Line(), evaluator=height, trials=200, workers=0, storage="sqlite:///line.db"))
        Space Line (21 candidates), evaluator function (fitness, maximize), strategy surrogate (...
        Strategy surrogate, for none was named: it is for up to 2,000 evaluations that take longer than its ...
        At most 200 evaluations by the search, as many by random search, and 42 tests: 442 in all; ...
    """
    run = part_of(RunConfig, asked)
    parts, config, runs, wider = _prepared(asked, given, run)
    check_search(parts, config, run, asked.study)
    stored = find_search(run.storage, asked.study)
    size = parts.space.size()
    settings = ", ".join(f"{name}={value}" for name, value in parts.strategy.settings().items() if value is not None)
    lines = [
        f"Space {parts.space.kind} ({f'{size:,}' if size is not None else 'a continuum of'} candidates), evaluator "
        f"{parts.evaluator.name} ({parts.objective}, {parts.direction}), strategy {parts.strategy.name}"
        + (f" ({settings})." if settings else "."),
        *([parts.why] if parts.why else []),
        bill(config, parts.evaluator, parts.strategy, objectives_of(parts.identity()), rates=parts.rating is not None),
    ]
    if runs.repeats > 1:
        lines.append(f"That is for each of {runs.repeats} runs.")
    if stored is not None:
        larger = f", with a larger budget ({', '.join(wider)})" if wider else ""
        lines.append(f"Study {stored.name} is there already and would be continued{larger}.")
    return "\n".join(lines)


def _prepared(
    asked: SearchSettings, given: frozenset[str], run: RunConfig
) -> tuple[Parts, StudyConfig, Runs, dict[str, Any] | None]:
    """Returns parts, settings and runs of a search, and the bounds that a stored study is given instead of its own."""
    stored = find_search(run.storage, asked.study)
    parts = assemble(
        asked.space,
        part_of(PartSettings, asked),
        stored.settings if stored else None,
        most=part_of(Budget, asked).most,
    )
    said = {name: getattr(asked, name) for name in (given if stored else declared(SearchSettings))}
    if "enqueue" in said:
        said["enqueue"] = enqueued_values(parts.space, asked.enqueue)
    if stored is None:
        config, wider = _new_config(said, parts, run), None
        if (most := config.budget.trials or config.budget.evaluations) is not None:
            parts = replace(parts, strategy=parts.strategy.fitted(most, parts.strategy_given))
    else:
        config, wider = stored.changed(said, parts.direction)
    before = (stored and stored.runs) or Runs()
    runs = replace(before, **{name: said[name] for name in declared(Runs) if name in said})
    if config.begin_from and runs.repeats > 1 and not runs.warm_cache:
        raise InvalidInput(
            "begin_from with repeats: each run has a cold part of the cache, in which nothing is known; share one with "
            "warm_cache (--warm-cache), or leave one of the two out"
        )
    return parts, config, runs, wider


def _shown(run: RunConfig) -> RunConfig:
    """Lets the run be seen, where that is wanted."""
    return replace(run, observers=(*run.observers, of_python())) if run.progress else run


def _said(study: Study) -> Study:
    """Warns where not one trial has succeeded: whoever goes on without looking should not take that for a result."""
    runs = [run.record_id for run in study.runs]
    if any(study.store.outcomes(run).keys() - {"failed"} for run in runs):
        return study
    failed = failed_trials(study.store, runs)
    if failed.hopeless:
        warn(f"study {study.name}: {failed.sentence()}")
    return study


def _new_config(said: dict[str, Any], parts: Parts, run: RunConfig) -> StudyConfig:
    values = {name: said[name] for name in STORED}
    if all(values[name] is None for name in ("trials", "evaluations", "hours")):
        defaults = parts.space.defaults
        values["trials"] = defaults.trials
        values["until"] = defaults.until if values["until"] is None else values["until"]
    if values["prune"] is None:
        values["prune"] = parts.strategy.prunes or None
    if values["window"] is None:
        values["window"] = _window(parts, run, values["trials"] or values["evaluations"])
    return StudyConfig.read(values)


def _window(parts: Parts, run: RunConfig, budget: int | None) -> int:
    """Returns how many trials may be under way.

    A strategy learns of a trial that much later, which shows when it is more than a fiftieth of the search: over 100
    seeds of NAS-Bench-201, 200 trials lost 0.2 % accuracy with a window of 16, and 1,000 trials nothing with 64.
    """
    workers = workers_of(parts, run)
    if (own := parts.strategy.per_worker) is not None:
        return own * max(1, workers)
    least = WINDOW_PER_WORKER * max(1, workers)
    if parts.space.defaults.window is None and parts.evaluator.inline and workers == 0:
        return max(least, min(WINDOW_INLINE, (budget or 50 * WINDOW_INLINE) // 50))
    return parts.space.defaults.window or least


@dataclass(frozen=True, kw_only=True)
class ResumeSettings(RunConfig, Budget):
    """All settings of `automl.resume`: name of the study, larger budget, workers, limits and storage of this run.

    Budgets are totals: `trials=2000` continues a study of 1,000 trials with 1,000 more. `automl.resume` makes this
    object from its keyword arguments; the fields with their meanings are in `help(automl.resume)`.

    Example:
        >>> settings = ResumeSettings(study="cells", trials=2000, timeout="auto")
        >>> settings.trials, settings.workers, settings.storage
        (2000, None, 'sqlite:///automl.db')
        >>> ResumeSettings(study="cells", trials=0)
        Traceback (most recent call last):
        automl.errors.InvalidInput: trials=0: it must be ...
    """

    study: str = field(
        kw_only=False, metadata={"setting": Setting("Name of the stored study.", group="Search", flags=None)}
    )


@takes(ResumeSettings)
def resume(asked: ResumeSettings, given: frozenset[str]) -> Study:
    """Continues a stored study exactly where it stopped; no finished evaluation is lost or repeated.

    Budgets are totals: a bound that is given must be larger than the stored one (`until`: a better fitness). A paused
    study goes on. Where another living process runs it, and nothing else is asked for, it goes on there and is returned
    as it stands.

    Args:
        every setting of `ResumeSettings`.

    Raises:
        InvalidInput: there is no such study, its space or evaluator cannot be loaded by name, or a budget is below the
            old one.
        StudyBusy: another living process coordinates the study, and it is not paused, or more is asked for.

    Example:
        >>> import automl
        >>> automl.resume("mine", storage="sqlite:///none.db", trials=200)
        Traceback (most recent call last):
        automl.errors.StorageRefused: there is no database at sqlite:///...; check the storage URL, or run a search...
    """
    run = _shown(part_of(RunConfig, asked))
    database = Database(run.storage, create=False)
    try:
        records = find_searches(database, asked.study)
        stored = stored_search(asked.study, records)
        if elsewhere := _goes_on_elsewhere(asked, run, given):
            return elsewhere
        paused = any(PAUSED in record.settings for record in records)
        if paused:  # what is refused stays paused
            insist_free(database, [record.id for record in records])
        parts = stored_parts(asked.study, stored.settings, changed=ADOPTS in stored.settings)
        said = {name: getattr(asked, name) for name in given}
        config, wider = stored.changed(said, parts.direction)
        if paused:
            pause(database, records, paused=False)
    finally:
        database.close()
    return _said(execute(parts, config, run, asked.study, stored.runs, wider))


def _goes_on_elsewhere(asked: ResumeSettings, run: RunConfig, given: frozenset[str]) -> Study | None:
    """Lets a paused study go on where it is being run; None where nobody runs it, or it is not paused."""
    opened = Study.open(asked.study, run.storage)
    sentence = let_go_on(opened, given - {"study", "storage", "progress", "observers"})
    if not sentence:
        opened.close()
        return None
    with closed_at_end(run.observers):
        for observer in run.observers:
            observer.note(sentence)
    if not run.observers:
        warn(sentence)
    return opened


@dataclass(frozen=True, kw_only=True)
class AblationSettings(RunConfig):
    """All settings of `automl.ablate`: the study, what is left out, workers, limits and storage of this run.

    Example:
        >>> AblationSettings(study="cells", tricks=["cutout"]).tricks
        ('cutout',)
    """

    study: str | Study = field(
        kw_only=False, metadata={"setting": Setting("The finished study, or its name.", group="Search", flags=None)}
    )
    tricks: Sequence[str] | None = setting(
        None,
        "Tricks of training that are left out, one at a time and all together.",
        group="Search",
        otherwise="all that the evaluator has",
        flags=None,
    )
    settings: Mapping[str, Any] | None = setting(
        None, "Other settings of the evaluator, for one protocol more.", group="Search", flags=None
    )

    def __post_init__(self) -> None:
        check(self)


@takes(AblationSettings)
def ablate(asked: AblationSettings, _: frozenset[str]) -> Study:
    """Trains the winners of a finished study and its random sample again, with tricks of training left out.

    Its report then says how much of the result is search and how much is protocol. What has been trained is served from
    the cache; after an interruption the same call goes on.

    Args:
        every setting of `AblationSettings`.

    Returns:
        The study.

    Raises:
        InvalidInput: there is no such study, it is not finished, its evaluator has no such trick, or its training is
            plain.
        StudyBusy: another living process coordinates the study.

    Example:
        >>> import automl
        >>> automl.ablate("mine", storage="sqlite:///none.db")
        Traceback (most recent call last):
        automl.errors.StorageRefused: there is no database at sqlite:///...; check the storage URL, or run a search...
    """
    study, run = asked.study, _shown(part_of(RunConfig, asked))
    opened = study if isinstance(study, Study) else Study.open(study, run.storage)
    run = replace(run, storage=opened.database.url)
    with closed_at_end(run.observers):
        for one in opened.runs:
            engine_ablate(one.parts, one.name, run, asked.tricks, asked.settings)
    return opened


def find_searches(database: Database, name: str) -> list[StudyRecord]:
    """Returns the stored record of a search, or the records of its runs if it was repeated.

    Returns:
        List of `StudyRecord`, one for each run.

    Raises:
        InvalidInput: there is no study of this name, or the study belongs to a search (its random search, its tests).

    Example:
        >>> database = Database("sqlite:///cells.db")
        >>> record = StudyStore(database).create("cells", "search", {})
        >>> [found.name for found in find_searches(database, "cells")]
        ['cells']
    """
    store = StudyStore(database)
    record = store.find(name)
    if record is None:
        return store.runs(name) or [find(store, name)]
    if record.kind != "search":
        raise InvalidInput(f"{name} belongs to another study; name that one: {name.rpartition('/')[0]}")
    return [record]
