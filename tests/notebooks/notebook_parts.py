"""Notebooks run by a kernel of their own, as Jupyter runs them."""

from __future__ import annotations

import re

import nbformat
from nbclient import NotebookClient


def run(notebook, folder, *, seconds=300, allow_errors=False):
    """Runs all cells in a folder; the notebook then holds their outputs."""
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook, timeout=seconds, kernel_name="python3", allow_errors=allow_errors, resources=resources
    ).execute()
    return notebook


def notebook_of(*cells):
    """Returns a notebook of code cells."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def text_of(cell):
    """Returns all that a cell shows as text: streams, values, displays, errors."""
    found = []
    for output in cell.outputs:
        if output.output_type == "stream":
            found.append(output.text)
        elif output.output_type == "error":
            found.append(f"{output.ename}: {output.evalue}")
            found += output.traceback
        else:
            found.append(output.data.get("text/plain", ""))
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(found))


def html_of(cell):
    """Returns all HTML that a cell shows."""
    return "\n".join(one.data["text/html"] for one in cell.outputs if "text/html" in one.get("data", {}))
