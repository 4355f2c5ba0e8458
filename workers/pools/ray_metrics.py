"""A search's own figures among Ray's metrics, for Prometheus to read and docs/grafana-dashboard.json to draw.

They stand in the Prometheus endpoint of the node, prefixed with `ray_`, about ten seconds after they were reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl.observers import Observer

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.records import TrialRecord

_BOUNDARIES = [0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0, 36000.0]


class RayMetrics(Observer):
    """Observer that reports a search through `ray.util.metrics`. This process must be connected to Ray.

    Counters are automl_trials (tags study and outcome), automl_evaluation_seconds, automl_saved_seconds and
    automl_hashing_seconds. Gauges are automl_evaluations_in_flight and automl_best_fitness. The histogram
    automl_seconds_per_trial covers the trials that caused an evaluation; Ray computes its sum from the middles of the
    buckets, so take sums from the counters. All but the first have the tag study.

    Example:
        >>> issubclass(RayMetrics, Observer)  # `RayPool.observer()` gives the search one
        True
    """

    def __init__(self) -> None:
        from ray.util import metrics

        study = ("study",)
        self._trials = metrics.Counter("automl_trials", "Trials told, by outcome.", ("study", "outcome"))
        self._paid = metrics.Counter("automl_evaluation_seconds", "Seconds of evaluation that trials caused.", study)
        self._saved = metrics.Counter("automl_saved_seconds", "Evaluation seconds served from the cache.", study)
        self._hashing = metrics.Counter("automl_hashing_seconds", "Seconds spent on functional hashes.", study)
        self._in_flight = metrics.Gauge("automl_evaluations_in_flight", "Evaluations that workers hold.", study)
        self._best = metrics.Gauge("automl_best_fitness", "The best fitness so far, as the objective reads.", study)
        self._seconds = metrics.Histogram(
            "automl_seconds_per_trial", "Seconds of evaluation that a trial caused.", _BOUNDARIES, study
        )
        self._found: dict[str, float] = {}  # the best of each study

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        self.trials_told(settings.name, trials)
        self.in_flight(settings.name, in_flight)
        self.hashing(settings.name, sum(trial.hash_seconds for trial in trials))
        known = [trial.fitness for trial in trials if trial.fitness is not None]
        if known:
            before = self._found.get(settings.name, known[0])
            self._found[settings.name] = max([*known, before], key=settings.objective.worth)
            self.best(settings.name, self._found[settings.name])

    def end(self, settings: LoopSettings) -> None:
        self.in_flight(settings.name, 0)

    def trials_told(self, study: str, trials: Sequence[TrialRecord]) -> None:
        """Counts trials by outcome, the evaluation seconds that they caused, and those that the cache saved."""
        for outcome, count in Counter(trial.outcome for trial in trials).items():
            self._trials.inc(count, {"study": study, "outcome": outcome})
        for trial in trials:
            if trial.paid_seconds > 0:
                self._seconds.observe(trial.paid_seconds, {"study": study})
        for counter, seconds in (
            (self._paid, sum(trial.paid_seconds for trial in trials)),
            (self._saved, sum(trial.saved_seconds for trial in trials)),
        ):
            if seconds > 0:
                counter.inc(seconds, {"study": study})

    def in_flight(self, study: str, evaluations: int) -> None:
        """Sets how many evaluations workers hold."""
        self._in_flight.set(evaluations, {"study": study})

    def hashing(self, study: str, seconds: float) -> None:
        """Adds seconds spent on functional hashes."""
        if seconds > 0:
            self._hashing.inc(seconds, {"study": study})

    def best(self, study: str, fitness: float) -> None:
        """Sets the best fitness so far, as the objective reads."""
        self._best.set(fitness, {"study": study})
