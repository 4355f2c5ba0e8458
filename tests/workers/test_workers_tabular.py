"""The table of NAS-Bench-201: the real file, read as its makers describe it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automl.behaviour import Configuration
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Work
from workers.tables.tabular import NASBench201Table

BEST = '"|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"'


@pytest.fixture(scope="module")
def path(data_folder):
    return str(data_folder / "nasbench201" / "nb201.npz")


@pytest.fixture(scope="module")
def raw(path):
    with np.load(path) as table:
        return dict(table)


def work(cell):
    return Work(Configuration(None), {}, cell)


def row_of(raw, cell):
    from workers.tables.tabular import OPERATIONS

    names = [part.partition("~")[0] for part in cell.strip('"').replace("+", "").split("|") if part]
    return int(np.flatnonzero((raw["ops"] == [OPERATIONS.index(name) for name in names]).all(axis=1))[0])


def test_known_best_cells_of_the_benchmark(path, raw):
    """The published optima of the mean test accuracy: 94.37, 73.51 and 47.31 % (architectures 6111, 9930, 857)."""
    from automl.jsontext import canonical
    from workers.tables.tabular import OPERATIONS, cell_string

    cells = [canonical(cell_string([OPERATIONS[code] for code in ops])) for ops in raw["ops"]]
    for dataset, index, accuracy in (
        ("cifar10", 6111, 94.37),
        ("cifar100", 9930, 73.51),
        ("imagenet16-120", 857, 47.31),
    ):
        table = NASBench201Table(dataset, path=path)
        found = table.evaluate_many([(work(cell), Evaluation(0, part="test")) for cell in cells])
        figures = [item["accuracy"] for item in found]
        assert int(np.argmax(figures)) == index
        assert round(max(figures), 2) == accuracy


def test_replicates_are_the_seeds_that_exist(path, raw):
    table = NASBench201Table("cifar100", path=path)
    row = row_of(raw, BEST)
    seeds = [float(raw[f"c100_val_200_s{seed}"][row]) for seed in range(3)]
    known = [seed for seed in seeds if not np.isnan(seed)]
    got = [table.evaluate(work(BEST), Evaluation(9, replicate=r))["accuracy"] for r in range(2 * len(known))]
    assert got == pytest.approx([*known, *known], abs=1e-4)


def test_every_cell_has_two_or_three_seeds_and_its_cost(path, raw):
    from workers.tables.tabular import _columns

    for dataset, prefix in (("cifar10", "c10"), ("cifar100", "c100"), ("imagenet16-120", "in16")):
        columns = _columns(NASBench201Table(path=path)._file(), dataset, 200)
        assert [len(seeds) for seeds in columns.validation] == raw[f"{prefix}_n_seeds"].tolist()
        assert columns.cost == pytest.approx(raw[f"{prefix}_train_time_200_s"].tolist(), abs=1e-2)


def test_randomised_takes_the_seed(path):
    table = NASBench201Table("cifar100", randomised=True, path=path)
    by_seed = [table.evaluate(work(BEST), Evaluation(seed, replicate=0))["accuracy"] for seed in range(30)]
    assert len(set(by_seed)) >= 2
    assert table.settings() != NASBench201Table("cifar100", path=path).settings()


def test_twelve_epochs_by_setting_or_fidelity(path, raw):
    row = row_of(raw, BEST)
    short = NASBench201Table("cifar10", epochs=12, path=path)
    by_fidelity = NASBench201Table("cifar10", path=path).evaluate(work(BEST), Evaluation(0, fidelity={"epochs": 12}))
    assert short.evaluate(work(BEST), Evaluation(0)) == by_fidelity
    assert by_fidelity["accuracy"] == pytest.approx(float(raw["c10_val_12"][row]), abs=1e-4)
    assert by_fidelity["cost_seconds"] == pytest.approx(float(raw["c10_train_time_200_s"][row]) * 0.06, abs=1e-2)
    test = short.evaluate(work(BEST), Evaluation(0, part="test"))["accuracy"]
    assert test == pytest.approx(float(raw["c10_test_12"][row]), abs=1e-4)


def test_a_batch_answers_each_for_itself(path):
    table = NASBench201Table(path=path)
    good, bad, also_good = table.evaluate_many([(work(cell), Evaluation(0)) for cell in (BEST, '"no cell"', BEST)])
    assert good == also_good == table.evaluate(work(BEST), Evaluation(0))
    assert isinstance(bad, CandidateFailure)


def test_the_context_holds_the_tables_content_not_its_place(path, tmp_path):
    copy = tmp_path / "copy.npz"
    copy.write_bytes(Path(path).read_bytes())
    assert NASBench201Table(path=str(copy)).settings() == NASBench201Table(path=path).settings()
    assert "path" not in NASBench201Table(path=path).settings()


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    with pytest.raises(InvalidInput, match=r"no data set 'mnist'; it has cifar10, cifar100, imagenet16-120"):
        NASBench201Table("mnist")
    with pytest.raises(InvalidInput, match="no figures for 50 epochs; it has 12 and 200"):
        NASBench201Table(epochs=50)
    monkeypatch.setenv("AUTOML_DATA", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"is not at .*nb201.npz; set AUTOML_DATA"):
        NASBench201Table().settings()
    with pytest.raises(InvalidInput, match=r"no file 'nowhere.npz'"):
        NASBench201Table(path="nowhere.npz").prepare()
