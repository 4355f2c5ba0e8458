"""Plots of what happened trial by trial: outcomes, quality against cost, how the best came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from automl.report.data import MEANING, OUTCOMES, ReportData, StudyPart
from automl.report.drawing import FIFTH, FOURTH, INK, PAPER, QUIET, RANDOM, SEARCH, THIRD, Plot, draw, view
from automl.report.words import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OUTCOME_COLOURS = {"miss": SEARCH, "partial": THIRD, "hit": RANDOM, "joined": FOURTH, "failed": FIFTH}
_OUTCOME_HATCHES = {"miss": "", "partial": "....", "hit": "////", "joined": "\\\\\\\\", "failed": "xxxx"}


def outcomes(part: StudyPart) -> Plot | None:
    """Draws trials by outcome as the study went on: what share of each stretch was evaluated, found, joined."""
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
        axes.set_ylabel("share of trials, %")
        axes.grid(visible=False)
        axes.figure.legend(loc="outside lower center", ncols=2 if len(shown) > 1 else 1, fontsize=8.5)

    return draw(
        "outcomes",
        "Trials by outcome",
        "What share of the proposals had to be evaluated, from the first trial to the last.",
        ("trials", "seconds", *OUTCOMES),
        zip(line.trials, line.seconds, *(line.outcomes[name] for name in OUTCOMES), strict=True),
        paint,
        size=(5.2, 3.6),
    )


def pareto(data: ReportData) -> Plot | None:
    """Draws validation fitness against what a candidate costs, with the front that no candidate beats in both."""
    front = [item for item in data.search.front if item.fitness is not None]
    cost = data.search.cost
    if len(front) < 2 or len({item.costs[cost] for item in front}) < 2:
        return None
    shown_front = [(item.costs[cost], float(item.fitness or 0.0)) for item in front]
    fitness = np.array([value for _, value in data.search.cloud])
    low, high = view(fitness, [value for _, value in shown_front[-3:]], data.minimize)

    def paint(axes: Axes) -> None:
        from matplotlib.ticker import EngFormatter, NullFormatter

        axes.plot(*zip(*data.search.cloud, strict=True), ".", color=QUIET, alpha=0.5, markersize=4, label="trials")
        costs, values = zip(*shown_front, strict=True)
        axes.step(costs, values, where="post", color=SEARCH, linewidth=1.4)
        axes.plot(costs, values, "o", color=SEARCH, markersize=5, label="not beaten in both")
        for item in data.winners[:1]:
            if cost in item.costs and item.validation is not None:
                axes.plot(item.costs[cost], item.validation, "*", color=INK, markersize=12, label="winner")
        axes.set_ylim(low, high)
        if min(costs) > 0 and max(costs) > 30 * min(costs):
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlabel(cost)
        axes.set_ylabel(f"{data.objective} (validation)")
        axes.legend(loc="upper right" if data.minimize else "lower right")

    return draw(
        "pareto",
        f"Quality against {cost}",
        f"{len(shown_front)} candidates that no other beats in both; {cost} belong to the spelling, not to its class.",
        ("kind", cost, data.objective),
        [*(("front", *row) for row in shown_front), *(("trial", *row) for row in data.search.cloud)],
        paint,
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
