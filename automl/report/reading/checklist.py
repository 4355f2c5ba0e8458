"""The best practices of Yang et al. (ICLR 2020, section 5), filled in from what the study did."""

from __future__ import annotations

from collections.abc import Sequence

from automl.evidence import BOOTSTRAP_RUNS, ENOUGH_RANDOM
from automl.report.data import Check, ReportData
from automl.report.words import count_of, duration


def checklist(studies: Sequence[ReportData], runs: int = 1, tasks: int = 1, protocols: int = 1) -> list[Check]:
    """Returns each practice with whether it was kept, by every study where there are several.

    Args:
        studies: at least one.
        runs: independent runs of the search at hand; copies of one run, and runs that served each other, are one.
        tasks: different tasks among them.
        protocols: different evaluator settings among them, as an ablation of training tricks needs.
    """
    each = [_of_one(data) for data in studies]
    paid, hashed = sum(data.paid_seconds for data in studies), sum(data.hash_seconds for data in studies)
    table = sum(data.table_paid for data in studies)
    account = f"; by the table's account {duration(table)} of training" if table else ""
    return [
        *(_together(checks, studies) for checks in zip(*each, strict=True)),
        Check(
            "Several runs of the whole search",
            runs > 1,
            ("one run" if runs == 1 else f"{runs} runs")
            + ("" if runs >= BOOTSTRAP_RUNS else f"; a claim about the method needs {BOOTSTRAP_RUNS} or more"),
        ),
        Check(
            "Several data sets",
            tasks > 1,
            f"{tasks} tasks" if tasks > 1 else "one task; search on others and report the studies together",
        ),
        _ablation(studies, protocols),
        Check(
            "Cost reported, hashing and baseline included",
            True,
            f"{duration(paid)} of evaluation, {duration(hashed)} of hashing{account}",
        ),
    ]


def _ablation(studies: Sequence[ReportData], protocols: int) -> Check:
    """Returns whether tricks of training were left out, of every study, or searches ran under several protocols."""
    found = [data.ablation for data in studies if data.ablation is not None and data.ablation.plain]
    left_out = min((sum(bool(line.without) for line in one.lines) for one in found), default=0)
    note = "one training protocol; `automl ablate STUDY` leaves its tricks out"
    if found and len(found) == len(studies):
        note = (
            f"{count_of(left_out, 'protocol')} with tricks left out, the winner and a random sample trained under each"
        )
    elif protocols > 1:
        note = f"{protocols} training protocols compared"
    return Check("Ablation of training tricks", protocols > 1 or (bool(found) and len(found) == len(studies)), note)


def _together(checks: Sequence[Check], studies: Sequence[ReportData]) -> Check:
    """Joins what each study did about one practice: what one of them lacks, all of them lack."""
    first = checks[0]
    broken = [(check, data) for check, data in zip(checks, studies, strict=True) if not check.kept]
    if len(checks) == 1:
        return first
    if broken:
        check, data = broken[0]
        more = f"; {len(broken)} of {len(checks)} studies" if len(broken) > 1 else ""
        return Check(first.practice, False, f"{data.name}: {check.note}{more}")
    same = all(check.note == first.note for check in checks)
    return Check(
        first.practice, True, first.note if same else f"all {len(checks)} studies; {studies[0].name}: {first.note}"
    )


def _of_one(data: ReportData) -> list[Check]:
    random = data.random
    own = random is not None and random is not data.search
    averaged = sum(1 for item in data.random_samples if item.test_values)
    lost = len(data.random_samples) - averaged
    left_out = f", {lost} that failed left out" if lost else ""
    equal = own and data.equal_effort
    return [
        Check(
            f"Compared with the average of {ENOUGH_RANDOM} random architectures or more",
            averaged >= ENOUGH_RANDOM,
            f"{count_of(averaged, 'random architecture')} re-evaluated{left_out}"
            if averaged >= ENOUGH_RANDOM
            else f"{averaged} of at least {ENOUGH_RANDOM} random architectures re-evaluated{left_out}",
        ),
        Check(
            "Compared with random search of equal effort",
            equal,
            f"{random.counted:,} random evaluations, "
            + ("" if data.compared_at is None else f"the first {data.compared_at:,} of ")
            + f"{data.search.counted:,} of the search"
            if own and random is not None
            else "there is no random search beside this study; leave the baseline on",
        ),
        Check(
            "Same training protocol for both",
            own,
            "one evaluator, one set of settings, one way to select"
            if own
            else "there is nothing to compare the protocol with",
        ),
        Check(
            "Test part read only after the winner was fixed",
            bool(data.winners) and data.held_out,
            _how_tested(data),
        ),
        Check(
            "Several seeds for each final figure",
            data.seeds >= 2 or data.deterministic,
            f"the evaluator gives the same {'test ' if data.held_out else ''}figure for every seed"
            if data.deterministic
            else f"{count_of(data.seeds, 'seed')} for each winner",
        ),
    ]


def _how_tested(data: ReportData) -> str:
    if not data.held_out:
        return (
            f"there is no test part: final figures are {data.basis}; "
            "a function with a parameter `part` is given 'validation' or 'test'"
        )
    if not data.winners:
        return "the winners have not been tested"
    return "ranked by validation first, then " + ("looked up" if data.deterministic else "tested with fresh seeds")
