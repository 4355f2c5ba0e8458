import json
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from report_studies import Chains, Recipe, Writer, key_of, new_writer, quality

from automl import report
from automl.errors import InvalidInput
from automl.jsontext import canonical, parse
from automl.report.data import ReportData
from automl.storage.records import TrialRecord


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = new_writer(tmp_path)
    yield made
    made.close()


def collected(writer: Writer, recipe: Recipe) -> ReportData:
    writer.study(recipe)
    return report.collect(writer.database, recipe.name, Chains())


def test_counts_agree_with_the_rows(writer: Writer) -> None:
    recipe = Recipe(failures={3: "ValueError: no width", 9: "ValueError: no depth", 11: "RuntimeError: boom"})
    data = collected(writer, recipe)
    rows = list(writer.store.trials(writer.store.find("chains-1").id))  # type: ignore[union-attr]
    assert data.search.trials == len(rows) == 120
    assert {name: line.trials for name, line in data.search.outcomes.items()} == {
        name: sum(row.outcome == name for row in rows) for name in ("miss", "partial", "hit", "joined", "failed")
    }
    valid = {row.key for row in rows if row.fitness is not None}
    assert data.search.classes == len(valid)
    assert data.search.counted == data.search.evaluations == len({row.key for row in rows})
    assert data.search.paid_seconds == sum(row.paid_seconds for row in rows)
    assert data.search.saved_seconds == sum(row.saved_seconds for row in rows)
    assert data.search.hash_seconds == pytest.approx(sum(row.hash_seconds for row in rows))
    assert [(item.kind, item.count) for item in data.search.failures] == [("ValueError", 2), ("RuntimeError", 1)]
    assert data.search.sample is not None
    assert data.search.sample.mean == pytest.approx(np.mean([row.fitness for row in rows if row.fitness is not None]))


def test_winners_random_winners_and_the_sample(writer: Writer) -> None:
    data = collected(writer, Recipe())
    assert [item.rank for item in data.winners] == [1, 2, 3]
    assert all(len(item.test_values) == 3 for item in (*data.winners, *data.random_winners))
    assert len(data.random_samples) == 12
    best = data.winners[0]
    assert data.search.best is not None
    assert best.fitness == data.search.best.fitness == max(data.search.curve.best)
    assert best.picture is not None
    assert best.description == " → ".join(parse(best.candidate))
    assert data.ri.value == pytest.approx(
        100 * (np.mean(best.test_values) / np.mean([item.test for item in data.random_samples]) - 1)
    )
    assert data.ri.method == "Fieller"
    assert data.ri.units == (3, 12)
    assert data.gain.value == pytest.approx(np.mean(best.test_values) - np.mean(data.random_winners[0].test_values))
    assert data.gain.method == "Welch"
    assert data.random is not None
    assert data.random.counted == data.search.counted


def test_a_search_without_guidance_is_not_said_to_win(writer: Writer) -> None:
    verdicts = [
        collected(writer, Recipe(name=f"s{seed}", seed=seed, better=False, trials=40, namespace=f"n{seed}")).verdict
        for seed in range(12)
    ]
    assert sum(verdict.beats for verdict in verdicts) <= 1
    assert all(verdict.text == "does not" or verdict.text.startswith("not supported: ") for verdict in verdicts[:1])


def test_a_search_that_is_guided_wins_in_a_space_too_large_to_guess(writer: Writer) -> None:
    data = collected(writer, Recipe(length=12))
    assert data.verdict.text == "beats random search"
    assert data.gain.low is not None
    assert data.gain.low > 0
    assert "One run" in data.verdict.reason


def test_minimized_objectives_turn_both_comparisons(writer: Writer) -> None:
    data = collected(writer, Recipe(direction="minimize", value=lambda candidate: 100.0 - quality(candidate)))
    assert data.minimize
    best = data.winners[0]
    assert best.fitness == min(data.search.curve.best)
    sample = np.mean([item.test for item in data.random_samples])
    assert data.ri.value == pytest.approx(100 * (sample - np.mean(best.test_values)) / sample)
    assert data.ri.value > 0
    assert data.search.curve.best == sorted(data.search.curve.best, reverse=True)


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        (Recipe(baseline=False), "not supported: there is no random search"),
        (Recipe(random_share=0.5), "not supported: too few random evaluations"),
        (Recipe(tests=False), "not supported: no test figures"),
        (Recipe(seeds=1), "not supported: fewer than two seeds"),
        (Recipe(strategy="random"), None),
        (Recipe(strategy="random", baseline=False), "not supported: this is random search"),
    ],
)
def test_what_is_missing_is_named_in_the_verdict(writer: Writer, recipe: Recipe, text: str | None) -> None:
    data = collected(writer, recipe)
    if text is not None:
        assert data.verdict.text == text
    assert report.to_json(data)["verdict"] == data.verdict.text


def test_figures_without_noise_are_called_so(writer: Writer) -> None:
    data = collected(writer, Recipe(test_noise=0.0))
    assert data.deterministic
    assert data.gain.low == data.gain.value == data.gain.high
    assert report.to_json(data)["test_figures"] == "equal for every seed"


def test_the_genealogy_leads_from_a_sample_to_the_best(writer: Writer) -> None:
    data = collected(writer, Recipe())
    line = data.genealogy
    assert line[-1].key == data.winners[0].key
    assert line[0].origin == "sample"
    rows = {row.number: row for row in writer.store.trials(writer.store.find("chains-1").id)}  # type: ignore[union-attr]
    for parent, child in pairwise(line):
        assert rows[child.number].parents == (parent.number,)


