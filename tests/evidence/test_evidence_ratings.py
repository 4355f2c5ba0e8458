"""What a rating is worth: figures against scipy's and simulated truths, files, and the words of the verdict."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

import automl
from automl.errors import InvalidInput
from automl.evidence.rating_files import joined, read_scores
from automl.evidence.ratings import rating_worth
from automl.evidence.resampling import Resamples


def simulated(n=120, noise=0.3, seed=0, own=1.0, size=1.0):
    """Truth of two seeds, made of a network's size and of something of its own; both are known."""
    rng = np.random.default_rng(seed)
    parameters, macs = np.exp(rng.normal(size=(2, n)))
    quality = rng.normal(size=n)
    real = size * np.log(parameters) + own * quality
    truth = real[:, None] + noise * rng.normal(size=(n, 2))
    return truth, quality, {"parameters": parameters, "macs": macs}, real


def test_figures_are_those_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60)).round(1)  # with ties
    found = Resamples(60)
    assert found.spearman(a, b).value == pytest.approx(stats.spearmanr(a, b).statistic)
    assert found.kendall(a, b).value == pytest.approx(stats.kendalltau(a, b).statistic)
    assert found.pearson(a, b).value == pytest.approx(stats.pearsonr(a, b).statistic)


def test_resampled_figures_are_those_of_the_resample():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 30)).round(1)
    found = Resamples(30)
    some = found._chosen[:40]
    for figure, other in ((found.spearman, stats.spearmanr), (found.kendall, stats.kendalltau)):
        assert figure(a, b).resampled[:40] == pytest.approx([other(a[one], b[one]).statistic for one in some])


def test_large_tables_give_the_same_figures_as_small_ones():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 2_500))
    found = Resamples(2_500)
    assert found.kendall(a, b).value == pytest.approx(stats.kendalltau(a, b).statistic)
    assert len(found.spearman(a, b).resampled) == 100


def test_partial_correlation_is_that_of_residuals():
    rng = np.random.default_rng(3)
    a, b, c, d = map(stats.rankdata, rng.normal(size=(4, 50)) + rng.normal(size=50))
    given = np.column_stack([np.ones(50), c, d])
    residuals = [item - given @ np.linalg.lstsq(given, item, rcond=None)[0] for item in (a, b)]
    assert Resamples(50).partial(a, b, [c, d]).value == pytest.approx(stats.pearsonr(*residuals).statistic)


def test_intervals_cover():
    inside = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=60)
        found = Resamples(60).pearson(x, 0.6 * x + 0.8 * rng.normal(size=60)).estimate()
        inside += found.low < 0.6 < found.high
    assert inside >= 34


def test_a_rating_that_knows_more_than_size_beats_the_counts_and_one_that_is_size_does_not():
    truth, _, counts, real = simulated(own=2.0)
    good = rating_worth(truth, [[value] for value in real], counts)
    assert {row.name: row.ahead.low > 0 for row in good.rows[1:]} == {
        "parameters": True, "macs": True, "linear fit of counts": True,
    }  # fmt: skip
    assert any("beats counting parameters" in sentence for sentence in good.verdict)
    truth, _, counts, _ = simulated(own=0.3, size=2.0)
    same = rating_worth(truth, [[value] for value in counts["macs"] + counts["parameters"]], counts)
    assert any("is beaten by counting parameters" in sentence for sentence in same.verdict)
    assert any("is beaten by a linear fit of the counts" in sentence for sentence in same.verdict)


def test_what_it_knows_beyond_the_counts_is_the_partial_correlation():
    truth, quality, counts, _ = simulated()
    knows = rating_worth(truth, [[value] for value in quality + np.log(counts["parameters"])], counts).rows[0]
    size = rating_worth(truth, [[value] for value in np.log(counts["parameters"])], counts).rows[0]
    assert knows.partial.low > 0.3
    assert abs(size.partial.value or 0) < 0.3


