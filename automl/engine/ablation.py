"""Trains what a study has tested again, with tricks of training left out, or under other settings of the evaluator.

Each such protocol is a study of its own, `NAME/without-TRICK`, with the same cache and a pool like any other: what has
been trained is served, and what was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automl import registry
from automl.cache.policy import FreshSeeds
from automl.engine.blame import blaming
from automl.engine.config import StudyConfig
from automl.engine.phase_studies import PhaseStudies
from automl.engine.phases import Phases
from automl.engine.run_config import RunConfig
from automl.engine.running import StopSignals, open_pool, stoppable
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator, Work
from automl.evaluators.fingerprints.describing import description
from automl.jsontext import canonical
from automl.selection import ranking
from automl.selection.ranking import RANDOM_SAMPLE, RANDOM_WINNER, SEARCH_WINNER
from automl.setup.parts import Parts
from automl.spaces.space import Candidate
from automl.storage.engine import Database
from automl.storage.records import StudyRecord
from automl.storage.studies import StudyStore
from automl.strategies.random import Random

ALL = "all tricks"
"""Name of the protocol without any trick."""

SEARCHED = "the settings of the ratings"
"""Name of the protocol of the evaluator that rated, in a study that another one decides."""


@dataclass(frozen=True)
class Protocol:
    """One protocol of an ablation.

    Attributes:
        name: a trick that is left out, `ALL`, or what the settings are.
        without: names of the tricks that are left out.
        settings: other settings of the evaluator.
        evaluator: with them.
    """

    name: str
    without: tuple[str, ...]
    settings: Mapping[str, Any]
    evaluator: Evaluator

    def json(self) -> dict[str, Any]:
        """Returns what is stored of it."""
        return {"name": self.name, "without": list(self.without), "settings": dict(self.settings)}


def protocols_of(
    parts: Parts, tricks: Sequence[str] | None, settings: Mapping[str, Any], seed: int = 0
) -> list[Protocol]:
    """Returns the protocols of an ablation: each trick left out, all of them, and other settings where there are any.

    Args:
        parts: of the study.
        tricks: names; None takes all that the evaluator has.
        settings: of the evaluator, for one protocol more.
        seed: of the sample that tells which tricks there are.

    Raises:
        InvalidInput: the evaluator has no such trick or setting, or nothing that could be left out.
    """
    space, evaluator = parts.space, parts.evaluator
    with blaming(f"space {space.kind} fails on a sample"):
        one = space.sample(np.random.default_rng(seed))
        work = Work(space.behaviour(one), space.training(one), one.json)
    known = list(evaluator.tricks(work))
    for name in tricks or ():
        if name not in known:
            raise InvalidInput(registry.unknown(f"trick of this study's {evaluator.name}", name, known))
    chosen = known if tricks is None else list(dict.fromkeys(tricks))
    found = [Protocol(name, (name,), {}, evaluator.without([name], work)) for name in chosen]
    if len(chosen) > 1:
        found.append(Protocol(ALL, tuple(chosen), {}, evaluator.without(chosen, work)))
    if settings:
        name = ", ".join(f"{key}={canonical(value)}" for key, value in settings.items())
        found.append(Protocol(name, (), settings, _with(parts, settings)))
    rater = None if parts.rating is None else parts.rating.evaluator
    if rater is not None and rater.has_test_part and parts.objective in rater.metrics:
        found.append(Protocol(SEARCHED, (), {}, rater))
    if not found:
        raise InvalidInput(
            f"the training of this study is plain: evaluator {evaluator.name} has no tricks to leave out; name other "
            "settings to compare with (--set KEY=VALUE)"
        )
    return found


def check_candidates(parts: Parts, protocols: Sequence[Protocol], candidates: Sequence[Candidate]) -> None:
    """Insists that what is left out is left out of every candidate's training: a space may settle it for some alone.

    Raises:
        InvalidInput: a candidate's training has a setting of its own that a trick is made by.
    """
    for one in candidates:
        with blaming(f"space {parts.space.kind} fails on a tested candidate"):
            work = Work(parts.space.behaviour(one), parts.space.training(one), one.json)
        for protocol in protocols:
            if not protocol.without:
                continue
            try:
                parts.evaluator.without(protocol.without, work)
            except InvalidInput as error:
                raise InvalidInput(f"without {protocol.name}: {error} (candidate {one.json})") from None


def _with(parts: Parts, settings: Mapping[str, Any]) -> Evaluator:
    from automl.settings import known

    evaluator: Any = parts.evaluator
    menu = known(type(evaluator))
    for name in settings:
        if name not in menu or name in ("task", "space"):
            raise InvalidInput(registry.unknown(f"setting of {evaluator.name}", name, sorted(menu)))
    changed: Evaluator = replace(evaluator, **settings)
    changed.settings()
    return changed.for_space(parts.reference)


def ablate(
    parts: Parts,
    name: str,
    run: RunConfig,
    tricks: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Trains the winners of a finished study and its random sample under each protocol, and stores the figures.

    Args:
        parts: of the study.
        name: of the study.
        run: where and how it runs.
        tricks: names of tricks; None takes all that the evaluator has.
        settings: other settings of the evaluator, for one protocol more.

    Raises:
        InvalidInput: the study is not finished or tested nothing, there is no such trick, or a tested candidate
            settles it itself.
        Stopped: somebody asked to stop; the same call goes on.
    """
    protocols = protocols_of(parts, tricks, settings or {})
    database = Database(run.storage, create=False, claim_timeout=run.claim_timeout)
    try:
        store = StudyStore(database)
        record = store.find(name)
        if record is None or record.state != "finished":
            raise InvalidInput(f"study {name!r} is not finished; go on with it first: automl resume {name}")
        chosen, seeds = _chosen(parts, store, record)
        check_candidates(parts, protocols, [candidate for candidate, _ in chosen])
        with StopSignals() as signals:
            for protocol in protocols:
                mine = replace(parts, evaluator=protocol.evaluator, rating=None, strategy=Random())
                with open_pool(mine, run) as pool:
                    signals.install()
                    config = StudyConfig.read(record.settings)
                    with (
                        Phases(mine, config, run, database, pool) as phases,
                        stoppable(signals, phases.interrupt, name),
                    ):
                        _one(phases, store, record, protocol, chosen, seeds)
    finally:
        database.close()


