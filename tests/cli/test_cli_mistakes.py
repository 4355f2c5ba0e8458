"""A user's mistake is answered with one sentence and exit code 2: no traceback, nothing written."""

import json
import os
import pwd
import socket
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cli_parts import automl_command
from user_files import SPACE

import automl


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An otherwise empty folder with a space in it; the default database would be made here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.py").write_text(SPACE)
    return tmp_path


def sentence(*arguments, stdin="", writes=(), begun=False):
    """Runs a command that must be refused, and returns what it says; one that has begun has said so before."""
    before = {path.name for path in os.scandir(".")}
    ended = automl_command(*arguments, stdin=stdin)
    assert ended.code == 2, (ended.code, ended.out, ended.err)
    assert (ended.out != "") == begun
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("automl: ")
    assert "Traceback" not in ended.err
    made = {path.name for path in os.scandir(".")} - before
    assert {name for name in made if not name.endswith(("-wal", "-shm"))} - {"__pycache__"} == set(writes)
    return lines[0].removeprefix("automl: ")


def search(*arguments, target="pairs.py", **named):
    return sentence("search", target, "--objective", "score", "--workers", 0, *arguments, **named)


# --- what is searched ----------------------------------------------------------------------------------------------


def test_an_unknown_space_and_the_nearest_names():
    assert "nasbench201" in sentence("search", "nasbench2001")
    assert "digits-cells" in sentence("check", "digit-cells")
    assert "known: " in sentence("hash", "xyzzy")


@pytest.mark.parametrize("command", ["search", "check", "baseline", "hash"])
def test_a_file_without_a_space(folder, command):
    (folder / "nothing.py").write_text("x = 1\n")
    found = sentence(command, "nothing.py")
    assert "nothing.py" in found
    assert "defines no space" in found


def test_a_file_that_is_not_there_or_cannot_be_loaded(folder):
    assert "no file 'gone.py'" in sentence("search", "gone.py")
    (folder / "broken.py").write_text("def (\n")
    assert "broken.py cannot be loaded: SyntaxError" in sentence("search", "broken.py")
    (folder / "raising.py").write_text("raise RuntimeError('not today')\n")
    assert "RuntimeError: not today" in sentence("check", "raising.py")
    (folder / "leaving.py").write_text("import sys\nsys.exit('not today')\n")
    assert "not today" in sentence("search", "leaving.py")


def test_other_targets_that_lead_nowhere(folder):
    assert "did you mean Pairs" in sentence("search", "pairs.py:Pair")
    assert "no_such_module" in sentence("search", "no_such_module:Space")
    assert "which is no space" in sentence("search", "pairs.py:math.pi")
    (folder / "two.py").write_text(SPACE + "\nclass Other(Pairs):\n    z = Integer(0, 1)\n")
    assert "2 spaces" in sentence("search", "two.py")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("    x = Integer(0, 3)\n    def build(self, c):\n        return torch.nn.Linear(c.z, 1)\n", "no field 'z'"),
        (
            "    x = Integer(0, 3)\n    def build(self, c):\n        raise OSError('gone')\n",
            "OSError: gone",
        ),
        ("    def build(self, c):\n        return torch.nn.Linear(1, 1)\n", "has no fields"),
        ("    x = Integer(3, 0)\n", "the smaller first"),
        ("    json = Integer(0, 3)\n    def build(self, c):\n        return 1\n", "cannot be called 'json'"),
        ("    x = Integer(0, 3)\n    def training(self, c):\n        return {'lr': float('nan')}\n", "JSON"),
    ],
)
@pytest.mark.parametrize("command", ["search", "check"])
def test_a_space_that_fails_on_its_first_sample(folder, body, word, command):
    text = f"import torch\nfrom automl import Choice, Integer, Space\nclass Bad(Space):\n{body}"
    (folder / "bad.py").write_text(text)
    found = sentence(command, "bad.py", "--evaluator", "classification", "--task", "digits")
    assert word in found


def test_a_space_that_fails_in_the_middle(folder):
    (folder / "late.py").write_text(
        SPACE.replace("    defaults", "    def training(self, c):\n        return {'a': 1 / (c.x - 5)}\n\n    defaults")
    )
    found = search("--trials", 100, target="late.py", writes=["automl.db"], begun=True)
    assert "Pairs" in found
    assert "ZeroDivisionError" in found


