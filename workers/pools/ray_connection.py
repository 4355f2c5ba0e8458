"""Ray itself: connecting to it or starting a local one, what fits on it, and how plans travel."""

from __future__ import annotations

import logging
import math
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from automl.errors import InvalidInput, WorkersUnavailable
from automl.isolation import travel
from automl.pool import WorkerSetup
from workers.pools import actor as actor_module
from workers.pools.blame import one_line

_OBJECT_STORE_BYTES = 256 * 1024 * 1024  # plans and batches are small
_SERIES = "RAY_metric_cardinality_level"


_ours: list[str] = []
"""Addresses of the local Rays that this process has started."""


def connect(
    address: str | None,
    dashboard: bool,
    *,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
    title: str = "automl",
) -> bool:
    """Connects this process to Ray, quietly; returns True when that is ours to end.

    Args:
        address: of a running cluster; None takes the one in RAY_ADDRESS, or starts a local Ray, all of whose servers
            listen on loopback only.
        dashboard: whether a local Ray starts its dashboard.
        num_cpus: of a local Ray; None counts the machine's.
        num_gpus: of a local Ray; None counts the machine's.
        title: what is searched, for Ray's list of jobs.

    Returns:
        False where this process was connected already.

    Raises:
        WorkersUnavailable: nothing answers at `address`, or this process is connected to another Ray.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    _no_obituaries_on_stdout()
    if ray.is_initialized():
        here = ray.get_runtime_context().gcs_address
        if address not in (None, "auto", here):
            raise WorkersUnavailable(
                f"this process is connected to Ray at {here} already; "
                f"leave {address!r} out, or call ray.shutdown() first"
            )
        return False
    job = ray.job_config.JobConfig(metadata={"automl": title})
    address = address or _address_of_environment()
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "job_config": job}
    if address is not None:
        try:
            _answers(address)
            with loopback() if _on_loopback_only(address) else nullcontext():
                ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise WorkersUnavailable(
                f"no Ray cluster answers at {address!r}: {one_line(error)}{_of_tokens(error)}"
            ) from error
        return True
    with loopback(), _few_series():
        ray.init(
            address="local",
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            include_dashboard=dashboard,
            dashboard_host="127.0.0.1",
            object_store_memory=_OBJECT_STORE_BYTES,
            **quiet,
        )
    _ours.append(ray.get_runtime_context().gcs_address)
    return True


@contextmanager
def _few_series() -> Iterator[None]:
    """Lets a Ray started in the body leave the names of tasks out of its own metrics, unless the user has decided.

    Tasks are named by their trials, and Ray keeps twenty time series for each name.
    """
    if _SERIES in os.environ:
        yield
        return
    os.environ[_SERIES] = "low"
    try:
        yield
    finally:
        del os.environ[_SERIES]


def names_are_dropped() -> bool:
    """Tells whether Ray leaves the names of tasks out of its own metrics. A cluster's nodes do not say it."""
    import ray

    if _SERIES in os.environ:
        return os.environ[_SERIES].lower() == "low"
    return ray.get_runtime_context().gcs_address in _ours


def log_places() -> dict[str, str]:
    """Returns the folder of Ray's logs, which is the same on all nodes, and the address of the cluster."""
    import ray
    from ray._private import worker

    node = worker._global_node
    return {"folder": node.get_logs_dir_path(), "cluster": ray.get_runtime_context().gcs_address} if node else {}


def _address_of_environment() -> str | None:
    """Returns what RAY_ADDRESS names, as Ray sets it for jobs. A URL there is for `ray job submit` and its like."""
    found = os.environ.get("RAY_ADDRESS", "")
    return found if found not in ("", "local") and "://" not in found else None


def dashboard_url() -> str | None:
    """Returns where the dashboard of the Ray is that this process is connected to; None where it has none.

    Ray tells it in answer to another `init` only, which also puts Ray's handler of SIGTERM in place: ask once, early.
    """
    import ray

    url = ray.init(ignore_reinit_error=True, logging_level=logging.ERROR).dashboard_url
    return f"http://{url}" if url else None


def _of_tokens(error: BaseException) -> str:
    """Returns what to do where the cluster asks for a token that this process does not send."""
    chain: BaseException | None = error
    while chain is not None:
        if "InvalidAuthToken" in str(chain) or "AuthenticationError" in type(chain).__name__:
            return (
                "; it asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH or RAY_AUTH_TOKEN where the "
                "token does not lie in ~/.ray/auth_token"
            )
        chain = chain.__cause__ or chain.__context__
    return ""


