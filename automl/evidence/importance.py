"""Which choices the figures of a search depend on: permutation importance of a random forest, by field.

A forest is fitted to one half of the trials, and the values of one field are shuffled among the trials of the other
half; what it then explains less is the field's importance (Breiman, Machine Learning 2001; Fisher, Rudin and Dominici,
JMLR 2019). The target is the rank of the fitness, so that a few diverged trials do not decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.errors import InvalidInput
from automl.jsontext import canonical

LEAST = 20
"""Trials with a fitness that it takes."""

TREES, SHUFFLES, CATEGORIES = 60, 5, 20


@dataclass(frozen=True)
class Importance:
    """How much the figures depend on each field.

    Attributes:
        fields: Mapping from name to the share of the variance of the ranks that is lost without the field, the most
            important first; below 0 for luck alone.
        explained: Share of that variance that all fields together explain in trials that the model has not seen. Near
            0 or below, the importances say nothing.
        trials: Number of trials that it rests on.

    Example:
        >>> found = Importance({"lr": 0.6, "width": 0.01}, explained=0.7, trials=100)
        >>> next(iter(found.fields))
        'lr'
    """

    fields: Mapping[str, float]
    explained: float
    trials: int


def importance_of(fields: Mapping[str, Sequence[Any]], worth: Sequence[float], seed: int = 0) -> Importance:
    """Returns how much a figure depends on each field.

    Args:
        fields: values by name, one a trial; None where a trial has no such field.
        worth: the figure, one a trial.
        seed: of forest and shuffles.

    Raises:
        InvalidInput: there are too few trials, or no field that varies.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.random(200), rng.choice(["a", "b"], 200)
        >>> found = importance_of({"y": list(y), "x": list(x)}, x**2)
        >>> list(found.fields), found.fields["x"] > 0.8, abs(found.fields["y"]) < 0.1
        (['x', 'y'], True, True)
    """
    if len(worth) < LEAST:
        raise InvalidInput(f"importance: {len(worth)} trials have a fitness; at least {LEAST} are needed")
    blocks = {name: block for name, values in fields.items() if (block := _encoded(values)) is not None}
    if not blocks:
        raise InvalidInput("importance: no field has two values; there is nothing to compare")
    from sklearn.ensemble import RandomForestRegressor  # scikit-learn takes a second to load

    rng = np.random.default_rng(seed)
    target = np.argsort(np.argsort(worth, kind="stable"), kind="stable") / len(worth)
    whole = np.column_stack(list(blocks.values()))
    ends = np.cumsum([block.shape[1] for block in blocks.values()])
    order = rng.permutation(len(target))
    halves = order[::2], order[1::2]
    lost, explained = np.zeros((2, len(blocks))), np.zeros(2)
    for number, (here, there) in enumerate((halves, halves[::-1])):
        forest = RandomForestRegressor(TREES, min_samples_leaf=2, random_state=seed + number, n_jobs=1)
        forest.fit(whole[here], target[here])
        seen, truth = whole[there], target[there]
        variance = float(np.var(truth))
        before = float(np.mean((forest.predict(seen) - truth) ** 2))
        explained[number] = 1 - before / variance
        for place, end in enumerate(ends):
            columns = slice(end - list(blocks.values())[place].shape[1], end)
            for _ in range(SHUFFLES):
                shuffled = seen.copy()
                shuffled[:, columns] = seen[rng.permutation(len(seen)), columns]
                error = float(np.mean((forest.predict(shuffled) - truth) ** 2))
                lost[number, place] += (error - before) / variance / SHUFFLES
    means = dict(zip(blocks, lost.mean(axis=0).tolist(), strict=True))
    ranked = dict(sorted(means.items(), key=lambda one: -one[1]))
    return Importance(ranked, float(explained.mean()), len(worth))


def is_number(value: Any) -> bool:
    """Tells whether a field's value is a number; True and False are categories.

    Example:
        >>> is_number(0.5), is_number(True), is_number("a")
        (True, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool)


def _encoded(values: Sequence[Any]) -> np.ndarray | None:
    """Returns the columns of one field; None where it has one value only."""
    there = [value for value in values if value is not None]
    texts = [None if value is None else canonical(value) for value in values]
    if len(set(texts)) < 2:
        return None
    if all(map(is_number, there)):
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        missing = np.isnan(numbers)
        filled = np.where(missing, np.nanmin(numbers) - 1, numbers)
        return np.column_stack([filled, missing]) if missing.any() else filled[:, None]
    common = sorted({text for text in texts if text is not None}, key=lambda text: (-texts.count(text), text))
    return np.column_stack([[text == one for text in texts] for one in (*common[:CATEGORIES], None)]).astype(float)
