"""Supernets: what training moves and what it leaves alone, recalibrated norms, ratings that depend on nothing else."""

import numpy as np
import pytest
import torch
from supernet_parts import SPACE, bootstrapped, equal, examples, fresh, settings, state, task, trained
from torch import nn

from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.checkpoints import Checkpoint
from automl.jsontext import canonical
from search_spaces.nas.mbconv import MBConv
from search_spaces.nas.widths import Widths
from workers.networks.batches import parts_of
from workers.networks.kinds import Classes
from workers.supernets.bootstrap import Bootstrap
from workers.supernets.loop import train
from workers.supernets.norms import batch_statistics, batches_of, norms_of, recalibrate
from workers.supernets.paths import fair_paths, step_parts, step_paths
from workers.supernets.rater import Examples, Rater, best_carriers
from workers.supernets.settings import SupernetSettings
from workers.supernets.twins import distance, momentum_at
from workers.supernets.views import fixed_pair, view

pytestmark = pytest.mark.usefixtures("one_thread")


def rater(made, **named):
    return Rater(SPACE, made.module, examples(made.settings), made.carriers, **named)


def places(made):
    return [(index, entry, part) for index, entry in made.ratings for part in rater(made).parts(index, entry)]


# --- training ---------------------------------------------------------------------------------------------------------


class Watched(Bootstrap):
    """Keeps the weights as they were when each block was finished, and looks at the gradients of each step."""

    def finish(self, stage):
        super().finish(stage)
        self.then = [*getattr(self, "then", []), state(self.module)]

    def after(self, stage, share):
        super().after(stage, share)
        open_blocks = {name for name, one in self.module.named_parameters() if one.grad is not None}
        own = (f"online.network.blocks.{stage}.", f"online.projectors.{stage}.", f"predictors.{stage}.")
        assert open_blocks
        assert all(name.startswith(own) for name in open_blocks)
        self.steps = getattr(self, "steps", 0) + 1


def test_a_finished_block_is_frozen_and_no_gradient_runs_into_it():
    torch.manual_seed(0)
    given = settings()
    made = Watched(SPACE, given, examples(given))
    train(made, parts_of(task(), Classes(None), "cpu").train, given, 0)
    assert made.steps == 2 * 2 * 3
    first, last = made.then
    parameters = {name for name, _ in made.module.named_parameters()}
    before = {name for name in parameters if ".blocks.0." in name or "projectors.0." in name or "predictors.0." in name}
    assert len(before) > 40
    assert equal(first, last, before)
    after = {name for name in parameters if ".blocks.1." in name}
    assert not equal(first, last, after)


def test_the_target_follows_with_all_of_its_parameters_adapters_included():
    torch.manual_seed(0)
    made = fresh(settings())
    made.module.train()
    for one in made.module.online.parameters():
        one.data.add_(torch.randn_like(one))
    before, online = state(made.module.target), state(made.module.online)
    made.module.follow(1, 0.75)
    moved = state(made.module.target)
    names = {name for name, _ in made.module.target.named_parameters()}
    own = {name for name in names if name.startswith(("network.blocks.1.", "projectors.1."))}
    assert any("adapters" in name for name in own)
    for name in own:
        torch.testing.assert_close(moved[name], 0.75 * before[name] + 0.25 * online[name])
    assert equal(before, moved, names - own)


def test_training_moves_the_targets_adapters_too():
    made = bootstrapped()
    torch.manual_seed(0)
    start = fresh(settings())
    for index in (0, 1):
        for name, one in made.module.target.projectors[index].adapters.named_parameters():
            if name.endswith("0.weight"):
                assert not torch.equal(one, start.module.target.projectors[index].adapters.get_parameter(name)), name


def test_the_targets_momentum_rises_to_one():
    shares = [momentum_at(0.99, share) for share in (0, 0.5, 1)]
    assert shares == pytest.approx([0.99, 0.995, 1.0])


def test_the_loss_falls_and_the_curve_says_how_far_projections_spread():
    points = []
    trained(settings(epochs=4), report=lambda epoch, metrics: points.append((epoch, metrics)))
    assert [epoch for epoch, _ in points] == list(range(1, 9))
    assert points[3][1]["train_loss"] < points[0][1]["train_loss"]
    assert all(0.05 < metrics["spread"] < 1.5 for _, metrics in points)


def test_a_collapse_is_an_alarm():
    made = fresh(settings())
    made._spread = 0.001
    with pytest.raises(CandidateFailure, match=r"has collapsed in block 0: its projections spread 0\.001"):
        made.finish(0)


def test_the_ensemble_is_a_setting_that_changes_training():
    with_mean, alone = bootstrapped(), trained(settings(ensemble=False))
    assert not equal(state(with_mean.module.online), state(alone.module.online))


def test_equal_seeds_give_equal_weights_and_others_other_ones():
    assert equal(state(trained(settings()).module), state(bootstrapped().module))
    assert not equal(state(bootstrapped(1).module), state(bootstrapped().module))


