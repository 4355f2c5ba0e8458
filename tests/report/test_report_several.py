"""Several studies: what the checklist says of all of them, what it takes to do them again, one row for each method."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from report_studies import Chains, Recipe, Writer, new_writer
from rich.console import Console

from automl import report
from automl.report.data import ReportData
from automl.report.html import page


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = new_writer(tmp_path)
    yield made
    made.close()


def collected(writer: Writer, *recipes: Recipe) -> list[ReportData]:
    for recipe in recipes:
        writer.study(recipe)
    return [report.collect(writer.database, recipe.name, Chains()) for recipe in recipes]


def checks(data: report.Comparison) -> dict[str, tuple[bool, str]]:
    return {item.practice: (item.kept, item.note) for item in data.checklist}


def test_a_practice_is_kept_only_if_every_study_kept_it(writer: Writer) -> None:
    good, bad = Recipe(name="good", namespace="a"), Recipe(name="bad", seed=1, namespace="b", seeds=1)
    found = checks(report.compare(collected(writer, good, bad)))
    kept, note = found["Several seeds for each final figure"]
    assert not kept
    assert note.startswith("bad: ")
    assert found["Compared with random search of equal effort"][0]
    assert "all 2 studies" in found["Compared with random search of equal effort"][1]
    assert found["Several runs of the whole search"] == (True, "2 runs; a claim about the method needs 10 or more")


def test_one_method_with_one_run_is_one_run(writer: Writer) -> None:
    recipes = [
        Recipe(name="one", namespace="a"),
        Recipe(name="two", seed=1, namespace="b"),
        Recipe(name="other", strategy="local_search", namespace="c"),
    ]
    data = report.compare(collected(writer, *recipes))
    assert not checks(data)["Several runs of the whole search"][0]


def test_cost_and_facts_are_of_all_runs(writer: Writer) -> None:
    recipes = [Recipe(name=f"run-{seed}", seed=seed, namespace=str(seed)) for seed in range(3)]
    studies = collected(writer, *recipes)
    data = report.compare(studies)
    [method] = data.methods
    assert method.best_test == pytest.approx(
        sum(item.best.test for item in studies if item.best and item.best.test) / 3
    )
    assert method.evaluations == pytest.approx(sum(item.search.evaluations for item in studies) / 3)
    [(title, rows), *others] = data.facts
    assert title == method.name
    facts = dict(rows)
    assert facts["seeds"] == "0, 1, 2"
    assert facts["studies"] == "run-0, run-1, run-2"
    assert facts["cache"] == "each run began with a cold one"
    assert [name for name, _ in others] == ["Versions and hardware"]
    assert report.to_json(data)["facts"][0] == {"of": title, "facts": facts}
    html = page(data)
    assert "To do it again" in html
    assert "each run began with a cold one" in html
    total = sum(item.paid_seconds for item in studies)
    assert total == pytest.approx(sum(part.paid_seconds for item in studies for part in item.parts))
    console = Console(width=110, no_color=True, highlight=False)
    with console.capture() as captured:
        report.render_terminal(data, console)
    assert "In the mean: test " in captured.get()
    assert "Not done: " in captured.get()


def test_methods_are_told_apart_by_what_differs(writer: Writer) -> None:
    recipes = [Recipe(name="a"), Recipe(name="b", strategy="local_search")]
    html = page(report.compare(collected(writer, *recipes)))
    assert "<h2>Methods</h2>" in html
    assert ">local_search<" in html
