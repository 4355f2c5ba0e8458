"""Hashing as a job: here where it is cheap and safe, in a process of its own where a candidate's own code runs.

Graphs, programs, configurations and expressions are interpreted by our own code and are hashed in this process.
Modules and functions are code of the candidate's own: what hangs, takes all memory or exits there ends a process beside
this one and costs that candidate its functional key. It is then keyed by its JSON. Keys and their order are the same
wherever they are made.
"""

from __future__ import annotations

import copy
import functools
import importlib
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from automl.behaviour import Function, Module, Probe
from automl.errors import InvalidInput
from automl.hashing.hasher import Hashed, Hasher
from automl.isolation.child import Child, ChildUnusable, Died, Raised
from automl.isolation.limits import OutOfTime, OwnExit, alarm, memory_here, no_exit
from automl.isolation.travel import pack
from automl.jsontext import parse
from automl.spaces.contract import costs_of
from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    from automl.behaviour import Behaviour

HASH_SECONDS = 300.0
"""Allowed for finding one key, unless somebody says otherwise."""

GUARDED = 0.9
"""The share of that after which a hasher gives up by itself."""

COSTS_REMEMBERED = 1 << 16
"""Candidates whose costs are remembered between their hash and their record, at most."""

Costs = tuple[Mapping[str, float], str]
"""A candidate's costs, and a sentence if there are none."""


class Reference(Protocol):
    """How another process finds the space: `automl.setup.targets.SpaceReference`."""

    @property
    def space(self) -> Space | None:
        """The space itself, where it is an object of the caller's program."""
        ...

    def load(self) -> Space:
        """Returns the space."""
        ...


