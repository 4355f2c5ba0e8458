"""The official files of NATS-Bench and NAS-Bench-101: small ones, written here in their makers' formats, and read."""

from __future__ import annotations

import base64
import bz2
import json
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import automl
from automl.behaviour import Configuration
from automl.errors import CandidateFailure, InvalidInput
from automl.evaluators.base import Evaluation, Work
from automl.jsontext import canonical
from search_spaces.nas.nasbench101 import NASBench101
from workers.tables.nasbench101 import NASBench101Table, module_hash
from workers.tables.tabular import NASBench201Table
from workers.tables.tfrecord import fields

CELLS = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|none~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]
SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}


def work(value):
    return Work(Configuration(None), {}, canonical(value))


# --- NATS-Bench ----------------------------------------------------------------------------------------------------


def run(cell, name, seed, epochs):
    """One training, as NATS-Bench's `ResultsCount` leaves it in a file; every figure differs from every other."""
    base = 10 * CELLS.index(cell) + list(SETS).index(name) + seed / 1000
    return {
        "name": "infer.tiny",
        "net_state_dict": None,
        "train_acc1es": {epoch: np.float64(base) for epoch in range(epochs)},
        "train_times": OrderedDict((epoch, 1.5 + seed) for epoch in range(epochs)),
        "arch_config": {"arch_str": cell, "num_cells": 5},
        "params": 0.1,
        "flop": 7.0,
        "seed": seed,
        "epochs": epochs,
        "latency": [0.01],
        "eval_names": list(SETS[name]),
        "eval_acc1es": {
            f"{images}@{epoch}": np.float64(base + place / 10 + epoch / 1e5)
            for place, images in enumerate(SETS[name])
            for epoch in range(epochs)
        },
        "eval_times": {},
        "eval_losses": {},
    }


def results(cell):
    """One architecture by length, as NATS-Bench's `ArchResults` leaves it."""
    found = {}
    for length, seeds in (("12", [111]), ("200", [777, 888])):
        found[length] = {
            "arch_index": CELLS.index(cell),
            "arch_str": cell,
            "all_results": {(name, seed): run(cell, name, seed, int(length)) for name in SETS for seed in seeds},
            "dataset_seed": dict.fromkeys(SETS, seeds),
            "clear_net_done": True,
        }
    return found


def dump(value, file):
    with bz2.BZ2File(file, "wb") as stream:
        pickle.dump(value, stream, protocol=4)


def write(form, tmp_path):
    """Writes the results of the first two cells, of three."""
    if form == "file":
        path = tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
        infos = {number: results(CELLS[number]) for number in (0, 1)}
        dump({"meta_archs": CELLS, "arch2infos": infos, "evaluated_indexes": {0, 1}}, path)
        return path
    path = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    path.mkdir()
    dump({"meta_archs": CELLS}, path / "meta.pickle.pbz2")
    for number in (0, 1):
        dump(results(CELLS[number]), path / f"{number:06d}.pickle.pbz2")
    return path


@pytest.fixture(params=["file", "folder"])
def nats(request, tmp_path):
    return write(request.param, tmp_path)


@pytest.mark.parametrize(
    ("dataset", "validation", "test"),
    [
        ("cifar10", (0, 0), (1, 0)),  # test figures from trainings on training and validation images
        ("cifar100", (2, 0), (2, 1)),
        ("imagenet16-120", (3, 0), (3, 1)),
    ],
)
@pytest.mark.parametrize("epochs", [12, 200])
def test_figures_of_nats_bench_are_those_of_the_last_epoch(nats, dataset, validation, test, epochs):
    table = NASBench201Table(dataset, epochs=epochs, path=str(nats))
    seeds = [0.111] if epochs == 12 else [0.777, 0.888]
    last = (epochs - 1) / 1e5

    def figure(place, noise):
        return 10 + place[0] + place[1] / 10 + noise + last

    for replicate in range(3):
        found = table.evaluate(work(CELLS[1]), Evaluation(0, replicate=replicate))
        noise = seeds[replicate % len(seeds)]
        assert found["accuracy"] == pytest.approx(figure(validation, noise), abs=1e-4)
        assert found["cost_seconds"] == pytest.approx(epochs * (1.5 + 1000 * sum(seeds) / len(seeds)))
    tested = table.evaluate(work(CELLS[1]), Evaluation(0, part="test"))["accuracy"]
    assert tested == pytest.approx(figure(test, sum(seeds) / len(seeds)), abs=1e-4)


