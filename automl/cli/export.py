"""automl export: the trained network of a study as files for people without automl."""

from __future__ import annotations

import json
from pathlib import Path

import click

from automl.cli.common import json_option, print_json, storage_option
from automl.delivery.export import FACTS
from automl.errors import legible
from automl.study import Study

FORMS = "pt2, onnx, python, safetensors, or a registered exporter"


@click.command(epilog="Example: automl export digits-cells-1 network --to onnx")
@click.argument("study")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--to", required=True, metavar="FORM", help=f"The form of the files: {FORMS}.")
@click.option("--trial", type=click.IntRange(min=0), metavar="N", help="Number of the trial.  [default: the best]")
@click.option("--artefacts", metavar="URL", help="Where the study's weights are, if they were moved.")
@storage_option
@json_option
def export(
    study: str, folder: Path, to: str, trial: int | None, artefacts: str | None, storage: str, as_json: bool
) -> None:
    """Write the trained network of STUDY into the new folder FOLDER, with a README on how to run it without automl.

    What was written is run before the folder appears: its outputs and its test figure must be the network's. Weights
    that are not kept are trained again from their seed, which takes as long as the evaluation did. Programs and
    expressions are written as source, with --to python.
    """
    opened = Study.open(study, storage)
    try:
        written = opened.export(to, folder, trial, artefacts)
    finally:
        opened.close()
    facts = json.loads((written / FACTS).read_text(encoding="utf-8"))
    if as_json:
        print_json({**facts, "folder": str(written)})
        return
    click.echo(
        f"Written to {legible(str(written.resolve()))}: {', '.join(sorted(one.name for one in written.iterdir()))}"
    )
    checked = facts["checked"]
    if isinstance(checked, str):
        click.echo(f"Checked: {checked}.")
        return
    for name, value in facts["figures"].items():
        found = checked["figures"].get(name, value)
        click.echo(f"{name} on the test part: {value:.6g} in the study, {found:.6g} of these files")
