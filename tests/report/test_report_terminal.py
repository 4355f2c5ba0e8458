from collections.abc import Iterator
from pathlib import Path

import pytest
from report_studies import Chains, Recipe, Writer, new_writer
from rich.console import Console

from automl import report
from automl.errors import InvalidInput
from automl.evidence import results_table


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = new_writer(tmp_path)
    yield made
    made.close()


def printed(data: report.Reportable) -> str:
    console = Console(width=110, no_color=True, highlight=False)
    with console.capture() as captured:
        report.render_terminal(data, console)
    return captured.get()


def test_one_screen_with_the_verdict_first(writer: Writer) -> None:
    writer.study(Recipe(length=12, failures={3: "ValueError: [bold]no width"}))
    text = printed(report.collect(writer.database, "chains-1", Chains(12)))
    lines = text.splitlines()
    assert lines[0] == "chains-1: Beats random search"
    assert len(lines) <= 40
    for part in ("average random architecture (RI)", "random search, equal evaluations", "found 1", "random best 1"):
        assert part in text
    for part in ("miss (evaluated)", "hit (in the cache)", "hashing", "1 failure: ValueError: [bold]no width"):
        assert part in text
    assert "Not done: several runs of the whole search; several data sets" in text


def test_markup_in_names_is_shown_and_not_obeyed(writer: Writer) -> None:
    class Marked(Chains):
        def describe(self, candidate: object) -> str:
            return "[red]x[/red] [/]"

    writer.study(Recipe())
    assert "[red]x[/red] [/]" in printed(report.collect(writer.database, "chains-1", Marked()))


def test_several_studies_in_one_table_and_their_runs_pooled(writer: Writer) -> None:
    for seed in range(10):
        writer.study(Recipe(name=f"run-{seed}", seed=seed, namespace=f"n{seed}", length=12, trials=60))
    runs = [report.collect(writer.database, f"run-{seed}") for seed in range(10)]
    compared = report.compare(runs)
    [method] = compared.methods
    assert method.runs == 10
    assert method.gain.method.startswith("bootstrap")
    assert method.verdict.text == "beats random search"
    assert "This concerns the method on this task" in method.verdict.reason
    text = printed(compared)
    assert all(f"run-{seed}" in text for seed in range(10))
    assert "10 runs" in text
    answer = report.to_json(compared)
    assert [row["study"] for row in answer["table"]] == [f"run-{seed}" for seed in range(10)]
    assert answer["methods"][0]["ri"]["value"] == method.ri.value
    kept = {item["practice"]: item["kept"] for item in answer["checklist"]}
    assert kept["Several runs of the whole search"]


def test_methods_tasks_and_protocols_are_told_apart(writer: Writer) -> None:
    def settings(task: str, epochs: int) -> dict[str, object]:
        return {"evaluator": {"name": "simulated", "version": "1", "settings": {"task": task, "epochs": epochs}}}

    recipes = [
        Recipe(name="a", settings=settings("one", 5)),
        Recipe(name="b", settings=settings("two", 5)),
        Recipe(name="c", settings=settings("two", 9)),
        Recipe(name="d", settings=settings("two", 9), strategy="elitist_evolution"),
    ]
    for recipe in recipes:
        writer.study(recipe)
    compared = report.compare([report.collect(writer.database, recipe.name) for recipe in recipes])
    assert [method.runs for method in compared.methods] == [1, 1, 1, 1]
    kept = {item.practice: item.kept for item in compared.checklist}
    assert kept["Several data sets"]
    assert kept["Ablation of training tricks"]
    assert not kept["Several runs of the whole search"]


def test_runs_that_share_a_cache_are_said_to(writer: Writer) -> None:
    for seed in range(2):
        writer.study(Recipe(name=f"run-{seed}", seed=seed))
    compared = report.compare([report.collect(writer.database, f"run-{seed}") for seed in range(2)])
    assert "share a cache" in printed(compared)


def test_comparing_nothing_or_one_twice_is_refused(writer: Writer) -> None:
    writer.study(Recipe(trials=10, baseline=False))
    data = report.collect(writer.database, "chains-1")
    with pytest.raises(InvalidInput, match="nothing to compare"):
        report.compare([])
    with pytest.raises(InvalidInput, match="'chains-1' was named twice"):
        report.compare([data, data])


def test_results_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("dataset,method,kind,run,acc\nC10,M,method,1,97\nC10,M,random,1,96\nC10,M,random,2,95\n")
    table = results_table(path)
    text = printed(table)
    assert "C10" in text
    assert "+1.57" in text
    assert report.to_json(table) == table.to_json()
