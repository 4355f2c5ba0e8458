"""What a study's winners and random sample reach under other protocols of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from automl.evidence import gain_over_random_search
from automl.evidence.ablation import beyond_average, paired_difference, share_of_protocol
from automl.evidence.means import mean
from automl.evidence.ranks import agreement_between
from automl.report.data import Ablation, ProtocolLine
from automl.selection.ranking import RANDOM_SAMPLE, RANDOM_WINNER, SEARCH_WINNER
from automl.storage.records import StudyRecord, TrialRecord
from automl.storage.studies import StudyStore

Figures = Mapping[str, Mapping[str, Sequence[float]]]
"""By role and candidate (JSON), the values of each seed on the test part."""


def ablation_of(
    store: StudyStore,
    search: StudyRecord,
    tested: Sequence[TrialRecord],
    values: Callable[[TrialRecord], Sequence[float]],
    minimize: bool,
) -> Ablation | None:
    """Returns what was found under other protocols; None where nothing was trained under any.

    Args:
        store: of the study.
        search: the study.
        tested: its re-evaluations on the test part.
        values: returns the figures of a re-evaluation, one for each seed.
        minimize: whether a smaller figure is better.
    """
    studies = [child for child in store.phase_studies(search.id) if child.kind == "ablation"]
    roles = {role: [trial for trial in tested if trial.origin == role] for role in (SEARCH_WINNER, RANDOM_WINNER)}
    first = [trial for found in roles.values() for trial in found[:1]]
    chosen = [*first, *(trial for trial in tested if trial.origin == RANDOM_SAMPLE)]
    of = [[trial.candidate, trial.origin] for trial in chosen]
    current: dict[str, StudyRecord] = {}
    for one in studies:
        if one.settings["ablation"]["of"] == of and one.trials == len(of):
            current[one.settings["ablation"]["name"]] = one
    if not current:
        return None
    whole = _figures(chosen, values)
    sign = -1.0 if minimize else 1.0
    lines, figures = [], {}
    for name, one in current.items():
        trials = store.by_number(one.id)
        found = figures[name] = _figures(trials, values)
        described = one.settings["ablation"]
        seconds = sum(trial.paid_seconds + trial.saved_seconds for trial in trials)
        lines.append(_line(name, described["without"], found, whole, sign, seconds))
    every = max(current, key=lambda name: len(current[name].settings["ablation"]["without"]))
    plain = figures[every] if current[every].settings["ablation"]["without"] else None
    return Ablation(
        whole=_line("as searched", (), whole, None, sign, sum(one.paid_seconds + one.saved_seconds for one in chosen)),
        lines=lines,
        share=None
        if plain is None
        else share_of_protocol(_winner(whole, SEARCH_WINNER), whole[RANDOM_SAMPLE], plain[RANDOM_SAMPLE], sign),
        plain="" if plain is None else every,
    )


def _figures(trials: Sequence[TrialRecord], values: Callable[[TrialRecord], Sequence[float]]) -> Figures:
    found: dict[str, dict[str, Sequence[float]]] = {role: {} for role in (SEARCH_WINNER, RANDOM_WINNER, RANDOM_SAMPLE)}
    for trial in trials:
        figures = values(trial)
        if figures:
            found[trial.origin][trial.candidate] = figures
    return found


def _winner(figures: Figures, role: str) -> Sequence[float]:
    return next(iter(figures[role].values()), ())


def _line(
    name: str, without: Sequence[str], own: Figures, whole: Figures | None, sign: float, seconds: float
) -> ProtocolLine:
    winner, random = _winner(own, SEARCH_WINNER), _winner(own, RANDOM_WINNER)
    sample = own[RANDOM_SAMPLE]
    flat = {name: mean(list(values)) for name, values in sample.items()}
    other = {} if whole is None else {name: mean(list(values)) for name, values in whole[RANDOM_SAMPLE].items()}
    effect = None
    if whole is not None:
        effect = paired_difference(whole[RANDOM_SAMPLE], sample)
        if sign < 0:
            effect = paired_difference(sample, whole[RANDOM_SAMPLE])
    return ProtocolLine(
        name=name,
        without=tuple(without),
        sample=mean(list(flat.values())) if flat else None,
        winner=mean(list(winner)) if winner else None,
        effect=effect,
        beyond=beyond_average(winner, sample, sign),
        gain=gain_over_random_search(list(winner), list(random), minimize=sign < 0) if winner and random else None,
        ranks=None if whole is None else agreement_between(other, flat),
        seconds=seconds,
    )
