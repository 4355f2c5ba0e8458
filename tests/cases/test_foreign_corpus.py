"""What `benchmarks/fuzz.py` once found stays mended: each command of its corpus ends as a command has to."""

import importlib.util
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz.py"


def fuzz():
    found = importlib.util.spec_from_file_location("fuzz", PROGRAM)
    module = importlib.util.module_from_spec(found)
    sys.modules["fuzz"] = module  # its dataclasses look themselves up
    found.loader.exec_module(module)
    return module


FUZZ = fuzz()
CORPUS = dict(FUZZ.corpus())


@pytest.mark.parametrize("name", CORPUS)
def test_no_traceback_no_hang_and_nothing_written_after_a_refusal(name):
    assert FUZZ.run(CORPUS[name]) == ""


def test_the_corpus_is_of_several_kinds():
    assert {name.split("-")[1] for name in CORPUS} <= set(FUZZ.KINDS)
    assert len(CORPUS) >= 13


@pytest.mark.parametrize("kind", FUZZ.KINDS)
def test_what_is_made_anew_is_made_the_same_and_read_back(kind):
    """A find has to be found again from its seed, and from its file."""
    import random

    state = FUZZ.State(database=b"SQLite format 3\0" * 50, export=FUZZ.gzip.compress(b'{"a": 1}\n{"b": 2}', 1))
    for number in range(20):
        case = FUZZ.KINDS[kind](random.Random(f"0 {number}"), state)
        assert case == FUZZ.KINDS[kind](random.Random(f"0 {number}"), state)
        assert FUZZ.Case.from_json(case.to_json()) == case
