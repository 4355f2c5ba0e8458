"""Studies kept in order: renamed, deleted, put away, merged, copied, and given another source."""

import pytest
from cli_parts import automl_command

import automl
from automl.errors import InvalidInput, StudyBusy, StudyExists, StudyMismatch
from automl.storage.engine import Database
from automl.storage.sessions import Session
from automl.storage.studies import StudyStore


class Line(automl.Space):
    x = automl.Integer(0, 20)


def height(candidate, seed):
    return candidate.x + seed % 7 / 100


GIVEN = {"workers": 0, "finalists": 1, "sample": 2, "test_seeds": 1, "progress": False}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'a.db'}"


def search(url, name="mine", **more):
    return automl.search(
        more.pop("space", Line()), **{"evaluator": height, "trials": 8, **GIVEN, "study": name, "storage": url, **more}
    )


def trials(study):
    return [(trial.number, trial.candidate, trial.fitness, trial.replicates) for trial in study.trials()]


def test_a_renamed_study_is_the_same_one_under_another_name(any_url):
    study = search(any_url)
    before = trials(study)
    study.rename("other")
    assert {one.name.partition("/")[0] for one in study.store.all()} == {"other"}
    study.close()
    with pytest.raises(InvalidInput, match="unknown study 'mine'"):
        automl.Study.open("mine", any_url)
    again = search(any_url, "other", trials=12)
    assert trials(again)[:8] == before
    assert len(trials(again)) == 12
    again.close()


def test_a_renamed_search_of_several_runs_finds_its_caches(url):
    study = search(url, repeats=2, baseline=False)
    study.rename("other")
    study.close()
    again = search(url, "other", trials=12, repeats=2, baseline=False)
    assert [run.name for run in again.runs] == ["other/1", "other/2"]
    assert [len(trials(run)) for run in again.runs] == [12, 12]
    again.close()


def test_names_that_are_taken_or_none_are_refused(url):
    search(url, "other", baseline=False).close()
    study = search(url, baseline=False)
    for name, error in (("other", StudyExists), ("mine", InvalidInput), ("a/b", InvalidInput), ("", InvalidInput)):
        with pytest.raises(error):
            study.rename(name)
    assert study.name == "mine"
    study.close()


def test_a_deleted_study_leaves_its_evaluations(any_url):
    study = search(any_url)
    assert study.delete() >= 16  # those of the random search too
    again = search(any_url)
    assert {trial.outcome for trial in again.trials()} <= {"hit", "joined"}
    assert again.store.served_by(again.record_id) == ()  # and nobody's name is attached to them
    again.close()


def test_what_is_being_run_stays_as_it_is(any_url):
    study = search(any_url, baseline=False)
    with Session(study.database) as session:
        study.store.coordinate(study.record_id, session.id)
        with pytest.raises(StudyBusy, match="is being run by process"):
            study.delete()
        for change in (lambda: study.rename("other"), study.archive, study.adopt):
            with pytest.raises(StudyBusy):
                change()
        study.store.release(study.record_id, session.id)
    study.close()


def test_merged_studies_have_all_trials_and_can_be_continued(any_url):
    one, other = search(any_url, "one", baseline=False), search(any_url, "other", seed=1, trials=6, baseline=False)
    merged = automl.Study.merge(["one", "other"], "both", any_url)
    assert [row[1:] for row in trials(merged)] == [row[1:] for row in [*trials(one), *trials(other)]]
    assert [row[0] for row in trials(merged)] == list(range(14))
    assert not merged.finished
    merged.close()
    more = search(any_url, "both", trials=20)
    assert len(trials(more)) == 20
    assert more.best.fitness >= max(one.best.fitness, other.best.fitness)
    for study in (one, other, more):
        study.close()


def test_studies_of_different_objectives_are_not_merged(url):
    search(url, "one", baseline=False).close()
    search(url, "other", baseline=False, direction="minimize").close()
    with pytest.raises(InvalidInput, match=r"they differ in direction \('maximize', and 'minimize'\)"):
        automl.Study.merge(["one", "other"], "both", url)
    with pytest.raises(InvalidInput, match="at least two"):
        automl.Study.merge(["one", "one"], "both", url)


def test_a_copy_goes_on_elsewhere_without_an_evaluation(any_url, tmp_path):
    study = search(any_url, trials=12)
    before, elsewhere = trials(study), f"sqlite:///{tmp_path / 'elsewhere.db'}"
    copied = study.copy(elsewhere, "theirs")
    assert trials(copied) == before
    assert copied.finished
    assert copied.report().json()["verdict"] == study.report().json()["verdict"]
    copied.close()
    with pytest.raises(StudyExists):
        study.copy(elsewhere, "theirs")
    other = search(elsewhere, "again", trials=12)
    assert {trial.outcome for trial in other.trials()} <= {"hit", "joined"}
    more = search(elsewhere, "theirs", trials=16)
    assert trials(more)[:12] == before
    for one in (study, other, more):
        one.close()


