"""What a study saved by stopping evaluations early."""

from __future__ import annotations

from statistics import median

from automl.cache.store import EquivalenceCache
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore

_ASKED = 200
"""Full evaluations whose learning curves say how many epochs one has, at most."""


def stopped_early(store: StudyStore, cache: EquivalenceCache, record: StudyRecord) -> str:
    """Returns a sentence on the evaluations that were asked to stop; empty where none was.

    Epochs are those that evaluations reported. One that stopped would have gone on to the last epoch that full ones
    have.
    """
    rule = record.settings.get("prune")
    if not rule:
        return ""
    fidelities = store.fidelities(record.id)
    reached: list[float] = []
    full: dict[int, list[bytes]] = {}
    trials = 0
    for trial in store.trials(record.id):
        trials += 1
        settings = fidelities.get(trial.context, {})
        if "reached" in settings:
            reached.append(float(settings["reached"]))
        elif trial.fitness is not None and len(keys := full.setdefault(trial.context, [])) < _ASKED:
            keys.append(trial.key)
    if not reached:
        return f"No evaluation was stopped early by the rule {rule}."
    lasts = [
        curve.epochs[-1]
        for context, keys in full.items()
        for curves in cache.learning_curves(context, keys).values()
        for curve in curves.values()
    ]
    said = f"{len(reached):,} of {trials:,} trials were stopped early by the rule {rule}"
    said += f", at epoch {median(reached):g} in the median"
    if not lasts:
        return f"{said}."
    last = max(lasts)
    saved, all_epochs = sum(max(0.0, last - epoch) for epoch in reached), last * trials
    return f"{said}: {saved:,.4g} of {all_epochs:,.4g} epochs were not needed ({saved / all_epochs:.0%})."
