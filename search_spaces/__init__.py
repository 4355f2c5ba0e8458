"""Spaces that come with the engine: networks, algorithms, hyperparameters."""
