"""A space, evaluators and a strategy for tests of the line: small, fast, and every evaluation leaves a mark on disk."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import automl
from automl.behaviour import Configuration
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.spaces.fields import Integer
from automl.spaces.space import Candidate, Space
from automl.strategies.base import Proposal, Strategy, Told

MARKS = "AUTOML_TEST_MARKS"
"""Names the file to which every evaluation appends one line: seed, part, replicate, behaviour."""


class Bag(Space):
    """Three numbers whose order does not matter: 216 spellings of 56 functions."""

    x = Integer(0, 5)
    y = Integer(0, 5)
    z = Integer(0, 5)

    def behaviour(self, candidate: Candidate) -> Configuration:
        return Configuration(sorted(candidate.value.values()))

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        return {"parameters": 1.0 + candidate.x}


def mark(line: str) -> None:
    """Appends a line that survives a SIGKILL right afterwards."""
    path = os.environ.get(MARKS)
    if path is None:
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, f"{line}\n".encode())
    os.fsync(handle)
    os.close(handle)


def marks(path: Any, part: str = "") -> list[str]:
    """Returns the seeds of the evaluations that were begun, in order; of one part of the data, or of both."""
    lines = [line.split() for line in Path(path).read_text().splitlines()] if os.path.exists(path) else []
    return [line[0] for line in lines if part in ("", line[1])]


def value_of(numbers: Sequence[int], seed: int, noise: float) -> float:
    return float(sum(numbers) - 2 * abs(numbers[1] - 3)) + noise * ((seed % 1_000_003) / 1_000_003)  # no two alike


@dataclass(frozen=True)
class Marking(Evaluator):
    """Adds the three numbers, with noise that its seed decides, and costs as many seconds as the smallest one."""

    name: ClassVar[str] = "marking"
    metrics: ClassVar[Mapping[str, str]] = {"score": "maximize", "loss": "minimize"}
    noise: float = 0.5
    seconds: float = 0.0

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        numbers = work.behaviour.value
        mark(f"{how.seed} {how.part} {how.replicate} {numbers}")
        if self.seconds:
            time.sleep(self.seconds)
        score = value_of(numbers, how.seed, self.noise)
        return {"score": score, "loss": -score, "cost_seconds": 1.0 + numbers[0]}


@dataclass(frozen=True)
class Misbehaving(Marking):
    """Some functions misbehave, and how often they were begun is on disk."""

    name: ClassVar[str] = "misbehaving"

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        numbers = work.behaviour.value
        metrics = super().evaluate(work, how)
        if numbers[0] == 0:
            return MISDEEDS[numbers[2]](metrics)
        return metrics


def _raise(error: BaseException) -> Metrics:
    raise error


MISDEEDS = {
    0: lambda _: _raise(ValueError("does not converge")),
    1: lambda _: {"score": float("nan"), "loss": 0.0},
    2: lambda _: {"loss": 0.0},
    3: lambda metrics: metrics,
    4: lambda metrics: metrics,
    5: lambda _: _raise(OSError("no such disk")),
}


@dataclass
class Recording(Strategy):
    """Samples, and remembers how many and which trials it had been told before each ask."""

    name: ClassVar[str] = "recording"
    asks: list[tuple[int, list[int]]] = field(default_factory=list, repr=False)

    def reset(self) -> None:
        self.asks = []
        self._told: list[int] = []

    def settings(self) -> dict[str, Any]:
        return {}

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        self.asks.append((n, list(self._told)))
        return [Proposal(candidate) for candidate in self.space.sample_many(n, rng)]

    def tell(self, trials: Sequence[Told]) -> None:
        self._told += [trial.number for trial in trials]


COMMON = {
    "window": 8,
    "workers": 0,
    "baseline": False,
    "finalists": 1,
    "confirm": 1,
    "test_seeds": 1,
    "study": "bag",
}

TIMES = ("paid_seconds", "saved_seconds", "hash_seconds", "told_at")


def rows(study: Any, without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Returns a study's trials as data without anything that a clock measured."""
    frame = study.trials_dataframe().drop(columns=[*TIMES, *without], errors="ignore")
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def child_rows(study: Any, word: str) -> list[Any]:
    """Returns the recorded trials of the study NAME/word."""
    record = study.store.find(f"{study.name}/{word}")
    return [] if record is None else list(study.store.trials(record.id))


@contextmanager
def searching(tmp_path: Path, monkeypatch: Any, **defaults: Any) -> Iterator[Callable[..., Any]]:
    """Gives a function that searches Bag in this process; each call has a cold database unless it names one."""
    monkeypatch.setenv(MARKS, str(tmp_path / "marks"))
    numbers, opened = itertools.count(), []

    def run(**given: Any) -> Any:
        cold = {"storage": f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"}
        given = {**COMMON, **defaults, **cold, **given}
        opened.append(automl.search(given.pop("space", Bag()), **given))
        return opened[-1]

    yield run
    for study in opened:
        study.close()


def outcomes(study: Any) -> Counter[str]:
    return Counter(trial.outcome for trial in study.trials())


def whole(trials: Sequence[Any]) -> bool:
    """True where numbers and positions both run from 0 without a gap."""
    wanted = list(range(len(trials)))
    return sorted(trial.number for trial in trials) == wanted == sorted(trial.position for trial in trials)
