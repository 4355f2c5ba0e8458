import dataclasses
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from test_strategies_contracts import Plain

import automl
from automl import Choice, Integer, Real, Space
from automl.behaviour import Array, Function, Module, Probe
from automl.cache.features import StoredFeatures
from automl.cache.policy import Occurrences, Policy
from automl.engine.keyer import Keyer
from automl.errors import InvalidInput
from automl.hashing import Hasher
from automl.hashing.isolated import HashJobs
from automl.report.reading.collect import collect
from automl.rules import Budget, LoopSettings
from automl.selection.objectives import Objective
from automl.spaces.space import Candidate
from automl.storage.engine import Database
from automl.storage.schema import feature
from automl.strategies import Told, create
from automl.strategies.base import Proposal
from automl.strategies.halving import SuccessiveHalving
from automl.strategies.random import Random
from automl.strategies.surrogate import Surrogate
from automl.strategies.surrogate.acquisition import log_expected_improvement, scalarised
from automl.strategies.surrogate.encoding import encoder_of
from automl.strategies.surrogate.kernels import Group, Kernel, _Likelihood, fitted
from automl.strategies.surrogate.model import Model
from automl.strategies.surrogate.pool import Columns
from automl.strategies.surrogate.process import Process
from automl.strategies.surrogate.warping import warped
from automl.testing.strategies import StrategyContract
from search_spaces.algorithms.activation import Activation
from search_spaces.algorithms.program_spaces import AutoMLZeroLinear
from search_spaces.nas.darts import DARTS
from search_spaces.nas.nasbench101 import NASBench101
from search_spaces.nas.nasbench201 import PROBE, NASBench201
from search_spaces.nas.nasbench_graph import NASBenchGraph


class Hashed:
    """Keys and features as a search gives them."""

    def __init__(self, space, probe=None):
        self.jobs = HashJobs(space, Hasher(probe))
        self.asked = 0

    def keys(self, candidates):
        self.asked += len(candidates)
        return [one.key for one in self.jobs.hash(candidates)]

    def features(self, candidates):
        return [one.features for one in self.jobs.hash(candidates, features=True)]


def small(**settings):
    return Surrogate(**{"first": 5, "hashed": 10, "kept": 60, **settings})


class TestSurrogate(StrategyContract):
    def strategy(self):
        return small()

    def space(self):
        return Plain()


class TestSurrogateOfSeveralObjectives(StrategyContract):
    def strategy(self):
        return small(objectives="fitness:maximize,size:minimize", constraints="size<0.8")

    def space(self):
        return Plain()

    def metrics(self, fitness):
        return {"size": (fitness * 7919) % 1.0}


class TestSurrogateBeneathHalving(StrategyContract):
    def strategy(self):
        return SuccessiveHalving(reduction=3, levels=3, proposer=f"{__name__}:Quick")

    def space(self):
        return Plain()


@dataclasses.dataclass
class Quick(Surrogate):
    name = "quick"
    hashed: int = 4
    kept: int = 20


class TestSurrogateOfCells(StrategyContract):
    """With keys and features, which every search gives it."""

    def strategy(self):
        return small()

    def space(self):
        return NASBench201()

    def _bound(self):
        strategy = self.strategy()
        strategy.bind(self.space(), hashes=Hashed(self.space(), PROBE))
        return strategy

    def test_binding_forgets_what_was_told(self):
        strategy, _ = self._run(6)
        strategy.bind(self.space(), hashes=strategy.hashes)
        assert strategy.ask(6, np.random.default_rng(7)) == self._bound().ask(6, np.random.default_rng(7))


