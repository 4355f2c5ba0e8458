"""What a stored study refuses, looked at before workers are started: Ray takes many seconds to begin."""

from __future__ import annotations

from automl.engine.config import StudyConfig
from automl.engine.lifecycle import Lifecycle
from automl.engine.repeats import Runs
from automl.engine.run_config import RunConfig
from automl.evaluators.fingerprints.describing import description
from automl.hashing import Hasher
from automl.managing import ADOPTS
from automl.setup.parts import Parts
from automl.storage.engine import Database
from automl.storage.managing import insist_free
from automl.storage.studies import StudyStore


def check_stored(
    parts: Parts, config: StudyConfig, run: RunConfig, name: str | None, runs: Runs | None, wider: bool
) -> None:
    """Refuses to go on with a stored study that has other settings, or that a living process runs.

    The device is what the settings ask for. Where the workers turn out to have another one, the same is found later.

    Args:
        parts, config, run, name, runs: as of `automl.engine.running.execute`.
        wider: whether the study is given a larger budget.

    Raises:
        StudyMismatch: it has other settings; each difference is named.
        StudyBusy: a living process runs it.
        InvalidInput: its name stands for something else.
    """
    if name is None or not Database.exists(run.storage):
        return
    device = "cuda" if run.gpus_per_worker else "cpu"
    evaluator = parts.evaluator.for_device(device)
    same = evaluator is parts.evaluator
    hasher = Hasher(evaluator.probe(), space_source=parts.reference.code.digest)
    database = Database(run.storage, create=False)
    try:
        store = StudyStore(database)
        described = parts.described if same else description(evaluator)

        def lifecycle(given: StudyConfig) -> Lifecycle:
            more = dict.fromkeys(("trials", "evaluations", "hours", "until")) if wider else None
            return Lifecycle(parts, given, store, evaluator, described, hasher, (), more)

        every = [(name, config)] if runs is None else runs.of(config, name)
        lifecycle(config).check_runs(name, None if runs is None else len(every))
        for own, given in every:
            found = store.find(own)
            if found is not None and ADOPTS not in found.settings:
                lifecycle(given).check(own)
        records = [one for one in (store.find(name), *store.runs(name)) if one is not None]
        insist_free(database, [one.id for one in records])
    finally:
        database.close()
