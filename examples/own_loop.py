"""A training loop of your own: it reports after each epoch, saves its state, and stops where the search wants no more.

python examples/own_loop.py
"""

import io
import sys
from dataclasses import dataclass

import torch
from torch import nn

import automl
from automl.data import load

EPOCHS = 9


class Perceptron(automl.Space):
    width = automl.Choice(4, 16, 64)
    lr = automl.Real(1e-4, 1.0, log=True)

    def build(self, c):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, c.width), nn.ReLU(), nn.Linear(c.width, 10))

    def training(self, c):
        return {"lr": c.lr}


@dataclass(frozen=True)
class Loop(automl.Evaluator):
    name = "own-loop"
    metrics = {"accuracy": "maximize"}  # noqa: RUF012
    resumable = True  # a training that was stopped goes on from its checkpoint

    def probe(self):
        return automl.Probe((load("digits").example(),))

    def approximations(self):
        return [automl.Fidelity(epochs / EPOCHS, {"epochs": epochs}) for epochs in range(1, EPOCHS)]

    def evaluate(self, work, how):
        torch.manual_seed(how.seed)
        task = load("digits")
        x, y = map(torch.from_numpy, task.train)
        network = work.behaviour.build()
        optimizer = torch.optim.Adam(network.parameters(), lr=work.training["lr"])
        done, until = 0, how.fidelity.get("epochs", EPOCHS)
        if how.checkpoint and (saved := how.checkpoint.read()):
            done, weights, moments = torch.load(io.BytesIO(saved), weights_only=True)
            network.load_state_dict(weights)
            optimizer.load_state_dict(moments)
        for epoch in range(done, until):
            order = torch.Generator().manual_seed(how.seed + epoch)
            for batch in torch.randperm(len(x), generator=order).split(64):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
                optimizer.step()
            stop = how.report(epoch + 1, {"accuracy": self.accuracy(network, *task.validation)})
            if how.checkpoint:
                state = io.BytesIO()
                torch.save((epoch + 1, network.state_dict(), optimizer.state_dict()), state)
                how.checkpoint.write(state.getvalue())
            if stop:
                raise automl.Pruned
        return {"accuracy": self.accuracy(network, *(task.test if how.part == "test" else task.validation))}

    def accuracy(self, network, x, y):
        with torch.no_grad():
            return float((network(torch.from_numpy(x)).argmax(1).numpy() == y).mean())


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    given = {"workers": 0, "storage": "sqlite:///example-own-loop.db"}
    study = automl.search(Perceptron(), evaluator=Loop(), trials=trials, prune="median", **given)
    stopped = study.trials_dataframe()["fidelity"] != ""
    print(f"{stopped.sum()} of {len(stopped)} trainings stopped early")
    print(study.best)
