"""The trials of a study as a data frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from automl.jsontext import canonical, parse
from automl.storage.records import TrialRecord

if TYPE_CHECKING:
    import pandas


def trials_frame(trials: Iterable[TrialRecord], fidelities: Mapping[int, Mapping[str, Any]]) -> pandas.DataFrame:
    """Returns one row per trial, see `Study.trials_dataframe`.

    Args:
        trials: in order.
        fidelities: settings of the fidelity by number of the context; what is not in it is full.

    Example:
        >>> trials_frame([], {}).empty
        True
    """
    import pandas

    said = {number: canonical(settings) if settings else "" for number, settings in fidelities.items()}
    rows = [
        {
            "number": trial.number,
            "outcome": trial.outcome,
            "fitness": trial.fitness,
            "fidelity": said.get(trial.context, ""),
            "candidate": trial.candidate,
            "key": trial.key.hex(),
            "replicates": trial.replicates,
            "origin": trial.origin,
            "parents": trial.parents,
            "paid_seconds": trial.paid_seconds,
            "saved_seconds": trial.saved_seconds,
            "hash_seconds": trial.hash_seconds,
            "told_at": trial.told_at,
            "error": trial.error,
            **{f"metrics.{name}": value for name, value in trial.metrics.items()},
            **{f"costs.{name}": value for name, value in trial.costs.items()},
            **fields_of(parse(trial.candidate)),
        }
        for trial in trials
    ]
    return pandas.DataFrame(rows)


def fields_of(value: Any, path: str = "field") -> dict[str, Any]:
    """Returns the fields of a candidate by path; empty for one that is no JSON object.

    Example:
        >>> fields_of({"lr": 0.1, "blocks": [{"width": 8}]})
        {'field.lr': 0.1, 'field.blocks[0].width': 8}
    """
    if isinstance(value, dict):
        inner = [fields_of(item, f"{path}.{name}") for name, item in value.items()]
    elif isinstance(value, list):
        inner = [fields_of(item, f"{path}[{place}]") for place, item in enumerate(value)]
    else:
        return {path: value} if path != "field" else {}
    return {name: item for found in inner for name, item in found.items()}
