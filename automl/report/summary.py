"""One study's report as JSON data, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from automl.evidence import Agreement
from automl.evidence.means import mean
from automl.jsontext import parse
from automl.report.data import Ablation, Learning, ProtocolLine, ReportData
from automl.report.study_part import Curve, RatedCandidate, StudyPart
from automl.storage.records import OUTCOMES


def study_json(data: ReportData) -> dict[str, Any]:
    """Returns the whole report as JSON data; what there is none of is null."""
    search = data.search
    return {
        "study": data.name,
        "state": search.state,
        "trials": search.trials,
        "evaluations": search.evaluations,
        "drawn": search.counted,
        "fidelities": search.fidelities,
        "classes": search.classes,
        "outcomes": {name: search.outcomes[name].trials for name in OUTCOMES},
        "seconds": search.seconds,
        "best_so_far": _curve(search.curve),
        "objective": data.objective,
        "direction": data.objectives.fitness.direction,
        "best": _best(data.best or search.best, data),
        "best_of_all": _best_of_all(data),
        "ri": data.ri.to_json(),
        "gain_over_random_search": data.gain.to_json(),
        **({} if data.compared_at is None else {"compared_at_evaluations": data.compared_at}),
        "verdict": data.verdict.text,
        "verdict_reason": data.verdict.reason,
        "cache": _cache(data),
        "random_search": None if data.random is None else _part(data.random),
        "confirmation": None if data.confirmation is None else _part(data.confirmation),
        "winner_model": {"seconds": found["seconds"], **found["model"]} if (found := data.expected) else None,
        "winners": [_tested(item, data) for item in data.winners],
        "random_winners": [_tested(item, data) for item in data.random_winners],
        "random_sample": [_tested(item, data) for item in data.random_samples],
        "test_figures": data.basis if data.held_out else None,
        "final_figures": data.basis,
        "rank_agreement": [{"what": item.what, **_agreement(item.agreement)} for item in data.ranks],
        "learning_curves": _learning(data.learning),
        "pareto": {
            "objectives": [{"metric": one.metric, "direction": one.direction} for one in search.objectives],
            "constraints": [str(limit) for limit in data.objectives.constraints],
            "cost": search.cost or None,
            "front": [
                {
                    **_trial(item),
                    "figures": dict(item.figures),
                    **_final(item.test_values, data),
                }
                for item in search.front
            ],
            "tested": data.front_tested or None,
        },
        "genealogy": [_trial(item) for item in data.genealogy],
        "spellings": [_trial(item) for item in data.encodings],
        "failures": [{"kind": item.kind, "count": item.count, "example": item.example} for item in search.failures],
        "first_traceback": data.traceback or None,
        "keyed_by_json": data.keyed_by_json or None,
        "rating": _rated(data) if data.rated and data.rated.part else None,
        "proposing": _rated(data) if data.rated and not data.rated.part else None,
        "begun": _begun(data),
        "artefacts": data.artefacts,
        "ablation": _ablation(data.ablation),
        "model": data.model or None,
        "archive": data.archive or None,
        "ensemble": (data.settings.get("environment") or {}).get("ensemble"),
        "audits": data.audits or None,
        "checklist": [{"practice": item.practice, "kept": item.kept, "note": item.note} for item in data.checklist],
        "settings": data.settings,
        "notes": data.notes,
    }


def _ablation(found: Ablation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "share_of_protocol": None if found.share is None else found.share.to_json(),
        "plain": found.plain or None,
        "sentence": found.sentence or None,
        "searched": _protocol(found.whole),
        "protocols": [_protocol(line) for line in found.lines],
    }


def _protocol(line: ProtocolLine) -> dict[str, Any]:
    ranks = line.ranks
    return {
        "name": line.name,
        "without": list(line.without),
        "random_sample": line.sample,
        "winner": line.winner,
        "effect_of_protocol": None if line.effect is None else line.effect.to_json(),
        "winner_beyond_sample": line.beyond.to_json(),
        "gain_over_random_search": None if line.gain is None else line.gain.to_json(),
        "rank_agreement": None if ranks is None else {"tau": ranks.tau, "rho": ranks.rho, "pairs": ranks.pairs},
        "seconds": line.seconds,
    }


def _rated(data: ReportData) -> dict[str, Any] | None:
    rated = data.rated
    if rated is None:
        return None
    return {
        "evaluator" if rated.part else "strategy": rated.evaluator,
        **({"objective": rated.objective, **_part(rated.part)} if rated.part else {}),
        "rating_seconds" if rated.part else "artefact_seconds": rated.seconds,
        "final_seconds": rated.decided,
        "random_search_at_equal_seconds": None if rated.random is None else _part(rated.random),
        "random_winners_at_equal_seconds": [_tested(item, data) for item in rated.random_winners],
        "gain_at_equal_seconds": rated.gain.to_json(),
    }


def _begun(data: ReportData) -> dict[str, Any] | None:
    begun = data.begun
    if begun is None:
        return None
    return {
        **begun.counts,
        "random_search_with_the_same_beginning": None if begun.random is None else _part(begun.random),
        "random_winners_with_the_same_beginning": [_tested(item, data) for item in begun.random_winners],
        "gain_with_the_same_beginning": begun.gain.to_json(),
    }


def _final(values: Sequence[float], data: ReportData) -> dict[str, Any]:
    """Returns the final figures of one candidate, as those of a test part only where there is one."""
    found = list(values)
    tested, fresh = (found, []) if data.held_out else ([], found)
    return {
        "test": mean(tested) if tested else None,
        "test_values": tested,
        "fresh": mean(fresh) if fresh else None,
        "fresh_values": fresh,
    }


def _learning(curves: Learning | None) -> dict[str, Any] | None:
    if curves is None:
        return None
    return {
        "reported": curves.reported,
        "lines": [
            {
                "origin": line.origin,
                "rank": line.rank or None,
                "replicates": line.replicates,
                "epochs": list(line.values),
                "fitness": list(line.values.values()),
            }
            for line in curves.lines
        ],
        "order_known": [{"epoch": item.epoch, **_agreement(item.agreement)} for item in curves.ranks],
    }


def _agreement(found: Agreement) -> dict[str, Any]:
    return {"kendall": found.tau, "spearman": found.rho, "pairs": found.pairs}


def _best_of_all(data: ReportData) -> dict[str, Any] | None:
    """Returns what `study.best` is: the best of all that was evaluated, random search included."""
    found, found_in = data.best_of_all
    best = _best(found, data)
    return None if best is None else {**best, "found_in": found_in}


def _best(best: RatedCandidate | None, data: ReportData) -> dict[str, Any] | None:
    if best is None:
        return None
    return {
        "candidate": parse(best.candidate),
        "key": best.key.hex(),
        "fitness": best.fitness,
        **_final(best.test_values, data),
        "costs": dict(best.costs),
    }


def _cache(data: ReportData) -> dict[str, Any]:
    return {
        "saved_trials": data.search.saved_trials,
        "saved_seconds": data.search.saved_seconds,
        "paid_seconds": data.search.paid_seconds,
        "hash_seconds": data.search.hash_seconds,
        "table_paid_seconds": data.search.table_paid,
        "table_saved_seconds": data.search.table_saved,
        "by_outcome": {
            name: {"trials": line.trials, "paid_seconds": line.paid_seconds, "saved_seconds": line.saved_seconds}
            for name, line in data.search.outcomes.items()
        },
        "total_paid_seconds": data.paid_seconds,
        "total_hash_seconds": data.hash_seconds,
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "trials": curve.trials,
        "evaluations": curve.evaluations,
        "seconds": curve.seconds,
        "fitness": curve.best,
    }


def _part(part: StudyPart) -> dict[str, Any]:
    sample = part.sample
    return {
        "study": part.name,
        "trials": part.trials,
        "evaluations": part.evaluations,
        "drawn": part.counted,
        "classes": part.classes,
        "outcomes": {name: part.outcomes[name].trials for name in OUTCOMES},
        "seconds": part.seconds,
        "best_so_far": _curve(part.curve),
        "best": None if part.best is None else part.best.fitness,
        "mean": None if sample is None else sample.mean,
        "deviation": None if sample is None else sample.deviation,
    }


def _tested(item: RatedCandidate, data: ReportData) -> dict[str, Any]:
    return {
        "rank": item.rank,
        "candidate": parse(item.candidate),
        "key": item.key.hex(),
        "validation": item.fitness,
        "validation_values": list(item.validation_values),
        **_final(item.test_values, data),
        "failed": item.failed,
        "costs": dict(item.costs),
        **({} if item.rating is None else {"rating": item.rating}),
    }


def _trial(item: RatedCandidate) -> dict[str, Any]:
    return {
        "trial": item.number,
        "candidate": parse(item.candidate),
        "fitness": item.fitness,
        "origin": item.origin,
        "costs": dict(item.costs),
    }


def rows_of(items: Iterable[ReportData]) -> list[dict[str, Any]]:
    """Returns one row a study, as comparison tables show them."""
    return [
        {
            "study": data.name,
            "strategy": str(data.settings.get("strategy", {}).get("name", "–")),
            "task": task_of(data),
            "trials": data.search.trials,
            "evaluations": data.search.evaluations,
            "best_test": data.best.test if data.best and data.held_out else None,
            "best_fresh": data.best.test if data.best and not data.held_out else None,
            "ri": data.ri.to_json(),
            "gain_over_random_search": data.gain.to_json(),
            "verdict": data.verdict.text,
            "seconds": data.search.seconds,
            "saved_trials": data.search.saved_trials,
            "saved_seconds": data.search.saved_seconds,
        }
        for data in items
    ]


def task_of(data: ReportData) -> str:
    """Names what a study's figures are on: the evaluator, and its task or data set."""
    evaluator = data.settings.get("evaluator") or {}
    settings = evaluator.get("settings") or {}
    for name in ("task", "dataset", "data"):
        task = settings.get(name)
        if task is not None:
            return f"{task.get('name', task) if isinstance(task, dict) else task}"
    return str(evaluator.get("name", "–"))
