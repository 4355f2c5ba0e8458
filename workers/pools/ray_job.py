"""Study, progress and best fitness on Ray's page of jobs, for a search that was submitted as one (`ray job submit`)."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.display.counts import PHASES, Counts

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.records import TrialRecord

SECONDS = 5.0
"""How often the page is brought up to date."""

HANGS_SECONDS = 20.0
"""A writer that has not come back after so many seconds is left alone, and the next one does not wait for it."""


class RayJob(Counts):
    """Observer that writes a search's progress into the record of the Ray job that it runs in.

    The record's metadata get "study", "phase", "progress" and "best", and its message says them in one line. They are
    written by a thread of their own, so that a head that does not answer holds nothing up.

    Args:
        job: id under which the job was submitted.

    Example:
        >>> submitted_job({"RAY_JOB_CONFIG_JSON_ENV_VAR": '{"metadata": {"job_submission_id": "raysubmit_1"}}'})
        'raysubmit_1'
    """

    def __init__(self, job: str) -> None:
        super().__init__()
        self._job = job
        self._written = self._since = 0.0
        self._writer: threading.Thread | None = None
        with contextlib.suppress(ImportError):  # here, and not in a thread beside other imports
            importlib.import_module("ray.dashboard.modules.job.common")

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        super().begin(settings, phase, trials, evaluations)
        self._written = 0.0

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        super().turn(settings, trials, in_flight, evaluations)
        if time.monotonic() - self._written >= SECONDS:
            self._written = time.monotonic()
            self._write(settings)

    def end(self, settings: LoopSettings) -> None:
        self._write(settings, wait=True)

    def _write(self, settings: LoopSettings, wait: bool = False) -> None:
        if self._writer is not None and self._writer.is_alive():
            if not wait and time.monotonic() - self._since < HANGS_SECONDS:
                return
            self._writer.join(SECONDS if wait else 0.0)
        self._since = time.monotonic()
        best = "" if self.best is None else f"{settings.objective.metric} {self.best:.6g}"
        facts = {"study": settings.name, "phase": PHASES.get(self.phase, self.phase)}
        facts |= {"progress": self.done(settings)[1], **({"best": best} if best else {})}
        message = f"{settings.name}: {self.summary(settings)}"
        self._writer = threading.Thread(target=_put, args=(self._job, facts, message), name="ray job", daemon=True)
        self._writer.start()
        if wait:
            self._writer.join(SECONDS)


def submitted_job(environment: Mapping[str, str] = os.environ) -> str | None:
    """Returns the id of the Ray job that this process runs in; None if it was not submitted as one."""
    try:
        found = json.loads(environment.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    except ValueError:
        return None
    metadata = found.get("metadata", {}) if isinstance(found, dict) else {}
    return metadata.get("job_submission_id")


def _put(job: str, facts: Mapping[str, str], message: str) -> None:
    """Changes the record of a job. What goes wrong costs the user a line on a page, and nothing else."""
    try:
        from ray.dashboard.modules.job.common import JobInfoStorageClient
        from ray.experimental import internal_kv

        key, place = JobInfoStorageClient.JOB_DATA_KEY.format(job_id=job).encode(), b"job"
        found: Any = internal_kv._internal_kv_get(key, namespace=place)
        if found is None:
            return
        record = json.loads(found)
        if record.get("status") != "RUNNING":
            return  # it has been stopped, and says why
        record["metadata"] = {**(record.get("metadata") or {}), **facts}
        record["message"] = message
        internal_kv._internal_kv_put(key, json.dumps(record).encode(), overwrite=True, namespace=place)
    except Exception:  # the record is Ray's own, and another version may keep it elsewhere
        return
