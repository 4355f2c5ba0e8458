"""Whole searches over functions, and the example."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

import automl
from automl.setup.check import check_space
from automl.setup.parts import assemble

_QUICK = {
    "activation": {"epochs": 2, "networks": 1, "population": 8},
    "loss": {"epochs": 3, "networks": 1, "population": 8},
    "optimizer": {"epochs": 2, "networks": 1, "population": 8, "tasks": ["digits"]},
}


@pytest.mark.parametrize("name", sorted(_QUICK))
def test_a_search_by_name_reports_what_it_found(name: str, tmp_path: Path) -> None:
    enqueue = [item.value for item in assemble(name).space.references().values()][:6]
    study = automl.search(
        name,
        settings=_QUICK[name],
        trials=24,
        enqueue=enqueue,
        finalists=1,
        test_seeds=2,
        sample=8,
        storage=f"sqlite:///{tmp_path / 'a.db'}",
        workers=0,
    )
    space = study.space
    trials = list(study.trials())
    assert [space.decode(item).json for item in enqueue] == [trial.candidate for trial in trials[: len(enqueue)]]
    assert study.best.fitness > 0.3
    assert space.result in str(study.report())
    html = study.report().save(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<svg" in html
    study.close()


@pytest.mark.parametrize("name", sorted(_QUICK))
def test_the_spaces_are_sound(name: str) -> None:
    found = check_space(assemble(name), samples=40)
    assert found.sound
    assert not found.unhashable
    assert found.classes > 20


def test_a_search_is_the_same_again(tmp_path: Path) -> None:
    runs = []
    for number in range(2):
        study = automl.search(
            "activation", settings=_QUICK["activation"], trials=16, baseline=False, finalists=1, test_seeds=1,
            storage=f"sqlite:///{tmp_path / str(number)}.db", workers=0,
        )  # fmt: skip
        runs.append([(trial.candidate, trial.fitness, trial.outcome) for trial in study.trials()])
        study.close()
    assert runs[0] == runs[1]


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).resolve().parents[2] / "examples" / "own_operator.py"
    names = runpy.run_path(str(example))
    assert len(example.read_text(encoding="utf-8").splitlines()) < 80
    assert "mish" in names["Smooth"]().references()
    kepler = names["Kepler"]()
    law = kepler.decode("a * sqrt_abs(a)")
    assert names["error"](law) < 0.01
    names["main"](f"sqlite:///{tmp_path / 'own.db'}", trials=12)
    printed = capsys.readouterr().out
    assert "import torch" in printed
    assert "T(a) = " in printed
    assert np.isfinite(float(printed.strip().rpartition(" ")[2]))
