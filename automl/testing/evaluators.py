"""The contract of evaluators as tests: settings that make a context, metrics that repeat themselves, honest batches.

Subclass `EvaluatorContract` in a test file and give an evaluator with some candidates that it can evaluate.
"""

from __future__ import annotations

import math
import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path

from automl.evaluators.base import Evaluation, Evaluator, Work
from automl.evaluators.checkpoints import Checkpoint
from automl.jsontext import canonical


class EvaluatorContract:
    """Tests that every evaluator must pass; pytest collects them from a subclass whose name starts with `Test`.

    Example:
        >>> from automl.behaviour import Configuration
        >>> from automl.testing.pools import Numbered
        >>> class TestNumbered(EvaluatorContract):
        ...     def evaluator(self):
        ...         return Numbered()
        ...     def works(self):
        ...         return [Work(Configuration({"x": x}), {}, f'{{"x":{x}}}') for x in (1, 2)]
        >>> TestNumbered().test_equal_seeds_give_equal_metrics()
    """

    def evaluator(self) -> Evaluator:
        """Returns the evaluator, set to something quick."""
        raise AssertionError(f"{type(self).__name__} must define evaluator(self)")

    def works(self) -> Sequence[Work]:
        """Returns at least two candidates that differ."""
        raise AssertionError(f"{type(self).__name__} must define works(self)")

    def test_settings_make_a_context(self) -> None:
        first, second = self.evaluator(), self.evaluator()
        assert first.name
        assert first.version
        assert canonical(first.settings()) == canonical(second.settings()), "equal evaluators must have equal settings"
        fixed = first.for_device("cpu")
        assert canonical(fixed.for_device("cpu").settings()) == canonical(fixed.settings())
        assert first.probe() == second.probe()

    def test_it_travels(self) -> None:
        copy = pickle.loads(pickle.dumps(self.evaluator()))  # noqa: S301 - our own bytes
        assert canonical(copy.settings()) == canonical(self.evaluator().settings())

    def test_equal_seeds_give_equal_metrics(self) -> None:
        evaluator = self.evaluator().for_device("cpu")
        evaluator.prepare()
        for work in self.works():
            how = Evaluation(seed=2**62 + 11)
            metrics = evaluator.evaluate(work, how)
            assert metrics == evaluator.evaluate(work, how)
            assert set(evaluator.metrics) <= set(metrics), "every declared metric must be returned"
            assert all(math.isfinite(float(value)) for value in metrics.values())
        assert set(evaluator.metrics.values()) <= {"maximize", "minimize"}

    def test_a_batch_is_what_its_members_are_alone(self) -> None:
        evaluator = self.evaluator().for_device("cpu")
        evaluator.prepare()
        batch = [(work, Evaluation(seed, replicate=seed)) for seed, work in enumerate(self.works())]
        assert len(batch) >= 2, "works() must give at least two candidates"
        assert evaluator.evaluate_many(batch) == [evaluator.evaluate(work, how) for work, how in batch]
        assert evaluator.evaluate_many([]) == []

    def test_approximations_are_cheaper_and_change_the_result_of_no_full_evaluation(self) -> None:
        evaluator = self.evaluator().for_device("cpu")
        evaluator.prepare()
        offered = evaluator.approximations()
        shares = [one.share for one in offered]
        assert shares == sorted(set(shares)), "approximations must come cheapest first, each budget fraction once"
        work = self.works()[0]
        whole = evaluator.evaluate(work, Evaluation(seed=5))
        with tempfile.TemporaryDirectory() as folder:
            kept = Checkpoint(Path(folder) / "state") if evaluator.resumable else None
            for one in (*offered[:1], *offered[-1:]):
                how = Evaluation(seed=5, fidelity=one.settings, checkpoint=kept)
                assert evaluator.evaluate(work, how) == evaluator.evaluate(work, Evaluation(5, fidelity=one.settings))
            assert evaluator.evaluate(work, Evaluation(seed=5, checkpoint=kept)) == whole

    def test_tricks_can_be_left_out(self) -> None:
        evaluator, work = self.evaluator().for_device("cpu"), self.works()[0]
        tricks = evaluator.tricks(work)
        for name in tricks:
            other = evaluator.without([name], work)
            assert name not in other.tricks(work), f"{name} is left out, and is a trick all the same"
            assert other.settings() != evaluator.settings(), f"a result without {name} needs a context of its own"
        assert not tricks or not evaluator.without(tricks, work).tricks(work)

    def test_the_test_part_is_there(self) -> None:
        evaluator = self.evaluator().for_device("cpu")
        evaluator.prepare()
        metrics = evaluator.evaluate(self.works()[0], Evaluation(seed=1, part="test"))
        assert set(evaluator.metrics) <= set(metrics)
