"""The `automl` command.

Exit codes: 0 success; 2 a user's mistake, in one sentence without a traceback; 1 our fault, or a search without one
success; 128 and the number of the signal where one stopped it (130 Ctrl-C, 143 SIGTERM).
"""

from __future__ import annotations

import sys

import click

from automl.cli.database import cache, db
from automl.cli.reports import report, studies
from automl.cli.search import baseline, resume, search
from automl.cli.spaces import check, evaluators, explain, hash_command, spaces, strategies
from automl.errors import AutoMLError, InvalidInput

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
    baseline,
    report,
    studies,
    check,
    hash_command,
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
    try:
        automl(prog_name="automl", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"automl: {_sentence(error)}", err=True)
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
        sys.exit(0)


def _sentence(error: click.ClickException) -> str:
    """Returns what was wrong with a command line, and where to read how it should look, in one sentence."""
    said = " ".join(error.format_message().split()).rstrip(".")
    said = said[:1].lower() + said[1:]
    context = getattr(error, "ctx", None)
    return f"{said}; see {context.command_path} --help" if context is not None else said
