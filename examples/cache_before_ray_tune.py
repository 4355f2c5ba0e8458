"""The equivalence cache in front of a Ray Tune trainable: each worker process opens the same database.

Ray Tune runs its trials in processes of their own. The cache is handed to them as any other value (it travels as its
URL); of all workers that meet one key at one time, one evaluates it and the others wait for the result.
"""

import tempfile
from pathlib import Path

import numpy as np
import ray
from ray import tune
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

import automl

TRIALS = 8
CONTEXT = {"data": "scikit-learn digits", "train": 1000, "version": 1}


def accuracy(alpha: float, penalty: str, seed: int, log: Path) -> float:
    """Trains for real, and notes that it did."""
    inputs, targets = load_digits(return_X_y=True)
    model = SGDClassifier(alpha=alpha, penalty=penalty, max_iter=20, random_state=seed % 2**32)
    model.fit(inputs[:1000] / 16.0, targets[:1000])
    with log.open("a") as file:
        file.write("evaluated\n")
    return float(np.mean(model.predict(inputs[1000:] / 16.0) == targets[1000:]))


def trainable(config: dict, cache: automl.EquivalenceCache, log: Path) -> None:
    key = {"alpha": config["alpha"], "penalty": config["penalty"]}
    value = cache.get_or_evaluate(
        key, lambda seed: accuracy(config["alpha"], config["penalty"], seed, log), context=CONTEXT
    )
    tune.report({"accuracy": value})


def main() -> None:
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    folder = Path.cwd()
    log = folder / "evaluations.txt"
    log.write_text("")
    with (
        automl.EquivalenceCache(f"sqlite:///{folder}/tune-cache.db") as cache,
        tempfile.TemporaryDirectory() as results,
    ):
        tuner = tune.Tuner(
            tune.with_parameters(trainable, cache=cache, log=log),
            param_space={"alpha": tune.choice([1e-4, 1e-2]), "penalty": tune.choice(["l1", "l2"])},
            tune_config=tune.TuneConfig(num_samples=TRIALS, metric="accuracy", mode="max"),
            run_config=tune.RunConfig(storage_path=results, verbose=0),
        )
        best = tuner.fit().get_best_result()
        print(f"best accuracy {best.metrics['accuracy']:.3f} with {best.config}")
    ray.shutdown()
    evaluations = len(log.read_text().splitlines())
    print(f"{TRIALS} trials, {evaluations} evaluations, {TRIALS - evaluations} saved")


if __name__ == "__main__":
    main()
