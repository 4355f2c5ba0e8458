"""The same seed and window give the same trials; what a strategy knows when it is asked; budgets; what is proposed."""

import pytest
from line_parts import Bag, Marking, Recording, child_rows, marks, outcomes, rows, searching, whole

from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator
from automl.spaces.space import Defaults

EVOLVE = {"strategy.population": 10, "tournament": 3}


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Searches Bag by evolution unless told otherwise."""
    with searching(tmp_path, monkeypatch, evaluator=Marking(), trials=60) as run:

        def evolve(**given):
            if "strategy" not in given:
                given["settings"] = EVOLVE | given.get("settings", {})
            return run(**given)

        yield evolve


def url(tmp_path, name="shared"):
    return f"sqlite:///{tmp_path / name}.db"


# --- order ---------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_trials_from_a_cold_cache(search):
    one, other, third = search(), search(), search(seed=1)
    assert rows(one) == rows(other)
    assert rows(one) != rows(third)
    assert {"mutate", "sample"} == {row["origin"] for row in rows(one)}


def test_duplicates_cost_no_simulated_time(search):
    given = {"strategy": "random", "trials": 600, "window": 8, "simulated_workers": 4, "workers": None}
    trials = list(search(asynchronous=True, **given).trials())
    paid = sum(trial.paid_seconds for trial in trials)
    assert sum(trial.outcome == "hit" for trial in trials) > 300
    assert max(trial.told_at for trial in trials) < 1.3 * paid / 4  # all four are kept busy, hits or no hits


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_simulated_workers_change_nothing_but_the_clock(search, workers):
    inline = search(trials=80)
    simulated = search(trials=80, simulated_workers=workers, workers=None)
    assert rows(inline) == rows(simulated)


def test_a_warm_cache_changes_outcomes_and_not_proposals(search, tmp_path):
    cold = search(storage=url(tmp_path))
    warm = search(storage=url(tmp_path), study="again")
    assert rows(cold, ["outcome"]) == rows(warm, ["outcome"])
    assert set(outcomes(warm)) == {"hit"}
    assert outcomes(cold)["miss"] == len({row["key"] for row in rows(cold)})


def test_no_class_is_evaluated_twice(search, tmp_path):
    study = search(baseline=True)
    begun = marks(tmp_path / "marks", "validation")
    classes = {trial.key for trial in study.trials()} | {trial.key for trial in child_rows(study, "random")}
    assert len(begun) == len(set(begun)) == len(classes)
    assert outcomes(study)["miss"] == len({row["key"] for row in rows(study)}) < 60 == len(rows(study))


@pytest.mark.parametrize(("window", "block"), [(1, 1), (4, 1), (8, 2), (20, 5)])
def test_a_strategy_is_told_exactly_what_the_window_rule_says(search, window, block):
    strategy = Recording()
    search(strategy=strategy, window=window, trials=43)
    start = 0
    for n, told in strategy.asks:
        assert n == block  # a whole one: the budget cuts the study short and changes no proposal
        assert told == list(range(max(0, start + block - window)))
        start += n
    assert start - block < 43 <= start


def test_an_asynchronous_study_is_told_in_the_order_of_completion(search):
    strategy = Recording()
    study = search(strategy=strategy, asynchronous=True, simulated_workers=4, workers=None, trials=50)
    trials = list(study.trials())
    assert whole(trials)
    order = [trial.number for trial in trials]
    assert order != sorted(order)
    assert [trial.told_at for trial in trials] == sorted(trial.told_at for trial in trials)
    for _, told in strategy.asks:
        assert told == order[: len(told)]


def test_an_asynchronous_study_with_one_simulated_worker_repeats_itself(search):
    given = {"asynchronous": True, "simulated_workers": 4, "workers": None}
    assert rows(search(**given)) == rows(search(**given))


# --- budgets -------------------------------------------------------------------------------------------------------


def test_the_budget_of_trials_is_kept_exactly(search):
    study = search(trials=7, window=20)
    assert whole(list(study.trials()))
    assert len(rows(study)) == 7
    assert study.finished


def test_a_search_ends_when_a_fitness_is_reached(search, tmp_path):
    whole_length = rows(search(trials=200, evaluator=Marking(noise=0.0)))
    enough = sorted({row["fitness"] for row in whole_length})[-2]
    first = next(place for place, row in enumerate(whole_length) if row["fitness"] >= enough)
    assert 10 < first < 150, "choose another seed: the fitness must be reached in between"
    given = {"evaluator": Marking(noise=0.0), "trials": 200, "until": enough}
    one = rows(search(**given))
    assert first + 1 <= len(one) <= first + 1 + 8 + 2  # the window and a block: they were under way
    assert one == whole_length[: len(one)]
    assert rows(search(simulated_workers=3, workers=None, **given)) == one


class Modest(Bag):
    defaults = Defaults(trials=150, until=5.0)


def test_a_space_may_say_what_is_enough_unless_a_budget_is_given(search):
    assert len(rows(search(space=Modest(), trials=None))) < 150
    assert len(rows(search(space=Modest(), trials=149))) == 149


def test_minimising_ends_when_the_fitness_is_low_enough(search):
    given = {"objective": "loss", "evaluator": Marking(noise=0.0), "trials": 300}
    study = search(until=-5.0, **given)
    assert study.best.fitness <= -5.0
    assert len(rows(study)) < 300
    assert len(rows(search(until=-100.0, **given))) == 300


def test_the_budget_of_evaluations_counts_what_was_drawn_upon(search, tmp_path):
    study = search(trials=None, evaluations=20, storage=url(tmp_path))
    assert outcomes(study)["miss"] == 20
    again = search(trials=None, evaluations=20, storage=url(tmp_path), study="again")
    assert rows(study, ["outcome"]) == rows(again, ["outcome"])
    assert len(marks(tmp_path / "marks")) == 21  # and one test figure: the second study pays for nothing


def test_the_first_limit_counts(search):
    assert len(rows(search(trials=5, evaluations=40))) == 5


def test_a_budget_of_simulated_hours_ends_the_search(search):
    study = search(trials=None, hours=20 / 3600, simulated_workers=2, workers=None)
    told = [trial.told_at for trial in study.trials()]
    assert 3 < len(told) < 60
    assert max(told) < 20 + 2 * 6  # nothing was begun after 20 s, and nothing costs more than 6


def test_an_almost_empty_budget_of_hours_still_ends_with_a_report(search):
    study = search(trials=None, hours=1e-12)
    assert study.finished
    assert study.report().json()["trials"] == len(rows(study))
    str(study.report())


def test_an_exhausted_space_ends_the_study(search):
    study = search(trials=None, evaluations=500, window=200, strategy="random")
    assert outcomes(study)["miss"] == 56
    assert study.finished
    assert study.report().json()["trials"] < 5000


# --- what is proposed ----------------------------------------------------------------------------------------------


def test_known_candidates_come_first(search):
    known = [{"x": 5, "y": 5, "z": 5}, {"x": 1, "y": 2, "z": 3}, {"x": 3, "y": 2, "z": 1}]
    trials = list(search(enqueue=known, window=8).trials())
    assert [trial.candidate for trial in trials[:3]] == [Bag().decode(value).json for value in known]
    assert [trial.origin for trial in trials[:4]] == ["enqueued"] * 3 + ["sample"]
    assert trials[2].key == trials[1].key
    assert trials[2].outcome in ("hit", "joined")


def test_a_known_candidate_that_is_none_is_refused_before_anything_is_written(search, tmp_path):
    with pytest.raises(InvalidInput, match=r"enqueued candidate 2: .*x.*9"):
        search(enqueue=[{"x": 1, "y": 2, "z": 3}, {"x": 9, "y": 2, "z": 3}], storage=url(tmp_path))
    assert not list(tmp_path.glob("*.db"))


def test_varied_duplicates_are_new_functions_while_there_are_any(search):
    served, varied = search(trials=40), search(trials=40, on_duplicate="vary")
    assert outcomes(varied)["miss"] > outcomes(served)["miss"]
    assert outcomes(varied)["miss"] >= 36


def test_callbacks_hear_of_every_trial_in_order(search):
    heard = []
    study = search(callbacks=[lambda study, trial: heard.append((study.name, trial.number, trial.fitness))])
    assert heard == [("bag", trial.number, trial.fitness) for trial in study.trials()]


def test_a_joined_trial_waited_for_an_equal_one_in_flight(search):
    study = search(window=16, trials=60, simulated_workers=16, workers=None, strategy="random")
    named = outcomes(study)
    assert named["joined"] > 0
    assert named["miss"] == len({row["key"] for row in rows(study)})
    by_key = {}
    for trial in study.trials():
        payer = by_key.setdefault(trial.key, trial.number)
        if trial.outcome == "joined":
            assert trial.number - payer < 16 + 4  # its payer was in flight when it was proposed
        assert (trial.outcome == "miss") == (payer == trial.number)
        assert (trial.paid_seconds > 0) == (payer == trial.number)
        assert (trial.saved_seconds > 0) == (payer != trial.number)


# --- the noise policy ----------------------------------------------------------------------------------------------


def test_each_occurrence_adds_a_replicate_until_there_are_three(search):
    study = search(replicates=3, trials=120, strategy="random", window=4)
    met = {}
    for trial in study.trials():
        times = met[trial.key] = met.get(trial.key, 0) + 1
        assert trial.replicates == min(times, 3)
        if times == 1:
            assert trial.outcome == "miss"
        elif times <= 3:
            assert trial.outcome == "partial"
        else:
            assert trial.outcome in ("hit", "joined")
    assert max(met.values()) > 3


def test_replicates_already_stored_are_not_seen_before_their_time(search, tmp_path):
    first = search(replicates=3, trials=120, strategy="random", storage=url(tmp_path))
    second = search(replicates=3, trials=120, strategy="random", storage=url(tmp_path), study="again")
    assert rows(first, ["outcome"]) == rows(second, ["outcome"])


def test_forgetting_hides_what_is_stored_and_deletes_nothing(search, tmp_path):
    kept = search(trials=100, strategy="random")
    path = tmp_path / "marks"
    before = len(marks(path, "validation"))
    study = search(trials=100, strategy="random", forget_probability=0.5)
    seen = {}
    forgotten = 0
    for trial in study.trials():
        values = seen.setdefault(trial.key, [])
        if trial.outcome == "miss" and values:
            forgotten += 1
            assert trial.fitness not in values  # a fresh seed
        values.append(trial.fitness)
    assert forgotten > 5
    begun = marks(path, "validation")[before:]
    assert len(begun) == len(set(begun)) == outcomes(study)["miss"]
    assert len(begun) > outcomes(kept)["miss"] == before


def test_audits_evaluate_hits_and_serve_them_all_the_same(search, tmp_path):
    plain = search(trials=100, strategy="random")
    path = tmp_path / "marks"
    before = len(marks(path, "validation"))
    audited = search(trials=100, strategy="random", audit_probability=0.5)
    assert rows(plain, ["outcome"]) == rows(audited, ["outcome"])
    assert len(marks(path, "validation")) > 2 * before + 5
    assert audited.report().json()["audits"] is not None
    assert plain.report().json()["audits"] is None


# --- the three phases ----------------------------------------------------------------------------------------------


def test_random_search_gets_equal_evaluations_and_the_test_part_the_winners(search, tmp_path):
    study = search(baseline=True, finalists=2, test_seeds=3, sample=5, trials=80)
    drawn = outcomes(study)["miss"]
    random = child_rows(study, "random")
    assert whole(random)
    assert len({trial.key for trial in random}) == drawn
    assert all(trial.origin == "sample" for trial in random)
    tested = child_rows(study, "test")
    assert [trial.origin for trial in tested] == ["search winner"] * 2 + ["random winner"] * 2 + ["random sample"] * 5
    assert [trial.replicates for trial in tested] == [3] * 4 + [max(1, trial.replicates) for trial in tested[4:]]
    assert tested[0].candidate == study.best.candidate.json
    best = max(trial.fitness for trial in study.trials())
    assert study.best.fitness == best
    lines = (tmp_path / "marks").read_text().splitlines()
    assert {line.split()[1] for line in lines} == {"validation", "test"}
    first_test = next(place for place, line in enumerate(lines) if " test " in line)
    assert all(" test " in line for line in lines[first_test:])  # validation is over before a test figure is read


def test_minimising_finds_the_smallest(search):
    study = search(objective="loss")
    assert study.settings["direction"] == "minimize"
    assert study.best.fitness == min(trial.fitness for trial in study.trials())
    same = search(objective="score", direction="maximize")
    assert [row["candidate"] for row in rows(study)] == [row["candidate"] for row in rows(same)]


def test_the_parts_are_checked_before_anything_runs(search):
    with pytest.raises(InvalidInput, match=r"scores.*did you mean score"):
        search(objective="scores")
    with pytest.raises(InvalidInput, match="direction='up'"):
        search(direction="up")
    assert issubclass(Marking, Evaluator)
