"""The notebooks of the examples run from the first cell to the last, as a user runs them."""

from pathlib import Path

import nbformat
import pytest
from notebook_parts import html_of, run, text_of

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_notebook_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before it is committed"
    run(notebook, tmp_path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    {"first_hour.ipynb": first_hour, "from_table_to_model.ipynb": from_table_to_model}[path.name](code)


def first_hour(code):
    """Each promise of the text is kept by the cell below it."""
    shown = {cell.source.splitlines()[-1]: cell for cell in code}
    assert "<iframe" in html_of(shown["study.report()"])
    assert text_of(shown["len(list(study.trials()))"]).rstrip().endswith("36")
    assert "larger budget: trials 36 instead of 24" in text_of(shown["len(list(study.trials()))"])
    assert "depth" in text_of(shown["    print(refused)"])
    assert "hit" in text_of(shown["deeper.trials_dataframe().outcome.value_counts()"])
    assert text_of(code[-1]).rstrip() == "True"


def from_table_to_model(code):
    shown = {cell.source.splitlines()[-1]: cell for cell in code}
    assert "12 by random search" in text_of(shown["print(automl.plan(Flowers(), **given))"])
    assert "field.lr" in text_of(shown["pd.Series(found.fields).round(2), round(found.explained, 2)"])
    assert "<iframe" in html_of(shown["study.report()"])
    assert text_of(code[-1]).rstrip() == "True", "the exported file computes what the network did, without automl"
