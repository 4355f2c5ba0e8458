"""Names, candidates and messages from anywhere: stored as they are, and shown without markup or control characters."""

import base64
import csv
import io
import os
import re

import numpy as np
import pytest
from evidence_parts import Line, command, database, search, searched, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from automl import AutoMLError, Choice, InvalidInput, Space
from automl.errors import MOST, brief, legible
from automl.evidence import results_table
from automl.report.html import page
from automl.report.plots.drawing import as_csv
from automl.report.shown import Report
from search_spaces.nas.nasbench101 import NASBench101

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NAMES = [
    "[bold red]hi",
    "[",
    "\x1b[31mred",
    "a\u202eb",
    "<script>alert(1)",
    "=1+1",
    "'; DROP TABLE study; --",
    "\a\b",
    "%s {0} %",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_listed_and_reported_under_its_name(tmp_path, name):
    study = searched(database(tmp_path), study=name, trials=6, baseline=False)
    text, html, data = texts(study.report())
    assert data["study"] == name
    assert legible(name) in text
    assert not CONTROL.search(text)
    assert "<script>alert" not in html
    study.close()
    listed = command("studies", "--storage", database(tmp_path)).stdout.decode()
    assert legible(name) in listed
    assert not CONTROL.search(listed)


@pytest.mark.parametrize("option", ["--study", "--namespace", "--objective", "--storage", "--html"])
def test_an_argument_that_is_not_utf8_is_refused_with_one_sentence(tmp_path, option):
    ended = search(tmp_path, option, b"caf\xe9")
    assert ended.returncode == 2
    assert ended.stderr.decode().count("\n") == 1
    assert "is not UTF-8 text" in ended.stderr.decode()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["task.py"]


@pytest.mark.parametrize("name", ["caf\udce9", "a\0b", "x" * 1001])
def test_a_name_that_cannot_be_stored_is_refused(tmp_path, name):
    with pytest.raises(InvalidInput, match=r"take another name|at most 1000"):
        searched(database(tmp_path), study=name)
    assert list(tmp_path.iterdir()) == []


def test_messages_of_a_candidate_reach_no_terminal_and_no_page_as_they_are(tmp_path):
    ended = search(tmp_path, "--study", "s", "--json", evaluator="angry")
    assert ended.returncode == 0, ended.stderr
    shown = command("report", "s", "--html", tmp_path / "r.html", "--storage", database(tmp_path, "automl.db"))
    assert not CONTROL.search(shown.stdout.decode())
    assert b"[bold]not bold[/bold]" in shown.stdout
    html = (tmp_path / "r.html").read_text()
    assert "<script>alert" not in html
    assert "\x1b" not in html
    assert all(len(line) < 2500 for line in shown.stdout.decode().splitlines())


def test_candidates_of_any_text_are_shown_as_they_are(tmp_path):
    class Texts(Space):
        t = Choice("[red]a", "\x1b[2J", "<b>", "=cmd()", "\u202e")

    text, html, data = texts(
        searched(database(tmp_path), space=Texts(), evaluator=lambda c, seed: len(c.t) + seed % 3, trials=12).report()
    )
    assert not CONTROL.search(text)
    assert "\x1b" not in html
    assert "<b>" not in html.partition("<body")[2].replace("<body", "")
    assert data["best"]["candidate"]["t"]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=3000))
def test_what_is_legible_has_no_control_characters_and_an_end(text):
    shown = legible(text, MOST)
    assert not CONTROL.search(shown)
    shown.encode()
    assert len(shown) <= 10 * MOST
    message = str(InvalidInput(text))
    assert "\n" not in message
    message.encode()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Choice(*range(100_000)),
        lambda: None,
        lambda: np.zeros((9, 9)),
    ],
)
def test_no_message_is_longer_than_a_screen(make):
    class Wide(Space):
        x = Choice(*range(100_000))

    for wrong in (-1, "x" * 100_000, list(range(50_000))):
        with pytest.raises(AutoMLError) as caught:
            Wide().decode({"x": wrong})
        assert len(str(caught.value)) <= MOST
    with pytest.raises(AutoMLError) as caught:
        NASBench101().decode({"matrix": np.ones((7, 7)), "operations": make()})
    assert len(str(caught.value)) <= MOST
    assert "\n" not in str(caught.value)


def test_a_value_can_always_be_quoted():
    class Rude:
        def __repr__(self):
            raise RuntimeError

    deep = []
    for _ in range(10_000):
        deep = [deep]
    for value in (Rude(), deep, 10**5000, "\x1b" * 10, np.zeros((100, 100)), {"a": "x" * 10_000}):
        assert len(brief(value)) <= 300


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_no_cell_of_a_table_is_a_formula(tmp_path, cell):
    address = as_csv(["name", "value"], [(cell, 1.5), (cell, -2.5)])
    rows = list(csv.reader(io.StringIO(base64.b64decode(address.partition(",")[2]).decode())))
    assert [row[0] for row in rows[1:]] == [("" if cell[0] == "\r" else "'") + legible(cell)] * 2
    assert [float(row[1]) for row in rows[1:]] == [1.5, -2.5]  # numbers stay numbers
    path = tmp_path / "r.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["dataset", "method", "kind", "run", "acc"],
                ["d", cell, "method", 1, 2],
                ["d", "random", "random", 1, 1],
                ["d", "random", "random", 2, 1.5],
            ]
        )
    html = page(results_table(path))
    for found in re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', html):
        for row in csv.reader(io.StringIO(base64.b64decode(found).decode())):
            assert row[0][:1] not in "=+-@"
    assert str(Report(results_table(path)))


def test_a_drive_letter_begins_a_path():
    ended = command("check", r"C:\spaces\mine.py:S")
    assert ended.returncode == 2
    assert "no file" in ended.stderr.decode()
    assert "No module named" not in ended.stderr.decode()


@pytest.mark.parametrize(
    ("password", "said", "shown"),
    [
        ("p", "password p failed for postgres", "password *** failed for postgres"),
        ("secret99", "x:secret99@host", "x:***@host"),
        ("a.b", "a.b and aXb", "*** and aXb"),
    ],
)
def test_a_password_is_hidden_and_not_every_letter_of_it(password, said, shown):
    from automl.storage.opening import _without

    assert _without(password, said) == shown


def test_lines_are_what_they_were(tmp_path):
    assert Line().decode({"x": 1}).json == '{"x":1}'
    assert os.linesep == "\n"