def _no_obituaries_on_stdout() -> None:
    """Keeps Ray from telling of dead workers on standard output, amid our JSON; completions tell of them.

    Ray has no argument for it, and reads its environment variable while it is imported, which may long be over.
    """
    from ray._private.ray_logging import stdout_deduplicator

    if not os.environ.get("RAY_DEDUP_LOGS_SKIP_REGEX"):
        stdout_deduplicator.skip_re = re.compile("^A worker died or was killed")


def _answers(address: str) -> None:
    """Raises OSError where no one listens at host:port; Ray itself asks for minutes, and then ends the process."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=5).close()


def _on_loopback_only(address: str) -> bool:
    """Returns whether the Ray at this address listens on the loopback interface and nowhere else, as those we start do.

    Ray takes 127.0.0.1 for another word for the machine's outward address and would wait there for minutes.
    """
    from ray._private import services

    if address == "auto":
        address = services.get_ray_address_from_environment(address, None) or ""
    host, _, port = address.rpartition(":")
    if host not in ("127.0.0.1", "localhost", "[::1]") or not port.isdecimal():
        return False
    try:
        socket.create_connection((services.get_node_ip_address(), int(port)), timeout=5).close()  # type: ignore[no-untyped-call]
    except OSError:
        return True
    return False


@contextmanager
def loopback() -> Iterator[None]:
    """Makes a Ray started in the body call its node 127.0.0.1, whereupon all its servers bind to loopback only.

    Ray does so by itself on macOS and Windows only; its `_node_ip_address` argument turns 127.0.0.1 into the
    outward address.
    """
    from ray._private import ray_constants

    former, variable = ray_constants.ENABLE_RAY_CLUSTER, ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[variable] = "0"  # for the processes that it starts
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = former
        os.environ.pop(variable, None)


def pack(plan: WorkerSetup) -> tuple[bytes, list[np.ndarray]]:
    """Pickles a plan, large arrays apart; classes from files that workers cannot import by name travel by value."""
    import ray

    ray.cloudpickle.register_pickle_by_value(actor_module)  # type: ignore[no-untyped-call]
    try:
        return travel.pack_apart(plan, plan.evaluator, plan.space.space)
    except InvalidInput as error:
        raise InvalidInput(f"the search cannot be sent to Ray workers: {error}") from error


def check_numbers(workers: int | None, num_cpus: float, num_gpus: float, memory: int | None) -> None:
    """Checks what can be checked without Ray.

    Raises:
        InvalidInput: a number makes no sense.
    """
    if workers is not None and workers < 1:
        raise InvalidInput(f"a search cannot have {workers} workers; give at least 1")
    if num_cpus < 0 or num_gpus < 0 or num_cpus + num_gpus == 0:
        raise InvalidInput(f"a worker needs CPUs or GPUs, not {num_cpus:g} CPUs and {num_gpus:g} GPUs")
    if num_gpus > 1 and num_gpus != int(num_gpus):
        raise InvalidInput(f"{num_gpus:g} GPUs per worker cannot be had: above one, Ray gives whole GPUs only")
    if memory is not None and memory <= 0:
        raise InvalidInput(f"a memory limit of {memory} bytes is no limit; give a positive number")


def room(num_cpus: float, num_gpus: float) -> int:
    """Returns how many such workers fit on Ray's nodes when nothing else runs there."""
    import ray

    def fits(have: float, need: float) -> float:
        if need == 0:
            return math.inf
        return (
            math.floor(have / need + 1e-9) if need >= 1 or have < 1 else math.floor(have) * math.floor(1 / need + 1e-9)
        )

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return sum(int(min(fits(node.get("CPU", 0), num_cpus), fits(node.get("GPU", 0), num_gpus))) for node in nodes)


def too_many(workers: int, num_cpus: float, num_gpus: float, most: int) -> str:
    """Returns the sentence for workers that do not fit, with the numbers."""
    import ray

    have = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpus = f" and {num_gpus:g} GPUs" if num_gpus else ""
    return (
        f"{workers} workers with {num_cpus:g} CPUs{gpus} each do not fit: Ray has {have.get('CPU', 0):g} CPUs and "
        f"{have.get('GPU', 0):g} GPUs, enough for {most}"
    )


def innermost(error: BaseException) -> str:
    """Returns the sentence of what a worker's start raised, without Ray's wrapping."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
