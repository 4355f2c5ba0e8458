"""The figures of a report as files: PDF for papers, SVG, and PNG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automl.errors import InvalidInput
from automl.evidence import ResultsTable
from automl.report.data import ReportData
from automl.report.latex import latex_tables
from automl.report.plots.bounds import bounded
from automl.report.plots.comparison import comparison_plots, results_plots
from automl.report.plots.drawing import PRINTED, Plot, figure_of
from automl.report.plots.study import study_plots
from automl.report.reading.compare import Comparison

FORMATS = ("pdf", "svg", "png")


def write_figures(
    data: ReportData | Comparison | ResultsTable, folder: Path, more: Mapping[str, Plot] | None = None
) -> list[Path]:
    """Writes every figure of a report as PDF, SVG and PNG, and its tables for LaTeX; returns the paths.

    Files of these names are replaced; others in the folder are left alone.

    Args:
        data: as `automl.report.collect` and `compare` return it.
        folder: made where it is not there.
        more: further plots, by name.

    Raises:
        InvalidInput: a file cannot be written.

    Example:
        >>> from automl.evidence import Estimate, ResultRow
        >>> table = ResultsTable("results.csv", (ResultRow("digits", "ours", Estimate(4.2, 3.1, 5.3), 5, 20, 0),))
        >>> sorted({path.suffix for path in write_figures(table, Path("figures"))})
        ['.pdf', '.png', '.svg']
    """
    drawable: Any = bounded(data)[0]
    tables: dict[str, str] = {}
    if isinstance(data, ResultsTable):
        plots = results_plots(drawable)
    elif isinstance(data, Comparison):
        plots = comparison_plots(drawable)
    else:
        plots, tables = study_plots(drawable), latex_tables(data)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _printed_colours():
            for name, plot in {**plots, **(more or {})}.items():
                drawn = figure_of(plot)
                for form in FORMATS:
                    path = folder / f"{name}.{form}"
                    no_date = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(form, {})
                    drawn.savefig(path, format=form, dpi=200, metadata=no_date, facecolor="white")
                    written.append(path)
        for name, text in tables.items():
            path = folder / f"{name}.tex"
            path.write_text(text, encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise InvalidInput(
            f"figures cannot be written to {folder}: {error.strerror}; choose another --figures"
        ) from error
    return written


@contextmanager
def _printed_colours() -> Iterator[None]:
    """Lets the names of a page's colours stand for colours on paper."""
    from matplotlib.colors import get_named_colors_mapping

    names = get_named_colors_mapping()
    for name, colour in PRINTED.items():
        names[name] = colour  # one by one: that makes matplotlib forget what it made of the name before
    try:
        yield
    finally:
        for name in PRINTED:
            del names[name]