def test_the_fit_of_counts_never_sees_the_network_that_it_predicts():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(40, 1))  # counts say nothing of it, so a fit on itself would look good, and this one not
    counts = {f"count {number}": np.exp(rng.normal(size=40)) for number in range(12)}
    fit = rating_worth(truth, truth, counts).rows[-1]
    assert fit.kind == "fit"
    assert fit.rho.value < 0.3


def test_the_ceiling_comes_from_the_noise_of_the_truth():
    truth, _, counts, real = simulated(n=600, noise=1.0, own=1.0, size=0.0)
    found = rating_worth(truth, [[value] for value in real], counts)
    assert found.seeds == pytest.approx(0.5, abs=0.08)
    assert found.ceiling == pytest.approx(np.sqrt(2 * found.seeds / (1 + found.seeds)))
    assert found.rows[0].rho.value == pytest.approx(found.ceiling, abs=0.05)
    assert "too noisy to judge" in found.verdict[0]


def test_two_supernets_and_the_best_tenth():
    truth, _, counts, real = simulated(n=200)
    rng = np.random.default_rng(5)
    ratings = real[:, None] + 0.1 * rng.normal(size=(200, 2))
    found = rating_worth(truth, ratings, counts)
    assert found.supernets > 0.9
    best = np.argsort(-truth.mean(1))[:20]
    assert found.rows[0].best == pytest.approx(stats.spearmanr(ratings.mean(1)[best], truth.mean(1)[best]).statistic)


def test_equal_input_gives_equal_output():
    truth, quality, counts, _ = simulated(n=50)
    one, other = (rating_worth(truth, quality[:, None], counts, {"synflow": quality**3}) for _ in range(2))
    assert json.dumps(one.to_json()) == json.dumps(other.to_json())
    assert [row.kind for row in one.rows] == ["rating", "count", "count", "other", "fit"]


PUBLISHED = [
    (75.52, 16.483399, 18), (75.0, 16.480635, 15), (74.66, 16.476755, 11), (74.79, 16.478264, 13),
    (74.76, 16.477039, 13), (74.46, 16.471088, 11), (74.93, 16.471278, 12), (74.766, 16.477608, 12),
    (74.36, 16.472541, 9), (74.43, 16.471000, 9), (74.57, 16.475286, 12), (74.52, 16.470100, 9),
    (74.89, 16.469785, 13), (74.55, 16.470946, 10), (74.34, 16.470974, 8), (74.62, 16.470052, 10),
    (74.03, 16.468212, 8), (74.33, 16.470447, 11), (74.14, 16.466826, 7), (73.86, 16.467308, 6),
    (74.38, 16.467203, 7), (73.85, 16.466160, 6), (73.58, 16.462262, 5),
]  # fmt: skip
"""BossNAS on 23 networks for ImageNet: top-1, sum of the released block ratings, layers of expansion 6."""


def test_the_published_ratings_of_bossnas_have_the_published_correlations_and_do_not_beat_a_count():
    top1, rating, count = zip(*PUBLISHED, strict=True)
    found = rating_worth([[one] for one in top1], [[one] for one in rating], {"expansion 6": count})
    first, counted, _ = found.rows
    assert [round(one.value, 3) for one in (first.tau, first.rho, first.r)] == [0.644, 0.777, 0.847]
    assert (round(first.rho.low, 2), round(first.rho.high, 2)) == pytest.approx((0.46, 0.95), abs=0.03)
    assert round(counted.rho.value, 3) == 0.918
    assert "does not beat counting expansion 6" in found.verdict[0]


def files(tmp_path):
    truth, _, counts, real = simulated(n=30)
    names = [f'["conv2","att{number}"]' for number in range(30)]
    with (tmp_path / "truth.csv").open("w") as file:
        file.write("candidate,accuracy,seconds\n")
        for seed in range(2):
            for name, one in zip(names, truth, strict=True):
                quoted = name.replace('"', '""').replace(",", ", ")  # laid out in another way than ours
                file.write(f'"{quoted}",{one[seed]},2.5\n')
    with (tmp_path / "ratings.csv").open("w") as file:
        file.write("candidate,rating,parameters,macs,synflow\n")
        for name, one, parameters, macs in zip(names, real, *counts.values(), strict=True):
            file.write('"{}",{},{},{},{}\n'.format(name.replace('"', '""'), one, parameters, macs, one / 2))
        file.write('"[""conv2"",""new""]",1,2,3,4\n')
    return tmp_path / "truth.csv", tmp_path / "ratings.csv"


