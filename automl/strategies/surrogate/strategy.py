"""Search by a surrogate: a model of what is known chooses the next candidate from a pool of functions never evaluated.

The parts are old, their mixture is our own: a Gaussian process with one covariance for each group of features, weighted
by marginal likelihood; expected improvement over a pool of samples and mutants (as White et al. 2021, BANANAS,
arXiv 1910.11858, and Wei et al. 2022, NPENAS, arXiv 2003.12857, rank theirs by networks); a pool that no function is in
twice, by the functional hash (Gillard et al. 2023, arXiv 2302.05433), and features of functions off the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from automl.errors import InvalidInput
from automl.selection.objectives import read_constraints, read_objectives
from automl.strategies.base import FULL, Proposal, Strategy, Told
from automl.strategies.surrogate.judging import Judge
from automl.strategies.surrogate.model import Model
from automl.strategies.surrogate.pool import keys_of

LEARNABLE = 2
"""Functions that were told before the model is asked what is good: of one alone nothing is large or small."""

TRIES = 40
"""Rounds of sampling in which nothing new was found, after which what was evaluated is proposed again."""


@dataclass
class Surrogate(Strategy):
    """Bayesian optimisation over a pool: random candidates first, then those with the largest expected improvement.

    The model is a Gaussian process over the declared fields and, for functions that the hasher can describe by numbers,
    these features. A trial in flight counts as evaluated, with its predicted value. Failed evaluations rank below all
    others. A function that was evaluated or is in flight is not proposed again, as long as another can be found.

    Use it if an evaluation costs more than a proposal, which takes some milliseconds.

    Attributes:
        first: Number of random candidates before the model is used. A window that is wider than that begins with these,
            and with candidates that lie far apart.
        hashed: Number of candidates that are made after each evaluation, half samples, half mutants of the ten best.
        kept: Largest number of candidates in the pool.
        features: If False, the features of functions are not used.
        own_code: If True, candidates are hashed although that runs code of their own (networks, functions), so that the
            pool holds each function once and their features are learned from. Each costs what a hash costs, some tens
            of milliseconds for a network: make `hashed` small.
        objectives: Text such as "accuracy:maximize,parameters:minimize", of metrics of the evaluator and costs of the
            space. If empty, the study's own objective is the only one.
        constraints: Text such as "parameters<1e6,latency<=20".

    Raises:
        InvalidInput: a setting cannot be read or is out of range; in `tell`, a metric does not exist.

    Example:
        >>> import automl
        >>> class Bowl(automl.Space):
        ...     x = automl.Real(-1.0, 1.0)
        >>> strategy, rng = Surrogate(), np.random.default_rng(0)
        >>> strategy.bind(Bowl())
        >>> for number in range(15):
        ...     [one] = strategy.ask(1, rng)
        ...     strategy.tell([Told(number, one.candidate, fitness=-((one.candidate.x - 0.3) ** 2))])
        >>> abs(one.candidate.x - 0.3) < 0.05
        True
    """

    name: ClassVar[str] = "surrogate"

    first: int = 5
    hashed: int = 100
    kept: int = 1500
    features: bool = True
    own_code: bool = False
    objectives: str = ""
    constraints: str = ""

    per_worker = 1

    def __post_init__(self) -> None:
        for setting, least in (("first", 1), ("hashed", 2), ("kept", 10)):
            if getattr(self, setting) < least:
                raise InvalidInput(f"{setting}={getattr(self, setting)}: the surrogate needs at least {least}")
        self.wants = ("hashes", "own code") if self.own_code else ("hashes",)
        self._objectives = read_objectives(self.objectives)
        self._constraints = read_constraints(self.constraints)

    def reset(self) -> None:
        self._judge = Judge(self.priced or self.space, self._objectives, self._constraints)
        self._model = Model(self.space, self.hashes, self._judge, self.hashed, self.kept, self.features)

    def tell(self, trials: Sequence[Told]) -> None:
        for trial in trials:  # one at a time, so that the order counts and not how the history was cut into batches
            if trial.fidelity == FULL:
                self._model.learn(trial)

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        pending = [one.candidate for one in self.pending]
        under_way = dict(zip(keys_of(self.hashes, pending), pending, strict=True))
        # What is under way counts as evaluated, so a wide window begins with as many random candidates as a narrow one.
        begun = self._model.told + len(under_way)
        proposals = self._random(min(n, self.first - begun), set(under_way), rng) if begun < self.first else []
        if (wanted := n - len(proposals)) == 0:
            return proposals
        if proposals:
            drawn = [one.candidate for one in proposals]
            under_way |= dict(zip(keys_of(self.hashes, drawn), drawn, strict=True))
        choose = self._model.choose if self._model.told >= LEARNABLE else self._model.spread
        chosen = choose(wanted, under_way, rng)
        proposals += [
            Proposal(member.candidate, "mutate" if member.parents else "sample", member.parents) for member in chosen
        ]
        if len(proposals) < n:
            taken = {*under_way, *(member.key for member in chosen)}
            proposals += self._random(n - len(proposals), taken, rng)
        return proposals

    def expected(self) -> list[tuple[int, float]]:
        """Returns the numbers of the trials that were told, those first of which the model expects most, with what it
        expects: their value without the luck of their one evaluation, on the model's own scale.

        Trials that failed or break a constraint are not among them, nor what was told so long ago that the model has
        left it out.
        """
        return self._model.expected()

    def account(self) -> dict[str, Any]:
        """Returns how well the model foretells each trial from the others, and which groups of numbers carry it.

        Its entries: `trials`, `rank_correlation` (Spearman's, of expected with measured values), `within_half` and
        `within_95` (shares of measurements inside the intervals that should hold one half and 95 % of them), `shares`
        of the variance by group, and `noise`, the share of one evaluation's luck. Empty with fewer than ten trials.
        """
        return self._model.account()

    def _random(self, n: int, taken: set[bytes], rng: np.random.Generator) -> list[Proposal]:
        """Returns samples whose functions are new; known ones where no others are found, for a hit costs nothing."""
        found: list[Proposal] = []
        for _ in range(TRIES):
            drawn = self.space.guess_many(2 * n, rng)
            for candidate, key in zip(drawn, keys_of(self.hashes, drawn), strict=True):
                if len(found) < n and key not in taken and not self._model.knows(key):
                    taken.add(key)
                    found.append(Proposal(candidate))
            if len(found) == n:
                return found
        if self._model.exhausted(self.space.size()):
            return found
        return found + [Proposal(candidate) for candidate in self.space.sample_many(n - len(found), rng)]