def driven(strategy, worth, trials, seed=0, window=1, hashes=None, space=None):
    """Runs a strategy; returns what was told."""
    rng, told, under_way = np.random.default_rng(seed), [], []
    strategy.bind(space, hashes=hashes)
    while len(told) < trials:
        while len(under_way) < window:
            strategy.pending = list(under_way)
            new = strategy.ask(1, rng)
            if not new:
                break
            under_way += new
        if not under_way:
            break
        one = under_way.pop(0)
        value = worth(one.candidate)
        metrics = {} if value is None else {"accuracy": value}
        told.append(Told(len(told), one.candidate, value, metrics, False, 1.0, one.parents))
        strategy.tell(told[-1:])
    return told


# --- what it proposes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "window"), [(NASBench201(), 6), (NASBench101(), 1), (NASBenchGraph(), 6), (DARTS(), 1)]
)
def test_no_function_is_proposed_twice(space, window):
    hashes = Hashed(space, PROBE)
    told = driven(small(), lambda c: float(len(c.json) % 7), 25, window=window, hashes=hashes, space=space)
    keys = hashes.keys([one.candidate for one in told])
    assert len(set(keys)) == len(told) == 25


@pytest.mark.parametrize("space", [AutoMLZeroLinear(), Activation()])
def test_spaces_without_fields_and_features_are_searched_by_the_words_of_their_encoding(space):
    told = driven(small(), lambda c: float(c.json.count("mul") + c.json.count("*")), 25, window=3, space=space)
    assert len({one.candidate.json for one in told}) == 25
    assert np.mean([one.fitness for one in told[10:]]) > np.mean([one.fitness for one in told[:5]])


def convolutions(candidate):
    return candidate.value.count("nor_conv_3x3~") + 0.1 * candidate.value.count("skip_connect~0")


def test_it_finds_the_best_with_fewer_evaluations_than_random_search():
    space = NASBench201()
    hashes = Hashed(space, PROBE)
    best = {}
    for make in (small, Random):
        found = [driven(make(), convolutions, 30, seed, hashes=hashes, space=space) for seed in range(4)]
        best[make] = np.mean([max(one.fitness for one in told) for told in found])
    assert best[small] > best[Random] + 0.5


class Bowl(Space):
    x = Real(-1.0, 1.0)
    y = Real(1e-3, 1e3, log=True)
    kind2 = Choice("steep", "flat")


def test_a_space_that_is_exhausted_ends_the_search():
    class Tiny(Space):
        x = Integer(0, 7)
        side = Choice("low", "high")

    told = driven(small(), lambda c: float(c.x), 100, space=Tiny())
    assert sorted(one.candidate.json for one in told) == sorted(
        Tiny().decode({"x": x, "side": side}).json for x in range(8) for side in ("low", "high")
    )


def test_numbers_are_searched_where_they_are_best():
    def worth(c):
        return -((c.x - 0.3) ** 2) - (np.log10(c.y) - 1.0) ** 2 - (c.kind2 == "flat")

    best = max(one.fitness for one in driven(Surrogate(), worth, 40, space=Bowl()))
    assert best > -0.02


def test_what_fails_is_avoided():
    def worth(c):
        return None if c.x < 0 else c.x

    told = driven(Surrogate(), worth, 40, space=Bowl())
    assert sum(one.fitness is None for one in told[20:]) <= 4


@pytest.mark.parametrize("worth", [lambda _: 1.0, lambda _: None])
def test_one_value_only_and_failures_only_are_gone_on_with(worth):
    assert len(driven(small(), worth, 30, space=Bowl())) == 30


def test_a_bound_on_a_metric_is_kept_once_it_is_learned():
    told = driven(Surrogate(constraints="accuracy<=0.2"), lambda c: c.x, 40, space=Bowl())
    late = [one.fitness for one in told[20:]]
    assert np.median(np.abs(np.array(late) - 0.2)) < 0.02
    assert max(value for value in late if value <= 0.2) > 0.19


def test_a_bound_on_a_cost_is_kept_before_anything_is_evaluated():
    space = NASBench201()
    told = driven(small(constraints="parameters<600000"), convolutions, 30, hashes=Hashed(space, PROBE), space=space)
    assert all(space.costs(one.candidate)["parameters"] < 600_000 for one in told[5:] if one.parents)


