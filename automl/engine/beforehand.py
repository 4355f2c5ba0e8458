"""What the user should know before anything is evaluated."""

from __future__ import annotations

import numpy as np

from automl.cache.versions import waiting_sentence
from automl.engine.bill import bill
from automl.engine.blame import blaming
from automl.engine.identity import change_since, said_once
from automl.engine.looping import Looping
from automl.hashing.unseen import unseen_fields
from automl.selection.objectives import objectives_of
from automl.storage.records import StudyRecord


def say_beforehand(search: Looping, record: StudyRecord) -> None:
    """Says what the user should know before anything is evaluated."""
    _warn_of_unseen_fields(search, record)
    if not record.trials and (said := said_once(search.lifecycle.settings()["looked_at"])):
        for observer in search.observers:
            observer.note(said)
    if not record.trials:
        goals, rates = objectives_of(record.settings), search.parts.rating is not None
        for observer in search.observers:
            observer.note(bill(search.config, search.evaluator, search.parts.strategy, goals, rates=rates))
    if not record.trials and (waiting := waiting_sentence(search.database)):
        search.warn(waiting)
    if changed := change_since(search.evaluator.name, search.described, search.store):
        search.warn(changed)


def _warn_of_unseen_fields(search: Looping, record: StudyRecord) -> None:
    """Says which fields no key sees, when a study begins: all values of such a field share one result."""
    if record.trials or not search.parts.space.record.fields:
        return
    rng = np.random.default_rng(search.config.seed)
    with blaming(f"space {search.parts.space.kind} fails on some of its candidates"):
        unseen = unseen_fields(search.parts.space, search.jobs, rng)
    if search.jobs.notice:
        search.warn(search.jobs.notice)
    if unseen:
        search.warn(
            f"no key ever sees {', '.join(map(repr, unseen))} of {search.parts.space.kind}, so candidates that "
            "differ only there share one result; use them in build(), or return them from training()"
        )
