"""A search that is submitted as a Ray job: it uses the job's cluster, its page says how far it is, and it goes on."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

from automl.study import Study

PROGRAM = Path(sys.executable).with_name("automl")
MARKS = """
import os, time
import automl

class Line(automl.Space):
    x = automl.Integer(0, 500)

def height(candidate):
    with open({marks!r}, "a") as file:  # one line for each evaluation that is begun
        file.write(f"{{candidate.x}}\\n")
    while len(open({marks!r}).readlines()) > 4 and not os.path.exists({go!r}):
        time.sleep(0.05)
    return candidate.x
"""


def until(found, seconds=180):
    """Waits until `found` returns something, and returns that."""
    for _ in range(seconds * 5):
        if value := found():
            return value
        time.sleep(0.2)
    raise AssertionError("it did not happen")


def submitted(client, command):
    """Returns the id of a job; None while the agent that starts jobs is not up yet."""
    try:
        return client.submit_job(entrypoint=command)
    except RuntimeError as error:
        if "No available agent" not in str(error):
            raise
        return None


def test_a_job_shows_its_progress_and_goes_on_when_it_is_submitted_again(ray_session, tmp_path):
    import ray
    from ray.job_submission import JobStatus, JobSubmissionClient

    marks, go, storage = tmp_path / "marks", tmp_path / "go", f"sqlite:///{tmp_path}/job.db"
    (tmp_path / "line.py").write_text(MARKS.format(marks=str(marks), go=str(go)))
    given = ["--evaluator", f"{tmp_path}/line.py:height", "--workers", 1, "--study", "job", "--storage", storage]
    given += ["--trials", 8, "--window", 2, "--no-baseline", "--sample", 2, "--test-seeds", 1, "--strategy", "random"]
    given += ["--seed", 1]
    html = ["--html", tmp_path / "report.html"]
    # Ray sets RAY_ADDRESS to the Ray that was started last on the machine, which here may be another test's.
    here = f"RAY_ADDRESS={ray.get_runtime_context().gcs_address}"
    command = shlex.join(map(str, ["env", here, PROGRAM, "search", f"{tmp_path}/line.py:Line", *given, *html]))
    address = ray.init(ignore_reinit_error=True, logging_level="ERROR").dashboard_url
    client = JobSubmissionClient(f"http://{address}")

    first = until(lambda: submitted(client, command))
    info = until(lambda: (found := client.get_job_info(first)).metadata.get("best") and found)
    assert info.status == JobStatus.RUNNING, info
    assert (info.metadata["study"], info.metadata["phase"]) == ("job", "search")
    assert info.metadata["progress"].endswith(" of 8 trials")
    assert info.metadata["best"].startswith("fitness ")
    assert info.message.startswith("job: ")
    client.stop_job(first)
    until(lambda: client.get_job_status(first).is_terminal())
    study = Study.open("job", storage)
    begun = len(marks.read_text().split())
    before = [(trial.number, trial.candidate) for trial in study.trials()]
    assert 1 <= len(before) < 8
    assert not study.finished

    go.touch()
    second = until(lambda: submitted(client, command))
    until(lambda: client.get_job_status(second).is_terminal())
    assert client.get_job_status(second) == JobStatus.SUCCEEDED, client.get_job_logs(second)
    assert [(trial.number, trial.candidate) for trial in study.trials()][: len(before)] == before
    assert len(list(study.trials())) == 8
    later = {trial.candidate for trial in study.trials()} - {candidate for _, candidate in before}
    evaluated = marks.read_text().split()[begun : begun + len(later)]  # tests of the winners come after them
    assert {f'{{"x":{x}}}' for x in evaluated} == later  # and nothing that had finished
    assert "job" in client.get_job_logs(second)
    assert client.get_job_info(second).metadata["study"] == "job/test"  # the last phase
    assert os.path.exists(tmp_path / "report.html")
    study.close()
