"""What learning curves cost: processor time of `digits-cells` evaluations that report, beside the same without reports.

    python benchmarks/learning_curves.py --candidates 20

Both are run for each candidate, in turn, in one process with one thread; the results are compared to the last bit.
"""

from __future__ import annotations

import argparse
import time
from unittest import mock

import numpy as np
import torch

from automl.evaluators.base import Evaluation, Work
from automl.setup import targets
from workers.networks import training
from workers.networks.classification import Classification

_fit = training.fit


def _silent(module, data, settings, how, until, _held, saved):
    return _fit(module, data, settings, how, until, None, saved)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space, _ = targets.resolve("digits-cells", {})
    evaluator = Classification(epochs=options.epochs, learning_rate=0.05)
    rng = np.random.default_rng(0)
    ratios = []
    for number in range(options.candidates + 1):
        candidate = space.sample(rng)
        seconds, metrics = {}, []
        for fit in (_silent, _fit) if number % 2 else (_fit, _silent):
            work = Work(space.behaviour(candidate), space.training(candidate), candidate.json)
            began = time.process_time()
            with mock.patch.object(training, "fit", fit):
                metrics.append(evaluator.evaluate(work, Evaluation(number)))
            seconds[fit] = time.process_time() - began
        assert metrics[0] == metrics[1], "a report changed a result"
        if number:  # the first one loads and warms everything
            ratios.append(seconds[_fit] / seconds[_silent])
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    print(
        f"{len(ratios)} candidates, {options.epochs} epochs: {middle:.3f} times the processor time without reports "
        f"(middle half {low:.3f} to {high:.3f}); all results equal to the last bit"
    )


if __name__ == "__main__":
    main()
