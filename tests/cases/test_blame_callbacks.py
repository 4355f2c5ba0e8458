"""What ended a search is what is heard of, whatever callbacks make of it; and a name says what a strategy does."""

import pytest
from evidence_parts import database

import automl
from automl.behaviour import Configuration
from automl.strategies.random import Random


class Line(automl.Space):
    x = automl.Integer(0, 10_000)

    def behaviour(self, c):
        return Configuration(c.x)


class Breaks(Line):
    """Cannot be sampled any more after some time."""

    drawn = 0

    def sample_many(self, n, rng):
        Breaks.drawn += n
        if Breaks.drawn > 30:
            raise LookupError("no more of them")
        return super().sample_many(n, rng)


class Gives(Random):
    name = "gives-up"

    def ask(self, n, rng):
        if getattr(self, "_told", 0) > 8:
            raise LookupError("no more of them")
        return super().ask(n, rng)

    def tell(self, trials):
        self._told = getattr(self, "_told", 0) + len(trials)


def value(c, seed):
    return float(c.x)


def later(number):
    """A callback that works, and trips over a trial that is told at the very end."""
    seen = []

    def callback(study, trial):
        seen.append(trial.number)
        if len(seen) > number:
            raise RuntimeError("the callback's own")

    return callback


QUICK = {
    "evaluator": value, "workers": 0, "trials": 60, "window": 4, "baseline": False,
    "confirm": 1, "sample": 2,
}  # fmt: skip
EVOLVES = {**QUICK, "strategy": "regularized_evolution"}


def broken(tmp_path, space, callback, name):
    """Returns the error of a search whose space or strategy breaks in the middle."""
    Breaks.drawn = 0
    strategy = Gives() if space is Line else "random"
    storage = database(tmp_path, name)
    with pytest.raises((automl.InvalidInput, RuntimeError)) as caught:
        automl.search(space(), **QUICK, strategy=strategy, storage=storage, callbacks=[callback])
    return str(caught.value)


@pytest.mark.parametrize("space", [Line, Breaks])
def test_the_first_error_is_the_one_that_is_raised(tmp_path, space):
    told = []
    assert "no more of them" in broken(tmp_path, space, lambda study, trial: told.append(trial.number), "a.db")
    assert told
    # The last trials are told while the search is being closed.
    assert "no more of them" in broken(tmp_path, space, later(len(told) - 1), "b.db")
    assert broken(tmp_path, space, later(0), "c.db") == "the callback's own"


def test_a_callback_that_fails_ends_the_search_with_its_own_error_and_nothing_is_lost(tmp_path):
    with pytest.raises(RuntimeError, match="the callback's own"):
        automl.search(Line(), **EVOLVES, study="s", storage=database(tmp_path), callbacks=[later(10)])
    study = automl.search(Line(), **EVOLVES, study="s", storage=database(tmp_path))
    assert study.finished
    assert [trial.number for trial in study.trials()] == list(range(60))
    study.close()


class Halves(Random):
    """Is called what it inherits, and proposes the first half only."""

    def ask(self, n, rng):
        return [one for one in super().ask(4 * n, rng) if one.candidate.x < 5000][:n]


def test_only_uniform_sampling_is_called_random(tmp_path):
    with pytest.raises(automl.InvalidInput, match="Halves is called 'random', the name of uniform sampling"):
        automl.search(Line(), **QUICK, strategy=Halves(), storage=database(tmp_path))
    assert not (tmp_path / "a.db").exists()
