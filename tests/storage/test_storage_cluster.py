"""The tests' own PostgreSQL ends with the tests, even where they are killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_a_cluster_does_not_outlive_tests_that_are_killed(postgres_cluster):
    script = (
        "import os, postgres\n"
        "cluster = postgres.start_cluster()\n"
        "print(cluster.folder, cluster.port, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", script]
    killed = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(TESTS)}, capture_output=True, text=True, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    folder, port = killed.stdout.split()
    assert folder != str(postgres_cluster.folder)
    end = time.monotonic() + 60
    while Path(folder).exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(folder).exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0
    assert postgres_cluster.new_database()  # ours is left alone
