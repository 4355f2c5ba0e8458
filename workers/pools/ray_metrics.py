"""A search's own figures among Ray's metrics, for Prometheus to read and docs/grafana-dashboard.json to draw.

They stand in the Prometheus endpoint of the node, prefixed with `ray_`, about ten seconds after they were reported.
Ray hands a gauge on once for each time that it was set, so those of a running loop are set again about every second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from automl.observers import LoopFigures, Observer

if TYPE_CHECKING:
    from automl.rules import LoopSettings
    from automl.storage.records import TrialRecord

_BOUNDARIES = [0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0, 36000.0]


class RayMetrics(Observer):
    """Observer that reports a search through `ray.util.metrics`. This process must be connected to Ray.

    All metrics have the tag study. Ray computes the sum of a histogram from the middles of its buckets, so take sums
    from the counters. docs/workers.md lists the names and says what each is; they do not change.

    Args:
        workers: returns the numbers of workers that are "ready", "idle" and "missing", and of their "nodes"; None
            reports none.

    Example:
        >>> issubclass(RayMetrics, Observer)  # `RayPool.observer()` gives the search one
        True
    """

    def __init__(self, workers: Callable[[], Mapping[str, int]] | None = None) -> None:
        from ray.util import metrics

        study = ("study",)
        self._trials = metrics.Counter("automl_trials", "Trials told, by outcome.", ("study", "outcome"))
        self._paid = metrics.Counter("automl_evaluation_seconds", "Seconds of evaluation that trials caused.", study)
        self._saved = metrics.Counter("automl_saved_seconds", "Evaluation seconds served from the cache.", study)
        self._hashing = metrics.Counter("automl_hashing_seconds", "Seconds spent on functional hashes.", study)
        self._seconds = metrics.Histogram(
            "automl_seconds_per_trial", "Seconds of evaluation that a trial caused.", _BOUNDARIES, study
        )
        self._gauges = {
            name: metrics.Gauge(f"automl_{name}", meaning, study)
            for name, meaning in (
                ("evaluations_in_flight", "Evaluations that workers hold."),
                ("best_fitness", "The best fitness so far, as the objective reads."),
                ("trials_queued", "Trials that wait for a free worker."),
                ("trials_waiting", "Trials that wait for an evaluation under way, here or elsewhere."),
                ("budget_left_ratio", "Share of the budget that is left, of the limit that is nearest."),
                ("workers_ready", "Workers that are up."),
                ("workers_idle", "Workers that are up and have nothing to evaluate."),
                ("workers_missing", "Workers that are being started."),
                ("nodes", "Nodes that have workers."),
            )
        }
        self._counters = {
            name: metrics.Counter(f"automl_{name}", meaning, study)
            for name, meaning in (
                ("evaluation_retries", "Evaluations that were lost to a worker or machine and tried again."),
                ("features_computed", "Functions whose features were computed."),
                ("database_commits", "Transactions in which results and trials were written."),
                ("database_commit_seconds", "Seconds that these transactions took."),
            )
        }
        self._workers = workers
        self._counted: dict[tuple[str, str], float] = {}  # by study and counter
        self._values: dict[str, dict[str, float]] = {}  # of gauges, by study

    def turn(self, settings: LoopSettings, trials: Sequence[TrialRecord], in_flight: int, evaluations: float) -> None:
        self.trials_told(settings.name, trials)
        self.in_flight(settings.name, in_flight)
        self.hashing(settings.name, sum(trial.hash_seconds for trial in trials))
        known = [trial.fitness for trial in trials if trial.fitness is not None]
        if known:
            before = self._values[settings.name].get("best_fitness", known[0])
            self.best(settings.name, max([*known, before], key=settings.objective.worth))

    def figures(self, settings: LoopSettings, figures: LoopFigures) -> None:
        study = settings.name
        self._set(study, self._values.get(study, {}))
        self._set(study, {"trials_queued": figures.queued, "trials_waiting": figures.waiting})
        if figures.budget_left is not None:
            self._set(study, {"budget_left_ratio": figures.budget_left})
        if self._workers is not None:
            counts = self._workers()
            self._set(study, {f"workers_{name}": counts[name] for name in ("ready", "idle", "missing")})
            self._set(study, {"nodes": counts["nodes"]})
        for name, total in (
            ("evaluation_retries", figures.retries),
            ("features_computed", figures.features),
            ("database_commits", figures.commits),
            ("database_commit_seconds", figures.commit_seconds),
        ):
            more = total - self._counted.get((study, name), 0)
            self._counted[study, name] = total
            if more > 0:
                self._counters[name].inc(more, {"study": study})

    def end(self, settings: LoopSettings) -> None:
        """Sets to zero what belongs to a running loop: a later phase is another study."""
        self.in_flight(settings.name, 0)
        self._set(settings.name, dict.fromkeys(("trials_queued", "trials_waiting"), 0))
        if self._workers is not None:
            self._set(settings.name, dict.fromkeys(("workers_ready", "workers_idle", "workers_missing", "nodes"), 0))
        self._values.pop(settings.name, None)

    def begin(self, settings: LoopSettings, phase: str, trials: int, evaluations: float) -> None:
        """Begins to count anew what a loop counts from its start."""
        self._counted = {place: total for place, total in self._counted.items() if place[0] != settings.name}

    def went_on(self, settings: LoopSettings, best: float | None) -> None:
        if best is not None:
            self.best(settings.name, best)

    def _set(self, study: str, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._gauges[name].set(value, {"study": study})
        self._values.setdefault(study, {}).update(values)

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
        self._set(study, {"evaluations_in_flight": evaluations})

    def hashing(self, study: str, seconds: float) -> None:
        """Adds seconds spent on functional hashes."""
        if seconds > 0:
            self._hashing.inc(seconds, {"study": study})

    def best(self, study: str, fitness: float) -> None:
        """Sets the best fitness so far, as the objective reads."""
        self._set(study, {"best_fitness": fitness})
