"""An evaluator with what finds its keys: a search has one, or one that rates and one that decides."""

from __future__ import annotations

from dataclasses import dataclass

from automl.engine.run_config import RunConfig
from automl.evaluators.base import Evaluator
from automl.evaluators.fingerprints.describing import Description, description
from automl.hashing import Hasher
from automl.hashing.isolated import HashJobs
from automl.setup.parts import Parts


@dataclass(frozen=True)
class Stage:
    """An evaluator with what finds the keys of its evaluations.

    Attributes:
        evaluator: with what depends on the device fixed.
        described: what stands for it in contexts.
        hasher, jobs: find keys on its probe.
        objective, direction: of its evaluations.
        rates: whether it rates in a search that another evaluator decides.
    """

    evaluator: Evaluator
    described: Description
    hasher: Hasher
    jobs: HashJobs
    objective: str
    direction: str
    rates: bool


def rater_of(parts: Parts, run: RunConfig, device: str) -> Stage | None:
    """Returns what rates in a search that another evaluator decides; None for other searches."""
    given = parts.rating
    if given is None:
        return None
    evaluator = given.evaluator.for_device(device)
    described = given.described if evaluator is given.evaluator else description(evaluator)
    hasher = Hasher(evaluator.probe(), space_source=parts.reference.code.digest)
    jobs = HashJobs(
        parts.space, hasher, parts.reference, priced=parts.priced, seconds=run.hash_seconds, memory=run.memory_bytes
    )
    return Stage(evaluator, described, hasher, jobs, given.objective, given.direction, rates=True)
