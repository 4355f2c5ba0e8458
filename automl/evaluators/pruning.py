"""What a training is told when it reports: go on, or stop here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

REACHED = "reached"
"""The name under which the fidelity of a result says at which epoch its evaluation stopped."""


class Pruned(Exception):
    """Raised by an evaluator, or by a function that is one, to stop an evaluation that it was asked to stop.

    What was reported last is the result, at the epoch that was reached. It is no full result and no failure.

    Example:
        >>> import automl
        >>> def train(candidate, report):
        ...     for epoch in range(1, 10):
        ...         report(epoch, {"accuracy": candidate.x * epoch})
        ...         if report.should_prune():
        ...             raise automl.Pruned
        ...     return {"accuracy": candidate.x * epoch}
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> given = dict(objective="accuracy", baseline=False, workers=0, storage="sqlite:///pruned.db")
        >>> study = automl.search(Line(), evaluator=train, trials=30, prune="median", **given)
        >>> stopped = study.trials_dataframe().query("fidelity != ''")
        >>> len(stopped) > 0, bool(stopped.fitness.isna().all())
        (True, True)
    """


@dataclass(frozen=True, slots=True)
class PruneRule:
    """Decides from a learning curve whether an evaluation should stop. Equal curves get equal answers.

    Attributes:
        metric: Name of the metric that decides.
        minimize: True if less of it is better.
        bars: Mapping from epoch to the value that must be reached there.
        best: True if the best value so far counts, False for the value at the epoch itself.
        patience: Number of reports on end without a better value after which to stop; None waits for ever.

    Example:
        >>> rule = PruneRule("accuracy", bars={2.0: 0.5})
        >>> rule.stops([(1.0, {"accuracy": 0.2})]), rule.stops([(1.0, {"accuracy": 0.2}), (2.0, {"accuracy": 0.4})])
        (False, True)
    """

    metric: str
    minimize: bool = False
    bars: Mapping[float, float] = field(default_factory=dict)
    best: bool = True
    patience: int | None = None

    def stops(self, points: Sequence[tuple[float, Mapping[str, float]]]) -> bool:
        """Tells whether a training that has reported these (epoch, metrics) should stop after the last of them."""
        if not points or self.metric not in points[-1][1]:
            return False
        sign = -1.0 if self.minimize else 1.0
        values = [sign * metrics[self.metric] for _, metrics in points if self.metric in metrics]
        bar = self.bars.get(points[-1][0])
        if bar is not None and (max(values) if self.best else values[-1]) < sign * bar:
            return True
        if self.patience is None:
            return False
        first_best = values.index(max(values))
        return len(values) - 1 - first_best >= self.patience
