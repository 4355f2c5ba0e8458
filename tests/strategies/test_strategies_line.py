"""Strategies through the whole line: what the engine tells them, and that an interruption changes nothing."""

from __future__ import annotations

import pytest
from test_strategies_behaviour import front as survivors_front

import automl
from automl import Integer, Space
from automl.behaviour import Configuration
from automl.strategies import create
from automl.strategies.base import Told

PARETO = {
    "strategy": "nsga2",
    "settings": {
        "objectives": "accuracy:maximize,parameters:minimize",
        "constraints": "parameters<=400000",
        "population": 20,
    },
    "trials": 240,
    "window": 16,
    "workers": 0,
    "baseline": False,
    "finalists": 1,
}


class Slope(Space):
    x = Integer(0, 400)

    def behaviour(self, candidate):
        return Configuration(candidate.value)


def height(candidate, seed):
    return {"height": float(candidate["x"] if isinstance(candidate, dict) else candidate.x)}


def rows(study):
    return [(one.number, one.candidate, one.fitness, one.origin, one.parents, one.costs) for one in study.trials()]


def test_nsga2_keeps_its_constraint_and_goes_on_after_an_interruption_as_if_there_had_been_none(data_folder, tmp_path):
    whole = automl.search("nasbench201", study="whole", storage=f"sqlite:///{tmp_path}/whole.db", **PARETO)
    cut = f"sqlite:///{tmp_path}/cut.db"

    def stop(study, trial):
        if trial.number == 101:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        automl.search("nasbench201", study="cut", storage=cut, callbacks=[stop], **PARETO)
    resumed = automl.resume("cut", storage=cut)
    assert rows(resumed) == rows(whole)
    assert len(rows(whole)) == 240
    late = [one for one in whole.trials() if one.number >= 120]
    assert sum(one.costs["parameters"] <= 400_000 for one in late) > 0.8 * len(late)  # 0.44 of uniform draws

    strategy = create("nsga2", PARETO["settings"])
    strategy.bind(whole.space)
    strategy.tell(
        [
            Told(one.number, whole.space.decode(automl.jsontext.parse(one.candidate)), one.fitness, one.metrics)
            for one in whole.trials()
        ]
    )
    front = sorted(survivors_front(strategy), key=lambda one: whole.space.costs(one.candidate)["parameters"])
    assert len(front) > 3
    assert all(whole.space.costs(one.candidate)["parameters"] <= 400_000 for one in front)
    found = [one.fitness for one in front]
    assert found == sorted(found)  # more parameters only where they buy accuracy
    whole.close()
    resumed.close()


def test_local_search_climbs_with_more_trials_under_way_than_its_patience(tmp_path):
    study = automl.search(
        Slope(),
        evaluator=height,
        objective="height",
        direction="maximize",
        strategy="local_search",
        settings={"starts": 5, "patience": 30},
        trials=1500,
        window=120,
        workers=0,
        baseline=False,
        finalists=1,
        study="climb",
        storage=f"sqlite:///{tmp_path}/climb.db",
    )
    trials = list(study.trials())
    depth: dict[int, int] = {}
    for one in trials:
        depth[one.number] = 1 + max((depth[parent] for parent in one.parents), default=-1)
    assert max(depth.values()) >= 4  # climbs go on for generations; with leftovers counted each would end at once
    study.close()


def test_the_command_takes_objectives_and_constraints_and_goes_on(data_folder, tmp_path, monkeypatch, capsys):
    from automl.cli import main

    storage = f"sqlite:///{tmp_path}/line.db"

    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["automl", *arguments, "--storage", storage])
        code = None
        try:
            main()
        except SystemExit as end:
            code = end.code
        assert not code, capsys.readouterr().err

    monkeypatch.chdir(tmp_path)
    nsga2 = [
        *("nasbench201", "--strategy", "nsga2", "--window", "16", "--workers", "0", "--no-baseline"),
        *("--set", "objectives=accuracy:maximize,parameters:minimize", "--set", "constraints=parameters<=4e5"),
        *("--set", "population=20"),
    ]
    command("search", *nsga2, "--trials", "180", "--study", "whole")
    command("search", *nsga2, "--trials", "75", "--study", "cut")
    command("resume", "cut", "--trials", "180")
    whole, cut = (automl.Study.open(name, storage) for name in ("whole", "cut"))
    assert len(rows(whole)) == 180
    assert rows(cut) == rows(whole)
    whole.close()
    cut.close()
