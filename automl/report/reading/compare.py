"""Several studies together: a table of all, and the runs of one method pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from automl.errors import InvalidInput
from automl.evidence import (
    Estimate,
    Verdict,
    gain_over_random_search,
    judge_runs,
    relative_improvement,
)
from automl.evidence.looks import level_of_runs
from automl.evidence.means import mean
from automl.jsontext import canonical
from automl.report.data import Check, ReportData, final_word
from automl.report.reading.bands import Bands, bands
from automl.report.reading.checklist import checklist
from automl.report.reading.facts import run_facts
from automl.report.reading.found_under import found_under_several
from automl.report.study_part import RatedCandidate
from automl.report.summary import rows_of, study_json, task_of

_OF_A_RUN = ("seed", "namespace", "environment", "evaluator_given", "enqueue", "run", "repeats", "repeat")
"""Settings in which the runs of one method may differ."""


@dataclass(frozen=True)
class Method:
    """All runs of one method: studies that differ in seed and namespace only.

    Attributes:
        name: strategy and task together.
        strategy: its name.
        task: what its figures are on.
        studies: one for each run, copies too.
        copies: names of those that repeat an earlier one of them: one seed makes the same draws wherever it runs. They
            count for nothing.
        shared_cache: True where runs stand in one part of the cache.
        dependence: why the runs are not independent, in a sentence; empty where they are.
        search: curves of the best so far.
        random: the same of the random searches beside them, as far as there are any.
    """

    name: str
    strategy: str
    task: str
    studies: list[ReportData]
    ri: Estimate
    gain: Estimate
    verdict: Verdict
    shared_cache: bool
    copies: tuple[str, ...]
    dependence: str
    search: Bands
    random: Bands

    @property
    def runs(self) -> int:
        """Runs that count: copies of one run are one."""
        return len(self.studies) - len(self.copies)

    @property
    def independent(self) -> int:
        """Runs that a claim about the method can rest on."""
        return 1 if self.dependence else self.runs

    @property
    def best_test(self) -> float | None:
        """The mean of the winners' final figures."""
        found = [data.best.test for data in self.studies if data.best is not None and data.best.test is not None]
        return mean(found) if found else None

    @property
    def evaluations(self) -> float:
        """Evaluations that a run paid for, on the average."""
        return sum(data.search.evaluations for data in self.studies) / len(self.studies)

    @property
    def seconds(self) -> float:
        """Seconds of a run's search, on the average."""
        return sum(data.search.seconds for data in self.studies) / len(self.studies)

    @property
    def saved(self) -> float:
        """Fraction of the trials that needed no evaluation of their own."""
        return sum(data.search.saved_trials for data in self.studies) / max(
            1, sum(data.search.trials for data in self.studies)
        )


@dataclass(frozen=True)
class Comparison:
    """All values in a report on several studies, or on the runs of a repeated search.

    Attributes:
        studies: List of `ReportData`, one for each study.
        methods: List of `Method`. Studies that differ in nothing but seed and part of the cache are runs of one method,
            and their results are pooled; other studies are methods of their own.
        checklist: List of `Check`: best practices of Yang et al. (2020), each with whether the studies follow it.
        notes: Sentences about what is missing in the data.
        study: Name of the repeated search whose runs are compared; empty if unrelated studies are.
        facts: List of groups of (name, value) pairs that are needed to reproduce the studies: versions, hardware,
            settings.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=5, baseline=False, workers=0, storage="sqlite:///line.db")
        >>> found = automl.search(Line(), study="line", repeats=2, **given).report().data
        >>> found.study, [method.runs for method in found.methods]  # one method, two runs
        ('line', [2])
    """

    studies: list[ReportData]
    methods: list[Method]
    checklist: list[Check]
    notes: list[str] = field(default_factory=list)
    study: str = ""
    facts: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.study or f"{len(self.studies)} studies compared"