# --- another source --------------------------------------------------------------------------------------------------


class Wider(automl.Space):
    x = automl.Integer(0, 30)


class Narrower(automl.Space):
    x = automl.Integer(0, 3)


def same_name(space, name="Line"):
    """A space of another definition under the old name, as an edited script has it."""
    space.__name__ = space.__qualname__ = name
    return space()


def test_the_three_ways_on_are_named(url):
    search(url, baseline=False).close()
    with pytest.raises(StudyMismatch) as refused:
        search(url, baseline=False, space=same_name(Wider))
    said = str(refused.value)
    assert "space.code.x" in said
    assert "take another name" in said
    assert "its old source" in said
    assert "automl studies adopt mine" in said


def test_a_study_adopts_a_changed_space_where_its_candidates_stand(url):
    study = search(url)
    before = trials(study)
    study.adopt()
    study.close()
    wider = search(url, space=same_name(Wider), trials=40)
    assert trials(wider)[:8] == before
    assert max(int(trial[1].partition(":")[2].rstrip("}")) for trial in trials(wider)) > 20
    wider.close()
    with pytest.raises(StudyMismatch):  # once: the next change has to be allowed again
        search(url, trials=40)


def test_candidates_that_cannot_be_read_are_named(url):
    study = search(url, trials=20, baseline=False)
    study.adopt()
    study.close()
    with pytest.raises(InvalidInput, match=r"cannot read what it has tried: candidate\.x: "):
        search(url, trials=20, baseline=False, space=same_name(Narrower))


def test_figures_of_a_changed_evaluator_are_asked_about(any_url):
    study = search(any_url)
    before, changed = trials(study), lambda candidate, seed: candidate.x + seed % 7 / 100 + 0
    changed.__qualname__ = "height"
    study.adopt()
    with pytest.raises(StudyMismatch, match="figures='keep'"):
        search(any_url, evaluator=changed)
    study.adopt(figures="keep")
    study.close()
    kept = search(any_url, evaluator=changed, trials=12)
    assert trials(kept)[:8] == before
    assert kept.finished
    kept.report()
    kept.close()
    fresh = search(any_url, "fresh", evaluator=changed, baseline=False)
    assert {trial.outcome for trial in fresh.trials()} <= {"hit", "joined"}  # its figures are the new evaluator's too
    fresh.close()


class Net(automl.Space):
    width = automl.Choice(2, 3)

    def behaviour(self, candidate):
        return automl.Function(lambda x: x * candidate.width)


class OtherNet(automl.Space):
    width = automl.Choice(2, 3)

    def behaviour(self, candidate):
        return automl.Function(lambda x: x + candidate.width)


def test_candidates_that_compute_another_function_are_not_taken_over(url):
    wide = automl.FunctionEvaluator(lambda candidate: candidate.width, code_version="1")
    study = search(url, evaluator=wide, space=same_name(Net, "Net"), trials=4, baseline=False)
    study.adopt()
    study.close()
    with pytest.raises(InvalidInput, match="2 of its 2 candidates compute another function"):
        search(url, evaluator=wide, space=same_name(OtherNet, "Net"), trials=4, baseline=False)


# --- the command line ------------------------------------------------------------------------------------------------


def command(*arguments, code=0):
    ended = automl_command(*arguments)
    assert ended.code == code, ended.out + ended.err
    return ended.out


def test_the_command_line_does_the_same(url, tmp_path):

    def broken(candidate):
        return 1 / (candidate.x % 2)

    search(url, "one", evaluator=broken, baseline=False).close()
    search(url, "two", evaluator=broken, seed=1, baseline=False).close()
    here = ("--storage", url)
    assert "both now" in command("studies", "rename", "two", "both", *here)
    command("studies", "merge", "one", "both", "--name", "all", *here)
    command("studies", "copy", "all", "--to", f"sqlite:///{tmp_path / 'b.db'}", *here)
    command("studies", "archive", "one", *here)
    listed = command("studies", *here)
    assert "both" in listed
    assert "one " not in listed
    assert "one " in command("studies", "--all", *here)
    command("studies", "delete", "both", "--yes", *here)
    command("studies", "adopt", "all", *here)
    with Database(url) as database:
        failed = next(trial for trial in StudyStore(database).trials(1) if trial.outcome == "failed")
    shown = command("show", "one", str(failed.number), *here)
    assert "ZeroDivisionError" in shown
    assert "return 1 / (candidate.x % 2)" in shown  # the traceback in full
    command("show", "one", "99", *here, code=2)


def test_an_adoption_is_for_the_next_search_and_for_no_later_one(url):
    study = search(url)
    study.adopt(figures="keep")
    study.close()
    search(url, trials=30).close()  # nothing had changed
    with pytest.raises(StudyMismatch):
        search(url, trials=40, space=same_name(Wider))
