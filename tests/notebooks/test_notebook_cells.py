"""What a notebook defines and does cell by cell: spaces and functions of cells, edits, interrupts, workers."""

import subprocess
import sys

import pytest
from notebook_parts import html_of, notebook_of, run, text_of

SEARCH = (
    "automl.search(Line(), evaluator=height, study='mine', trials={}, baseline=False, workers=0, "
    "strategy='regularized_evolution')"
)

CELLS = {
    "space": """
import os, signal
import automl
class Line(automl.Space):
    x = automl.Integer(0, 20)
""",
    "function": """
offset = 1
def height(candidate):
    return candidate.x + offset
""",
    "search": f"study = {SEARCH.format(12)}\nstudy.best.candidate.x",
    "shown": "study",
    "again": """
class Line(automl.Space):  # the same cell, typed again with a comment and another layout
    x = automl.Integer(
        0, 20)
""",
    "more": f"more = {SEARCH.format(20)}\nlen(list(more.trials()))",
    "edited": """
def height(candidate):
    return candidate.x + 2 * offset
""",
    "refused": SEARCH.format(20),
    "put back": "def height(candidate): return candidate.x + offset",
    "interrupted": """
def stop(study, trial):
    if trial.number == 25:
        os.kill(os.getpid(), signal.SIGINT)
automl.search(Line(), evaluator=height, study='mine', trials=60, baseline=False, workers=0, callbacks=[stop])
""",
    "goes on": f"done = {SEARCH.format(60)}\nlen(list(done.trials()))",
    "quiet": """
quiet = automl.search(Line(), evaluator=height, trials=5, baseline=False, workers=0, progress=False)
""",
    "fails": """
def broken(candidate):
    if candidate.x % 2:
        raise RuntimeError('odd')
    return candidate.x
failing = automl.search(Line(), evaluator=broken, trials=8, baseline=False, workers=0)
sorted({trial.error for trial in failing.trials()})
""",
    "workers": """
study = automl.search(Line(), evaluator=lambda candidate: candidate.x * offset, trials=8, baseline=False, workers=1)
study.best.candidate.x
""",
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    done = run(notebook_of(*CELLS.values()), tmp_path_factory.mktemp("notebook"), allow_errors=True)
    return dict(zip(CELLS, done.cells, strict=True))


def test_spaces_and_functions_of_cells_are_searched(cells):
    assert text_of(cells["search"]).rstrip().endswith("20")
    assert "the cells of the notebook" in text_of(cells["search"])


def test_progress_is_drawn_in_the_cell_once_a_phase(cells):
    assert html_of(cells["search"]).count("<progress") == 2  # the search, and the tests of its winners
    assert "12 of 12 trials" in text_of(cells["search"])
    assert len([one for one in cells["search"].outputs if one.output_type == "display_data"]) == 1


def test_progress_can_be_left_out(cells):
    assert not cells["quiet"].outputs


def test_a_study_shows_itself(cells):
    assert "<caption>Study mine" in html_of(cells["shown"])


def test_a_cell_that_only_looks_different_changes_nothing(cells):
    assert text_of(cells["more"]).rstrip().endswith("20")


def test_an_edited_cell_is_named_in_one_sentence(cells):
    said = text_of(cells["refused"])
    assert "StudyMismatch" in said
    assert "height" in said
    assert "Traceback" not in said


def test_an_interrupt_stops_cleanly_and_the_study_goes_on(cells):
    said = text_of(cells["interrupted"])
    assert "go on with study='mine'" in said
    assert "site-packages" not in said  # no traceback through what is not the user's
    assert "stopped" in said  # so says the display
    assert text_of(cells["goes on"]).rstrip().endswith("60")


def test_failures_of_a_cell_are_the_candidates_own(cells):
    assert "RuntimeError: odd" in text_of(cells["fails"])


def test_what_has_no_file_travels_to_workers(cells):
    assert text_of(cells["workers"]).rstrip().endswith("20")


TYPED = """
import automl
class Line(automl.Space):
    x = automl.Integer(0, 20)

def height(candidate):
    return candidate.x

study = automl.search(Line(), evaluator=height, trials=12, baseline=False, workers=0)
print("found", study.best.candidate.x)
"""


@pytest.mark.parametrize("how", [["-i"], ["-m", "IPython", "--simple-prompt", "--colors=NoColor"]])
def test_lines_typed_into_an_interpreter_are_searched(how, tmp_path):
    typed = subprocess.run(
        [sys.executable, *how], input=TYPED, cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert "found 20" in typed.stdout, typed.stdout + typed.stderr
    assert "12 of 12 trials" in typed.stderr
