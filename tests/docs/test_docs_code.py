"""The code in README and docs runs: Python blocks in one namespace a page, `$` lines by the shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

TOP = Path(__file__).resolve().parents[2]
PAGES = sorted([TOP / "README.md", *(TOP / "docs").glob("*.md"), *(TOP / "docs" / "tutorials").glob("*.md")])


def run_commands(example: Example) -> None:
    """Runs each line that begins with `$` as a user would type it; lines without are output and not compared."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in re.findall(r"^\$ (.*)$", example.parsed, re.MULTILINE):
        done = subprocess.run(command, shell=True, capture_output=True, text=True, env={**os.environ, "PATH": path})
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


SYBIL = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser(language="console", evaluator=run_commands), SkipParser()]
)


def pages_with_code() -> list:
    found = {path: SYBIL.parse(path) for path in PAGES}
    return [pytest.param(page, id=str(path.relative_to(TOP))) for path, page in found.items() if list(page.examples())]


@pytest.mark.parametrize("document", pages_with_code())
def test_code_of_the_page_runs(document: Document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for example in document.examples():
        example.evaluate()


def test_the_gallery_has_every_report_that_it_names():
    names = re.findall(r'href="(\w+\.html)"', (TOP / "docs" / "gallery.md").read_text(encoding="utf-8"))
    assert len(names) == 4
    for name in names:
        assert (TOP / "docs" / "gallery" / name).is_file(), f"{name} is missing; run `make gallery`"
