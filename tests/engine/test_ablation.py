"""Ablations: what tricks of training add to random architectures, and what is left for the search."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import automl
from automl.cli import automl as command
from automl.engine.ablation import check_candidates, protocols_of
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator, Work
from automl.evidence.ablation import paired_difference, share_of_protocol
from automl.observers import Observer
from automl.setup.parts import PartSettings, assemble
from automl.setup.targets import reference_to
from search_spaces.nas.darts import DARTS
from workers.networks.classification import Classification


class Line(automl.Space):
    x = automl.Integer(0, 20)


@dataclasses.dataclass(frozen=True)
class Grown(Evaluator):
    """What x gives, a little noise, and what two tricks add to everybody."""

    name = "grown"
    metrics = {"height": "maximize"}

    light: float = 0.5
    water: float = 0.1
    pot: str = "small"

    def evaluate(self, work, how):
        noise = np.random.default_rng(how.seed).normal(0, 0.01)
        turned = 20 - work.behaviour.value["x"] if self.pot == "other" else work.behaviour.value["x"]
        return {"height": 0.01 * turned + self.light + self.water + noise}

    def tricks(self, work):
        return [name for name in ("light", "water") if getattr(self, name)]

    def without(self, tricks, work):
        return dataclasses.replace(self, **dict.fromkeys(tricks, 0.0))


@pytest.fixture
def study(tmp_path):
    given = {"evaluator": Grown(), "trials": 20, "sample": 12, "workers": 0, "progress": False}
    found = automl.search(Line(), study="grown", storage=f"sqlite:///{tmp_path / 'a.db'}", **given)
    yield found
    found.close()


def test_an_ablation_stays_what_it_was_where_its_study_adopts_a_changed_evaluator(study) -> None:
    study.ablate(settings={"light": 0.1}, workers=0, progress=False)
    before, url = study.report().json()["ablation"], study.database.url
    stored = [one.settings["evaluator"] for one in study.store.phase_studies(study.record_id) if one.kind == "ablation"]
    study.adopt(figures="keep")
    given = {"evaluator": Grown(pot="other"), "trials": 20, "sample": 12, "workers": 0, "progress": False}
    kept = automl.search(Line(), study="grown", storage=url, **given)
    assert kept.settings["evaluator"]["settings"]["pot"] == "other"
    assert kept.report().json()["ablation"] == before
    after = [one.settings["evaluator"] for one in kept.store.phase_studies(kept.record_id) if one.kind == "ablation"]
    assert after == stored
    kept.close()


def test_what_tricks_add_is_found_and_told_from_the_search(study) -> None:
    assert "Ablation of training tricks" in _missing(study)
    assert study.ablate(settings={"pot": "other"}, workers=0, progress=False) is study
    found = study.report().json()["ablation"]
    lines = {line["name"]: line for line in found["protocols"]}
    assert list(lines) == ["light", "water", "all tricks", 'pot="other"']
    for name, adds in (("light", 0.5), ("water", 0.1), ("all tricks", 0.6)):
        effect = lines[name]["effect_of_protocol"]
        assert effect["low"] < adds < effect["high"]
        assert effect["high"] - effect["low"] < 0.04
        assert effect["units"][0] >= 8
    beyond = found["searched"]["winner_beyond_sample"]["value"]
    assert 0.05 < beyond < 0.2  # x from 0 to 20, a hundredth each
    share = found["share_of_protocol"]
    assert share["low"] < share["value"] < share["high"]
    assert share["value"] == pytest.approx(0.6 / (0.6 + beyond), abs=0.03)
    assert lines["light"]["rank_agreement"]["tau"] > 0.5
    assert lines['pot="other"']["rank_agreement"]["tau"] < -0.5  # the order is turned round
    assert "is protocol" in str(study.report())
    assert "Ablation of training tricks" not in _missing(study)


def test_observers_are_closed_once_after_all_protocols(study) -> None:
    class Order(Observer):
        said: ClassVar[list[str]] = []

        def begin(self, settings, phase, trials, evaluations):
            self.said.append(phase)

        def close(self):
            self.said.append("closed")

    study.ablate(observers=[Order()], workers=0, progress=False)
    assert Order.said == ["ablation"] * 3 + ["closed"]


def _missing(study) -> set[str]:
    return {one["practice"] for one in study.report().json()["checklist"] if not one["kept"]}


def test_it_goes_on_and_trains_nothing_twice(study) -> None:
    study.ablate(["light"], workers=0, progress=False)
    before = _evaluations(study)
    study.ablate(["light", "water"], workers=0, progress=False)
    children = [one for one in study.store.phase_studies(study.record_id) if one.kind == "ablation"]
    assert [one.settings["ablation"]["without"] for one in children] == [["light"], ["water"], ["light", "water"]]
    assert len({one.settings["ablation"]["of"][0][0] for one in children}) == 1
    after = _evaluations(study)
    assert after == 3 * before
    study.ablate(workers=0, progress=False)
    assert _evaluations(study) == after


def _evaluations(study) -> int:
    children = [one for one in study.store.phase_studies(study.record_id) if one.kind == "ablation"]
    return sum(trial.outcome in ("miss", "partial") for one in children for trial in study.store.trials(one.id))


def test_the_gap_between_rating_and_deciding_is_measured_on_random_architectures(tmp_path) -> None:
    given = {"evaluator": Grown(pot="other"), "final": Grown(), "trials": 20, "sample": 10, "trained": 10}
    found = automl.search(Line(), storage=f"sqlite:///{tmp_path / 'f.db'}", workers=0, progress=False, **given)
    found.ablate(["light"], workers=0, progress=False)
    lines = {line["name"]: line for line in found.report().json()["ablation"]["protocols"]}
    assert list(lines) == ["light", "the settings of the ratings"]
    gap = lines["the settings of the ratings"]["rank_agreement"]
    assert gap["pairs"] >= 5
    assert gap["tau"] < -0.5
    found.close()


def test_what_cannot_be_left_out_is_said(study, tmp_path) -> None:
    with pytest.raises(InvalidInput, match=r"unknown trick of this study's grown 'lihgt'; did you mean light\?"):
        study.ablate(["lihgt"], workers=0, progress=False)
    with pytest.raises(InvalidInput, match="unknown setting of grown 'pto'; did you mean pot"):
        study.ablate(settings={"pto": 1}, workers=0, progress=False)
    height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
    given = {"baseline": False, "workers": 0, "progress": False, "storage": f"sqlite:///{tmp_path / 'b.db'}"}
    plain = automl.search(Line(), evaluator=height, trials=3, study="plain", **given)
    with pytest.raises(InvalidInput, match="the training of this study is plain: evaluator function has no tricks"):
        plain.ablate(workers=0)
    plain.close()


def test_smaller_may_be_better_and_missing_figures_are_left_out() -> None:
    found = paired_difference({"a": [1.0], "b": [2.0], "c": [3.0], "d": []}, {"a": [0.5], "b": [1.0], "c": [2.5]})
    assert found.value == pytest.approx(2 / 3)
    assert found.units == (3, 3)
    assert paired_difference({"a": [1.0]}, {"b": [1.0]}).value is None
    sample, plain = {name: [1.0] for name in "abcd"}, {name: [3.0] for name in "abcd"}
    assert share_of_protocol([0.5], sample, plain, sign=-1.0).value == pytest.approx(0.8)  # losses
    assert share_of_protocol([4.0], sample, plain, sign=-1.0).value is None


def test_tricks_are_the_settings_that_are_not_plain() -> None:
    evaluator = Classification(
        "digits", augment={"cutout": 2, "mixup": 0.2}, drop_path=0.2, ema=0.99, schedule="step", warmup=0.0,
        schedule_settings={"step_size": 1}, weight_decay=0.0,
    )  # fmt: skip
    small = {"layers": 1, "channels": 2, "resolution": 8}
    for auxiliary, heads in ((True, ["auxiliary"]), (False, [])):
        space = DARTS(**small, auxiliary=auxiliary)
        one = space.sample(np.random.default_rng(0))
        work = Work(space.behaviour(one), {}, one.json)
        fitted = evaluator.for_space(reference_to(space))
        assert fitted.tricks(work) == ["cutout", "mixup", *heads, "drop_path", "ema", "schedule"]
    bare = fitted.without(fitted.tricks(work), work)
    assert bare.tricks(work) == []
    assert (bare.augment, bare.drop_path, bare.schedule, bare.schedule_settings) == (None, 0.0, "constant", None)
    assert fitted.without(["mixup"], work).augment == {"cutout": 2}
    own = Work(work.behaviour, {"drop_path": 0.3}, work.candidate)
    assert "drop_path" not in fitted.tricks(own)
    with pytest.raises(InvalidInput, match="gives candidates their own drop_path"):
        fitted.without(["drop_path"], own)


class Some(automl.Space):
    """Candidates of which some say themselves how they are flipped."""

    x = automl.Integer(0, 20)

    def build(self, c):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))

    def training(self, c):
        return {"augment": None} if c.x % 2 else {}


def test_tricks_that_some_candidates_settle_themselves_are_refused() -> None:
    space, evaluator = Some(), Classification("digits", augment={"flip": True}, ema=0.9)
    parts = dataclasses.replace(
        assemble(Line(), PartSettings(evaluator=lambda candidate, seed: 0.0)),
        space=space, reference=reference_to(space), evaluator=evaluator,
    )  # fmt: skip
    plain, own = (space.decode({"x": x}) for x in (2, 3))
    seed = next(seed for seed in range(9) if space.sample(np.random.default_rng(seed)).x % 2 == 0)
    found = protocols_of(parts, ["flip", "ema"], {}, seed)
    check_candidates(parts, found, [plain])
    with pytest.raises(InvalidInput, match=r'without flip: the space gives candidates their own augment.*"x":3'):
        check_candidates(parts, found, [plain, own])
    check_candidates(parts, protocols_of(parts, ["ema"], {}, seed), [plain, own])


def test_the_command_trains_and_reports(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'c.db'}"
    settings = {"channels": 1, "cells": 1, "epochs": 1, "batch_size": 512, "label_smoothing": 0.1}
    given = {"trials": 2, "sample": 4, "confirm": 1, "test_seeds": 1, "finalists": 1, "workers": 0, "progress": False}
    automl.search("digits-cells", study="cells", storage=storage, settings=settings, **given).close()
    run = ["ablate", "cells", "--storage", storage, "--workers", "0"]
    done = CliRunner().invoke(command, [*run, "--tricks", "label_smoothing,warmup", "--set", "epochs=2", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["ablation"]
    assert [line["name"] for line in found["protocols"]] == ["label_smoothing", "warmup", "all tricks", "epochs=2"]
    assert found["plain"] == "all tricks"
    page = tmp_path / "report.html"
    automl.Study.open("cells", storage).report().save(page)
    assert "Search and protocol" in page.read_text()
    wrong = CliRunner().invoke(command, [*run, "--tricks", "cutout"])
    assert isinstance(wrong.exception, InvalidInput)
    assert "label_smoothing" in str(wrong.exception)
