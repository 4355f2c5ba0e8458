"""A small space and searches over it, for the tests of evidence and of foreign text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import automl
from automl import Integer, Space


class Line(Space):
    x = Integer(0, 200)


def noisy(candidate, seed):
    return candidate.x + seed % 1000 / 100


def searched(storage: str, **given: Any) -> automl.Study:
    """Runs a small search in this process."""
    settings = {"population": 5, "tournament": 2} if "strategy" not in given else {}
    return automl.search(
        **{
            "space": Line(),
            "evaluator": noisy,
            "trials": 30,
            "workers": 0,
            "sample": 8,
            "finalists": 1,
            "settings": settings,
            "storage": storage,
            **given,
        }
    )


def database(folder: Path, name: str = "a.db") -> str:
    return f"sqlite:///{folder / name}"


def texts(report: Any) -> tuple[str, str, dict[str, Any]]:
    """Returns a report as text on one line, as a page, and as JSON data."""
    from automl.report.html import page

    return " ".join(str(report).split()), page(report.data), report.json()


TASK = """
from automl import Integer, Space


class S(Space):
    x = Integer(0, 9)


def rate(candidate, seed):
    return float(candidate.x)


def angry(candidate, seed):
    if candidate.x % 2:
        raise ValueError("\\x1b[31mred\\x1b[0m [bold]not bold[/bold] <script>alert(1)</script> \\x00" + "y" * 5000)
    return float(candidate.x)
"""


def command(*arguments: object, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    """Runs `automl ARGUMENTS` as its users do."""
    script = "import sys; from automl.cli import main; main()"
    run = [sys.executable, "-c", script, *(one if isinstance(one, bytes) else str(one) for one in arguments)]
    return subprocess.run(run, capture_output=True, timeout=300, check=False, **settings)


def search(
    folder: Path, *options: object, evaluator: str = "rate", **settings: Any
) -> subprocess.CompletedProcess[bytes]:
    """Runs a small search over `TASK` by the command line, in a folder."""
    file = folder / "task.py"
    file.write_text(TASK)
    quick = ["--workers", 0, "--trials", 6, "--no-baseline", "--set", "population=3", "--set", "tournament=2"]
    return command(
        "search", f"{file}:S", "--evaluator", f"{file}:{evaluator}", *quick, *options, **{"cwd": folder, **settings}
    )
