"""One trial in full, as text."""

from __future__ import annotations

from collections.abc import Sequence

from automl.errors import legible
from automl.evaluators.curves import LearningCurve
from automl.report.words import amount, figure
from automl.storage.records import TrialRecord


def trial_text(
    study: str, trial: TrialRecord, curves: Sequence[LearningCurve], traceback: str, log: Sequence[str] = ()
) -> str:
    """Returns all that is stored of one trial, a line each.

    Args:
        study: name of the study.
        trial: the trial.
        curves: learning curves of the evaluations behind it.
        traceback: of the first failure of its class; empty where none was kept.
        log: lines on what its evaluation has printed.

    Example:
        >>> served = TrialRecord(7, '{"x":3}', bytes(16), context=1, outcome="hit", fitness=0.93, origin="mutate")
        >>> print(trial_text("line", served, [], ""))
        line, trial 7: hit
        candidate   {"x":3}
        fitness     0.93
        origin      mutate
        key         00000000000000000000000000000000
        seconds     0 paid, 0 saved, 0 hashing
    """
    lines = [f"{study}, trial {trial.number}: {trial.outcome}"]
    named = {
        name: amount(value) if isinstance(value, int | float) else str(value) for name, value in trial.metrics.items()
    }
    costs = {
        name: amount(value) if isinstance(value, int | float) else str(value) for name, value in trial.costs.items()
    }
    parents = f" of {', '.join(map(str, trial.parents))}" if trial.parents else ""
    rows = [
        ("candidate", trial.candidate),
        ("fitness", "" if trial.fitness is None else f"{trial.fitness:.6g}"),
        ("metrics", ", ".join(f"{name}={text}" for name, text in named.items())),
        ("costs", ", ".join(f"{name}={text}" for name, text in costs.items())),
        ("replicates", str(trial.replicates) if trial.replicates > 1 else ""),
        ("origin", f"{trial.origin}{parents}"),
        ("key", trial.key.hex()),
        (
            "seconds",
            f"{figure(trial.paid_seconds)} paid, {figure(trial.saved_seconds)} saved, "
            f"{figure(trial.hash_seconds)} hashing",
        ),
        ("error", trial.error),
    ]
    lines += [f"{name:<11} {legible(text)}" for name, text in rows if text]
    for number, curve in enumerate(curves):
        for metric in sorted({name for _, metrics in curve.points for name in metrics}):
            points = list(curve.values(metric).items())
            shown = points if len(points) <= 12 else [*points[:6], *points[-6:]]
            told = ", ".join(f"{epoch:g}: {figure(value)}" for epoch, value in shown)
            more = f" ({len(points)} points)" if len(points) > len(shown) else ""
            lines.append(f"{metric} by epoch{f' (replicate {number})' if number else ''}: {told}{more}")
    lines += [f"{name:<11} {legible(text)}" for name, text in zip(["log", *[""] * len(log)], log, strict=False)]
    if traceback and trial.outcome == "failed":
        lines += ["", legible(traceback).rstrip()]
    return "\n".join(lines)
