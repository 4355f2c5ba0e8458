"""The plots of one study's report. Each says one thing, and says it without colour too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from automl.report.data import ReportData
from automl.report.plots.archive import archive_plot
from automl.report.plots.drawing import (
    INK,
    QUIET,
    RANDOM,
    SEARCH,
    Plot,
    curve_view,
    draw,
    time_unit,
    view,
)
from automl.report.plots.learning import learning_plots
from automl.report.plots.pareto import pareto_plots
from automl.report.plots.trials import genealogy, outcomes
from automl.report.study_part import Curve
from automl.report.words import figure
from automl.selection.ranking import SEARCH_WINNER

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def study_plots(data: ReportData) -> dict[str, Plot]:
    """Returns the plots that this study has data for, by name."""
    found = [
        distribution(data),
        tests(data),
        search_curve(data, "evaluations"),
        search_curve(data, "hours"),
        outcomes(data.search),
        *learning_plots(data),
        *pareto_plots(data),
        archive_plot(data),
        genealogy(data),
    ]
    return {plot.name: plot for plot in found if plot is not None}


def distribution(data: ReportData) -> Plot | None:
    """Draws validation fitness of uniformly sampled candidates, with the winners marked."""
    sample = data.random.sample if data.random is not None else None
    if sample is None or sample.count < 2:
        return None
    values = np.array(sample.values)
    marks = [("found", item.fitness, item.rank) for item in data.winners if item.fitness is not None]
    marks += [("random best", item.fitness, item.rank) for item in data.random_winners if item.fitness is not None]
    if not data.winners and data.search.best is not None and data.search.best.fitness is not None:
        marks.append(("found", data.search.best.fitness, 1))
    ends = [value for _, value, _ in marks]
    low, high = view(values, ends, data.minimize)
    shown = values[(values >= low) & (values <= high)]
    hidden = len(values) - len(shown)

    def paint(axes: Axes) -> None:
        bins = np.linspace(low, high, min(41, max(9, int(2 * len(values) ** 0.5))))
        counts = np.histogram(shown, bins)[0]
        axes.hist(shown, bins=bins.tolist(), color=RANDOM, alpha=0.45, edgecolor=RANDOM, hatch="///")
        top = float(max(counts.max(), 1.0))
        for word, value, rank in reversed(marks):
            found = word == "found"
            colour, height = (SEARCH, 1.28) if found else (RANDOM, 1.12)
            axes.plot([value, value], [0, height * top], color=colour, linestyle="-" if found else "--", linewidth=1.4)
            axes.plot(value, height * top, marker="o" if found else "s", color=colour, markersize=7 if rank == 1 else 4)
        mean = sample.mean
        if low <= mean <= high:
            axes.axvline(mean, color=INK, linestyle=":", linewidth=1.4)
            axes.annotate("mean", (mean, 1.35 * top), ha="center", fontsize=9, color=INK)
        axes.plot([], [], "o-", color=SEARCH, linewidth=1.4, label="found by the search")
        axes.plot([], [], "s--", color=RANDOM, linewidth=1.4, label="best of random search")
        axes.figure.legend(loc="outside upper center", ncols=2)
        axes.set_ylim(0, 1.45 * top)
        axes.set_xlim(low, high)
        axes.set_xlabel(f"{data.objective} (validation)")
        axes.set_ylabel("random candidates")
        axes.grid(axis="x", visible=False)

    left_out = f" {hidden} of {len(values)} lie outside the range shown." if hidden else ""
    return draw(
        "random-distribution",
        "Random candidates, and what was found",
        f"Validation {data.objective} of {sample.count:,} uniformly drawn candidates; winners are pins.{left_out}",
        ("kind", data.objective, "rank"),
        [*(("random", value, "") for value in sample.values), *marks],
        paint,
    )


def tests(data: ReportData) -> Plot | None:
    """Draws test figures seed by seed: winners, random winners, and the random sample that the average rests on."""
    rows = [
        (label, item)
        for group, word in ((data.winners, "found"), (data.random_winners, "random best"))
        for label, item in ((f"{word} {item.rank}", item) for item in group[:3])
        if item.test_values
    ]
    sample = [item.test for item in data.random_samples if item.test is not None]
    if not rows:
        return None
    low, high = _near([value for _, item in rows for value in item.test_values], sample)
    outside = sum(not low <= value <= high for value in sample)

    def paint(axes: Axes) -> None:
        labels = []
        for place, (label, item) in enumerate(rows):
            found = item.origin == SEARCH_WINNER
            colour, marker = (SEARCH, "o") if found else (RANDOM, "s")
            axes.plot(item.test_values, [place] * len(item.test_values), marker, color=colour, alpha=0.75, markersize=7)
            mean = float(np.mean(item.test_values))
            axes.plot([mean] * 2, [place - 0.3, place + 0.3], color=INK, linewidth=1.6)
            labels.append(label)
        if sample:
            spread = np.linspace(-0.22, 0.22, len(sample)) if len(sample) > 1 else np.zeros(1)
            axes.plot(sample, len(rows) + spread, "D", color=QUIET, markersize=4, alpha=0.8)
            mean = float(np.mean(sample))
            axes.set_xlim(low, high)
            if low <= mean <= high:
                axes.plot([mean] * 2, [len(rows) - 0.38, len(rows) + 0.38], color=INK, linewidth=1.6)
            else:
                left = mean < low
                axes.annotate(
                    f"◂ mean {figure(mean)}" if left else f"mean {figure(mean)} ▸",
                    (low if left else high, len(rows)),
                    xytext=(4 if left else -4, 0),
                    textcoords="offset points",
                    ha="left" if left else "right",
                    va="center",
                    fontsize=9,
                    color=INK,
                )
            labels.append(f"{len(sample)} at random")
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set_xlabel(f"{data.objective} ({data.final})")
        axes.grid(axis="y", visible=False)

    lie = "lies" if outside == 1 else "lie"
    hidden = f" {outside} of {len(sample)} {lie} outside the range shown." if outside else ""
    what = data.basis if data.deterministic else f"one mark for each fresh seed{'' if data.held_out else ', same data'}"
    return draw(
        "test-figures",
        "Test figures" if data.held_out else "Figures of fresh seeds, same data",
        f"{what[0].upper()}{what[1:]}, a bar for each mean; the last row: a mark for each random architecture.{hidden}",
        ("candidate", data.objective, "seed"),
        [
            *((label, value, seed) for label, item in rows for seed, value in enumerate(item.test_values)),
            *(
                (f"random sample {item.rank}", item.test, "mean")
                for item in data.random_samples
                if item.test is not None
            ),
        ],
        paint,
        size=(5.2, 0.7 + 0.36 * (len(rows) + bool(sample))) if rows else (5.2, 3.2),
    )


def _near(found: list[float], sample: list[float]) -> tuple[float, float]:
    """Returns a range that holds the winners, the sample's mean and its middle half: its tail would flatten them.

    Where even those would, the range is the winners' own, three times as wide.
    """
    best, span = (min(found), max(found)), max(found) - min(found)
    values = [*found, *([float(np.mean(sample)), *np.quantile(sample, [0.25, 0.75])] if sample else [])]
    low, high = float(min(values)), float(max(values))
    if 0 < span < 0.15 * (high - low):
        return best[0] - span, best[1] + span
    pad = 0.12 * (high - low) or 0.02 * abs(high) or 1.0
    return low - pad, high + pad


def search_curve(data: ReportData, axis: str) -> Plot | None:
    """Draws the best so far of the search beside random search's, by evaluations or by hours."""
    series = [("search", data.search.curve, SEARCH, "-")]
    if data.random is not None and data.random is not data.search:
        series.append(("random search", data.random.curve, RANDOM, "--"))
    series = [item for item in series if item[1].best]
    longest = max((item[1].seconds[-1] for item in series), default=0.0)
    if not series or (axis == "hours" and longest <= 0):
        return None
    scale, unit = time_unit(longest)

    def across(curve: Curve) -> list[float]:
        if axis == "evaluations":
            return [float(count) for count in curve.evaluations]
        return [seconds / scale for seconds in curve.seconds]

    def paint(axes: Axes) -> None:
        for word, curve, colour, dash in series:
            axes.step(across(curve), curve.best, where="post", color=colour, linestyle=dash, label=word)
            marker = "o" if colour == SEARCH else "s"
            axes.plot(across(curve)[-1], curve.best[-1], marker, color=colour)
        axes.set_ylim(*curve_view([value for _, curve, _, _ in series for value in curve.best], data.minimize))
        axes.set_xlim(left=0)
        axes.set_xlabel("evaluations counted" if axis == "evaluations" else f"{unit} since the start")
        axes.set_ylabel(f"best {data.objective} (validation)")
        axes.legend(loc="upper right" if data.minimize else "lower right")

    by = "evaluations" if axis == "evaluations" else "time"
    return draw(
        f"curve-{axis}",
        f"Best so far, by {by}",
        "Equal evaluations for both; results found in the cache count as evaluations."
        if axis == "evaluations"
        else "Random search runs second and shares the cache, so it takes less time than alone.",
        ("study", "trials", "evaluations", "seconds", f"best {data.objective}"),
        [
            (word, *row)
            for word, curve, _, _ in series
            for row in zip(curve.trials, curve.evaluations, curve.seconds, curve.best, strict=True)
        ],
        paint,
    )
