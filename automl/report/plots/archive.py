"""The plot of an archive: the best candidate of each cell, and which cells nobody reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl.report.data import ReportData
from automl.report.plots.drawing import INK, QUIET, SEARCH, Plot, draw
from automl.report.words import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

_NUMBERED = 100
"""Cells up to so many have their figures written in them."""

_FAINTEST, _STRONGEST = 0.1, 0.7
"""Opacity of the worst cell and of the best one, in which figures can still be read."""


def archive_plot(data: ReportData) -> Plot | None:
    """Draws the first two axes of the study's archive, in each of their cells the best; nothing without an archive."""
    found = data.archive
    if not found.get("cells"):
        return None
    across, *further = found["descriptors"]
    up = further[0] if further else None
    best = _best(found["cells"], len(found["descriptors"]), found["minimize"])
    figures = [cell["fitness"] for cell in best.values()]
    low, high = min(figures), max(figures)

    def paint(axes: Axes) -> None:
        from matplotlib.patches import Rectangle

        numbered = across["bins"] * (up["bins"] if up else 1) <= _NUMBERED
        for (x, y), cell in best.items():
            share = (cell["fitness"] - low) / (high - low) if high > low else 1.0
            share = 1.0 - share if found["minimize"] else share
            opacity = _FAINTEST + (_STRONGEST - _FAINTEST) * share
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=SEARCH, alpha=opacity, linewidth=0))
            if numbered:
                text = f"{cell['fitness']:.3g}"
                axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=6.5, color=INK)
        axes.set_xlim(0, across["bins"])
        axes.set_ylim(0, up["bins"] if up else 1)
        _ticks(axes.set_xticks, across)
        axes.set_xlabel(across["name"])
        if up is None:
            axes.set_yticks([])
        else:
            _ticks(axes.set_yticks, up)
            axes.set_ylabel(up["name"])
        axes.grid(color=QUIET, linewidth=0.3)

    word = found["objective"] if data.rated else f"validation {data.objective}"
    more = f" Of the {len(found['descriptors'])} axes the first two are drawn." if len(further) > 1 else ""
    names = [one["name"] for one in found["descriptors"]]
    return draw(
        "archive",
        "The archive",
        f"The best {word} of each cell; {count_of(len(found['cells']), 'cell')} of {found['of']:,} are filled. Each is "
        f"the best of several, so it flatters.{more}",
        (*(f"cell of {name}" for name in names), *names, found["objective"], "trial"),
        [(*cell["place"], *cell["values"], cell["fitness"], _trial(cell)) for cell in found["cells"]],
        paint,
        size=(5.2, 3.7 if up else 1.6),
    )


def _trial(cell: Mapping[str, Any]) -> Any:
    """Returns an elite's trial; of a known result, which is no trial of this study, its candidate."""
    return f"known before: {cell['known']}" if cell["trial"] is None else cell["trial"]


def _best(cells: Sequence[Mapping[str, Any]], axes: int, minimize: bool) -> dict[tuple[int, int], Mapping[str, Any]]:
    """Returns the best cell at each place of the first two axes."""
    sign = -1.0 if minimize else 1.0
    best: dict[tuple[int, int], Mapping[str, Any]] = {}
    for cell in cells:
        place = (cell["place"][0], cell["place"][1] if axes > 1 else 0)
        if place not in best or sign * cell["fitness"] > sign * best[place]["fitness"]:
            best[place] = cell
    return best


def _ticks(setter: Any, axis: Mapping[str, Any]) -> None:
    """Writes the values at the ends of cells: at four of them, at most, beside the ends of the axis."""
    step = max(1, axis["bins"] // 4)
    places = sorted({*range(0, axis["bins"] + 1, step), axis["bins"]})
    setter(places, [f"{_value_at(axis, place):.3g}" for place in places])


def _value_at(axis: Mapping[str, Any], place: int) -> float:
    low, high, share = axis["low"], axis["high"], place / axis["bins"]
    value: float = low * (high / low) ** share if axis["log"] else low + (high - low) * share
    return value
