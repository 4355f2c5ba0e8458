"""Plots of figures with intervals, and of several studies on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl.evidence import Estimate, ResultsTable
from automl.report.data import final_word
from automl.report.plots.drawing import DASHES, INK, MARKERS, QUIET, SERIES, Plot, curve_view, draw, time_unit
from automl.report.reading.bands import Band
from automl.report.reading.compare import Comparison, Method

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def whiskers(
    name: str, title: str, caption: str, rows: Sequence[tuple[str, Estimate]], label: str, colour: str = INK
) -> Plot | None:
    """Draws one figure a row with its interval, and a line where there is no difference.

    Args:
        name: of the plot.
        title: above it.
        caption: below it.
        rows: label and figure.
        label: of the axis.
        colour: of marks and whiskers.
    """
    shown = [(word, estimate, estimate.value) for word, estimate in rows if estimate.value is not None]
    if not shown:
        return None

    def paint(axes: Axes) -> None:
        axes.axvline(0.0, color=QUIET, linestyle="--", linewidth=1.2)
        for place, (_, estimate, value) in enumerate(shown):
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=2)
                for end in (estimate.low, estimate.high):
                    axes.plot([end, end], [place - 0.14, place + 0.14], color=colour, linewidth=2)
            axes.plot(value, place, "o", color=colour, markersize=8)
        axes.set_yticks(range(len(shown)), [word for word, _, _ in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.margins(x=0.12)
        axes.set_xlabel(label)
        axes.grid(axis="y", visible=False)

    return draw(
        name,
        title,
        caption,
        ("row", "value", "low", "high", "interval by"),
        [(word, item.value, item.low, item.high, item.method) for word, item, _ in shown],
        paint,
        size=(5.2, 1.0 + 0.36 * len(shown)),
    )


def comparison_plots(data: Comparison) -> dict[str, Plot]:
    """Returns the plots of several studies, by name."""
    tasks = list(dict.fromkeys(method.task for method in data.methods))
    found = [
        *(
            _curves([method for method in data.methods if method.task == task], place, axis)
            for place, task in enumerate(tasks)
            for axis in ("evaluations", "hours")
        ),
        whiskers(
            "ri",
            "Relative improvement",
            "Over the average random architecture; whiskers are 95 % intervals, the dashed line is no improvement.",
            [(_label(method, data), method.ri) for method in data.methods],
            "RI, %",
        ),
        whiskers(
            "gain",
            "Gain over random search",
            "With equal evaluations, selected in the same way; whiskers are 95 % intervals.",
            [(_label(method, data), method.gain) for method in data.methods],
            f"difference, {final_word(data.studies)}",
        ),
    ]
    return {plot.name: plot for plot in found if plot is not None}


def _label(method: Method, data: Comparison) -> str:
    """Names a method by what tells it from the others here."""
    strategies, tasks = ({getattr(item, name) for item in data.methods} for name in ("strategy", "task"))
    if len(data.methods) == len(tasks) and len(strategies) == 1:
        return method.task
    if len(data.methods) == len(strategies) and len(tasks) == 1:
        return method.strategy
    return method.name


def results_plots(data: ResultsTable) -> dict[str, Plot]:
    """Returns RI per data set and method with whiskers."""
    plot = whiskers(
        "ri",
        "Relative improvement by data set",
        "Whiskers are 95 % intervals; the dashed line is the average random architecture.",
        [(f"{row.method} · {row.dataset}", row.ri) for row in data.rows],
        "RI, %",
    )
    return {} if plot is None else {plot.name: plot}


def _curves(methods: Sequence[Method], place: int, axis: str) -> Plot | None:
    """Draws the methods of one task beside the first random search there is, by evaluations or by hours."""
    hours = axis == "hours"
    found = [(method, method.search.seconds if hours else method.search.evaluations) for method in methods]
    shown = [(method, band) for method, band in found if band is not None]
    if not shown:
        return None
    first = methods[0].studies[0]
    rivals = [method.random.seconds if hours else method.random.evaluations for method in methods]
    random = next((band for band in rivals if band is not None), None)
    scale, unit = time_unit(max(band.at[-1] for _, band in shown)) if hours else (1.0, "")

    def across(band: Band) -> list[float]:
        return [value / scale for value in band.at]

    def paint(axes: Axes) -> None:
        for number, (method, band) in enumerate(shown):
            style = number % len(SERIES)
            axes.plot(
                across(band),
                band.middle,
                color=SERIES[style],
                linestyle=DASHES[style],
                marker=MARKERS[style],
                markevery=max(1, len(band.at) // 8),
                markersize=5,
                label=method.strategy,
            )
            if method.runs > 1:
                axes.fill_between(across(band), band.low, band.high, color=SERIES[style], alpha=0.18, linewidth=0)
        if random is not None:
            axes.plot(across(random), random.middle, color=QUIET, linestyle=":", label="random search beside it")
        low, high = curve_view([value for _, band in shown for value in band.middle], first.minimize)
        best = [band.low[-1] if first.minimize else band.high[-1] for method, band in shown if method.runs > 1]
        axes.set_ylim(min([low, *best]), max([high, *best]))
        axes.set_xlim(left=0)
        axes.set_xlabel(f"{unit} since the start" if hours else "evaluations counted")
        axes.set_ylabel(f"best {first.objective} (validation)")
        axes.legend(loc="upper right" if first.minimize else "lower right")

    caption = "Means over runs, up to where the shortest ends; bands hold the middle half of several runs."
    if hours:
        caption += " Random search runs second and shares the cache, so it takes less time than alone."
    return draw(
        f"curves-{axis}-{place + 1}",
        f"Best so far on {methods[0].task}, by {'time' if hours else 'evaluations'}",
        caption,
        ("method", "seconds" if hours else "evaluations", "mean", "lower quartile", "upper quartile"),
        [
            (name, *row)
            for name, band in _named(shown, random)
            for row in zip(band.at, band.middle, band.low, band.high, strict=True)
        ],
        paint,
    )


def _named(shown: Sequence[tuple[Method, Band]], random: Band | None) -> list[tuple[str, Band]]:
    return [*((method.name, band) for method, band in shown), *([] if random is None else [("random search", random)])]