# --- numbers and names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trials", 0], "trials=0"),
        (["--trials", -3], "trials=-3"),
        (["--evaluations", 0], "evaluations=0"),
        (["--repeats", 0], "repeats=0"),
        (["--warm-cache"], "--repeats 5 --warm-cache"),
        (["--hours", 0], "hours=0"),
        (["--hours", "nan"], "hours=nan"),
        (["--window", 0], "window=0"),
        (["--seed", -1], "seed=-1"),
        (["--replicates", 0], "replicates=0"),
        (["--forget-probability", 1.5], "forget_probability=1.5"),
        (["--audit-probability", -0.1], "audit_probability=-0.1"),
        (["--workers", -1], "workers=-1"),
        (["--simulated-workers", 0], "simulated_workers=0"),
        (["--timeout", 0], "timeout=0"),
        (["--cpus-per-worker", 0], "cpus_per_worker=0"),
        (["--memory-per-worker", -5], "memory_per_worker=-5"),
        (["--finalists", 0], "finalists=0"),
        (["--test-seeds", 0], "test_seeds=0"),
        (["--sample", 1], "sample=1"),
        (["--namespace", ""], "namespace"),
        (["--study", ""], "study"),
        (["--study", "mine/test"], "mine/test"),
        (["--strategy", "regularised_evolution"], "did you mean regularized_evolution"),
        (["--evaluator", "clasification"], "did you mean classification"),
        (["--evaluator", "classification", "--task", "digit", "--objective", "loss"], "did you mean digits"),
        (["--task", "digits"], "takes no task"),
        (["--set", "poplation=5"], "did you mean population"),
        (["--set", "strategy.poplation=5"], "did you mean strategy.population"),
        (["--set", "population"], "is not KEY=VALUE"),
        (["--set", "population=many"], "whole number"),
        (["--set", "population=1"], "population=1"),
        (["--set", "tournament=2.5"], "whole number"),
        (["--ray-address", "127.0.0.1:1", "--workers", 1], "127.0.0.1:1"),
        (["--html", "no/such/folder/report.html"], "no/such/folder"),
        (["--enqueue", "gone.jsonl"], "gone.jsonl"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_settings_out_of_range_or_unknown(arguments, words):
    assert words in search(*arguments)


def test_more_workers_than_there_are_cores():
    found = search("--workers", 1000)
    assert "1000" in found


def test_gpus_that_are_not_there():
    assert "GPU" in search("--workers", 1, "--gpus-per-worker", 64)


# --- candidates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"x":1,"y":2,"word":"plus"}\n{"x":1,\n', "line 2"),
        ('{"x":1,"y":2,"word":"plus"}\n\n{"x":NaN,"y":1,"word":"plus"}\n', "line 3"),
        ('{"x":1,"y":2,"word":"plus"}\n{"x":77,"y":2,"word":"plus"}\n', "candidate.x: 77"),
        ('{"x":1,"y":2,"word":"times"}\n', "candidate.word"),
        ('{"x":1,"y":2}\n', "'word' is missing"),
        ('{"x":1,"y":2,"word":"plus","z":1}\n', "'z' is no field"),
        ("[1, 2]\n", "fields"),
        ("\xff\xfe\x00binary", "UTF-8"),
    ],
)
def test_candidates_that_cannot_be_read(folder, text, words):
    (folder / "some.jsonl").write_bytes(text.encode("latin-1"))
    line = "line " if words.startswith(("candidate", "'")) else ""
    found = sentence("hash", "pairs.py", "--input", "some.jsonl") if "line" not in words else None
    if found is None:
        ended = automl_command("hash", "pairs.py", "--input", "some.jsonl")  # the lines before are good, and hashed
        assert ended.code == 2
        found = ended.err
        assert len(found.strip().splitlines()) == 1
    assert words in found
    assert line in found
    assert words.removeprefix("candidate.") in search("--enqueue", "some.jsonl")


def test_explain_names_the_file(folder):
    (folder / "a.json").write_text('{"x":1,"y":2,"word":"plus"}')
    (folder / "b.json").write_text('{"x":1')
    assert "b.json" in sentence("explain", "pairs.py", "a.json", "b.json")
    assert "gone.json" in sentence("explain", "pairs.py", "a.json", "gone.json")
    (folder / "c.json").write_bytes(b"\xff\xfe\x00")
    assert "c.json" in sentence("explain", "pairs.py", "a.json", "c.json")
    assert "no/where" in sentence("explain", "pairs.py", "a.json", "a.json", "--html", "no/where/x.html")


