"""Artefacts: made once by one process, resumed, verified, made again; what reads them says which content it read."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from artefact_parts import written
from click.testing import CliRunner

import automl
from automl import registry
from automl.artefacts.content import Content
from automl.artefacts.store import ArtefactStore
from automl.cache.maintenance import prune, stats
from automl.cli import automl as cli
from automl.errors import ArtefactUnreadable, InvalidInput
from automl.storage.engine import Database
from automl.testing.artefacts import ArtefactContract

SMALL = {"trials": 12, "baseline": False, "confirm": 1, "finalists": 1, "test_seeds": 1, "sample": 2, "workers": 0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_TEST_LOG", str(tmp_path / "log"))
    written(tmp_path)
    return tmp_path


def searched(folder, study="one", **changes):
    given = {**SMALL, "study": study, "storage": f"sqlite:///{folder}/r.db", **changes}
    return automl.search(f"{folder}/rater.py:Sums", **given)


def logged(folder):
    return (folder / "log").read_text().split("\n")[:-1]


def command(folder, *more):
    arguments = ["search", f"{folder}/rater.py:Sums", "--storage", f"sqlite:///{folder}/r.db", "--workers", "0"]
    arguments += ["--trials", "6", "--no-baseline", "--confirm", "1", "--test-seeds", "1", "--sample", "2"]
    return [sys.executable, "-c", "from automl.cli import main; main()", *arguments, *more]


def contents(folder):
    return dict(ArtefactStore(f"{folder}/r.db-artefacts").digests())


def test_an_artefact_is_made_once_and_served_to_later_searches(folder):
    first = searched(folder)
    assert logged(folder).count("made") == 1
    [used] = first.store.by_id(first.record_id).settings["environment"]["artefacts_used"]
    assert (used["name"], used["made"]) == ("table", True)
    assert list(contents(folder)) == [used["digest"]]
    second = searched(folder, "two", seed=5)
    assert logged(folder).count("made") == 1
    [served] = second.store.by_id(second.record_id).settings["environment"]["artefacts_used"]
    assert served == {**used, "made": False}
    first.close()
    second.close()


def test_a_copied_study_takes_its_artefacts_along(folder):
    first = searched(folder)
    there = f"sqlite:///{folder}/there.db"
    copied = first.copy(there, "copy")
    assert dict(ArtefactStore(f"{folder}/there.db-artefacts").digests()) == contents(folder)
    copied.close()
    again = searched(folder, "two", storage=there)
    assert logged(folder).count("made") == 1, "the row of its making is there too, not only the content"
    assert {trial.outcome for trial in again.trials()} <= {"hit", "joined"}
    first.close()
    again.close()


def test_the_recipe_is_part_of_the_context(folder):
    searched(folder).close()
    other = searched(folder, "two", settings={"steps": 4})
    assert logged(folder).count("made") == 2
    assert not any(trial.outcome == "hit" for trial in other.trials() if trial.number == 0)
    evaluator = other.settings["evaluator"]
    assert evaluator["equality"] == "candidate"
    assert evaluator["artefacts"]["table"]["settings"] == {"steps": 4, "replicate": 0}
    other.close()


def test_each_replicate_may_have_an_artefact_of_its_own(folder):
    study = searched(folder, settings={"each": True}, replicates=2, confirm=3)
    assert logged(folder).count("made") == 3
    assert len(contents(folder)) == 3
    study.close()
    with pytest.raises(InvalidInput, match="has artefacts for each replicate, and forgetting asks for ever more"):
        searched(folder, "two", settings={"each": True}, forget_probability=0.5)


def test_two_processes_that_want_one_make_one(folder):
    slow = {**os.environ, "AUTOML_TEST_SLEEP": "0.5"}
    both = [
        subprocess.Popen(
            command(folder, "--study", name, "--seed", seed), cwd=folder, env=slow, stdout=subprocess.DEVNULL
        )
        for name, seed in (("one", "1"), ("two", "2"))
    ]
    assert [one.wait(timeout=300) for one in both] == [0, 0]
    assert logged(folder).count("made") == logged(folder).count("begin at 0") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_making_goes_on_from_its_checkpoint(folder):
    environment = {**os.environ, "AUTOML_TEST_SLEEP": "60"}
    (folder / "log").write_text("")
    first = {**environment, "AUTOML_TEST_SLEEP": "0.2"}
    process = subprocess.Popen(
        command(folder, "--study", "one", "--set", "steps=500"), cwd=folder, env=first, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 240
        while "step 3" not in logged(folder) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = logged(folder)
    assert "made" not in done
    study = automl.resume("one", storage=f"sqlite:///{folder}/r.db", workers=0)
    after = logged(folder)[len(done) :]
    begun = int(after[0].removeprefix("begin at "))
    assert begun >= 3
    assert after.count("made") == 1
    assert study.finished
    study.close()


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_what_is_missing_or_damaged_is_made_again_and_said(folder, damage):
    study = searched(folder)
    [(digest, _)] = contents(folder).items()
    path = Path(f"{folder}/r.db-artefacts", digest[:2], f"{digest}.safetensors")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    study.close()
    with pytest.warns(UserWarning, match="made again") as said:
        again = searched(folder, "two", seed=5)
    texts = [str(one.message) for one in said]
    assert any("artefact table: artefact" in text and "it is made again" in text for text in texts)
    assert any("artefact table was made again, and is what it was" in text for text in texts)
    assert list(contents(folder)) == [digest]
    assert {trial.outcome for trial in again.trials()} > {"hit"} or any(
        trial.outcome == "hit" for trial in again.trials()
    )
    again.close()


def test_rows_that_read_an_old_content_are_dropped_with_their_number(folder, monkeypatch):
    study = searched(folder)
    [old] = contents(folder)
    rated = {trial.key for trial in study.trials()}
    Path(f"{folder}/r.db-artefacts", old[:2], f"{old}.safetensors").unlink()
    study.close()
    monkeypatch.setenv("AUTOML_TEST_SHIFT", "1.0")
    with pytest.warns(
        UserWarning, match=r"came out otherwise .*; (\d+) evaluations that read the old one are dropped"
    ) as said:
        again = searched(folder, "two")
    [text] = [str(one.message) for one in said if "dropped" in str(one.message)]
    assert f"; {len(rated) + 1} evaluations" in text, "the ratings, and the figure of the one winner"
    assert not any(trial.outcome == "hit" for trial in list(again.trials())[:1])
    again.close()


def test_encodings_of_one_function_are_rated_each(folder):
    every = [{"x": x, "y": y} for x in range(4) for y in range(4)]
    study = searched(folder, trials=16, enqueue=every)
    keys = {trial.candidate: trial.key for trial in study.trials()}
    assert len(set(keys.values())) == len(keys) == 16
    assert keys['{"x":1,"y":2}'][8:] == keys['{"x":2,"y":1}'][8:]
    ratings = {trial.candidate: trial.metrics["rating"] for trial in study.trials()}
    assert ratings['{"x":1,"y":2}'] != ratings['{"x":2,"y":1}']
    said = CliRunner().invoke(cli, ["cache", "audit", "--study", "one", "--storage", f"sqlite:///{folder}/r.db"]).output
    assert "5 functions were rated under 14 encodings, whose rating differs by a standard deviation of" in said
    assert "Audits: ratings belong to encodings" in str(study.report())
    study.close()
    alike = searched(folder, "two", evaluator=f"{folder}/rater.py:Alike", trials=16, enqueue=every)
    assert len({trial.key for trial in alike.trials()}) == 7, "sums from 0 to 6"
    assert "equality" not in alike.settings["evaluator"]
    alike.close()


def test_ray_workers_read_the_artefact(folder, ray_session):
    study = searched(folder, workers=1, trials=4)
    assert len(contents(folder)) == 1
    assert all(trial.outcome != "failed" for trial in study.trials())
    study.close()


def test_a_database_without_a_place_beside_it_asks_for_one(folder, postgres_url):
    with pytest.raises(
        InvalidInput, match="there is no place for them beside this database; name one with --artefacts"
    ):
        searched(folder, storage=postgres_url)
    study = searched(folder, "two", storage=postgres_url, artefacts=str(folder / "kept"))
    assert study.finished
    study.close()


def test_pruned_evaluations_take_their_links_along(folder):
    study = searched(folder)
    context = next(iter(study.trials())).context
    assert prune(study.database, contexts=[context]).evaluations > 0
    with study.database.read() as connection:
        from sqlalchemy import func, select

        from automl.storage.schema import artefact

        assert connection.execute(select(func.count()).where(artefact.c.context == context)).scalar_one() == 0
    study.close()


def test_contents_that_are_none_are_refused_without_running_code(tmp_path):
    import pickle

    with pytest.raises(ArtefactUnreadable, match="no artefact"):
        Content(pickle.dumps({"weights": [1, 2, 3]}))
    store = ArtefactStore(str(tmp_path))
    with pytest.raises(ArtefactUnreadable, match="is no digest of an artefact"):
        store.get("../../etc/passwd")


def test_a_url_of_fsspec_keeps_and_verifies(tmp_path):
    store = ArtefactStore("memory://automl-tests/artefacts")
    content = Content.of({"a": np.arange(3)}, {"x": 1})
    store.put(content)
    assert store.get(content.digest).arrays()["a"].tolist() == [0, 1, 2]
    assert dict(store.digests()) == {content.digest: len(content.data)}
    store._place._system.pipe_file(f"{store._place._root}/{content.digest[:2]}/{content.digest}.safetensors", b"cut")
    with pytest.raises(ArtefactUnreadable, match="damaged"):
        store.get(content.digest)
    store.put(content)
    assert store.holds(content.digest)
    store.remove(content.digest)
    with pytest.raises(ArtefactUnreadable, match="is not in memory"):
        store.get(content.digest)
    with pytest.raises(InvalidInput, match="artefacts cannot be kept at nosuch"):
        ArtefactStore("nosuch://bucket")


@pytest.fixture(scope="module")
def rater(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rater")
    os.environ["AUTOML_TEST_LOG"] = str(folder / "log")
    return registry.find("evaluators", f"{written(folder)}:Table").thing


class TestTable(ArtefactContract):
    @pytest.fixture(autouse=True)
    def _rater(self, rater, tmp_path, monkeypatch):
        monkeypatch.setenv("AUTOML_TEST_LOG", str(tmp_path / "log"))
        self.made = rater

    def artefact(self):
        return self.made(steps=4)


def test_cache_commands_know_artefacts(folder):
    searched(folder).close()
    url, file = f"sqlite:///{folder}/r.db", str(folder / "c.jsonl.gz")
    run = CliRunner().invoke
    said = run(cli, ["cache", "stats", "--storage", url]).output
    assert "artefacts outside of it: table 1 (0.0 MB)" in said
    assert "1 artefacts lie beside it" in run(cli, ["cache", "export", file, "--storage", url]).output
    theirs = f"sqlite:///{folder}/theirs.db"
    assert "1 artefacts were taken over" in run(cli, ["cache", "import", file, "--storage", theirs]).output
    again = searched(folder, "two", storage=theirs)
    assert logged(folder).count("made") == 1, "what was imported is read, and not made again"
    assert again.store.outcomes(again.record_id)["hit"] > 0
    again.close()
    context = str(next(one for one in evaluations_in(url)))
    assert "and 1 artefacts" not in run(cli, ["cache", "prune", "--context", context, "--storage", url]).output
    said = run(cli, ["cache", "prune", "--older-than-days", "0", "--storage", url]).output
    assert "and 1 artefacts" in said
    assert not contents(folder)


def evaluations_in(url):
    """Numbers of the contexts of ratings."""
    with Database(url, create=False) as database:
        return [one.id for one in stats(database).contexts if one.evaluator]
