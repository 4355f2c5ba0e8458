"""What ends a search from outside: each signal stops it as Ctrl-C does, with a sentence, wherever it is just then."""

import signal

import pytest
from case_parts import Started, run, trials

TASK = """
import time
from automl import Integer, Space

class S(Space):
    x = Integer(0, 100000)

def slow(c, seed):
    time.sleep(0.2)
    return float(c.x)

def endless(c, seed):
    time.sleep(600)
    return 0.0
"""

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]


@pytest.fixture
def started(tmp_path):
    (tmp_path / "task.py").write_text(TASK)
    begun = []

    def start(evaluator, workers, *more):
        begun.append(
            Started(
                tmp_path,
                "search",
                "task.py:S",
                "--evaluator",
                f"task.py:{evaluator}",
                "--workers",
                workers,
                "--trials",
                3000,
                "--no-baseline",
                "--no-dashboard",
                "--study",
                "s",
                "--storage",
                "sqlite:///s.db",
                *more,
            )
        )
        return begun[-1]

    yield start
    for one in begun:
        one.close()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_in_this_process_between_and_within_evaluations(started, tmp_path, number):
    search = started("slow", 0)
    search.wait_for(lambda: trials(tmp_path / "s.db") >= 3)
    search.send(number)
    code, said = search.end()
    assert code == 128 + number
    assert "what had finished is kept. Go on with: automl resume s --storage sqlite:///s.db" in said
    assert "Traceback" not in said
    done = trials(tmp_path / "s.db")
    code, _, said = run(tmp_path, "resume", "s", "--storage", "sqlite:///s.db", "--workers", 0, "--hours", 0.001)
    assert code == 0, said
    assert trials(tmp_path / "s.db") >= done >= 3


def test_an_evaluation_of_ten_minutes_is_not_waited_for(started, tmp_path):
    search = started("endless", 0)
    search.wait_for(lambda: "s: search" in search.out.read_text())
    search.send(signal.SIGTERM)
    code, said = search.end(60)
    assert code == 128 + signal.SIGTERM
    assert "Go on with: automl resume s" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=lambda number: number.name)
def test_with_ray_nothing_is_left_behind(started, tmp_path, number):
    search = started("slow", 1)
    search.wait_for(lambda: trials(tmp_path / "s.db") >= 2)
    search.send(number)
    code, said = search.end()
    assert code == 128 + number
    assert "Go on with: automl resume s" in said
    assert search.left() == []


def test_while_ray_starts(started, tmp_path):
    search = started("slow", 1)
    search.wait_for(lambda: any(one.name() == "gcs_server" for one in search.children()))
    search.send(signal.SIGTERM)
    code, said = search.end()
    assert code == 128 + signal.SIGTERM
    assert "stopped before the search had begun; nothing was lost" in said
    assert search.left() == []


def test_what_is_ignored_stays_ignored(tmp_path):
    from case_parts import script

    code, out, err = script(
        tmp_path,
        "import signal, os, automl\n"
        "from automl.engine.signals import StopSignals\n"
        "mine = lambda *_: print('mine')\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGUSR1, mine)\n"
        "with StopSignals() as stop:\n"
        "    stop.stop = lambda: print('stopped', stop.number)\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, signal.getsignal(signal.SIGUSR1) is mine)\n",
    )
    assert (code, out.split("\n")[:-1]) == (0, ["mine", "stopped 15", "True True"]), err
