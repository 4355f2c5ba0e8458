"""How the documentation is built: `make docs` turns every warning into an error."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

project = "automl"
author = "the authors of automl"
copyright = "the authors of automl"  # noqa: A001 - the name that Sphinx reads
release = metadata.version("automl-functional-hashing")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "automl"
html_extra_path = ["gallery"]  # whole pages, as `make gallery` wrote them
html_static_path: list[str] = []
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Every reference to a name of ours must be found; types of other packages have no page here.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!(automl|workers|search_spaces)\.).*"),
    ("py:.*", r".*\._\w+"),  # private bases
    ("py:.*", r"automl\.\w+(\.\w+)*\.T|automl\.evidence\.ranks\.Key|automl\.cache\.rekey\.Jobs"),
    ("py:.*", r"workers\.algorithms\.function_networks\.Protocol"),
    ("py:.*", r"workers\.algorithms\.program_tasks\.Problems"),
    ("py:.*", r"automl\.evaluators\.parts\.ArrayParts|workers\.networks\.(kinds|scores)\.\w+"),  # of a loop's inside
    ("py:.*", r"automl\.spaces\.grammar\.(rules|derivations)\.\w+"),
    ("py:.*", r"automl\.report\.(data\.ReportData|reading\.compare\.Comparison|plots\.drawing\.Plot)"),
    ("py:.*", r"automl\.engine\.phases\.Phases"),  # what a study of a loop of one's own is made of
]

default_role = "code"  # docstrings are written with single backticks, as in Markdown
autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Class attributes", "params_style")]


SEVERAL = re.compile(r"^(\s+)(\w+(?:, \w+)+):", re.MULTILINE)
"""A line of `Args:` or `Attributes:` that describes several names at once."""


def _join_names(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Keeps `a, b: …` one entry: with spaces the first names would be taken for a type."""
    lines[:] = [SEVERAL.sub(lambda found: f"{found[1]}{found[2].replace(', ', ',')}:", line) for line in lines]


def setup(app: Any) -> None:
    """Copies the pages that stand at the top of the repository too."""
    for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (HERE.parent / name).read_text(encoding="utf-8").replace("](docs/", "](")
        text = text.replace("ARCHITECTURE.md)", "architecture.md)")
        target = HERE / name.lower()
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
    app.connect("autodoc-process-docstring", _join_names, priority=100)  # before napoleon
