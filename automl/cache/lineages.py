"""Lineages: the contexts of one evaluator that differ in nothing but fidelity, and so share seeds and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterable

from automl.cache import keys
from automl.errors import InvalidInput
from automl.storage import transfers
from automl.storage.engine import Database
from automl.storage.fidelities import lineage


def lineages(database: Database) -> dict[int, int]:
    """Returns the lineage of each context, which is named by the context of it that came first."""
    first: dict[bytes, int] = {}
    found = {}
    for row in transfers.contexts(database):
        mark = keys.fingerprint(row.namespace, lineage(json.loads(row.description)))
        found[row.id] = first.setdefault(mark, row.id)
    return found


def chosen(database: Database, contexts: Iterable[int], of_lineages: Iterable[int]) -> list[int]:
    """Returns these contexts, and all that are of one lineage with one of the others.

    Raises:
        InvalidInput: a context does not exist.
    """
    known = lineages(database)
    contexts, of_lineages = set(contexts), set(of_lineages)
    if missing := sorted((contexts | of_lineages) - known.keys()):
        raise InvalidInput(f"there is no context {missing[0]}; `automl cache stats` lists them")
    wanted = {known[one] for one in of_lineages}
    return [one for one, first in known.items() if one in contexts or first in wanted]
