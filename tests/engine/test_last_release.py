"""What an earlier release has left behind is gone on with, served and reported as it was, after the keys have changed.

The files in `last_release/` were made by that release itself; `last_release/make.py` says how, and what they hold. Its
keys were of version 1 of the functional hash: `automl cache rekey` takes everything to those of today.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import shutil
import sqlite3
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import automl
from automl.cli import main

LEFT = Path(__file__).resolve().parent / "last_release"
FOLDER = "/last-release"
URL = "sqlite:///killed.db"
FRESH = "sqlite:///fresh.db"
KILLED = "killed"
PHASES = ("", "/random", "/confirmed", "/test")
WORDS = ("note", "notes", "practice", "verdict_reason")
"""Sentences for readers in a report; they may be put better."""


def read(name):
    content = (LEFT / name).read_bytes()
    return json.loads(gzip.decompress(content) if name.endswith(".gz") else content)


STUDIES = read("studies.json")
FINISHED = [name for name in STUDIES if name != KILLED]
CONTEXTS = read("contexts.json")


def lies_in(folder, before):
    """Writes into a database which folder the user's file lies in."""
    with contextlib.closing(sqlite3.connect(folder / "killed.db")) as connection, connection:
        change = "UPDATE study SET settings = replace(settings, ?, ?)"
        connection.execute(change, (f'"{before}/', f'"{folder}/'))


@contextlib.contextmanager
def works_in(folder):
    """Lets the user's file be found by its name, too, and counts what its evaluators begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.delitem(sys.modules, "own_space", raising=False)
        patch.setenv("OWN_SPACE_MARKS", str(folder / "marks"))
        yield


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory):
    """What that release left there, brought to the schema and the keys of today, once for all tests."""
    folder = tmp_path_factory.mktemp("upgraded")
    for name in ("killed.db", "own_space.py"):
        shutil.copy(LEFT / name, folder)
    lies_in(folder, FOLDER)
    with works_in(folder):
        command("db", "upgrade", "--storage", URL)
        said = command("cache", "rekey", "--storage", URL)
    assert "not served" not in said
    assert not begun(folder)
    return folder


@pytest.fixture
def left(upgraded, tmp_path):
    """A working folder with the upgraded database and the user's file."""
    with contextlib.closing(sqlite3.connect(upgraded / "killed.db")) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "killed.db"),))
    lies_in(tmp_path, upgraded)
    for name in ("own_space.py", "export.jsonl.gz"):
        shutil.copy(LEFT / name, tmp_path)
    with works_in(tmp_path):
        yield tmp_path


@pytest.fixture
def with_data(left, data_folder, monkeypatch):
    monkeypatch.setenv("AUTOML_DATA", str(data_folder))
    return left


@pytest.fixture
def study(request):
    """The name of a study; skips where its data is not there."""
    if STUDIES[request.param]["space"] in ("nasbench201", "hpolib"):
        request.getfixturevalue("with_data")
    return request.param


