"""Every sentence of docs/trust.md names the tests that hold it, and those tests exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "trust.md"


def sentences():
    """Returns the rows of all tables: (sentence, ids of tests)."""
    rows = [line.strip().strip("|") for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.rsplit("|", 1)] for row in rows]
    return [(left, re.findall(r"`([^`]+)`", right)) for left, right in cells if left not in ("", "---")]


@cache
def defined(file):
    """Returns the names of the tests that a file defines."""
    return {node.name for node in ast.parse((TESTS / file).read_text()).body if isinstance(node, ast.FunctionDef)}


SENTENCES = sentences()


@pytest.mark.parametrize(("sentence", "held_by"), SENTENCES, ids=[one[:60] for one, _ in SENTENCES])
def test_a_sentence_is_held_by_tests_that_exist(sentence, held_by):
    assert sentence.endswith(".")
    assert held_by
    for name in held_by:
        file, _, test = name.partition("::")
        assert (TESTS / file).is_file(), name
        assert test in defined(file), name
        assert test.startswith("test_")


def test_the_page_is_whole_and_in_the_table_of_contents():
    headings = re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)
    assert headings[:3] == ["What is in a context", "What makes a key", "What is never served"]
    assert {"Who can harm whom", "Who is blamed, and what the machine's failures do"} <= set(headings)
    assert len(SENTENCES) > 60
    assert "\ntrust\n" in PAGE.with_name("index.md").read_text()


def test_each_kind_of_case_is_on_the_page():
    """A file of cases that no sentence names holds something that nobody is told of."""
    named = {name.partition("::")[0] for _, held_by in SENTENCES for name in held_by}
    cases = {f"cases/{path.name}" for path in (TESTS / "cases").glob("test_*.py")}
    assert cases - named == {"cases/test_people_docs.py"}  # it runs the examples of other pages
