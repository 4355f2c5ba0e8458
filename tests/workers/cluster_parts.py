"""A cluster of several nodes on this machine: separate raylets, ended by their own handles."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work


@dataclass(frozen=True)
class Waiting(Evaluator):
    """Notes node and process of each evaluation that begins, counts to ten in a checkpoint, and ends when it may.

    Candidates of 500 and more wait until the file GO is in the folder.
    """

    name: ClassVar[str] = "waiting"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}
    resumable: ClassVar[bool] = True
    folder: str = ""

    def settings(self) -> dict[str, object]:
        return {}

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        import ray

        x = work.behaviour.value["x"]
        state = how.checkpoint.read() if how.checkpoint else None
        begun = {"x": x, "node": ray.get_runtime_context().get_node_id(), "pid": os.getpid(), "from": state and 1}
        with (Path(self.folder) / "begun").open("a") as file:
            file.write(json.dumps(begun) + "\n")
        while x >= 500 and not (Path(self.folder) / "GO").exists():
            time.sleep(0.05)
            if how.checkpoint and how.checkpoint.due:
                how.checkpoint.write(b"saved")
        return {"v": float(x)}


def begun(folder: Path) -> list[dict[str, object]]:
    """Returns what has begun so far."""
    file = folder / "begun"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
