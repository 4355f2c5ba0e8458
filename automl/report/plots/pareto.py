"""Plots of several objectives at once: the front that no other candidate beats, among all that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from automl.report.data import ReportData
from automl.report.plots.drawing import INK, QUIET, RANDOM, SEARCH, Plot, draw, view
from automl.report.study_part import RatedCandidate
from automl.report.words import count_of
from automl.selection.objectives import Objective

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOTS = 3
"""Further objectives that are drawn against the first, at most."""


def pareto_plots(data: ReportData) -> list[Plot]:
    """Draws the first objective against each of the others; nothing where no two candidates of the front differ."""
    objectives, front = data.search.objectives, data.search.front
    if len(front) < 2:
        return []
    return [
        _plot(data, place)
        for place in range(1, min(len(objectives), PLOTS + 1))
        if len({item.figures[objectives[place].metric] for item in front}) > 1
    ]


def _plot(data: ReportData, place: int) -> Plot:
    objectives, front, cloud = data.search.objectives, data.search.front, data.search.cloud
    first, other = objectives[0], objectives[place]
    points = sorted((item.figures[other.metric], item.figures[first.metric]) for item in front)
    tested = [] if first.metric != data.objective else [item for item in front if item.test is not None]
    inside = [(values[place], values[0]) for values, allowed in cloud if allowed]
    outside = [(values[place], values[0]) for values, allowed in cloud if not allowed]
    ends = [value for _, value in points] + [float(item.test or 0.0) for item in tested]
    everything = np.array([value for _, value in (*inside, *outside)] or ends)
    low, high = view(everything, _shown(ends, everything, first), first.minimize)

    def paint(axes: Axes) -> None:
        _cloud(axes, inside, outside)
        across, up = zip(*points, strict=True)
        if len(objectives) == 2:
            axes.step(across, up, where="post" if other.minimize else "pre", color=SEARCH, linewidth=1.4)
        axes.plot(across, up, "o", color=SEARCH, markersize=5, label="not beaten")
        _tests(axes, tested, first, other, data.final)
        for item in data.winners[:1]:
            where = {**item.costs, **({} if item.fitness is None else {data.objective: item.fitness})}
            if other.metric in where and first.metric in where:
                axes.plot(where[other.metric], where[first.metric], "*", color=INK, markersize=12, label="winner")
        axes.set_ylim(low, high)
        _scale(axes, across)
        axes.set_xlabel(_label(other, data.objective))
        axes.set_ylabel(_label(first, data.objective))
        axes.figure.legend(loc="outside lower center", ncols=3, fontsize=8.5)

    limits = " and ".join(map(str, data.objectives.constraints))
    kept = f" with {limits}" if limits else ""
    better = "in both" if len(objectives) == 2 else f"in all {len(objectives)} objectives"
    return draw(
        "pareto" if place == 1 else f"pareto-{place}",
        f"{first.metric} against {other.metric}".capitalize(),
        f"{count_of(len(front), 'candidate')}{kept} that no other matches or beats {better}.",
        ("kind", *(one.metric for one in objectives), data.final, "trial", "candidate"),
        [
            *(
                ("front", *(item.figures[one.metric] for one in objectives), item.test, item.number, item.candidate)
                for item in front
            ),
            *(("trial" if allowed else "breaks a constraint", *values, "", "", "") for values, allowed in cloud),
        ],
        paint,
        size=(5.2, 3.7),
    )


def _cloud(axes: Axes, inside: list[tuple[float, float]], outside: list[tuple[float, float]]) -> None:
    if inside:
        axes.plot(*zip(*inside, strict=True), ".", color=QUIET, alpha=0.5, markersize=4, label="trials")
    if outside:
        axes.plot(
            *zip(*outside, strict=True),
            "x",
            color=QUIET,
            alpha=0.5,
            markersize=3.5,
            label="trials that break a constraint",
        )


def _tests(axes: Axes, tested: list[RatedCandidate], first: Objective, other: Objective, word: str) -> None:
    for place, item in enumerate(tested):
        assert item.test is not None
        across = item.figures[other.metric]
        axes.plot([across] * 2, [item.figures[first.metric], item.test], ":", color=RANDOM, linewidth=1.2)
        axes.plot(
            across,
            item.test,
            "D",
            markerfacecolor="none",
            color=RANDOM,
            markersize=6,
            label=f"the same, {word}" if place == 0 else None,
        )


def _scale(axes: Axes, across: tuple[float, ...]) -> None:
    from matplotlib.ticker import EngFormatter, NullFormatter

    if min(across) > 0 and max(across) > 30 * min(across):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _shown(ends: list[float], everything: np.ndarray, one: Objective) -> list[float]:
    """Returns the part of the front that must be in sight: its better half; cheap and useless ends may be cut off."""
    middle = float(np.median(everything))
    kept = [value for value in ends if one.worth(value) >= one.worth(middle)]
    return kept or ends


def _label(one: Objective, objective: str) -> str:
    return f"{one.metric} (validation)" if one.metric == objective else one.metric
