"""Evaluations that are asked to stop early: by which rules, where their results stand, and in the same order always."""

import pickle

import pytest

import automl
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation
from automl.evaluators.pruning import PruneRule
from automl.strategies.pruning import CurvesTold, Pruner

EPOCHS = 9


class Slopes(automl.Space):
    slope = automl.Integer(0, 30)
    shift = automl.Integer(0, 3)


def value_at(candidate, epoch):
    return candidate.slope * epoch / EPOCHS + candidate.shift / 100


def train(candidate, seed, report, checkpoint=None):
    begun = int(checkpoint.read() or b"0") if checkpoint is not None else 0
    for epoch in range(1, EPOCHS + 1):
        if epoch > begun:
            with open("epochs.txt", "a") as log:
                log.write(f"{candidate.slope},{candidate.shift},{epoch}\n")
        report(epoch, {"score": value_at(candidate, epoch)})
        if checkpoint is not None:
            checkpoint.write(str(epoch).encode())
        if report.should_prune():
            raise automl.Pruned
    return {"score": value_at(candidate, EPOCHS)}


GIVEN = {
    "objective": "score", "trials": 60, "workers": 0, "window": 8, "finalists": 1, "sample": 2, "test_seeds": 1,
    "settings": {"population": 10, "tournament": 3}, "progress": False, "study": "mine", "prune": "median",
}  # fmt: skip


def search(url, **more):
    return automl.search(Slopes(), **{"evaluator": train, "storage": url, "baseline": False, **GIVEN, **more})


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{tmp_path / 'a.db'}"


def told(study):
    return [(one.number, one.candidate, one.fitness, dict(one.metrics), one.outcome) for one in study.trials()]


# --- rules -----------------------------------------------------------------------------------------------------------


def points(*values, metric="score"):
    return [(float(epoch), {metric: value}) for epoch, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("rule", "values", "stops"),
    [
        (PruneRule("score", bars={3.0: 0.5}), (0.6, 0.1, 0.2), False),  # its best so far is above the bar
        (PruneRule("score", bars={3.0: 0.5}), (0.4, 0.1, 0.2), True),
        (PruneRule("score", bars={3.0: 0.5}), (0.4, 0.1), False),  # no bar at epoch 2
        (PruneRule("score", bars={3.0: 0.5}, best=False), (0.6, 0.1, 0.2), True),
        (PruneRule("score", minimize=True, bars={2.0: 0.5}), (0.9, 0.4), False),
        (PruneRule("score", minimize=True, bars={2.0: 0.5}), (0.9, 0.6), True),
        (PruneRule("score", bars={1.0: 0.5}), (0.5,), False),  # as good as the bar is good enough
        (PruneRule("score", patience=2), (0.5, 0.4, 0.5), True),
        (PruneRule("score", patience=2), (0.5, 0.4, 0.6), False),
        (PruneRule("other", patience=1), (0.5, 0.4, 0.3), False),  # it does not report what decides
        (PruneRule("score"), (), False),
    ],
)
def test_a_rule_decides_from_the_curve_alone(rule, values, stops):
    assert rule.stops(points(*values)) is stops


def curves(text, values, minimize=False):
    kept = CurvesTold(Pruner.read(text), "score", minimize)
    for number, value in enumerate(values):
        kept.add(number, {float(epoch): value * epoch for epoch in range(1, 10)})
    return kept


def test_rules_are_made_of_the_curves_of_others():
    values = [0.5, 0.1, 0.4, 0.2, 0.3]
    assert curves("median", values).rule(5).bars[2.0] == pytest.approx(0.6)
    assert curves("median", values[:4]).rule(4).bars == {}  # too few to say
    assert curves("percentile:25", values).rule(5).bars[1.0] == pytest.approx(0.4)
    assert curves("percentile:25", values, minimize=True).rule(5).bars[1.0] == pytest.approx(0.2)
    asha = curves("asha:2", values).rule(5)
    assert sorted(asha.bars) == [1.0, 2.0, 4.0, 8.0]
    assert asha.bars[1.0] == pytest.approx(0.4)  # the best half of five: two
    assert not asha.best
    hyperband = curves("hyperband:2", [one / 10 for one in range(40)])
    assert [min(hyperband.rule(number).bars) for number in range(40, 44)] == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("text", ["medain", "median:3", "percentile:0", "percentile:", "patience:-1", "asha:1", ""])
def test_other_rules_are_refused_in_a_sentence(text, url):
    with pytest.raises(InvalidInput, match="prune="):
        search(url, prune=text)


def test_rules_travel_with_the_evaluation():
    how = Evaluation(seed=3, rule=PruneRule("score", bars={1.0: 0.5}))
    assert pickle.loads(pickle.dumps(how)).rule == how.rule
    assert how.report(1, {"score": 0.1})
    assert how.should_prune()
    assert not Evaluation(seed=3).report(1, {"score": 0.1})


