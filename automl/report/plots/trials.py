"""Plots of what happened trial by trial: outcomes, how the best came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from automl.report.data import ReportData
from automl.report.plots.drawing import FIFTH, FOURTH, INK, PAPER, RANDOM, SEARCH, THIRD, Plot, draw
from automl.report.study_part import MEANING, StudyPart
from automl.report.words import figure
from automl.storage.records import OUTCOMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OUTCOME_COLOURS = {"miss": SEARCH, "partial": THIRD, "hit": RANDOM, "joined": FOURTH, "failed": FIFTH}
_OUTCOME_HATCHES = {"miss": "", "partial": "....", "hit": "////", "joined": "\\\\\\\\", "failed": "xxxx"}


def outcomes(part: StudyPart) -> Plot | None:
    """Draws the fractions of trials that were evaluated, found in the cache, joined or failed, as the study went on."""
    line = part.timeline
    if len(line.trials) < 3:
        return None
    bins = min(40, max(5, part.trials // 8))
    edges = np.unique(np.linspace(0, len(line.trials) - 1, bins + 1)[1:].astype(int))
    ends = np.array([0, *[line.trials[place] for place in edges]])
    ends = np.unique(ends)
    shares = {}
    for name in OUTCOMES:
        total = np.interp(ends, [0, *line.trials], [0, *line.outcomes[name]])
        shares[name] = 100.0 * np.diff(total) / np.diff(ends)
    shown = [name for name in OUTCOMES if part.outcomes[name].trials]

    def paint(axes: Axes) -> None:
        below = np.zeros(len(ends) - 1)
        for name in shown:
            axes.stairs(
                below + shares[name],
                ends,
                baseline=below,
                fill=True,
                facecolor=_OUTCOME_COLOURS[name],
                edgecolor=PAPER,
                hatch=_OUTCOME_HATCHES[name],
                label=f"{name}: {MEANING[name]}",
                linewidth=0.4,
            )
            below = below + shares[name]
        axes.set_xlim(0, ends[-1])
        axes.set_ylim(0, 100)
        axes.set_xlabel("trials")
        axes.set_ylabel("fraction of trials, %")
        axes.grid(visible=False)
        axes.figure.legend(loc="outside lower center", ncols=2 if len(shown) > 1 else 1, fontsize=8.5)

    return draw(
        "outcomes",
        "Trials by outcome",
        "The fraction of the proposals that had to be evaluated, from the first trial to the last.",
        ("trials", "seconds", *OUTCOMES),
        zip(line.trials, line.seconds, *(line.outcomes[name] for name in OUTCOMES), strict=True),
        paint,
        size=(5.2, 3.6),
    )


def genealogy(data: ReportData) -> Plot | None:
    """Draws how the best came about: its line of parents by trial number and fitness."""
    line = [item for item in data.genealogy if item.fitness is not None]
    if len(line) < 2:
        return None

    def paint(axes: Axes) -> None:
        numbers, values = [item.number for item in line], [float(item.fitness or 0.0) for item in line]
        axes.plot(numbers, values, color=SEARCH, linewidth=1.4, marker="o", markersize=5)
        axes.plot(numbers[-1], values[-1], "*", color=INK, markersize=13)
        falls, rises = values[0] > values[1], values[-1] >= values[-2]
        _label(axes, f"trial {numbers[0]}: {figure(values[0])}", numbers[0], values[0], "left", up=falls)
        _label(axes, f"trial {numbers[-1]}: {figure(values[-1])}", numbers[-1], values[-1], "right", up=rises)
        axes.margins(x=0.04, y=0.24)
        axes.set_xlabel("trial")
        axes.set_ylabel(f"{data.objective} (validation)")

    return draw(
        "genealogy",
        "How the best came about",
        f"{len(line)} generations from the first ancestor to the best, each the parent of the next.",
        ("trial", data.objective, "origin", "candidate"),
        [(item.number, item.fitness, item.origin, item.candidate) for item in line],
        paint,
    )


def _label(axes: Axes, text: str, x: float, y: float, side: Literal["left", "right"], *, up: bool) -> None:
    axes.annotate(
        text, (x, y), xytext=(0, 9 if up else -17), textcoords="offset points", ha=side, fontsize=9, color=INK
    )
