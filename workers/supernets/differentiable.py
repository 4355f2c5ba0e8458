"""Differentiable search: a relaxed network is trained once, and proposes the candidates that its weights prefer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from automl.artefacts.content import Content
from automl.errors import InvalidInput
from automl.evaluators.artefacts import Artefact
from automl.evaluators.base import Evaluation, Evaluator
from automl.setup.targets import SpaceReference
from automl.spaces.space import Candidate, Space
from automl.strategies.base import FULL, Hashes, Proposal, Strategy, Told
from workers.networks.arrays import arrays_task
from workers.remembered import described
from workers.supernets.relaxation_settings import RelaxationSettings, options_weights

if TYPE_CHECKING:
    from automl.evaluators.task import Task

RELAXATION = "relaxation"
"""Name of the artefact."""

_TRIES = 20


@dataclass
class Differentiable(RelaxationSettings, Strategy):
    """Differentiable architecture search, first order (Liu, Simonyan and Yang, ICLR 2019, arXiv 1806.09055).

    Before the first proposal the space's relaxed network is trained on the training part of the evaluator's task: in
    turn its own weights on one half, and the weights of its options on the other. The trained network is an artefact of
    the study; its seconds are charged, and random search gets them too. The first proposal has the options of the
    largest weights, the following ones are drawn by the weights, more evenly where what is drawn has been proposed
    before.

    Example:
        >>> from search_spaces.nas.digits_cells import DigitsCells
        >>> logits = np.zeros((6, 5), dtype=np.float32)
        >>> logits[:, 3] = 2.0
        >>> strategy, rng = Differentiable(), np.random.default_rng(0)
        >>> strategy.bind(DigitsCells(), artefacts={"relaxation": Content.of({"more.logits.cell": logits}, {})})
        >>> strategy.ask(1, rng)[0].candidate.value  # the largest weights
        '|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|'
    """

    name: ClassVar[str] = "differentiable"
    wants = ("artefacts",)

    def artefacts(self, space: SpaceReference, evaluator: Evaluator, seed: int) -> Sequence[Artefact]:
        """Returns the relaxed network of the space, to be trained on the evaluator's data.

        Raises:
            InvalidInput: the evaluator has no task of arrays, or the space no relaxed network.
        """
        given: Any = evaluator
        if not hasattr(given, "task"):
            raise InvalidInput(
                f"strategy differentiable trains on the task of the evaluator, and {evaluator.name} has none; take "
                "another strategy"
            )
        held = space.load()
        held.relaxed()  # or says what is missing
        task = arrays_task(given.data() if hasattr(given, "data") else given.task)
        return (RelaxationArtefact(space, task, RelaxationSettings(**self.recipe()), seed),)

    def bind(
        self,
        space: Space,
        fidelities: Sequence[float] = (FULL,),
        hashes: Hashes | None = None,
        artefacts: Mapping[str, Content] | None = None,
    ) -> None:
        """Takes the weights of the options from the trained network.

        Raises:
            InvalidInput: there is none.
        """
        super().bind(space, fidelities, hashes)
        if not artefacts or RELAXATION not in artefacts:
            raise InvalidInput("strategy differentiable needs its trained network; let a search bind it")
        self._weights = options_weights(artefacts[RELAXATION].arrays())
        self._facts = dict(artefacts[RELAXATION].facts.get("facts", {}))
        self._largest = space.from_weights(self._weights)

    def reset(self) -> None:
        self._met: set[str] = set()

    def ask(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        met = self._met | {one.candidate.json for one in self.pending}
        found = []
        for _ in range(n):
            if self._largest.json not in met:
                candidate, origin = self._largest, "largest weights"
            else:
                candidate, origin = self._drawn(met, rng), "sample"
            met.add(candidate.json)
            found.append(Proposal(candidate, origin))
        return found

    def _drawn(self, met: set[str], rng: np.random.Generator) -> Candidate:
        candidate = self._largest
        for again in range(_TRIES):
            power = 1.0 / (1.0 + again / 4)
            weights = {name: _evened(one, power) for name, one in self._weights.items()}
            candidate = self.space.from_weights(weights, rng)
            if candidate.json not in met:
                return candidate
        return self.space.sample(rng)

    def tell(self, trials: Sequence[Told]) -> None:
        """Remembers what has been proposed: weights do not change any more."""
        self._met.update(trial.candidate.json for trial in trials)

    def account(self) -> dict[str, Any]:
        """Returns how decided the weights are, and how many skip connections the largest ones have."""
        rows = np.concatenate([one.max(1) for one in self._weights.values()])
        return {
            "largest_weight": round(float(rows.mean()), 4),
            "skips": self.space.skips(self._largest),
            **({"epochs_share": self._facts["share"]} if "share" in self._facts else {}),
        }

    def settings(self) -> dict[str, Any]:
        return self.recipe()


def _evened(weights: np.ndarray, power: float) -> np.ndarray:
    raised = weights**power
    evened: np.ndarray = raised / raised.sum(1, keepdims=True)
    return evened


@dataclass(frozen=True)
class RelaxationArtefact(Artefact):
    """The trained relaxed network of one search, with the weights of its options.

    Attributes:
        space: Space whose network it is.
        task: Classification task of arrays; half of its training part trains the network, the other half its options.
        training: Settings of the training.
        number: Seed of the search: searches with several seeds have networks of their own.

    Example:
        >>> from automl.data import load
        >>> from automl.setup.targets import resolve
        >>> one = RelaxationArtefact(resolve("digits-cells")[1], load("digits"), RelaxationSettings(epochs=3), 7)
        >>> one.settings()["training"]["epochs"], one.settings()["space"]["kind"]
        (3, 'DigitsCells')
    """

    name: ClassVar[str] = RELAXATION
    version: ClassVar[str] = "1"

    space: SpaceReference
    task: Task
    training: RelaxationSettings
    number: int

    def settings(self) -> dict[str, Any]:
        held = self.space.load()
        code = {"code": dict(self.space.code.parts)} if self.space.code.is_users else {}
        return {
            "space": {"kind": held.kind, **held.settings(), **code},
            "task": described(self.task),
            "training": self.training.recipe(),
            "seed": self.number,
        }

    def make(self, how: Evaluation) -> Content:
        from workers.supernets.relaxing import relaxed_content

        return Content.of(*relaxed_content(self.space.load(), self.task, self.training, how, self.settings()))
