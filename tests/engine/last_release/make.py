"""Makes the files of this folder, which stand for "what the last release has left behind". Run once, with that release:

    git worktree add ../last 71cb066 && make -C ../last install-dev
    AUTOML_DATA=../shared/data ../last/.venv/bin/python tests/engine/last_release/make.py

Kept to show how they came about. Never run it with later code: that the later code agrees with these very files is what
`tests/engine/test_last_release.py` is for. Written by hand are `own_space.py`, a user's file, and `studies.json`, the
arguments of `automl.search` for each study. Made are

- `killed.db`: one SQLite file with all these studies. Each was run by a process of its own; that of the study `killed`
  was ended with SIGKILL when half of its trials were stored. Where a target was the absolute path of `own_space.py`,
  its folder is written as `/last-release`;
- `undisturbed.json`: the trials of the same study when nobody kills it, by phase;
- `export.jsonl.gz`: `automl cache export` of `killed.db`;
- `reports.json.gz`: `automl report STUDY --json` of each finished study in it;
- `contexts.json`: "contexts", what searches that end before their first trial leave in a fresh cache: fingerprint,
  namespace and description; "searches", the arguments of these searches; "keys", candidates with their keys as `automl
  hash` prints them, by target and options.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import automl
from automl.targets import resolve

HERE = Path(__file__).resolve().parent
STUDIES: dict[str, dict[str, Any]] = json.loads((HERE / "studies.json").read_text())
FOLDER = "/last-release"
PROGRAM = Path(sys.executable).with_name("automl")
SEARCH = "import automl, json, sys; automl.search(**json.loads(sys.argv[1])).close()"
KILLED = "killed"
PHASES = ("", "/random", "/confirmed", "/test")
TOLD = (
    *("number", "position", "candidate", "key", "outcome", "fitness", "metrics", "replicates", "origin", "parents"),
    "error",
)

SEARCHES: list[dict[str, Any]] = [
    {"space": "nasbench201"},
    {"space": "nasbench201", "settings": {"dataset": "imagenet16-120", "epochs": 12, "randomised": True}},
    {"space": "hpolib", "settings": {"dataset": "slice_localization"}},
    {"space": "nasbench-graph"},
    {"space": "digits-cells"},
    {"space": "digits-cells", "task": "fashion-mnist-6k", "settings": {"optimizer": "adamw", "epochs": 3}},
    {"space": "activation"},
    {"space": "loss"},
    {"space": "optimizer"},
    {"space": "automl-zero-linear"},
    {"space": "automl-zero-two-layer"},
    {"space": "automl-zero-digits"},
    {"space": "own_space.py:ProbedTower", "evaluator": "own_space.py:scored", "objective": "score"},
    {"space": "own_space:Tower", "evaluator": "own_space:Weighed", "namespace": "mine", "settings": {"factor": 3}},
]

KEYS: list[list[str]] = [
    ["nasbench201"],
    ["nasbench101"],
    ["nasbench-graph"],
    ["digits-cells"],
    ["darts"],
    ["macro", "--evaluator", "classification", "--task", "digits"],
    ["hpolib"],
    ["activation"],
    ["loss"],
    ["optimizer"],
    ["automl-zero-linear"],
    ["automl-zero-two-layer"],
    ["automl-zero-digits"],
    ["own_space.py:ProbedTower"],
    ["own_space.py:Tower", "--evaluator", "own_space.py:Weighed"],
    ["own_space.py:Tower", "--evaluator", "own_space.py:scored"],
]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        shutil.copy(HERE / "own_space.py", folder)
        os.chdir(folder)
        sys.path.append(str(folder))
        for study in STUDIES:
            if study != KILLED:
                run(study, "killed.db")
        kill(KILLED, "killed.db")
        run(KILLED, "undisturbed.db")
        write("undisturbed.json", trials_of(KILLED, "undisturbed.db"))
        reports = {study: json.loads(command("report", study, "killed.db", "--json")) for study in STUDIES}
        del reports[KILLED]
        text = json.dumps(reports).replace(f"{folder}/", f"{FOLDER}/")
        (HERE / "reports.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        tidy(Path("killed.db"), folder)
        command("cache", "export", "export.jsonl.gz", "killed.db")
        for made in ("killed.db", "export.jsonl.gz"):
            shutil.copy(made, HERE)
        write("contexts.json", {"searches": SEARCHES, "contexts": contexts(), "keys": [keys(one) for one in KEYS]})


def write(name: str, value: Any) -> None:
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n")


def command(*arguments: str) -> str:
    """Runs `automl ARGUMENTS`; one that ends in .db names the database."""
    given = [f"--storage=sqlite:///{item}" if item.endswith(".db") else item for item in arguments]
    return subprocess.run([PROGRAM, *given], check=True, stdout=subprocess.PIPE, text=True).stdout


def started(study: str, database: str, seconds: float) -> subprocess.Popen[bytes]:
    given = {**STUDIES[study], "study": study, "storage": f"sqlite:///{database}", "workers": 0}
    environment = {**os.environ, "OWN_SPACE_SECONDS": str(seconds)}
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", SEARCH, json.dumps(given)], env=environment)


def run(study: str, database: str) -> None:
    began = time.monotonic()
    code = started(study, database, 0).wait()
    print(f"{study}: exit code {code} after {time.monotonic() - began:.0f} s")
    assert code == 0


def kill(study: str, database: str) -> None:
    """Ends the search with SIGKILL in the middle of an evaluation, when half of its trials are stored."""
    process = started(study, database, 0.2)
    query = "SELECT COUNT(*) FROM trial JOIN study ON trial.study = study.id WHERE study.name = ?"
    stored = 0
    while 2 * stored < STUDIES[study]["trials"]:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            stored = connection.execute(query, (study,)).fetchone()[0]
    time.sleep(0.1)  # the next evaluation is under way then
    process.kill()
    code = process.wait()
    print(f"{study}: exit code {code} after {stored} trials")
    assert code == -signal.SIGKILL


def trials_of(study: str, database: str) -> dict[str, list[dict[str, Any]]]:
    """Returns everything of a study's trials that no clock measured, by phase."""
    found = {}
    for phase in PHASES:
        opened = automl.Study.open(study + phase, f"sqlite:///{database}")
        found[phase] = [
            {name: value.hex() if isinstance(value := getattr(one, name), bytes) else value for name in TOLD}
            for one in opened.trials()
        ]
        opened.close()
    return found


