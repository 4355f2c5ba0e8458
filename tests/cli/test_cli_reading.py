"""Commands that read wait for nobody, and nobody waits for them."""

import sqlite3
from contextlib import closing, contextmanager

import pytest
from cli_parts import automl_command
from user_files import SPACE

import automl

COMMANDS = [
    ["studies"],
    ["report", "mine", "--json"],
    ["cache", "stats"],
    ["cache", "audit", "--study", "mine"],
    ["cache", "export", "all.jsonl.gz"],
    ["cache", "prune", "--failed", "--dry-run"],
    ["db", "current"],
]


@contextmanager
def in_mid_transaction(url):
    """Holds what a search holds while it writes: all that lets others read."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("UPDATE study SET state = state")
            yield
            writer.execute("ROLLBACK")
        return
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "")) as writer:
        tables = "study, trial, evaluation, equivalence_class, candidate, context, session, writer"
        writer.execute(f"LOCK TABLE {tables} IN EXCLUSIVE MODE")
        yield
        writer.rollback()


@pytest.fixture
def url(any_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.py").write_text(SPACE)
    study = automl.search("pairs.py", objective="score", workers=0, study="mine", storage=any_url, baseline=False)
    study.close()
    return any_url


def test_reading_goes_on_while_a_search_is_writing(url):
    with in_mid_transaction(url):
        for command in COMMANDS:
            ended = automl_command(*command, "--storage", url)
            assert ended.code == 0, (command, ended.err)
