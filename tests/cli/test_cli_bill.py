"""The whole bill is said before it is run, and is no less than what is run."""

import re

import pytest
from cli_parts import automl_command
from user_files import SPACE

import automl
from automl.observers import Observer


class Heard(Observer):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


class Line(automl.Space):
    x = automl.Integer(0, 10_000)


def noisy(candidate, seed):
    return candidate.x + seed % 100


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"baseline": False},
        {"confirm": 1, "test_seeds": 1, "sample": 2},
        {"finalists": 2, "confirm": 3, "replicates": 2},
        {"strategy": "random"},
        {"evaluator": lambda candidate: candidate.x},
    ],
)
def test_no_more_is_evaluated_than_was_said(given, tmp_path):
    heard = Heard()
    study = automl.search(
        Line(), **{"evaluator": noisy, "trials": 20, "workers": 0, "storage": f"sqlite:///{tmp_path}/a.db", **given},
        observers=[heard], progress=False,
    )  # fmt: skip
    [said] = [text for text in heard.said if text.startswith("At most")]
    most = int(re.search(r"([\d,]+) in all", said)[1].replace(",", ""))
    with study.database.read() as connection:
        ran = connection.exec_driver_sql("select count(*) from evaluation where state in ('done', 'failed')").scalar()
    assert most / 4 < ran <= most
    study.close()


def test_a_dry_run_says_it_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.py").write_text(SPACE)
    given = ("search", "pairs.py", "--trials", 20, "--storage", "sqlite:///a.db", "--workers", 0)
    before = sorted(tmp_path.iterdir())
    ended = automl_command(*given, "--dry-run")
    assert ended.code == 0, ended.err
    assert "At most 20 evaluations by the search, as many by random search" in ended.out
    assert "Nothing was run and nothing was written." in ended.out
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "__pycache__"] == before
    assert automl_command(*given, "--dry-run", "--strategy", "nothing").code == 2


def test_random_search_takes_a_share_or_none(tmp_path):
    def said(*options):
        storage = f"sqlite:///{tmp_path / 'none.db'}"
        done = automl_command("search", "nasbench201", "--trials", 100, "--dry-run", "--storage", storage, *options)
        assert done.code == 0, done.err
        return " ".join(done.out.split())

    assert "25 by random search" in said("--baseline", 0.25)
    assert "as many by random search" in said()
    assert "by random search" not in said("--no-baseline")
    assert "by random search" not in said("--baseline", 0)
