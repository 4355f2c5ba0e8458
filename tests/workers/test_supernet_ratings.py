"""Ratings as evaluators: whole candidates, parts of blocks, tables of blocks, untrained scores, and the command."""

import csv
import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from supernet_parts import QUICK, SPACE, task
from torch import nn

import automl
from automl.artefacts.content import Content
from automl.behaviour import Module
from automl.cli import automl as cli
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.jsontext import canonical
from automl.setup.parts import PartSettings, assemble
from automl.setup.targets import reference_to, resolve
from automl.strategies.exhaustive import Exhaustive
from automl.testing.artefacts import ArtefactContract
from automl.testing.evaluators import EvaluatorContract
from search_spaces.nas.hytra import HyTra
from search_spaces.nas.mbconv import MBConv
from workers.networks import zero_cost
from workers.supernets import store
from workers.supernets.block_table import BlockTable, fitted_weights, read_table
from workers.supernets.evaluators import BlockRating, WholeRating

pytestmark = pytest.mark.usefixtures("one_thread")
REFERENCE = reference_to(SPACE)


def whole(**changes):
    return WholeRating(task=task(), **{**QUICK, **changes}).for_space(REFERENCE)


def works(count=3):
    drawn = SPACE.sample_many(count, np.random.default_rng(0))
    return [Work(SPACE.behaviour(one), SPACE.training(one), one.json) for one in drawn]


class TestWholeRating(EvaluatorContract):
    def evaluator(self):
        return whole()

    def works(self):
        return works()


class TestSupernet(ArtefactContract):
    def artefact(self):
        return whole().artefacts(1)[0]


class TestBlockRating(EvaluatorContract):
    def evaluator(self):
        return BlockRating(task=task(), **QUICK).for_space(reference_to(SPACE.block_space(1, "2")))

    def works(self):
        inside = SPACE.block_space(1, "2")
        return [Work(inside.behaviour(one), {}, one.json) for one in list(inside.candidates())[:3]]


class TestZeroCost(EvaluatorContract):
    def evaluator(self):
        return zero_cost.ZeroCost(task=task(), batch_size=16)

    def works(self):
        return works()


# --- whole candidates -------------------------------------------------------------------------------------------------


def rated(evaluator, work, replicate=0):
    return evaluator.evaluate(work, Evaluation(seed=5, replicate=replicate))["rating"]


def test_a_whole_rating_is_the_sum_of_its_blocks_ratings():
    one, weighted = whole(), whole(weights=[1.0, 10.0])
    for work, candidate in zip(works(), SPACE.sample_many(3, np.random.default_rng(0)), strict=True):
        parts = [one.part_rating(b.index, b.entry, b.part, Evaluation(0)) for b in SPACE.blocks(candidate)]
        assert rated(one, work) == pytest.approx(sum(parts))
        assert rated(weighted, work) == pytest.approx(parts[0] + 10 * parts[1])


def test_standardised_weights_give_each_block_the_same_spread():
    table = whole().block_table(Evaluation(0))
    weights = table.weights("standardised")
    for index, weight in enumerate(weights):
        values = [value for (block, _), found in table.seeds[0].items() if block == index for value in found.values()]
        assert np.std(values) * weight == pytest.approx(1)


def test_a_replicate_is_a_supernet_of_its_own_and_the_seed_of_an_evaluation_is_none():
    evaluator, work = whole(), works()[0]
    assert rated(evaluator, work, 0) != rated(evaluator, work, 1)
    assert evaluator.evaluate(work, Evaluation(1)) == evaluator.evaluate(work, Evaluation(2))


def test_weights_that_fit_trained_networks_are_found():
    table = whole().block_table(Evaluation(0))
    blocks = [SPACE.blocks(one) for one in SPACE.sample_many(30, np.random.default_rng(1))]
    truth = [
        7 + 2 * table.rating(0, one[0].entry, one[0].part) + 5 * table.rating(1, one[1].entry, one[1].part)
        for one in blocks
    ]
    assert fitted_weights(table, blocks, truth) == pytest.approx([2, 5])
    with pytest.raises(InvalidInput, match="3 networks are too few to fit the weights of 2 blocks"):
        fitted_weights(table, blocks[:3], truth[:3])


