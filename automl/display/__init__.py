"""What is shown of a search while it runs: on a terminal, in plain lines, in a notebook."""

from __future__ import annotations

import sys

from rich.console import Console

from automl.display.notebook import Notebook
from automl.display.terminal import Display, Lines
from automl.observers import Observer


def progress(console: Console, warned: bool = False) -> Observer:
    """Returns the display that fits where the output goes.

    Args:
        console: is written to.
        warned: whether the user sees Python's warnings besides, so that none is shown twice.

    Example:
        >>> import io
        >>> type(progress(Console(file=io.StringIO()))).__name__  # no terminal
        'Lines'
    """
    return Display(console, warned) if console.is_terminal else Lines(console, warned)


def of_python() -> Observer:
    """Returns the display for a search that is called from Python: in the notebook, or on the error output.

    Example:
        >>> type(of_python()).__name__ in ("Lines", "Display", "Notebook")
        True
    """
    if in_notebook():
        return Notebook()
    return progress(Console(stderr=True, highlight=False), warned=True)


def in_notebook() -> bool:
    """Tells whether this process is a notebook's kernel, which shows HTML.

    Example:
        >>> in_notebook()
        False
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
