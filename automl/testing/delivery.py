"""The contract of evaluators that hand over trained networks, as tests: what is kept is what was measured.

Subclass `DeliveryContract` in a test file and give an evaluator with a candidate that it can train quickly.
"""

from __future__ import annotations

import math
import tempfile

from automl.artefacts.content import Content
from automl.artefacts.shelf import WEIGHTS, Shelf
from automl.artefacts.store import ArtefactStore
from automl.artefacts.weights import load_weights
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.evaluators.delivery import delivers


class DeliveryContract:
    """Tests that every evaluator must pass whose networks are delivered; pytest collects them from a subclass whose
    name starts with `Test`.

    Example:
        >>> import torch, automl
        >>> from automl.behaviour import Module
        >>> class TestClassification(DeliveryContract):
        ...     def evaluator(self):
        ...         return automl.Classification(task="digits", epochs=1)
        ...     def work(self):
        ...         layers = lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        ...         return Work(Module(layers), {}, "{}")
        >>> TestClassification().test_what_is_kept_is_what_was_measured()
    """

    def evaluator(self) -> Evaluator:
        """Returns the evaluator, set to something quick."""
        raise AssertionError(f"{type(self).__name__} must define evaluator(self)")

    def work(self) -> Work:
        """Returns a candidate that it can train."""
        raise AssertionError(f"{type(self).__name__} must define work(self)")

    def test_what_is_kept_is_what_was_measured(self) -> None:
        evaluator, work = self.evaluator().for_device("cpu"), self.work()
        evaluator.prepare()
        metrics, content = _kept(evaluator, work, 11)
        module = delivers(evaluator).untrained(work, Evaluation(11, "test"))
        load_weights(module, content)
        assert delivers(evaluator).measured(module.eval(), work, Evaluation(11, "test")) == metrics
        other = delivers(evaluator).untrained(work, Evaluation(11, "test"))
        load_weights(other, _kept(evaluator, work, 12)[1])
        assert delivers(evaluator).measured(other.eval(), work, Evaluation(11, "test")) != metrics, (
            "another seed must give another network"
        )

    def test_outputs_have_the_figures_of_their_network_and_joined_with_themselves_stay_what_they_are(self) -> None:
        evaluator, work, how = self.evaluator().for_device("cpu"), self.work(), Evaluation(11, "test")
        evaluator.prepare()
        metrics, content = _kept(evaluator, work, 11)
        module = delivers(evaluator).untrained(work, how)
        load_weights(module, content)
        try:
            outputs = delivers(evaluator).predicted(module.eval(), work, how)
        except InvalidInput:
            return  # it joins no networks
        found = delivers(evaluator).scored(outputs, how)
        assert all(math.isclose(found[name], value, rel_tol=1e-5, abs_tol=1e-6) for name, value in metrics.items())
        both = delivers(evaluator).scored(delivers(evaluator).mixed([outputs, outputs], [0.25, 0.75]), how)
        assert all(math.isclose(both[name], value, rel_tol=1e-4, abs_tol=1e-5) for name, value in metrics.items())
        some = delivers(evaluator).scored(outputs, how, [0] * 5)
        assert some.keys() == found.keys()

    def test_keeping_changes_no_figure_and_equal_seeds_leave_equal_weights(self) -> None:
        evaluator, work = self.evaluator().for_device("cpu"), self.work()
        evaluator.prepare()
        metrics, content = _kept(evaluator, work, 11)
        assert evaluator.evaluate(work, Evaluation(11, "test")) == metrics
        assert _kept(evaluator, work, 11)[1].digest == content.digest

    def test_examples_are_what_the_module_takes(self) -> None:
        import torch

        evaluator, work = self.evaluator().for_device("cpu"), self.work()
        evaluator.prepare()
        how = Evaluation(11, "test")
        examples = delivers(evaluator).examples(how, 3)
        assert all(len(one) == 3 for one in examples), "the first axis counts examples"
        before = torch.get_rng_state()
        module = delivers(evaluator).untrained(work, how).eval()
        assert torch.equal(before, torch.get_rng_state()), "untrained() must leave the global generators alone"
        with torch.no_grad():
            module(*examples)


def _kept(evaluator: Evaluator, work: Work, seed: int) -> tuple[Metrics, Content]:
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(ArtefactStore(folder), keeps=True, facts={"seed": 0})
        metrics = evaluator.evaluate(work, Evaluation(seed, "test", shelf=shelf))
        assert WEIGHTS in shelf.left, "evaluate() must call how.keep(module)"
        return metrics, shelf.left[WEIGHTS]