def _chosen(parts: Parts, store: StudyStore, record: StudyRecord) -> tuple[list[tuple[Candidate, str]], list[int]]:
    """Returns what is trained, the winner of each search and the random sample, and the seeds of each."""
    tests = [child for child in store.phase_studies(record.id) if child.kind == "test"]
    found: list[tuple[Candidate, str]] = []
    seeds: list[int] = []
    if tests:
        own = int(tests[-1].settings["seeds"])
        met: set[str] = set()
        for trial in store.by_number(tests[-1].id):
            first = trial.origin in (SEARCH_WINNER, RANDOM_WINNER) and trial.origin not in met
            if first or trial.origin == RANDOM_SAMPLE:
                met.add(trial.origin)
                found.append((ranking.decoded(parts.space, trial), trial.origin))
                seeds.append(1 if trial.origin == RANDOM_SAMPLE else own)
    if not found:
        raise InvalidInput(f"study {record.name!r} has tested nothing, so there is nothing to train again")
    return found, seeds


def _one(
    phases: Phases,
    store: StudyStore,
    record: StudyRecord,
    protocol: Protocol,
    chosen: Sequence[tuple[Candidate, str]],
    seeds: Sequence[int],
) -> None:
    """Trains the chosen candidates under one protocol."""
    with phases.coordinated(record) as cache:
        stands = dict(description(phases.evaluator).stands)
        studies = PhaseStudies(store, record)
        study = studies.ablation({**protocol.json(), "seeds": list(seeds)}, stands, chosen, phases.evaluator)
        phases.measure(study, cache, chosen, FreshSeeds(list(seeds)))
