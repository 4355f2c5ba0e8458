"""Several runs of one search: their names, seeds and caches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automl.engine.config import StudyConfig
from automl.errors import InvalidInput
from automl.selection.ranking import derived_seed
from automl.settings import MOST, check, setting


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Settings of a repeated search: the number of runs, and whether these share a part of the cache.

    `of(config, name)` returns a list of (study name, `StudyConfig`) pairs. The runs differ in the seed, which is
    derived from the search's, and, unless `warm_cache` is True, in the namespace of the cache.

    Raises:
        InvalidInput: `repeats` is below 1, or `warm_cache` is True for a single run.

    Example:
        >>> runs = Runs(repeats=3).of(StudyConfig(seed=7), "cells")
        >>> [name for name, config in runs], len({config.seed for name, config in runs})
        (['cells/1', 'cells/2', 'cells/3'], 3)
    """

    repeats: int = setting(
        1,
        "How often the whole search is run, random search and tests included, each time with a seed of its own and in "
        "a cold part of the cache; one report is on all runs together.",
        group="Search",
        lowest=1,
        highest=MOST,
        unit="R",
        commands=("search",),
    )
    warm_cache: bool = setting(
        False,
        "Whether repeats share their part of the cache; they are not independent then, and the report says so.",
        group="Cache",
        flags="--warm-cache",
        commands=("search",),
    )

    def __post_init__(self) -> None:
        check(self)
        if self.warm_cache and self.repeats == 1:
            raise InvalidInput("a warm cache is shared by several runs; ask for them, as in --repeats 5 --warm-cache")

    def of(self, config: StudyConfig, name: str) -> list[tuple[str, StudyConfig]]:
        """Returns (name, settings) of each run. Names are NAME/1, NAME/2, …, which no user can give a study."""
        return [(f"{name}/{run}", self._config(config, name, run)) for run in range(1, self.repeats + 1)]

    def _config(self, config: StudyConfig, name: str, run: int) -> StudyConfig:
        return replace(
            config,
            seed=derived_seed(config.seed, f"run {run}"),
            namespace=config.namespace if self.warm_cache else f"{config.namespace}/{self._began_as() or name}/{run}",
            repeat={
                "study": name,
                "run": run,
                "seed": config.seed,
                "namespace": config.namespace,
                **({"caches": began} if (began := self._began_as()) else {}),
            },
        )

    def _began_as(self) -> str:
        """Returns the name that the search began under, where it was renamed: its parts of the cache keep that."""
        return ""


@dataclass(frozen=True, kw_only=True)
class RenamedRuns(Runs):
    """`Runs` of a search that was renamed.

    Attributes:
        caches: Name that the search began under.

    Example:
        >>> runs = RenamedRuns(repeats=2, caches="cells").of(StudyConfig(seed=7), "other")
        >>> [(name, config.namespace) for name, config in runs]
        [('other/1', 'default/cells/1'), ('other/2', 'default/cells/2')]
    """

    caches: str

    def _began_as(self) -> str:
        return self.caches


def common_config(runs: Sequence[Mapping[str, Any]]) -> tuple[StudyConfig, Runs]:
    """Returns the settings of a repeated search from the stored settings of its runs; the inverse of `Runs.of`.

    Args:
        runs: Stored settings of all runs of one search, at least one.

    Returns:
        The `StudyConfig` of the whole search, with the seed and namespace that the runs' were derived from, and the
        `Runs`.

    Example:
        >>> stored = [config.settings() for name, config in Runs(repeats=2).of(StudyConfig(seed=7), "cells")]
        >>> config, runs = common_config(stored)
        >>> config.seed, runs.repeats
        (7, 2)
    """
    first = StudyConfig.read(runs[0])
    assert first.repeat is not None
    whole = replace(first, seed=first.repeat["seed"], namespace=first.repeat["namespace"], repeat=None)
    warm, caches = first.namespace == whole.namespace, first.repeat.get("caches", "")
    if caches:
        return whole, RenamedRuns(repeats=len(runs), warm_cache=warm, caches=caches)
    return whole, Runs(repeats=len(runs), warm_cache=warm)
