"""Own data on the command line: checked against a space, searched, gone on with from another folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "cli"))
from cli_parts import automl_command

SPACE = """
import automl
from torch import nn

class Net(automl.Space):
    width = automl.Choice(2, 4, 8)
    def build(self, c):
        return nn.Sequential(nn.Linear(3, c.width), nn.ReLU(), nn.Linear(c.width, 2))

class Wide(Net):
    def build(self, c):
        return nn.Sequential(nn.Linear(4, c.width), nn.ReLU(), nn.Linear(c.width, 2))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    kind = np.array(["no", "yes"])[(x[:, 0] > 0).astype(int)]
    rows = "\n".join(f"{a},{b},{c},{k}" for (a, b, c), k in zip(x, kind, strict=True))
    (tmp_path / "table.csv").write_text(f"a,b,c,kind\n{rows}\n")
    np.savez(tmp_path / "data.npz", x=x, y=kind)
    (tmp_path / "net.py").write_text(SPACE)
    (tmp_path / "mine.py").write_text("import automl\ntask = automl.data.from_table('table.csv', 'kind')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_space_is_checked_against_own_data(folder):
    task = "table.csv:kind"
    found = automl_command("check", "net.py:Net", "--evaluator", "classification", "--task", task, "--samples", 4)
    assert (found.code, found.err) == (0, "")
    assert "sound" in found.out
    wrong = automl_command("check", "net.py:Wide", "--evaluator", "classification", "--task", task, "--samples", 4)
    assert wrong.code == 2
    assert "mat1 and mat2 shapes cannot be multiplied" in wrong.out


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("nowhere.csv:kind", "no file 'nowhere.csv'"),
        ("table.csv:sort", "unknown column of table 'sort'; known: a, b, c, kind"),
        ("table.csv", "names no target; its columns are a, b, c, kind"),
        ("table.csv:kind?gruop=a", "unknown setting of a table 'gruop'; did you mean group"),
        ("table.csv:a", "for regression take automl.Regression"),
        ("nowhere/", "no folder 'nowhere'"),
        ("digit", "unknown task 'digit'; did you mean digits"),
        ("mine.py:tusk", "did you mean task"),
    ],
)
def test_data_that_are_not_there_are_one_sentence_and_nothing_is_written(folder, task, sentence):
    before = sorted(folder.iterdir())
    ended = automl_command(
        "search", "net.py:Net", "--evaluator", "classification", "--task", task, "--trials", 2, "--workers", 0,
        "--storage", "sqlite:///new.db",
    )  # fmt: skip
    assert ended.code == 2
    assert sentence in ended.err
    assert "Traceback" not in ended.err
    assert [one for one in sorted(folder.iterdir()) if one.name != "__pycache__"] == before


def test_a_search_on_a_table_is_resumed_from_another_folder(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    shared = ("--workers", 0, "--storage", f"sqlite:///{folder}/new.db", "--no-dashboard")
    ended = automl_command(
        "search", "net.py:Net", "--evaluator", "classification", "--task", "table.csv:kind", "--set", "epochs=1",
        "--set", 'scores=["auroc","accuracy"]', "--strategy", "random", "--trials", 2, "--study", "mine",
        "--no-baseline",
        *shared,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "auroc" in ended.out + ended.err
    monkeypatch.chdir(folder / "elsewhere")
    again = automl_command("resume", "mine", "--trials", 3, *shared)
    assert again.code == 0, again.err
    (folder / "table.csv").write_text((folder / "table.csv").read_text().replace("yes", "no", 3))
    changed = automl_command("resume", "mine", "--trials", 4, *shared)
    assert changed.code == 2
    assert "fingerprint" in changed.err
