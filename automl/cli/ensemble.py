"""automl ensemble: the best networks of a study joined into one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from automl.cli.common import json_option, print_json, storage_option
from automl.delivery.ensemble import Ensemble
from automl.errors import InvalidInput, legible
from automl.study import Study


@click.command(epilog="Example: automl ensemble digits-cells-1 --to onnx --folder network")
@click.argument("study")
@click.option("-k", "most", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Choices.")
@click.option(
    "--library", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Classes to choose among."
)
@click.option("--workers", type=click.IntRange(min=0), metavar="N", help="Trainings at one time.  [default: cores]")
@click.option("--to", metavar="FORM", help="Write the joined networks too: pt2, onnx, python.")
@click.option("--folder", type=click.Path(path_type=Path), metavar="DIR", help="The new folder for what is written.")
@click.option("--artefacts", metavar="URL", help="Where the study's weights are, if they were moved.")
@storage_option
@json_option
def ensemble(
    study: str,
    most: int,
    library: int,
    workers: int | None,
    to: str | None,
    folder: Path | None,
    artefacts: str | None,
    storage: str,
    as_json: bool,
) -> None:
    """Join the best networks of STUDY: chosen one after the other on the validation part, measured on the test part.

    Networks that the study has tested are used as they are. Those of further classes are trained first, which takes as
    long as their evaluations did, and are kept.
    """
    if (to is None) != (folder is None):
        raise InvalidInput("--to says the form and --folder the place: give both, or neither")
    given: dict[str, Any] = {} if workers is None else {"workers": workers}
    opened = Study.open(study, storage)
    try:
        found = opened.ensemble(most, library, artefacts=artefacts, **given)
        if to is not None and folder is not None:
            found.export(to, folder)
        if as_json:
            print_json(found.to_json())
            return
        for line in lines(found, opened.settings["objective"]):
            click.echo(line)
        if folder is not None:
            click.echo(f"Written to {legible(str(folder.resolve()))}.")
    finally:
        opened.close()


def lines(found: Ensemble, objective: str) -> list[str]:
    """Returns what is said of an ensemble."""
    gain = found.gain
    said = [f"{one.weight:.0%}  trial {one.trial}  {legible(one.candidate.json, 100)}" for one in found.members]
    interval = "" if gain.low is None else f" [{gain.low:+.4g}, {gain.high:+.4g}]"
    said.append(
        f"{objective} on the test part: {found.metrics[objective]:.6g}, and {found.single[objective]:.6g} of the best "
        f"network alone (better by {gain.value:+.4g}{interval}; resampled test examples)."
    )
    seconds = found.seconds
    said.append(
        f"Chosen among {found.library} networks on the validation part, where it reaches "
        f"{found.validation[objective]:.6g}; {seconds['trained']:.1f} s of training, {seconds['joined']:.1f} s of "
        "running and choosing."
    )
    return said
