"""The strategy `surrogate`: a Gaussian process over fields and features chooses from a pool of new functions."""

from automl.strategies.surrogate.strategy import Surrogate

__all__ = ["Surrogate"]
