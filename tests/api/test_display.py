"""What a search shows while it runs: a live panel on a terminal, plain lines elsewhere."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from automl.display import progress
from automl.display.terminal import Display, Lines
from automl.rules import Budget
from automl.selection.objectives import Objective
from automl.storage.records import TrialRecord

SETTINGS = SimpleNamespace(name="[b]mine", budget=Budget(trials=8), objective=Objective("loss", minimize=True))


def shown(terminal, trials=4):
    """Everything that a phase of half its trials writes."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    display = progress(console)
    assert isinstance(display, Display if terminal else Lines)
    display.begin(SETTINGS, "search", 0, 0)
    for number in range(trials):
        trial = TrialRecord(number, "{}", b"", 1, "hit" if number % 2 else "miss", 3.0 - number)
        display.turn(SETTINGS, [trial], in_flight=2, evaluations=number // 2 + 1)
    display.end(SETTINGS)
    display.close()
    return console.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_phase_shows_outcomes_evaluations_and_the_best_by_the_objective(terminal):
    text = shown(terminal)
    assert "[b]mine" in text  # a name is no markup
    assert "4 of 8 trials (2 miss, 2 hit), 2 evaluations, best loss 0" in text
    assert ("2 in flight" in text) == terminal
    assert ("about" in text) != terminal  # the panel has a column for the time left


def test_a_display_that_never_began_is_closed():
    Display(Console(file=io.StringIO(), force_terminal=True)).close()
