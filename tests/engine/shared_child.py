"""Runs in a process of its own: one of two searches that share a database."""

from __future__ import annotations

import os
from typing import Any

from line_parts import MARKS, Bag, Marking

import automl


def search(url: str, marks: str, ready: Any, name: str, seed: int) -> None:
    """Searches as soon as the other process is ready too."""
    os.environ[MARKS] = marks
    ready.wait(60)
    automl.search(
        Bag(),
        evaluator=Marking(seconds=0.004),
        strategy="random",
        trials=150,
        window=16,
        workers=0,
        finalists=1,
        test_seeds=1,
        sample=3,
        study=name,
        seed=seed,
        storage=url,
    ).close()