# --- databases -----------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


READING = [["studies"], ["report", "first"], ["resume", "first"], ["cache", "stats"], ["cache", "export", "x.gz"]]


@pytest.mark.parametrize(
    "command", [["search", "pairs.py", "--workers", "0"], *READING, ["db", "current"]], ids=" ".join
)
def test_databases_that_cannot_be_used(folder, command):
    with sqlite3.connect("foreign.db") as connection:
        connection.execute("CREATE TABLE wine (year INTEGER)")
    before = (folder / "foreign.db").read_bytes()
    found = sentence(*command, "--storage", "sqlite:///foreign.db")
    assert "foreign.db" in found
    assert (folder / "foreign.db").read_bytes() == before
    (folder / "text.db").write_text("this is a letter to a friend\n" * 100)
    assert "text.db" in sentence(*command, "--storage", "sqlite:///text.db")
    assert "no/where" in sentence(*command, "--storage", "sqlite:///no/where/a.db")
    assert "like sqlite:///automl.db" in sentence(*command, "--storage", "bla")
    assert "mysql" in sentence(*command, "--storage", "mysql://u:secret@host/db")
    refused = sentence(*command, "--storage", f"postgresql+psycopg://me:secret@127.0.0.1:{free_port()}/none")
    assert "127.0.0.1" in refused
    assert "secret" not in refused


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_commands_make_no_database(command):
    assert "automl.db" in sentence(*command)


AS_NOBODY = """
import json, os, sys
from cli_parts import automl_command
search = ["search", "pairs.py", "--objective", "score", "--workers", "0", "--trials", "2", "--storage"]
warm = automl_command(*search, "sqlite:///warm.db", "--study", "warm")  # loads everything while it can be read
assert warm.code == 0, warm.err
assert automl_command("cache", "export", "sealed/found.gz", "--storage", "sqlite:///warm.db").code == 0
for name in os.listdir("."):
    os.chmod(name, 0o666 if os.path.isfile(name) else 0o755)
os.chmod("sealed", 0o700)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[2]))
else:
    os.chmod("sealed", 0)
for command in json.loads(sys.argv[3]):
    ended = automl_command(*command)
    print(json.dumps([ended.code, ended.err]))
"""

PAIRS = ["search", "pairs.py", "--objective", "score", "--workers", "0", "--trials", "2"]
WARM = ["--storage", "sqlite:///warm.db"]
SEALED = {
    "a new database": [*PAIRS, "--storage", "sqlite:///sealed/a.db"],
    "a database to read": ["report", "warm", "--storage", "sqlite:///sealed/a.db"],
    "a space": ["check", "sealed/pairs.py"],
    "an evaluator": [*PAIRS, *WARM, "--evaluator", "sealed/own.py:Own"],
    "a page": ["report", "warm", *WARM, "--html", "sealed/page.html"],
    "an import": ["cache", "import", "sealed/found.gz", *WARM],
    "an export": ["cache", "export", "sealed/more.gz", *WARM],
    "candidates": [*PAIRS, *WARM, "--study", "other", "--enqueue", "sealed/candidates.jsonl"],
}


