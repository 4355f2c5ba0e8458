"""Plots of what a search's figures depend on: importance of fields, slices, parallel coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.evidence.importance import LEAST, Importance, importance_of, is_number
from automl.jsontext import canonical
from automl.report.plots.drawing import GRID, INK, QUIET, SEARCH, Plot, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 8
"""Fields that are drawn, the most important ones."""

BEST = 0.1
"""Share of the trials that are drawn as the best."""


@dataclass(frozen=True)
class FieldValues:
    """What the trials with a fitness chose.

    Attributes:
        fields: values by name, one a trial; None where a trial has no such field.
        fitness: one a trial.
        objective: name of the metric.
        minimize: whether less is better.
    """

    fields: Mapping[str, Sequence[Any]]
    fitness: Sequence[float]
    objective: str
    minimize: bool

    @property
    def worth(self) -> list[float]:
        """The fitness, of which more is better."""
        return [-value if self.minimize else value for value in self.fitness]

    def importance(self) -> Importance:
        """Returns how much the fitness depends on each field."""
        return importance_of(self.fields, self.worth)


def field_plots(values: FieldValues) -> dict[str, Plot]:
    """Returns the plots by name; none where there are too few trials, or no field varies."""
    varied = [name for name, chosen in values.fields.items() if len({canonical(one) for one in chosen}) > 1]
    if len(values.fitness) < LEAST or not varied:
        return {}
    found = values.importance()
    shown = [name for name in found.fields if name in varied][:SHOWN]
    plots = [_importance(found), *(_slice(values, name, number) for number, name in enumerate(shown, 1))]
    if len(shown) > 1:
        plots.append(_parallel(values, shown))
    return {plot.name: plot for plot in plots}


def _importance(found: Importance) -> Plot:
    shown = list(found.fields.items())[: 2 * SHOWN][::-1]

    def paint(axes: Axes) -> None:
        axes.barh([_short(name) for name, _ in shown], [100 * value for _, value in shown], color=SEARCH, height=0.6)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_xlabel("variance lost without the field, %")
        axes.grid(axis="y", visible=False)

    return draw(
        "importance",
        "What the figures depend on",
        f"Permutation importance of a random forest over {found.trials:,} trials; all fields together explain "
        f"{100 * found.explained:.0f} % of the variance of ranks in trials that it has not seen.",
        ("field", "importance"),
        found.fields.items(),
        paint,
        size=(5.2, 1.2 + 0.28 * len(shown)),
    )


def _slice(values: FieldValues, name: str, number: int) -> Plot:
    chosen, fitness = values.fields[name], np.array(values.fitness)
    there = [place for place, value in enumerate(chosen) if value is not None]
    at, ticks = _places([chosen[place] for place in there])
    best = _best(values)[there]

    def paint(axes: Axes) -> None:
        axes.plot(at[~best], fitness[there][~best], "o", color=QUIET, markersize=3.5, alpha=0.5, label="trials")
        axes.plot(at[best], fitness[there][best], "s", color=SEARCH, markersize=4.5, label="the best tenth")
        if ticks:
            axes.set_xticks(range(len(ticks)), ticks, rotation=0 if sum(map(len, ticks)) < 50 else 30)
        elif _is_logarithmic(at):
            axes.set_xscale("log")
        axes.set_xlabel(_short(name))
        axes.set_ylabel(values.objective)
        axes.legend()

    rows = [(chosen[place], float(fitness[place])) for place in there]
    return draw(
        f"slice-{number}",
        f"{values.objective} by {_short(name)}",
        "Each trial that has this choice.",
        (name, values.objective),
        rows,
        paint,
    )


def _parallel(values: FieldValues, shown: Sequence[str]) -> Plot:
    every = np.arange(len(values.fitness))
    columns = []
    for name in shown:
        at, ticks = _places([value for value in values.fields[name] if value is not None])
        if not ticks and _is_logarithmic(at):
            at = np.log(at)
        low, high = at.min(), at.max()
        scaled = np.full(len(every), np.nan)
        scaled[[place for place, value in enumerate(values.fields[name]) if value is not None]] = (
            (at - low) / (high - low) if high > low else 0.5
        )
        columns.append(scaled)
    lines = np.column_stack(columns)
    best = _best(values)
    quiet = every[~best][:: max(1, int((~best).sum()) // 300)]

    def paint(axes: Axes) -> None:
        across = range(len(shown))
        axes.plot(across, lines[quiet].T, color=GRID, linewidth=0.8)
        axes.plot(across, lines[every[best][:60]].T, color=SEARCH, linewidth=1.2, alpha=0.8)
        axes.set_xticks(list(across), [_short(name) for name in shown], rotation=20, ha="right")
        axes.set_yticks([0, 1], ["lowest", "highest"])
        axes.plot([], [], color=SEARCH, label="the best tenth")
        axes.legend(loc="upper right")

    return draw(
        "parallel-coordinates",
        "Choices of the best",
        "One line a trial, each axis from the field's lowest to its highest value that was tried (texts by name); the "
        "best tenth stands out.",
        (*shown, values.objective),
        zip(*(values.fields[name] for name in shown), values.fitness, strict=True),
        paint,
        size=(7.2, 3.4),
        wide=True,
    )


def _best(values: FieldValues) -> np.ndarray:
    worth = np.array(values.worth)
    bound: float = np.sort(worth)[-max(1, int(BEST * len(worth)))]
    return np.asarray(worth >= bound)


def _places(chosen: Sequence[Any]) -> tuple[np.ndarray, list[str]]:
    """Returns where values stand on an axis, and the names of its places where they are no numbers."""
    if all(map(is_number, chosen)):
        return np.array(chosen, dtype=float), []
    names = sorted({canonical(value) for value in chosen})
    return np.array([names.index(canonical(value)) for value in chosen], dtype=float), [_short(one) for one in names]


def _is_logarithmic(at: np.ndarray) -> bool:
    return bool(at.min() > 0 and at.max() / at.min() > 100)


def _short(name: str) -> str:
    text = name.removeprefix("field.").strip('"')
    return text if len(text) <= 24 else f"{text[:23]}…"
