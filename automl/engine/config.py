"""How a search is set up: what belongs to the study (stored, compared on resume) and what to this run of it only.

Each setting is declared once, here or in the class that it belongs to (`Budget`, `Policy`, `Runs`, `PartSettings`).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from automl.cache.policy import Policy
from automl.engine.units import memory_of, seconds_of
from automl.errors import InvalidInput, brief
from automl.hashing.isolated import HASH_SECONDS
from automl.managing import MAX_NAME
from automl.observers import Observer
from automl.pool import machine
from automl.rules import Budget
from automl.settings import MOST, NOTHING, Declared, check, declared, setting
from automl.storage.engine import CLAIM_SECONDS
from automl.storage.sessions import HEARTBEAT_SECONDS
from automl.strategies.pruning import Pruner

_ALL = ("search", "resume", "baseline")


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Settings of a study other than its space, evaluator, strategy, budget and cache policy.

    Example:
        >>> settings = StudySettings(seed=3, confirm=5)
        >>> settings.confirm, settings.finalists, settings.test_seeds  # the others have defaults
        (5, 3, 3)
    """

    seed: int = setting(
        0, "What everything random follows from.", group="Search", lowest=0, highest=(1 << 64) - 1, unit="K"
    )
    window: int | None = setting(
        None,
        "How many trials may be under way; a strategy is told a trial this much later.",
        group="Search",
        lowest=1,
        highest=MOST,
        otherwise="four a worker (surrogate: one), up to 64 where an evaluation costs next to nothing; of a stored "
        "study, its own",
        unit="W",
    )
    asynchronous: bool = setting(
        False,
        "Whether each result is told as it comes, instead of in trial order; the same seed then gives other trials.",
        group="Search",
        flags="--asynchronous/--deterministic",
        commands=("search",),
    )
    prune: str | None = setting(
        None,
        "Rule by which evaluations that report learning curves are asked to stop early: median, percentile:P, "
        "patience:N, asha:N or hyperband:N.",
        group="Search",
        otherwise="the strategy's own, if it has one",
        before=None,
        unit="RULE",
        commands=("search",),
    )
    enqueue: Sequence[Any] = setting(
        (),
        "Candidates that are proposed first: JSON data, its text, `study.best`, rows of a data frame.",
        group="Search",
        unit="FILE.jsonl",
        commands=("search",),
    )
    namespace: str = setting(
        "default", "A part of the cache of its own; another one is cold.", group="Cache", unit="NAME"
    )
    baseline: bool | float = setting(
        True,
        "Whether random search with equal evaluations follows. A share, such as 0.25, gives it so many of them; it is "
        "then compared with the search's own first ones.",
        group="Evidence",
        lowest=0,
        highest=1,
        unit="SHARE",
        commands=("search",),
    )
    finalists: int = setting(
        3,
        "How many of the best classes, of the search and of random search, are evaluated on the test part.",
        group="Evidence",
        lowest=1,
        highest=MOST,
        unit="N",
    )
    front: int = setting(
        10,
        "How many members of the Pareto front of a search with several objectives are evaluated on the test part too, "
        "those that lie farthest apart.",
        group="Evidence",
        lowest=0,
        highest=MOST,
        before=0,
        unit="N",
    )
    trained: int = setting(
        12,
        "How many of the best-rated classes the final evaluator evaluates, in a search that rates first (--final).",
        group="Evidence",
        lowest=1,
        highest=MOST,
        before=12,
        unit="N",
        commands=("search",),
    )
    confirm: int = setting(
        2,
        "How many replicates a class has at least before it is reported as best; the best of both searches by the mean "
        "over them are the finalists. 1: the figures that the searches had decide.",
        group="Evidence",
        lowest=1,
        highest=MOST,
        before=1,
        unit="N",
    )
    winner_by: Literal["replicates", "model", "both"] = setting(
        "replicates",
        "How the winners of both searches are picked: by the mean over replicates of the best (see confirm), by what a "
        "model expects of their classes, fitted to each search's own trials (no further evaluations), or by the mean "
        "over replicates of those that the model expects most of.",
        group="Evidence",
        before="replicates",
    )
    test_seeds: int = setting(3, "Fresh seeds of each test figure.", group="Evidence", lowest=1, highest=MOST, unit="N")
    sample: int = setting(
        24,
        "How many uniformly sampled candidates stand for the average random architecture.",
        group="Evidence",
        lowest=2,
        highest=MOST,
        unit="N",
        commands=("search",),
    )