@pytest.mark.parametrize("trainer", ["bootstrap", "single_path", "random_labels"])
def test_a_training_that_was_killed_goes_on_to_the_very_same_weights(trainer, tmp_path):
    given = settings(trainer, epochs=2)
    states = []

    class Kept(Checkpoint):
        due = True

        def write(self, data):
            states.append(data)
            super().write(data)

    whole = trained(given, checkpoint=Kept(tmp_path / "whole"))
    assert len(states) == (3 if trainer == "bootstrap" else 1)
    assert all(data[:1] != b"\x80" for data in states)  # no pickle
    for number, data in enumerate(states[:2]):  # in the middle of a block, and between blocks
        kept = Checkpoint(tmp_path / f"{number}")
        kept.write(data)
        again = trained(given, seed=0, checkpoint=kept)
        assert equal(state(again.module), state(whole.module)), number
        if trainer == "bootstrap":
            assert again.ratings == whole.ratings
            assert again.carriers == whole.carriers


def test_a_damaged_state_is_left_alone(tmp_path):
    kept = Checkpoint(tmp_path / "state")
    kept.write(b"no such state")
    assert equal(state(trained(settings(), checkpoint=kept).module), state(bootstrapped().module))


# --- paths ------------------------------------------------------------------------------------------------------------


def test_fair_sampling_uses_each_entry_of_each_layer_once():
    rng = np.random.default_rng(0)
    paths = step_paths(MBConv(), 3, rng)
    assert all(sorted(column) == ["0", "1", "2"] for column in zip(*paths, strict=True))
    eight = fair_paths([["a", "b"]] * 3, 8, rng)
    assert all(column.count("a") == 4 for column in zip(*eight, strict=True))


def test_steps_of_other_spaces_take_distinct_paths():
    rng = np.random.default_rng(0)
    assert len(set(step_paths(SPACE, 5, rng))) == 5
    assert len(step_paths(SPACE.block_space(0, ""), 50, rng)) == SPACE.block_space(0, "").size()
    drawn = [one for _ in range(200) for one in step_parts(SPACE, 1, 3, rng)]
    assert len({*drawn}) == sum(SPACE.block_space(1, entry).size() for entry in SPACE.block_entries(1))
    assert all(SPACE.block_space(1, entry).decode(list(path)) for entry, path in drawn[:20])


# --- norms ------------------------------------------------------------------------------------------------------------


def test_statistics_are_made_anew_as_averages_over_all_batches():
    torch.manual_seed(0)
    layer = nn.Sequential(nn.BatchNorm1d(3))
    layer(torch.randn(50, 3) * 9)  # what training left behind
    batches = [torch.randn(20, 3) + shift for shift in range(3)]
    recalibrate([layer], layer, batches)
    torch.testing.assert_close(layer[0].running_mean, torch.stack([one.mean(0) for one in batches]).mean(0))
    torch.testing.assert_close(layer[0].running_var, torch.stack([one.var(0) for one in batches]).mean(0))
    assert (layer[0].momentum, layer[0].training) == (0.1, False)


