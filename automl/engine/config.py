"""How a study is set up: settings that are stored with it and compared when it is resumed.

Each setting is declared once, here or in its own class (`Budget`, `Policy`, `RunConfig`, `PartSettings`).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from automl.cache.policy import Policy
from automl.errors import InvalidInput, brief
from automl.managing import MAX_NAME
from automl.pool import machine
from automl.rules import BEGIN_FROM_CONTEXT, Budget
from automl.settings import MOST, NOTHING, Declared, check, declared, setting
from automl.strategies.pruning import Pruner

ALL_COMMANDS = ("search", "resume", "baseline")


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Settings of a study other than its space, evaluator, strategy, budget and cache policy.

    Example:
        >>> settings = StudySettings(seed=3, confirm=5)
        >>> settings.confirm, settings.finalists, settings.test_seeds  # the others have defaults
        (5, 3, 3)
    """

    seed: int = setting(
        0, "What everything random follows from.", group="Search", lowest=0, highest=(1 << 64) - 1, unit="K"
    )
    window: int | None = setting(
        None,
        "How many trials may be under way; a strategy is told a trial this much later.",
        group="Search",
        lowest=1,
        highest=MOST,
        otherwise="four a worker (surrogate: one), up to 64 where an evaluation costs next to nothing; of a stored "
        "study, its own",
        unit="W",
    )
    asynchronous: bool = setting(
        False,
        "Whether each result is told as it comes, instead of in trial order; the same seed then gives other trials.",
        group="Search",
        flags="--asynchronous/--deterministic",
        commands=("search",),
    )
    prune: str | None = setting(
        None,
        "Rule by which evaluations that report learning curves are asked to stop early: median, percentile:P, "
        "patience:N, asha:N or hyperband:N.",
        group="Search",
        otherwise="the strategy's own, if it has one",
        before=None,
        unit="RULE",
        commands=("search",),
    )
    enqueue: Sequence[Any] = setting(
        (),
        "Candidates that are proposed first: JSON data, its text, `study.best`, rows of a data frame.",
        group="Search",
        unit="FILE.jsonl",
        commands=("search",),
    )
    begin_from: Sequence[str] = setting(
        (),
        "Known results to begin from: context (all that this part of the cache knows), or names of studies. Results of "
        "the same evaluations are told to the strategy, the same functions' results in others order the first "
        "evaluations.",
        group="Search",
        otherwise="none",
        before=(),
        unit="context|STUDY",
        commands=("search",),
    )
    namespace: str = setting(
        "default", "A part of the cache of its own; another one is cold.", group="Cache", unit="NAME"
    )
    baseline: bool | float = setting(
        True,
        "Whether random search with equal evaluations follows. A share, such as 0.25, gives it so many of them; it is "
        "then compared with the search's own first ones.",
        group="Evidence",
        lowest=0,
        highest=1,
        unit="SHARE",
        commands=("search",),
    )
    finalists: int = setting(
        3,
        "How many of the best classes, of the search and of random search, are evaluated on the test part.",
        group="Evidence",
        lowest=1,
        highest=MOST,
        unit="N",
    )
    front: int = setting(
        10,
        "How many members of the Pareto front of a search with several objectives are evaluated on the test part too, "
        "those that lie farthest apart.",
        group="Evidence",
        lowest=0,
        highest=MOST,
        before=0,
        unit="N",
    )
    trained: int = setting(
        12,
        "How many of the best-rated classes the final evaluator evaluates, in a search that rates first (--final).",
        group="Evidence",
        lowest=1,
        highest=MOST,
        before=12,
        unit="N",
        commands=("search",),
    )
    confirm: int = setting(
        2,
        "How many replicates a class has at least before it is reported as best; the best of both searches by the mean "
        "over them are the finalists. 1: the figures that the searches had decide.",
        group="Evidence",
        lowest=1,
        highest=MOST,
        before=1,
        unit="N",
    )
    winner_by: Literal["replicates", "model", "both"] = setting(
        "replicates",
        "How the winners of both searches are picked: by the mean over replicates of the best (see confirm), by what a "
        "model expects of their classes, fitted to each search's own trials (no further evaluations), or by the mean "
        "over replicates of those that the model expects most of.",
        group="Evidence",
        before="replicates",
    )
    test_seeds: int = setting(3, "Fresh seeds of each test figure.", group="Evidence", lowest=1, highest=MOST, unit="N")
    sample: int = setting(
        24,
        "How many uniformly sampled candidates stand for the average random architecture.",
        group="Evidence",
        lowest=2,
        highest=MOST,
        unit="N",
        commands=("search",),
    )


