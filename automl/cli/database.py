"""automl db, cache: keeping the database."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from automl.cache.audits import audit_report
from automl.cache.maintenance import CacheStats, prune, stats
from automl.cache.rows import MAX_BYTES, MAX_ROW, read_rows
from automl.cache.spread import rated_contexts, spread_of
from automl.cache.transfer import export_cache, import_cache
from automl.cache.versions import waiting_sentence
from automl.cli.common import json_option, print_json, print_table, storage_option
from automl.cli.rekey import rekey_command, show
from automl.cli.top import top_command
from automl.delivery.places import store_of
from automl.managing import find
from automl.setup.rekeying import rekey
from automl.storage import migrate, opening
from automl.storage.engine import Database
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore

_context_option = click.option(
    "--context", "contexts", type=int, multiple=True, metavar="N", help="Only this context; may be repeated."
)
_artefacts_option = click.option(
    "--artefacts", metavar="URL", help="Where artefacts are kept.  [default: beside an SQLite database]"
)
_group_option = click.option(
    "--fidelity-group",
    "--lineage",
    "groups",
    type=int,
    multiple=True,
    metavar="N",
    help="Only context N and those that differ from it in fidelity alone; may be repeated.",
)


@click.group()
def db() -> None:
    """The schema of the database."""


@db.command(epilog="Example: automl db upgrade --storage sqlite:///automl.db")
@storage_option
def upgrade(storage: str) -> None:
    """Bring a database of an older version to the schema of this one."""
    before, after = opening.upgrade(storage)
    if before == after:
        click.echo(f"already at {after}, the schema of this version")
    else:
        click.echo(f"upgraded from {before} to {after}" if before else f"created at {after}")
    database = Database(storage, create=False)
    if waiting := waiting_sentence(database):
        click.echo(waiting)
    database.close()


@db.command(epilog="Example: automl db current")
@storage_option
@json_option
def current(storage: str, as_json: bool) -> None:
    """Show the schema that a database has and the one that this version needs."""
    found, needed = opening.current(storage), migrate.head()
    if as_json:
        print_json({"current": found, "head": needed})
    else:
        click.echo(
            f"{found} (this version needs {needed})" if found != needed else f"{found}, the schema of this version"
        )


@click.group()
def cache() -> None:
    """The equivalence cache: what is in it, how far it can be trusted, and how it is shared."""


@cache.command("stats", epilog="Example: automl cache stats --storage sqlite:///automl.db")
@storage_option
@json_option
def stats_command(storage: str, as_json: bool) -> None:
    """Show classes, replicates, hits, seconds saved and size, by context and by study."""
    database = Database(storage, create=False)
    found = stats(database)
    if as_json:
        print_json(found.as_json())
    else:
        _show(found)
    database.close()


def _show(found: CacheStats) -> None:
    contexts = [
        (
            item.fidelity_group,
            item.id,
            item.namespace,
            item.evaluator,
            item.fidelity,
            item.description.get("part", ""),
            item.hasher,
            f"{item.classes:,}",
            f"{item.replicates:,}",
            item.failed,
            item.claimed + item.lost,
            f"{item.moved:,}",
            f"{item.seconds:,.1f}",
        )
        for item in found.contexts
    ]
    columns = [
        "fidelity group",
        "context",
        "namespace",
        "evaluator",
        "fidelity",
        "part",
        "hasher",
        "classes",
        "replicates",
        "failed",
        "open",
        "moved",
        "seconds",
    ]
    print_table(columns, contexts, "the cache is empty")
    studies = [
        (
            item.name,
            item.space,
            f"{sum(item.outcomes.values()):,}",
            f"{item.hits:,}",
            f"{item.paid_seconds:,.1f}",
            f"{item.saved_seconds:,.1f}",
        )
        for item in found.studies
    ]
    if studies:
        click.echo()
        print_table(["study", "space", "trials", "hits", "seconds paid", "seconds saved"], studies, "")
    click.echo(f"\n{found.size_bytes / 1e6:,.1f} MB in the database")
    if found.artefacts:
        each = ", ".join(f"{one.name} {one.count:,} ({one.bytes / 1e6:,.1f} MB)" for one in found.artefacts)
        click.echo(f"artefacts outside of it: {each}")


@cache.command(epilog="Example: automl cache audit --study digits-cells-1")
@click.option("--metric", metavar="NAME", help="Which figure to compare; default: the study's objective.")
@click.option("--study", metavar="NAME", help="Only the audits of this study, of all its runs where it has several.")
@storage_option
@json_option
def audit(metric: str | None, study: str | None, storage: str, as_json: bool) -> None:
    """Show the measured false-merge rate: hits that were evaluated all the same, against the noise of replicates."""
    database = Database(storage, create=False)
    records = _studies(StudyStore(database), study) if study else []
    if metric is None:
        if not records:
            raise click.UsageError("give --metric NAME, or --study NAME for that study's objective")
        metric = str(records[0].settings["objective"])
    found = audit_report(database, metric, studies=[record.id for record in records] if study else None)
    spreads = {number: spread_of(database, metric, number) for number in rated_contexts(database)}
    spreads = {number: one for number, one in spreads.items() if one.overall is not None}
    if as_json:
        print_json({**found.as_json(), "encodings": {str(number): one.as_json() for number, one in spreads.items()}})
    else:
        if found.audited or not spreads:
            click.echo(found.sentence())
        for number, one in spreads.items():
            click.echo(f"context {number}: {one.sentence()}")
    database.close()


def _studies(store: StudyStore, name: str) -> list[StudyRecord]:
    """Returns the study of this name, or the runs that it stands for; raises InvalidInput where there is neither."""
    runs = store.runs(name) if store.find(name) is None else []
    return runs or [find(store, name)]


@cache.command(epilog="Example: automl cache export cache.jsonl.gz")
@click.argument("path", type=click.Path(path_type=Path))
@_context_option
@_group_option
@click.option("--namespace", metavar="NAME", help="Only this namespace.")
@_artefacts_option
@storage_option
def export(
    path: Path,
    contexts: tuple[int, ...],
    groups: tuple[int, ...],
    namespace: str | None,
    artefacts: str | None,
    storage: str,
) -> None:
    """Write the finished evaluations to one portable file, and their artefacts into the folder PATH.artefacts."""
    database = Database(storage, create=False)
    store = store_of(artefacts, database)
    done = export_cache(database, path, contexts=contexts, groups=groups, namespace=namespace, store=store)
    click.echo(done.sentence())
    database.close()


@cache.command("import", epilog="Example: automl cache import cache.jsonl.gz --storage sqlite:///automl.db")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="TARGET",
    help="Of a file of an older version: the space that read its candidates, see `automl cache rekey`.",
)
@_artefacts_option
@storage_option
def import_command(path: Path, spaces: tuple[str, ...], artefacts: str | None, storage: str) -> None:
    """Merge the evaluations of a file into the database; every row is checked before the first is written.

    Those of an older version get the keys of this one's functional hash, as `automl cache rekey` does it.
    """
    Database.check(storage)
    for _ in read_rows(path, MAX_BYTES, MAX_ROW):  # what is refused leaves nothing behind, not even an empty database
        pass
    database = Database(storage)
    done = import_cache(database, path, store=store_of(artefacts, database))
    click.echo(done.sentence())
    database.close()
    if done.outdated:
        show(rekey(storage, spaces=spaces, contexts=done.outdated))


cache.add_command(rekey_command)
cache.add_command(top_command)


@cache.command("prune", epilog="Example: automl cache prune --older-than-days 90 --failed --dry-run")
@click.option("--older-than-days", type=float, metavar="D", help="Only evaluations that ended longer ago.")
@_context_option
@_group_option
@click.option("--failed", is_flag=True, help="Only those whose candidate failed.")
@click.option("--lost", is_flag=True, help="Only those that nobody finished.")
@click.option("--dry-run", is_flag=True, help="Count, and remove nothing.")
@_artefacts_option
@storage_option
@json_option
def prune_command(
    older_than_days: float | None,
    contexts: tuple[int, ...],
    groups: tuple[int, ...],
    failed: bool,
    lost: bool,
    dry_run: bool,
    artefacts: str | None,
    storage: str,
    as_json: bool,
) -> None:
    """Remove evaluations for which all given conditions hold; trials of studies always stay."""
    database = Database(storage, create=False)
    found = prune(
        database,
        older_than_days=older_than_days,
        contexts=contexts,
        groups=groups,
        failed=failed,
        lost=lost,
        dry_run=dry_run,
        store=store_of(artefacts, database),
    )
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        click.echo(found.sentence())
    database.close()