def test_what_lies_in_a_folder_that_may_not_be_entered():
    """In a process of an ordinary user: root may read and write everywhere."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="automl-sealed-") as place:  # pytest's own folders are closed to others
        os.chmod(place, 0o777)
        Path(place, "pairs.py").write_text(SPACE)
        Path(place, "sealed").mkdir()
        commands = json.dumps(list(SEALED.values()))
        command = [sys.executable, "-c", AS_NOBODY, str(nobody.pw_gid), str(nobody.pw_uid), commands]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment)
        assert done.returncode == 0, done.stderr
        Path(place, "sealed").chmod(0o700)
        assert [one.name for one in Path(place, "sealed").iterdir()] == ["found.gz"]
    found = dict(zip(SEALED, map(json.loads, done.stdout.strip().splitlines()), strict=True))
    assert {what: code for what, (code, _) in found.items()} == dict.fromkeys(SEALED, 2), found
    for what, (_, said) in found.items():
        [line] = said.strip().splitlines()
        assert line.startswith("automl: "), what
        assert "sealed" in line, what
        assert "ermission denied" in line, what


def test_a_study_of_that_name_with_other_settings(folder):
    assert automl_command("search", "pairs.py", "--workers", 0, "--objective", "score", "--study", "mine").code == 0
    before = (folder / "automl.db").read_bytes()
    found = search("--study", "mine", "--trials", 31, "--seed", 4, "--set", "population=9")
    assert "trials" not in found  # a budget may grow
    assert "seed: 0, now 4" in found
    assert "strategy.settings.population: 8, now 9" in found
    assert (folder / "automl.db").read_bytes() == before
    assert "did you mean mine" in sentence("report", "mein")
    assert "did you mean mine" in sentence("resume", "minde")
    assert "name that one: mine" in sentence("resume", "mine/test")
    assert "no/such" in sentence("report", "mine", "--html", "no/such/x.html")
    assert "evaluations" in sentence("resume", "mine", "--workers", 0, "--evaluations", 0)
    study = automl.Study.open("mine")
    assert study.finished
    assert study.settings["evaluations"] is None
    study.close()


def test_a_changed_space_is_noticed(folder):
    assert automl_command("search", "pairs.py", "--workers", 0, "--objective", "score", "--study", "mine").code == 0
    (folder / "pairs.py").write_text(SPACE.replace("Integer(0, 9)", "Integer(0, 8)"))
    assert "has changed" in sentence("resume", "mine", "--workers", 0)
    assert "space.code.x: 'Integer(high=9, log=False, low=0)', now 'Integer(high=8" in search("--study", "mine")
    (folder / "pairs.py").unlink()
    assert "pairs.py" in sentence("resume", "mine", "--workers", 0)
    assert automl_command("report", "mine").code == 0  # figures stand without the space


def test_results_from_elsewhere(folder):
    assert "gone.csv" in sentence("report", "--results", "gone.csv")
    (folder / "bad.csv").write_text("a,b\n1,2\n")
    assert "bad.csv" in sentence("report", "--results", "bad.csv")
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    assert "binary.csv" in sentence("report", "--results", "binary.csv")
    assert "not both" in sentence("report", "mine", "--results", "bad.csv")
    assert "name a study" in sentence("report")


def test_files_that_are_no_cache(folder):
    assert "gone.gz" in sentence("cache", "import", "gone.gz")
    (folder / "letter.gz").write_text("dear friend")
    assert "letter.gz" in sentence("cache", "import", "letter.gz")


# --- data, files and the command line itself -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ("optimizer", "evaluator optimizer takes no task; set tasks instead"),
        ("nasbench201", "evaluator nasbench201 takes no task; set dataset instead"),
        ("digits-cells", "unknown task 'xyz'; known: breast-cancer, "),
        ("automl-zero-linear", "unknown task for programs 'xyz'; known: digit-pairs, "),
        ("pairs.py", "a function as evaluator takes no task"),
    ],
)
def test_a_task_that_is_none_of_the_evaluators(space, words):
    assert words in sentence("search", space, "--task", "xyz", "--trials", 3)


def test_the_line_of_a_candidate_that_cannot_be_proposed(folder):
    (folder / "known.jsonl").write_text('{"x":1,"y":2,"word":"plus"}\n\n{"x":1,"y":99,"word":"plus"}\n')
    found = search("--enqueue", "known.jsonl")
    assert found.startswith("known.jsonl, line 3: ")
    assert "99" in found
    assert "enqueued candidate" not in found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search"], "missing argument 'TARGET'; see automl search --help"),
        (["search", "pairs.py", "--trials", "many"], "'many' is not a valid integer; see automl search --help"),
        (["search", "pairs.py", "--trails", "3"], "no such option"),
        (["serch"], "no such command 'serch'"),
        (["cache", "forget"], "see automl cache --help"),
        (["search", "pairs.py", "--on-duplicate", "drop"], "'drop' is not one of"),
    ],
)
def test_a_command_line_that_cannot_be_read(arguments, words):
    found = sentence(*arguments)
    assert words in found
    assert "Usage" not in found


def test_a_query_of_a_library_that_is_wrong_or_not_installed(monkeypatch):
    assert sentence("search", "timm:resnet18?drop_path=0", "--task", "digits").startswith(
        "timm:resnet18?drop_path=0: every argument has one value, so there is nothing to choose; separate values by |"
    )
    monkeypatch.setitem(sys.modules, "timm", None)
    assert sentence("check", "timm:resnet18?drop_path=0|0.1").startswith("timm is not installed; run pip install ")
