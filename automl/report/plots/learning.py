"""Plots of learning curves: how the found architectures learned, and how early the order of all was known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.report.data import Learning, ReportData
from automl.report.plots.drawing import QUIET, RANDOM, SEARCH, Plot, curve_view, draw
from automl.report.words import count_of
from automl.selection.ranking import RANDOM_WINNER, SEARCH_WINNER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEST = 3
"""Winners of the search that are drawn, and as many of random search."""


def learning_plots(data: ReportData) -> list[Plot]:
    """Draws the learning curves of a study, where it has some, and the rank agreement by epoch."""
    curves = data.learning
    if curves is None or not curves.lines:
        return []
    return [_curves(data, curves), *([_order(curves)] if curves.order_known else [])]


def _curves(data: ReportData, curves: Learning) -> Plot:
    trials = [line for line in curves.lines if line.origin == "trial"]
    found = [line for line in curves.lines if line.origin == SEARCH_WINNER][:BEST]
    random = [line for line in curves.lines if line.origin == RANDOM_WINNER][:BEST]

    def paint(axes: Axes) -> None:
        for line in trials:
            axes.plot(list(line.values), list(line.values.values()), color=QUIET, linewidth=0.7, alpha=0.45)
        for group, colour, dash, marker in ((random, RANDOM, "--", "s"), (found, SEARCH, "-", "o")):
            for line in reversed(group):
                across, up = list(line.values), list(line.values.values())
                axes.plot(across, up, color=colour, linestyle=dash, linewidth=2.0 if line.rank == 1 else 1.1)
                axes.plot(across[-1], up[-1], marker, color=colour, markersize=7 if line.rank == 1 else 4)
        if found:
            axes.plot([], [], "o-", color=SEARCH, label="found by the search")
        if random:
            axes.plot([], [], "s--", color=RANDOM, label="best of random search")
        axes.plot([], [], "-", color=QUIET, linewidth=0.8, label="other trials")
        every = [value for line in curves.lines for value in line.values.values()]
        axes.set_ylim(*curve_view(every, data.minimize))
        axes.set_xlim(left=0)
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"{data.objective} (validation)")
        axes.figure.legend(loc="outside upper center", ncols=3)

    several = max((line.replicates for line in [*found, *random]), default=1) > 1
    mean = " Winners: the mean over their evaluations." if several else ""
    return draw(
        "learning-curves",
        "Learning curves",
        f"Validation {data.objective} in the course of training: {count_of(len(trials), 'class')} of the search, "
        f"evenly chosen, and the winners.{mean}",
        ("origin", "rank", "line", "epoch", data.objective),
        [
            (line.origin, line.rank or "", place, epoch, value)
            for place, line in enumerate(curves.lines)
            for epoch, value in line.values.items()
        ],
        paint,
    )


def _order(curves: Learning) -> Plot:
    known = [(item.epoch, item.agreement) for item in curves.ranks if item.agreement.tau is not None]
    classes = max((agreement.pairs for _, agreement in known), default=0)

    def paint(axes: Axes) -> None:
        across = [epoch for epoch, _ in known]
        axes.plot(across, [agreement.tau or 0.0 for _, agreement in known], "o-", color=SEARCH, label="Kendall's τ")
        axes.plot(across, [agreement.rho or 0.0 for _, agreement in known], "s--", color=RANDOM, label="Spearman's ρ")
        axes.set_ylim(min(0.0, *axes.get_ylim()), 1.05)
        axes.set_xlim(left=0)
        axes.set_xlabel("epoch")
        axes.set_ylabel("agreement with the final order")
        axes.legend(loc="lower right")

    return draw(
        "order-by-epoch",
        "How early the order is known",
        f"Rank agreement of {count_of(classes, 'class')} in this part of the cache after an epoch and at the end of "
        "the same trainings: what stopping earlier would cost.",
        ("epoch", "kendall", "spearman", "classes"),
        [(epoch, agreement.tau, agreement.rho, agreement.pairs) for epoch, agreement in known],
        paint,
    )
