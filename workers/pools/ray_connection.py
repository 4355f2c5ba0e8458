"""Ray itself: connecting to it or starting a local one, what fits on it, and how plans travel."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from automl.errors import InvalidInput, WorkersUnavailable
from automl.isolation import travel
from automl.pool import WorkerSetup
from automl.setup.targets import SpaceReference
from workers.pools import actor as actor_module
from workers.pools.blame import one_line
from workers.pools.shipped import left_out

_OBJECT_STORE_BYTES = 256 * 1024 * 1024  # plans and batches are small
_SERIES = "RAY_metric_cardinality_level"


_ours: list[str] = []
"""Addresses of the local Rays that this process has started."""

_early = False  # connected by `connect_early`, and no pool has taken the connection over yet


def connect_early(address: str | None, dashboard: bool, ship: str | None = None) -> None:
    """Connects this process to Ray before there is a pool, which then takes the connection over, and ends it.

    Raises:
        WorkersUnavailable: as `connect`.
    """
    global _early
    _early = connect(address, dashboard, ship=ship) or _early


def connect(
    address: str | None,
    dashboard: bool,
    *,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
    title: str = "automl",
    ship: str | None = None,
) -> bool:
    """Connects this process to Ray, quietly; returns True when that is ours to end.

    Args:
        address: of a running cluster; None starts a local Ray, all of whose servers listen on loopback only.
        dashboard: whether a local Ray starts its dashboard.
        num_cpus: of a local Ray; None counts the machine's.
        num_gpus: of a local Ray; None counts the machine's.
        title: what is searched, for Ray's list of jobs.
        ship: folder that is sent to the nodes of a cluster, where workers have it as their working directory; without
            what `left_out` names.

    Returns:
        False where this process was connected already, by somebody else.

    Raises:
        WorkersUnavailable: nothing answers at `address`, or this process is connected to another Ray.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    global _early
    _no_obituaries_on_stdout()
    if ray.is_initialized():
        ours, _early = _early, False
        here = ray.get_runtime_context().gcs_address
        if address not in (None, "auto", here):
            raise WorkersUnavailable(
                f"this process is connected to Ray at {here} already; "
                f"leave {address!r} out, or call ray.shutdown() first"
            )
        return ours
    job = ray.job_config.JobConfig(metadata={"automl": title})
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "job_config": job}
    if address is not None:
        if ship is not None and not _in_a_job():
            quiet["runtime_env"] = {"working_dir": ship, "excludes": left_out(ship)}
        try:
            _answers(address)
            with loopback() if _on_loopback_only(address) else nullcontext():
                ray.init(address=address, **quiet)
        except ray.exceptions.RuntimeEnvSetupError as error:
            raise InvalidInput(
                f"the folder {ship} cannot be sent to the nodes: {one_line(error)}; name what is not needed in its "
                ".gitignore, another folder (--ship DIR), or --ship none where all nodes have it"
            ) from error
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            if "Version mismatch" in str(error):
                raise WorkersUnavailable(
                    f"the Ray cluster at {address!r} has other versions: {one_line(error)}; install the same ones here"
                ) from error
            raise WorkersUnavailable(
                f"no Ray cluster answers at {address!r}: {one_line(error)}{_of_tokens(error)}"
            ) from error
        return True
    try:
        with loopback(), _few_series(), _agent_on_a_free_port():
            ray.init(
                address="local",
                num_cpus=num_cpus,
                num_gpus=num_gpus,
                include_dashboard=dashboard,
                dashboard_host="127.0.0.1",
                object_store_memory=_OBJECT_STORE_BYTES,
                **quiet,
            )
    except Exception as error:  # Ray raises a bare Exception where its servers are too slow to start
        raise WorkersUnavailable(
            f"Ray cannot be started on this machine: {one_line(error)}; try again when less runs here, or search in "
            "this process (--workers 0)"
        ) from error
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


@contextmanager
def _agent_on_a_free_port() -> Iterator[None]:
    """Lets the agent of a Ray started in the body listen on a free port, so that each Ray of a machine can take jobs.

    Ray's own port is one number, which only the first Ray gets; the others then start no jobs. `ray.init` has no
    argument for it.
    """
    from ray._private import parameter

    module: Any = parameter
    former = module.RayParams
    module.RayParams = partial(former, dashboard_agent_listen_port=0)
    try:
        yield
    finally:
        module.RayParams = former


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


def _in_a_job() -> bool:
    """Tells whether this process was submitted as a job with a working directory, which its workers then have too."""
    return '"working_dir"' in os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "")


def shipped_folder(ship: str | None) -> str | None:
    """Returns the folder here that workers have as their working directory; None where there is none.

    Args:
        ship: as `connect` was given it.
    """
    import ray

    if _in_a_job():
        return os.getcwd()
    there = ray.get_runtime_context().runtime_env.get("working_dir")
    return ship if there else None


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


def pack(plan: WorkerSetup, there: Callable[[str], str]) -> tuple[bytes, list[np.ndarray]]:
    """Pickles a plan, large arrays apart; classes from files that workers cannot import by name travel by value.

    Args:
        plan: what all jobs have in common.
        there: Function that returns a path of this machine as workers find it. It holds for each reference to a space
            in the plan: evaluators, raters and strategies have their own.
    """
    import ray

    def instead(thing: Any) -> Any:
        return thing.moved(there) if isinstance(thing, SpaceReference) else thing

    ray.cloudpickle.register_pickle_by_value(actor_module)  # type: ignore[no-untyped-call]
    try:
        return travel.pack_apart(plan, plan.evaluator, plan.space.space, instead=instead)
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


def innermost(error: BaseException) -> str:
    """Returns the sentence of what a worker's start raised, without Ray's wrapping."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
