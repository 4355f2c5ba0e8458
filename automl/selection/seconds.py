"""What the evaluations behind a study's trials take, whoever paid for them."""

from __future__ import annotations

from automl.storage.studies import StudyStore


def seconds_of_evaluations(store: StudyStore, study: int) -> float:
    """Returns the seconds of the evaluations of a study's classes, each class once.

    What the cache has served counts as what it took when somebody ran it: a comparison at equal seconds would otherwise
    flatter whoever finds its evaluations done.

    Args:
        store: of the study.
        study: number of the study.
    """
    met: set[bytes] = set()
    total = 0.0
    for trial in store.trials(study):
        if trial.paid_seconds:
            total += trial.paid_seconds
        elif trial.key not in met:
            total += trial.saved_seconds * trial.replicates
        met.add(trial.key)
    return total
