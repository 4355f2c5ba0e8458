"""A user's file with a rater: it rates numbers by a table that is made once, slowly, step by step."""

RATER = '''
import dataclasses
import json
import os
import time

import numpy as np

import automl
from automl.artefacts.content import Content
from automl.behaviour import Configuration
from automl.evaluators.artefacts import Artefact
from automl.spaces.space import Defaults


class Sums(automl.Space):
    """Two numbers; what they compute is their sum, so (1, 2) and (2, 1) are one function."""

    defaults = Defaults(evaluator=f"{__file__}:Rating", trials=12)
    x = automl.Integer(0, 3)
    y = automl.Integer(0, 3)

    def behaviour(self, c):
        return Configuration(c.x + c.y)


def log(word):
    with open(os.environ.get("AUTOML_TEST_LOG", os.devnull), "a") as file:
        file.write(word + "\\n")


@dataclasses.dataclass(frozen=True)
class Table(Artefact):
    name = "table"
    version = "1"
    steps: int = 3
    replicate: int = 0

    def make(self, how):
        saved = how.checkpoint.read() if how.checkpoint else None
        done = json.loads(saved) if saved else []
        log(f"begin at {len(done)}")
        while len(done) < self.steps:
            time.sleep(float(os.environ.get("AUTOML_TEST_SLEEP", "0")))
            done.append(float(np.random.default_rng([how.seed, len(done)]).normal()))
            if how.checkpoint:
                how.checkpoint.write(json.dumps(done).encode())
            log(f"step {len(done)}")
        done[0] += float(os.environ.get("AUTOML_TEST_SHIFT", "0"))
        log("made")
        return Content.of({"values": np.array(done)}, {"steps": self.steps})


@dataclasses.dataclass(frozen=True)
class Rating(automl.Evaluator):
    name = "table-rating"
    version = "1"
    metrics = {"rating": "maximize"}
    equality = "candidate"
    steps: int = 3
    each: bool = False

    def artefacts(self, replicate=0):
        return (Table(self.steps, replicate if self.each else 0),)

    def evaluate(self, work, how):
        values = how.artefact("table").arrays()["values"]
        candidate = json.loads(work.candidate)
        return {"rating": 10 * candidate["x"] + candidate["y"] + float(values[0]) / 100}


class Alike(Rating):
    """The same, for results that belong to functions."""

    name = "alike"
    version = "1"
    equality = "function"
'''


def written(folder):
    """The path of the file, in the folder."""
    path = folder / "rater.py"
    path.write_text(RATER, encoding="utf-8")
    return path