@dataclass(frozen=True, kw_only=True)
class StudyConfig(StudySettings):
    """All settings that are stored with a study, except its space, evaluator and strategy. A resumed study must have
    equal ones.

    Attributes:
        window: Largest number of trials in flight, as in `StudySettings` but resolved to a number.
        budget: Limits at which the study ends.
        policy: Settings for what happens when an equivalence class is met again.
        repeat: Dict that identifies one run of a repeated search: "study" is the name of the search, "run" the number
            of the run from 1, "seed" and "namespace" the values of the search that those of the run were derived from.
            None for a search that runs once.

    Raises:
        InvalidInput: a value is out of range.

    Example:
        >>> config = StudyConfig(seed=3, window=64, budget=Budget(trials=1000))
        >>> StudyConfig.read(config.settings()) == config  # the stored settings are complete
        True
    """

    window: int = 1
    budget: Budget = Budget()
    policy: Policy = Policy()
    repeat: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check(self)
        if self.prune is not None:
            Pruner.read(self.prune)
            several = {
                "replicates": self.policy.replicates > 1,
                "forget_probability": self.policy.forget_probability > 0,
                "audit_probability": self.policy.audit_probability > 0,
            }
            if named := [name for name, asked in several.items() if asked]:
                raise InvalidInput(
                    f"prune={self.prune!r} with {named[0]}={getattr(self.policy, named[0])!r}: several evaluations of "
                    "one class would stop at several epochs, and which comes first would decide; leave one of them out"
                )
        if not self.namespace:
            raise InvalidInput("namespace is empty: give it a name, such as 'default'")
        if len(self.namespace) > MAX_NAME or "\0" in self.namespace:
            raise InvalidInput(f"namespace {brief(self.namespace, 60)} is too long, or holds a NUL; take another name")

    def settings(self) -> dict[str, Any]:
        """Returns the JSON form that is stored."""
        found = {name: getattr(self._home(name), name) for name in STORED}
        return {**found, "enqueue": list(self.enqueue), "repeat": self.repeat}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> StudyConfig:
        """Reads stored settings. A missing setting gets the value that versions without it used."""
        known = {**UNKNOWN_BEFORE, **stored}
        budget, policy, own = (
            {name: known[name] for name in declared(kind) if name in known} for kind in (Budget, Policy, StudySettings)
        )
        return cls(budget=Budget(**budget), policy=Policy(**policy), repeat=stored.get("repeat"), **own)

    def _home(self, name: str) -> Any:
        return self.budget if name in declared(Budget) else self.policy if name in declared(Policy) else self


STORED: Mapping[str, Declared] = {**declared(Budget), **declared(Policy), **declared(StudySettings)}
"""The settings that are stored with a study, by name; all others are of one run of it only."""

