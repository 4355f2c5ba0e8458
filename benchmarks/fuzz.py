"""Feeds the command line what nobody should: no traceback, no hang, and nothing written after a refusal.

    python benchmarks/fuzz.py --minutes 10

Each round takes one kind of input (arguments, candidates, results, settings, an exported cache, a database file),
spoils it and runs a command on it in this process, in a folder of its own. It counts as a find when the command raises
anything but an exit, ends with another code than 0, 1 or 2, says nothing or a page of it when it refuses, takes longer
than `LIMIT_SECONDS`, or changes a file although it refused. Finds are written to `fuzz_corpus/found-*.json`, which
`tests/cases/test_foreign_corpus.py` runs again: mend the fault, and keep the file.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gzip
import hashlib
import io
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).with_name("fuzz_corpus")
LIMIT_SECONDS = 60
LONGEST_REFUSAL = 1000
FOUND_LATER = ("there is no metric", "no trial so far returned the metric")
"""Refusals that need evaluations to be seen: what was evaluated stays."""

TASK = """
from automl import Choice, Integer, Real, Space

class S(Space):
    x = Integer(0, 9)
    word = Choice("a", "b")
    rate = Real(1e-3, 1.0, log=True)

def rate(candidate, seed):
    return {"score": candidate.x + candidate.rate, "other": float(candidate.x)}
"""
QUICK = ["--workers", "0", "--trials", "4", "--no-baseline", "--finalists", "1", "--confirm", "1", "--no-dashboard"]
SEARCH = ["search", "task.py:S", "--evaluator", "task.py:rate", "--objective", "score"]


class Hang(BaseException):
    """The command took too long. Not an Exception, so that nobody swallows it."""


@dataclass
class Case:
    """One command, the files that it finds in its folder, and its standard input."""

    arguments: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    stdin: bytes = b""

    def to_json(self) -> dict[str, Any]:
        files = {name: base64.b64encode(data).decode() for name, data in self.files.items()}
        arguments = [one.encode(errors="surrogateescape").decode("latin-1") for one in self.arguments]
        return {"arguments": arguments, "files": files, "stdin": base64.b64encode(self.stdin).decode()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Case:
        files = {name: base64.b64decode(text) for name, text in data["files"].items()}
        arguments = [one.encode("latin-1").decode(errors="surrogateescape") for one in data["arguments"]]
        return cls(arguments, files, base64.b64decode(data["stdin"]))


def run(case: Case) -> str:
    """Runs a case and returns what is wrong with how it ended; empty where nothing is."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("task.py").write_text(TASK)
            for name, data in case.files.items():
                Path(name).write_bytes(data)
            return _run(case, Path(folder))
        finally:
            os.chdir(before)


def _run(case: Case, folder: Path) -> str:
    from automl.cli import main

    kept = _content(folder)
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    stdin = io.TextIOWrapper(io.BytesIO(case.stdin), encoding="utf-8")
    saved = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["automl", *case.arguments], stdin
    signal.signal(signal.SIGALRM, _ring)
    signal.alarm(LIMIT_SECONDS)
    code: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            main()
    except SystemExit as end:
        code = end.code or 0
    except Hang:
        return f"hangs for {LIMIT_SECONDS} s"
    except BaseException:
        return f"raises: {traceback.format_exc()[-1500:]}"
    finally:
        signal.alarm(0)
        sys.argv, sys.stdin = saved
    for stream in (out, err):
        stream.flush()
    said = err.buffer.getvalue().decode(errors="replace").strip()  # type: ignore[attr-defined]
    if code not in (0, 1, 2):
        return f"ends with {code!r}"
    last = said.splitlines()[-1] if said else ""
    if code == 2 and "check" not in case.arguments[:1]:
        if not last or len(last) > LONGEST_REFUSAL:
            return f"refuses with {len(last)} characters: {last[:300]}"
        if _content(folder) != kept and not any(words in last for words in FOUND_LATER):
            return f"writes after a refusal: {last[:300]}"
    if code == 1 and not last:
        return "fails without a word"
    return ""


def _ring(*_: object) -> None:
    raise Hang


