"""automl cache rekey: new keys for stored evaluations."""

from __future__ import annotations

import click

from automl.cache.rekeyed import Rekeyed
from automl.cli.common import json_option, print_json, storage_option
from automl.cli.options import option_of
from automl.engine.run_config import RunConfig
from automl.engine.units import memory_of
from automl.hashing.isolated import HASH_SECONDS
from automl.settings import declared
from automl.setup.rekeying import rekey

_run = declared(RunConfig)


@click.command("rekey", epilog="Example: automl cache rekey --storage sqlite:///automl.db --dry-run")
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="TARGET",
    help="A space, where the database cannot find it: of evaluations that an older export brought, which does not say "
    "which space read their candidates; of a file that has moved; of an object. May be repeated.",
)
@click.option(
    "--study",
    "studies",
    multiple=True,
    metavar="NAME",
    help="A finished study that is to be continued; others stay as they were found. May be repeated.",
)
@click.option("--context", "contexts", type=int, multiple=True, metavar="N", help="Only this context; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@option_of(_run["checkpoints"])
@option_of(_run["hash_timeout"])
@option_of(_run["memory_per_worker"])
@storage_option
@json_option
def rekey_command(
    spaces: tuple[str, ...],
    studies: tuple[str, ...],
    contexts: tuple[int, ...],
    dry_run: bool,
    checkpoints: str | None,
    hash_timeout: float | None,
    memory_per_worker: str | None,
    storage: str,
    as_json: bool,
) -> None:
    """Give stored evaluations the keys of this version's functional hash. Nothing is evaluated.

    After an update that changed the hash, evaluations are found again under new keys, computed from the candidates that
    were evaluated. May be stopped at any time and called again.
    """
    found = rekey(
        storage,
        spaces=spaces,
        studies=studies,
        contexts=contexts,
        checkpoints=checkpoints,
        hash_timeout=hash_timeout or HASH_SECONDS,
        memory=memory_of(memory_per_worker, "memory_per_worker"),
        dry_run=dry_run,
    )
    if as_json:
        print_json(found.as_json())
    else:
        show(found)


def show(found: Rekeyed) -> None:
    """Prints what was done, a sentence a line."""
    for sentence in found.sentences():
        click.echo(sentence)