def test_encodings_of_the_best_are_distinct_equal_and_cheapest_first(writer: Writer) -> None:
    def three_are_best(candidate: list[str]) -> float:
        return quality(candidate) - 8.0 * max(0, len([name for name in candidate if name != "skip"]) - 3)

    data = collected(writer, Recipe(trials=300, value=three_are_best))
    assert data.encoding_count >= len(data.encodings) > 1
    assert {key_of(parse(item.candidate)) for item in data.encodings} == {data.winners[0].key}
    costs = [item.costs["parameters"] for item in data.encodings]
    assert costs == sorted(costs)


def test_replicates_grow_and_ranks_between_seeds_are_taken_from_them(writer: Writer) -> None:
    data = collected(writer, Recipe(replicates=3, trials=200))
    assert data.search.outcomes["partial"].trials > 0
    assert data.search.counted > data.search.classes
    assert data.search.counted == data.search.evaluations
    by_part = {item.what: item.agreement for item in data.ranks}
    assert set(by_part) == {"two seeds, search, validation part", "two seeds, random sample, test part"}
    for agreement in by_part.values():
        assert agreement.tau is not None
        assert agreement.tau > 0.5


def test_a_warm_cache_pays_nothing_and_draws_as_much(writer: Writer) -> None:
    cold = collected(writer, Recipe())
    warm = collected(writer, Recipe(name="chains-2"))
    assert warm.search.evaluations == 0
    assert warm.search.counted == cold.search.counted
    assert warm.search.curve.evaluations == cold.search.curve.evaluations
    assert warm.verdict.text == cold.verdict.text


def test_figures_from_a_table_are_called_population_means(writer: Writer) -> None:
    data = collected(writer, Recipe(seeds=1, test_noise=0.0, settings={"population": True}))
    assert report.to_json(data)["test_figures"] == "population means from a table"
    assert data.gain.units == (1, 1)
    assert data.gain.low == data.gain.value
    assert data.ri.method == "Fieller"
    assert data.verdict.text != "not supported: fewer than two seeds"


def test_postgresql_tells_the_same(writer: Writer, postgres_url: str) -> None:
    other = Writer(postgres_url)
    try:
        found = [report.to_json(collected(one, Recipe(failures={7: "ValueError: x"}))) for one in (writer, other)]
        assert found[0] == found[1]
    finally:
        other.close()


def test_an_unfinished_study_and_an_empty_one_are_reported(writer: Writer) -> None:
    data = collected(writer, Recipe(finished=False, baseline=False))
    assert any("not finished" in note for note in data.notes)
    writer.store.create("empty", "search", {"objective": "accuracy", "direction": "maximize"})
    empty = report.collect(writer.database, "empty")
    assert empty.search.trials == 0
    assert report.to_json(empty)["best"] is None


def test_an_unknown_study_is_refused_with_the_nearest(writer: Writer) -> None:
    writer.study(Recipe(trials=10, baseline=False))
    with pytest.raises(InvalidInput, match="unknown study 'chain-1'; did you mean chains-1"):
        report.collect(writer.database, "chain-1")


def test_a_space_that_raises_costs_no_report(writer: Writer) -> None:
    class Broken(Chains):
        def picture(self, candidate: object) -> None:  # type: ignore[override]
            raise RuntimeError("no ink")

    writer.study(Recipe())
    data = report.collect(writer.database, "chains-1", Broken())
    assert any("no ink" in note for note in data.notes)
    assert report.collect(writer.database, "chains-1").winners[0].picture is None


def test_json_holds_what_search_prints(writer: Writer) -> None:
    answer = report.to_json(collected(writer, Recipe()))
    text = json.loads(json.dumps(answer, allow_nan=False))
    assert {"study", "trials", "evaluations", "outcomes", "seconds", "best", "ri", "verdict"} <= set(text)
    assert {"candidate", "fitness", "test"} <= set(text["best"])
    for name in ("ri", "gain_over_random_search"):
        assert {"value", "low", "high"} <= set(text[name])
    assert sum(text["outcomes"].values()) == text["trials"] == 120
    assert text["seconds"] == 3600.0


def test_memory_grows_by_the_columns_of_a_trial_and_nothing_else(writer: Writer) -> None:
    texts = [canonical(["conv3x3"] * 5 + [str(place)]) for place in range(1000)]
    keys = [bytes([place % 256, place // 256]) * 8 for place in range(1000)]

    def peak_of(trials: int) -> int:
        study = writer.store.create(f"large-{trials}", "search", {"objective": "accuracy", "direction": "maximize"})
        rows = [
            TrialRecord(
                number, texts[number % 1000], keys[number % 1000], 1, "hit" if number >= 1000 else "miss",
                float(number % 1000), {"accuracy": float(number % 1000)}, 1, "mutate", (number - 1,) if number else (),
                told_at=0.01 * number, position=number, costs={"parameters": float(number % 77)},
            )
            for number in range(trials)
        ]  # fmt: skip
        writer.store.append_trials(study.id, rows)
        del rows
        tracemalloc.start()
        data = report.collect(writer.database, study.name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (data.search.trials, data.search.counted, data.search.classes) == (trials, 1000, 1000)
        assert len(data.search.timeline.trials) <= 401
        assert len(data.genealogy) <= 60
        return peak

    assert peak_of(26_000) - peak_of(6000) < 20_000 * 300  # bytes; one kept as a record takes over 1,000