def _content(folder: Path) -> dict[str, str]:
    """Returns a digest of every file but the logs that SQLite keeps beside a database while it is open."""
    return {
        str(path.relative_to(folder)): hashlib.blake2s(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm")) and "__pycache__" not in path.parts
    }


# --- what is spoiled, and how --------------------------------------------------------------------------------------

ODD = [
    *(None, True, False, 0, -1, 1, 2, 7, 1.5, -0.0, 1e308, -1e308, 5e-324, 1 << 31, 1 << 63, 10**30),
    *(
        "",
        " ",
        "x",
        "0",
        "9.0",
        "NaN",
        "\x00",
        "\x1b[31m",
        "\u202e",
        "ß",
        "日本",
        "[bold]",
        "=1+1",
        "../x",
        "a/b",
        "{}",
        "%s",
    ),
    *(
        "'; DROP TABLE study; --",
        "x" * 5000,
        "Infinity",
        [],
        [[]],
        {},
        {"a": 1},
        {"": None},
        [1, "a", None],
        {"kind": "S"},
    ),
]
BYTES = [
    *(
        b"",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\r\n",
        b"\n\n",
        b"\t",
        b'"',
        b"'",
        b"{",
        b"}",
        b",",
        b";",
        b":",
    ),
    *(b"NaN", b"1e999", b"-", b"null", b"\\ud800", b"\x1b[2J", b"\xfc"),
    *(b"[" * 300, b"]" * 300, b"9" * 400, b"x" * 3000),
]


def spoiled_bytes(data: bytes, rng: random.Random) -> bytes:
    """Returns data with one to three small things wrong."""
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data) + 1)
        length = rng.choice([0, 1, 1, 2, 5, 40])
        how = rng.randrange(5)
        if how == 0:
            data = data[:place] + rng.choice(BYTES) + data[place + length :]
        elif how == 1:
            data = data[:place]
        elif how == 2:
            data = data[:place] + bytes(rng.randrange(256) for _ in range(length)) + data[place + length :]
        elif how == 3:
            data = data[:place] + data[place : place + 40] * rng.choice([2, 3, 50]) + data[place + 40 :]
        else:
            data = data[:place] + data[place + length :]
    return data


