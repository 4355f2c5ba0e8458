"""What a search that is going to be killed consists of. Found by file name, so that `resume` can load it again."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from automl.behaviour import Configuration
from automl.evaluator import Evaluation, Evaluator, Metrics, Work
from automl.fields import Integer
from automl.space import Candidate, Space

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
