"""torch's data sets and loaders as tasks: streamed, known by content or version, refused where they are neither."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

from automl import Classification, DatasetTask, InvalidInput, MultiLabel, Regression
from automl.behaviour import Array, Module
from automl.evaluators.base import Evaluation, Work
from automl.evaluators.checkpoints import Checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(300, 5, generator=GENERATOR)
Y = (X[:, 0] > 0).long() + (X[:, 0] > 1)
CUTS = (slice(200), slice(200, 250), slice(250, None))


def parts(x=X, y=Y):
    return [TensorDataset(x[cut], y[cut]) for cut in CUTS]


class Noisy(Dataset):
    """A random transform, as augmentations of images are."""

    def __init__(self, cut, scale=0.1):
        self.x, self.y, self.scale = X[cut], Y[cut], scale

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        return self.x[place] + self.scale * torch.randn(5), self.y[place]


class Stream(IterableDataset):
    def __init__(self, cut):
        self.cut = cut

    def __iter__(self):
        yield from zip(X[self.cut], Y[self.cut], strict=True)


class Counted(Stream):
    def __len__(self):
        return len(X[self.cut])


def build(outputs=3):
    return lambda: nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, outputs))


def run(evaluator, make=None, how=None):
    return evaluator.evaluate(Work(Module(make or build()), {}, "{}"), how or Evaluation(3))


TASKS = {
    "map": lambda: DatasetTask(*parts()),
    "loaders": lambda: DatasetTask(*(DataLoader(one, batch_size=7, shuffle=True) for one in parts())),
    "random": lambda: DatasetTask(*(Noisy(cut) for cut in CUTS), version="1"),
    "iterable": lambda: DatasetTask(*(Counted(cut) for cut in CUTS), version="1", outputs=3),
}


@pytest.mark.parametrize("form", TASKS)
def test_each_form_is_learned_repeats_itself_and_goes_on_from_a_checkpoint(form, tmp_path):
    evaluator = Classification(TASKS[form](), epochs=6, batch_size=20)
    assert evaluator.misfit(Work(Module(build()), {}, "{}")) == ""
    assert "one logit for each of the 3 classes" in evaluator.misfit(Work(Module(build(2)), {}, "{}"))
    assert evaluator.probe().inputs == (Array((5,)),)
    found = run(evaluator)
    assert found["accuracy"] > 0.8
    assert run(evaluator) == found
    kept = Checkpoint(tmp_path / "state")
    run(evaluator, how=Evaluation(3, fidelity={"epochs": 2}, checkpoint=kept))
    assert run(evaluator, how=Evaluation(3, checkpoint=kept)) == found
    assert run(evaluator, how=Evaluation(3, part="test"))["accuracy"] > 0.8
    assert pickle.loads(pickle.dumps(evaluator)).settings() == evaluator.settings()


def test_scoring_outputs_many_times_reads_the_data_set_once():
    class Reading(Noisy):
        read = 0

        def __getitem__(self, place):
            type(self).read += 1
            return super().__getitem__(place)

    task = DatasetTask(*(Reading(cut) for cut in CUTS), version="1", outputs=3)
    evaluator, outputs, how = Classification(task, epochs=1), torch.randn(50, 3), Evaluation(0, part="test")
    Reading.read = 0
    found = [evaluator.scored(outputs, how, chosen) for chosen in (None, None, [0] * 5, list(range(50)))]
    assert Reading.read == 50
    assert found[0] == found[1] == found[3] != found[2]
    task.test.y = (task.test.y + 1) % 3
    evaluator.settings()  # a search asks what the data are
    assert evaluator.scored(outputs, how) != found[0]


def test_the_content_is_the_fingerprint_and_a_version_stands_for_it():
    first = DatasetTask(*parts())
    assert first.fingerprint() == DatasetTask(*parts(X.clone(), Y.clone())).fingerprint()
    changed = X.clone()
    changed[280, 1] += 1
    assert first.fingerprint() != DatasetTask(*parts(changed)).fingerprint()
    assert first.description()["name"] == "data set"
    one, other = (DatasetTask(*(Noisy(cut) for cut in CUTS), version=version) for version in "12")
    assert one.fingerprint() != other.fingerprint()
    settings = Classification(one).settings()
    assert settings["task"]["fingerprint"] == one.fingerprint()
    collated = DatasetTask(*parts(), collate=torch.utils.data.default_collate)
    assert collated.fingerprint() != first.fingerprint()


def test_what_stands_for_no_data_is_refused_in_a_sentence():
    with pytest.raises(InvalidInput, match=r"item 0 of part 'train' differs from one reading to the next.*version="):
        Classification(DatasetTask(*(Noisy(cut) for cut in CUTS))).settings()
    with pytest.raises(InvalidInput, match="'train' has no length; give it a __len__"):
        DatasetTask(*(Stream(cut) for cut in CUTS), version="1")
    with pytest.raises(InvalidInput, match=r"'train' is iterable, so its content has no order.*version="):
        DatasetTask(*(Counted(cut) for cut in CUTS))
    one = parts()
    with pytest.raises(InvalidInput, match="'validation' and 'test' are the same data set"):
        DatasetTask(one[0], one[1], one[1])
    with pytest.raises(InvalidInput, match="the data set of part 'test' is empty"):
        DatasetTask(one[0], one[1], TensorDataset(X[:0], Y[:0]))
    sampler = WeightedRandomSampler(torch.ones(200), 200)
    with pytest.raises(InvalidInput, match=r"samples its items itself .WeightedRandomSampler.*class_weights"):
        DatasetTask(DataLoader(one[0], sampler=sampler), one[1], one[2])
    with pytest.raises(InvalidInput, match=r"part 'train' is .*give a torch Dataset or DataLoader"):
        DatasetTask((X, Y), one[1], one[2])
    single = [TensorDataset(X[cut]) for cut in CUTS]
    with pytest.raises(InvalidInput, match="items must be pairs"):
        Classification(DatasetTask(*single, version="1")).probe()


@pytest.mark.parametrize(
    ("y", "evaluator", "sentence"),
    [
        (Y.float(), Classification, "classes are whole numbers; for values take automl.Regression"),
        (Y - 1, Classification, "a target is -1; classes are counted from 0"),
        (Y, MultiLabel, "are no rows of 0 and 1"),
        (torch.where(torch.arange(300) == 3, torch.nan, X[:, 0]), Regression, "targets .*'train' hold 1 .* are NaN"),
    ],
)
def test_targets_that_fit_no_kind_are_refused_before_a_search(y, evaluator, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        evaluator(DatasetTask(*parts(y=y)))


def test_nan_in_the_first_batches_is_found_before_a_search():
    spoiled = X.clone()
    spoiled[7, 2] = torch.nan
    with pytest.raises(InvalidInput, match="'train' hold 1 values that are NaN, the first in example 7"):
        Classification(DatasetTask(*parts(spoiled)))


class Words(Dataset):
    """Sequences of various lengths; the target says whether a 1 is in it."""

    def __init__(self, seed, count):
        rng = np.random.default_rng(seed)
        self.items = [torch.from_numpy(rng.integers(1, 6, rng.integers(2, 8))) for _ in range(count)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, place):
        return self.items[place], int((self.items[place] == 1).any())


def padded(items):
    lengths = torch.tensor([len(one) for one, _ in items])
    tokens = nn.utils.rnn.pad_sequence([one for one, _ in items], batch_first=True)
    return (tokens, lengths), torch.tensor([target for _, target in items])


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(6, 8, padding_idx=0), nn.Linear(8, 2)

    def forward(self, tokens, lengths):
        return self.head(self.embedding(tokens).sum(1) / lengths[:, None])


def test_a_collate_of_the_users_own_gives_several_inputs():
    task = DatasetTask(*(Words(seed, 120) for seed in range(3)), collate=padded)
    evaluator = Classification(task, epochs=10, batch_size=20)
    first, second = evaluator.probe().inputs
    assert (len(first.shape), second.shape) == (1, ())
    assert evaluator.misfit(Work(Module(Bag), {}, "{}")) == ""
    assert run(evaluator, Bag)["accuracy"] > 0.8
    balanced = Classification(task, epochs=2, batch_size=20, class_weights="balanced", pieces=2, patience=1)
    assert run(balanced, Bag)["accuracy"] > 0.2


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(6, 8), nn.Linear(8, 2)

    def forward(self, tokens, mask):
        return self.head((self.embedding(tokens) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


def by_name(items):
    (tokens, _), targets = padded(items)
    return {"tokens": tokens, "mask": (tokens > 0).float()}, targets


def test_inputs_by_name_are_arguments_by_name():
    task = DatasetTask(*(Words(seed, 120) for seed in range(3)), collate=by_name)
    evaluator = Classification(task, epochs=10, batch_size=20, pieces=2)
    assert [one.name for one in evaluator.probe().inputs] == ["tokens", "mask"]
    assert evaluator.misfit(Work(Module(Masked), {}, "{}")) == ""
    assert run(evaluator, Masked)["accuracy"] > 0.8


def test_training_on_both_parts_joins_them():
    both = DatasetTask(*parts()).trained_on("train+validation")
    assert len(both.train) == 250
    assert run(Classification(both, epochs=2))["accuracy"] > 0.3
    with pytest.raises(InvalidInput, match="give on='train'"):
        TASKS["iterable"]().trained_on("train+validation")
