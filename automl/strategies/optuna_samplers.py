"""Optuna's samplers (Akiba et al. 2019, arXiv 1907.10902) over declarative spaces, conditional ones included."""

from __future__ import annotations

import importlib.util
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xxhash

from automl.errors import InvalidInput
from automl.spaces.fields import Choice, Field, Integer, Real, Record, Repeat
from automl.spaces.options import copied
from automl.spaces.orders import Ordinal, Permutation, Subset
from automl.spaces.space import Space, forbids
from automl.strategies.base import FULL, Hashes, Proposal, Strategy, Told

_SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsgaiii": "NSGAIIISampler",
    "qmc": "QMCSampler",
}
_NEEDS = {"gp": "torch", "cmaes": "cmaes"}
_REPLAYED = frozenset({"cmaes", "nsgaiii", "qmc"})
"""Samplers that leave notes in their study and in the trials that they proposed, and go by them: generations, the
place in a sequence. History is led through them again, as if they had proposed it."""
_NUMBERING = frozenset({"cmaes", "qmc"})
"""Samplers that know no categories: the number of an option stands for it."""


@dataclass
class OptunaSampler(Strategy):
    """Strategy that uses a sampler of Optuna. Its Optuna study is kept in memory and rebuilt from the stored trials.

    Duplicates are reported to Optuna with the fitness from the cache, failures as failed trials. "cmaes" and "qmc" see
    a `Choice` as integers in the order of its options.

    Attributes:
        sampler: "tpe", "gp" (needs torch), "cmaes" (needs the package cmaes), "nsgaiii" or "qmc" (quasi-random).

    Raises:
        InvalidInput: the sampler is unknown, its package is missing, or the space declares no fields.

    Example:
        >>> import automl
        >>> import numpy as np
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 1000)
        >>> strategy = OptunaSampler(sampler="tpe")
        >>> strategy.bind(Line())
        >>> [proposal] = strategy.ask(1, np.random.default_rng(0))
        >>> 0 <= proposal.candidate.x <= 1000
        True
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
        self._numbering = self.sampler in _NUMBERING

    def bind(self, space: Space, fidelities: Sequence[float] = (FULL,), hashes: Hashes | None = None) -> None:
        if not space.record.fields:
            raise InvalidInput(
                f"Optuna's samplers need declared fields, and {space.kind} has none; take another strategy"
            )
        if forbids(space):
            raise InvalidInput(
                f"Optuna's samplers propose what allowed() of {space.kind} forbids; take another strategy"
            )
        super().bind(space, fidelities, hashes)

    def reset(self) -> None:
        self._study: Any = None

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        seed = int(rng.integers(2**31))
        with _quiet():
            study = self._begin(seed) if self._study is None else self._study
            if self.sampler not in _REPLAYED:
                study.sampler = self._sampler(seed)
            elif self._study is not None:
                study = pickle.loads(pickle.dumps(study))  # noqa: S301 -- our own copy, made this moment
                study.sampler = self._sampler(self._sequence if self.sampler == "qmc" else seed)
            proposals = []
            for _ in range(n):
                trial = study.ask()
                values = _suggest(self.space.record, "", trial, self._numbering)
                proposals.append(Proposal(self.space.from_fields(values)))
                if study is self._study:
                    study.tell(trial, state=_states().FAIL)  # so that it counts for nothing
            return proposals

    def tell(self, trials: Sequence[Told]) -> None:
        with _quiet():
            for trial in trials:
                if self._study is None:
                    # One scrambled sequence for a study, another one for another study.
                    self._sequence = xxhash.xxh32_intdigest(trial.candidate.json.encode())
                    self._study = self._begin(self._sequence)
                self._add(trial)

    def _add(self, trial: Told) -> None:
        import optuna

        params: dict[str, Any] = {}
        kinds: dict[str, Any] = {}
        _read(self.space.record, "", self.space.to_fields(trial.candidate), params, kinds, self._numbering)
        lost = _states().PRUNED if trial.pruned else _states().FAIL
        state = lost if trial.fitness is None else _states().COMPLETE
        if self.sampler not in _REPLAYED:
            self._study.add_trial(
                optuna.trial.create_trial(state=state, value=trial.fitness, params=params, distributions=kinds)
            )
            return
        self._study.enqueue_trial(params)
        asked = self._study.ask()
        _ = asked.relative_params  # this is where samplers make their notes
        _suggest(self.space.record, "", asked, self._numbering)
        self._study.tell(asked, trial.fitness, state=state)

    def _begin(self, seed: int) -> Any:
        import optuna

        return optuna.create_study(direction="maximize", sampler=self._sampler(seed))

    def _sampler(self, seed: int) -> Any:
        import optuna

        scrambled = {"scramble": True} if self.sampler == "qmc" else {}
        return getattr(optuna.samplers, _SAMPLERS[self.sampler])(seed=seed, **scrambled)


def _states() -> Any:
    from optuna.trial import TrialState

    return TrialState


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Optuna from logging each trial and from warning of samplers that it calls experimental."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _suggest(field: Field, path: str, trial: Any, numbering: bool) -> Any:
    """Returns a value of `field`, each of its single choices suggested under its path."""
    if isinstance(field, Record):
        return {name: _suggest(item, f"{path}.{name}", trial, numbering) for name, item in field.fields.items()}
    if isinstance(field, Choice):
        last = len(field.options) - 1
        if numbering or isinstance(field, Ordinal):
            option = field.options[trial.suggest_int(path, 0, last)]
        else:
            option = field.options[trial.suggest_categorical(path, list(range(last + 1)))]
        if not isinstance(option, Space):
            return copied(option)
        return {"kind": option.kind} | _suggest(option.record, f"{path}={option.kind}", trial, numbering)
    if isinstance(field, Integer):
        return trial.suggest_int(path, field.low, field.high, log=field.log, step=field.step)
    if isinstance(field, Real):
        return field.check(trial.suggest_float(path, field.low, field.high, log=field.log, step=field.step), path)
    if isinstance(field, Repeat):
        length = trial.suggest_int(f"{path}#", field.minimum, field.maximum)
        return [_suggest(field.item, f"{path}[{place}]", trial, numbering) for place in range(length)]
    if isinstance(field, Permutation):
        left = list(range(len(field.items)))
        taken = [left.pop(trial.suggest_int(f"{path}[{at}]", 0, len(left) - 1)) for at in range(len(left) - 1)]
        return field.listed([*taken, *left])
    if isinstance(field, Subset) and (field.minimum, field.maximum) == (0, len(field.items)):
        places = range(len(field.items))
        return field.listed([at for at in places if trial.suggest_categorical(f"{path}[{at}]", [False, True])])
    raise _unknown(field, path)


def _read(field: Field, path: str, value: Any, params: dict[str, Any], kinds: dict[str, Any], numbering: bool) -> None:
    """Writes into `params` and `kinds` what `_suggest` would have been answered for `value`."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(field, Record):
        for name, item in field.fields.items():
            _read(item, f"{path}.{name}", value[name], params, kinds, numbering)
    elif isinstance(field, Choice):
        last = len(field.options) - 1
        params[path] = field.number(value)
        in_order = numbering or isinstance(field, Ordinal)
        kinds[path] = IntDistribution(0, last) if in_order else CategoricalDistribution(list(range(last + 1)))
        option = field.options[params[path]]
        if isinstance(option, Space):
            _read(option.record, f"{path}={option.kind}", value, params, kinds, numbering)
    elif isinstance(field, Integer):
        params[path], kinds[path] = value, IntDistribution(field.low, field.high, log=field.log, step=field.step)
    elif isinstance(field, Real):
        params[path], kinds[path] = value, FloatDistribution(field.low, field.high, log=field.log, step=field.step)
    elif isinstance(field, Repeat):
        params[f"{path}#"], kinds[f"{path}#"] = len(value), IntDistribution(field.minimum, field.maximum)
        for place, item in enumerate(value):
            _read(field.item, f"{path}[{place}]", item, params, kinds, numbering)
    elif isinstance(field, Permutation | Subset):
        _read_items(field, path, value, params, kinds)
    else:
        raise _unknown(field, path)


def _read_items(
    field: Permutation | Subset, path: str, value: Any, params: dict[str, Any], kinds: dict[str, Any]
) -> None:
    """Does what `_read` does for fields of items."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(field, Permutation):
        left = list(range(len(field.items)))
        for at, place in enumerate(field.order(value)[:-1]):
            params[f"{path}[{at}]"], kinds[f"{path}[{at}]"] = left.index(place), IntDistribution(0, len(left) - 1)
            left.remove(place)
        return
    if (field.minimum, field.maximum) != (0, len(field.items)):
        raise _unknown(field, path)
    chosen = field.places(value, path, "")
    for at in range(len(field.items)):
        params[f"{path}[{at}]"], kinds[f"{path}[{at}]"] = at in chosen, CategoricalDistribution([False, True])


def _unknown(field: Field, path: str) -> InvalidInput:
    return InvalidInput(
        f"{path.lstrip('.')}: Optuna's samplers know Choice, Integer, Real and Repeat, Ordinal, Permutation and Subset "
        f"without bounds, not {field!r}; take another strategy"
    )
