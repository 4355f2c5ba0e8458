"""Optuna's samplers (Akiba et al. 2019, arXiv 1907.10902) over declarative spaces, conditional ones included."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from automl.errors import InvalidInput
from automl.fields import Choice, Field, Integer, Real, Record, Repeat
from automl.space import Candidate, Space
from automl.strategies.base import FULL, Proposal, Strategy, Told

_SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsgaiii": "NSGAIIISampler",
    "qmc": "QMCSampler",
}
_NEEDS = {"gp": "torch", "cmaes": "cmaes"}


@dataclass
class OptunaSampler(Strategy):
    """One of Optuna's samplers, asked and told through a study in memory that is made anew from history each time.

    Duplicates are told with the fitness that the cache gave them, failures as failed trials.

    Attributes:
        sampler: "tpe", "gp" (needs torch), "cmaes" (needs the package cmaes), "nsgaiii" or "qmc" (quasi-random).

    Raises:
        InvalidInput: an unknown sampler, one whose package is missing, or a space that declares no fields.
    """

    name: ClassVar[str] = "optuna"

    sampler: str = "tpe"

    def __post_init__(self) -> None:
        if self.sampler not in _SAMPLERS:
            raise InvalidInput(
                f"sampler={self.sampler!r}: there is no such sampler; take one of {', '.join(_SAMPLERS)}"
            )
        for package in ("optuna", *filter(None, [_NEEDS.get(self.sampler)])):
            if importlib.util.find_spec(package) is None:
                raise InvalidInput(f"sampler={self.sampler!r} needs the package {package}; run pip install {package}")

    def bind(self, space: Space, fidelities: Sequence[float] = (FULL,)) -> None:
        if type(space).sample is not Space.sample or not space.record.fields:
            raise InvalidInput(
                f"Optuna's samplers need declared fields, and {space.kind} has none; take another strategy"
            )
        super().bind(space, fidelities)

    def reset(self) -> None:
        self._history: list[Any] = []

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        import optuna

        seed = int(rng.integers(2**31))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = getattr(optuna.samplers, _SAMPLERS[self.sampler])(seed=seed)
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            study = optuna.create_study(direction="maximize", sampler=sampler)
            study.add_trials(self._history)
            return [Proposal(Candidate(_suggest(self.space.record, "", study.ask()))) for _ in range(n)]
        finally:
            optuna.logging.set_verbosity(verbosity)

    def tell(self, trials: Sequence[Told]) -> None:
        import optuna

        for trial in trials:
            params: dict[str, Any] = {}
            kinds: dict[str, Any] = {}
            _read(self.space.record, "", trial.candidate.value, params, kinds)
            state = optuna.trial.TrialState.FAIL if trial.fitness is None else optuna.trial.TrialState.COMPLETE
            self._history.append(
                optuna.trial.create_trial(state=state, value=trial.fitness, params=params, distributions=kinds)
            )


def _suggest(field: Field, path: str, trial: Any) -> Any:
    """Returns a value of `field`, each of its single choices suggested under its path."""
    if isinstance(field, Record):
        return {name: _suggest(item, f"{path}.{name}", trial) for name, item in field.fields.items()}
    if isinstance(field, Choice):
        option = field.options[trial.suggest_categorical(path, list(range(len(field.options))))]
        if not isinstance(option, Space):
            return option
        return {"kind": option.kind} | _suggest(option.record, f"{path}={option.kind}", trial)
    if isinstance(field, Integer):
        return trial.suggest_int(path, field.low, field.high)
    if isinstance(field, Real):
        return trial.suggest_float(path, field.low, field.high, log=field.log)
    if isinstance(field, Repeat):
        length = trial.suggest_int(f"{path}#", field.minimum, field.maximum)
        return [_suggest(field.item, f"{path}[{place}]", trial) for place in range(length)]
    raise _unknown(field, path)


def _read(field: Field, path: str, value: Any, params: dict[str, Any], kinds: dict[str, Any]) -> None:
    """Writes into `params` and `kinds` what `_suggest` would have been answered for `value`."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(field, Record):
        for name, item in field.fields.items():
            _read(item, f"{path}.{name}", value[name], params, kinds)
    elif isinstance(field, Choice):
        params[path] = _number(field, value)
        kinds[path] = CategoricalDistribution(list(range(len(field.options))))
        option = field.options[params[path]]
        if isinstance(option, Space):
            _read(option.record, f"{path}={option.kind}", value, params, kinds)
    elif isinstance(field, Integer):
        params[path], kinds[path] = value, IntDistribution(field.low, field.high)
    elif isinstance(field, Real):
        params[path], kinds[path] = value, FloatDistribution(field.low, field.high, log=field.log)
    elif isinstance(field, Repeat):
        params[f"{path}#"], kinds[f"{path}#"] = len(value), IntDistribution(field.minimum, field.maximum)
        for place, item in enumerate(value):
            _read(field.item, f"{path}[{place}]", item, params, kinds)
    else:
        raise _unknown(field, path)


def _number(field: Choice, value: Any) -> int:
    from automl.jsontext import canonical

    kind = value.get("kind") if isinstance(value, Mapping) else None
    for number, option in enumerate(field.options):
        if (isinstance(option, Space) and option.kind == kind) or (
            not isinstance(option, Space) and canonical(option) == canonical(value)
        ):
            return number
    raise InvalidInput(f"{value!r} is none of the options {field.options!r}")


def _unknown(field: Field, path: str) -> InvalidInput:
    return InvalidInput(
        f"{path.lstrip('.')}: Optuna's samplers know Choice, Integer, Real and Repeat, not {type(field).__name__}; "
        "take another strategy"
    )
