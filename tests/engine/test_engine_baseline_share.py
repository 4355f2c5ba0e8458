"""`--baseline 0.25`: a shorter random search is compared with the search's own first evaluations; looks are counted."""

import pytest

import automl
from automl.storage.studies import StudyStore


class Line(automl.Space):
    x = automl.Integer(0, 99_999)

    def candidates(self):
        return (self.decode({"x": x}) for x in range(100_000))


def height(candidate):
    return candidate.x


def search(tmp_path, **given):
    return automl.search(
        Line(),
        **{
            "evaluator": height,
            "strategy": "exhaustive",
            "trials": 40,
            "workers": 0,
            "study": "mine",
            "storage": f"sqlite:///{tmp_path / 'a.db'}",
            "progress": False,
            "sample": 2,
            "finalists": 2,
            **given,
        },
    )


def test_the_comparison_is_with_the_searchs_own_first_evaluations(tmp_path):
    study = search(tmp_path, baseline=0.25)
    data = study.report().data
    assert (data.random.counted, data.search.counted, data.compared_at) == (10, 40, 10)
    assert [item.candidate for item in data.early_winners] == ['{"x":9}', '{"x":8}']  # of x = 0 to 9
    assert [item.candidate for item in data.winners] == ['{"x":39}', '{"x":38}']
    assert data.gain.value == 9 - data.random_winners[0].test
    assert data.verdict.reason.startswith(
        "Random search has 10 evaluations and is compared with the search's first 10 of 40. "
    )
    assert data.against == "random search, equal evaluations (the first 10 of 40)"
    [equal] = [check for check in data.checklist if "equal effort" in check.practice]
    assert equal.kept
    assert equal.note == "10 random evaluations, the first 10 of 40 of the search"
    assert study.report().json()["compared_at_evaluations"] == 10


def test_a_whole_baseline_is_as_before(tmp_path):
    data = search(tmp_path, baseline=1.0).report().data
    assert (data.random.counted, data.search.counted, data.compared_at, data.early_winners) == (40, 40, None, [])
    assert data.gain.value == 39 - data.random_winners[0].test


@pytest.mark.parametrize("share", [-0.1, 1.5, "0.25", float("nan")])
def test_other_shares_are_refused(tmp_path, share):
    with pytest.raises(automl.InvalidInput, match="baseline="):
        search(tmp_path, baseline=share)


def test_each_finished_extent_is_a_look_and_leaves_less_error(tmp_path):
    given = {"direction": "minimize", "test_seeds": 2}  # the lowest come first here, so that the search is better
    study = search(tmp_path, trials=10, **given)
    assert study.report().data.verdict.beats
    assert "look" not in study.report().data.verdict.reason
    for trials in (20, 30):
        with pytest.warns(UserWarning, match="larger budget"):
            study = search(tmp_path, trials=trials, **given)
    study = search(tmp_path, trials=30, **given)  # to look again at the same extent is no other look
    looks = StudyStore(study.database).find("mine").settings["environment"]["looks"]
    assert [one["trials"] for one in looks] == [10, 20, 30]
    verdict = study.report().data.verdict
    assert verdict.beats
    assert "this is look 3 at it, which may spend" in verdict.reason