def tidy(database: Path, folder: Path) -> None:
    """Brings the log into the file, and writes the folder of the user's file as one that is nowhere."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        with connection:
            change = "UPDATE study SET settings = replace(settings, ?, ?)"
            connection.execute(change, (f'"{folder}/', f'"{FOLDER}/'))
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        claimed = connection.execute("SELECT COUNT(*) FROM evaluation WHERE state = 'claimed'").fetchone()[0]
        print(f"{claimed} evaluations were under way when the study was killed")
        assert claimed
    assert str(folder).encode() not in database.read_bytes()


def contexts() -> list[dict[str, Any]]:
    """Returns the contexts that searches leave which end before their first trial."""
    (registered,) = metadata.entry_points(group="automl.strategies", name="random")

    class Refusing(registered.load()):  # type: ignore[misc]
        name = "refusing"

        def ask(self, *_: Any) -> Any:
            raise automl.InvalidInput("it proposes nothing")

    for given in SEARCHES:
        said = ""
        try:
            automl.search(**given, strategy=Refusing(), trials=1, workers=0, storage="sqlite:///contexts.db")
        except automl.InvalidInput as refused:
            said = str(refused)
        assert said == "it proposes nothing", (given, said)
    command("cache", "export", "contexts.jsonl.gz", "contexts.db")
    lines = [json.loads(line) for line in gzip.decompress(Path("contexts.jsonl.gz").read_bytes()).splitlines()]
    found = [line for line in lines if "context" in line]
    assert len(found) == len(SEARCHES)
    return found


def keys(hashed: list[str]) -> dict[str, Any]:
    """Returns ten candidates of a space, three of them mutants of others, and their keys."""
    space, _ = resolve(hashed[0])
    rng = np.random.default_rng(0)
    candidates = [space.sample(rng) for _ in range(7)]
    candidates += [space.mutate(candidate, rng) for candidate in candidates[:3]]
    lines = [candidate.json for candidate in candidates]
    Path("candidates.jsonl").write_text("".join(f"{line}\n" for line in lines))
    found = command("hash", *hashed, "--input", "candidates.jsonl").split()
    assert len(found) == len(lines)
    return {"hash": hashed, "keys": [list(pair) for pair in zip(lines, found, strict=True)]}


if __name__ == "__main__":
    main()
