"""What a release with version 1 of the hash has left behind goes through `automl cache rekey`; nothing is paid twice.

The files in `tests/data/version_1` were made by that release itself; `make.py` there says how, and what they hold.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import shutil
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import automl
from automl.cli import main
from automl.hashing import HASHER_VERSION

LEFT = Path(__file__).resolve().parents[1] / "data" / "version_1"
FOLDER = "/version-1"
URL, FRESH = "sqlite:///left.db", "sqlite:///fresh.db"
KILLED = "killed"
STUDIES: dict[str, dict[str, Any]] = json.loads((LEFT / "studies.json").read_text())
FINISHED = [name for name in STUDIES if name != KILLED]
PHASES = ("", "/random", "/confirmed", "/test")
OF_FILES = {"points", "towers", KILLED}
"""Studies of the user's file: an import does not load it by its name."""


def command(*arguments: object) -> str:
    """Runs `automl ARGUMENTS` in this process and returns what it prints."""
    out, before, code = io.StringIO(), sys.argv, None
    sys.argv = ["automl", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    assert not code, f"automl {' '.join(map(str, arguments))} ended with code {code}: {out.getvalue()}"
    return out.getvalue()


def refused(*arguments: object) -> str:
    """Runs `automl ARGUMENTS`, which ends with code 2, and returns what it prints."""
    with pytest.raises(AssertionError) as caught:
        command(*arguments)
    assert "ended with code 2" in str(caught.value)
    return str(caught.value)


def spread_out(folder: Path) -> None:
    """Puts the files of the release there, as if they had been made there."""
    for name in ("own_space.py", "export.jsonl.gz"):
        shutil.copy(LEFT / name, folder)
    (folder / "left.db").write_bytes(gzip.decompress((LEFT / "left.db.gz").read_bytes()))
    with contextlib.closing(sqlite3.connect(folder / "left.db")) as connection, connection:
        connection.execute("UPDATE study SET settings = replace(settings, ?, ?)", (f"{FOLDER}/", f"{folder}/"))


@pytest.fixture(scope="module")
def rekeyed(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> Iterator[Path]:
    """The folder where all of it was upgraded and got new keys, once for all tests; what was printed lies there too."""
    folder = tmp_path_factory.mktemp("rekeyed")
    with pytest.MonkeyPatch.context() as patch:
        spread_out(folder)
        patch.chdir(folder)
        patch.setenv("AUTOML_DATA", str(data_folder))
        patch.setenv("OWN_SPACE_MARKS", str(folder / "marks"))
        (folder / "old_schema").write_text(refused("cache", "rekey", "--storage", URL))
        (folder / "upgraded").write_text(command("db", "upgrade", "--storage", URL))
        (folder / "old_keys").write_text(refused("resume", KILLED, "--storage", URL, "--workers", 0))
        (folder / "dry").write_text(command("cache", "rekey", "--storage", URL, "--dry-run"))
        (folder / "said").write_text(command("cache", "rekey", "--storage", URL))
        yield folder


@pytest.fixture
def here(rekeyed: Path, tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own with a copy of the upgraded database."""
    with contextlib.closing(sqlite3.connect(rekeyed / "left.db")) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "left.db"),))
    for name in ("own_space.py", "export.jsonl.gz"):
        shutil.copy(LEFT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOML_DATA", str(data_folder))
    monkeypatch.setenv("OWN_SPACE_MARKS", str(tmp_path / "marks"))
    return tmp_path


def rows(folder: Path, query: str, *values: object, name: str = "left.db") -> list[Any]:
    with contextlib.closing(sqlite3.connect(folder / name)) as connection:
        return connection.execute(query, values).fetchall()


def begun(folder: Path) -> list[int]:
    """Returns the seeds of the evaluations that the user's evaluators were called for, in order."""
    marks = folder / "marks"
    return [int(line) for line in marks.read_text().splitlines()] if marks.exists() else []


def finished(folder: Path, name: str = "left.db") -> list[Any]:
    """Returns seed and result of every finished evaluation that is no copy of another."""
    query = "SELECT seed, metrics, error, seconds FROM evaluation WHERE state IN ('done', 'failed') AND moved IS NULL"
    return sorted(rows(folder, query, name=name), key=repr)


def told(name: str, url: str = URL) -> dict[str, list[Any]]:
    """Returns what each trial of a study was told, by phase."""
    found = {}
    for phase in PHASES:
        with contextlib.suppress(automl.InvalidInput):
            opened = automl.Study.open(name + phase, url)
            found[phase] = [
                (one.number, one.candidate, one.outcome, one.fitness, dict(one.metrics), one.error)
                for one in opened.trials()
            ]
            opened.close()
    return found


# --- the command ------------------------------------------------------------------------------------------------------


def test_every_sentence_on_the_way_names_the_next_command(rekeyed: Path) -> None:
    assert "automl db upgrade --storage" in (rekeyed / "old_schema").read_text()
    assert "`automl cache rekey --storage" in (rekeyed / "upgraded").read_text()
    assert "was searched under version 1 of the functional hash" in (rekeyed / "old_keys").read_text()
    assert "`automl cache rekey --storage" in (rekeyed / "old_keys").read_text()
    assert "nothing was written" in (rekeyed / "dry").read_text()
    assert "study killed would get new keys for 20 trials" in (rekeyed / "dry").read_text()
    said = (rekeyed / "said").read_text()
    assert "322 evaluations, 5.3 s of work, have new keys" in said
    assert "study killed has new keys for 20 trials and can be continued" in said


def test_all_that_was_paid_is_served_and_nothing_was_evaluated(rekeyed: Path, tmp_path: Path) -> None:
    assert begun(rekeyed) == []
    spread_out(tmp_path)
    results = "SELECT seed, metrics, error, seconds FROM evaluation WHERE state IN ('done', 'failed')"
    assert finished(rekeyed) == sorted(rows(tmp_path, results), key=repr)
    assert rows(rekeyed, "SELECT COUNT(*) FROM rekeyed") == [(0,)]
    assert rows(rekeyed, "SELECT COUNT(*) FROM evaluation WHERE found IS NOT NULL") == [(322,)]


def test_relu_and_relu6_have_their_own_figures_now(rekeyed: Path) -> None:
    """Version 1 took one for the other, where no value on its way was above 6."""
    query = (
        "SELECT was.context, was.key, now.context, now.key, json, was.metrics FROM evaluation AS was "
        "JOIN evaluation AS now ON now.context = was.moved AND now.seed = was.seed "
        "JOIN candidate ON digest = was.candidate WHERE was.metrics LIKE '%score%width%'"
    )
    before, after = defaultdict(set), defaultdict(set)
    scores = defaultdict(list)
    for old, old_key, new, new_key, candidate, metrics in rows(rekeyed, query):
        tower = json.loads(candidate)
        kind = tower["activation"].partition(" ")[0] if tower["depth"] else "none at all"
        before[old, old_key].add(kind)
        after[new, new_key].add(kind)
        scores[new, new_key].append(json.loads(metrics)["score"])
    alike = {"relu", "relu6"}
    assert sum(alike <= kinds for kinds in before.values()) >= 4
    assert not [kinds for kinds in after.values() if alike <= kinds]
    assert all(max(some) - min(some) < 0.02 for some in scores.values())  # the noise of a training
    assert "classes were split" in (rekeyed / "said").read_text()


def test_learning_curves_went_along(rekeyed: Path) -> None:
    query = (
        "SELECT old.points, new.points FROM curve AS old JOIN evaluation AS was USING (context, key, replicate) "
        "JOIN evaluation AS now ON now.context = was.moved AND now.seed = was.seed "
        "LEFT JOIN curve AS new ON new.context = now.context AND new.key = now.key AND new.replicate = now.replicate"
    )
    found = rows(rekeyed, query)
    assert len(found) == 98
    assert all(old == new for old, new in found)


def test_calling_it_again_has_nothing_to_do(here: Path) -> None:
    assert f"all evaluations have keys of version {HASHER_VERSION}" in command("cache", "rekey", "--storage", URL)


# --- searches afterwards ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", FINISHED)
def test_a_new_search_is_served_from_what_was_paid(here: Path, study: str) -> None:
    """As long as both versions of the hash see the same classes, there is nothing to evaluate at all."""
    before = finished(here)
    automl.search(**STUDIES[study], study="again", storage=URL, workers=0).close()
    after = finished(here)
    if study == "towers":  # a class has split: what the old hash served wrongly is evaluated
        assert len(after) >= len(before)
        return
    assert after == before
    assert begun(here) == []
    outcomes = {one[2] for trials in told("again").values() for one in trials}
    assert outcomes <= {"hit", "failed"}


def test_the_killed_study_is_gone_on_with_and_nothing_finished_is_done_again(here: Path) -> None:
    before, evaluated = told(KILLED), finished(here)
    assert list(before) == [""]
    command("resume", KILLED, "--storage", URL, "--workers", 0, "--html", "report.html")
    after, now = told(KILLED), finished(here)
    assert after[""][: len(before[""])] == before[""]
    assert len(after[""]) == STUDIES[KILLED]["trials"]
    assert list(after) == list(PHASES)
    assert set(evaluated) <= set(now)
    seeds = [seed for seed, *_ in now]
    assert sorted(begun(here)) == sorted(set(seeds) - {seed for seed, *_ in evaluated})
    assert len(begun(here)) == len(now) - len(evaluated)
    assert f"after 20 trials the keys were computed anew under version {HASHER_VERSION}" in Path(
        "report.html"
    ).read_text(encoding="utf-8")


def test_its_trials_stand_under_the_keys_of_today(here: Path) -> None:
    opened = automl.Study.open(KILLED, URL)
    candidates = [(trial.candidate, trial.key.hex()) for trial in opened.trials()]
    assert opened.settings["hasher"]["version"] == HASHER_VERSION
    opened.close()
    Path("candidates.jsonl").write_text("".join(f"{one}\n" for one, _ in candidates), encoding="utf-8")
    found = command("hash", "own_space.py:Tower", "--evaluator", "own_space.py:scored", "--input", "candidates.jsonl")
    assert found.split() == [key for _, key in candidates]


# --- reports ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", FINISHED)
def test_a_finished_study_is_reported_with_the_same_figures_and_its_version(here: Path, study: str) -> None:
    before = json.loads(gzip.decompress((LEFT / "reports.json.gz").read_bytes()))[study]
    now = json.loads(command("report", study, "--storage", URL, "--json"))
    assert any("Found under version 1 of the functional hash" in note for note in now["notes"])
    old, new = dict(figures(before)), dict(figures(now))
    assert len(old) > 50
    assert not {place: (one, new.get(place)) for place, one in old.items() if not same(one, new.get(place))}


def test_a_finished_study_has_nothing_left_to_do_and_is_widened_only_when_it_is_named(here: Path) -> None:
    before = told("points")
    command("resume", "points", "--storage", URL, "--workers", 0)
    assert told("points") == before
    more = ("resume", "points", "--storage", URL, "--workers", 0, "--trials", 45)
    assert "automl cache rekey --study points" in refused(*more)
    assert "study points has new keys for 93 trials" in command("cache", "rekey", "--storage", URL, "--study", "points")
    command(*more)
    assert told("points")[""][:40] == before[""]
    assert len(told("points")[""]) == 45


def figures(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yields the place and value of each number, and of each text that is no sentence for readers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        if name not in ("note", "notes", "practice", "verdict_reason", "facts", "settings"):
            yield from figures(item, (*place, name))
    if not isinstance(value, dict | list):
        yield place, value


def same(old: Any, new: Any) -> bool:
    """True for equal values; the last digits of a mean may depend on the library that takes it."""
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-12)
    return bool(old == new) or str(old).replace(FOLDER, "") in str(new)


# --- exports ----------------------------------------------------------------------------------------------------------


def test_an_export_of_that_release_comes_in_by_the_same_path(here: Path) -> None:
    said = command("cache", "import", "export.jsonl.gz", "--storage", FRESH)
    assert "imported 322 evaluations" in said
    assert "name it with --space TARGET" in said  # format 2 does not say which space read the candidates
    contexts = rows(here, "SELECT id, description FROM context", name="fresh.db")
    by_evaluator: dict[str, list[int]] = {}
    for number, description in contexts:
        by_evaluator.setdefault(json.loads(description)["evaluator"]["name"], []).append(number)
    spaces = {
        "nasbench201": "nasbench201",
        "programs": "automl-zero-linear",
        "activation": "activation",
        "classification": "digits-cells",
        "placed": "own_space.py:Point",
        "function": "own_space.py:Tower",
    }
    for evaluator, space in spaces.items():
        chosen = [word for number in by_evaluator[evaluator] for word in ("--context", number)]
        command("cache", "rekey", "--storage", FRESH, "--space", space, *chosen)
    assert finished(here, "fresh.db") == finished(here)
    assert "imported 0 evaluations" in command("cache", "import", "export.jsonl.gz", "--storage", FRESH)
    before = finished(here, "fresh.db")
    for study in ("table", "points", "programs"):
        automl.search(**STUDIES[study], study=study, storage=FRESH, workers=0).close()
    assert finished(here, "fresh.db") == before
    assert begun(here) == []


def test_an_export_from_afterwards_is_served_elsewhere(here: Path) -> None:
    assert "exported 322 evaluations" in command("cache", "export", "now.jsonl.gz", "--storage", URL)
    said = command("cache", "import", "now.jsonl.gz", "--storage", FRESH)
    assert said.startswith("imported 322 evaluations; 0 were here already\n")
    for study in ("networks", "towers"):
        automl.search(**STUDIES[study], study=study, storage=FRESH, workers=0).close()
    new = len(finished(here, "fresh.db")) - 322
    assert new == len(begun(here))