def test_a_metric_that_does_not_exist_is_named():
    strategy = small(objectives="accuracy:maximize,latency:minimize")
    with pytest.raises(InvalidInput, match=r"no metric 'latency'; this search has .*accuracy"):
        driven(strategy, lambda c: c.x, 1, space=Bowl())


@pytest.mark.parametrize(("setting", "value"), [("first", 0), ("hashed", 1), ("kept", 3)])
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(InvalidInput, match=f"{setting}={value}"):
        Surrogate(**{setting: value})


def test_beyond_what_the_process_observes_it_goes_on_and_repeats_nothing(monkeypatch):
    monkeypatch.setattr("automl.strategies.surrogate.model.MOST", 30)
    monkeypatch.setattr("automl.strategies.surrogate.model.KEPT", 20)
    monkeypatch.setattr("automl.strategies.surrogate.model.FITTED", 15)
    told = driven(small(), lambda c: -((c.x - 0.3) ** 2), 80, space=Bowl())
    assert len({one.candidate.json for one in told}) == 80
    assert max(one.fitness for one in told[40:]) > -1e-3


def layers(candidate, seed):
    return {"accuracy": convolutions(candidate)}


def rows(study):
    return [(one.number, one.candidate, one.outcome, one.origin, one.parents) for one in study.trials()]