def test_a_search_runs_on_nats_bench(nats, tmp_path):
    settings = {"evaluator.path": str(nats), "dataset": "cifar100", "population": 4}
    study = automl.search(
        "nasbench201",
        settings=settings,
        enqueue=CELLS,
        trials=3,
        workers=0,
        baseline=False,
        finalists=1,
        storage=f"sqlite:///{tmp_path}/study.db",
    )
    assert [trial.outcome for trial in study.trials()] == ["miss", "miss", "failed"]
    assert study.best.candidate.value == CELLS[1]
    study.close()


def test_file_and_folder_give_one_context_and_cells_without_figures_fail(tmp_path):
    table, other = (NASBench201Table("cifar100", path=str(write(form, tmp_path))) for form in ("file", "folder"))
    assert table.settings() == other.settings()
    with pytest.raises(CandidateFailure, match="has no cell"):
        table.evaluate(work(CELLS[2]), Evaluation(0))


class Anything:
    def __reduce__(self):
        return (print, ("run by a pickle",))


@pytest.mark.parametrize("value", [Anything(), {"meta_archs": CELLS}, [1, 2], {"meta_archs": [], "arch2infos": {}}])
def test_a_pickle_that_is_not_nats_bench_is_refused_and_runs_nothing(value, tmp_path, capsys):
    path = tmp_path / "other.pickle.pbz2"
    dump(value, path)
    with pytest.raises(InvalidInput, match=r"NATS-Bench|no architecture"):
        NASBench201Table(path=str(path)).prepare()
    assert capsys.readouterr().out == ""


def test_a_file_that_is_damaged_or_missing_is_named(tmp_path):
    path = tmp_path / "half.pickle.pbz2"
    dump({"meta_archs": CELLS, "arch2infos": {0: results(CELLS[0])}}, path)
    path.write_bytes(path.read_bytes()[:-100])
    for wrong in (path, tmp_path / "none.pickle.pbz2", tmp_path):
        with pytest.raises(InvalidInput, match="D-X-Y/NATS-Bench"):
            NASBench201Table(path=str(wrong)).prepare()


# --- NAS-Bench-101 -------------------------------------------------------------------------------------------------

# A published row of the benchmark: its hash, and mean figures over three runs.
KNOWN = "00005c142e6f48ac74fdcf73e3439874"
MATRIX = [
    [0, 1, 0, 0, 1, 1, 0],
    [0, 0, 1, 0, 0, 0, 0],
    [0, 0, 0, 1, 0, 0, 1],
    [0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0],
]
CONV3, CONV1, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPS = ["input", CONV3, POOL, CONV3, CONV3, CONV1, "output"]


