"""HPOLib's space of plain parameters (Klein and Hutter 2019): 62,208 regression networks of two hidden layers."""

from __future__ import annotations

from collections.abc import Mapping

from automl.spaces.fields import Choice
from automl.spaces.space import Candidate, Defaults, Space

_UNITS = (16, 32, 64, 128, 256, 512)


class HPOLib(Space):
    """Space of the nine hyperparameters of HPOLib's tables. They have no behaviour, so only equal candidates share a
    key.

    Example:
        >>> HPOLib().size()
        62208
    """

    equal_shares = (0.00, 0.00)

    defaults = Defaults(evaluator="hpolib", objective="loss", trials=500)

    activation_fn_1 = Choice("relu", "tanh")
    activation_fn_2 = Choice("relu", "tanh")
    batch_size = Choice(8, 16, 32, 64)
    dropout_1 = Choice(0.0, 0.3, 0.6)
    dropout_2 = Choice(0.0, 0.3, 0.6)
    init_lr = Choice(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1)
    lr_schedule = Choice("cosine", "const")
    n_units_1 = Choice(*_UNITS)
    n_units_2 = Choice(*_UNITS)

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns the weights between and behind the hidden layers; those of the first depend on the data's width."""
        first, second = int(candidate.n_units_1), int(candidate.n_units_2)
        return {"hidden_weights": float(first * second + second + second + 1)}
