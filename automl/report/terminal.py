"""The report on a terminal: the verdict first, then what it rests on, about one screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from automl.evidence import ResultsTable, Verdict
from automl.report.compare import Comparison
from automl.report.data import MEANING, OUTCOMES, Architecture, ReportData
from automl.report.words import compact, count_of, duration, ends, figure, headline, interval, share

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
        console.print(_winners(data))
    elif data.search.best is not None:
        best = data.search.best
        console.print(Text(f"Best by validation: {figure(best.fitness)}, trial {best.number}: {best.candidate}"))
    console.print(_cache(data))
    if data.audits:
        console.print(Text(f"Audits: {data.audits['sentence']}."))
    for failure in data.search.failures[:3]:
        console.print(
            Text(f"  {count_of(failure.count, 'failure')}: {failure.example}", overflow="ellipsis", no_wrap=True)
        )
    missing = [item.practice.lower() for item in data.checklist if not item.kept]
    if missing:
        console.print(Text(f"Not done: {'; '.join(missing)}."))
    for note in data.notes:
        console.print(Text(f"Note: {note}"))


def _verdict(name: str, verdict: Verdict, console: Console) -> None:
    colour = "green" if verdict.beats else "yellow"
    console.print(Text.assemble((f"{name}: ", "bold"), (headline(verdict.text), f"bold {colour}")))
    console.print(Text(verdict.reason))


def _table(*columns: str, title: str = "") -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title=title or None, title_justify="left")
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
        ("random search, equal evaluations", data.gain, "", f"both winners by validation, {seeds}"),
    )
    for name, estimate, unit, basis in rows:
        shown = figure(estimate.value, sign=True) + (unit if estimate.value is not None else "")
        table.add_row(name, shown, ends(estimate), basis)
    return table


def _winners(data: ReportData) -> Table:
    table = _table("", "validation", "test", "each seed", "candidate", title="")
    table.columns[4].justify = "left"
    shown: Sequence[tuple[str, Architecture]] = [
        *((f"found {item.rank}", item) for item in data.winners[:3]),
        *((f"random best {item.rank}", item) for item in data.random_winners[:3]),
    ]
    for word, item in shown:
        values = " ".join(figure(value) for value in item.test_values[:5]) + ("…" if len(item.test_values) > 5 else "")
        table.add_row(
            word, figure(item.validation), figure(item.test), values or "failed", escape(item.description[:160])
        )
    return table


def _cache(data: ReportData) -> Table:
    table = _table("trials", "number", "evaluating took", "saved", title="")
    for name in OUTCOMES:
        line = data.search.outcomes[name]
        if line.trials:
            paid, saved = duration(line.paid_seconds), duration(line.saved_seconds)
            table.add_row(f"{name} ({MEANING[name]})", f"{line.trials:,}", paid, saved)
    search = data.search
    saved = f"{duration(search.saved_seconds)}, less {duration(search.hash_seconds)} of hashing"
    spared = f"{search.trials:,}, {share(search.saved_trials, search.trials)} without evaluation"
    if search.table_saved:
        saved += f"; of training {duration(search.table_saved)}"
    table.add_row("all", spared, duration(search.paid_seconds), saved, style="bold")
    return table


def _comparison(data: Comparison, console: Console) -> None:
    table = _table("study", "test", "RI, %", "gain over random search", "evaluations", "time", "saved", "verdict")
    table.columns[7].justify = "left"
    for place in range(1, 7):
        table.columns[place].no_wrap = True
    for item in data.studies:
        table.add_row(
            escape(item.name),
            figure(item.best.test if item.best else None),
            compact(item.ri),
            compact(item.gain),
            f"{item.search.evaluations:,}",
            duration(item.search.seconds),
            share(item.search.saved_trials, item.search.trials),
            item.verdict.text.partition(":")[0],
        )
    console.print(table)
    for method in data.methods:
        if method.runs > 1:
            console.print()
            _verdict(f"{method.name}, {count_of(method.runs, 'run')}", method.verdict, console)
            console.print(Text(f"RI over the average random architecture: {interval(method.ri, ' %')}"))
    for note in data.notes:
        console.print(Text(f"Note: {note}"))


def _results(data: ResultsTable, console: Console) -> None:
    table = _table("data set", "method", "RI, % [95 % interval]", "runs", "random", "left out", "interval by")
    for column in (1, 6):
        table.columns[column].justify = "left"
    table.columns[2].no_wrap = True
    for row in data.rows:
        table.add_row(
            escape(row.dataset),
            escape(row.method),
            compact(row.ri),
            str(row.runs),
            str(row.random),
            str(row.left_out),
            row.ri.method,
        )
    console.print(table)
    console.print(Text("RI = 100 · (method − random) / random, over the same data set's average random architecture."))