class HashJobs:
    """Finds the keys of candidates.

    Args:
        space: gives behaviours and training settings.
        hasher: turns them into keys.
        reference: how a process beside this one finds the space; None hashes everything here.
        priced: the space whose costs are asked for, where it is another one of the same candidates.
        seconds: allowed for one candidate.
        memory: bytes that one candidate may take in the process beside this one; None takes half of what the
            machine has.

    Attributes:
        by_json: why candidates were keyed by their JSON, and how many.
        notice: a sentence where nothing can be hashed in a process of its own, else empty.

    Example:
        >>> import automl
        >>> from automl.hashing import Hasher
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> with HashJobs(Line(), Hasher()) as jobs:
        ...     [one] = jobs.hash([Line().decode({"x": 3})])
        >>> len(one.key), one.fallback
        (16, '')
    """

    def __init__(
        self,
        space: Space,
        hasher: Hasher,
        reference: Reference | None = None,
        *,
        priced: Reference | None = None,
        seconds: float = HASH_SECONDS,
        memory: int | None = None,
    ) -> None:
        self.space = space
        self.priced = space if priced is None or priced is reference else priced.load()
        self.hasher = hasher
        self.seconds = seconds
        self.by_json: Counter[str] = Counter()
        self.notice = ""
        self._reference = reference
        self._memory = memory
        self._child: Child | None = None
        self._costs: dict[str, Costs] = {}
        self._priced = None if self.priced is space else priced
        self._has_costs = _overrides(self.priced, "costs")

    def start(self, sample: Candidate) -> None:
        """Starts the process beside this one, if candidates such as `sample` need it: it takes seconds to load."""
        if self.foreign(sample) and self._child is None:
            self._start()

    def hash(self, candidates: Sequence[Candidate], *, features: bool = False) -> list[Hashed]:
        """Returns the key of each candidate, in order.

        Args:
            candidates: to be hashed.
            features: read the features of functions off the same runs.

        Raises:
            InvalidInput: settings are not JSON.
            OutOfTime: the space did not come back; this process ran its code.
            Exception: whatever the space raises in `behaviour` or `training`.
        """
        with self._limited(len(candidates)):
            pairs = [(self.space.behaviour(one), self.space.training(one)) for one in candidates]
        texts = [one.json for one in candidates]
        beside = []
        if not {behaviour.kind for behaviour, _ in pairs} <= _INTERPRETED:
            probe = self.hasher.probe
            beside = [place for place, (behaviour, _) in enumerate(pairs) if runs_own_code(behaviour, probe)]
        if beside and (self._child is not None or self._start()):
            found = self._hash_beside(beside, pairs, texts, features)
            here = [place for place in range(len(pairs)) if place not in found]
            if here:
                hashed = self._hash_here([pairs[place] for place in here], [texts[place] for place in here], features)
                found |= dict(zip(here, hashed, strict=True))
            keys = [found[place] for place in range(len(pairs))]
        else:
            keys = self._hash_here(pairs, texts, features) if pairs else []
        for one in keys:
            if one.fallback:
                self.by_json[one.fallback] += 1
        return keys

    def foreign(self, sample: Candidate) -> bool:
        """Tells whether hashing candidates such as `sample` runs code of their own, which takes what time it likes."""
        with self._limited(1):
            return runs_own_code(self.space.behaviour(sample), self.hasher.probe)

    def costs(self, candidates: Sequence[Candidate]) -> list[Costs]:
        """Returns the costs of each candidate, in order; those found with its key are not asked for again.

        Raises:
            OutOfTime: the space did not come back; this process ran its code.
        """
        if not self._has_costs:
            return [({}, "")] * len(candidates)
        with no_exit(), self._limited(len(candidates)):
            if not self._costs:
                return [costs_of(self.priced, one) for one in candidates]
            return [
                self._costs.pop(one.json) if one.json in self._costs else costs_of(self.priced, one)
                for one in candidates
            ]

    # --- in this process ---------------------------------------------------------------------------------------------

    def _limited(self, count: int) -> Any:
        return alarm(self.seconds * max(1, count))

    def _hash_here(
        self, pairs: Sequence[tuple[Behaviour, Mapping[str, Any]]], texts: Sequence[str], features: bool
    ) -> list[Hashed]:
        try:
            with no_exit(), self._limited(len(pairs)):
                return self.hasher.hash_many(pairs, texts, features=features)
        except (OutOfTime, OwnExit, SystemExit) as error:
            if len(pairs) == 1:
                behaviour, training = pairs[0]
                why, passing = _why(error, self.seconds), isinstance(error, OutOfTime)
                return [self.hasher.by_json(behaviour.kind, texts[0], training, why, passing=passing)]
        return [self._hash_here([pair], [text], features)[0] for pair, text in zip(pairs, texts, strict=True)]

    # --- beside this process -----------------------------------------------------------------------------------------

    def _start(self) -> bool:
        """Starts the process beside this one; False where there can be none."""
        if self._reference is None or self.notice:
            return False
        memory = memory_here() // 2 if self._memory is None else self._memory
        try:
            torch = bool(self.hasher.probe.inputs) or "torch" in sys.modules
            server = functools.partial(_server, self._reference, self._guarded(), torch, self._priced)
            packed = pack(server, self._reference.space)
        except InvalidInput as error:
            self._alone(f"it cannot be sent there ({error})")
            return False
        self._child = Child(packed, memory)
        return True

    def _guarded(self) -> Hasher:
        """Returns a hasher that gives up shortly before that process would be ended, and then says by which layer."""
        guarded = copy.copy(self.hasher)
        guarded.seconds = GUARDED * self.seconds
        return guarded

    def _alone(self, why: str) -> None:
        self.notice = (
            f"{self.space.kind} is hashed in this very process, with a limit of time and none of memory, and not in "
            f"one of its own: {why}"
        )

    def _hash_beside(
        self,
        places: Sequence[int],
        pairs: Sequence[tuple[Behaviour, Mapping[str, Any]]],
        texts: Sequence[str],
        features: bool,
    ) -> dict[int, Hashed]:
        """Returns the keys by place; those that are missing have to be found here."""
        assert self._child is not None
        found: dict[int, Hashed] = {}
        again: list[int] = []
        try:
            for place, answer in zip(
                places, self._answers([(texts[place], features) for place in places]), strict=True
            ):
                if isinstance(answer, Died):
                    again.append(place)  # somebody may have ended the process from outside
                else:
                    found[place] = self._hashed(answer, pairs[place], texts[place])
            for place in again:
                [answer] = self._answers([(texts[place], features)])
                found[place] = self._hashed(answer, pairs[place], texts[place])
        except ChildUnusable as error:
            self._child.close()
            self._child = None
            self._alone(f"{error}")
        return found

    def _answers(self, asked: Sequence[tuple[str, bool]]) -> Any:
        assert self._child is not None
        return self._child.answers(asked, self.seconds)

    def _hashed(self, answer: Any, pair: tuple[Behaviour, Mapping[str, Any]], text: str) -> Hashed:
        if isinstance(answer, tuple):
            hashed, costs = answer
            if costs is not None:
                if len(self._costs) >= COSTS_REMEMBERED:
                    self._costs.clear()
                self._costs[text] = costs
            return hashed
        behaviour, training = pair
        passing = None if isinstance(answer, Raised) else True
        return self.hasher.by_json(behaviour.kind, text, training, _said(answer, self.seconds), passing=passing)

    def close(self) -> None:
        """Ends the process beside this one."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def __enter__(self) -> HashJobs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_INTERPRETED = {"graph", "program", "configuration"}
"""Kinds of behaviours that are data, which our own code interprets."""


def runs_own_code(behaviour: Behaviour, probe: Probe) -> bool:
    """Tells whether hashing a behaviour runs code of the candidate's own, which may do anything.

    Args:
        behaviour: of the candidate.
        probe: of the hasher; a module without inputs to run on is not even built.
    """
    if behaviour.kind in _INTERPRETED:
        return False
    if isinstance(behaviour, Function):
        return not getattr(behaviour.call, "interpreted", False)
    if isinstance(behaviour, Module):
        return bool((behaviour.probe or probe).inputs)
    return True


def _overrides(space: Space, name: str) -> bool:
    return getattr(type(space), name) is not getattr(Space, name)


def _why(error: BaseException, seconds: float) -> str:
    if isinstance(error, OutOfTime):
        where = f", the last of it in {error.where}" if error.where else ""
        return f"hashing took longer than {seconds:g} s (--hash-timeout){where}"
    return f"the candidate asked for the end of the process: {type(error).__name__}: {error}"


def _said(answer: Any, seconds: float) -> str:
    if isinstance(answer, Died):
        return f"hashing it ended the process that did: it {answer}, twice"
    if isinstance(answer, Raised):
        return str(answer)
    return f"hashing took longer than {seconds:g} s (--hash-timeout)"


def _server(
    reference: Reference, hasher: Hasher, torch: bool, other: Reference | None = None
) -> Callable[[tuple[str, bool]], tuple[Hashed, Costs | None]]:
    """Loads the space over there, and torch where asked to; returns what hashes one candidate by its JSON."""
    space = reference.load()
    priced = space if other is None else other.load()
    if torch:  # seconds, which no candidate's limit pays
        importlib.import_module("automl.hashing.modules")
    has_costs = _overrides(priced, "costs")

    def run(asked: tuple[str, bool]) -> tuple[Hashed, Costs | None]:
        text, features = asked
        candidate = space.decode(parse(text))
        pair = (space.behaviour(candidate), space.training(candidate))
        hashed = hasher.hash_many([pair], [text], features=features)[0]
        return hashed, costs_of(priced, candidate) if has_costs else None

    return run
