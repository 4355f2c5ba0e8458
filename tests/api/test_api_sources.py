"""Changed source of a user's own evaluator is noticed and said; a version that the user named decides."""

import warnings

import pytest

import automl
from automl.errors import StudyMismatch

SPACE = "from automl import Integer, Space\nclass Mine(Space):\n    x = Integer(0, 9)\n"
CLASS = """
from automl.evaluators.base import Evaluator
from dataclasses import dataclass
SCALE = 2
def scaled(x):
    return SCALE * x
@dataclass(frozen=True)
class Own(Evaluator):
    name = "own"
    metrics = {"v": "maximize"}
    def evaluate(self, work, how):
        return {"v": scaled(work.behaviour.value["x"])}
"""
VERSIONED = CLASS.replace('"own"\n', '"own"\n    version = "2"\n')


@pytest.fixture
def search(tmp_path):
    def run(text, study):
        (tmp_path / "space.py").write_text(SPACE)
        (tmp_path / "own.py").write_text(text)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = automl.search(
                f"{tmp_path}/space.py",
                evaluator=f"{tmp_path}/own.py:Own",
                strategy="random",
                trials=20,
                workers=0,
                baseline=False,
                test_seeds=1,
                study=study,
                storage=f"sqlite:///{tmp_path}/a.db",
            )
        outcomes = {trial.outcome for trial in found.trials()}
        found.close()
        return outcomes, [str(one.message) for one in caught if "the source of evaluator" in str(one.message)]

    return run


@pytest.mark.parametrize("text", [CLASS, VERSIONED])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 2", "SCALE = 2  # twice"),
        ("return SCALE", "'''Twice.'''\n    return  SCALE"),
        ("SCALE = 2", "OTHER = 3\nSCALE = 2"),
    ],
)
def test_comments_docstrings_layout_and_what_it_does_not_use_change_nothing(search, text, old, new):
    assert "miss" in search(text, "first")[0]
    assert search(text.replace(old, new), "second") == ({"hit"}, [])


CHANGES = [("SCALE = 2", "SCALE = 3"), ("SCALE * x", "SCALE + x"), ('{"v": scaled', '{"v": 1.0 + scaled')]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_without_a_version_changed_source_is_never_served(search, old, new):
    search(CLASS, "first")
    outcomes, said = search(CLASS.replace(old, new), "second")
    assert "miss" in outcomes
    assert said == [
        "the source of evaluator own has changed since study first, so its results are not served; "
        "give the class a version, and that decides from then on"
    ]
    with pytest.raises(StudyMismatch, match=r"evaluator\.source"):
        search(CLASS.replace(old, new), "first")


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_a_version_that_the_user_named_decides(search, old, new):
    search(VERSIONED, "first")
    outcomes, said = search(VERSIONED.replace(old, new), "second")
    assert outcomes == {"hit"}
    assert len(said) == 1
    assert "since study first, and its results are served all the same, for the version is still '2'" in said[0]
    assert "miss" in search(VERSIONED.replace(old, new).replace('"2"', '"3"'), "third")[0]


def test_an_evaluator_without_source_is_known_by_what_it_runs():
    from automl.evaluators.fingerprints import describe

    def described(text):
        scope = {"__name__": "nowhere"}
        exec(text, scope)
        return describe(scope["Own"]())

    assert described(CLASS) == described(CLASS.replace("SCALE = 2", "SCALE = 2  # twice"))
    assert all(described(CLASS)["source"] != described(CLASS.replace(*change))["source"] for change in CHANGES)
    assert "source" not in described(VERSIONED)
    from workers.networks.classification import Classification

    assert set(describe(Classification(task="digits"))) == {"name", "version", "settings"}
