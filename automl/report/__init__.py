"""Reports: gathered once from the rows, written for a terminal, a browser or a program.

`collect` reads one study, `compare` puts several side by side; what either returns goes to `render_terminal`,
`write_html` and `to_json`, as does the table of `automl.evidence.results_table`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from automl.evidence import ResultsTable
from automl.report.data import ReportData
from automl.report.reading.collect import collect
from automl.report.reading.compare import Comparison, compare, comparison_json
from automl.report.summary import study_json
from automl.report.terminal import render
from automl.report.trial import trial_text

if TYPE_CHECKING:
    from rich.console import Console

    from automl.report.explain import Explanation

Reportable: TypeAlias = ReportData | Comparison | ResultsTable


def to_json(data: Reportable) -> dict[str, Any]:
    """Returns a report as JSON data.

    Example:
        >>> from automl.evidence import Estimate, ResultRow
        >>> table = ResultsTable("results.csv", (ResultRow("digits", "ours", Estimate(4.2), 5, 20, 0),))
        >>> to_json(table)["relative_improvement"][0]["method"]
        'ours'
    """
    if isinstance(data, ResultsTable):
        return data.to_json()
    return comparison_json(data) if isinstance(data, Comparison) else study_json(data)


def render_terminal(data: Reportable, console: Console) -> None:
    """Prints a report of about one screen to a rich console.

    Example:
        >>> from rich.console import Console
        >>> from automl.evidence import Estimate, ResultRow
        >>> table = ResultsTable("results.csv", (ResultRow("digits", "ours", Estimate(4.2, 3.1, 5.3), 5, 20, 0),))
        >>> console = Console(width=100, no_color=True)
        >>> with console.capture() as shown:
        ...     render_terminal(table, console)
        >>> "ours" in shown.get()
        True
    """
    render(data, console)


def write_html(data: Reportable | Explanation, path: str | Path) -> None:
    """Writes a report, or the comparison of two candidates, as one self-contained HTML file. An existing file is
    replaced.

    Raises:
        InvalidInput: the file cannot be written.

    Example:
        >>> from automl.evidence import Estimate, ResultRow
        >>> table = ResultsTable("results.csv", (ResultRow("digits", "ours", Estimate(4.2, 3.1, 5.3), 5, 20, 0),))
        >>> write_html(table, "results.html")
        >>> Path("results.html").read_text(encoding="utf-8")[:15]
        '<!doctype html>'
    """
    from automl.report.html import write  # matplotlib takes a second to load

    write(data, Path(path))


__all__ = [
    "Comparison",
    "ReportData",
    "Reportable",
    "collect",
    "compare",
    "render_terminal",
    "to_json",
    "trial_text",
    "write_html",
]
