"""One training in this process, and what it leaves: metrics and weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.artefacts.content import Content
from automl.artefacts.shelf import WEIGHTS, Shelf, weights_facts
from automl.artefacts.store import ArtefactStore
from automl.artefacts.weights import load_weights
from automl.errors import AutoMLError, InvalidInput, one_line
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Part, Work
from automl.evaluators.delivery import delivers
from automl.jsontext import parse
from automl.setup.parts import Parts

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Training:
    """How trainings of one study run here.

    Attributes:
        parts: of the study.
        evaluator: of the study, with what depends on the device fixed; or one that trains on more data.
        device: "cpu" or "cuda".
        store: where the evaluator's artefacts are, and weights go.
        facts: what is written into weights.
        reads: digests of the artefacts that the evaluator reads, by name.
    """

    parts: Parts
    evaluator: Evaluator
    device: str
    store: ArtefactStore
    facts: Mapping[str, Any]
    reads: Mapping[str, str]

    def work(self, candidate: str) -> Work:
        """Returns a candidate (JSON text) as evaluators receive it."""
        space = self.parts.space
        found = space.decode(parse(candidate))
        return Work(space.behaviour(found), space.training(found), found.json)

    def how(self, seed: int, part: Part = "test", replicate: int = 0, keeps: Any = None) -> Evaluation:
        """Returns how one evaluation runs; with `keeps`, a candidate's JSON data, it leaves its weights."""
        facts = {} if keeps is None else weights_facts(self.facts, keeps, seed)
        shelf = Shelf(self.store, self.reads, keeps=keeps is not None, facts=facts)
        return Evaluation(seed, part, replicate, device=self.device, shelf=shelf)

    def run(self, candidate: str, seed: int, replicate: int = 0) -> tuple[Metrics, Content]:
        """Trains a candidate (JSON text) and returns its test figures and weights.

        Raises:
            InvalidInput: the evaluator trains no network, or the training fails; its error is quoted.
        """
        delivers(self.evaluator)
        how = self.how(seed, "test", replicate, keeps=parse(candidate))
        assert how.shelf is not None
        self.evaluator.prepare()
        try:
            with one_thread():
                metrics = self.evaluator.evaluate(self.work(candidate), how)
        except AutoMLError:
            raise
        except Exception as error:  # the candidate's own code may raise anything
            raise InvalidInput(
                f"training {one_line(candidate, 200)} failed: {type(error).__name__}: {one_line(str(error), 300)}"
            ) from error
        if WEIGHTS not in how.shelf.left:
            raise InvalidInput(
                f"evaluator {self.evaluator.name} keeps no weights: let evaluate() call how.keep(module) at its end"
            )
        return metrics, how.shelf.left[WEIGHTS]

    def module(self, candidate: str, content: Content, seed: int) -> nn.Module:
        """Returns the trained module of a candidate (JSON text), on the CPU and in evaluation mode.

        Raises:
            InvalidInput: the weights are not those of what the space builds now.
        """
        module = delivers(self.evaluator).untrained(self.work(candidate), Evaluation(seed))
        load_weights(module, content)
        return module.eval()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Lets torch use one thread in the body, as workers do: sums of more threads have other last digits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
