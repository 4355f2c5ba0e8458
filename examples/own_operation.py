"""Your own operation in a space of programs: the squashing function x / (1 + |x|), for vectors.

python examples/own_operation.py
"""

import sys
from pathlib import Path

import numpy as np

import automl
from automl.spaces.programs.operations import own_operation
from search_spaces.algorithms.program import ProgramSpace


def softsign(out, x):
    """Fills `out`; numba compiles it. Scalars are arrays of shape (1,), vectors of (F,), matrices of (F, F)."""
    out[:] = x / (1.0 + np.abs(x))


class SquashingPrograms(ProgramSpace):
    """Programs that may also write `v1 = softsign(v0)`."""

    own_operations = (
        own_operation("softsign", "v", ("v",), softsign, meaning="{0}, each element squashed between -1 and 1"),
    )


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    space = SquashingPrograms(
        setup=(1, 4),
        predict=(1, 4),
        learn=(1, 6),
        operations=[
            "scalar_const_set",
            "vector_inner_product",
            "scalar_diff",
            "scalar_product",
            "scalar_vector_product",
            "vector_sum",
            "softsign",
        ],
    )
    study = automl.search(
        space,
        evaluator="programs",
        task="linear-regression",
        settings={"population": 200},
        trials=trials,
        window=500,
        baseline=False,
        enqueue=[  # a start to improve on: gradient descent with a squashed error
            {
                "setup": ["s2 = 0.1"],
                "predict": ["s1 = dot(v0, v1)"],
                "learn": ["s3 = s0 - s1", "v2 = s3 * v0", "v2 = softsign(v2)", "v2 = s2 * v2", "v1 = v1 + v2"],
            }
        ],
        storage="sqlite:///own_operation.db",
    )
    best = study.best
    print(f"best fitness {best.fitness:.4f}", *space.explanation(best.candidate), sep="\n")
    Path("own_operation_best.py").write_text(space.exported(best.candidate))
    print("own_operation_best.py needs numpy alone")
