"""Several runs of one search: their names, seeds and caches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from automl.engine.config import UNKNOWN_BEFORE, StudyConfig
from automl.errors import InvalidInput
from automl.selection.ranking import derived_seed


@dataclass(frozen=True)
class Runs:
    """How often a whole search is run.

    Attributes:
        number: of runs.
        warm_cache: whether they share a namespace, so that each finds what those before it evaluated.

    Raises:
        InvalidInput: fewer than one run, or a shared cache for one.
    """

    number: int
    warm_cache: bool = False

    def __post_init__(self) -> None:
        if self.number < 1:
            raise InvalidInput(f"repeats={self.number}: it must be 1 or more")
        if self.warm_cache and self.number == 1:
            raise InvalidInput("a warm cache is shared by several runs; ask for them, as in --repeats 5 --warm-cache")

    def of(self, config: StudyConfig, name: str) -> list[tuple[str, StudyConfig]]:
        """Returns each run's name (NAME/1, NAME/2, …) and settings; no user can give a study such a name."""
        return [(f"{name}/{run}", self._config(config, name, run)) for run in range(1, self.number + 1)]

    def _config(self, config: StudyConfig, name: str, run: int) -> StudyConfig:
        return replace(
            config,
            seed=derived_seed(config.seed, f"run {run}"),
            namespace=config.namespace if self.warm_cache else f"{config.namespace}/{name}/{run}",
            repeat={"study": name, "run": run, "seed": config.seed, "namespace": config.namespace},
        )


def config_of(settings: Mapping[str, Any]) -> StudyConfig:
    """Reads a study's settings again; what a study of an older version did not know is as it was then."""
    settings = {**UNKNOWN_BEFORE, **settings}
    known = {field.name: settings[field.name] for field in fields(StudyConfig) if field.name in settings}
    return StudyConfig(**{**known, "enqueue": tuple(known.get("enqueue", ()))})


def common_config(runs: Sequence[Mapping[str, Any]]) -> tuple[StudyConfig, Runs]:
    """Returns what the stored settings of several runs have in common, and how they differ."""
    first = config_of(runs[0])
    assert first.repeat is not None
    whole = replace(first, seed=first.repeat["seed"], namespace=first.repeat["namespace"], repeat=None)
    return whole, Runs(len(runs), warm_cache=first.namespace == whole.namespace)
