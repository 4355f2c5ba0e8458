"""Several studies: what the checklist says of all of them, what it takes to do them again, one row for each method."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from report_studies import Chains, Recipe, Writer, new_writer
from rich.console import Console

from automl import report
from automl.report.data import ReportData
from automl.report.html import page
from automl.report.reading.bands import bands
from automl.report.study_part import Curve


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


def test_runs_are_looked_at_where_all_of_them_have_a_best() -> None:
    first = Curve(trials=[1, 3], evaluations=[1, 3], seconds=[10.0, 30.0], best=[1.0, 5.0])
    second = Curve(trials=[2, 5], evaluations=[2, 5], seconds=[20.0, 50.0], best=[3.0, 7.0])
    found = bands([first, second, Curve([], [], [], [])])
    assert found.evaluations is not None
    assert found.evaluations.at == [2, 3]
    assert found.evaluations.middle == [2.0, 4.0]
    assert found.evaluations.low == [1.5, 3.5]
    assert found.evaluations.high == [2.5, 4.5]
    assert found.seconds is not None
    assert (found.seconds.at[0], found.seconds.at[-1]) == (20.0, 30.0)
    assert (found.seconds.middle[0], found.seconds.middle[-1]) == (2.0, 4.0)
    assert bands([first, Curve([9], [9], [90.0], [1.0])]).to_json() == {"by_evaluations": None, "by_seconds": None}
    cheap = Curve(trials=[1, 9], evaluations=[1.5, 3.0], seconds=[1.0, 2.0], best=[0.0, 1.0])
    part = bands([cheap, replace(cheap, best=[2.0, 3.0])]).evaluations
    assert part is not None
    assert (part.at, part.middle) == ([2, 3], [1.0, 2.0])  # at 1, before the first, there is no best yet


def test_curves_by_evaluations_and_by_time_are_in_the_json(writer: Writer) -> None:
    recipes = [Recipe(name=f"run-{seed}", seed=seed, namespace=str(seed)) for seed in range(3)]
    studies = collected(writer, *recipes)
    [method] = report.to_json(report.compare(studies))["methods"]
    search = method["curves"]["search"]
    finals = [item.search.curve.best[-1] for item in studies]
    assert search["by_seconds"]["at"][-1] == min(item.search.seconds for item in studies)
    assert search["by_seconds"]["mean"][-1] == pytest.approx(sum(finals) / 3)
    assert search["by_evaluations"]["at"][-1] == min(item.search.counted for item in studies)
    assert method["curves"]["random_search"]["by_seconds"]["mean"]
    alone = report.to_json(studies[0])
    assert alone["best_so_far"]["fitness"] == studies[0].search.curve.best
    assert alone["best_so_far"]["seconds"] == studies[0].search.curve.seconds
