"""How plots are made: matplotlib to inline SVG whose colours are the page's, with the data behind each to download."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from automl.errors import legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, GRID, PAPER = "#000101", "#000202", "#000303", "#000404"
SEARCH, RANDOM, THIRD, FOURTH, FIFTH = "#000505", "#000606", "#000707", "#000808", "#000909"
_VARIABLES = {
    INK: "--ink",
    QUIET: "--quiet",
    GRID: "--grid",
    PAPER: "--card",
    SEARCH: "--search",
    RANDOM: "--random",
    THIRD: "--third",
    FOURTH: "--fourth",
    FIFTH: "--fifth",
}
"""Colours that stand for the page's own, so that one drawing serves light, dark and print."""

PRINTED = {
    INK: "#1a1a1a",
    QUIET: "#6b6b6b",
    GRID: "#d9d9d9",
    PAPER: "#ffffff",
    SEARCH: "#0b62a4",
    RANDOM: "#b35900",
    THIRD: "#2b7a3d",
    FOURTH: "#7a3d8f",
    FIFTH: "#8a6d00",
}
"""The same colours on paper."""

SERIES = (SEARCH, RANDOM, THIRD, FOURTH, FIFTH)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v")

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "figure.facecolor": "none",
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "hatch.linewidth": 0.7,
    "lines.linewidth": 2.0,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure of the page.

    Attributes:
        name: of the file that its data is downloaded as, without an ending.
        title: above it.
        caption: what it shows, in a sentence.
        svg: the drawing.
        csv: the data as a `data:` address.
        wide: True to span the page.
        paint: draws it into axes.
        size: in inches.
    """

    name: str
    title: str
    caption: str
    svg: Markup
    csv: str
    wide: bool = False
    paint: Callable[[Axes], None] = field(default=lambda _: None, repr=False, compare=False)
    size: tuple[float, float] = (5.2, 3.2)


def draw(
    name: str,
    title: str,
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    paint: Callable[[Axes], None],
    *,
    size: tuple[float, float] = (5.2, 3.2),
    wide: bool = False,
) -> Plot:
    """Draws one figure; equal data gives equal bytes.

    Args:
        name: as in `Plot`.
        title: as in `Plot`.
        caption: as in `Plot`.
        columns: of the data to download.
        rows: of the data to download.
        paint: draws into the axes.
        size: in inches of 72 points.
        wide: as in `Plot`.
    """
    import matplotlib as mpl

    style: Any = {**_STYLE, "svg.hashsalt": name}
    with mpl.rc_context(style):
        plot = _painted(paint, size)
        written = io.StringIO()
        plot.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = _inline(written.getvalue(), name, title)
    return Plot(name, title, caption, svg, as_csv(columns, rows), wide, paint, size)


def figure_of(plot: Plot) -> Figure:
    """Returns a plot as a matplotlib figure."""
    return _painted(plot.paint, plot.size)


def _painted(paint: Callable[[Axes], None], size: tuple[float, float]) -> Figure:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = _STYLE
    with mpl.rc_context(style):
        plot = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(plot)
        paint(plot.add_subplot())
    return plot


def _inline(svg: str, name: str, title: str) -> Markup:
    """Makes a stand-alone SVG fit for a page: no header, ids of its own, the page's fonts and colours."""
    text = svg[svg.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = text.replace("'DejaVu Sans'", "inherit")
    text = re.sub(r"(font: [^;\"]*?)inherit", r"\1var(--font)", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    head = Markup('<svg class="plot" role="img" aria-label="{}" ').format(title)
    text = re.sub(r'(<svg[^>]*?) width="[^"]+"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]+"', r"\1", text, count=1)
    text = re.sub(r' version="1.1"', "", text, count=1)
    return Markup(text.replace("<svg ", str(head), 1).strip())  # noqa: S704 - matplotlib escapes what it writes


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Returns a table as a `data:` address that any browser saves as a file."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(written.getvalue().encode()).decode()


def _cell(value: Any) -> Any:
    """Returns a table's cell so that no spreadsheet takes a name or a candidate for a formula."""
    if not isinstance(value, str):
        return value
    value = legible(value)
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t") else value


def curve_view(best: list[float], minimize: bool) -> tuple[float, float]:
    """Shows where curves end; the first few random values would flatten everything else."""
    values = np.array(best)
    low, high = float(values.min()), float(values.max())
    middle = float(np.median(values))
    if minimize:
        high = min(high, middle + 2.0 * (middle - low))
    else:
        low = max(low, middle - 2.0 * (high - middle))
    pad = 0.06 * (high - low) or 0.02 * abs(high) or 1.0
    return low - pad, high + pad


def time_unit(longest: float) -> tuple[float, str]:
    """Returns how many seconds the unit of an axis has that so many seconds are shown on, and its name."""
    return (3600.0, "hours") if longest >= 3600 else (60.0, "minutes") if longest >= 120 else (1.0, "seconds")


def view(values: np.ndarray, ends: list[float], minimize: bool) -> tuple[float, float]:
    """Cuts off the long bad tail that most spaces have, and says so elsewhere."""
    low, high = float(values.min()), float(values.max())
    q1, q3 = np.quantile(values, [0.25, 0.75])
    reach = 3.0 * max(float(q3 - q1), 1e-12)
    if minimize and high > q3 + reach:
        high = float(values[values <= q3 + reach].max())
    if not minimize and low < q1 - reach:
        low = float(values[values >= q1 - reach].min())
    low, high = min([low, *ends]), max([high, *ends])
    pad = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    return low - pad, high + pad
