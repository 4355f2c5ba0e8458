import csv
import os
from pathlib import Path

import pytest

from automl.errors import InvalidInput
from automl.evidence import agreement_between, rank_agreement


def published(name: str) -> tuple[list[float], list[float]]:
    root = Path(os.environ.get("AUTOML_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
    path = root / "frustratinglyhard" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent; set AUTOML_DATA to the folder of real data")
    with path.open() as file:
        rows = list(csv.reader(file))[1:]
    return [float(row[0]) for row in rows], [float(row[1]) for row in rows]


@pytest.mark.parametrize(("name", "tau"), [("seeds_a_vs_b.csv", 0.476), ("cells_8_vs_20.csv", 0.535)])
def test_published_architectures_give_the_published_tau(name: str, tau: float) -> None:
    found = rank_agreement(*published(name))
    assert found.pairs == 32
    assert found.tau == pytest.approx(tau, abs=0.0005)
    assert found.rho is not None
    assert found.tau is not None
    assert found.tau < found.rho < 1


@pytest.mark.parametrize(("name", "tau"), [("seeds_a_vs_b.csv", 0.476), ("cells_8_vs_20.csv", 0.535)])
def test_classes_of_two_contexts_are_matched_whatever_their_order(name: str, tau: float) -> None:
    one, other = published(name)
    first = {f"architecture {place}": value for place, value in enumerate(one)}
    second = {f"architecture {place}": value for place, value in reversed(list(enumerate(other)))}
    found = agreement_between({**first, "only here": 1.0}, {"only there": 99.0, **second})
    assert found == rank_agreement(one, other)
    assert found.tau == pytest.approx(tau, abs=0.0005)


def test_agreement_by_hand() -> None:
    assert rank_agreement([1, 2, 3, 4], [1, 3, 2, 4]).tau == pytest.approx(4 / 6)
    assert rank_agreement([1, 2, 3, 4], [1, 3, 2, 4]).rho == pytest.approx(0.8)
    assert rank_agreement([1, 2, 3], [3, 2, 1]).tau == pytest.approx(-1)


def test_nothing_to_rank_is_no_agreement() -> None:
    assert rank_agreement([1.0, 1.0], [2.0, 3.0]).tau is None
    assert rank_agreement([1.0], [2.0]).pairs == 1


def test_unequal_lengths_and_missing_values_are_refused() -> None:
    with pytest.raises(InvalidInput, match="one length"):
        rank_agreement([1.0, 2.0], [1.0])
    with pytest.raises(InvalidInput, match="finite"):
        rank_agreement([1.0, float("nan")], [1.0, 2.0])
