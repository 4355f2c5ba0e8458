"""The report as one HTML file: no script, no network, no fonts of its own; for large and small screens and print."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from automl.errors import InvalidInput
from automl.evidence import ResultsTable
from automl.report import words
from automl.report.data import ReportData, final_word
from automl.report.explain import Explanation
from automl.report.plots.bounds import bounded
from automl.report.plots.comparison import comparison_plots, results_plots
from automl.report.plots.drawing import Plot
from automl.report.plots.graphs import graph_svg
from automl.report.plots.study import study_plots
from automl.report.reading.compare import Comparison, comparison_json
from automl.report.study_part import MEANING
from automl.report.summary import study_json, task_of
from automl.storage.records import OUTCOMES

T = TypeVar("T", bound=ReportData | Comparison | ResultsTable)


def write(data: ReportData | Comparison | ResultsTable | Explanation, path: Path) -> None:
    """Writes the page.

    Raises:
        InvalidInput: the file cannot be written.
    """
    try:
        path.write_text(page(data), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"the report cannot be written to {path}: {error.strerror}; choose another --html"
        ) from error


def page(data: ReportData | Comparison | ResultsTable | Explanation) -> str:
    """Returns the page's text; equal data gives equal text."""
    if isinstance(data, ResultsTable):
        return _render("results", "Relative improvement", data, results_plots(_drawable(data)), data.to_json())
    if isinstance(data, Explanation):
        return _render("explanation", "Two candidates compared", data, {}, data.to_json())
    if isinstance(data, Comparison):
        return _render("comparison", data.name, data, comparison_plots(_drawable(data)), comparison_json(data))
    return _render("study", data.name, data, study_plots(_drawable(data)), study_json(data))


def _drawable(data: T) -> T:
    """Returns the data for plots; where some figures cannot be drawn as they are, the page says so."""
    found, changed = bounded(data)
    notes: list[str] = data.notes
    if changed and changed not in notes:
        notes.append(changed)
    return found


def _render(name: str, title: str, data: Any, plots: dict[str, Plot], content: dict[str, Any]) -> str:
    template = _environment().get_template(f"{name}.html.j2")
    return template.render(title=title, data=data, plots=plots, download=_download(content))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("figure", "interval", "ends", "duration", "count_of", "share", "headline", "amount"):
        environment.filters[name] = getattr(words, name)
    environment.globals.update(
        graph_svg=graph_svg,
        choices_of=words.choices_of,
        task_of=task_of,
        meaning=MEANING,
        outcomes=OUTCOMES,
        final_word=final_word,
    )
    return environment


def _download(data: dict[str, Any]) -> str:
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    return "data:application/json;charset=utf-8;base64," + base64.b64encode(text.encode()).decode()
