"""The contract of strategies: ask proposes candidates, tell learns from their fitness.

A strategy does no I/O, never sees the cache, and holds no random state: `ask` is a function of what was told before and
of the generator it is given. So it is rebuilt after a crash by telling it the history again, in order.
Subclasses are frozen-settings dataclasses: their fields are what `--set key=value` reaches.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    from automl.evaluators.artefacts import Artefact
    from automl.evaluators.base import Evaluator

FULL = 1.0
"""The fidelity of a full evaluation."""


@dataclass(slots=True)  # not frozen: every trial makes one, and frozen ones take four times as long to make
class Proposal:
    """Candidate that a strategy proposes, with its origin. Treat it as immutable.

    Attributes:
        candidate: The proposed candidate.
        origin: Way in which it was made: "sample", "mutate", "crossover" or "enqueued".
        parents: Numbers of the trials whose candidates were varied; below 0 for results that were known before.
        fidelity: Budget fraction of its evaluation, one of those that `bind` was given; 1 for a full evaluation.

    Example:
        >>> Proposal(Candidate({"x": 3}), origin="mutate", parents=(4,)).fidelity
        1.0
    """

    candidate: Candidate
    origin: str = "sample"
    parents: tuple[int, ...] = ()
    fidelity: float = FULL


@dataclass(slots=True)  # not frozen, as above
class Told:
    """Finished trial, as a strategy is told of it. Treat it as immutable.

    Attributes:
        number: Number of the trial.
        candidate: Candidate that was proposed.
        fitness: Fitness to maximize (negated if the study minimizes); None if the evaluation failed.
        metrics: Mapping from metric name to value, for strategies with several objectives; empty if the evaluation
            failed.
        duplicate: True if the fitness came from the cache and no evaluation was run.
        fidelity: Budget fraction as proposed; fitness is comparable only among trials of one fidelity.
        parents: Numbers of the trials whose candidates were varied, as proposed.
        pruned: True if its evaluation stopped early, being worse than others at that epoch; it has no fitness then.
        costs: Mapping from name to cost of this very candidate, as it was recorded: what is measured (a latency) comes
            out differently when it is measured again, and a resumed search must see the same.

    Example:
        >>> Told(7, Candidate({"x": 3}), fitness=None).metrics  # its evaluation failed
        {}
    """

    number: int
    candidate: Candidate
    fitness: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    duplicate: bool = False
    fidelity: float = FULL
    parents: tuple[int, ...] = ()
    pruned: bool = False
    costs: Mapping[str, float] = field(default_factory=dict)


class Hashes(Protocol):
    """Protocol by which a strategy asks for the keys and features of candidates before it proposes them. Nothing is
    evaluated.

    Example:
        >>> class Exact:
        ...     def keys(self, candidates):
        ...         return [one.json.encode() for one in candidates]
        ...
        ...     def features(self, candidates):
        ...         return [{} for _ in candidates]
        >>> hashes: Hashes = Exact()
        >>> hashes.keys([Candidate({"x": 1})])
        [b'{"x":1}']
    """

    def keys(self, candidates: Sequence[Candidate]) -> list[bytes]:
        """Returns the key of each candidate, in order; candidates with equal keys have equal results."""
        ...

    def features(self, candidates: Sequence[Candidate]) -> Sequence[Mapping[str, np.ndarray]]:
        """Returns numbers that say what each candidate's function is like, by group of features; empty where it has
        none. Equal functions have equal ones.
        """
        ...


class Strategy(ABC):
    """Base class of strategies, which propose candidates. Subclasses are dataclasses whose fields are settings.

    `bind` gives a strategy its space; then `ask` returns proposals and `tell` passes their results.

    Attributes:
        space: Space of the proposed candidates.
        priced: Space whose costs count, where candidates are trained at other sizes than the space's; else None. The
            caller sets it before `bind`.
        fidelities: Budget fractions that proposals may ask for, ascending; the last is 1, a full evaluation.
        pending: Proposals in flight (asked and not told yet), in the order proposed. The caller sets it before each
            `ask`; most strategies need not use it.
        wants: Names of what `bind` must give in addition to the space: "hashes", and "own code" to have them also where
            hashing runs the candidates' own code, which may take long; "artefacts" for the contents of `artefacts`, by
            name, as the argument `artefacts` of `bind`; empty for nothing.
        hashes: Object that returns keys and features of candidates, for strategies that want it; None if hashing would
            run the candidates' own code and the strategy does not want that.
        per_worker: Number of trials in flight for each worker, unless the user sets it; None leaves it to the search.
        accounts: Name under which a study notes what `account` returns.
        prunes: Rule by which evaluations are asked to stop early (`automl.strategies.pruning.Pruner`), unless the user
            sets one; empty for none.

    Example:
        >>> from dataclasses import dataclass
        >>> import automl
        >>> @dataclass
        ... class Climb(Strategy):
        ...     name = "climb"
        ...     best = None
        ...
        ...     def ask(self, n, rng):
        ...         if self.best is None:
        ...             return [Proposal(self.space.sample(rng)) for _ in range(n)]
        ...         mutants = (self.space.mutate(self.best.candidate, rng) for _ in range(n))
        ...         return [Proposal(one, "mutate", (self.best.number,)) for one in mutants]
        ...
        ...     def tell(self, trials):
        ...         met = [one for one in (self.best, *trials) if one is not None and one.fitness is not None]
        ...         self.best = max(met, key=lambda one: one.fitness, default=None)
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> climb, rng = Climb(), np.random.default_rng(0)
        >>> climb.bind(Line())
        >>> [one] = climb.ask(1, rng)
        >>> climb.tell([Told(0, one.candidate, fitness=1.0)])
        >>> climb.ask(1, rng)[0].parents
        (0,)
    """

    name: ClassVar[str]
    space: Space
    priced: Space | None = None
    fidelities: Sequence[float] = (FULL,)
    pending: Sequence[Proposal] = ()
    wants: Collection[str] = ()
    hashes: Hashes | None = None
    per_worker: int | None = None
    accounts: ClassVar[str] = "model"
    prunes: str = ""

    def fitted(self, trials: int, given: Collection[str]) -> Strategy:
        """Returns the strategy with the settings that nobody gave fitted to a budget; itself unless overridden.

        Args:
            trials: number of trials, or of evaluations, that a new search may take.
            given: names of the settings that the user or the space has given.
        """
        return self

    def rungs(self, offered: Sequence[float]) -> Sequence[float]:
        """Returns which of the fidelities that an evaluator offers it will ask for; full evaluations unless overridden.

        Args:
            offered: budget fractions, ascending; the last is 1, a full evaluation.

        Raises:
            InvalidInput: the strategy needs fidelities that are not offered.
        """
        return (FULL,)

    def artefacts(self, space: Any, evaluator: Evaluator, seed: int) -> Sequence[Artefact]:
        """Returns what has to be made before the strategy can propose, such as a supernet; nothing unless overridden.

        Each is made once, by a worker, and kept. Its seconds are charged to the search: random search gets them too.

        Args:
            space: `automl.setup.targets.SpaceReference` of the space that is searched.
            evaluator: that the strategy will learn from, with its data.
            seed: of the search.

        Raises:
            InvalidInput: it cannot be made for this space or evaluator.
        """
        return ()

    def bind(self, space: Space, fidelities: Sequence[float] = (FULL,), hashes: Hashes | None = None) -> None:
        """Gives the strategy its space and the fidelities that it may ask for. Everything told is forgotten.

        Args:
            space: space of the proposed candidates.
            fidelities: budget fractions that proposals may ask for, ascending; the last is 1.
            hashes: object that returns keys and features, for strategies with "hashes" in `wants`.
        """
        self.space = space
        self.hashes = hashes
        self.fidelities = tuple(fidelities)
        self.pending = ()
        self.reset()

    def reset(self) -> None:
        """Forgets everything told. Subclasses with state of their own override it."""

    @abstractmethod
    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """Returns `n` proposals, drawing only from `rng`; fewer only when the space is known to be exhausted."""

    @abstractmethod
    def tell(self, trials: Sequence[Told]) -> None:
        """Learns from finished trials, given in the order of the study."""

    def begin(self, known: Sequence[Told]) -> None:
        """Learns from results that were known before the search, right after `bind`: as `tell` does, unless overridden.

        Args:
            known: the results, the best last, with numbers below 0.
        """
        self.tell(known)

    def account(self) -> dict[str, Any]:
        """Returns what it learned of the space, as JSON data for the report of a finished search; empty by default."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Returns the JSON settings that determine the proposals."""
        return dataclasses.asdict(self) if dataclasses.is_dataclass(self) else {}
