"""How one run of a study is set up: settings that may change when it is resumed, and are not stored with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from automl.engine.config import ALL_COMMANDS
from automl.engine.units import memory_of, seconds_of, workers_of
from automl.errors import InvalidInput
from automl.hashing.isolated import HASH_SECONDS
from automl.observers import Observer
from automl.settings import MOST, check, setting
from automl.storage.engine import CLAIM_SECONDS
from automl.storage.sessions import HEARTBEAT_SECONDS


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

    workers: str | int | None = setting(
        None,
        "Number of evaluations at one time; 0: in this process; auto: as many as the nodes of the cluster have room "
        "for, which join and leave with their nodes.",
        group="Workers",
        otherwise="one per core, or this process for evaluators under a millisecond; auto on a cluster (--ray-address)",
        unit="N",
        commands=ALL_COMMANDS,
    )
    min_workers: int | None = setting(
        None,
        "Begin once so many workers are up, and let their number follow the nodes of the cluster.",
        group="Workers",
        lowest=1,
        highest=MOST,
        otherwise="one with --workers auto or --max-workers; else the number of workers is fixed",
        unit="N",
        commands=ALL_COMMANDS,
    )
    max_workers: int | None = setting(
        None,
        "Let the number of workers follow the nodes of the cluster up to this one; Ray's autoscaler is asked for them.",
        group="Workers",
        lowest=1,
        highest=MOST,
        otherwise="--workers, if that is a number and --min-workers is given",
        unit="N",
        commands=ALL_COMMANDS,
    )
    wait: float | None = setting(
        None,
        "Seconds to wait at the start for CPUs and GPUs of the cluster.",
        group="Workers",
        lowest=0,
        otherwise="300 for what others hold, and none for what the cluster does not have",
        unit="SECONDS",
        commands=ALL_COMMANDS,
    )
    cpus_per_worker: float = setting(
        1.0,
        "Cores of each worker; its libraries use as many threads.",
        group="Workers",
        above=0,
        unit="F",
        commands=ALL_COMMANDS,
    )
    gpus_per_worker: float = setting(
        0.0, "GPUs of each worker, fractions too.", group="Workers", lowest=0, unit="F", commands=ALL_COMMANDS
    )
    memory_per_worker: str | int | None = setting(
        None,
        "Memory that each worker may allocate, with a unit, such as 4GB or 512MiB; a plain number is bytes.",
        group="Workers",
        unit="SIZE",
        commands=ALL_COMMANDS,
    )
    timeout: str | int | float | None = setting(
        None,
        "Seconds allowed for one evaluation; auto: ten times the median of full evaluations, and a minute at least; "
        "for the first ones --first-timeout.",
        group="Workers",
        unit="SECONDS",
        commands=ALL_COMMANDS,
    )
    first_timeout: float = setting(
        86400.0,
        "Seconds allowed for one evaluation with --timeout auto before enough have ended to tell what is usual.",
        group="Workers",
        above=0,
        unit="SECONDS",
        commands=ALL_COMMANDS,
    )
    hash_timeout: float | None = setting(
        None,
        "Seconds allowed for what the space does for one candidate: propose it, read it, build and hash it.",
        group="Workers",
        above=0,
        otherwise="as --timeout, 30 where that is auto, and 300 without one",
        unit="SECONDS",
        commands=ALL_COMMANDS,
    )
    claim_timeout: float | None = setting(
        None,
        "Seconds without a sign of life after which another process of this machine, a suspended one for instance, "
        "loses the evaluations that it has claimed.",
        group="Workers",
        lowest=3 * HEARTBEAT_SECONDS,
        otherwise=f"{CLAIM_SECONDS:g}",
        unit="SECONDS",
        commands=ALL_COMMANDS,
    )
    retries: int = setting(
        2,
        "How often an evaluation that was lost to the machine is tried again; one that took too long is not.",
        group="Workers",
        lowest=0,
        unit="N",
        commands=ALL_COMMANDS,
    )
    equal_failures: int = setting(
        20,
        "End the search when the first N classes that it evaluates all fail alike; 0: never.",
        group="Workers",
        lowest=0,
        unit="N",
        commands=ALL_COMMANDS,
    )
    ray_address: str | None = setting(
        None,
        "Address of a running Ray cluster.",
        group="Workers",
        otherwise="that in RAY_ADDRESS, which Ray sets for its jobs; without one Ray is started on this machine",
        unit="A",
        commands=ALL_COMMANDS,
    )
    ship: str | None = setting(
        None,
        "Folder that is sent to the nodes of a cluster (secrets and what .gitignore names stay here); none: they have "
        "all files.",
        group="Workers",
        otherwise="the project around the files that the search names",
        unit="DIR",
        commands=ALL_COMMANDS,
    )
    simulated_workers: int | None = setting(
        None,
        "Run evaluations here at once, on a simulated clock with so many workers.",
        group="Workers",
        lowest=1,
        unit="N",
        commands=ALL_COMMANDS,
    )
    dashboard: bool = setting(
        False,
        "Whether Ray's dashboard is on during the search.",
        group="Workers",
        on_command_line=True,
        commands=ALL_COMMANDS,
    )
    storage: str = setting(
        "sqlite:///automl.db",
        "Database: sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE.",
        group="Storage",
        unit="URL",
        variable="AUTOML_STORAGE",
        commands=ALL_COMMANDS,
        shown=False,  # it may hold a password
    )
    checkpoints: str | None = setting(
        None,
        "Folder for the states that long evaluations leave, to continue from, or a URL that fsspec knows; all workers "
        "must reach it.",
        group="Storage",
        otherwise="beside an SQLite database, nowhere with PostgreSQL",
        unit="URL",
        commands=ALL_COMMANDS,
    )
    artefacts: str | None = setting(
        None,
        "Where trained weights and other artefacts are kept: a folder that all workers reach, or a URL that fsspec "
        "knows, such as s3://bucket/folder.",
        group="Storage",
        otherwise="beside an SQLite database, nowhere with PostgreSQL",
        unit="URL",
        commands=ALL_COMMANDS,
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
        workers_of(self.workers)
        if self.min_workers is not None and (most := self.most_workers) is not None and self.min_workers > most:
            raise InvalidInput(f"min_workers={self.min_workers}: it must be {most} or less, the most there may be")
        seconds_of(self.timeout)
        memory_of(self.memory_per_worker, "memory_per_worker")

    @property
    def cluster(self) -> str | None:
        """Address of the Ray cluster: as given, or what RAY_ADDRESS names, as Ray sets it for jobs; None without one.

        A URL in RAY_ADDRESS is for `ray job submit` and its like.
        """
        found = os.environ.get("RAY_ADDRESS", "")
        return self.ray_address or (found if found not in ("", "local") and "://" not in found else None)

    @property
    def follows(self) -> bool:
        """True if the number of workers follows the nodes of the cluster."""
        auto = self.workers == "auto" or (self.workers is None and self.cluster is not None)
        return auto or self.min_workers is not None or self.max_workers is not None

    @property
    def most_workers(self) -> int | None:
        """Largest number of workers of a search that follows the cluster; None sets no bound."""
        return workers_of(self.workers) if self.max_workers is None else self.max_workers

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
