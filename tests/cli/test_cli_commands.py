"""Every command does what `automl --help` says, and what programs read is JSON and nothing else."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_parts import PROGRAM, automl_command
from user_files import SPACE

import automl


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a space and a finished study of it."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "pairs.py").write_text(SPACE)
    before = Path.cwd()
    os.chdir(folder)
    ended = automl_command("search", "pairs.py", "--workers", 0, "--study", "first", "--json", "--objective", "score")
    assert ended.code == 0, ended.err
    (folder / "first.json").write_text(ended.out)
    os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def read(*arguments, stdin=""):
    ended = automl_command(*arguments, stdin=stdin)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_search_writes_one_object_for_programs(folder):
    text = (folder / "first.json").read_text()
    assert len(text.splitlines()) == 1
    found = json.loads(text)
    assert found["study"] == "first"
    assert found["trials"] == 30 == sum(found["outcomes"].values())
    assert set(found["outcomes"]) == {"miss", "hit", "partial", "joined", "failed"}
    assert found["evaluations"] == found["outcomes"]["miss"]
    assert found["seconds"] > 0
    assert set(found["best"]) >= {"candidate", "fitness", "test"}
    assert set(found["ri"]) >= {"value", "low", "high"}
    assert set(found["gain_over_random_search"]) >= {"value", "low", "high"}
    assert Path(found["html"]).is_file()


def test_search_without_json_ends_by_naming_the_report():
    ended = automl_command(
        *("search", "pairs.py:Pairs", "--workers", 0, "--objective", "score", "--trials", 12, "--html", "mine.html"),
        *("--set", "population=5", "--set", "strategy.tournament=2", "--seed", 3),
    )
    assert ended.code == 0, ended.err
    assert ended.out.strip().splitlines()[-1] == f"Report: {Path('mine.html').resolve()}"
    assert "<html" in Path("mine.html").read_text().lower()
    names = [item["name"] for item in read("studies", "--json")]
    assert "pairs-Pairs-1" in names
    study = automl.Study.open("pairs-Pairs-1")
    assert study.settings["strategy"]["settings"]["population"] == 5
    assert study.settings["strategy"]["settings"]["tournament"] == 2
    study.close()


def test_a_search_for_programs_ends_with_the_winner_explained_and_as_a_file(tmp_path):
    few = ("--trials", 40, "--no-baseline", "--finalists", 1, "--test-seeds", 1, "--sample", 2, "--until", 0.9999)
    given = (*few, "--storage", f"sqlite:///{tmp_path / 'programs.db'}", "--html", tmp_path / "report.html")
    ended = automl_command("search", "automl-zero-linear", "--study", "small", *given)
    assert ended.code == 0, ended.err
    path = tmp_path / "automl-best-small.py"
    lines = ended.out.splitlines()
    assert f"The winner in Python: {path}" in lines
    first = lines.index("The winner, without what changes nothing:")
    assert lines[first + 1] == "setup:"
    assert "learn:" in lines[first:]
    found = {}
    exec(compile(path.read_text(), str(path), "exec"), found)
    assert "class Algorithm" in path.read_text()
    assert found["FEATURES"] == 4
    assert read("search", "automl-zero-linear", "--study", "small", *given, "--json")["source"] == str(path)


def test_the_same_command_again_pays_for_nothing_and_says_the_same(folder):
    again = read("search", "pairs.py", "--workers", 0, "--study", "first", "--json", "--objective", "score")
    once = json.loads((folder / "first.json").read_text())
    for name in ("trials", "evaluations", "outcomes", "best", "ri", "verdict"):
        assert again[name] == once[name]


def test_candidates_from_a_file_come_first():
    Path("known.jsonl").write_text('{"x":1,"y":2,"word":"plus"}\n\n{"x":9,"y":9,"word":"plus"}\n')
    found = read(
        *("search", "pairs.py", "--workers", 0, "--objective", "score", "--trials", 10, "--study", "known"),
        *("--enqueue", "known.jsonl", "--no-baseline", "--json"),
    )
    assert found["best"]["candidate"] == {"x": 9, "y": 9, "word": "plus"}
    study = automl.Study.open("known")
    assert [trial.origin for trial in study.trials()][:3] == ["enqueued", "enqueued", "sample"]
    study.close()


def test_a_search_begins_from_a_study_that_is_named():
    few = ("--workers", 0, "--objective", "score", "--trials", 8, "--no-baseline", "--sample", 2, "--json")
    read("search", "pairs.py", "--study", "ten", *few)
    found = read("search", "pairs.py", "--study", "new", *few, "--begin-from", "ten", "--begin-from", "ten")
    assert found["begun"]["known"] == found["begun"]["told"] > 0
    cold = read("search", "pairs.py", "--study", "cold", *few, "--begin-from", "none")
    assert cold["begun"] is None
    refused = automl_command("search", "pairs.py", "--study", "other", *few, "--begin-from", "gone")
    assert refused.code == 2
    assert "there is no study 'gone' in this database" in refused.err


def test_resume_takes_a_larger_budget():
    automl_command("search", "pairs.py", "--workers", 0, "--study", "small", "--objective", "score", "--trials", 8)
    assert read("resume", "small", "--workers", 0, "--trials", 20, "--json")["trials"] == 20
    assert read("resume", "small", "--workers", 0, "--json")["trials"] == 20
    refused = automl_command("resume", "small", "--workers", 0, "--trials", 10)
    assert refused.code == 2
    assert "trials=10 is less than the study's 20" in refused.err


def test_baseline_samples_uniformly():
    found = read(
        "baseline", "pairs.py", "-n", 9, "--workers", 0, "--objective", "score", "--study", "average", "--json"
    )
    assert found["drawn"] == 9
    study = automl.Study.open("average")
    assert {trial.origin for trial in study.trials()} == {"sample"}
    study.close()


def test_report_compares_shows_and_writes():
    whole = read("report", "first", "--json")
    assert whole["study"] == "first"
    shown = automl_command("report", "first", "--html", "again.html")
    assert shown.code == 0
    assert "first" in shown.out
    assert Path("again.html").is_file()
    automl_command("search", "pairs.py", "--workers", 0, "--study", "second", "--objective", "score", "--seed", 5)
    assert isinstance(read("report", "first", "second", "--json"), dict)
    Path("results.csv").write_text(
        "dataset,method,kind,run,acc\n"
        + "".join(f"c10,ours,method,{run},{93 + run / 10}\nc10,ours,random,{run},{92 + run / 10}\n" for run in range(4))
    )
    results = automl_command("report", "--results", "results.csv")
    assert results.code == 0, results.err
    assert "c10" in results.out


def test_studies_lists_what_is_stored():
    found = {item["name"]: item for item in read("studies", "--json")}
    assert found["first"]["kind"] == "search"
    assert found["first"]["state"] == "finished"
    assert found["first/random"]["kind"] == "baseline"
    assert found["first/test"]["kind"] == "test"
    assert "first/random" in automl_command("studies").out


@pytest.mark.parametrize(
    ("command", "name"),
    [("spaces", "nasbench201"), ("strategies", "regularized_evolution"), ("evaluators", "classification")],
)
def test_what_is_registered_is_listed(command, name):
    rows = {row["name"]: row for row in read(command, "--json")}
    assert rows[name]["about"]
    assert name in automl_command(command).out
    if command == "strategies":
        assert rows[name]["settings"]["population"] == 100
    if command == "evaluators":
        assert rows[name]["metrics"]["accuracy"] == "maximize"


def test_check_finds_a_sound_space_sound_and_names_what_is_not_seen():
    sound = read("check", "pairs.py", "--json")
    assert sound["sound"]
    assert sound["size"] == 200
    Path("blind.py").write_text(
        "import torch\nfrom automl import Choice, Space\n"
        "class Blind(Space):\n    width = Choice(2, 4)\n    lr = Choice(0.1, 0.2)\n"
        "    def build(self, c):\n"
        "        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, c.width))\n"
    )
    seen = ("--evaluator", "classification", "--task", "digits")
    blind = automl_command("check", "blind.py", *seen)
    assert blind.code == 2
    assert "'lr'" in blind.out
    assert "width" not in blind.out
    assert json.loads(automl_command("check", "blind.py", *seen, "--json").out)["unseen"] == ["lr"]


def test_check_says_where_nothing_is_hashed():
    Path("shapeless.py").write_text(
        "import torch\nfrom automl import Choice, Space\n"
        "class Shapeless(Space):\n    width = Choice(2, 4)\n"
        "    def build(self, c):\n        return torch.nn.Linear(64, c.width)\n"
    )
    ended = automl_command("check", "shapeless.py", "--samples", 8)
    said = ended.out.splitlines()[-1]
    assert ended.code == 2
    assert said.startswith("not sound: 8 of 8 candidates are keyed by their JSON")
    assert "--evaluator NAME" in said
    assert json.loads(automl_command("check", "shapeless.py", "--samples", 8, "--json").out)["by_json"] == 8
    assert automl_command("check", "pairs.py").out.splitlines()[-1] == "sound"


NETWORK = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
DEAD = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|none~2|"


def test_hash_writes_one_key_a_line_in_order():
    lines = [json.dumps(text) for text in (NETWORK, DEAD, NETWORK)]
    ended = automl_command("hash", "nasbench201", stdin="\n".join(lines) + "\n")
    assert ended.code == 0, ended.err
    keys = ended.out.splitlines()
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)
    assert keys[0] == keys[2] != keys[1]
    Path("cells.jsonl").write_text("\n".join(lines))
    assert automl_command("hash", "nasbench201", "--input", "cells.jsonl").out.splitlines() == keys
    assert automl_command("hash", "nasbench201", "--input", "-", stdin=lines[1]).out.splitlines() == [keys[1]]
    assert automl_command("hash", "nasbench201", stdin="").out == ""


def test_features_are_equal_for_equal_functions_and_printed_by_name():
    one = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"
    same = "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|"
    Path("cells.jsonl").write_text("".join(f"{json.dumps(text)}\n" for text in (one, same)))
    printed = read("features", "nasbench201", "--input", "cells.jsonl", "--json")
    assert [row["candidate"] for row in printed] == [one, same]
    assert printed[0]["key"] == printed[1]["key"]
    assert printed[0]["features"] == printed[1]["features"]
    assert printed[0]["features"]["shape"]["depth"] == 1.0
    table = automl_command("features", "nasbench201", "--samples", "3").out
    assert "parameters" in table
    assert len(table.splitlines()) >= 4
    curves = automl_command("features", "activation", "--samples", "3").out
    assert "values" in curves
    assert "has no features" in automl_command("features", "hpolib", "--samples", "2").out


def test_explain_says_whether_two_candidates_are_equal():
    Path("a.json").write_text(json.dumps(NETWORK))
    Path("b.json").write_text(json.dumps(DEAD))
    differs = automl_command("explain", "nasbench201", "a.json", "b.json", "--html", "difference.html")
    assert differs.code == 0, differs.err
    assert Path("difference.html").is_file()
    same = automl_command("explain", "nasbench201", "a.json", "a.json")
    assert same.code == 0
    assert same.out != differs.out


def test_the_cache_is_counted_audited_exported_imported_and_pruned():
    found = read("cache", "stats", "--json")
    assert "first" in json.dumps(found)
    assert automl_command("cache", "stats").code == 0
    assert automl_command("cache", "audit", "--study", "first").code == 0
    assert automl_command("cache", "export", "cache.jsonl.gz").code == 0
    imported = automl_command("cache", "import", "cache.jsonl.gz", "--storage", "sqlite:///colleague.db")
    assert imported.code == 0, imported.err
    theirs = read("cache", "stats", "--storage", "sqlite:///colleague.db", "--json")
    assert replicates(theirs) == replicates(found) > 0
    prune = ("cache", "prune", "--storage", "sqlite:///colleague.db", "--older-than-days", 0, "--json")
    dry = read(*prune, "--dry-run")
    assert read("cache", "stats", "--storage", "sqlite:///colleague.db", "--json")["contexts"] == theirs["contexts"]
    assert read(*prune)["evaluations"] == dry["evaluations"] == replicates(theirs)
    assert replicates(read("cache", "stats", "--storage", "sqlite:///colleague.db", "--json")) == 0


def test_an_audit_of_a_study_of_several_runs_is_of_all_of_them():
    sums = "    def behaviour(self, c):\n        return Function(lambda a: a * (c.x + c.y), 1)\n\n    defaults"
    source = SPACE.replace("    defaults", sums).replace("Choice, Integer", "Choice, Function, Integer")
    Path("sums.py").write_text(source)
    options = ("--trials", 60, "--workers", 0, "--audit-probability", 0.5, "--no-baseline", "--objective", "score")
    ended = automl_command("search", "sums.py", "--repeats", 2, "--study", "twice", *options)
    assert ended.code == 0, ended.err
    each = [read("cache", "audit", "--study", f"twice/{run}", "--json")["audited"] for run in (1, 2)]
    assert all(each)
    assert read("cache", "audit", "--study", "twice", "--json")["audited"] == sum(each)
    gone = automl_command("cache", "audit", "--study", "twise")
    assert gone.code == 2
    assert "did you mean" in gone.err


def replicates(found):
    return sum(item["replicates"] for item in found["contexts"])


def test_the_schema_is_shown_and_brought_up_to_date():
    assert read("db", "current", "--json")["current"] == read("db", "current", "--json")["head"]
    assert automl_command("db", "upgrade").code == 0
    assert automl_command("db", "upgrade", "--storage", "sqlite:///new.db").code == 0
    assert Path("new.db").is_file()


def test_help_has_an_example_for_every_command():
    top = automl_command("--help").out
    commands = re.findall(r"^  ([a-z]+)  ", top, re.M)
    assert set(commands) >= {
        *("search", "resume", "baseline", "report", "check", "hash", "explain"),
        *("studies", "spaces", "strategies", "evaluators", "cache", "db"),
    }
    for command in commands:
        if command not in ("cache", "db"):
            assert "Example: automl " in automl_command(command, "--help").out, command
    for command in (
        "cache stats",
        "cache audit",
        "cache export",
        "cache import",
        "cache rekey",
        "cache prune",
        "db upgrade",
        "db current",
    ):
        assert "Example: automl " in automl_command(*command.split(), "--help").out, command


def test_repeats_are_one_object_for_programs_and_one_report_for_people():
    ask = ("search", "pairs.py", "--workers", 0, "--objective", "score", "--trials", 12, "--study", "many")
    found = read(*ask, "--repeats", 3, "--json")
    assert found["study"] == "many"
    assert Path(found["html"]).name == "automl-report-many.html"
    assert Path(found["html"]).is_file()
    assert [one["study"] for one in found["studies"]] == ["many/1", "many/2", "many/3"]
    assert [method["runs"] for method in found["methods"]] == [3]
    again = read("report", "many", "--json")
    assert again == {name: value for name, value in found.items() if name not in ("html", "source")}
    assert {"many/1", "many/2", "many/3"} <= {item["name"] for item in read("studies", "--json")}
    one = automl_command("resume", "many/2", "--workers", 0)
    assert one.code == 0, one.err
    assert Path("automl-report-many-2.html").is_file()
    both = read("report", "many", "first", "--json")
    assert len(both["studies"]) == 4
    warm = automl_command(*ask[:-1], "warm", "--repeats", 2, "--warm-cache")
    assert warm.code == 0, warm.err
    assert "share a cache" in warm.out


def test_ctrl_c_during_repeats_says_how_to_go_on_with_all(tmp_path, folder):
    url = f"sqlite:///{tmp_path / 'stopped.db'}"
    err = interrupted(folder / "pairs.py", url, "both/2", "--trials", "30", "--repeats", "2", "--study", "both")
    assert err.strip() == f"automl: stopped; what had finished is kept. Go on with: automl resume both --storage {url}"
    ended = automl_command(*err.strip().rpartition("automl ")[2].split(), "--workers", 0, "--json")
    assert ended.code == 0, ended.err
    assert [one["trials"] for one in json.loads(ended.out)["studies"]] == [30, 30]


def test_ctrl_c_stops_cleanly_says_how_to_resume_and_resume_works(tmp_path, folder):
    url = f"sqlite:///{tmp_path / 'stopped.db'}"
    err = interrupted(folder / "pairs.py", url, "mine", "--trials", "400", "--study", "mine")
    assert err.strip() == f"automl: stopped; what had finished is kept. Go on with: automl resume mine --storage {url}"
    stopped = automl.Study.open("mine", url)
    done = [(trial.number, trial.candidate, trial.fitness) for trial in stopped.trials()]
    stopped.close()
    assert 5 <= len(done) < 400
    ended = automl_command(*err.strip().rpartition("automl ")[2].split(), "--workers", 0, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["trials"] == 400
    study = automl.Study.open("mine", url)
    assert [(trial.number, trial.candidate, trial.fitness) for trial in study.trials()][: len(done)] == done
    study.close()


def test_how_to_go_on_is_said_without_the_password(tmp_path, postgres_url):
    stopping = SPACE.replace(
        "def rate(candidate, seed):\n", "def rate(candidate, seed):\n    os.kill(os.getpid(), 2)\n"
    )
    (tmp_path / "stopping.py").write_text(stopping)
    ended = automl_command(
        "search", tmp_path / "stopping.py", "--workers", 0, "--objective", "score", "--storage", postgres_url
    )
    assert ended.code == 130, ended.err
    assert "automl resume stopping-1 --storage postgresql+psycopg://automl:***@127.0.0.1" in ended.err
    assert "secret" not in ended.out + ended.err


def interrupted(file, url, watched, *options):
    """Searches until a study has a few trials, presses Ctrl-C, and returns what the program says in the end."""
    command = [PROGRAM, "search", file, "--workers", "0", "--objective", "score", "--storage", url, "--no-baseline"]
    process = subprocess.Popen(
        [*map(str, command), *options],
        cwd=Path(url.removeprefix("sqlite:///")).parent,
        env=os.environ | {"AUTOML_TEST_SECONDS": "0.05"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        await_trials(url, 5, study=watched)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in out + err
    return err


def await_trials(url, count, seconds=60, study="mine"):
    """Waits until so many trials are recorded."""
    path = url.removeprefix("sqlite:///")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.path.exists(path):
            try:
                opened = automl.Study.open(study, url)
            except automl.InvalidInput:  # not there yet
                pass
            else:
                found = opened.store.find(study).trials
                opened.close()
                if found >= count:
                    return
        time.sleep(0.1)
    raise AssertionError(f"no {count} trials within {seconds} s")


# --- help, and files that are not overwritten ------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["search", "baseline", "resume"])
def test_help_groups_options_under_headings(command):
    text = automl_command(command, "--help").out
    headings = [line[:-1] for line in text.splitlines() if re.fullmatch("[A-Z][a-z]+:", line)]
    wanted = ["Budget", "Search", "Cache", "Evidence", "Workers", "Storage", "Output"]
    assert headings == (wanted if command != "resume" else ["Budget", "Workers", "Storage", "Output"])
    assert text.index("--trials" if command != "baseline" else "-n N") < text.index("--workers") < text.index("--json")
    assert text.strip().splitlines()[-1].strip().startswith(("Example: automl", "--storage sqlite:///mine.db"))
    words = " ".join(text.split())
    assert "[default: sqlite:///automl.db]" in words
    if command == "search":
        assert "[default: 3; 1 or more]" in words  # finalists
        assert "[default: 0.0; between 0 and 1]" in words  # audit probability
        assert "one per core, or this process for evaluators under a millisecond" in words
    if command != "resume":
        assert "automl-report-STUDY-2.html" in words


def test_no_help_shows_a_mark_of_its_layout():
    commands = re.findall(r"^  ([a-z]+)  ", automl_command("--help").out, re.M)
    for words in [[], *([name] for name in commands), ["cache", "prune"], ["db", "upgrade"]]:
        assert "\\b" not in automl_command(*words, "--help").out, words
    lines = automl_command("--help").out.splitlines()
    assert "  automl check my_space.py              a space's own faults" in lines  # not wrapped into a paragraph


def test_a_study_s_files_replace_its_own_and_nobody_else_s(tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.py").write_text(SPACE)
    report, second = tmp_path / "automl-report-mine.html", tmp_path / "automl-report-mine-2.html"
    report.write_text("a letter to a friend")
    few = ("search", "pairs.py", "--workers", 0, "--objective", "score", "--trials", 6, "--no-baseline", "--sample", 2)
    first = read(*few, "--study", "mine", "--json")
    assert report.read_text() == "a letter to a friend"
    assert Path(first["html"]).resolve() == second
    before = second.read_text()
    assert Path(read("resume", "mine", "--workers", 0, "--trials", 9, "--json")["html"]).resolve() == second
    assert second.read_text() != before  # the study's own, brought up to date
    elsewhere = read(*few, "--study", "mine", "--json", "--storage", "sqlite:///other.db")
    assert Path(elsewhere["html"]).name == "automl-report-mine-3.html"
    named = read("resume", "mine", "--workers", 0, "--json", "--html", "automl-report-mine.html")
    assert Path(named["html"]).resolve() == report  # asked for by name
    assert "a letter" not in report.read_text()


def test_a_winner_s_file_replaces_its_own_and_nobody_else_s(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "automl-best-small.py"
    path.write_text("mine = 1\n")
    few = ("--trials", 40, "--no-baseline", "--finalists", 1, "--test-seeds", 1, "--sample", 2, "--study", "small")
    first = read("search", "automl-zero-linear", *few, "--until", 0.9999, "--json")
    assert path.read_text() == "mine = 1\n"
    assert Path(first["source"]).name == "automl-best-small-2.py"
    compile(Path(first["source"]).read_text(), first["source"], "exec")
    assert read("search", "automl-zero-linear", "--study", "small", "--json")["source"] == first["source"]


def test_a_larger_budget_is_taken_by_search_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.py").write_text(SPACE)
    few = ("search", "pairs.py", "--workers", 0, "--study", "mine")
    assert automl_command(*few, "--objective", "score", "--trials", 6, "--no-baseline", "--sample", 2).code == 0
    more = automl_command(*few, "--trials", 9)
    assert more.code == 0, more.err
    assert "Study mine goes on with a larger budget: trials 9 instead of 6." in " ".join(more.out.split())
    refused = automl_command(*few, "--trials", 8)
    assert refused.code == 2
    assert "trials=8 is less than the study's 9; a budget can only grow" in refused.err