def test_a_search_gives_it_keys_and_features_and_an_interruption_changes_nothing(tmp_path):
    told = []

    def search(name, callbacks=()):
        study = automl.search(
            NASBench201(),
            evaluator=layers,
            strategy=small(),
            objective="accuracy",
            trials=24,
            seed=3,
            window=3,
            workers=0,
            baseline=False,
            finalists=1,
            study=name,
            storage=f"sqlite:///{tmp_path}/{name}.db",
            callbacks=callbacks,
        )
        found = rows(study)
        told.append(dict(dict(study.report().data.facts)["Model"]))
        study.close()
        return found

    def stop(study, trial):
        if trial.number == 13:
            raise KeyboardInterrupt

    whole = search("whole")
    with pytest.raises(KeyboardInterrupt):
        search("cut", [stop])
    assert search("cut") == whole
    pool = told[0].pop("pool")
    del told[1]["pool"]  # what the first random samples passed over is not hashed again
    assert told[0] == told[1]
    assert told[0]["foretold"] == "21 trials, each from all others"  # the last three are in the window
    assert "paths" in told[0]["carried by"]
    hashed, equal = (int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", pool))
    assert 200 < hashed < 24 * 10 + 300
    assert 0 < equal < hashed
    assert [outcome for _, _, outcome, _, _ in whole] == ["miss"] * 24
    assert {origin for _, _, _, origin, _ in whole} == {"sample", "mutate"}


def test_it_is_registered():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    target = project["project"]["entry-points"]["automl.strategies"]["surrogate"]
    assert create(target, {"first": 7}).settings()["first"] == 7


# --- the model --------------------------------------------------------------------------------------------------------


def groups():
    return [Group("one", 0, 3, np.array([0, 1, 1])), Group("other", 3, 5, np.zeros(2, dtype=int))]


def test_the_process_that_grows_is_the_one_worked_out_at_once():
    rng = np.random.default_rng(0)
    rows, pool, targets = rng.normal(size=(40, 5)), rng.normal(size=(30, 5)), rng.normal(size=(40, 2))
    kernel = dataclasses.replace(Kernel.prior(groups()), noise=0.05)
    process = Process(kernel, 5, 50, 30)
    process.put(np.arange(10), pool[:10])
    for number, row in enumerate(rows):
        process.observe(row)
        if number == 20:
            process.put(np.arange(10, 30), pool[10:])
    believing = process.believing([pool[3]])
    means, at_points = process.means(targets)
    all_rows = np.vstack([rows, pool[3]])
    k = kernel.between(kernel.scaled(all_rows), kernel.scaled(all_rows)) + (0.05 + 1e-6) * np.eye(41)
    across = kernel.between(kernel.scaled(pool), kernel.scaled(all_rows))
    np.testing.assert_allclose(means, across[:, :40] @ np.linalg.solve(k[:40, :40], targets), atol=1e-8)
    np.testing.assert_allclose(
        at_points, (k[:40, :40] - (0.05 + 1e-6) * np.eye(40)) @ np.linalg.solve(k[:40, :40], targets), atol=1e-8
    )
    variance = kernel.variance - np.einsum("ij,ji->i", across, np.linalg.solve(k, across.T))
    np.testing.assert_allclose(believing.deviations() ** 2, variance, atol=1e-8)
    process.set_kernel(kernel)
    np.testing.assert_allclose(process.means(targets)[0], means, atol=1e-8)


def test_the_gradient_of_the_likelihood_is_that_of_its_differences():
    rng = np.random.default_rng(1)
    problem = _Likelihood(Kernel.prior(groups()), rng.normal(size=(20, 5)), np.append(rng.normal(size=19) ** 3, np.nan))
    at = problem.centre + rng.normal(scale=0.3, size=len(problem.centre))
    gradient = problem(at)[1]
    steps = np.eye(len(at)) * 1e-5
    numeric = [(problem(at + step)[0] - problem(at - step)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-5)


def test_the_weights_find_the_group_that_matters():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(80, 5))
    targets = np.sin(2.0 * rows[:, 0])
    kernel, _ = fitted(groups(), rows, targets)
    assert kernel.variances[0] > 3 * kernel.variances[1]
    assert kernel.weights[0][0] > 3 * kernel.weights[0][1]
    assert kernel.noise < 0.05


def test_values_are_warped_in_their_order_and_a_catastrophe_is_only_the_last():
    values = np.array([3.0, -1e12, 2.0, np.nan, 1.0, 4.0, -5.0])
    found = warped(np.where(np.isnan(values), -np.inf, values))
    assert list(np.argsort(found)) == [3, 1, 6, 4, 2, 0, 5]
    assert abs(found).max() < 4
    assert list(warped(np.array([2.0, 2.0]))) == [0.0, 0.0]
    smooth = -(np.linspace(-1, 1, 30) ** 2)
    kernel, length = fitted([Group("x", 0, 1, np.zeros(1, dtype=int))], np.linspace(0, 1, 30)[:, None], smooth)
    np.testing.assert_allclose(np.corrcoef(warped(smooth, length), smooth)[0, 1], 1.0, atol=0.05)
    assert kernel.noise < 0.01


def test_the_expected_improvement_is_that_of_its_integral():
    from scipy.stats import norm

    for mean, deviation in ((0.3, 0.5), (-2.0, 1.0), (-1.0, 0.3), (3.0, 0.2)):
        u = mean / deviation
        expected = deviation * (u * norm.cdf(u) + norm.pdf(u))
        assert log_expected_improvement(np.array([mean]), np.array([deviation]), 0.0)[0] == pytest.approx(
            np.log(expected), abs=1e-6
        )
    rising = log_expected_improvement(np.linspace(-60, 60, 400), np.ones(400), 0.0)
    assert (np.diff(rising) > 0).all()


def test_the_scalarised_best_lies_on_the_front():
    values = np.array([[0.0, 1.0], [0.6, 0.6], [1.0, 0.0], [0.5, 0.5], [np.nan, 2.0]])
    best = {int(np.argmax(scalarised(values, np.array([w, 1 - w])))) for w in np.linspace(0, 1, 21)}
    assert best == {0, 1, 2}


def test_fields_are_as_far_apart_as_they_differ():
    class Opt(Space):
        lr = Real(1e-4, 1.0, log=True)

    class Net(Space):
        depth = Integer(1, 5)
        width = Choice(16, 64, 32)
        act = Choice("relu", "tanh", None)
        opt = Choice(Opt(), "none")
        tail = automl.Repeat(Choice(*"abc"), 0, 2)

    base = {"depth": 1, "width": 16, "act": "relu", "opt": {"kind": "Opt", "lr": 1e-4}, "tail": []}
    others = [
        {"depth": 3}, {"width": 64}, {"width": 32}, {"act": None}, {"opt": {"kind": "Opt", "lr": 1.0}},
        {"opt": "none"}, {"tail": ["a"]},
    ]  # fmt: skip
    encoder = encoder_of(Net())
    rows = encoder.rows([Net().decode({**base, **other}) for other in [{}, *others]])
    apart = ((rows[1:] - rows[0]) ** 2).sum(axis=1)
    np.testing.assert_allclose(apart, [0.25, 1.0, 0.25, 1.0, 1.0, 1.25, 0.75])
    assert len(encoder.components) == rows.shape[1]


def test_what_it_expects_is_nearer_to_the_truth_than_what_was_measured():
    noise = np.random.default_rng(0)
    truth, measured = [], []

    def worth(c):
        truth.append(-((c.x - 0.3) ** 2) - 0.3 * (c.kind2 == "flat"))
        measured.append(truth[-1] + 0.15 * noise.normal())
        return measured[-1]

    strategy = Surrogate()
    driven(strategy, worth, 60, space=Bowl())
    numbers = [number for number, _ in strategy.expected()]
    assert sorted(numbers) == list(range(60))
    by_value = np.argsort(measured)[::-1]
    assert np.mean([truth[one] for one in numbers[:5]]) > np.mean([truth[one] for one in by_value[:5]])
    account = strategy.account()
    assert account["trials"] == 60
    assert account["noise"] > 0.02
    assert 0.3 < account["within_half"] < 0.7
    assert account["within_95"] > 0.85
    assert account["noise"] + account["shares"]["fields"] == pytest.approx(1.0, abs=0.01)


def test_each_point_left_out_is_foretold_as_without_it():
    rng = np.random.default_rng(3)
    rows, targets = rng.normal(size=(12, 5)), rng.normal(size=12)
    kernel = Kernel.prior(groups())
    process, others = Process(kernel, 5, 20, 1), Process(kernel, 5, 20, 1)
    for row in rows:
        process.observe(row)
    expected, deviation = process.left_out(targets)
    others.put(np.array([0]), rows[4:5])
    for row in np.delete(rows, 4, axis=0):
        others.observe(row)
    assert expected[4] == pytest.approx(others.means(np.delete(targets, 4)[:, None])[0][0, 0])
    assert deviation[4] ** 2 == pytest.approx(others.believing([]).deviations()[0] ** 2 + kernel.noise, abs=1e-5)


def test_one_trial_a_worker_is_under_way_unless_the_user_says_otherwise(tmp_path):
    def window(**given):
        storage = f"sqlite:///{tmp_path}/windows.db"
        study = automl.search(
            Bowl(), evaluator=layers_of_bowl, trials=4, workers=0, study=str(given), storage=storage, **given
        )
        study.close()
        return study.settings["window"]

    assert window(strategy=small()) == 1
    assert window(strategy=small(), window=4) == 4
    assert window(strategy=Random()) > 1


def layers_of_bowl(candidate, seed):
    return {"fitness": candidate.x}


class Curves(Space):
    slope = Integer(0, 8)
    side = Choice("left", "right")  # nothing depends on it

    def behaviour(self, candidate):
        return Function(call=lambda x: x * candidate.slope)


def test_candidates_whose_own_code_is_hashed_are_told_apart_by_their_encoding_in_the_pool(tmp_path):
    strategy = small()
    study = automl.search(
        Curves(), evaluator=steepness, strategy=strategy, trials=18, workers=0, baseline=False, finalists=1,
        storage=f"sqlite:///{tmp_path}/curves.db",
    )  # fmt: skip
    outcomes = [one.outcome for one in study.trials()]
    encodings = {one.candidate for one in study.trials()}
    study.close()
    assert strategy.hashes is None
    assert len(encodings) == 18
    assert outcomes.count("miss") == 9
    assert outcomes.count("hit") == 9


def test_own_code_is_hashed_for_the_pool_where_that_is_asked_for(tmp_path):
    strategy = small(hashed=2, kept=20, own_code=True)
    url = f"sqlite:///{tmp_path}/curves.db"
    study = automl.search(
        Heads(), evaluator=width, strategy=strategy, trials=9, workers=0, baseline=False, finalists=1, confirm=1,
        storage=url,
    )  # fmt: skip
    trials = list(study.trials())
    study.close()
    assert {one.outcome for one in trials} == {"miss"}  # no function twice, though some fields change none
    assert [group.name for group in strategy._model._columns.groups] == ["gradients", "outputs", "weights"]
    with Database(url) as database, database.read() as connection:
        stored = {row.key for row in connection.execute(feature.select())}
    assert {one.key for one in trials} < stored


class Heads(Space):
    """A linear layer of some width; `note` changes nothing that it computes."""

    width = Integer(1, 40)
    note = Integer(0, 5)

    def behaviour(self, candidate):
        from torch import nn

        return Module(lambda: nn.Linear(4, candidate.width), probe=Probe((Array((4,)),)))


def width(candidate, seed):
    return {"fitness": -abs(candidate.width - 30)}


def steepness(candidate, seed):
    return {"fitness": candidate.slope}


class Uneven:
    """Features of which some are not finite."""

    def keys(self, candidates):
        return [one.json.encode() for one in candidates]

    def features(self, candidates):
        return [
            {"own": np.array([one.x, np.nan if one.x % 2 else one.x**2, np.nan])} if one.x % 3 else {}
            for one in candidates
        ]


def test_features_that_could_not_be_had_count_as_average():
    space = Clipped()
    columns = Columns(space, Uneven(), [Candidate({"x": x}) for x in range(1, 21)], features=True)
    rows = columns.rows([Candidate({"x": 4}), Candidate({"x": 5}), Candidate({"x": 6})])
    assert np.isfinite(rows).all()
    own = columns.groups[-1]
    assert own.name == "own"
    assert rows[1, own.start + 1] == rows[2, own.start + 1] == rows[:, own.start + 2].any() == 0.0
    assert rows[0, own.start + 1] != 0.0 != rows[1, own.start]


class Clipped(Space):
    """The space reads 21 to 30 as 20."""

    x = Integer(0, 30)

    def decode(self, value):
        return super().decode({"x": min(value["x"], 20)})


def test_features_that_are_not_finite_are_counted_and_said(tmp_path, monkeypatch):
    really = HashJobs.hash

    def some_infinite(self, candidates, *, features=False):
        found = really(self, candidates, features=features)
        for one in found:
            one.features = {name: np.where(np.arange(len(own)) == 1, np.nan, own) for name, own in one.features.items()}
        return found

    monkeypatch.setattr(HashJobs, "hash", some_infinite)
    study = automl.search(
        Heads(), evaluator=width, strategy=small(hashed=2, kept=10, own_code=True), trials=4, workers=0, baseline=False,
        finalists=1, confirm=1, storage=f"sqlite:///{tmp_path}/uneven.db",
    )  # fmt: skip
    data = collect(study.database, study.name, Heads())
    pool = data.settings["environment"]["pool"]
    # one of each of three groups; and a layer of one output has no correlation between two examples
    assert 0 <= pool["not_finite"] - 3 * pool["functions"] <= 1
    assert dict(dict(data.facts)["Model"])["features"] == f"{pool['not_finite']:,} numbers left out, not being finite"


def test_what_was_only_asked_about_is_read_back_once_it_is_proposed(tmp_path):
    settings = LoopSettings(
        study=1, name="s", context=1, objective=Objective("value"), seed=0, window=4,
        budget=Budget(trials=9), plans=Occurrences(Policy(), seed=0),
    )  # fmt: skip
    features = StoredFeatures(Database(f"sqlite:///{tmp_path}/a.db"), Hasher())
    keyer = Keyer(settings, HashJobs(Clipped(), Hasher()), None, features)
    beyond = Candidate({"x": 28})
    asked = keyer.pooled([beyond, Candidate({"x": 20})])
    [(proposal, key)] = keyer.keys([Proposal(beyond)], 0)
    assert proposal.candidate.value == {"x": 20}
    assert key == asked[1] != asked[0]  # never the key of 28 with the figure of 20


def test_a_space_that_fails_while_the_strategy_learns_is_named(tmp_path):
    class Failing(Space):
        x = Integer(0, 30)

        def mutate(self, candidate, rng):
            raise RuntimeError("no")

    evaluator = automl.FunctionEvaluator(lambda c: float(c.x), code_version="1")
    with pytest.raises(automl.AutoMLError, match="strategy surrogate on space Failing fails to learn: RuntimeError"):
        automl.search(
            Failing(), evaluator=evaluator, strategy=small(), trials=12, workers=0, baseline=False,
            storage=f"sqlite:///{tmp_path}/a.db",
        )  # fmt: skip


@pytest.mark.parametrize("largest", [1e155, 1e200, 1.7e308])
def test_figures_of_any_size_are_warped_and_searched_on(largest):
    values = warped(np.array([-largest, 0.0, 1.0, largest / 2, largest, -np.inf]))
    assert np.isfinite(values).all()
    assert (np.diff(values[:5]) >= 0).all()


@pytest.mark.parametrize(("window", "told_before"), [(1, 5), (4, 2), (12, 2)])
def test_what_is_under_way_counts_among_the_first_random_candidates(window, told_before, monkeypatch):
    chosen = []
    really = Model.choose

    def counted(self, n, under_way, rng):
        chosen.append((self.told, len(under_way)))
        return really(self, n, under_way, rng)

    monkeypatch.setattr(Model, "choose", counted)
    driven(small(), convolutions, 20, window=window, hashes=Hashed(NASBench201(), PROBE), space=NASBench201())
    assert chosen[0] == (told_before, window - 1)
    assert len(chosen) == 20 + window - 1 - max(5, window + 1)


def test_a_window_wider_than_what_is_known_begins_far_apart():
    """After the first five, which are random, each candidate lies where least is known of the others."""

    class Interval(automl.Space):
        x = automl.Real(0.0, 1.0)

    def nearest(first):
        strategy, rng = small(first=first), np.random.default_rng(3)
        strategy.bind(Interval())
        for _ in range(6):
            strategy.pending = [*strategy.pending, *strategy.ask(2, rng)]
        places = np.array([one.candidate.x for one in strategy.pending])
        assert len(places) == 12
        apart = np.abs(places[:, None] - places[None]) + np.eye(12)
        return apart.min(axis=1)[5:]

    assert nearest(first=5).min() > 0.015
    assert nearest(first=12).min() < 0.01  # where all twelve are random


def test_what_lies_far_apart_is_new_and_keeps_the_bounds_on_costs():
    space = NASBench201()
    hashes = Hashed(space, PROBE)
    strategy = small(constraints="parameters<4e5")
    strategy.bind(space, hashes=hashes)
    for _ in range(4):
        strategy.pending = [*strategy.pending, *strategy.ask(8, np.random.default_rng(len(strategy.pending)))]
    spread = [one.candidate for one in strategy.pending[5:]]
    keys = hashes.keys([one.candidate for one in strategy.pending])
    assert len(set(keys)) == len(keys) == 32
    assert all(space.costs(one)["parameters"] < 4e5 for one in spread)
