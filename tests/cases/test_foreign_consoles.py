"""Consoles of any encoding, files that cannot be written: the evidence is printed all the same."""

import json
import os

import pytest
from evidence_parts import command, database, search

from automl.cli.common import file_name, why_not_writable

ENCODINGS = ["cp932", "ascii", "latin-1", "gbk", "utf-16", "ascii:strict"]


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studied")
    ended = search(folder, "--study", "größe-日本")
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("arguments", [["report", "größe-日本"], ["studies"], ["search", "--help"], ["cache", "stats"]])
def test_everything_is_printed_on_any_console(studied, encoding, arguments):
    ended = command(*arguments, cwd=studied, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout


@pytest.mark.parametrize("encoding", ENCODINGS[:3])
def test_json_stays_json_on_any_console(studied, encoding):
    ended = command("studies", "--json", cwd=studied, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert json.loads(ended.stdout.decode(encoding))[0]["name"] == "größe-日本"


@pytest.mark.parametrize("encoding", ["ascii", "cp932"])
def test_a_mistake_is_one_sentence_on_any_console(studied, encoding):
    ended = command("report", "größe", cwd=studied, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert ended.returncode == 2
    assert ended.stderr.count(b"\n") == 1


@pytest.mark.parametrize("name", ["x" * 240, "ü" * 200, "日" * 300])
def test_a_long_name_ends_in_files_of_a_short_one(tmp_path, name):
    ended = search(tmp_path, "--study", name)
    assert ended.returncode == 0, ended.stderr
    assert b"Winner" in ended.stdout
    [file] = tmp_path.glob("*.html")
    assert len(file.name.encode()) <= 120


def test_a_folder_that_takes_no_files_costs_no_evidence(tmp_path):
    ended = search(tmp_path, "--storage", database(tmp_path), cwd="/proc")
    assert ended.returncode == 0, ended.stderr
    assert b"Winner" in ended.stdout
    first, *_, last = ended.stderr.decode().splitlines()  # said before the search, and after it
    assert first.startswith("automl: no files can be written to this folder (")
    assert last.startswith("automl: no files were written: ")
    as_data = search(tmp_path, "--storage", database(tmp_path), "--json", cwd="/proc")
    assert json.loads(as_data.stdout)["html"] is None


@pytest.mark.parametrize("place", ["/proc/r.html", "{folder}/no/r.html", "{folder}", "{folder}/" + "x" * 300])
def test_a_file_that_was_asked_for_is_tried_first(tmp_path, place):
    ended = search(tmp_path, "--html", place.format(folder=tmp_path))
    assert ended.returncode == 2
    assert b"cannot be written" in ended.stderr
    assert ended.stderr.count(b"\n") == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == ["task.py"]


def test_a_full_disk_is_one_sentence(studied):
    with open("/dev/full", "wb") as full:
        import subprocess
        import sys

        run = [sys.executable, "-c", "from automl.cli import main; main()", "report", "größe-日本"]
        ended = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, cwd=studied, check=False)
    assert ended.returncode == 1
    assert ended.stderr == b"automl: No space left on device\n"


def test_trying_leaves_nothing_behind(tmp_path):
    assert why_not_writable(tmp_path / "a.html") == ""
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "b.html").write_text("kept")
    assert why_not_writable(tmp_path / "b.html") == ""
    assert (tmp_path / "b.html").read_text() == "kept"
    assert why_not_writable(tmp_path) == "it is a folder"


def test_file_names_are_told_apart_and_end_as_they_should():
    names = {file_name("x" * length, ".html") for length in range(100, 400)}
    assert len(names) == 300
    assert all(len(name.encode()) <= 120 and name.endswith(".html") for name in names)
    assert file_name("a/b\n\x1b:c", ".py") == "a-b---c.py"