# --- searches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prune", ["median", "percentile:40", "asha:2", "hyperband:2"])
def test_what_stops_early_is_no_failure_and_no_full_result(prune, url):
    study = search(url, prune=prune)
    frame = study.trials_dataframe()
    stopped = frame[frame.fidelity.str.contains("reached")]
    assert 5 < len(stopped) < 60
    assert not (frame.outcome == "failed").any()
    assert stopped.fitness.isna().all()
    assert frame[frame.fidelity == ""].fitness.notna().all()
    for row in stopped.itertuples():
        epoch = int(float(row.fidelity.partition(":")[2].rstrip("}")))
        assert 1 <= epoch <= EPOCHS
        curve = study.learning_curves(row.number)[0]
        assert curve.epochs[-1] == epoch
        assert curve.values("score")[epoch] == study.trial(row.number).metrics["score"]
    assert study.best.fitness == frame.fitness.max()
    text = str(study.report())
    assert "stopped early" in text
    study.close()


def test_the_same_trials_come_again_even_when_the_search_was_stopped_in_between(url, tmp_path):
    whole = search(url)

    class Enough(Exception):
        pass

    def stop(study, trial):
        if trial.number in (17, 31):
            raise Enough

    again = f"sqlite:///{tmp_path / 'b.db'}"
    for _ in range(2):
        with pytest.raises(Enough):
            search(again, callbacks=[stop])
    done = search(again)
    assert [row[:4] for row in told(done)] == [row[:4] for row in told(whole)]
    assert [one.context == done.store.trial(1, 0).context for one in done.trials()] == [
        one.context == whole.store.trial(1, 0).context for one in whole.trials()
    ]
    whole.close()
    done.close()


def test_other_numbers_of_workers_change_no_trial(url, tmp_path):
    one = search(url)
    other = search(f"sqlite:///{tmp_path / 'b.db'}", workers=None, simulated_workers=3)
    assert [row[:4] for row in told(other)] == [row[:4] for row in told(one)]
    one.close()
    other.close()


def test_what_is_met_again_is_carried_on_from_its_checkpoint(url, tmp_path):
    slow = {"slope": 3, "shift": 0}
    others = [{"slope": slope, "shift": 1} for slope in (20, 21, 22, 23, 24, 25)]
    study = search(url, enqueue=[*others, slow, *[{**one, "shift": 2} for one in others], slow], trials=14, window=1)
    [first, second] = [trial for trial in study.trials() if trial.candidate == '{"shift":0,"slope":3}']
    assert first.fitness is None
    assert second.key == first.key
    trained = [line for line in (tmp_path / "epochs.txt").read_text().split() if line.startswith("3,0,")]
    assert len(trained) == len(set(trained))  # no epoch twice
    study.close()


class Nets(automl.Space):
    width = automl.Choice(2, 4, 8, 16)
    lr = automl.Choice(0.0001, 0.003, 0.03, 0.1)

    def build(self, c):
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(64, c.width), nn.ReLU(), nn.Linear(c.width, 10))

    def training(self, c):
        return {"lr": c.lr}


def test_trainings_of_networks_stop_and_are_carried_on_too(url, one_thread):
    given = {**GIVEN, "trials": 20, "window": 2, "objective": "accuracy", "storage": url, "baseline": False}
    trained = automl.Classification(epochs=3)
    study = automl.search(Nets(), evaluator=trained, task="digits", strategy="random", **{**given, "settings": None})
    frame = study.trials_dataframe()
    assert frame.fidelity.str.contains("reached").any()
    assert not (frame.outcome == "failed").any()
    plain = automl.search(
        Nets(), evaluator=trained, task="digits", strategy="random",
        **{**given, "settings": None, "prune": None, "study": "plain", "namespace": "cold"},
    )  # fmt: skip
    assert study.best.candidate == plain.best.candidate
    study.close()
    plain.close()


def test_a_function_that_was_not_asked_to_stop_fails_in_a_sentence(url):
    def gives_up(candidate, report):
        report(1, 0.5)
        raise automl.Pruned

    study = search(url, evaluator=gives_up, objective=None, prune=None, trials=3)
    assert {one.error for one in study.trials()} == {
        "it raised Pruned, and nobody had asked it to stop; ask should_prune() first, or return the metrics"
    }
    study.close()


def test_random_search_is_asked_by_the_same_rule_and_tests_are_not(url):
    study = search(url, baseline=True)
    by_name = {one.name: one for one in study.store.all()}
    random = list(study.store.trials(by_name["mine/random"].id))
    assert any(one.fitness is None and one.outcome != "failed" for one in random)
    for phase in ("mine/confirmed", "mine/test"):
        assert all(one.fitness is not None for one in study.store.trials(by_name[phase].id))
    study.close()


@pytest.mark.parametrize("asked", [{"replicates": 2}, {"forget_probability": 0.1}, {"audit_probability": 0.1}])
def test_one_evaluation_a_class_is_asked_to_stop(url, asked):
    with pytest.raises(InvalidInput, match=f"prune='median' with {next(iter(asked))}="):
        search(url, **asked)


def test_a_resumed_search_carries_on_where_an_uninterrupted_one_would(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def stops(study, record):
        if record.number == 27:
            raise KeyboardInterrupt

    given = {"prune": "asha:2", "trials": 50}
    whole = told(search(f"sqlite:///{tmp_path / 'whole.db'}", **given))
    cut = f"sqlite:///{tmp_path / 'cut.db'}"
    with pytest.raises((KeyboardInterrupt, automl.Stopped)):
        search(cut, callbacks=[stops], **given)
    assert told(search(cut, **given)) == whole
