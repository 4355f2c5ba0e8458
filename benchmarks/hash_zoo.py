"""The functional hash on models that nobody here wrote: keys, refusals, stability, time and memory.

    python benchmarks/hash_zoo.py [--minutes N] [--only PREFIX] [--passes key other rewritings beside] [--table]

The models are listed in `hash_zoo_models.jsonl`: tiny configurations of timm, transformers and others, in float32,
built offline. The first call makes a virtual environment in `.zoo` that sees the packages of this Python and installs
the extra `zoo` beside them; that is all that needs the registry of packages. Each model runs in a process of its own
with limits of processor time and memory. What is finished stands in `hash_zoo_results.jsonl` and is not run again;
`--afresh` begins anew.

Four passes: every model is hashed twice; in another process, with two threads and another seed of Python's hashes;
in each of its rewritings of `zoo_rewritings.py`; and models that share a key are given the same
weights and run in float64 on fresh inputs. Seconds are processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
MODELS, RESULTS = HERE / "hash_zoo_models.jsonl", HERE / "hash_zoo_results.jsonl"
ENVIRONMENT = ROOT / ".zoo"
PYTHON = ENVIRONMENT / "bin" / "python"
PASSES = {"key": (1, 0), "other": (2, 77), "rewritings": (1, 0), "beside": (1, 0)}
"""What is found in each pass over the models, with how many threads and which seed of Python's hashes."""

QUICK = 2.0
"""Models that take more seconds are neither hashed with other threads nor rewritten."""


