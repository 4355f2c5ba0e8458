"""What a search that is going to be killed consists of. Found by file name, so that `resume` can load it again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from automl.behaviour import Configuration
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.spaces.fields import Integer
from automl.spaces.space import Candidate, Space

MARKS = "AUTOML_TEST_MARKS"
"""Names the file to which every evaluation appends one line when it begins: seed, part."""


class Sack(Space):
    """Three numbers whose order does not matter: 512 spellings of 120 functions."""

    x = Integer(0, 7)
    y = Integer(0, 7)
    z = Integer(0, 7)

    def behaviour(self, candidate: Candidate) -> Configuration:
        return Configuration(sorted(candidate.value.values()))


@dataclass(frozen=True)
class Weighing(Evaluator):
    """Adds the numbers; its seed decides the noise, and a line on disk says that it was begun."""

    name: ClassVar[str] = "weighing"
    metrics: ClassVar[Mapping[str, str]] = {"weight": "maximize"}
    seconds: float = 0.0
    marks: str = ""

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        handle = os.open(self.marks or os.environ[MARKS], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, f"{how.seed} {how.part}\n".encode())
        os.fsync(handle)
        os.close(handle)
        if self.seconds:
            time.sleep(self.seconds)
        if sum(work.behaviour.value) % 11 == 3:
            raise ValueError("too odd")
        return {"weight": sum(work.behaviour.value) + (how.seed % 1000) / 1000}


@dataclass(frozen=True)
class Mishaps(Weighing):
    """The same in a worker that is killed, or wants more memory than it may have, when the file beside `marks` says so.

    The file holds a seed, what happens and how many times on each line; what is left to happen stays in it. It is no
    setting, so that a calm search has the same context, and so the same seeds.
    """

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        weight = super().evaluate(work, how)
        file = Path(self.marks + ".mishaps")
        for line in file.read_text().splitlines() if file.exists() else []:
            seed, what, times = line.split()
            begun = Path(self.marks).read_text().split().count(seed)
            if seed == str(how.seed) and begun <= int(times):
                if what == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                np.ones(2**31, dtype=np.uint8).sum()
        return weight
