"""Running the command: in this process for speed, or as the installed program."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

from automl.cli import main

PROGRAM = Path(sys.executable).with_name("automl")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def automl_command(*arguments: object, stdin: str = "") -> Ended:
    """Runs `automl ARGUMENTS` in this process, just as the installed program does."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["automl", *map(str, arguments)], io.StringIO(stdin)
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv, sys.stdin = before
    return Ended(int(code or 0), out.getvalue(), err.getvalue())  # type: ignore[call-overload]
