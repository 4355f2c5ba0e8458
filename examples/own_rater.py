"""A rater of one's own: it rates untrained networks by an artefact that is made once; a final evaluator decides.

The rating is the covariance of the Jacobian on a fixed batch (Mellor et al. 2021, arXiv 2006.04647, first version):
networks whose outputs react differently to different inputs tend to learn well. No network is trained for it. The
batch is the artefact; of a supernet it would be the trained weights.

    python examples/own_rater.py
"""

import dataclasses
from typing import ClassVar

import numpy as np
import torch

import automl
from automl import registry
from automl.artefacts.content import Content
from automl.evaluators.artefacts import Artefact


@dataclasses.dataclass(frozen=True)
class Batch(Artefact):
    """Examples on which all networks are rated."""

    name = "batch"
    version = "1"
    task: str = "digits"
    size: int = 32

    def make(self, how):
        inputs = registry.load("tasks", self.task)().train[0]
        chosen = np.random.default_rng(how.seed).choice(len(inputs), self.size, replace=False)
        return Content.of({"inputs": inputs[chosen]}, {"task": self.task})


@dataclasses.dataclass(frozen=True)
class JacobianRating(automl.Evaluator):
    """Rates a network as it is built, without training."""

    name = "jacobian-rating"
    version = "1"
    metrics: ClassVar = {"rating": "maximize"}
    equality = "candidate"  # how a network is written changes what it draws, and so its rating

    task: str = "digits"
    size: int = 32

    def artefacts(self, replicate=0):
        return (Batch(self.task, self.size),)

    def probe(self):
        return registry.load("evaluators", "classification")(task=self.task).probe()

    def evaluate(self, work, how):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(how.seed)
            network = work.behaviour.build().train()
        inputs = torch.from_numpy(how.artefact("batch").arrays()["inputs"]).requires_grad_()
        network(inputs).sum().backward()
        correlation = np.corrcoef(inputs.grad.flatten(1).double().numpy()) + 1e-5 * np.eye(self.size)
        values = np.linalg.eigvalsh(np.nan_to_num(correlation)).clip(1e-5)
        return {"rating": float(-(np.log(values) + 1.0 / values).sum())}


if __name__ == "__main__":
    study = automl.search(
        "digits-cells",
        evaluator=JacobianRating(),
        final="classification",
        settings={"final.epochs": 2, "space.channels": 8},
        trials=40,
        trained=6,
        sample=4,
        workers=0,
        storage="sqlite:///own_rater.db",
    )
    print(study.report())
    study.close()