def main() -> None:
    """Runs what is left and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many, and go on with the next call")
    parser.add_argument("--only", default="", help="models whose names begin so")
    parser.add_argument("--seconds", type=int, default=60, help="processor time for one model and pass")
    parser.add_argument("--passes", nargs="+", default=list(PASSES), choices=PASSES)
    parser.add_argument("--again", action="store_true", help="run models that had no key once more")
    parser.add_argument("--afresh", action="store_true", help="forget what is finished")
    parser.add_argument("--table", action="store_true", help="run nothing")
    given = parser.parse_args()
    if given.afresh:
        RESULTS.unlink(missing_ok=True)
    if not given.table:
        install()
        end = time.monotonic() + 60 * given.minutes
        for what in given.passes:
            run(what, given, end)
    table(results())


def install() -> None:
    """Makes the environment, once: this Python's packages, this repository, and the extra `zoo`."""
    done = ENVIRONMENT / "installed"
    if done.exists():
        return
    venv.create(ENVIRONMENT, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(ENVIRONMENT)}))
    here = [path for path in sys.path if path.endswith("site-packages")]
    (site / "shared.pth").write_text("\n".join([str(ROOT), *here]) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "--prefer-binary"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    subprocess.run([*pip, *extras["zoo"], "-c", str(ROOT / "constraints.txt")], check=True)
    done.touch()


def results() -> dict[str, dict[str, Any]]:
    """Returns what is known of each model, later lines over earlier ones."""
    found: dict[str, dict[str, Any]] = {}
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else ():
        row = json.loads(line)
        if row.get("what") == "key":
            found[row["name"]] = {}
        found.setdefault(row["name"], {}).update(row)
    return found


def run(what: str, given: argparse.Namespace, end: float) -> None:
    """Runs one pass over the models for which it is not finished; appends a line for each."""
    threads, seed = PASSES[what]
    known = results()
    names = [json.loads(line)["name"] for line in MODELS.read_text().splitlines()]
    if what == "beside":
        wanted = {name: first for name, first in _sharing(known) if "beside" not in known[name]}
    else:
        left = (name for name in names if name.startswith(given.only) and _is_left(what, known.get(name, {}), given))
        wanted = dict.fromkeys(left, "")
    if not wanted or time.monotonic() > end:
        return
    setting = {**os.environ, "PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": str(threads)}
    command = [str(PYTHON), str(HERE / "zoo_worker.py"), str(threads)]
    with (
        subprocess.Popen(command, env=setting, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker,
        RESULTS.open("a") as file,
    ):
        assert worker.stdin is not None
        assert worker.stdout is not None
        for place, name in enumerate(wanted):
            if time.monotonic() > end:
                break
            job = {"name": name, "what": what, "other": wanted[name], "seconds": given.seconds}
            print(json.dumps(job), file=worker.stdin, flush=True)
            row = json.loads(worker.stdout.readline())
            print(json.dumps(row), file=file, flush=True)
            said = row.get("refused") or row.get("broken") or row.get("ended") or row.get("error") or "ok"
            print(f"{what} {place + 1}/{len(wanted)} {name} {row.get('seconds', '')} {said}", flush=True)
        worker.stdin.close()


def _is_left(what: str, row: dict[str, Any], given: argparse.Namespace) -> bool:
    if what == "key":
        return not row or (given.again and "key" not in row)
    is_quick = "key" in row and row["seconds"] <= QUICK
    return is_quick and what not in row


def table(rows: dict[str, dict[str, Any]]) -> None:
    """Prints the figures."""
    ran = {name: row for name, row in rows.items() if "forward_seconds" in row}
    keyed = {name: row for name, row in ran.items() if "key" in row}
    total = len(MODELS.read_text().splitlines())
    print(f"\n{total} models are listed; {len(rows)} were tried, {len(ran)} run in float32, {len(keyed)} got a key\n")
    by_library: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name in ran:
        by_library[name.split("/")[0]][0] += 1
        by_library[name.split("/")[0]][1] += name in keyed
    print("| library | run in float32 | with a key |\n|---|---|---|")
    for library, (all_of_them, with_key) in by_library.items():
        print(f"| {library} | {all_of_them} | {with_key} |")
    print("\nwithout a key:")
    for name, row in ran.items():
        if name not in keyed:
            print(f"  {name}: {row.get('refused') or row.get('ended') or row.get('error')}")
    if not keyed:
        return
    seconds = sorted(row["seconds"] for row in keyed.values())
    peaks = sorted(row["peak_mb"] for row in keyed.values())
    print("\n| | |\n|---|---|")
    print(f"| seconds of processor time: median | {statistics.median(seconds):.3f} |")
    print(f"| 99th percentile; longest | {_share(seconds, 0.99):.1f}; {seconds[-1]:.1f} |")
    ratios = sorted(row["seconds"] / max(1e-3, row["forward_seconds"]) for row in keyed.values())
    print(f"| beside one forward and backward pass in float32: median | {statistics.median(ratios):.1f} |")
    print(f"| peak beyond that pass, MB: median | {statistics.median(peaks):.0f} |")
    print(f"| 99th percentile; largest | {_share(peaks, 0.99):.0f}; {peaks[-1]:.0f} |")
    for field, said in (("again", "two calls"), ("other", "two processes, 1 and 2 threads")):
        versions = ("code_key", "code_key" if field == "again" else f"code_{field}")
        compared = {
            name: row for name, row in keyed.items() if field in row and len({row.get(one) for one in versions}) == 1
        }
        differ = [name for name, row in compared.items() if row[field] != row["key"]]
        print(f"| keys that differ between {said} | {len(differ)} of {len(compared)} {', '.join(differ)} |")
    print(f"| distinct keys | {len({row['key'] for row in keyed.values()})} of {len(keyed)} |")
    print(f"| versions of the hash among these rows | {len({row.get('code_key') for row in keyed.values()})} |")
    print("\none key (how far apart with the same weights, relative to the largest output):")
    for name, first in _sharing(keyed):
        print(f"  {first}, {name}: {keyed[name].get('apart', 'not compared')}")
    _rewritings(keyed)


def _sharing(rows: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yields the models whose key an earlier one has, and that one."""
    first: dict[str, str] = {}
    for name, row in rows.items():
        if "key" in row and first.setdefault(row["key"], name) != name:
            yield name, first[row["key"]]


def _rewritings(keyed: dict[str, dict[str, Any]]) -> None:
    made: Counter[str] = Counter()
    apart: dict[str, list[str]] = defaultdict(list)
    for name, way, key in _rewritten(keyed):
        made[way] += 1
        if key != keyed[name]["key"] and keyed[name].get("code_key") == keyed[name].get("code_rewritings"):
            apart[way].append(name)
    if made:
        print("\n| rewriting | models | told apart |\n|---|---|---|")
        for way, count in made.items():
            print(f"| {way} | {count} | {len(apart[way])} {', '.join(apart[way])} |")


def _rewritten(keyed: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str | None]]:
    for name, row in keyed.items():
        for way, key in row.get("rewritings", {}).items():
            yield name, way, key


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    main()
