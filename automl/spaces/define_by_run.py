"""Spaces whose choices are made while a candidate is built: `def build(self, choose)`, as in Optuna.

A thin layer: the choices that one run of `build` asks for are fields like any others, kept by name, and a candidate's
JSON holds their values. What a run asks for may depend on what it was given. (The idea: Akiba et al., KDD 2019.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from automl.behaviour import Behaviour, Configuration, Module
from automl.errors import InvalidCandidate, InvalidSpace
from automl.spaces.declared import check_name
from automl.spaces.field import Field
from automl.spaces.fields import Choice
from automl.spaces.options import copied, shown
from automl.spaces.ranges import Integer, Real
from automl.spaces.space import Candidate, Space


class Choose:
    """What `build` is given: each call makes one choice, under a name of its own.

    Args:
        answer: returns the value of a choice, given its name and field.

    Attributes:
        fields: the choices of this run by name, in order.
        values: their values.

    Example:
        >>> choose = Choose(lambda name, field: field.default)
        >>> choose("width", 16, 32, default=32), choose.integer("depth", 1, 4, default=2)
        (32, 2)
    """

    def __init__(self, answer: Callable[[str, Field], Any]) -> None:
        self._answer = answer
        self.fields: dict[str, Field] = {}
        self.values: dict[str, Any] = {}

    def __call__(self, name: str, *options: Any, **more: Any) -> Any:
        """Returns one of the options; `default=` as in `Choice`."""
        return self.field(name, Choice(*options, **more))

    def integer(self, name: str, low: int, high: int, **more: Any) -> int:
        """Returns a whole number from `low` to `high`; `log=`, `step=` and `default=` as in `Integer`."""
        return int(self.field(name, Integer(low, high, **more)))

    def real(self, name: str, low: float, high: float, **more: Any) -> float:
        """Returns a number from `low` to `high`; `log=`, `step=` and `default=` as in `Real`."""
        return float(self.field(name, Real(low, high, **more)))

    def field(self, name: str, field: Field) -> Any:
        """Returns a value of a field of any kind.

        Raises:
            InvalidSpace: the name is no text, or stands for another field in this run.
        """
        if not isinstance(name, str):
            raise InvalidSpace(
                f"choose({shown(name)}, …): give the choice a name first, such as choose('width', 16, 32)"
            )
        check_name("choose", name)
        if name in self.values:
            if not _same(self.fields[name], field):
                raise InvalidSpace(f"choose({name!r}, …) is asked twice, with other options; take another name")
        else:
            self.fields[name] = field
            self.values[name] = copied(self._answer(name, field))
        return copied(self.values[name])  # `build` may append to it: the candidate stays


class DefineByRun(Space):
    """Base class of spaces without declared fields, whose `build(self, choose)` asks for its choices while it runs.

    `build` returns a torch module, or anything else where a function of the candidate evaluates. It runs whenever a
    candidate is made or read, so it should build quickly and do nothing else.

    Example:
        >>> import numpy as np
        >>> class Net(DefineByRun):
        ...     def build(self, choose):
        ...         from torch import nn
        ...         layers = [nn.LazyLinear(choose(f"width {i}", 8, 16)) for i in range(choose.integer("depth", 1, 3))]
        ...         return nn.Sequential(*layers, nn.LazyLinear(2))
        >>> space, rng = Net(), np.random.default_rng(0)
        >>> candidate = space.sample(rng)
        >>> len(candidate.value) == 1 + candidate.value["depth"]  # what was asked for
        True
        >>> len(space.behaviour(candidate).build()) == 1 + candidate.value["depth"]
        True
        >>> space.decode({"depth": 1, "width 0": 8, "width 1": 8})
        Traceback (most recent call last):
        automl.errors.InvalidCandidate: candidate: build does not ask for 'width 1' here
    """

    def build(self, choose: Any) -> Any:
        """Returns what a candidate builds, and asks `choose` for its choices on the way; define it."""
        raise InvalidSpace(f"space {self.kind} has no `build`: define build(self, choose)")

    def sample(self, rng: np.random.Generator) -> Candidate:
        return self._allowed(lambda: self._run(lambda _, field: field.sample(rng))[0])

    def guess_many(self, n: int, rng: np.random.Generator) -> list[Candidate]:
        return [self._allowed(lambda: self._run(lambda _, field: field.guess(rng))[0]) for _ in range(n)]

    def believed(self, rng: np.random.Generator) -> Candidate | None:
        """Returns the candidate of all defaults, where the choices that it meets have some."""
        candidate, choose, _ = self._run(lambda _, field: field.believed(rng))
        believes = any(field.believes for field in choose.fields.values())
        return candidate if believes and self.allowed(candidate) else None

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a candidate with one choice changed. Choices that are met for the first time then are drawn."""
        _, choose, _ = self._run(self._given(candidate))
        weights = {name: field.mutable(choose.values[name]) for name, field in choose.fields.items()}
        many = sum(weights.values())
        for _ in range(100 if many else 0):
            drawn = int(rng.integers(many))
            changed = next(name for name in weights if (drawn := drawn - weights[name]) < 0)
            values = {**choose.values, changed: choose.fields[changed].mutate(choose.values[changed], rng)}
            child = self._run(_kept(values, rng))[0]
            if child != candidate and self.allowed(child):
                return child
        return candidate

    def crossover(self, one: Candidate, other: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a candidate that takes each choice from one of both, as far as they have it."""
        for _ in range(100):
            names = sorted({*one.value, *other.value})
            both = {name: (one if rng.random() < 0.5 else other) for name in names}
            values = {name: whose.value.get(name, (one.value | other.value)[name]) for name, whose in both.items()}
            child = self._run(_kept(values, rng))[0]
            if self.allowed(child):
                return child
        return one

    def decode(self, value: Any) -> Candidate:
        if not isinstance(value, Mapping):
            raise InvalidCandidate(f"candidate: {shown(value)} is not an object with a value for each choice")
        candidate = Candidate(self._run(self._given(Candidate(dict(value))))[1].values)
        if unknown := sorted(set(value) - set(candidate.value)):
            raise InvalidCandidate(f"candidate: build does not ask for {', '.join(map(repr, unknown))} here")
        if not self.allowed(candidate):
            raise InvalidCandidate(f"candidate: {candidate.json} is not allowed in {self.kind}, see its allowed()")
        return candidate

    def size(self) -> int | None:
        """Returns None: what there is shows only while it is built."""
        return None

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns a `Module` where `build` returns a torch module, else a `Configuration` of the values."""
        built = self._run(self._given(candidate))[2]
        if hasattr(built, "state_dict") and hasattr(built, "forward"):
            return Module(build=lambda: self._run(self._given(candidate))[2])
        return Configuration(candidate.value)

    def _run(self, answer: Callable[[str, Field], Any]) -> tuple[Candidate, Choose, Any]:
        choose = Choose(answer)
        built = self.build(choose)
        if not choose.values:
            raise InvalidSpace(f"space {self.kind}: build asks for no choice; call choose(name, …) in it")
        return Candidate(choose.values), choose, built

    def _given(self, candidate: Candidate) -> Callable[[str, Field], Any]:
        values = candidate.value

        def answer(name: str, field: Field) -> Any:
            if name not in values:
                raise InvalidCandidate(f"candidate: {name!r} is missing, which build asks for")
            return field.check(values[name], f"candidate.{name}")

        return answer

    def _allowed(self, make: Callable[[], Candidate]) -> Candidate:
        for _ in range(1000):
            if self.allowed(candidate := make()):
                return candidate
        raise InvalidSpace(f"space {self.kind}: allowed() refused 1,000 candidates on end; let build offer more")


def _same(one: Any, other: Any) -> bool:
    """Tells whether two fields have the same kind and settings, whatever their defaults; what they show is cut."""
    if isinstance(one, Field) and isinstance(other, Field):
        settings = ({name: value for name, value in vars(each).items() if name != "default"} for each in (one, other))
        return type(one) is type(other) and _same(*settings)
    if isinstance(one, Space) and isinstance(other, Space):
        return one.kind == other.kind and _same(one.record, other.record)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(np.all(one == other))  # a field of the user's may hold an array


def _kept(values: Mapping[str, Any], rng: np.random.Generator) -> Callable[[str, Field], Any]:
    """Answers with values that are there and still fit, and draws others."""

    def answer(name: str, field: Field) -> Any:
        try:
            return field.check(values[name], name) if name in values else field.sample(rng)
        except InvalidCandidate:
            return field.sample(rng)

    return answer