def compare(studies: Sequence[ReportData], name: str = "") -> Comparison:
    """Compares several studies, and pools those that are runs of one method (equal except for seed and part of the
    cache).

    Args:
        studies: Sequence of `ReportData`, as `collect` returns them.
        name: Name of the repeated search whose runs these are; empty for unrelated studies.

    Returns:
        `Comparison`.

    Raises:
        InvalidInput: no study was given, or one was given twice.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=5, baseline=False, workers=0, storage="sqlite:///line.db")
        >>> one, other = (automl.search(Line(), strategy=name, **given) for name in ("random", "regularized_evolution"))
        >>> [method.strategy for method in compare([one.report().data, other.report().data]).methods]
        ['random', 'regularized_evolution']
    """
    if not studies:
        raise InvalidInput("there is nothing to compare: name at least one study")
    names = [data.name for data in studies]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"study {twice!r} was named twice; name each once")
    groups: dict[str, list[ReportData]] = {}
    for data in studies:
        groups.setdefault(_identity(data), []).append(data)
    methods = [_method(runs) for runs in groups.values()]
    notes = [f"{method.name}: {method.dependence}" for method in methods if method.dependence]
    notes += found_under_several([data.settings for data in studies])
    if len({data.minimize for data in studies} | {data.objective for data in studies}) > 2:
        notes.append("The studies have different objectives; their figures are not on one scale.")
    tasks = len({task_of(data) for data in studies})
    protocols = len({canonical(_protocol(data)) for data in studies})
    checks = checklist(studies, min(method.independent for method in methods), tasks, protocols)
    facts = [(method.name, run_facts(method.studies, method.shared_cache)) for method in methods]
    facts += [group for group in studies[0].facts if group[0] in ("Hasher", "Versions and hardware")]
    return Comparison(list(studies), methods, checks, notes, name, facts)


def _identity(data: ReportData) -> str:
    return canonical({name: value for name, value in data.settings.items() if name not in _OF_A_RUN})


def _protocol(data: ReportData) -> dict[str, Any]:
    """Returns the evaluator's settings without the task: what an ablation of training tricks varies."""
    evaluator = data.settings.get("evaluator") or {}
    settings = {
        key: value for key, value in (evaluator.get("settings") or {}).items() if key not in ("task", "dataset")
    }
    return {"name": evaluator.get("name"), "settings": settings}


def _method(runs: list[ReportData]) -> Method:
    first = runs[0]
    strategy = str(first.settings.get("strategy", {}).get("name", "study"))
    name = f"{strategy} on {task_of(first)}"
    shared = len({canonical(data.settings.get("namespace")) for data in runs}) < len(runs)
    search = bands([data.search.curve for data in runs])
    rivals = [data.random for data in runs if data.random is not data.search]
    random = bands([rival.curve for rival in rivals if rival is not None])
    if len(runs) == 1:
        return Method(
            name, strategy, task_of(first), runs, first.ri, first.gain, first.verdict, False, (), "", search, random
        )
    copies = _copies(runs)
    own = [data for data in runs if data.name not in copies]
    dependence = _dependence(own, copies)
    tested = [data for data in own if data.winners and data.winners[0].test_values]
    winners = [data.winners[0].test_values for data in tested]
    samples = [[item.test_values for item in data.random_samples if item.test_values] for data in tested]
    ri = relative_improvement(winners, [sample for sample in samples if sample], minimize=first.minimize)
    both = [
        data
        for data in tested
        if data.rivals and data.rivals[0].test_values and data.random_winners and data.random_winners[0].test_values
    ]
    gain = gain_over_random_search(
        [data.rivals[0].test_values for data in both],
        [data.random_winners[0].test_values for data in both],
        minimize=first.minimize,
    )
    # With one run left, the units above are its seeds, which are no runs.
    ri, gain = replace(ri, units=(len(tested), len(tested))), replace(gain, units=(len(both), len(both)))
    verdict = _verdict(both, tested, dependence)
    return Method(
        name, strategy, task_of(first), runs, ri, gain, verdict, shared, tuple(copies), dependence, search, random
    )


