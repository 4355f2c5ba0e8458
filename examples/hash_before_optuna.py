"""The functional hash in front of an Optuna objective: networks that compute the same function are trained once.

Run it with `python examples/hash_before_optuna.py`; it needs nothing of the engine but `automl.functional_hash`.
"""

import sys

import optuna
import torch
from sklearn.datasets import load_digits
from torch import nn

from automl.behaviour import Array, Probe
from automl.hashing import functional_hash

PROBE = Probe(inputs=(Array((64,)),))  # shaped like one example of the data
X, Y = (torch.from_numpy(part) for part in load_digits(return_X_y=True))
X = X.float() / 16
TRAIN, VALIDATION = slice(0, 1200), slice(1200, 1797)
torch.set_num_threads(1)


def network(trial: optuna.Trial) -> nn.Module:
    """A network with many encodings: identities, doubled activations, dropout of rate zero."""
    layers: list[nn.Module] = []
    width = 64
    for place in range(2):
        kind = trial.suggest_categorical(f"layer{place}", ["identity", "linear16", "linear32"])
        if kind != "identity":
            layers.append(nn.Linear(width, int(kind[6:])))
            width = int(kind[6:])
        name = trial.suggest_categorical(f"activation{place}", ["identity", "relu", "relu twice"])
        layers += [nn.ReLU()] * ["identity", "relu", "relu twice"].index(name)
        layers.append(nn.Dropout(trial.suggest_categorical(f"dropout{place}", [0.0, 0.2])))
    return nn.Sequential(*layers, nn.Linear(width, 10))


def train(model: nn.Module, lr: float) -> float:
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[TRAIN]), Y[TRAIN]).backward()
        optimizer.step()
    model.eval()
    return float((model(X[VALIDATION]).argmax(1) == Y[VALIDATION]).float().mean())


def main(trials: int) -> tuple[int, int]:
    results: dict[bytes, float] = {}

    def objective(trial: optuna.Trial) -> float:
        model = network(trial)
        lr = trial.suggest_categorical("lr", [0.003, 0.01])
        key = functional_hash(model, PROBE, training={"lr": lr})  # what the function does not show goes into `training`
        if key not in results:
            torch.manual_seed(0)
            results[key] = train(model, lr)
        return results[key]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=trials)
    print(f"{trials} trials, {len(results)} trainings, best accuracy {study.best_value:.3f}")
    return trials, len(results)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
