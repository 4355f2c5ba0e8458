"""Networks of the evaluator that trains classifiers are kept and handed over as the contract asks."""

import torch

import automl
from automl.behaviour import Module
from automl.evaluators.base import Work
from automl.testing.delivery import DeliveryContract


def network():
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 10)
    )


class TestClassification(DeliveryContract):
    def evaluator(self):
        return automl.Classification(task="digits", epochs=1)

    def work(self):
        return Work(Module(network), {"lr": 0.05}, "{}")
