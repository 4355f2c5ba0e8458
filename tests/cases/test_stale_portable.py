"""The same code and data have the same fingerprint in another process, under another hash seed, in another folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELPER = "K = {'b': 1, 'a': [2]}\ndef help(c): return K['a'][0]\n"
CODE = """
import enum, sys
from dataclasses import dataclass
from pathlib import Path
import numpy as np
import stale_help
HERE = Path(__file__).parent
DATA = HERE / "data.csv"
NAMES = {"one", "two", "three", ("four", 4), frozenset({"five", "six"})}
TABLE = {("a", 1): {"x"}, ("b", 2): {"y", "z"}, "c": 3}
ARRAY = np.arange(4.0)
class Kind(enum.Enum):
    A = "a"
@dataclass(frozen=True)
class Config:
    kind: Kind = Kind.A
    parts: frozenset = frozenset({"p", "q", "r"})
CONFIG = Config()
def one(c): return 1
def two(c): return 2
FUNCTIONS = {one, two}
def make(goal):
    def f(c, seed=0):
        total = sum(function(c) for function in FUNCTIONS) + len(NAMES) + len(TABLE) + ARRAY[0]
        return stale_help.help(c) + total + goal.bit_length() + (CONFIG.kind is Kind.A) + DATA.exists()
    return f
f = make(7)
if __name__ == "__main__":
    from automl import FunctionEvaluator
    print(FunctionEvaluator(f).settings()["code"])
"""


def printed(folder, *words, seed="0", cwd=None):
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    run = subprocess.run(
        [sys.executable, *words], cwd=cwd or folder, env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.split()[-1]


def test_processes_hash_seeds_folders_and_ways_to_run_change_nothing(tmp_path):
    first, second = tmp_path / "first", tmp_path / "elsewhere" / "second"
    for folder in (first, second):
        folder.mkdir(parents=True)
        (folder / "stale_help.py").write_text(HELPER)
        (folder / "run.py").write_text(CODE)
    imported = "import run; from automl import FunctionEvaluator; print(FunctionEvaluator(run.f).settings()['code'])"
    found = {
        printed(first, "run.py"),
        printed(first, "run.py", seed="77"),
        printed(first, "-c", imported, seed="1"),
        printed(second, "run.py", seed="3"),
        printed(second, str(second / "run.py"), cwd=tmp_path),
    }
    assert len(found) == 1
    shutil.copy(first / "run.py", first / "other.py")
    (first / "stale_help.py").write_text(HELPER.replace("[2]", "[3]"))
    assert printed(first, "run.py") not in found