def command(*arguments):
    """Runs `automl ARGUMENTS` in this process and returns what it prints."""
    out, before, code = io.StringIO(), sys.argv, None
    sys.argv = ["automl", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    assert not code, f"automl {' '.join(map(str, arguments))} ended with code {code}"
    return out.getvalue()


def cached(url=URL):
    """Returns the contexts of a cache by fingerprint, and its finished evaluations by context, key and replicate."""
    command("cache", "export", "now.jsonl.gz", "--storage", url)
    return exported(Path("now.jsonl.gz"))


def exported(path):
    contexts, evaluations, now = {}, {}, None
    for line in map(json.loads, gzip.decompress(path.read_bytes()).splitlines()):
        if "context" in line:
            now = line["fingerprint"]
            contexts[now] = line
        elif "key" in line:
            del line["times_seen"]  # rises with every trial that is served
            line.pop("space", None)  # not in exports of that release
            evaluations[now, line["key"], line["replicate"]] = line
    return contexts, evaluations


def begun(folder):
    """Returns the seeds of the evaluations that the user's evaluators were called for, in order."""
    marks = folder / "marks"
    return [int(line) for line in marks.read_text().splitlines()] if marks.exists() else []


def search(name, study, url=URL):
    """Runs the search that the study `name` was made by."""
    return automl.search(**STUDIES[name], study=study, storage=url, workers=0)


def told(name, url=URL, *, outcome=True):
    """Returns everything of a study's trials that no clock measured and no hash gave, by phase."""
    columns = [
        column for column in read("undisturbed.json")[""][0] if column != "key" and (outcome or column != "outcome")
    ]
    found = {}
    for phase in PHASES:
        try:
            opened = automl.Study.open(name + phase, url)
        except automl.InvalidInput:
            continue  # not every study has every phase
        values = [[getattr(trial, column) for column in columns] for trial in opened.trials()]
        found[phase] = [dict(zip(columns, map(plain, row), strict=True)) for row in values]
        opened.close()
    return found


def plain(value):
    return value.hex() if isinstance(value, bytes) else list(value) if isinstance(value, tuple) else value


def test_the_killed_study_is_gone_on_with_and_nothing_is_done_again(left):
    _, before = cached()
    some = told(KILLED)
    assert 0 < len(some[""]) < STUDIES[KILLED]["trials"]
    assert list(some) == [""]
    command("resume", KILLED, "--storage", URL, "--workers", 0, "--html", "report.html")
    _, after = cached()
    assert before.items() <= after.items()
    new = sorted(after[place]["seed"] for place in after.keys() - before.keys())
    assert new
    assert sorted(begun(left)) == new  # each once, and none that was there
    check_continued(some)


def check_continued(before):
    """What was told stands, and the study has come to its end. New evaluations have seeds that follow from new keys."""
    then = [{name: one[name] for name in one if name != "key"} for one in read("undisturbed.json")[""]]
    now = told(KILLED)
    assert now[""][: len(before[""])] == before[""] == then[: len(before[""])]
    assert len(now[""]) == STUDIES[KILLED]["trials"]
    assert tuple(now) == PHASES


def test_the_killed_study_is_gone_on_with_by_its_own_program_and_then_served_to_others(left):
    some = told(KILLED)
    search(KILLED, KILLED).close()
    check_continued(some)
    calls, before = len(begun(left)), cached()
    search(KILLED, "again").close()
    assert cached() == before
    assert len(begun(left)) == calls
    assert told("again", outcome=False) == told(KILLED, outcome=False)
    outcomes = {trial["outcome"] for trials in told("again").values() for trial in trials}
    assert outcomes <= {"hit", "failed"}


SERVED = [name for name in FINISHED if "repeats" not in STUDIES[name]]


@pytest.mark.parametrize("study", SERVED, indirect=True)
def test_a_new_search_is_served_from_what_was_stored(left, study):
    before = cached()
    again = search(study, "again")
    assert again.finished
    again.close()
    assert cached() == before  # no evaluation more, and no context
    assert not begun(left)
    assert told("again", outcome=False) == told(study, outcome=False)
    assert "miss" not in {trial["outcome"] for trials in told("again").values() for trial in trials}


@pytest.mark.parametrize("study", FINISHED, indirect=True)
def test_whatever_a_study_names_is_found(left, study):
    """Its space, evaluator and strategy are made again, and there is nothing left to do."""
    before, trials = cached(), told(study)
    opened = automl.Study.open(study, URL)
    for run in opened.runs:
        assert isinstance(run.space, automl.Space)
        assert run.space.decode(run.best.candidate.value) == run.best.candidate
    opened.close()
    command("resume", study, "--storage", URL, "--workers", 0, "--html", "report.html")
    assert (cached(), told(study)) == (before, trials)
    assert not begun(left)


@pytest.mark.parametrize("study", FINISHED, indirect=True)
def test_a_finished_study_is_reported_with_the_same_figures(left, study):
    now = dict(leaves(as_then(json.loads(command("report", study, "--storage", URL, "--json")))))
    text = json.dumps(read("reports.json.gz")[study]).replace(f'"{FOLDER}/', f'"{left}/')
    before = dict(leaves(json.loads(text)))
    assert len(before) > 100
    assert not [place for place in before if place not in now]
    assert not {place: (old, now[place]) for place, old in before.items() if not same(old, now[place])}


def as_then(value):
    """Calls what comes from fresh seeds on the same data a test figure again, as the last release did of functions."""
    if isinstance(value, list):
        return [as_then(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {"fresh": "test", "fresh_values": "test_values", "best_fresh": "best_test"}
    found = {name: as_then(item) for name, item in value.items()}
    found |= {then: found[now] for now, then in named.items() if found.get(now)}
    if found.get("test_figures", "") is None:
        found["test_figures"] = found["final_figures"].removesuffix(", same data")
    if found.get("tested"):
        found["tested"] = found["tested"].replace("evaluated again", "evaluated on the test part")
    if str(found.get("practice")).startswith("Test part"):
        found["kept"] = True
    return found


def leaves(value, place=()):
    """Yields the place and value of each leaf of JSON data; an empty list or object is one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        if name not in WORDS:
            yield from leaves(item, (*place, name))
    if not isinstance(value, dict | list) or not value:
        yield place, value


def same(old, new):
    """True for equal values; the last digits of a mean may depend on the library that takes it."""
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-12)
    return old == new


def test_an_export_gives_the_same_rows_in_a_fresh_database(left):
    said = command("cache", "import", "export.jsonl.gz", "--storage", FRESH)
    assert "name it with --space" in said  # it does not say which space read the candidates
    assert cached(FRESH) == exported(LEFT / "export.jsonl.gz")
    assert "imported 0 evaluations" in command("cache", "import", "export.jsonl.gz", "--storage", FRESH)


EVALUATORS = {
    "table": "nasbench201",
    "halved": "nasbench201",
    "formulas": "activation",
    "programs": "programs",
    "networks": "classification",
    "weighed": "weighed",
}


@pytest.mark.parametrize("study", EVALUATORS, indirect=True)
def test_what_was_imported_is_served(left, study):
    command("cache", "import", "export.jsonl.gz", "--storage", FRESH)
    found = json.loads(command("cache", "stats", "--storage", FRESH, "--json"))["contexts"]
    mine = EVALUATORS[study]
    chosen = [
        word for one in found if one["description"]["evaluator"]["name"] == mine for word in ("--context", one["id"])
    ]
    command("cache", "rekey", "--storage", FRESH, "--space", STUDIES[study]["space"], *chosen)
    before = cached(FRESH)
    search(study, "again", FRESH).close()
    assert cached(FRESH) == before
    assert not begun(left)
    assert told("again", FRESH, outcome=False) == told(study, outcome=False)


def test_every_context_is_the_same_but_for_the_version_of_the_hash(with_data):
    """A context is stored before the first trial is proposed, so these searches end there."""
    (random,) = metadata.entry_points(group="automl.strategies", name="random")

    class Refusing(random.load()):
        name = "refusing"

        def ask(self, *_):
            raise automl.InvalidInput("it proposes nothing")

    for given in CONTEXTS["searches"]:
        with pytest.raises(automl.InvalidInput, match="it proposes nothing"):
            automl.search(**given, strategy=Refusing(), trials=1, workers=0, storage=FRESH)
    contexts, _ = cached(FRESH)
    assert [but_for_the_hash(one) for one in contexts.values()] == list(map(but_for_the_hash, CONTEXTS["contexts"]))


def but_for_the_hash(given):
    """A context without the version of the hash and what follows from it."""
    hasher = {name: value for name, value in given["context"]["hasher"].items() if name != "version"}
    return {"namespace": given["namespace"], "context": {**given["context"], "hasher": hasher}}


WALK = """
import importlib, inspect, pkgutil, warnings
import automl, search_spaces, workers

warnings.simplefilter("ignore", DeprecationWarning)
names = []
for package in (automl, search_spaces, workers):
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".migrations" not in found.name:  # alembic runs these, and nobody imports them
            importlib.import_module(found.name)
            names.append(found.name)
for name in set(automl.__all__) - {"data"}:  # a module under its own name
    assert not inspect.ismodule(getattr(automl, name)), f"automl.{name} is hidden by a module of that name"
assert inspect.isfunction(automl.search) and inspect.isfunction(automl.resume)
print(len(names))
"""


def test_the_functions_of_automl_are_no_modules_whatever_has_been_imported():
    ended = subprocess.run([sys.executable, "-c", WALK], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 100
