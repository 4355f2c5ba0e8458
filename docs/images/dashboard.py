"""Takes the pictures of Ray's dashboard for the documentation: python docs/images/dashboard.py (needs Chromium).

A search runs as a job on a local Ray. Headless Chromium visits the pages meanwhile, by way of a server on this machine
that sends Ray's token along.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ray.job_submission import JobSubmissionClient
from ray.util.state import list_actors

from workers.pools.ray_connection import connect, dashboard_url

HERE = Path(__file__).resolve().parent
MOST_BYTES = 150_000

SPACE = """
import time
import automl

class Cell(automl.Space):
    width = automl.Integer(8, 256)
    kernel = automl.Choice("1x1", "3x3", "5x5")

def trained(candidate, report):
    print("training", candidate)
    for epoch in range(1, 21):
        time.sleep(0.3)
        report(epoch, 0.9 - 20 / (candidate.width + 20 * epoch))
    return 0.9 - 20 / (candidate.width + 400)
"""


def with_token(address: str) -> str:
    """Starts a server that asks the dashboard with Ray's token; returns its address."""
    from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled

    class Asking(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith("/authentication_mode"):
                status, kind, body = 200, "application/json", json.dumps({"authentication_mode": "disabled"}).encode()
            else:
                headers = get_auth_headers_if_auth_enabled({})
                try:
                    with urllib.request.urlopen(
                        urllib.request.Request(f"{address}{self.path}", headers=headers), timeout=60
                    ) as found:
                        status, kind, body = found.status, found.headers["Content-Type"], found.read()
                except urllib.error.HTTPError as error:
                    status, kind, body = error.code, error.headers["Content-Type"], error.read()
            self.send_response(status)
            self.send_header("Content-Type", kind or "text/plain")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Asking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def shot(url: str, name: str, height: int = 620) -> None:
    """Takes a picture of a page, in few colours where it would be large."""
    path = HERE / f"{name}.png"
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=20000"]
        options += [f"--window-size=1500,{height}", f"--user-data-dir={profile}", f"--screenshot={path}"]
        subprocess.run(["chromium", *options, url], check=True, capture_output=True, timeout=180)
    from PIL import Image

    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)
    assert path.stat().st_size < MOST_BYTES, f"{path} has {path.stat().st_size:,} bytes"
    print(path, path.stat().st_size)


def main() -> None:
    """Runs the search and takes all pictures."""
    import ray

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cell.py").write_text(SPACE)
        connect(None, dashboard=True, num_cpus=3)
        address = dashboard_url()
        given = ["--evaluator", f"{folder}/cell.py:trained", "--workers", 2, "--study", "cells", "--trials", 60]
        given += ["--storage", f"sqlite:///{folder}/cells.db", "--strategy", "regularized_evolution"]
        here = f"RAY_ADDRESS={ray.get_runtime_context().gcs_address}"  # Ray names the one that was started last
        command = shlex.join(map(str, ["env", here, "automl", "search", f"{folder}/cell.py:Cell", *given]))
        client = JobSubmissionClient(address)
        path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        runtime = {"env_vars": path}
        job = ""
        while not job:
            try:
                job = client.submit_job(entrypoint=command, submission_id="cells", runtime_env=runtime)
            except RuntimeError as error:  # the agent that starts jobs is not up yet
                if "No available agent" not in str(error):
                    raise
                time.sleep(2)
        while not client.get_job_info(job).metadata.get("best"):
            assert not client.get_job_status(job).is_terminal(), client.get_job_logs(job)
            time.sleep(1)
        driver = client.get_job_info(job).driver_info.id
        [actor, *_] = [one for one in list_actors(filters=[("state", "=", "ALIVE")]) if "ray-" in (one.name or "")]
        address = with_token(address)
        shot(f"{address}/#/jobs", "ray-jobs")
        shot(f"{address}/#/jobs/{driver}", "ray-job", height=1100)
        shot(f"{address}/#/actors", "ray-actors")
        shot(f"{address}/#/actors/{actor.actor_id}", "ray-actor")
        shot(f"{address}/#/cluster", "ray-cluster", height=1000)
        (node,) = ray.nodes()
        shot(f"{address}/#/logs/?nodeId={node['NodeID']}", "ray-logs")
        client.stop_job(job)
        ray.shutdown()


if __name__ == "__main__":
    main()
