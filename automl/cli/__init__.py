"""The `automl` command.

Exit codes: 0 success; 2 a user's mistake, in one sentence without a traceback; 1 our fault, or a search without one
success; 128 and the number of the signal where one stopped it (130 Ctrl-C, 143 SIGTERM).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Sequence

import click

from automl.cli.ablate import ablate
from automl.cli.database import cache, db
from automl.cli.ensemble import ensemble
from automl.cli.export import export
from automl.cli.functions import features
from automl.cli.pausing import pause
from automl.cli.rate import rate
from automl.cli.ratings import rating_report
from automl.cli.reports import report, show
from automl.cli.search import baseline, resume, search
from automl.cli.spaces import check, evaluators, explain, hash_command, spaces, strategies
from automl.cli.studies import studies
from automl.errors import AutoMLError, InvalidInput, brief, one_line

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


_ABOUT = """Search for neural architectures and algorithms.

Candidates that compute the same function are evaluated once.

\b
automl search digits-cells            a real search, with evidence, in minutes
automl report digits-cells-1 --html report.html
automl check my_space.py              a space's own faults
"""


@click.group(context_settings=HELP, help=_ABOUT)  # a docstring with \b would have to be raw, and show it
@click.version_option(package_name="automl-functional-hashing", prog_name="automl")
def automl() -> None:
    """The whole command."""


for command in (
    search,
    resume,
    pause,
    baseline,
    report,
    ablate,
    rate,
    export,
    ensemble,
    rating_report,
    show,
    studies,
    check,
    hash_command,
    features,
    explain,
    spaces,
    strategies,
    evaluators,
    cache,
    db,
):
    automl.add_command(command)


def main() -> None:
    """Runs the command line and turns every error into an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console may lack a character: it is then printed as another one
            stream.reconfigure(errors="replace")
    try:
        _check_arguments(sys.argv[1:])
        automl(prog_name="automl", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"automl: {one_line(_sentence(error))}", err=True)
        sys.exit(2)
    except InvalidInput as error:
        click.echo(f"automl: {error}", err=True)
        sys.exit(2)
    except AutoMLError as error:
        click.echo(f"automl: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _mute()
        sys.exit(0)
    except OSError as error:  # a disk that is full, a device that went away; or a place that the user may not use
        _mute()
        where = "" if error.filename is None else f"{brief(str(error.filename))}: "
        theirs = error.filename is not None and error.errno in _FORBIDDEN
        then = "; name another place, or change who may use it" if theirs else ""
        click.echo(f"automl: {where}{error.strerror or error}{then}", err=True)
        sys.exit(2 if theirs else 1)


_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
"""What the system says of a path that somebody named and that cannot be used as it is."""


def _check_arguments(given: Sequence[str]) -> None:
    """Insists that all arguments are text: names end in databases, files and pages.

    Raises:
        InvalidInput: one is not UTF-8.
    """
    for argument in given:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"{brief(argument)} is not UTF-8 text; set a UTF-8 locale, or rename it") from None


def _mute() -> None:
    """Sends to nowhere what is still to be written: the interpreter would complain of it at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sentence(error: click.ClickException) -> str:
    """Returns what was wrong with a command line, and where to read how it should look, in one sentence."""
    said = " ".join(error.format_message().split()).rstrip(".")
    said = said[:1].lower() + said[1:]
    context = getattr(error, "ctx", None)
    return f"{said}; see {context.command_path} --help" if context is not None else said
