"""How a search is set up: what belongs to the study (stored, compared on resume) and what to this run of it only."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

from automl.cache.policy import Policy
from automl.engine.units import memory_of
from automl.errors import InvalidInput
from automl.observers import Observer
from automl.pool import machine
from automl.rules import Budget


@dataclass(frozen=True)
class StudyConfig:
    """What determines the trials of a study, beside its parts. All of it is stored.

    Attributes:
        trials, evaluations, hours: budget; the first limit that is reached ends the search.
        until: fitness that is enough, on the validation part; a search that has found it ends, too.
        seed: of everything random.
        window: how many trials may be under way (a strategy is told a trial this much later).
        replicates: K; each occurrence of a class adds one evaluation until it has K, and the mean counts.
        forget_probability: of hiding what is stored from one look-up and adding one more evaluation, against lucky
            outliers.
        audit_probability: of evaluating a hit all the same, which measures how often two functions share a key.
        on_duplicate: "serve" the stored fitness, or "vary" a duplicate until its function is new.
        namespace: a part of the cache of its own; another one is cold.
        asynchronous: tell each result as it comes, instead of in trial order.
        enqueue: JSON data of candidates that are proposed first.
        baseline: whether random search with equal evaluations follows.
        finalists: how many of the best classes, of the search and of random search, are evaluated on the test part.
        front: how many members of the Pareto front of a search with several objectives are evaluated on the test part
            too, those that lie farthest apart.
        confirm: how many replicates a class has at least before it is reported as best; the best of both searches by
            the mean over them are the finalists. 1: the figures that the searches had decide.
        test_seeds: with how many fresh seeds.
        sample: how many uniformly sampled candidates stand for the average random architecture.
        repeat: which of several runs of one search this is: {"study": name of them all, "run": from 1, "seed" and
            "namespace": what the runs' own were derived from}; None for a search that runs once.

    Raises:
        InvalidInput: a value out of range.
    """

    trials: int | None = None
    evaluations: int | None = None
    hours: float | None = None
    until: float | None = None
    seed: int = 0
    window: int = 1
    replicates: int = 1
    forget_probability: float = 0.0
    audit_probability: float = 0.0
    on_duplicate: Literal["serve", "vary"] = "serve"
    namespace: str = "default"
    asynchronous: bool = False
    enqueue: Sequence[Any] = ()
    baseline: bool = True
    finalists: int = 3
    front: int = 10
    confirm: int = 2
    test_seeds: int = 3
    sample: int = 24
    repeat: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        least = {
            "trials": 1,
            "evaluations": 1,
            "window": 1,
            "seed": 0,
            "finalists": 1,
            "front": 0,
            "confirm": 1,
            "test_seeds": 1,
            "sample": 2,
        }
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise InvalidInput(f"{name}={value}: it must be {bound} or more")
        if self.hours is not None and not 0 < self.hours < math.inf:
            raise InvalidInput(f"hours={self.hours}: it must be more than 0, and not for ever")
        if self.until is not None and not math.isfinite(self.until):
            raise InvalidInput(f"until={self.until}: give the fitness that is enough, a finite number")
        self.policy()
        if not self.namespace:
            raise InvalidInput("namespace is empty: give it a name, such as 'default'")

    def budget(self) -> Budget:
        return Budget(self.trials, self.evaluations, None if self.hours is None else self.hours * 3600, self.until)

    def policy(self) -> Policy:
        """Returns what is done when a class is met again."""
        return Policy(self.replicates, self.forget_probability, self.audit_probability, self.on_duplicate)

    def settings(self) -> dict[str, Any]:
        """Returns the JSON form that is stored."""
        return {**dataclasses.asdict(self), "enqueue": list(self.enqueue)}


@dataclass(frozen=True)
class RunConfig:
    """Where and how this run of a study happens; another run of it may differ in all of this.

    Attributes:
        storage: SQLAlchemy URL of the database.
        workers: number of evaluations at one time; None: one per core, or this process for evaluators under a
            millisecond; 0: this process.
        cpus_per_worker: cores of each worker; its libraries use as many threads.
        gpus_per_worker: GPUs of each worker, fractions too.
        memory_per_worker: bytes that each worker may allocate, or None.
        ray_address: of a running cluster; None starts Ray on this machine.
        simulated_workers: run evaluations here at once, on a simulated clock with so many workers.
        timeout: seconds allowed for one evaluation; "auto": ten times the median, and a minute at least.
        hash_timeout: seconds allowed for what the space does for one candidate: propose it, read it, hash it.
        retries: how often an evaluation that was lost to the machine is tried again; one that took too long is not.
        equal_failures: so many classes that all fail alike from the first trial on end the search; None: any number.
        checkpoints: folder for the states that long evaluations leave, which all workers must reach; None: beside an
            SQLite database, and nowhere with PostgreSQL.
        dashboard: whether Ray's dashboard is on.
        callbacks: called with (study, trial record) after each trial.
        observers: told of every turn.
    """

    storage: str = field(default="sqlite:///automl.db", repr=False)  # it may hold a password
    workers: int | None = None
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    memory_per_worker: int | str | None = None
    ray_address: str | None = None
    simulated_workers: int | None = None
    timeout: float | Literal["auto"] | None = None
    hash_timeout: float = 300.0
    retries: int = 2
    equal_failures: int | None = 20
    checkpoints: str | None = None
    dashboard: bool = False
    callbacks: Sequence[Callable[..., None]] = ()
    observers: Sequence[Observer] = ()

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise InvalidInput(f"workers={self.workers}: give 0 (this process) or more")
        if self.simulated_workers is not None and self.simulated_workers < 1:
            raise InvalidInput(f"simulated_workers={self.simulated_workers}: give 1 or more")
        if self.timeout not in (None, "auto") and not float(self.timeout) > 0:
            raise InvalidInput(f"timeout={self.timeout}: it must be more than 0 seconds, or 'auto'")
        if not self.hash_timeout > 0:
            raise InvalidInput(f"hash_timeout={self.hash_timeout}: it must be more than 0 seconds")
        if self.retries < 0:
            raise InvalidInput(f"retries={self.retries}: it must be 0 or more")
        if self.equal_failures is not None and self.equal_failures < 1:
            raise InvalidInput(f"equal_failures={self.equal_failures}: it must be 1 or more")
        memory_of(self.memory_per_worker)
        if not self.cpus_per_worker > 0 or not self.gpus_per_worker >= 0:
            raise InvalidInput(
                f"cpus_per_worker={self.cpus_per_worker}, gpus_per_worker={self.gpus_per_worker}: "
                "a worker needs some of a core, and no less than 0 GPUs"
            )

    @property
    def timeout_seconds(self) -> float | None:
        """The time limit that is known when the search begins."""
        return None if self.timeout in (None, "auto") else float(self.timeout)

    @property
    def memory_bytes(self) -> int | None:
        """What each worker may allocate."""
        return memory_of(self.memory_per_worker)


def environment() -> dict[str, str]:
    """Returns the versions here and this machine for the record; they are never compared."""
    packages = ("automl-functional-hashing", "torch", "ray", "numpy", "optuna", "sqlalchemy")
    found = {"python": platform.python_version(), "platform": platform.platform(), "coordinator": machine()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


UNKNOWN_BEFORE = {"confirm": 1, "front": 0}
"""What studies had that were stored before the setting was known."""


def differences(stored: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Returns one phrase for each setting in which two JSON objects differ, such as "trials: 100, now 200"."""
    found: list[str] = []
    for name in sorted({*stored, *given}):
        old, new = stored.get(name), given.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name}: {old!r}, now {new!r}")
    return found


def check_name(name: str | None) -> None:
    """Insists that a study's name is none of those that its own parts will have.

    Raises:
        InvalidInput: it is empty or holds a slash.
    """
    if name is not None and (not name.strip() or "/" in name):
        raise InvalidInput(
            f"study {name!r}: give a name without a slash (NAME/random, NAME/test and NAME/1 belong to the study NAME)"
        )