def _verdict(both: Sequence[ReportData], tested: Sequence[ReportData], dependence: str) -> Verdict:
    """Judges runs against random search with equal evaluations, and against whichever else each run had to beat: that
    with equal seconds, and that with the same beginning.

    Args:
        both: runs with test figures of the search and of random search.
        tested: runs with test figures of the search.
        dependence: see `judge_runs`.
    """
    looks = max((data.looks for data in tested), default=1)
    level = level_of_runs(looks)
    again = "" if looks == 1 else f" The runs were extended: this is look {looks} at them, hence the wider interval."

    def judged(pairs: Sequence[tuple[ReportData, RatedCandidate, RatedCandidate]], equal: bool) -> Verdict:
        gain = gain_over_random_search(
            [one.test_values for _, one, _ in pairs],
            [other.test_values for _, _, other in pairs],
            minimize=tested[0].minimize if tested else False,
            level=level,
        )
        gain = replace(gain, units=(len(pairs), len(pairs)))
        found = judge_runs(gain, equal, dependence, level)
        return replace(found, reason=found.reason + again)

    verdict = judged(
        [(data, data.rivals[0], data.random_winners[0]) for data in both], all(data.equal_effort for data in both)
    )
    seconds = [(data, data.winners, data.search.counted, data.rated) for data in tested if data.rated is not None]
    begun = [
        (data, data.rivals, data.compared_at or data.search.counted, data.begun)
        for data in tested
        if data.begun is not None
    ]
    for what, rows in (("with equal seconds", seconds), ("that begins with the same known results", begun)):
        if not verdict.beats or all(other.random is None for *_, other in rows):
            continue
        pairs = [
            (data, mine[0], other.random_winners[0])
            for data, mine, _, other in rows
            if mine and other.random_winners and other.random_winners[0].test_values
        ]
        equal = all(other.random is not None and other.random.counted >= most for _, _, most, other in rows)
        second = judged(pairs, equal)
        if not second.beats:
            return replace(
                second,
                reason=f"It beats random search with equal evaluations. Against random search {what}: {second.reason}",
            )
    return verdict


def _copies(runs: Sequence[ReportData]) -> dict[str, str]:
    """Returns the names of runs that repeat an earlier one, with the name of that one.

    Runs of one method draw their candidates, those of random search too, from the seed alone; another namespace changes
    only the noise of their evaluations.
    """
    first: dict[str, str] = {}
    copies = {}
    for data in runs:
        name = first.setdefault(canonical(data.settings.get("seed")), data.name)
        if name != data.name:
            copies[data.name] = name
    return copies


def _dependence(runs: Sequence[ReportData], copies: Mapping[str, str]) -> str:
    """Returns why runs of one method are not independent, and what to do; empty where they are.

    Args:
        runs: without copies.
        copies: see `_copies`.
    """
    if copies:
        copy, original = next(iter(copies.items()))
        more = f" (and {len(copies) - 1} more)" if len(copies) > 1 else ""
        return (
            f"{copy} repeats {original}: both have the seed {_seed(runs, original)}, so they drew the same candidates "
            f"and count once{more}; search again with another --seed, or with --repeats"
        )
    names = {data.name for data in runs}
    served = [(data.name, other) for data in runs for other in data.drawn_from if other in names]
    if not served:
        return ""
    name, other = served[0]
    more = f" (and {len(served) - 1} more)" if len(served) > 1 else ""
    return (
        f"{name} was served from the evaluations of {other}{more}: runs that share a cache share luck and noise, and "
        "an interval over them is too short; give each run its own --namespace, or search with --repeats"
    )


def _seed(runs: Sequence[ReportData], name: str) -> str:
    return next((canonical(data.settings.get("seed")) for data in runs if data.name == name), "–")


def comparison_json(data: Comparison) -> dict[str, Any]:
    """Returns the comparison as JSON data, every study's own report included."""
    return {
        **({"study": data.study, "runs": len(data.studies)} if data.study else {}),
        "methods": [
            {
                "method": method.name,
                "task": method.task,
                "runs": method.runs,
                "studies": [item.name for item in method.studies],
                "ri": method.ri.to_json(),
                "gain_over_random_search": method.gain.to_json(),
                "verdict": method.verdict.text,
                "verdict_reason": method.verdict.reason,
                "shared_cache": method.shared_cache,
                "copies": list(method.copies),
                "not_independent": method.dependence or None,
                "best_test": method.best_test if final_word(method.studies) == "test" else None,
                "best_fresh": method.best_test if final_word(method.studies) != "test" else None,
                "evaluations": method.evaluations,
                "seconds": method.seconds,
                "saved": method.saved,
                "curves": {"search": method.search.to_json(), "random_search": method.random.to_json()},
            }
            for method in data.methods
        ],
        "table": rows_of(data.studies),
        "facts": [{"of": title, "facts": dict(rows)} for title, rows in data.facts],
        "checklist": [{"practice": item.practice, "kept": item.kept, "note": item.note} for item in data.checklist],
        "notes": data.notes,
        "studies": [study_json(item) for item in data.studies],
    }