def test_a_frozen_prefix_uses_each_batchs_own_statistics_and_keeps_its_own():
    layer = nn.Sequential(nn.BatchNorm1d(3)).eval()
    x = torch.randn(20, 3) * 5 + 1
    with batch_statistics([layer]):
        torch.testing.assert_close(layer(x).mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    assert torch.equal(layer[0].running_mean, torch.zeros(3))
    assert not layer[0].training
    assert layer[0].track_running_stats


def test_the_last_batch_is_never_a_single_example():
    assert [len(one) for one in batches_of(torch.zeros(301, 1), 301)] == [100, 100, 101]
    assert [len(one) for one in batches_of(torch.zeros(301, 1), 250)] == [100, 100, 50]


def test_the_predictors_norms_are_recalibrated_too():
    made = bootstrapped()
    rater(made).rate(*places(made)[0])
    for one in norms_of([made.module.predictors[0]]):
        assert not torch.equal(one.running_mean, torch.zeros_like(one.running_mean))
        assert int(one.num_batches_tracked) == 1  # 64 examples in batches of 100


# --- ratings ----------------------------------------------------------------------------------------------------------


def test_a_rating_depends_on_no_order_no_number_at_a_time_and_nothing_rated_before():
    made = bootstrapped()
    every = places(made)
    first = {canonical(one): rater(made).rate(*one) for one in every[::5]}  # each by a rater of its own
    backwards = rater(made)
    second = {canonical(one): backwards.rate(*one) for one in reversed(every)}
    assert all(second[name] == value for name, value in first.items())
    assert second == {canonical(one): made.ratings[one[0], one[1]][canonical(one[2])] for one in every}
    few = rater(made, chunk=5)
    assert [few.rate(*one) for one in every[::5]] == pytest.approx(list(first.values()), abs=1e-5)


def test_rating_moves_no_weight_and_no_carrier():
    made = bootstrapped()
    before, carriers = state(made.module), canonical(made.facts()["carriers"])
    rater(made).rate(*places(made)[-1])
    parameters = [name for name, _ in made.module.named_parameters()]
    assert equal(before, state(made.module), parameters)
    assert canonical(made.facts()["carriers"]) == carriers


def test_a_rating_is_larger_for_what_is_nearer_to_the_center():
    same = torch.nn.functional.normalize(torch.randn(9, 4), dim=1)
    assert distance(same, 3 * same).abs().max() < 1e-6
    torch.testing.assert_close(distance(same, -same), torch.full((9,), 4.0))
    made = bootstrapped()
    every = [value for found in made.ratings.values() for value in found.values()]
    assert max(every) <= 0
    assert min(every) >= -8
    assert len(set(every)) == len(every)


def test_the_center_is_the_mean_over_all_parts_of_the_target_copy():
    made = bootstrapped()
    one = rater(made)
    center = one._center(1)
    parts = [(1, entry, part) for entry in SPACE.block_entries(1) for part in one.parts(1, entry)]
    by_hand = [
        torch.stack(one._projections(made.module.target, (index, entry), part, None)) for index, entry, part in parts
    ]
    torch.testing.assert_close(center, torch.stack(by_hand).mean(0))
    for projected in by_hand:  # of length 1 before they are averaged, as in training
        torch.testing.assert_close(projected.norm(dim=-1), torch.ones(2, 24))


def test_views_are_fixed_by_a_seed_and_made_of_the_held_out_images_only():
    data = parts_of(task(), Classes(None), "cpu")
    one, other = (Examples.of(data.train[0], data.validation[0], settings()) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.views, other.views, strict=True))
    changed = Examples.of(data.train[0] + 1, data.validation[0], settings())
    assert torch.equal(one.views[0], changed.views[0])
    assert not torch.equal(one.views[0], one.views[1])
    assert len(one.views[0]) == 24


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (40,)])
def test_views_keep_shape_and_differ_from_image_to_image(shape):
    x = torch.rand(6, *shape)
    generator = torch.Generator().manual_seed(0)
    one, other = view(x, generator), view(x, generator)
    assert one.shape == x.shape
    assert not torch.equal(one, other)
    again = fixed_pair(x, 5)
    assert torch.equal(again[0], fixed_pair(x, 5)[0])


def test_carriers_are_the_chains_with_the_best_sums():
    made = bootstrapped()
    found = best_carriers(SPACE, 0, made.carriers, made.ratings)
    for (index, state_), chain in found.items():
        assert index == 1
        assert chain[-1].exit == state_
        rated = made.ratings[0, ""]
        best = max(value for text, value in rated.items() if text.endswith(f'{state_}"]'))
        assert rated[canonical(chain[0].part)] == best


@pytest.mark.parametrize("space", [MBConv(widths=[4, 6, 8], stem=4, blocks=[1, 2, 1]), Widths(widths=[4, 6])])
def test_other_spaces_are_bootstrapped_and_rated(space):
    given = settings(epochs=1)
    data = parts_of(task(), Classes(None), "cpu")
    torch.manual_seed(0)
    made = Bootstrap(space, given, Examples.of(data.train[0], data.validation[0], given))
    train(made, data.train, given, 0)
    assert {index for index, _ in made.ratings} == {0, 1, 2}
    assert all(np.isfinite(list(found.values())).all() for found in made.ratings.values())


# --- labels -----------------------------------------------------------------------------------------------------------


def test_single_paths_learn_labels_and_inherit_them():
    data = parts_of(task(), Classes(None), "cpu")
    made = trained(settings("single_path", epochs=25, learning_rate=0.05))
    accuracies = []
    for candidate in SPACE.sample_many(6, np.random.default_rng(0)):
        blocks = SPACE.blocks(candidate)
        accuracy, loss = made.measured(blocks, data.validation)
        assert made.measured(blocks, data.validation) == (accuracy, loss)  # nothing that was looked at stays
        accuracies.append(accuracy)
    assert np.mean(accuracies) > 0.6


def test_random_labels_turn_weights_and_ratings_are_angles():
    made = trained(settings("random_labels", epochs=4, learning_rate=0.05))
    assert not torch.equal(made.labels(torch.arange(96) % 3), torch.arange(96) % 3)
    start = fresh(settings("random_labels"))
    blocks = [SPACE.blocks(candidate) for candidate in SPACE.sample_many(5, np.random.default_rng(0))]
    assert all(start.angle(one) < 1e-3 for one in blocks)
    angles = [made.angle(one) for one in blocks]
    assert all(0.001 < angle < np.pi for angle in angles)
    assert len(set(angles)) > 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trainer": "bootstap"}, "unknown trainer 'bootstap'; did you mean bootstrap"),
        ({"paths": 1}, "paths is 1; a mean of several paths needs at least 2"),
        ({"epochs": -1}, "epochs is -1; it must be at least 0"),
        ({"target_momentum": 1.5}, "target_momentum is 1.5"),
    ],
)
def test_impossible_settings_are_refused(changes, says):
    with pytest.raises(InvalidInput, match=says):
        SupernetSettings(**changes)
