"""Signals and deaths of workers: whoever ends a worker, the candidate that it had is tried again and not blamed."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from case_parts import rows

import automl
from automl import Integer, Space

pytestmark = pytest.mark.usefixtures("ray_session")


class S(Space):
    x = Integer(0, 30)


def slow(c, seed):
    time.sleep(0.8)
    return float(c.x)


def stubborn(c, seed):
    """Swallows whatever is raised in it."""
    until = time.monotonic() + 0.8
    while time.monotonic() < until:
        with contextlib.suppress(BaseException):
            time.sleep(0.05)
    return float(c.x)


def workers():
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            title = (process.cmdline() or [""])[0]  # a call is called by its study and trial
            if title.startswith("ray::") and " trial" in title:
                found.append(process)
        except psutil.Error:
            pass
    return found


@pytest.mark.parametrize("evaluator", [slow, stubborn])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_the_workers_is_nobodys_fault(tmp_path, evaluator, number):
    sent = []

    def end_workers():
        until = time.monotonic() + 120
        while not (found := workers()) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.2)
        for process in found:
            process.send_signal(number)
            sent.append(process.pid)

    thread = threading.Thread(target=end_workers)
    thread.start()
    study = automl.search(
        S(), evaluator=evaluator, trials=6, workers=2, window=4, baseline=False, confirm=1, finalists=1, sample=2,
        test_seeds=1, storage=f"sqlite:///{tmp_path}/a.db",
    )  # fmt: skip
    thread.join()
    assert sent
    assert all(trial.outcome != "failed" for trial in study.trials())
    study.close()
    assert rows(tmp_path / "a.db", "select state, error from evaluation where state = 'failed'") == []
    assert rows(tmp_path / "a.db", "select count(*) from evaluation where attempt > 1")[0][0] >= 1  # tried again


def test_a_signal_is_only_sent_to_the_process_that_was_meant():
    from dataclasses import replace

    from automl.storage.processes import this_process

    here = this_process()
    replace(here, start="0").kill()  # an older process of this number: it is gone
    replace(here, host="elsewhere").kill()
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    replace(here, pid=child, start=fields[19]).kill()
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
