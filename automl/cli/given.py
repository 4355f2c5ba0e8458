"""What commands that run no search are given: a space, whose data shape the probe, and candidates line by line."""

from __future__ import annotations

from typing import Any

import click

from automl.cli.common import read_settings
from automl.errors import InvalidInput
from automl.setup.enqueued import read_candidate
from automl.setup.parts import Parts, PartSettings, assemble
from automl.spaces.space import Candidate
from automl.strategies.random import Random

BATCH = 512
"""Candidates hashed at one time."""

evaluator_option = click.option(
    "--evaluator", metavar="NAME", help="Whose data shapes the probe; default: the space's own."
)
task_option = click.option(
    "--task", metavar="NAME", help="The data that shapes the probe: a name, data.npz, table.csv:TARGET, …"
)


def parts_of(target: str, evaluator: str | None, task: str | None, settings: Any) -> Parts:
    """Returns the parts of a search that a command is about."""
    chosen = PartSettings(evaluator=evaluator, task=task, strategy=Random.name, settings=read_settings(settings))
    return assemble(target, chosen, fallback=_no_data)


def decoded_line(parts: Parts, value: Any, number: int) -> Candidate:
    """Returns the candidate of a line.

    Raises:
        InvalidInput: it is none of the space; the line is named.
    """
    try:
        return read_candidate(parts.space, value)
    except InvalidInput as error:
        raise InvalidInput(f"line {number}: {error}") from error


def _no_data(_: Candidate) -> float:
    """Stands for the evaluator of a space that has none of its own: it can still be checked and hashed."""
    return 0.0