def test_files_are_joined_by_the_candidates_text(tmp_path):
    truth, ratings = files(tmp_path)
    found = joined(read_scores(truth), read_scores(ratings))
    assert (found.worth.architectures, found.metric) == (30, "accuracy")
    assert found.worth.seeds > 0.7
    assert found.worth.seconds == {"truth": 150.0}
    assert found.notes == ("1 of the rated candidates have no truth.",)
    assert {row.name for row in found.worth.rows} == {"rating", "parameters", "macs", "synflow", "linear fit of counts"}
    lower = joined(read_scores(truth), read_scores(ratings), minimize=True)
    assert lower.worth.rows[0].rho.value == -found.worth.rows[0].rho.value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("candidate,accuracy\na,0.9\n", "line 1 lacks the column 'rating'"),
        ("candidate,rating\na,x\n", "line 2 has 'x' as rating; give a number, or leave it blank"),
        ("candidate,rating\na,inf\n", "line 2 has 'inf' as rating"),
        ("candidate,rating\na\n", "line 2 has 1 values and the header 2"),
        ("candidate,rating\n,1\n", "line 2 has no candidate"),
        ("candidate,rating,rating\na,1,1\n", "has the column 'rating' twice"),
        ("", "lacks the column 'candidate'; it has nothing"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(tmp_path, text, says):
    (tmp_path / "ratings.csv").write_text(text)
    with pytest.raises(InvalidInput) as error:
        read_scores(tmp_path / "ratings.csv", "rating")
    assert says in str(error.value)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    truth, _ = files(tmp_path)
    (tmp_path / "others.csv").write_text("candidate,rating\na,1\nb,2\n")
    with pytest.raises(InvalidInput, match=r"0 candidates stand in both .* four are the least; they are joined by"):
        joined(read_scores(truth), read_scores(tmp_path / "others.csv"))
    (tmp_path / "two.csv").write_text("candidate,accuracy,loss\na,1,2\n")
    with pytest.raises(InvalidInput, match="has the metrics accuracy, loss; name one with --metric"):
        joined(read_scores(tmp_path / "two.csv"), read_scores(truth))


def test_the_command_prints_a_table_and_json(tmp_path):
    truth, ratings = files(tmp_path)
    command = [sys.executable, "-c", "from automl.cli import main; main()"]
    run = [*command, "rating-report", "--truth", str(truth), "--ratings", str(ratings)]
    printed = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert "30 architectures, truth: accuracy" in printed
    assert "Two seeds of the truth agree with rho" in printed
    assert "counting parameters" in printed
    counted = subprocess.run([*run, "--count", "synflow"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "counting synflow" in counted.stdout
    found = json.loads(
        subprocess.run([*run, "--json"], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    )
    assert found["scores"][0]["rho"]["value"] > 0.8
    missing = subprocess.run([*run[:-1], "none.csv"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "none.csv cannot be read as CSV" in missing.stderr


def test_studies_are_truths_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Line(automl.Space):
        x = automl.Integer(1, 40)

        def costs(self, c):
            return {"parameters": float(c.x), "macs": float(41 - c.x)}

    automl.search(
        Line(), evaluator=lambda c: c.x**2, trials=14, strategy="random", study="truth", baseline=False, workers=0
    )
    automl.search(
        Line(), evaluator=lambda c: -c.x, trials=14, strategy="random", study="rating", baseline=False, workers=0
    )
    from automl.cli.ratings import _scores

    storage = "sqlite:///automl.db"
    found = joined(_scores("truth", storage), _scores("rating", storage, rating=True))
    assert found.worth.rows[0].rho.value == pytest.approx(-1)
    assert found.worth.rows[1].rho.value == pytest.approx(1)
