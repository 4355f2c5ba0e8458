"""The report of a study as an object: text, a page, JSON data."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from automl import report


class Report:
    """Evidence of a study, as text (`str`), as one self-contained HTML file (`save`) or as JSON data (`json`).

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=20, baseline=False, workers=0, storage="sqlite:///line.db")
        >>> study = automl.search(Line(), **given)
        >>> found = study.report()
        >>> found.save("report.html").exists(), found.json()["study"]
        (True, 'Line-1')
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def __str__(self) -> str:
        from rich.console import Console

        # Plain text everywhere: notebooks ask rich for colours and for HTML of its own.
        console = Console(width=110, color_system=None, highlight=False, force_jupyter=False)
        with console.capture() as captured:
            report.render_terminal(self.data, console)
        return captured.get()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """Is shown by notebooks: the whole page, in a frame of its own."""
        from automl.report.html import page  # matplotlib takes a second to load

        shown = escape(page(self.data))
        return f'<iframe srcdoc="{shown}" style="width:100%;height:40em;border:1px solid #ccc"></iframe>'

    def save(self, path: str | Path) -> Path:
        """Writes the HTML file and returns its path."""
        report.write_html(self.data, Path(path))
        return Path(path)

    def json(self) -> dict[str, Any]:
        """Returns the evidence as JSON data."""
        return report.to_json(self.data)