UNKNOWN_BEFORE = {name: one.setting.before for name, one in STORED.items() if one.setting.before is not NOTHING}
"""Values assumed for settings missing from studies of older versions."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Settings of one run of a study: workers, limits, storage, callbacks. The next run of the same study may use
    others.

    Raises:
        InvalidInput: a value is out of range.

    Example:
        >>> run = RunConfig(workers=4, memory_per_worker="2 GB", timeout=600)
        >>> run.memory_bytes, run.timeout_seconds
        (2000000000, 600.0)
    """

    workers: int | None = setting(
        None,
        "Number of evaluations at one time; 0: in this process.",
        group="Workers",
        lowest=0,
        otherwise="one per core, or this process for evaluators under a millisecond",
        unit="N",
        commands=_ALL,
    )
    cpus_per_worker: float = setting(
        1.0,
        "Cores of each worker; its libraries use as many threads.",
        group="Workers",
        above=0,
        unit="F",
        commands=_ALL,
    )
    gpus_per_worker: float = setting(
        0.0, "GPUs of each worker, fractions too.", group="Workers", lowest=0, unit="F", commands=_ALL
    )
    memory_per_worker: str | int | None = setting(
        None,
        "Memory that each worker may allocate, with a unit, such as 4GB or 512MiB; a plain number is bytes.",
        group="Workers",
        unit="SIZE",
        commands=_ALL,
    )
    timeout: str | int | float | None = setting(
        None,
        "Seconds allowed for one evaluation; auto: ten times the median of full evaluations, and a minute at least; "
        "for the first ones --first-timeout.",
        group="Workers",
        unit="SECONDS",
        commands=_ALL,
    )
    first_timeout: float = setting(
        86400.0,
        "Seconds allowed for one evaluation with --timeout auto before enough have ended to tell what is usual.",
        group="Workers",
        above=0,
        unit="SECONDS",
        commands=_ALL,
    )
    hash_timeout: float | None = setting(
        None,
        "Seconds allowed for what the space does for one candidate: propose it, read it, build and hash it.",
        group="Workers",
        above=0,
        otherwise="as --timeout, 30 where that is auto, and 300 without one",
        unit="SECONDS",
        commands=_ALL,
    )
    claim_timeout: float | None = setting(
        None,
        "Seconds without a sign of life after which another process of this machine, a suspended one for instance, "
        "loses the evaluations that it has claimed.",
        group="Workers",
        lowest=3 * HEARTBEAT_SECONDS,
        otherwise=f"{CLAIM_SECONDS:g}",
        unit="SECONDS",
        commands=_ALL,
    )
    retries: int = setting(
        2,
        "How often an evaluation that was lost to the machine is tried again; one that took too long is not.",
        group="Workers",
        lowest=0,
        unit="N",
        commands=_ALL,
    )
    equal_failures: int = setting(
        20,
        "End the search when the first N classes that it evaluates all fail alike; 0: never.",
        group="Workers",
        lowest=0,
        unit="N",
        commands=_ALL,
    )
    ray_address: str | None = setting(
        None,
        "Address of a running Ray cluster.",
        group="Workers",
        otherwise="Ray is started on this machine",
        unit="A",
        commands=_ALL,
    )
    simulated_workers: int | None = setting(
        None,
        "Run evaluations here at once, on a simulated clock with so many workers.",
        group="Workers",
        lowest=1,
        unit="N",
        commands=_ALL,
    )
    dashboard: bool = setting(
        False,
        "Whether Ray's dashboard is on during the search.",
        group="Workers",
        on_command_line=True,
        commands=_ALL,
    )
    storage: str = setting(
        "sqlite:///automl.db",
        "Database: sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE.",
        group="Storage",
        unit="URL",
        variable="AUTOML_STORAGE",
        commands=_ALL,
        shown=False,  # it may hold a password
    )
    checkpoints: str | None = setting(
        None,
        "Folder for the states that long evaluations leave, to continue from; all workers must reach it.",
        group="Storage",
        otherwise="beside an SQLite database, nowhere with PostgreSQL",
        unit="DIR",
        commands=_ALL,
    )
    artefacts: str | None = setting(
        None,
        "Where trained weights and other artefacts are kept: a folder that all workers reach, or a URL that fsspec "
        "knows, such as s3://bucket/folder.",
        group="Storage",
        otherwise="beside an SQLite database, nowhere with PostgreSQL",
        unit="URL",
        commands=_ALL,
    )
    callbacks: Sequence[Callable[..., None]] = setting(
        (), "Functions called with (study, trial record) after each trial.", group="Output", flags=None
    )
    observers: Sequence[Observer] = setting((), "Observers that are told of every turn.", group="Output", flags=None)
    progress: bool = setting(
        True,
        "Whether a search that is called from Python shows how far it is: in the notebook, or on the error output.",
        group="Output",
        flags=None,
    )

    def __post_init__(self) -> None:
        check(self)
        seconds_of(self.timeout)
        memory_of(self.memory_per_worker, "memory_per_worker")

    @property
    def timeout_seconds(self) -> float | None:
        """Seconds allowed for one evaluation; None if there is no limit or it is found during the search (auto)."""
        return seconds_of(self.timeout)

    @property
    def first_limit(self) -> float | None:
        """Seconds allowed for the first evaluations, before it is known what is usual; None sets no limit."""
        return self.first_timeout if self.timeout == "auto" else self.timeout_seconds

    @property
    def hash_seconds(self) -> float:
        """Seconds that the space is allowed for one candidate."""
        usual = HASH_SECONDS / 10 if self.timeout == "auto" else HASH_SECONDS
        return self.hash_timeout or self.timeout_seconds or usual

    @property
    def memory_bytes(self) -> int | None:
        """Bytes that each worker may allocate; None sets no limit."""
        return memory_of(self.memory_per_worker)


def environment() -> dict[str, str]:
    """Returns the versions of libraries and a description of this machine. They are recorded with a study and never
    compared.

    Returns:
        Mapping from "python", "platform", "coordinator" or the name of a library to text; "not installed" for a missing
        library.

    Example:
        >>> {"python", "numpy", "torch", "coordinator"} <= set(environment())
        True
    """
    packages = ("automl-functional-hashing", "torch", "ray", "numpy", "optuna", "sqlalchemy")
    found = {"python": platform.python_version(), "platform": platform.platform(), "coordinator": machine()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def differences(stored: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Returns one phrase for each setting in which two JSON objects differ, such as "trials: 100, now 200".

    Returns:
        List of str, sorted by name; empty if the objects are equal.

    Example:
        >>> differences({"trials": 100, "seed": 0}, {"trials": 200, "seed": 0})
        ['trials: 100, now 200']
    """
    found: list[str] = []
    for name in sorted({*stored, *given}):
        old, new = stored.get(name), given.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{name}.")
        elif _in_json(old) != _in_json(new):
            found.append(f"{prefix}{name}: {brief(old)}, now {brief(new)}")
    return found


def _in_json(value: Any) -> Any:
    """Returns a value as it is stored: a tuple comes back as a list."""
    if isinstance(value, list | tuple):
        return [_in_json(one) for one in value]
    return {name: _in_json(one) for name, one in value.items()} if isinstance(value, Mapping) else value
