"""The equivalence cache in front of an Optuna study: what was evaluated before is not trained again.

Optuna's samplers propose the same point of a small space again and again, and other points that are the same function:
here networks whose extra layers are of width 0. One key for each function, one training for each key, shared by all
processes that open the same database, today and tomorrow.
"""

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

import automl

TRIALS = 40
CONTEXT = {"data": "scikit-learn digits, first 400", "folds": 3, "max_iter": 60, "version": 1}

evaluations = 0
inputs, targets = load_digits(return_X_y=True)
inputs, targets = inputs[:400] / 16.0, targets[:400]


def accuracy(widths: list[int], activation: str, seed: int) -> float:
    """Trains for real; this is what the cache spares us."""
    global evaluations
    evaluations += 1
    network = MLPClassifier(widths, activation=activation, max_iter=60, random_state=seed % 2**32)
    return float(cross_val_score(network, inputs, targets, cv=3).mean())


def objective(trial: optuna.Trial, cache: automl.EquivalenceCache) -> float:
    proposed = [trial.suggest_categorical(f"width{layer}", [0, 8, 16]) for layer in range(2)]
    activation = trial.suggest_categorical("activation", ["relu", "tanh"])
    widths = [width for width in proposed if width > 0]  # a layer of width 0 is no layer: same function, same key
    key = {"widths": widths, "activation": activation if widths else "none"}
    value: float = cache.get_or_evaluate(key, lambda seed: accuracy(widths, activation, seed), context=CONTEXT)
    return value


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
    with automl.EquivalenceCache("sqlite:///optuna-cache.db") as cache:
        study.optimize(lambda trial: objective(trial, cache), n_trials=TRIALS)
    print(f"best accuracy {study.best_value:.3f} with {study.best_params}")
    print(f"{TRIALS} trials, {evaluations} evaluations, {TRIALS - evaluations} saved")


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")  # sixty iterations are meant not to converge
    main()
