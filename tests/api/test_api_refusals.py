"""What is refused is refused before workers are started, and a stop ends a program of the user's in one sentence."""

import signal
import subprocess
import sys
import textwrap

SPACE = """
import os, signal, sys, warnings
import automl

class Line(automl.Space):
    x = automl.Integer(0, 1000)

class Other(automl.Space):
    y = automl.Integer(0, 1000)

def height(candidate):
    return candidate.value.get("x", 0)
"""


def program(tmp_path, text):
    (tmp_path / "program.py").write_text(SPACE + textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )


def test_what_is_refused_is_refused_before_ray_is_started(tmp_path):
    done = program(
        tmp_path,
        """
        given = {"evaluator": height, "storage": "sqlite:///a.db", "progress": False, "baseline": False}
        automl.search(Line(), study="mine", trials=4, workers=0, **given)
        refusals = [
            dict(space=Line(), study="mine", seed=7),
            dict(space=Other(), study="mine"),
            dict(space=Line(), study="mine", trials=2),
            dict(space=Line(), study="mine", objective="other"),
            dict(space=Line(), study="new", strategy="exhaustive"),
            dict(space=Line(), study="mine", repeats=3),
            dict(space=Line(), study="new", enqueue=[{"z": 1}]),
            dict(space=Line(), study="new", settings={"populaton": 3}),
        ]
        for more in refusals:
            try:
                automl.search(more.pop("space"), workers=2, **{**given, **more})
            except automl.InvalidInput as error:
                print("refused:", error, "ray" in sys.modules and "RAY")
            else:
                print("not refused", more)
        from automl.storage.engine import Database
        from automl.storage.sessions import Session
        from automl.storage.studies import StudyStore
        database = Database("sqlite:///a.db")
        store, session = StudyStore(database), Session(database)
        store.coordinate(store.find("mine").id, session.id)
        try:
            automl.search(Line(), study="mine", trials=9, workers=2, **given)
        except automl.InvalidInput as error:
            print("refused:", error)
        session.close()
        print("ray" in sys.modules)
        """,
    )
    assert done.returncode == 0, done.stderr
    *said, ray = done.stdout.splitlines()
    assert ray == "False"
    assert len(said) == 9
    assert all(line.startswith("refused: ") for line in said)
    assert "is being run by process" in said[-1]


def test_a_stop_ends_a_program_with_a_sentence_and_no_traceback(tmp_path):
    done = program(
        tmp_path,
        """
        def stopping(candidate):
            if candidate.x % 3 == 0:
                os.kill(os.getpid(), signal.SIGINT)
            return candidate.x

        automl.search(Line(), evaluator=stopping, study="mine", trials=400, workers=0, storage="sqlite:///a.db")
        """,
    )
    assert done.returncode == 128 + signal.SIGINT, "as of the command"
    assert "Traceback" not in done.stderr
    assert "Stopped: SIGINT asked the search to stop: go on with study='mine'" in done.stderr.splitlines()[-1]


def test_other_errors_keep_their_traceback_and_hooks_of_the_users_are_left_alone(tmp_path):
    done = program(
        tmp_path,
        """
        given = {"evaluator": height, "workers": 0, "progress": False, "baseline": False, "storage": "sqlite:///a.db"}
        automl.search(Line(), trials=2, **given)
        ours = sys.excepthook
        sys.excepthook = lambda *error: print("mine")
        automl.search(Line(), trials=2, **given)
        print(sys.excepthook is not ours)
        sys.excepthook = ours
        raise ValueError("theirs")
        """,
    )
    assert done.stdout.split() == ["True"]
    assert "Traceback" in done.stderr
    assert "ValueError: theirs" in done.stderr


def test_a_setting_that_differs_is_named_and_adoption_is_not_offered_for_it(tmp_path):
    done = program(
        tmp_path,
        """
        import dataclasses

        @dataclasses.dataclass(frozen=True)
        class Height(automl.Evaluator):
            name = "height"
            version = "1"
            metrics = {"height": "maximize"}
            epochs: int = 1

            def evaluate(self, work, how):
                return {"height": work.behaviour.value["x"] * self.epochs}

        given = {"study": "mine", "workers": 0, "progress": False, "baseline": False, "storage": "sqlite:///a.db"}
        automl.search(Line(), evaluator=Height(epochs=3), trials=3, **given)
        try:
            automl.search(Line(), evaluator=Height(epochs=4), trials=3, **given)
        except automl.InvalidInput as error:
            print(error)
        """,
    )
    assert "evaluator.settings.epochs: 3, now 4" in done.stdout, done.stderr
    assert "set epochs=3 as before to go on with it" in done.stdout
    assert "adopt" not in done.stdout
