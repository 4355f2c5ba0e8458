"""An ensemble of a finished study: a pool trains what is missing, then the delivery chooses and measures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from automl import registry
from automl.cache.policy import FreshSeeds
from automl.cache.versions import COMMAND, version_of
from automl.delivery.ensemble import Ensemble
from automl.delivery.model import Delivery, TrainedModel
from automl.delivery.selecting import ensemble_of
from automl.engine.config import StudyConfig
from automl.engine.phase_studies import PhaseStudies
from automl.engine.phases import Phases
from automl.engine.run_config import RunConfig
from automl.engine.running import open_pool, stoppable
from automl.engine.signals import StopSignals
from automl.errors import InvalidInput
from automl.evaluators.delivery import Delivers, delivers
from automl.hashing import HASHER_VERSION
from automl.observers import closed_at_end
from automl.selection import ranking
from automl.selection.objectives import objectives_of
from automl.settings import declared
from automl.storage.engine import Database
from automl.storage.records import TrialRecord
from automl.study import Study

NOTED = "ensemble"
"""Name under which a study notes its latest ensemble."""


def of_study(study: Study, most: int, library: int, artefacts: str | None, given: Mapping[str, Any]) -> Ensemble:
    """Makes an ensemble of the best networks of a study, see `Study.ensemble`.

    Args:
        study: one run.
        most: number of choices.
        library: number of classes to choose among.
        artefacts: where the study's weights are; None takes the place that it has noted.
        given: settings of `RunConfig`: where and how missing networks are trained.

    Raises:
        InvalidInput: see `Study.ensemble`.
    """
    for name, value in (("k", most), ("library", library)):
        if value < 1:
            raise InvalidInput(f"{name}={value}: give at least 1")
    if unknown := set(given) - set(declared(RunConfig)):
        raise InvalidInput(registry.unknown("setting", min(unknown), declared(RunConfig)))
    run = RunConfig(**given)
    record = study.store.by_id(study.record_id)
    if version_of(record.settings) != HASHER_VERSION:
        raise InvalidInput(
            f"study {study.name} was searched under another version of the functional hash; `{COMMAND} --storage "
            f"{study.database.url_shown}` gives it new keys, and then it can have an ensemble"
        )
    evaluator = delivers(study.parts.evaluator)
    if type(evaluator).mixed is Delivers.mixed:
        evaluator.mixed([], [])  # says that it joins none
    among = _library(study, library)
    noted = record.settings.get("environment", {}).get("artefacts")
    place = artefacts or (noted if isinstance(noted, str) else None)
    spent = 0.0
    if Delivery(study.database, study.name, record.id, study.settings, study.parts, place).missing(among):
        spent = _trained(study, among, replace(run, storage=study.database.url, artefacts=place))
    began = time.perf_counter()
    delivery = Delivery(study.database, study.name, record.id, study.settings, study.parts, place)
    models: list[TrainedModel] = []
    numbers: list[int] = []
    for trial in among:
        try:
            models.append(delivery.model(trial))
            numbers.append(trial.number)
        except InvalidInput:
            if trial is among[0]:
                raise  # what cannot be handed over is the study's best
    found = ensemble_of(models, numbers, 0, study.parts.objective, study.parts.direction, most)
    found = replace(found, seconds={"trained": spent, "joined": time.perf_counter() - began})
    study.store.note(record.id, NOTED, found.to_json())
    return found


def _library(study: Study, most: int) -> list[TrialRecord]:
    """Returns one trial of each class of the search that may be chosen, its best first."""
    found = study.best
    ranked = ranking.best_classes(study.store, study.record_id, most, objectives_of(study.settings))
    best = ranked[0] if found.trial is None or found.record is None else found.record  # random search has its own
    others = [one for one in ranked if one.key != best.key]
    return [best, *others][:most]


def _trained(study: Study, among: list[TrialRecord], run: RunConfig) -> float:
    """Trains what is missing, and returns the seconds that were paid for it."""
    config = StudyConfig.read(study.settings)
    chosen = [(ranking.decoded(study.space, one), ranking.OF_ENSEMBLE) for one in among]
    with closed_at_end(run.observers), StopSignals() as signals, open_pool(study.parts, run) as pool:
        signals.install()
        database = Database(run.storage, claim_timeout=run.claim_timeout)
        try:
            with Phases(study.parts, config, run, database, pool) as phases:
                record = phases.store.by_id(study.record_id)
                with (
                    stoppable(signals, phases.interrupt, study.name),
                    phases.coordinated(record) as cache,
                ):
                    made = PhaseStudies(phases.store, record).ensemble(chosen)
                    phases.measure(made, cache, chosen, FreshSeeds([1] * len(chosen)))
                return sum(one.paid_seconds for one in phases.store.trials(made.id))
        finally:
            database.close()