def test_dynamic_programming_and_the_search_agree_on_the_best_candidate():
    evaluator = whole()
    every = {one: rated(evaluator, Work(SPACE.behaviour(one), {}, one.json)) for one in SPACE.candidates()}
    made = evaluator.supernet(Evaluation(0))
    best = -math.inf
    chains = {SPACE.start: 0.0}
    for index in range(2):
        reached = {}
        for entry, known in chains.items():
            for text, value in made.ratings[index, entry].items():
                leaves = SPACE.state(json.loads(text)[-1])
                reached[leaves] = max(reached.get(leaves, -math.inf), known + value)
        chains = reached
    best = max(chains.values())
    assert max(every.values()) == pytest.approx(best)


@pytest.mark.parametrize("trainer", ["single_path", "random_labels"])
def test_single_path_supernets_rate_whole_candidates(trainer):
    evaluator = whole(trainer=trainer)
    found = [evaluator.evaluate(work, Evaluation(0)) for work in works()]
    assert len({one["rating"] for one in found}) == 3
    if trainer == "single_path":
        assert all(0 <= one["accuracy"] <= 1 and one["rating"] < 0 for one in found)
    with pytest.raises(InvalidInput, match="rates whole candidates"):
        evaluator.block_table(Evaluation(0))
    with pytest.raises(InvalidInput, match="block-rating: trainer"):
        BlockRating(trainer=trainer)


def test_the_context_holds_space_data_and_training():
    settings = canonical(whole().settings())
    assert canonical(whole().settings()) == settings
    other_space = WholeRating(task=task(), **QUICK).for_space(reference_to(HyTra(resolution=8)))
    others = [whole(epochs=3), whole(weights="standardised"), other_space, dataclasses.replace(whole(), task=task(1))]
    assert len({settings, *(canonical(one.settings()) for one in others)}) == 5


def test_what_it_cannot_rate_is_refused_before_a_search():
    with pytest.raises(InvalidInput, match="rates by the blocks of a space, and MacroNet has none"):
        assemble("macro", PartSettings(evaluator="whole-rating"))
    with pytest.raises(InvalidInput, match="whole-rating: weights has 3 numbers, and HyTra 2 blocks"):
        whole(weights=[1, 2, 3])
    with pytest.raises(InvalidInput, match="must know its space"):
        WholeRating().settings()
    with pytest.raises(InvalidInput, match="block-rating rates parts of blocks, and not"):
        BlockRating(task=task(), **QUICK).for_space(REFERENCE).evaluate(works()[0], Evaluation(0))


# --- kept supernets and tables ----------------------------------------------------------------------------------------


def test_a_kept_supernet_rates_as_before_and_another_one_is_refused(tmp_path):
    evaluator = whole()
    made = evaluator.supernet(Evaluation(0))
    recipe = evaluator.recipe(0)
    data = Content.of(*store.content_of(made, recipe))
    parts, given = evaluator.parts("cpu"), evaluator.supernet_settings()
    again = store.restored(data, SPACE, parts, given, recipe)
    blocks = SPACE.blocks(SPACE.sample(np.random.default_rng(3)))
    from workers.supernets.rater import Rater

    rater = Rater(SPACE, again.module, again.examples, again.carriers, again.centers)
    for one in blocks:
        assert rater.rate(one.index, one.entry, one.part) == pytest.approx(
            made.ratings[one.index, one.entry][canonical(one.part)], abs=1e-6
        )
    with pytest.raises(
        InvalidInput, match=r"this supernet is another one: space\.widths was \[4, 8, 8\], and is \[4, 8"
    ):
        store.restored(data, SPACE, parts, given, {**recipe, "space": {**recipe["space"], "widths": [4, 8, 12]}})
    with pytest.raises(InvalidInput, match=r"task\.fingerprint was"):
        store.restored(data, SPACE, parts, given, {**recipe, "task": {"name": "lines", "fingerprint": "0"}})


def test_a_table_of_block_ratings_stands_for_its_supernet(tmp_path):
    evaluator = whole()
    table = evaluator.block_tables([Evaluation(0), Evaluation(1, replicate=1)])
    file = tmp_path / "blocks.json"
    file.write_text(table.json())
    assert read_table(file, SPACE).digest == table.digest
    reading = WholeRating(table=str(file)).for_space(REFERENCE)
    for work in works():
        for replicate in (0, 1):
            assert rated(reading, work, replicate) == pytest.approx(rated(evaluator, work, replicate))
    assert set(reading.settings()) == {"table", "weights", "space"}
    copied = tmp_path / "copy.json"
    copied.write_text(table.json())
    assert WholeRating(table=str(copied)).for_space(REFERENCE).settings() == reading.settings()  # content, not place
    with pytest.raises(InvalidInput, match="rates the blocks of another space: kind was 'HyTra', and is 'MBConv' here"):
        read_table(file, MBConv())
    for text in ("{}", '{"format": "automl block ratings 1"}', "[]", table.json().replace("-0.", '"x"-0.', 1)):
        file.write_text(text)
        with pytest.raises(InvalidInput):
            read_table(file, SPACE)