@dataclass(frozen=True, kw_only=True)
class StudyConfig(StudySettings):
    """All settings that are stored with a study, except its space, evaluator and strategy. A resumed study must have
    equal ones.

    Attributes:
        window: Largest number of trials in flight, as in `StudySettings` but resolved to a number.
        budget: Limits at which the study ends.
        policy: Settings for what happens when an equivalence class is met again.
        repeat: Dict that identifies one run of a repeated search: "study" is the name of the search, "run" the number
            of the run from 1, "seed" and "namespace" the values of the search that those of the run were derived from.
            None for a search that runs once.

    Raises:
        InvalidInput: a value is out of range.

    Example:
        >>> config = StudyConfig(seed=3, window=64, budget=Budget(trials=1000))
        >>> StudyConfig.read(config.settings()) == config  # the stored settings are complete
        True
    """

    window: int = 1
    budget: Budget = Budget()
    policy: Policy = Policy()
    repeat: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check(self)
        if self.prune is not None:
            Pruner.read(self.prune)
            several = {
                "replicates": self.policy.replicates > 1,
                "forget_probability": self.policy.forget_probability > 0,
                "audit_probability": self.policy.audit_probability > 0,
            }
            if named := [name for name, asked in several.items() if asked]:
                raise InvalidInput(
                    f"prune={self.prune!r} with {named[0]}={getattr(self.policy, named[0])!r}: several evaluations of "
                    "one class would stop at several epochs, and which comes first would decide; leave one of them out"
                )
        if list(self.begin_from) == ["none"]:
            object.__setattr__(self, "begin_from", ())
        if BEGIN_FROM_CONTEXT in self.begin_from and len(self.begin_from) > 1:
            raise InvalidInput(
                f"begin_from={list(self.begin_from)}: {BEGIN_FROM_CONTEXT} stands for all that is known; give it "
                "alone, or names of studies"
            )
        if not self.namespace:
            raise InvalidInput("namespace is empty: give it a name, such as 'default'")
        if len(self.namespace) > MAX_NAME or "\0" in self.namespace:
            raise InvalidInput(f"namespace {brief(self.namespace, 60)} is too long, or holds a NUL; take another name")

    def settings(self) -> dict[str, Any]:
        """Returns the JSON form that is stored."""
        found = {name: getattr(self._home(name), name) for name in STORED}
        given = {"enqueue": list(self.enqueue), "begin_from": list(self.begin_from)}
        return {**found, **given, "repeat": self.repeat}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> StudyConfig:
        """Reads stored settings. A missing setting gets the value that versions without it used."""
        known = {**UNKNOWN_BEFORE, **stored}
        budget, policy, own = (
            {name: known[name] for name in declared(kind) if name in known} for kind in (Budget, Policy, StudySettings)
        )
        return cls(budget=Budget(**budget), policy=Policy(**policy), repeat=stored.get("repeat"), **own)

    def _home(self, name: str) -> Any:
        return self.budget if name in declared(Budget) else self.policy if name in declared(Policy) else self


STORED: Mapping[str, Declared] = {**declared(Budget), **declared(Policy), **declared(StudySettings)}
"""The settings that are stored with a study, by name; all others are of one run of it only."""

UNKNOWN_BEFORE = {name: one.setting.before for name, one in STORED.items() if one.setting.before is not NOTHING}
"""Values assumed for settings missing from studies of older versions."""


def environment() -> dict[str, str]:
    """Returns the versions of libraries and a description of this machine. They are recorded with a study and never
    compared.

    Returns:
        Mapping from "python", "platform", "coordinator" or the name of a library to text; "not installed" for a missing
        library.

    Example:
        >>> {"python", "numpy", "torch", "coordinator"} <= set(environment())
        True
    """
    packages = ("automl-functional-hashing", "torch", "ray", "numpy", "optuna", "sqlalchemy")
    found = {"python": platform.python_version(), "platform": platform.platform(), "coordinator": machine()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def differences(stored: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Returns one phrase for each setting in which two JSON objects differ, such as "trials: 100, now 200".

    Returns:
        List of str, sorted by name; empty if the objects are equal.

    Example:
        >>> differences({"trials": 100, "seed": 0}, {"trials": 200, "seed": 0})
        ['trials: 100, now 200']
    """
    found: list[str] = []
    for name in sorted({*stored, *given}):
        old, new = stored.get(name), given.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{name}.")
        elif _in_json(old) != _in_json(new):
            found.append(f"{prefix}{name}: {brief(old)}, now {brief(new)}")
    return found


def _in_json(value: Any) -> Any:
    """Returns a value as it is stored: a tuple comes back as a list."""
    if isinstance(value, list | tuple):
        return [_in_json(one) for one in value]
    return {name: _in_json(one) for name, one in value.items()} if isinstance(value, Mapping) else value
