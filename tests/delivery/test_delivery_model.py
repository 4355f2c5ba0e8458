"""What was tested is what is handed over: the weights, their figures, and what happens when they are gone."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import torch
from delivery_parts import searched

import automl
from automl.artefacts.content import Content
from automl.artefacts.store import ArtefactStore
from automl.delivery.places import store_of_study
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation


@pytest.fixture
def copied(nets, tmp_path):
    """The same study in a database of its own, with the weights that it kept."""
    for one in ("nets.db", "nets.db-wal"):
        source = nets.database.beside("")[:-1].removesuffix("nets.db") + one
        shutil.copy(source, tmp_path / one)
    shutil.copytree(nets.database.beside("artefacts"), tmp_path / "nets.db-artefacts")
    study = automl.Study.open("nets", f"sqlite:///{tmp_path}/nets.db")
    yield study
    study.close()


def kept(study):
    return store_of_study(study.settings, study.database)


def of_test(study):
    (test,) = [one for one in study.store.phase_studies(study.record_id) if one.kind == "test"]
    return study.store.by_number(test.id)


def test_the_best_model_is_the_one_whose_test_figure_is_reported(nets):
    model = nets.trained()
    assert not model.note
    context = of_test(nets)[0].context
    results = nets.parts and nets._delivery(None)._cache.replicates(context, [of_test(nets)[0].key])
    (replicates,) = results.values()
    assert model.metrics == replicates[0].metrics
    evaluator = nets.parts.evaluator
    how = Evaluation(model.seed, "test")
    again = evaluator.measured(nets.best.model(), model.training.work(model.candidate.json), how)
    assert again == pytest.approx(model.metrics, abs=1e-9)
    assert nets.trained(replicate=1).metrics == replicates[1].metrics
    assert nets.trained(replicate=1).digest != model.digest


def test_the_report_says_where_the_network_is(nets, tmp_path):
    model = nets.report().json()["model"]
    assert model["weights"] == nets.trained().digest
    assert Path(model["place"]).stat().st_size == model["bytes"]
    assert model["export"] == "automl export nets FOLDER --to onnx"
    assert "MB of weights) is kept: automl export nets FOLDER --to onnx" in str(nets.report())
    assert model["place"] in nets.report().save(tmp_path / "r.html").read_text()


def test_weights_are_kept_once_each_under_their_digest_and_say_how_to_rebuild(nets):
    found = dict(kept(nets).digests())
    winners = {trial.key: trial.replicates for trial in of_test(nets) if trial.origin != "random sample"}
    assert len(found) == sum(winners.values()) > 0
    content = kept(nets).get(nets.trained().digest)
    facts = content.facts
    assert nets.space.decode(facts["candidate"]) == nets.trained().candidate
    assert facts["seed"] == nets.trained().seed
    assert facts["space"]["target"].endswith("nets.py:Nets")
    assert facts["shared"] == {
        "2.last.weight": "2.first.weight",
        **{k: v for k, v in facts["shared"].items() if k[0] != "2"},
    }


def test_a_study_that_is_opened_by_name_hands_over_the_same(copied, nets):
    one, other = copied.trained(), nets.trained()
    assert one.digest == other.digest
    inputs = torch.randn(5, 1, 8, 8)
    assert torch.equal(one.module(inputs), other.module(inputs))


def test_a_copied_study_hands_over_what_it_has_tested(nets, tmp_path):
    there = nets.copy(f"sqlite:///{tmp_path}/there.db")
    model = there.trained()
    assert (model.digest, model.note) == (nets.trained().digest, "")
    there.close()


@pytest.mark.parametrize("damage", [False, True])
def test_lost_or_damaged_weights_are_trained_again_and_come_out_the_same(copied, nets, damage):
    digest = nets.trained().digest
    store = kept(copied)
    if damage:
        path = Path(store.url, digest[:2], f"{digest}.safetensors")
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    else:
        store.remove(digest)
    model = copied.trained()
    assert model.digest == digest
    assert "trained again" in model.note
    assert ("is damaged: its content" in model.note) is damage
    assert not copied.trained().note, "what was trained again is kept"


def test_another_figure_than_the_stored_one_is_refused_with_both(copied, nets):
    kept(copied).remove(nets.trained().digest)
    winner = of_test(copied)[0]
    copied.close()
    path = copied.database.beside("")[:-1]
    with sqlite3.connect(path) as connection:
        where = "context = ? AND key = ? AND replicate = 0"
        place = (winner.context, winner.key)
        (text,) = connection.execute(f"SELECT metrics FROM evaluation WHERE {where}", place).fetchone()
        wrong = json.dumps({**json.loads(text), "accuracy": 0.875}, separators=(",", ":"))
        connection.execute(f"UPDATE evaluation SET metrics = ? WHERE {where}", (wrong, *place))
    study = automl.Study.open("nets", f"sqlite:///{path}")
    with pytest.raises(InvalidInput, match=r"another one \(accuracy 0\.875, now 0\.\d+"):
        study.trained()
    study.close()


def test_a_trial_that_nobody_tested_is_tested_when_it_is_asked_for(copied):
    tested = {trial.key for trial in of_test(copied) if trial.origin != "random sample"}
    other = next(trial for trial in copied.trials() if trial.key not in tested)
    model = copied.trained(other.number)
    assert model.candidate.json == other.candidate
    assert copied.trained(other.number).digest == model.digest
    assert model.digest in dict(kept(copied).digests())
    with pytest.raises(InvalidInput, match="has no trial 99"):
        copied.trained(99)


def test_training_on_everything_takes_the_validation_part_too(nets):
    one, other = nets.train(seeds=2)
    assert one.seed != other.seed
    assert one.metrics != other.metrics
    assert len(one.training.evaluator.data().train[0]) == 898 + 449
    assert one.metrics == nets.train(seeds=1)[0].metrics, "the seeds follow from the study's"
    with pytest.raises(InvalidInput, match="the test part is only measured on"):
        nets.train(on="train+test")


def test_a_search_goes_on_where_its_weights_cannot_be_kept(tmp_path):
    blocked = tmp_path / "nets.db-artefacts"
    blocked.write_text("a file where the folder would be")
    with pytest.warns(UserWarning, match="trained weights are not kept, and `automl export` will train again"):
        study = searched(tmp_path, trials=2)
    assert study.finished
    blocked.unlink()
    assert "trained again from its seed" in study.trained().note
    study.close()


def test_a_place_that_cannot_be_written_is_refused_before_the_search(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("artefacts", "checkpoints"):
        with pytest.raises(InvalidInput, match=f"{name} cannot be written to"):
            searched(tmp_path, **{name: str(tmp_path / "file")})
    assert not (tmp_path / "nets.db").exists()


def test_a_url_is_noted_and_found_again(tmp_path):
    study = searched(tmp_path, trials=2, artefacts=f"file://{tmp_path}/else%20where")
    assert (tmp_path / "else where").is_dir()
    study.close()
    again = automl.Study.open("nets", f"sqlite:///{tmp_path}/nets.db")
    assert not again.trained().note
    assert not (tmp_path / "nets.db-artefacts").exists()
    again.close()


def test_equal_contents_have_one_digest_and_state_that_is_no_tensor_is_refused():
    from automl.artefacts.weights import load_weights, weights_of

    layer = torch.nn.Linear(2, 2)
    one, other = weights_of(layer, {"b": 1, "a": 2}), weights_of(layer, {"a": 2, "b": 1})
    assert one.digest == other.digest == Content(one.data).digest
    with pytest.raises(InvalidInput, match="do not fit what the space builds now"):
        load_weights(torch.nn.Linear(3, 2), one)

    class Stateful(torch.nn.Linear):
        def get_extra_state(self):
            return {"calls": 3}

    with pytest.raises(InvalidInput, match="'_extra_state', a dict"):
        weights_of(Stateful(2, 2), {})
    assert ArtefactStore("memory://automl-test").url == "memory://automl-test"
