"""What people read has the field's own words: encoding, objective, continued, and none of those that we had before."""

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
OLD = {
    r"spell(?:ing|ings|ed)": "encoding",
    r"flights": "in-flight trials",
    r"drawn upon": "evaluations counted",
    r"aims": "objectives and constraints",
    r"lineages?": "fidelity group",
    r"glances?": "a measurement in the middle of training",
    r"undrawn": "preserved random state",
    r"dust": "rounding noise",
}
"""Our old word → what the field says. A name that files of older versions hold stands alone in its text, see KEPT."""

KEPT = {"spellings", "lineage", "--lineage", "automl.flights", "automl.engine.in_flight"}
"""Texts that are names: keys of JSON that programs read, an option of the command line, modules that have moved."""

PAGES = [
    *(TOP / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
    *(page for page in (TOP / "docs").rglob("*.md") if page.name != "changelog.md"),
    *(TOP / "automl" / "report" / "templates").iterdir(),
]
CODE = [path for package in ("automl", "search_spaces", "workers") for path in (TOP / package).rglob("*.py")]
WORDS = re.compile("|".join(rf"\b(?:{word})\b" for word in OLD), re.IGNORECASE)


def texts_of(path):
    """Yields what a file says to people: a page whole, of code the docstrings, messages and help."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in KEPT:
            yield re.sub(r"`[^`]*`", "", node.value)  # names


@pytest.mark.parametrize("files", [PAGES, CODE], ids=["pages", "code"])
def test_no_old_word_is_left(files):
    assert len(files) > 20
    found = {
        (str(path.relative_to(TOP)), word) for path in files for text in texts_of(path) for word in WORDS.findall(text)
    }
    assert found == set(), f"say instead: {OLD}"


def test_an_old_word_would_be_found():
    assert WORDS.findall("Two spellings of one function, spelled anew.") == ["spellings", "spelled"]
    assert not WORDS.findall("misspelled")
