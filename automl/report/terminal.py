"""The report on a terminal: the verdict first, then what it rests on, about one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from automl.errors import legible, one_line
from automl.evidence import ResultsTable, Verdict
from automl.report.data import Ablation, Rated, ReportData, final_word
from automl.report.reading.compare import Comparison
from automl.report.study_part import MEANING, RatedCandidate, StudyPart
from automl.report.words import (
    amount,
    compact,
    count_of,
    duration,
    ends,
    figure,
    headline,
    in_full,
    interval,
    share,
)
from automl.storage.records import OUTCOMES

if TYPE_CHECKING:
    from rich.console import Console


def render(data: ReportData | Comparison | ResultsTable, console: Console) -> None:
    """Prints one study, several, or results from elsewhere."""
    if isinstance(data, ResultsTable):
        _results(data, console)
    elif isinstance(data, Comparison):
        _comparison(data, console)
    else:
        _study(data, console)


def _study(data: ReportData, console: Console) -> None:
    _verdict(data.name, data.verdict, console)
    console.print(_comparisons(data))
    if data.winners:
        console.print(_winners(data, console.width))
        console.print(_text(f"Winner: {data.winners[0].candidate}"))
        _model(data, console)
        if data.confirmed:
            console.print(Text(data.confirmed))
    elif data.search.best is not None:
        best = data.search.best
        console.print(_text(f"Best by validation: {figure(best.fitness)}, trial {best.number}: {best.candidate}"))
    if len(data.search.front) > 1:
        console.print(_front(data, console.width))
        if data.front_tested:
            console.print(Text(data.front_tested))
    for ranks in data.ranks:
        agreement = ranks.agreement
        console.print(
            Text(
                f"Rank agreement of {ranks.what}: Kendall's τ {figure(agreement.tau)}, Spearman's ρ "
                f"{figure(agreement.rho)}, {count_of(agreement.pairs, 'class')}."
            )
        )
    _ablated(data.ablation, console)
    if data.learning is not None and data.learning.order_known:
        console.print(Text(data.learning.order_known))
    console.print(_cache(data))
    console.print(Text(_savings(data.search, (data.settings.get("environment") or {}).get("pool") or {})))
    _made(data, console)
    if data.audits:
        console.print(Text(f"Audits: {data.audits['sentence']}."))
    _failures(data, console)
    missing = [item.practice.lower() for item in data.checklist if not item.kept]
    if missing:
        console.print(_text(f"Not done: {'; '.join(missing)}."))
    for note in data.notes:
        console.print(_text(f"Note: {note}"))


def _model(data: ReportData, console: Console) -> None:
    if data.model:
        size = data.model["bytes"] / 1e6
        console.print(_text(f"Its trained network ({size:,.2f} MB of weights) is kept: {data.model['export']}"))
    if joined := (data.settings.get("environment") or {}).get("ensemble"):
        count, test = len(joined["members"]), joined["test"][data.objective]
        alone = joined["best_network_test"][data.objective]
        console.print(_text(f"An ensemble of {count} networks: {test:.6g} on the test part, the best {alone:.6g}."))


def _made(data: ReportData, console: Console) -> None:
    """Prints what the ratings took beside the final evaluations, and which artefacts were read."""
    if data.begun:
        console.print(Text(data.begun.said))
    if data.rated:
        console.print(_stages(data, data.rated))
    for one in data.artefacts:
        whose = "made for this study" if one["made"] else "found"
        size = f"{one['bytes'] / 1e6:,.2f} MB"
        console.print(_text(f"Artefact {one['name']}, {size}, {duration(one['seconds'])}: {whose}."))


def _failures(data: ReportData, console: Console) -> None:
    for failure in data.search.failures[:3]:
        console.print(
            Text(
                f"  {count_of(failure.count, 'failure')}: {one_line(failure.example, 500)}",
                overflow="ellipsis",
                no_wrap=True,
            )
        )
    if data.traceback and data.search.outcomes["failed"].trials == data.search.trials:
        console.print(_text(f"The first failure in full:\n{data.traceback.rstrip()}"))


def _verdict(name: str, verdict: Verdict, console: Console) -> None:
    colour = "green" if verdict.beats else "yellow"
    console.print(Text.assemble((f"{legible(name)}: ", "bold"), (headline(verdict.text), f"bold {colour}")))
    console.print(_text(verdict.reason))


def _text(foreign: str) -> Text:
    """Returns text that holds a candidate, a name or a message: no markup, no control characters."""
    return Text(legible(foreign))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
    return table


def _comparisons(data: ReportData) -> Table:
    table = _table("compared with", "difference", "95 % interval", "rests on")
    table.columns[3].justify = "left"
    sample = sum(1 for item in data.random_samples if item.test_values)
    seeds = data.basis if data.deterministic else count_of(data.seeds, "seed")
    rows = (
        ("average random architecture (RI)", data.ri, " %", f"{count_of(sample, 'random architecture')}"),
        (data.against, data.gain, "", seeds),
        *((("random search, equal seconds", data.rated.gain, "", seeds),) if data.rated else ()),
        *((("random search, same beginning", data.begun.gain, "", seeds),) if data.begun and data.begun.random else ()),
    )
    for name, estimate, unit, basis in rows:
        shown = figure(estimate.value, sign=True) + (unit if estimate.value is not None else "")
        table.add_row(name, shown, ends(estimate), basis)
    return table


def _winners(data: ReportData, width: int) -> Table:
    header = (
        "",
        *(("rating",) if data.rated and data.rated.part else ()),
        "validation",
        data.final,
        "each seed",
        "candidate",
    )
    table = _table(*header)
    table.columns[-1].justify = "left"
    for column in table.columns:
        column.no_wrap = True
    shown: Sequence[tuple[str, RatedCandidate]] = [
        *((f"found {item.rank}", item) for item in data.winners[:3]),
        *((f"random best {item.rank}", item) for item in data.random_winners[:3]),
    ]
    rows = []
    for word, item in shown:
        values = " ".join(figure(value) for value in item.test_values[:5]) + ("…" if len(item.test_values) > 5 else "")
        rating = (figure(item.rating),) if data.rated and data.rated.part else ()
        rows.append((word, *rating, figure(item.fitness), figure(item.test), values or "failed", item.description))
    wide = (max(len(row[place]) for row in (header, *rows)) for place in range(len(header) - 1))
    room = max(20, width - sum(wide) - 10)  # two blanks after each column
    for *figures, description in rows:
        line = description if len(description) <= room else description[: room - 1] + "…"
        table.add_row(*figures, Text(legible(line)))
    return table


def _front(data: ReportData, width: int) -> Table:
    """Returns the Pareto front, or an even choice of it where it is long."""
    objectives, front = data.search.objectives, data.search.front
    table = _table(
        "not beaten in all of",
        *(escape(legible(f"{one.metric} {'↓' if one.minimize else '↑'}", 60)) for one in objectives),
        data.final,
    )
    asked_for = len(data.objectives.all) > 1
    shown = data.front_shown(12 if asked_for else 4)
    used = 12 * (len(objectives) + 1)
    for item in shown:
        room = max(20, width - used)
        line = item.description or item.candidate
        line = line if len(line) <= room else line[: room - 1] + "…"
        table.add_row(Text(legible(line)), *(amount(item.figures[one.metric]) for one in objectives), figure(item.test))
    if len(shown) < len(front):
        table.add_row(f"… {len(front)} in all", *("" for _ in objectives), "")
    return table


def _cache(data: ReportData) -> Table:
    search = data.search
    table = _table("outcome", "trials", "evaluating took", "saved")
    table.columns[0].no_wrap = True
    for name in OUTCOMES:
        line = search.outcomes[name]
        if line.trials:
            paid, saved = duration(line.paid_seconds), duration(line.saved_seconds)
            table.add_row(f"{name} ({MEANING[name]})", f"{line.trials:,}", paid, saved)
    table.add_row("hashing", "", duration(search.hash_seconds), "")
    total = duration(search.paid_seconds + search.hash_seconds)
    table.add_row("all", f"{search.trials:,}", total, duration(search.saved_seconds), style="bold")
    return table


def _ablated(found: Ablation | None, console: Console) -> None:
    if found is not None:
        console.print(_ablation(found))
        if found.sentence:
            console.print(Text(found.sentence))


def _ablation(found: Ablation) -> Table:
    """Returns search and protocol beside each other: a line for each protocol of training."""
    table = _table("protocol", "sample", "the searched adds", "95 % interval", "winner", "beyond sample", "order τ")
    table.columns[0].justify = "left"
    for line in (found.whole, *found.lines):
        adds = ("", "") if line.effect is None else (figure(line.effect.value, sign=True), ends(line.effect))
        tau = "" if line.ranks is None else figure(line.ranks.tau)
        name = Text(f"without {line.name}" if line.without else line.name)
        table.add_row(name, figure(line.sample), *adds, figure(line.winner), figure(line.beyond.value, sign=True), tau)
    return table


def _stages(data: ReportData, rated: Rated) -> Table:
    """Returns ratings and final evaluations beside each other, and what random search got for the seconds of both."""
    table = _table("", rated.title, "final evaluations", "random search, equal seconds")
    longer = rated.random
    table.add_row("trials", rated.trials, f"{data.search.trials:,}", f"{longer.trials:,}" if longer else "–")
    counted = f"{longer.counted:,g}" if longer else "–"
    table.add_row("evaluations", rated.counted, f"{data.search.counted:,g}", counted)
    table.add_row("seconds, artefacts included", duration(rated.seconds), duration(rated.decided), "")
    return table


def _savings(search: StudyPart, pool: Mapping[str, int]) -> str:
    spared = share(search.saved_trials, search.trials)
    text = f"{spared} of the trials needed no evaluation of their own: {search.evaluations:,} evaluations in all"
    text += f", worth {in_full(search.counted, search.fidelities)}." if search.fidelities else "."
    if search.table_paid:
        saved, paid = duration(search.table_saved), duration(search.table_paid)
        text += f" By the table's account that saved {saved} of training on top of {paid}."
    if equal := pool.get("encodings", 0) - pool.get("functions", 0):
        text += (
            f"\nBefore anything was proposed, {equal:,} of {pool['encodings']:,} encodings were recognised as equal to "
            "others, and left out."
        )
    return text


def _comparison(data: Comparison, console: Console) -> None:
    table = _table(
        "study", final_word(data.studies), "RI, %", "gain over random search", "evaluations", "time", "saved", "verdict"
    )
    table.columns[7].justify = "left"
    for place in range(1, 7):
        table.columns[place].no_wrap = True
    for item in data.studies:
        table.add_row(
            Text(legible(item.name, 300)),
            figure(item.best.test if item.best else None),
            compact(item.ri),
            compact(item.gain),
            f"{item.search.evaluations:,}",
            duration(item.search.seconds),
            share(item.search.saved_trials, item.search.trials),
            item.verdict.text.partition(":")[0].replace("beats random search", "beats it"),
        )
    console.print(table)
    for method in data.methods:
        if len(method.studies) > 1:
            console.print()
            copies = f" and {len(method.copies)} that repeat them" if method.copies else ""
            _verdict(f"{method.name}, {count_of(method.runs, 'run')}{copies}", method.verdict, console)
            console.print(Text(f"RI over the average random architecture: {interval(method.ri, ' %')}"))
            console.print(
                Text(
                    f"In the mean: {final_word(method.studies)} {figure(method.best_test)}, "
                    f"{method.evaluations:,.0f} evaluations, "
                    f"{duration(method.seconds)}; {share(method.saved, 1)} of the trials needed none of their own."
                )
            )
    missing = [item.practice.lower() for item in data.checklist if not item.kept]
    if missing:
        console.print()
        console.print(_text(f"Not done: {'; '.join(missing)}."))
    for note in data.notes:
        console.print(_text(f"Note: {note}"))


def _results(data: ResultsTable, console: Console) -> None:
    table = _table("data set", "method", "RI, % [95 % interval]", "runs", "random", "left out", "interval by")
    for column in (1, 6):
        table.columns[column].justify = "left"
    table.columns[2].no_wrap = True
    for row in data.rows:
        table.add_row(
            Text(legible(row.dataset, 300)),
            Text(legible(row.method, 300)),
            compact(row.ri),
            str(row.runs),
            str(row.random),
            str(row.left_out),
            row.ri.method,
        )
    console.print(table)
    console.print(Text("RI = 100 · (method − random) / random, over the same data set's average random architecture."))
    for note in data.notes:
        console.print(_text(f"Note: {note}"))
