"""What it takes to run a study again: parts, settings, seeds, versions, hardware, cost."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

from automl.jsontext import canonical
from automl.report.data import ReportData
from automl.report.words import count_of, duration, in_full
from automl.selection.beginnings import BEGUN
from automl.selection.contest import EXPECTED, EXPECTED_FIRST
from automl.storage.studies import StudyStore

_SHOWN = {
    "space",
    "evaluator",
    "strategy",
    "objective",
    "direction",
    "environment",
    "hasher",
    "evaluator_given",
    "evaluator_source",
    "enqueue",
    "repeat",
}


def facts(data: ReportData, store: StudyStore | None = None) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns groups of names and values, most important first."""
    settings = data.settings
    study = [("name", data.name), ("began", _date(data.search.created)), ("total cost", _cost(data))]
    if data.search.fidelities:
        study.append(("evaluations", f"worth {in_full(data.search.counted, data.search.fidelities)}"))
    if store is not None:
        study.append(("tried here", _tried(data, store)))
    run = [("objective", f"{data.objective} ({settings.get('direction', 'maximize')})")]
    run += [(_words(name), _text(settings[name])) for name in sorted(set(settings) - _SHOWN)]
    if repeat := settings.get("repeat"):
        run.append(("run", f"{repeat['run']} of {repeat['study']}, whose seed is {repeat['seed']}"))
    if settings.get("enqueue"):
        run.append(("proposed first", count_of(len(settings["enqueue"]), "candidate")))
    hasher, environment = settings.get("hasher") or {}, settings.get("environment") or {}
    groups = [
        ("Study", study),
        ("Space", _part(settings.get("space"), "target")),
        ("Evaluator", _part(settings.get("evaluator"), "name")),
        ("Strategy", _part(settings.get("strategy"), "name")),
        ("Model", [*_model(environment.get("model") or {}), *_pool(environment.get("pool") or {})]),
        ("Model that picked the winner", _model(data.expected.get("model") or {})),
        ("Archive", _archive(data.archive)),
        ("Ensemble", _ensemble(environment.get("ensemble") or {}, data.objective)),
        ("Protocol", run),
        ("Hasher", [(_words(name), _text(value)) for name, value in sorted(hasher.items())]),
        ("Versions and hardware", _environment(environment)),
    ]
    return [(title, rows) for title, rows in groups if rows]


def run_facts(runs: Sequence[ReportData], shared_cache: bool) -> list[tuple[str, str]]:
    """Returns what it takes to do several runs of one method again, and what all of them cost."""
    first = runs[0]
    seeds = [str(data.settings.get("seed", "–")) for data in runs]
    groups = dict(first.facts)
    rows = [("studies", ", ".join(data.name for data in runs))]
    if (repeat := first.settings.get("repeat")) and len(runs) > 1:
        rows.append(("seed", f"{repeat['seed']}; each run has one derived from it"))
    else:
        rows.append(("seeds" if len(seeds) > 1 else "seed", ", ".join(seeds)))
    if len(runs) > 1:
        rows.append(("cache", "shared by the runs" if shared_cache else "each run began with a cold one"))
    for title in ("Space", "Evaluator", "Strategy"):
        if title in groups:
            (_, name), *settings = groups[title]
            rows.append((title.lower(), ", ".join([name, *(f"{key} {value}" for key, value in settings)])))
    budget = [
        f"{name} {first.settings[name]}" for name in ("trials", "evaluations", "hours") if first.settings.get(name)
    ]
    if budget:
        rows.append(("budget of each", ", ".join(budget)))
    paid, hashed = sum(data.paid_seconds for data in runs), sum(data.hash_seconds for data in runs)
    table = sum(data.table_paid for data in runs)
    account = f"; by the table's account {duration(table)} of training" if table else ""
    rows.append(
        (
            "total cost",
            f"{duration(paid + hashed)}, random search, tests and {duration(hashed)} of hashing included{account}",
        )
    )
    return rows


def _part(stored: Any, name: str) -> list[tuple[str, str]]:
    if not isinstance(stored, Mapping):
        return [] if stored is None else [("name", _text(stored))]
    version = f" (version {stored['version']})" if stored.get("version") else ""
    source = [("source", str(stored["source"])[:12])] if stored.get("source") else []
    settings = [(_words(key), _text(value)) for key, value in sorted((stored.get("settings") or {}).items())]
    return [("name", f"{stored.get(name)}{version}"), *source, *settings]