def spoiled_json(value: Any, rng: random.Random) -> Any:
    """Returns a JSON value with one node replaced, removed or added."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(list(value))
        how = rng.random()
        if how < 0.15:
            return {other: item for other, item in value.items() if other != name}
        if how < 0.25:
            return {**value, str(rng.choice(ODD)): rng.choice(ODD)}
        return {**value, name: spoiled_json(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        how = rng.random()
        if how < 0.15:
            return value[:place] + value[place + 1 :]
        if how < 0.3:
            return [*value, value[place]]
        return [*value[:place], spoiled_json(value[place], rng), *value[place + 1 :]]
    return rng.choice(ODD)


def spoiled_text(text: str, rng: random.Random) -> bytes:
    """Returns the lines of a text, some JSON among them spoiled as JSON, the rest as bytes."""
    lines = text.splitlines()
    place = rng.randrange(len(lines))
    if rng.random() < 0.5:
        with contextlib.suppress(ValueError):
            lines[place] = json.dumps(spoiled_json(json.loads(lines[place]), rng), ensure_ascii=rng.random() < 0.5)
            return "\n".join(lines).encode(errors="surrogatepass")
    data = "\n".join(lines).encode()
    if rng.random() < 0.1:
        return data.decode().encode(rng.choice(["utf-16", "utf-8-sig", "utf-32", "utf-16-le"]))
    return spoiled_bytes(data, rng)


CANDIDATES = {
    "activation": '"x * sigmoid(x)"\n"tanh(x) + 0.1 * x"\n"max(x, 0)"\n',
    "loss": '"-(t * log(p))"\n"(t - p) ** 2"\n',
    "nasbench201": '"|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"\n',
    "nasbench101": json.dumps(
        {"matrix": [[0, 1, 1], [0, 0, 1], [0, 0, 0]], "operations": ["input", "conv3x3-bn-relu", "output"]}
    )
    + "\n",
    "macro": '"02120112"\n',
    "darts": json.dumps(
        {
            "normal": [[["sep_conv_5x5", 1], ["skip_connect", 0]]] * 4,
            "reduce": [[["max_pool_3x3", 0], ["sep_conv_3x3", 1]]] * 4,
        }
    )
    + "\n",
    "task.py:S": '{"x": 3, "word": "a", "rate": 0.1}\n{"x": 0, "word": "b", "rate": 0.01}\n',
}
RESULTS = (
    "dataset,method,kind,run,acc\nd,m,method,0,97.1\nd,m,method,1,97.2\n"
    "d,m,random,0,95.5\nd,m,random,1,96\nd,,random,2,nan\n"
)
SETTINGS = [
    *("population=5", "tournament=2", "strategy.population=[1]", 'x={"a": 1}', "sampler=tpe", "evaluator.epochs=3"),
    *("objectives=score:maximize,other:minimize", "constraints=other<5", "space.x=1"),
]
OPTIONS = {
    "--study": ["s", "a/b", "", "x" * 300, "[red]", "\x1b", "=1", "\udce9"],
    "--seed": ["0", "-1", "1e3", "99999999999999999999", "x"],
    "--window": ["1", "0", "-5", "1000000", "x"],
    "--replicates": ["1", "0", "3", "-1"],
    "--objective": ["score", "other", "nothing", "", "[b]"],
    "--direction": ["maximize", "minimize", "up"],
    "--strategy": ["random", "local_search", "nsga2", "optuna", "successive_halving", "nothing", "task.py:S"],
    "--evaluator": ["task.py:rate", "task.py:nothing", "nothing", "task.py", "classification", "C:\\a.py:b"],
    "--task": ["digits", "nothing", ""],
    "--namespace": ["a", "", "x" * 2000, "\x1b", "%"],
    "--audit-probability": ["0.5", "2", "nan", "-1"],
    "--forget-probability": ["0.5", "2", "inf"],
    "--on-duplicate": ["serve", "vary", "x"],
    "--until": ["1", "nan", "inf", "-1e308", "x"],
    "--sample": ["2", "8", "0", "-3"],
    "--test-seeds": ["1", "0", "3"],
    "--front": ["0", "3", "-1"],
    "--timeout": ["5", "0", "-1", "nan"],
    "--storage": ["sqlite:///a.db", "sqlite:///no/a.db", "sqlite:///task.py", "", "mysql://a/b", "sqlite://"],
    "--html": ["r.html", "no/r.html", ".", "/proc/x.html", "x" * 300, ""],
    "--json": [None],
    "--set": SETTINGS,
    "--simulated-workers": ["2", "0", "-1"],
    "--checkpoints": ["c", ""],
    "--bogus": ["x"],
}  # fmt: skip


def arguments(rng: random.Random, state: State) -> Case:
    command = rng.choice(
        [
            "search",
            "search",
            "report",
            "studies",
            "check",
            "explain",
            "hash",
            "cache",
            "db",
            "resume",
            "baseline",
            "spaces",
        ]
    )
    given: list[str] = []
    for name in rng.sample(list(OPTIONS), rng.randint(0, 4)):
        value = rng.choice(OPTIONS[name])
        given += (
            [name] if value is None else [name, value if rng.random() < 0.8 else str(rng.choice(ODD)).replace("\0", "")]
        )
    files = {"a.json": b'{"x": 1, "word": "a", "rate": 0.1}', "b.json": b'{"x": 2, "word": "b", "rate": 0.1}'}
    if command in ("search", "baseline"):
        own = [*SEARCH[1:]] if rng.random() < 0.8 else [str(rng.choice(ODD)).replace("\0", "")]
        start = [command, *own, *([] if command == "search" else ["-n", "8"])]
        quick = QUICK if command == "search" else ["--workers", "0"]
        return Case([*start, *given, *quick], files)
    if command == "hash":
        return Case([command, rng.choice(list(CANDIDATES)), *given], files, spoiled_bytes(b'"x"\n', rng))
    if command in ("report", "resume"):
        name = rng.choice(["s", "nothing", "", "s/test", "s/random", "[red]", "\udce9"])
        return Case([command, name, *given], {**files, "automl.db": state.database})
    if command == "cache":
        word = rng.choice(["stats", "audit", "export", "prune", "import", "nothing"])
        extra = [rng.choice(["x.gz", ".", "/proc/x.gz", "no/x.gz"])] if word in ("export", "import") else []
        flags = rng.sample(
            ["--failed", "--dry-run", "--context", "1", "--older-than-days", "nan", "--study", "s", "--metric", "x"], 3
        )
        return Case([command, word, *extra, *flags, *given], {**files, "automl.db": state.database})
    if command == "explain":
        return Case([command, "task.py:S", "a.json", rng.choice(["b.json", "no.json", "."]), *given], files)
    if command == "db":
        return Case([command, rng.choice(["current", "upgrade", "x"]), *given], {**files, "automl.db": state.database})
    target = ["task.py:S"] if command == "check" else []
    return Case([command, *target, *given], {**files, "automl.db": state.database})


def candidates(rng: random.Random, _: State) -> Case:
    space, text = rng.choice(list(CANDIDATES.items()))
    data = spoiled_text(text, rng)
    how = rng.randrange(3)
    if how == 0:
        return Case(["hash", space], {}, data)
    if how == 1:
        return Case(["hash", space, "--input", "c.jsonl"], {"c.jsonl": data})
    data = spoiled_text(CANDIDATES["task.py:S"], rng)
    return Case([*SEARCH, "--enqueue", "c.jsonl", *QUICK], {"c.jsonl": data})


def explained(rng: random.Random, _: State) -> Case:
    good = CANDIDATES["task.py:S"].splitlines()[0]
    return Case(
        ["explain", "task.py:S", "a.json", "b.json"], {"a.json": good.encode(), "b.json": spoiled_text(good, rng)}
    )


def results(rng: random.Random, _: State) -> Case:
    html = ["--html", "r.html"] if rng.random() < 0.2 else []
    return Case(
        ["report", "--results", "r.csv", *html, *(["--json"] if rng.random() < 0.5 else [])],
        {"r.csv": spoiled_text(RESULTS, rng)},
    )


def settings(rng: random.Random, _: State) -> Case:
    pair = spoiled_bytes(rng.choice(SETTINGS).encode(), rng).replace(b"\0", b"")
    if rng.random() < 0.5:
        name = rng.choice(["population", "tournament", "objectives", "constraints", "sampler", "epochs", "x"])
        pair = f"{name}={json.dumps(spoiled_json(rng.choice(ODD), rng))}".replace("\0", "").encode(errors="replace")
    strategy = rng.choice(
        ["regularized_evolution", "nsga2", "optuna", "successive_halving", "local_search", "elitist_evolution"]
    )
    return Case([*SEARCH, "--strategy", strategy, "--set", pair.decode(errors="surrogateescape"), *QUICK])


def imports(rng: random.Random, state: State) -> Case:
    if rng.random() < 0.2:
        data = spoiled_bytes(state.export, rng)
    else:
        data = gzip.compress(spoiled_text(gzip.decompress(state.export).decode(), rng), 1)
    return Case(["cache", "import", "x.gz", "--storage", "sqlite:///b.db"], {"x.gz": data})


def databases(rng: random.Random, state: State) -> Case:
    data = bytearray(state.database)
    for _ in range(rng.choice([1, 1, 3, 30])):
        place = rng.randrange(len(data)) if rng.random() < 0.8 else rng.randrange(100)
        data[place] = rng.randrange(256)
    if rng.random() < 0.2:
        del data[rng.randrange(len(data)) :]
    commands = [
        "report s",
        "report s --json",
        "studies",
        "cache stats",
        "cache export x.gz",
        "db current",
        "db upgrade",
    ]
    command = rng.choice([*commands, "cache audit --study s", "cache prune --failed"]).split()
    return Case(command, {"automl.db": bytes(data)})


KINDS: dict[str, Callable[[random.Random, State], Case]] = {
    "arguments": arguments,
    "candidates": candidates,
    "explain": explained,
    "results": results,
    "settings": settings,
    "imports": imports,
    "databases": databases,
}


@dataclass
class State:
    """What is spoiled and has to be made first: a database with one study, and its exported cache."""

    database: bytes
    export: bytes


def prepared() -> State:
    """Runs one small search, and exports its cache."""
    before = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        os.chdir(folder)
        try:
            Path("task.py").write_text(TASK)
            for command in (
                [*SEARCH, "--study", "s", *QUICK, "--set", "population=2", "--set", "tournament=2"],
                ["cache", "export", "x.gz"],
            ):
                with contextlib.suppress(SystemExit):
                    sys.argv = ["automl", *command]
                    from automl.cli import main

                    main()
            return State(Path("automl.db").read_bytes(), Path("x.gz").read_bytes())
        finally:
            os.chdir(before)


def corpus() -> Iterator[tuple[str, Case]]:
    """Yields what was found before, by name."""
    for path in sorted(CORPUS.glob("*.json")):
        yield path.stem, Case.from_json(json.loads(path.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=list(KINDS), action="append")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    kinds = options.kind or list(KINDS)
    counts: Counter[str] = Counter()
    finds: Counter[str] = Counter()
    for name, case in corpus():
        counts["corpus"] += 1
        if wrong := run(case):
            finds["corpus"] += 1
            print(f"corpus {name}: {wrong}")
    state = prepared()
    end = time.monotonic() + 60 * options.minutes
    number = 0
    while time.monotonic() < end:
        kind = kinds[number % len(kinds)]
        rng = random.Random(f"{options.seed} {number}")
        number += 1
        case = KINDS[kind](rng, state)
        counts[kind] += 1
        if wrong := run(case):
            finds[kind] += 1
            text = json.dumps(case.to_json())
            path = CORPUS / f"found-{kind}-{hashlib.blake2s(text.encode()).hexdigest()[:8]}.json"
            path.write_text(text + "\n")
            print(f"{path.name}: {' '.join(case.arguments)[:200]!r}: {wrong}", flush=True)
    for kind in sorted(counts):
        print(f"{kind:12} {counts[kind]:6} commands, {finds[kind]} finds")
    sys.exit(1 if finds else 0)


if __name__ == "__main__":
    main()
