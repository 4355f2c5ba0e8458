"""The examples are run as a user runs them, in a folder of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

ARGUMENTS = {
    "ask_and_tell.py": ["120"],
    "declarative_space.py": ["12"],
    "cell_space.py": ["12"],
    "own_data.py": ["24"],
    "own_fidelities.py": ["120"],
    "own_loop.py": ["16"],
    "variants.py": ["10"],
}
"""A small number of trials where an example takes one."""

WORDS = {
    "ask_and_tell.py": ["120 proposals", "best"],
    "declarative_space.py": ["Best(candidate=", "random search", "example-declarative.html"],
    "cell_space.py": ["hit", "random search"],
    "own_data.py": ["Best(candidate=", "random search"],
    "own_rater.py": ["ratings (jacobian-rating)", "random search, equal seconds", "Artefact batch"],
    "own_loop.py": ["trainings stopped early", "Best(candidate="],
    "own_fidelities.py": ["full evaluations", "Best(candidate=", "random search"],
    "variants.py": ["Best(candidate=", "random search"],
}
"""What the output must contain."""

SLOW = {"cache_before_ray_tune.py"}
"""Those that take more than a minute, of which starting Ray and Ray Tune's eight processes is nearly all."""


def every_example():
    """Returns all of them, the slow ones marked."""
    return [
        pytest.param(path, id=path.name, marks=[pytest.mark.slow] if path.name in SLOW else [])
        for path in sorted(EXAMPLES.glob("*.py"))
    ]


@pytest.mark.parametrize("path", every_example())
def test_example_runs(path, tmp_path):
    done = subprocess.run(
        [sys.executable, str(path), *ARGUMENTS.get(path.name, [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for word in WORDS.get(path.name, []):
        assert word in done.stdout, done.stdout[-3000:]
    if path.name.startswith("cache_before_"):
        saves_evaluations(done.stdout)


def saves_evaluations(output):
    """Checks the last line of an example that puts the cache in front of another tuner's objective."""
    last = output.splitlines()[-1].split()
    assert last[1::2] == ["trials,", "evaluations,", "saved"]
    trials, evaluations, saved = (int(last[place]) for place in (0, 2, 4))
    assert trials - evaluations == saved > 0


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_example_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80


def test_ask_and_tell_evaluates_each_function_once(tmp_path):
    """Six functions hide behind 36 spellings: a second run finds all of them in the database."""
    command = [sys.executable, str(EXAMPLES / "ask_and_tell.py"), "150"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=True).stdout
    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=True).stdout
    evaluations = int(first.partition("proposals, ")[2].partition(" ")[0])
    assert 0 < evaluations <= 12
    assert "proposals, 0 evaluations" in second