def _model(stored: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns how far a strategy's model can be trusted: each trial foretold from all others, and what carries it."""
    if not stored:
        return []
    if "shares" not in stored:  # of another strategy than one that foretells trials
        return [(_words(name), _text(value)) for name, value in stored.items()]
    shares = sorted(stored["shares"].items(), key=lambda item: -item[1])
    half, most = stored["within_half"], stored["within_95"]
    return [
        ("foretold", f"{count_of(stored['trials'], 'trial')}, each from all others"),
        ("rank correlation", f"{stored['rank_correlation']:.2f} of expected with measured values"),
        (
            "calibration",
            f"{half:.0%} inside the intervals for 50 %, {most:.0%} inside those for 95 %",
        ),
        ("carried by", ", ".join(f"{name} {share:.0%}" for name, share in [*shares, ("noise", stored["noise"])])),
    ]


def _pool(stored: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns what a strategy's pool recognised before anything was proposed: no hits, and nothing was evaluated."""
    if not stored:
        return []
    equal = stored["encodings"] - stored["functions"]
    left_out = stored.get("not_finite", 0)
    return [
        (
            "pool",
            f"{count_of(stored['encodings'], 'encoding')} hashed, {equal:,} of them recognised as equal to others",
        ),
        *([("features", f"{count_of(left_out, 'number')} left out, not being finite")] if left_out else []),
    ]


def _ensemble(stored: Mapping[str, Any], objective: str) -> list[tuple[str, str]]:
    """Returns what the study's latest ensemble is made of, and its test figure beside the best network's."""
    if not stored:
        return []
    gain, seconds = stored["gain"], stored["seconds"]
    interval = "" if gain["low"] is None else f" [{gain['low']:+.4g}, {gain['high']:+.4g}] over test examples"
    members = [f"{one['weight']:.0%} trial {one['trial']}" for one in stored["members"]]
    return [
        ("networks", ", ".join(members)),
        ("chosen among", f"{count_of(stored['library'], 'network')}, on the validation part"),
        (
            "test figure",
            f"{stored['test'][objective]:.6g}, and {stored['best_network_test'][objective]:.6g} of the best network "
            f"alone: better by {gain['value']:+.4g}{interval}",
        ),
        ("cost", f"{duration(seconds['trained'])} of training, {duration(seconds['joined'])} of running and choosing"),
    ]


def _archive(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the axes of a study's archive, and how much of it is filled."""
    if not found:
        return []
    axes = [
        (one["name"], f"{one['low']:.4g} to {one['high']:.4g} in {count_of(one['bins'], 'cell')}")
        for one in found["descriptors"]
    ]
    total = math.fsum(cell["fitness"] for cell in found["cells"])
    filled = f"{len(found['cells']):,} of {count_of(found['of'], 'cell')}"
    return [*axes, ("filled", f"{filled}; their {found['objective']} adds up to {total:.6g}")]


_APART = ("workers", "model", "pool", "ensemble", "archive", EXPECTED, EXPECTED_FIRST, BEGUN)
"""What stands among the versions and has a group of its own."""


def _environment(stored: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns versions, the coordinator's machine, and what the workers that evaluated computed on."""
    kinds = stored.get("workers") or []
    rest = [(name, _text(value)) for name, value in sorted(stored.items()) if name not in _APART]
    return [*rest, *([("workers", "; ".join(kinds))] if kinds else [])]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cost(data: ReportData) -> str:
    parts = [
        ("search", data.search),
        ("random search", data.random),
        ("confirmation", data.confirmation),
        ("test", data.tests),
    ]
    own = [(name, part) for name, part in parts if part is not None and (name == "search" or part is not data.search)]
    each = ", ".join(f"{name} {duration(part.paid_seconds)}" for name, part in own)
    total = data.paid_seconds + data.hash_seconds
    table = f"; by the table's account {duration(data.table_paid)} of training" if data.table_paid else ""
    return f"{duration(total)}: {each}, hashing {duration(data.hash_seconds)}{table}"


def _tried(data: ReportData, store: StudyStore) -> str:
    """Says how many settings of this space's searches the database holds: what was tried is part of the result."""
    same = [
        item
        for item in store.all()
        if item.kind == "search" and item.settings.get("space") == data.settings.get("space")
    ]
    kinds = {canonical([item.settings.get("strategy"), item.settings.get("evaluator")]) for item in same}
    return f"{count_of(len(same), 'search')} of this space in this database, under {count_of(len(kinds), 'setting')}"


def _date(created: float) -> str:
    return datetime.datetime.fromtimestamp(created, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "name" in value and "fingerprint" in value:
        return f"{value['name']} ({str(value['fingerprint'])[:12]}…)"
    if value is None:
        return "–"
    text = canonical(value)
    return text if len(text) <= 200 else text[:199] + "…"