def test_a_mean_of_supernets_is_the_mean_of_their_ratings():
    seeds = [{(0, ""): {'["0"]': value}} for value in (1.0, 3.0)]
    table = BlockTable.of(MBConv(), seeds, {})
    assert table.rating(0, "", ["0"]) == 2.0
    assert table.of_seed(1).rating(0, "", ["0"]) == 3.0
    assert table.of_seed(7).rating(0, "", ["0"]) == 2.0
    assert table.rating(0, "", ["1"]) is None


# --- scores without training ------------------------------------------------------------------------------------------


def test_synflow_is_the_product_along_a_chain_of_linear_layers():
    torch.manual_seed(0)
    chain = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False))
    a, b = (one.weight.detach().abs().double() for one in chain)
    flow = 2 * float((b @ a).sum())  # each layer's sum of weight times gradient is the output
    assert zero_cost.synflow(chain, torch.zeros(1, 3)) == pytest.approx(math.log(flow))


def test_naswot_counts_agreeing_units_wherever_a_network_calls_relu():
    class Halves(nn.Module):
        def forward(self, x):
            return x.relu() + torch.relu(-x)

    x = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]])
    agree = np.array([[6.0, 2.0], [2.0, 6.0]])  # three units twice; they agree in one of them
    assert zero_cost.naswot(Halves(), x) == pytest.approx(math.log(np.linalg.det(agree)))
    assert zero_cost.naswot(nn.Linear(3, 1), x) < -20  # it has no such units: examples cannot be told apart


def test_the_gradient_norm_is_that_of_the_loss():
    torch.manual_seed(0)
    layer, x, y = nn.Linear(3, 2), torch.randn(5, 3), torch.tensor([0, 1, 0, 1, 1])
    error = (layer(x).softmax(1) - nn.functional.one_hot(y, 2)).detach() / 5
    by_hand = math.sqrt(float((error.T @ x).square().sum() + error.sum(0).square().sum()))
    assert zero_cost.gradient_norm(layer, x, y) == pytest.approx(by_hand)


def test_the_jacobian_score_is_larger_where_examples_differ_more():
    torch.manual_seed(0)
    x = torch.randn(6, 8)
    bent = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
    assert zero_cost.jacobian_covariance(bent, x) > zero_cost.jacobian_covariance(nn.Linear(8, 1), x)


def test_scores_come_from_the_seed_and_counts_from_the_network():
    evaluator, work = zero_cost.ZeroCost(task=task(), batch_size=16), works()[0]
    one, same, other = (evaluator.evaluate(work, Evaluation(seed)) for seed in (1, 1, 2))
    assert one == same
    assert one["naswot"] != other["naswot"]
    candidate = SPACE.decode(json.loads(work.candidate))
    assert {name: one[name] for name in ("parameters", "macs")} == SPACE.costs(candidate)


def test_a_network_without_a_finite_score_is_its_own_failure():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return x.flatten(1)[:, :3] * self.weight * float("nan")

    with pytest.raises(automl.errors.CandidateFailure, match="the network has no"):
        zero_cost.ZeroCost(task=task(), batch_size=8).evaluate(Work(Module(Broken), {}, "{}"), Evaluation(0))


# --- the strategy, the search, the command ----------------------------------------------------------------------------


def test_searches_of_a_blocks_space_share_one_supernet_and_rate_each_part_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = SPACE.block_space(1, "2")

    def searched(study, **named):
        return automl.search(
            inside,
            evaluator=BlockRating(task=task(), **QUICK),
            strategy="exhaustive",
            trials=1000,
            baseline=False,
            confirm=1,
            finalists=1,
            test_seeds=1,
            workers=0,
            study=study,
            **named,
        )

    first = list(searched("first").trials())
    assert len(first) == inside.size() == len({one.candidate for one in first})
    kept = sorted(path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 20_000)
    again = list(searched("again").trials())
    assert {one.outcome for one in again} == {"hit"}
    assert [one.metrics for one in again] == [one.metrics for one in first]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 20_000) == kept


def test_exhaustive_refuses_what_it_cannot_list():
    with pytest.raises(InvalidInput, match="the space has 2,818,103 candidates, and 100,000 may be listed"):
        Exhaustive().bind(HyTra(preset="imagenet"))
    with pytest.raises(InvalidInput, match="cannot list its candidates; define candidates"):
        Exhaustive().bind(resolve("digits-cells")[0])


