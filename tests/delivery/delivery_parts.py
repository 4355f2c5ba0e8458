"""A small search of a user's own networks, in a file of the user's, with the test figures of its winner."""

import automl

NETS = '''
import torch
import automl
from automl.spaces.space import Defaults


class Residual(torch.nn.Module):
    """A block whose last layer has the weights of its first one."""

    def __init__(self, width):
        super().__init__()
        self.first = torch.nn.Linear(width, width)
        self.norm = torch.nn.BatchNorm1d(width)
        self.last = torch.nn.Linear(width, width)
        self.last.weight = self.first.weight

    def forward(self, x):
        return x + self.last(torch.relu(self.norm(self.first(x))))


class Nets(automl.Space):
    """Perceptrons; one of their layers is lazy."""

    defaults = Defaults(evaluator="classification", evaluator_settings={"task": "digits", "epochs": 2}, trials=4)
    width = automl.Choice(8, 16)
    depth = automl.Integer(1, 2)

    def build(self, c):
        blocks = [Residual(c.width) for _ in range(c.depth)]
        first = torch.nn.LazyLinear(c.width)
        return torch.nn.Sequential(torch.nn.Flatten(), first, *blocks, torch.nn.Linear(c.width, 10))
'''

SMALL = {"trials": 3, "sample": 2, "finalists": 1, "test_seeds": 2, "confirm": 1, "workers": 0}


def searched(folder, **changes):
    """The finished study `nets`, in a database in the folder."""
    file = folder / "nets.py"
    file.write_text(NETS, encoding="utf-8")
    given = {**SMALL, "study": "nets", "storage": f"sqlite:///{folder}/nets.db", **changes}
    return automl.search(f"{file}:Nets", **given)
