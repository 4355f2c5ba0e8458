"""Fidelity groups: contexts of one evaluator that differ in fidelity alone, and so share seeds and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterable

from automl.cache import keys
from automl.errors import InvalidInput
from automl.storage import transfers
from automl.storage.engine import Database
from automl.storage.fidelities import at_full_fidelity


def fidelity_groups(database: Database) -> dict[int, int]:
    """Returns the fidelity group of each context, which is named by the context of it that came first."""
    first: dict[bytes, int] = {}
    found = {}
    for row in transfers.contexts(database):
        mark = keys.fingerprint(row.namespace, at_full_fidelity(json.loads(row.description)))
        found[row.id] = first.setdefault(mark, row.id)
    return found


def chosen(database: Database, contexts: Iterable[int], of_groups: Iterable[int]) -> list[int]:
    """Returns these contexts, and all that are of one fidelity group with one of the others.

    Raises:
        InvalidInput: a context does not exist.
    """
    known = fidelity_groups(database)
    contexts, of_groups = set(contexts), set(of_groups)
    if missing := sorted((contexts | of_groups) - known.keys()):
        raise InvalidInput(f"there is no context {missing[0]}; `automl cache stats` lists them")
    wanted = {known[one] for one in of_groups}
    return [one for one, first in known.items() if one in contexts or first in wanted]