def test_the_command_writes_ratings_and_their_blocks_and_reads_them_again(tmp_path):
    settings = [f"{name}={value}" for name, value in {**QUICK, "epochs": 0}.items()]
    space = ["resolution=8", "widths=[4,8,8]", "blocks=[2,2]"]

    def run(*arguments):
        return CliRunner().invoke(cli, ["rate", "hytra", *map(str, arguments)], catch_exceptions=True)

    given = [item for one in (*space, *(f"evaluator.{one}" for one in settings)) for item in ("--set", one)]
    out = tmp_path / "ratings.csv"
    first = run("--task", "digits", *given, "-n", 9, "--replicates", 2, "--out", out, "--json")
    assert first.exit_code == 0, first.output
    said = json.loads(first.stdout.splitlines()[-1])
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 18
    assert set(rows[0]) == {"candidate", "rating", "parameters", "macs", "seconds"}
    small = HyTra(resolution=8, widths=[4, 8, 8], blocks=[2, 2])
    candidate = small.decode(json.loads(rows[0]["candidate"]))
    assert float(rows[0]["parameters"]) == small.costs(candidate)["parameters"]
    assert read_table(tmp_path / "ratings.blocks.json", small).digest == said["digest"]

    names = tmp_path / "names.jsonl"
    names.write_text("\n".join(dict.fromkeys(row["candidate"] for row in rows)))
    table = ["--set", f"evaluator.table={said['blocks']}", *[item for one in space for item in ("--set", one)]]
    again = run(*table, "--candidates", names, "--out", tmp_path / "again.csv")
    assert again.exit_code == 0, again.output
    read = {row["candidate"]: float(row["rating"]) for row in csv.DictReader((tmp_path / "again.csv").open())}
    assert read == pytest.approx({row["candidate"]: float(row["rating"]) for row in rows[:9]})

    wrong = run("--task", "digits", *given, "--out", "/nowhere/at/all.csv")
    assert isinstance(wrong.exception, InvalidInput)
    assert "the folder /nowhere/at does not exist" in str(wrong.exception)


# --- images of the size that a space asks for -------------------------------------------------------------------------


def test_smaller_images_are_enlarged_for_a_space_that_asks_for_it_and_the_context_holds_it():
    parts = assemble("hytra", PartSettings(task="digits"))
    assert parts.evaluator.resize == 28
    assert parts.evaluator.probe().inputs[0].shape == (1, 28, 28)
    assert parts.evaluator.settings()["resize"] == 28
    assert parts.evaluator.for_space(parts.reference).data() is parts.evaluator.data()  # enlarged once
    rater = assemble("hytra", PartSettings(evaluator="whole-rating", final="classification", task="digits"))
    assert rater.rating.evaluator.resize == rater.evaluator.resize == 28
    inputs = parts.evaluator.parts("cpu").train.first(2)[0]
    small = assemble("digits-cells").evaluator.parts("cpu").train.first(2)[0]
    assert torch.allclose(inputs, nn.functional.interpolate(small, (28, 28), mode="bilinear"))


def test_images_that_are_large_enough_stay_and_so_does_their_context():
    own = assemble("hytra", PartSettings(task="digits", settings={"resolution": 8}))
    assert own.evaluator.resize is None
    assert "resize" not in own.evaluator.settings()
    assert own.evaluator.probe().inputs[0].shape == (1, 8, 8)
    sequences = assemble("hytra-1d").evaluator
    assert (sequences.resize, sequences.probe().inputs[0].shape) == (None, (40,))


def test_a_stored_study_is_decided_on_its_own_task_and_not_on_the_spaces(tmp_path):
    given = {"final.epochs": 3, "resolution": 8}
    first = assemble(
        "hytra", PartSettings(evaluator="zero-cost", final="classification", task="digits", settings=given)
    )
    stored = {
        "space": {"target": "hytra", "settings": {"resolution": 8}},
        "strategy": {"name": "random", "settings": {}},
        "evaluator": dict(first.described.stands),
        "evaluator_given": first.evaluator_given,
        "rating_given": first.rating.given,
        "rating": first.rating.identity(),
        "objective": "accuracy",
        "direction": "maximize",
    }
    again = assemble("hytra", stored=stored)
    assert (again.evaluator.task, again.evaluator.epochs) == ("digits", 3)
    assert again.rating.evaluator.task == "digits"
