"""Your own task for programs: learn from noisy measurements with an outlier now and then, rated on clean ones.

python examples/own_program_task.py
"""

import sys

import numpy as np

import automl
from search_spaces.algorithms.program import ProgramSpace
from workers.algorithms.program_tasks import Problems, ProgramTask
from workers.algorithms.programs import ProgramTasks

FEATURES = 3


def problems(seed: int, count: int = 8) -> Problems:
    """Each problem has its own weights; every tenth training target is nonsense."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(count, FEATURES, 1))
    train, held = rng.normal(size=(2, count, 60, FEATURES))
    targets = (train @ weights)[..., 0]
    targets[:, ::10] = rng.normal(scale=5.0, size=targets[:, ::10].shape)
    return Problems(train, targets, held, (held @ weights)[..., 0])


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    task = ProgramTask(search=problems(seed=1), unseen=problems(seed=2), name="outliers")
    space = ProgramSpace(features=FEATURES, setup=(1, 3), predict=(1, 3), learn=(1, 8))
    study = automl.search(
        space,
        evaluator=ProgramTasks(task=task, combine="median"),
        settings={"population": 200},
        trials=trials,
        window=500,
        baseline=False,
        enqueue=[  # a good start: gradient descent
            {
                "setup": ["s2 = 0.1"],
                "predict": ["s1 = dot(v0, v1)"],
                "learn": ["s3 = s0 - s1", "s3 = s2 * s3", "v2 = s3 * v0", "v1 = v1 + v2"],
            }
        ],
        storage="sqlite:///own_program_task.db",
    )
    print(study.report())
    print(f"best fitness {study.best.fitness:.4f}", *space.explanation(study.best.candidate), sep="\n")