@pytest.fixture(scope="module")
def messages():
    """Google's own classes for `model_metrics.proto`."""
    file = descriptor_pb2.FileDescriptorProto(name="model_metrics.proto", package="nasbench", syntax="proto2")
    data, metrics = file.message_type.add(name="EvaluationData"), file.message_type.add(name="ModelMetrics")
    kinds = descriptor_pb2.FieldDescriptorProto
    names = ("current_epoch", "training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
    for number, name in enumerate(names, 1):
        data.field.add(name=name, number=number, type=kinds.TYPE_DOUBLE, label=kinds.LABEL_OPTIONAL)
    data.field.add(name="checkpoint_path", number=6, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    metrics.field.add(
        name="evaluation_data",
        number=1,
        type=kinds.TYPE_MESSAGE,
        type_name=".nasbench.EvaluationData",
        label=kinds.LABEL_REPEATED,
    )
    metrics.field.add(name="trainable_parameters", number=2, type=kinds.TYPE_INT32, label=kinds.LABEL_OPTIONAL)
    metrics.field.add(name="total_time", number=3, type=kinds.TYPE_DOUBLE, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("nasbench.ModelMetrics"))


def checksum(data):
    """CRC-32C, masked as TFRecord has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def record(name, epochs, matrix, ops, metrics):
    bits = "".join(str(item) for row in matrix for item in row)
    body = json.dumps([name, epochs, bits, ",".join(ops), base64.b64encode(metrics.SerializeToString()).decode()])
    head = struct.pack("<Q", len(body))
    return head + checksum(head) + body.encode() + checksum(body.encode())


def trained(messages, seconds, validation, test):
    metrics = messages(trainable_parameters=8555530, total_time=2 * seconds)
    for share in (0.0, 0.5, 1.0):
        metrics.evaluation_data.add(
            current_epoch=108 * share,
            training_time=seconds * share,
            train_accuracy=share,
            validation_accuracy=validation * share,
            test_accuracy=test * share,
            checkpoint_path="model.ckpt-1",
        )
    return metrics


@pytest.fixture
def nasbench(messages, tmp_path):
    file = tmp_path / "nasbench_full.tfrecord"
    small = [[0, 1], [0, 0]], ["input", "output"]
    rows = [
        record(KNOWN, 108, MATRIX, OPS, trained(messages, 1700.0 + run, 0.92 + run / 100, 0.91 + run / 100))
        for run in range(3)
    ]
    rows += [record(KNOWN, 12, MATRIX, OPS, trained(messages, 190.0, 0.6, 0.5))]
    rows += [record(module_hash(*small).hex(), 108, *small, trained(messages, 600.0, 0.8, 0.7))]
    file.write_bytes(b"".join(rows))
    return file


def test_cells_are_filed_under_the_benchmarks_own_hash():
    assert module_hash(MATRIX, OPS).hex() == KNOWN


def test_the_hash_sees_neither_numbering_nor_dead_vertices():
    space, rng = NASBench101(), np.random.default_rng(0)
    for candidate in space.sample_many(60, rng):
        matrix, ops = np.array(candidate.value["matrix"]), candidate.value["ops"]
        inner = 1 + rng.permutation(len(ops) - 2)
        order = [0, *inner.tolist(), len(ops) - 1]
        moved = matrix[np.ix_(order, order)]
        if not np.tril(moved).any():  # still upper triangular
            assert module_hash(moved, [ops[place] for place in order]) == module_hash(matrix, ops)
    dead = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert module_hash(dead, ["input", CONV3, POOL, "output"]) == module_hash(
        [[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", CONV3, "output"]
    )


def test_replicates_tests_and_shorter_trainings_of_nasbench101(nasbench):
    table = NASBench101Table(path=str(nasbench))
    cell = work({"matrix": MATRIX, "ops": OPS})
    found = [table.evaluate(cell, Evaluation(0, replicate=replicate)) for replicate in range(4)]
    assert [one["accuracy"] for one in found] == pytest.approx([92.0, 93.0, 94.0, 92.0])
    assert [one["cost_seconds"] for one in found] == [1700.0, 1701.0, 1702.0, 1700.0]
    assert table.evaluate(cell, Evaluation(0, part="test"))["accuracy"] == pytest.approx(92.0)
    assert table.evaluate(cell, Evaluation(0, fidelity={"epochs": 12}))["accuracy"] == pytest.approx(60.0)
    assert [(one.share, dict(one.settings)) for one in table.approximations()] == [(12 / 108, {"epochs": 12})]
    with pytest.raises(CandidateFailure, match="has no cell"):
        table.evaluate(
            work({"matrix": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", POOL, "output"]}), Evaluation(0)
        )


def test_a_search_runs_on_nasbench101(nasbench, tmp_path):
    study = automl.search(
        "nasbench101",
        evaluator="nasbench101",
        settings={"path": str(nasbench)},
        enqueue=[{"matrix": MATRIX, "ops": OPS}, {"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}],
        trials=2,
        workers=0,
        baseline=False,
        finalists=1,
        storage=f"sqlite:///{tmp_path}/study.db",
    )
    assert [trial.fitness for trial in study.trials()] == pytest.approx([92.0, 80.0])
    study.close()


def test_protocol_buffers_are_read_as_google_writes_them(messages):
    metrics = trained(messages, 12.5, 0.5, 0.25)
    found = list(fields(metrics.SerializeToString()))
    assert [number for number, _ in found] == [1, 1, 1, 2, 3]
    assert found[3][1] == 8555530
    assert found[4][1] == 25.0
    last = dict(fields(found[2][1]))
    assert last == {1: 108.0, 2: 12.5, 3: 1.0, 4: 0.5, 5: 0.25, 6: b"model.ckpt-1"}


@pytest.mark.parametrize("change", ["cut", "text", "empty", "other"])
def test_what_is_no_file_of_nasbench101_is_refused(nasbench, change):
    good = nasbench.read_bytes()
    other = json.dumps(["zz", 108, "", "", "AA=="]).encode()
    bad = {
        "cut": good[:-7],
        "text": b"accuracy,seconds\n" * 50,
        "empty": b"",
        "other": struct.pack("<Q", len(other)) + b"0000" + other + b"0000",
    }[change]
    nasbench.write_bytes(bad)
    with pytest.raises(InvalidInput, match=str(nasbench)):
        NASBench101Table(path=str(nasbench)).prepare()


def test_epochs_that_a_file_lacks_are_refused(nasbench, tmp_path):
    with pytest.raises(InvalidInput, match="no figures for 36 epochs"):
        NASBench101Table(epochs=36, path=str(nasbench)).prepare()
    with pytest.raises(InvalidInput, match="google-research/nasbench"):
        NASBench101Table(path=str(tmp_path / "none.tfrecord")).prepare()
