"""What fits on Ray's nodes, what is free there, and who holds the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from workers.pools.ray_watch import Node


def fits(resources: Mapping[str, float], num_cpus: float, num_gpus: float) -> int:
    """Returns how many workers fit into the resources of one node.

    Example:
        >>> fits({"CPU": 4.0, "GPU": 1.0}, num_cpus=1, num_gpus=0.5)
        2
        >>> fits({"CPU": 0.75}, num_cpus=0.5, num_gpus=0)
        1
    """
    return int(min(_times(resources.get("CPU", 0), num_cpus), _times(resources.get("GPU", 0), num_gpus)))


def _times(have: float, need: float) -> float:
    if need == 0:
        return math.inf
    if need >= 1 or have < 1:
        return math.floor(have / need + 1e-9)
    return math.floor(have) * math.floor(1 / need + 1e-9)  # a fraction does not reach over two devices


def room(nodes: Iterable[Node], num_cpus: float, num_gpus: float) -> int:
    """Returns how many workers fit on nodes when nothing else runs there; none on those that are being drained."""
    return sum(fits(node.total, num_cpus, num_gpus) for node in nodes if not node.leaves)


def free_room(nodes: Iterable[Node], num_cpus: float, num_gpus: float) -> int:
    """Returns how many more workers fit beside what runs there now."""
    return sum(fits(node.free, num_cpus, num_gpus) for node in nodes if not node.leaves)


def wanted(count: int, num_cpus: float, num_gpus: float) -> str:
    """Returns what so many workers ask for, in words.

    Example:
        >>> wanted(3, num_cpus=1, num_gpus=0.5)
        '3 workers with 1 CPUs and 0.5 GPUs each'
    """
    gpus = f" and {num_gpus:g} GPUs" if num_gpus else ""
    each = " each" if count > 1 else ""
    return f"{count} worker{'s' if count > 1 else ''} with {num_cpus:g} CPUs{gpus}{each}"


def too_many(count: int, num_cpus: float, num_gpus: float, nodes: Iterable[Node]) -> str:
    """Returns the sentence for workers that do not fit, with the numbers."""
    nodes = list(nodes)
    cpus, gpus = (sum(node.total.get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
    return (
        f"{wanted(count, num_cpus, num_gpus)} do not fit: Ray has {cpus:g} CPUs and {gpus:g} GPUs, enough for "
        f"{room(nodes, num_cpus, num_gpus)}"
    )


def in_use(nodes: Iterable[Node]) -> str:
    """Returns what is free of what the nodes have, and who holds the rest.

    Example:
        >>> in_use([Node("a", "10.0.0.1", {"CPU": 4.0}, {"CPU": 1.0})]).partition(";")[0]
        '1 of 4 CPUs are free'
    """
    nodes, parts = list(nodes), []
    for name in ("CPU", "GPU"):
        total = sum(node.total.get(name, 0) for node in nodes)
        if total:
            parts.append(f"{sum(node.free.get(name, 0) for node in nodes):g} of {total:g} {name}s")
    held = holders()
    return f"{' and '.join(parts) or 'no CPUs'} are free" + (f"; the rest is held by {held}" if held else "")


def holders() -> str:
    """Names the other jobs that run on this Ray, with the number of their actors; empty where there are none."""
    import ray

    if not ray.is_initialized():
        return ""
    from ray._private import state

    ours = ray.get_runtime_context().get_job_id()
    actors: dict[str, int] = {}
    for one in state.actors().values():
        if one["State"] in ("ALIVE", "RESTARTING"):
            actors[one["JobID"]] = actors.get(one["JobID"], 0) + 1
    others = [job for job in state.jobs() if not job.get("IsDead") and job["JobID"] != ours]  # type: ignore[no-untyped-call]
    return ", ".join(_holder(job, actors.get(job["JobID"], 0)) for job in others[:5] if not _of_ray(job))


def _of_ray(job: Mapping[str, Any]) -> bool:
    """Tells whether a job is one of Ray's own: its dashboard's."""
    return "_ray_internal" in str(job.get("Config", "")) or "dashboard" in str(job.get("Entrypoint", ""))


def _holder(job: Mapping[str, Any], actors: int) -> str:
    what = f" ({job['Entrypoint']})" if job.get("Entrypoint") else ""
    pid, host = job.get("DriverPid"), job.get("DriverIPAddress")
    with_actors = f" with {actors} actor{'s' if actors != 1 else ''}" if actors else ""
    return f"job {job['JobID']}{what}, process {pid} on {host}{with_actors}"
