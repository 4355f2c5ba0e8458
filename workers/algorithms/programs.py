"""Evaluates learning algorithms: compiled, many programs a call, all tasks of a program in step."""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from automl import registry
from automl.behaviour import Probe, Program
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Part, Work
from automl.evaluators.task import Task
from automl.spaces.programs.code import header, join
from automl.spaces.programs.language import ProgramLanguage
from automl.spaces.programs.runner import evaluate_many
from workers.algorithms.program_tasks import GENERATORS, Problems, ProgramTask, Wanted, from_task, generate
from workers.remembered import Remembered, described

IN_STEP = 16
"""At most so many problems run in step: more do not make it faster, and memory must stay near the processor."""


@dataclass(frozen=True)
class ProgramTasks(Evaluator):
    """Trains a program on each problem of a task and rates its predictions on held-out examples (arXiv 2003.03384).

    The fitness on one problem is 1 - (2/pi) * atan(RMSE), or the accuracy if the language predicts probabilities; 0 for
    a program that ends early. With `part="test"` the problems are those that no search reads.

    Attributes:
        task: Name in `program_tasks.GENERATORS`, a `ProgramTask`, or an `automl.Task` with arrays of the user's own.
        problems: Number of problems to search on. This setting and the following have an effect for named tasks only.
        train_examples, held_examples: Numbers of examples to learn from and to predict in each of these problems.
        unseen_problems, unseen_train_examples: Number of problems for the final figures, and of examples to learn from
            in each.
        task_seed: Seed of the problems; other seeds give other problems.
        combine: "mean" or "median": how the fitness on the problems becomes one number.

    Raises:
        InvalidInput: a setting is out of range.

    Example:
        >>> evaluator = ProgramTasks(task="linear-regression", problems=3, train_examples=20, held_examples=10)
        >>> evaluator.problem_set(4, "validation").train.shape  # problems, examples, features
        (3, 20, 4)
        >>> ProgramTasks(combine="mode")
        Traceback (most recent call last):
        automl.errors.InvalidInput: combine='mode': it is 'mean' or 'median'
    """

    name: ClassVar[str] = "programs"
    inline: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {"fitness": "maximize"}

    task: str | ProgramTask | Task = "linear-regression"
    problems: int = 10
    train_examples: int = 100
    held_examples: int = 100
    unseen_problems: int = 100
    unseen_train_examples: int = 1000
    task_seed: int = 0
    combine: str = "mean"

    def __post_init__(self) -> None:
        for item in ("problems", "train_examples", "held_examples", "unseen_problems", "unseen_train_examples"):
            if getattr(self, item) < 1:
                raise InvalidInput(f"{item}={getattr(self, item)}: give at least 1")
        if self.combine not in ("mean", "median"):
            raise InvalidInput(f"combine={self.combine!r}: it is 'mean' or 'median'")
        if isinstance(self.task, str) and self.task not in GENERATORS:
            raise InvalidInput(registry.unknown("task for programs", self.task, GENERATORS))

    def settings(self) -> dict[str, Any]:
        found = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        if not isinstance(self.task, str):
            found["task"] = described(self.task) if isinstance(self.task, Task) else self.task.description()
        return found

    def probe(self) -> Probe:
        return Probe(seed=1)

    def prepare(self) -> None:
        """Compiles the interpreter, which takes seconds the first time; then it is read from disk."""
        tiny = dataclasses.replace(self, task="linear-regression", problems=1, train_examples=1, held_examples=1)
        tiny.rate(ProgramLanguage(), [header([0, 0, 0])], [0])

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        (outcome,) = self.evaluate_many([(work, how)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def evaluate_many(self, works: Sequence[tuple[Work, Evaluation]]) -> list[Metrics | Exception]:
        outcomes: list[Metrics | Exception] = [{} for _ in works]
        groups: dict[tuple[int, Part, str], list[int]] = defaultdict(list)
        for place, (work, how) in enumerate(works):
            if isinstance(work.behaviour, Program):
                groups[id(work.behaviour.language), how.part, repr(how.fidelity)].append(place)
            else:
                outcomes[place] = InvalidInput(
                    f"the evaluator 'programs' cannot run a {work.behaviour.kind}; search a space of programs with it"
                )
        for places in groups.values():
            how = works[places[0]][1]
            chosen = dataclasses.replace(self, **how.fidelity) if how.fidelity else self
            programs = [works[place][0].behaviour for place in places]
            try:
                fitness, _ = chosen.rate(
                    programs[0].language,  # type: ignore[union-attr, arg-type]
                    [program.code for program in programs],  # type: ignore[union-attr]
                    [works[place][1].seed for place in places],
                    how.part,
                )
            except InvalidInput as error:
                for place in places:
                    outcomes[place] = error
                continue
            for place, value in zip(places, fitness.tolist(), strict=True):
                outcomes[place] = {"fitness": value}
        return outcomes

    def rate(
        self, language: ProgramLanguage, programs: Sequence[bytes], seeds: Sequence[int], part: Part = "validation"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Evaluates encoded programs.

        Returns:
            fitness, float64 of shape (programs,), and the training steps done, int64 of the same shape.

        Raises:
            InvalidInput: the task does not suit the language.
        """
        codes, reals, offsets = join(programs)
        given = np.array(seeds, dtype=np.uint64)
        fitness, steps = [], np.zeros(len(programs), np.int64)
        problems = self.problem_set(language.features, part)
        if language.probabilities:
            _check_targets(problems)
        for first, chunk in _side_by_side(problems):
            values, done = evaluate_many(
                codes, reals, offsets, language.table, language.sizes, language.probabilities,
                float(language.error_limit), given, first, *chunk, language.probabilities, language.compiled_own,
            )  # fmt: skip
            fitness.append(values)
            steps += done
        every = np.concatenate(fitness, axis=1)
        return (np.median(every, axis=1) if self.combine == "median" else every.mean(axis=1)), steps

    def problem_set(self, features: int, part: Part) -> Problems:
        """Returns the problems of a part of the task.

        Raises:
            InvalidInput: no such task, or one of another number of features.
        """
        if isinstance(self.task, str):
            unseen = part == "test"
            problems = self.unseen_problems if unseen else self.problems
            train = self.unseen_train_examples if unseen else self.train_examples
            return generate(self.task, Wanted(features, problems, train, self.held_examples, self.task_seed, unseen))
        own = _from_task(self.task) if isinstance(self.task, Task) else self.task
        found = own.unseen if part == "test" else own.search
        if found.features != features:
            raise InvalidInput(
                f"task {own.name!r} has {found.features} features and the space {features}; "
                f"set space.features={found.features}"
            )
        return found


Chunk = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


_from_task = Remembered(from_task)


@functools.lru_cache(maxsize=16)
def _side_by_side(problems: Problems) -> list[tuple[int, Chunk]]:
    """Returns chunks of at most `IN_STEP` problems as the interpreter takes them: number of the first, four arrays."""
    chunks = []
    for first in range(0, len(problems.train), IN_STEP):
        part = slice(first, first + IN_STEP)
        train, held = (
            np.ascontiguousarray(array[part].transpose(1, 2, 0)).reshape(array.shape[1], -1)
            for array in (problems.train, problems.held)
        )
        train_targets, held_targets = (
            np.ascontiguousarray(array[part].T) for array in (problems.train_targets, problems.held_targets)
        )
        chunks.append((first, (train, train_targets, held, held_targets)))
    return chunks


def _check_targets(problems: Problems) -> None:
    """Raises InvalidInput where targets are no classes and the language predicts probabilities."""
    targets = np.concatenate([problems.train_targets.ravel(), problems.held_targets.ravel()])
    strange = targets[(targets != 0) & (targets != 1)]
    if len(strange):
        raise InvalidInput(
            f"this space predicts probabilities, so targets must be 0 or 1; one is {strange[0]:g}; "
            "set space.probabilities=false for regression"
        )
