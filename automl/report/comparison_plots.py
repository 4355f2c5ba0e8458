"""Plots of figures with intervals, and of several studies on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl.evidence import Estimate, ResultsTable
from automl.report.compare import Comparison
from automl.report.drawing import DASHES, INK, MARKERS, QUIET, RANDOM, SERIES, Plot, draw

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
    found = [
        _curves(data),
        whiskers(
            "ri",
            "Relative improvement",
            "Over the average random architecture; whiskers are 95 % intervals, the dashed line is no improvement.",
            [(method.name, method.ri) for method in data.methods],
            "RI, %",
        ),
        whiskers(
            "gain",
            "Gain over random search",
            "With equal evaluations, selected in the same way; whiskers are 95 % intervals.",
            [(method.name, method.gain) for method in data.methods],
            "difference in the test figure",
        ),
    ]
    return {plot.name: plot for plot in found if plot is not None}


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


def _curves(data: Comparison) -> Plot | None:
    shown = [method for method in data.methods if method.search is not None]
    if not shown:
        return None

    def paint(axes: Axes) -> None:
        for place, method in enumerate(shown):
            band, style = method.search, place % len(SERIES)
            assert band is not None
            colour, every = SERIES[style], max(1, len(band.evaluations) // 8)
            axes.plot(
                band.evaluations,
                band.middle,
                color=colour,
                linestyle=DASHES[style],
                marker=MARKERS[style],
                markevery=every,
                markersize=5,
                label=method.name,
            )
            if method.runs > 1:
                axes.fill_between(band.evaluations, band.low, band.high, color=colour, alpha=0.18, linewidth=0)
        random = shown[0].random
        if random is not None:
            axes.plot(
                random.evaluations, random.middle, color=RANDOM, linestyle=":", label="random search of the first"
            )
        axes.set_xlabel("evaluations drawn upon")
        axes.set_ylabel(f"best {data.studies[0].objective} (validation)")
        axes.legend(loc="best")

    return draw(
        "curves",
        "Best so far",
        "The mean over runs; bands hold the middle half of the runs where there are several.",
        ("method", "evaluations", "mean", "lower quartile", "upper quartile"),
        [
            (method.name, *row)
            for method in shown
            if method.search is not None
            for row in zip(
                method.search.evaluations, method.search.middle, method.search.low, method.search.high, strict=True
            )
        ],
        paint,
    )
