"""HPOLib's complete grids: space and table agree on every axis, and figures are those of the file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from automl.behaviour import Configuration
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.registry import load
from search_spaces.hpolib import HPOLib
from workers.tables.hpolib import HPOLibTable


@pytest.fixture(scope="module")
def folder(data_folder):
    return data_folder / "hpolib"


def work(space, candidate):
    return Work(space.behaviour(candidate), space.training(candidate), candidate.json)


def test_every_point_of_the_space_stands_in_the_grid(folder):
    space = HPOLib()
    assert space.size() == 62_208
    described = json.loads((folder / "hpolib_space.json").read_text())
    assert sorted(space.record.fields) == sorted(described["order"])
    table = HPOLibTable("slice_localization", path=str(folder))
    with np.load(folder / "hpolib_slice_localization.npz") as raw:
        losses, seconds = raw["val_loss"], raw["train_time"]
    rng = np.random.default_rng(0)
    for candidate in space.sample_many(300, rng):
        place = tuple(described["choices"][name].index(candidate.value[name]) for name in described["order"])
        found = [table.evaluate(work(space, candidate), Evaluation(0, replicate=r)) for r in range(5)]
        assert [item["loss"] for item in found] == [float(x) for x in [*losses[place], losses[place][0]]]
        assert found[2]["cost_seconds"] == float(seconds[place][2])
        test = table.evaluate(work(space, candidate), Evaluation(0, part="test"))["loss"]
        assert test == pytest.approx(float(losses[place].astype(float).mean()))


def test_the_best_mean_loss_is_the_published_one(folder):
    with np.load(folder / "hpolib_protein_structure.npz") as raw:
        best = np.unravel_index(np.argmin(raw["val_loss"].mean(axis=-1)), raw["val_loss"].shape[:-1])
    described = json.loads((folder / "hpolib_space.json").read_text())
    value = {name: described["choices"][name][i] for name, i in zip(described["order"], best, strict=True)}
    space = HPOLib()
    table = HPOLibTable("protein_structure", path=str(folder))
    loss = table.evaluate(work(space, space.decode(value)), Evaluation(0, part="test"))["loss"]
    assert round(loss, 5) == 0.22138


def test_what_is_wrong_is_said(folder, tmp_path, monkeypatch):
    with pytest.raises(InvalidInput, match=r"no data set 'boston'; it has protein_structure, slice_localization"):
        HPOLibTable("boston")
    with pytest.raises(InvalidInput, match="give the folder that holds it"):
        HPOLibTable(path=str(tmp_path)).prepare()
    monkeypatch.setenv("AUTOML_DATA", str(tmp_path))
    with pytest.raises(InvalidInput, match="set AUTOML_DATA"):
        HPOLibTable().settings()
    good, bad = HPOLibTable(path=str(folder)).evaluate_many(
        [(work(HPOLib(), HPOLib().sample(np.random.default_rng(0))), Evaluation(0)),
         (Work(Configuration({"batch_size": 7}), {}, '{"batch_size":7}'), Evaluation(0))]
    )  # fmt: skip
    assert good["loss"] > 0
    assert "no configuration" in str(bad)


def test_it_is_registered():
    assert load("spaces", "hpolib") is HPOLib
    assert load("evaluators", "hpolib") is HPOLibTable
