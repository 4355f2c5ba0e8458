"""Several objectives: the front, the limits that winners keep, and where each is shown."""

import base64
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from report_studies import Chains, Recipe, Writer, cost, new_writer
from rich.console import Console

from automl import report
from automl.jsontext import parse
from automl.report.data import ReportData
from automl.report.html import page
from automl.report.plots.pareto import pareto_plots
from automl.selection.fronts import Front
from automl.selection.objectives import Constraint, Objective, objectives_of, read_constraints, read_objectives


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = new_writer(tmp_path)
    yield made
    made.close()


def collected(writer: Writer, objectives: str = "", constraints: str = "", **given: object) -> ReportData:
    strategy = {"name": "nsga2", "settings": {"objectives": objectives, "constraints": constraints}}
    recipe = Recipe(settings={"strategy": strategy}, **given)  # type: ignore[arg-type]
    writer.study(recipe)
    return report.collect(writer.database, recipe.name, Chains())


def terminal(data: ReportData) -> str:
    console = Console(width=110, no_color=True, highlight=False)
    with console.capture() as captured:
        report.render_terminal(data, console)
    return captured.get()


@pytest.mark.parametrize("columns", [2, 3])
def test_the_front_is_what_no_other_beats(columns: int) -> None:
    rng = np.random.default_rng(columns)
    points = [tuple(map(float, row)) for row in rng.integers(0, 6, size=(200, columns))]
    front: Front[int] = Front()
    for place, point in enumerate(points):
        front.add(point, place)
    expected = {
        point
        for point in points
        if not any(all(a >= b for a, b in zip(other, point, strict=True)) and other != point for other in points)
    }
    kept = front.items()
    assert {points[place] for place in kept} == expected
    assert len(kept) == len(expected)
    assert all(points.index(points[place]) == place for place in kept)  # the first of equals


def test_members_far_apart_are_chosen_whatever_the_scale_of_a_cost() -> None:
    front: Front[int] = Front()
    for place in range(21):
        front.add((float(place), -(10.0**place)), place)
    assert front.apart(30) == front.items() == list(range(21))
    assert front.apart(3) == [0, 10, 20]
    assert front.apart(5) == [0, 5, 10, 15, 20]
    assert front.apart(1) == [20]  # the best in the first goal
    assert Front[int]().apart(3) == []


def test_what_a_study_aims_at_is_read_from_its_settings() -> None:
    strategy = {"name": "nsga2", "settings": {"objectives": "fitness:maximize,macs:minimize", "constraints": "macs<9"}}
    found = objectives_of({"objective": "error", "direction": "minimize", "strategy": strategy})
    # A strategy sees the fitness with its sign turned.
    assert found.all == (Objective("error", True), Objective("macs", True))
    assert found.constraints == (Constraint("macs", True, 9.0),)
    assert objectives_of({"objective": "error", "direction": "minimize"}).all == (Objective("error", True),)
    assert read_objectives("a:maximize, b:minimize") == [Objective("a", False), Objective("b", True)]
    assert [str(one) for one in read_constraints("parameters<1e6,accuracy>=0.5")] == [
        "parameters ≤ 1,000,000",
        "accuracy ≥ 0.5",
    ]
    assert Constraint("a", True, 10.0).excess(15.0) == 0.5
    assert Constraint("a", False, 10.0).excess(15.0) == 0.0


def test_objectives_come_from_the_strategy_and_limits_bind_winners(writer: Writer) -> None:
    data = collected(writer, "accuracy:maximize,parameters:minimize", "parameters<1500")
    trials = list(writer.store.trials(writer.store.find("chains-1").id))  # type: ignore[union-attr]
    assert any(trial.costs["parameters"] > 1500 for trial in trials)
    allowed = [trial for trial in trials if trial.costs["parameters"] <= 1500 and trial.fitness is not None]
    assert data.search.best is not None
    assert data.search.best.fitness == max(trial.fitness for trial in allowed)
    assert data.search.classes == len({trial.key for trial in allowed})
    front = data.search.front
    assert front
    for item in front:
        assert item.figures == {"accuracy": item.fitness, "parameters": cost(parse(item.candidate))}
        assert item.figures["parameters"] <= 1500
        assert not any(
            other.fitness >= item.fitness and other.costs["parameters"] < item.costs["parameters"] for other in allowed
        )
    assert any("parameters ≤ 1,500" in note for note in data.notes)
    found = report.to_json(data)["pareto"]
    assert found["objectives"] == [
        {"metric": "accuracy", "direction": "maximize"},
        {"metric": "parameters", "direction": "minimize"},
    ]
    assert found["constraints"] == ["parameters ≤ 1,500"]
    assert [one["figures"] for one in found["front"]] == [dict(item.figures) for item in front]


def test_the_front_is_shown_with_what_was_tested(writer: Writer) -> None:
    data = collected(writer, "accuracy:maximize,parameters:minimize")
    tested = [item for item in data.search.front if item.test is not None]
    assert tested  # the winner is on the front, and was tested
    assert data.winners[0].test in {item.test for item in tested}
    text = terminal(data)
    assert "accuracy ↑" in text
    assert "parameters ↓" in text
    html = page(data)
    assert "The Pareto front" in html
    [plot] = pareto_plots(data)
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(plot.csv.partition("base64,")[2]).decode())))
    assert {row["kind"] for row in rows} == {"front", "trial"}
    shown = [row for row in rows if row["kind"] == "front"]
    assert [float(row["parameters"]) for row in shown] == [item.figures["parameters"] for item in data.search.front]
    assert {float(row["test"]) for row in shown if row["test"]} == {item.test for item in tested}


def test_one_objective_is_held_against_the_cost_of_its_candidates(writer: Writer) -> None:
    writer.study(Recipe())
    data = report.collect(writer.database, "chains-1", Chains())
    assert [goal.metric for goal in data.search.objectives] == ["accuracy", "parameters"]
    html = page(data)
    assert "Quality against cost" in html
    assert "The search was for accuracy alone" in html
    assert "The Pareto front" not in html


def test_a_third_objective_has_a_plot_of_its_own(writer: Writer) -> None:
    data = collected(writer, "accuracy:maximize,parameters:minimize,fitness:maximize")
    assert [goal.metric for goal in data.search.objectives] == ["accuracy", "parameters", "accuracy"]
    assert [plot.name for plot in pareto_plots(data)] == ["pareto", "pareto-2"]


def test_limits_that_nothing_keeps_leave_no_winner(writer: Writer) -> None:
    data = collected(writer, "", "parameters<1", tests=False)
    assert data.search.best is None
    assert data.search.front == []
    assert not data.verdict.beats
    assert any("No candidate of the search keeps these bounds" in note for note in data.notes)
    assert not any("cheaper one" in note for note in data.notes)
    page(data)
    terminal(data)
