"""BossNAS's released ratings of the size space of NATS-Bench, through our table of blocks."""

import itertools

import numpy as np
import pytest

from automl.evaluators.base import Evaluation, Work
from automl.evidence.rating_files import joined, read_scores
from automl.jsontext import canonical
from automl.setup.targets import reference_to
from search_spaces.nas.widths import Widths
from workers.supernets.block_table import BlockTable
from workers.supernets.evaluators import WholeRating

RELEASED = (
    """
    3143326 3139769 3133550 3136077 3134235 3138064 3132761 3132242 3159750 3156625 3149003 3154948 3153355 3156964
    3154107 3155568 3157805 3158085 3153515 3155888 3157067 3157135 3153380 3154758 3156754 3159015 3156537 3158150
    3163566 3162006 3160193 3163305 3154459 3156559 3157430 3159277 3163190 3161342 3159798 3162472 3157779 3159040
    3158045 3160236 3166292 3162013 3159455 3162667 3156807 3158076 3157664 3160979 3167556 3162104 3160943 3165336
    3157515 3160137 3160591 3163455 3169247 3163276 3162458 3166025
    """,
    """
    3033811 3028897 3031251 3034281 3023522 3022756 3023798 3019639 3042993 3050331 3050548 3054164 3053951 3058361
    3053533 3056938 3044993 3050447 3055436 3058795 3055277 3061541 3056313 3061953 3048127 3057127 3060429 3061074
    3058362 3061384 3058461 3065659 3051553 3058230 3062386 3056170 3054342 3055415 3057928 3057170 3047786 3060833
    3064529 3059756 3058032 3062726 3058317 3066065 3050040 3062325 3064653 3062264 3058489 3061733 3060180 3064601
    3050385 3060800 3063016 3062126 3056977 3058887 3058671 3062388
    """,
    """
    2912080 2915375 2913382 2920437 2920554 2924682 2929688 2914743
    """,
)
"""Minus a million times the loss of each part of the three blocks, for widths 8 to 64 in order: first ones slowest."""

SPACE = Widths(resolution=32, channels=3)
PARTS = [list(itertools.product(map(str, range(8, 65, 8)), repeat=length)) for length in SPACE.lengths]
RATINGS = [np.array(text.split(), dtype=float) / 1e6 for text in RELEASED]
EVERY = (RATINGS[0][:, None, None] + RATINGS[1][None, :, None] + RATINGS[2]).ravel()
"""Rating of each of the 32,768 networks, in the order of the space."""


def table():
    found = {}
    for index, (parts, ratings) in enumerate(zip(PARTS, RATINGS, strict=True)):
        rated = {canonical(list(part)): float(one) for part, one in zip(parts, ratings, strict=True)}
        found |= {(index, entry): rated for entry in SPACE.block_entries(index)}  # theirs know no entry
    return BlockTable.of(SPACE, [found], {"made_by": "released"})


def test_the_best_rated_network_is_the_published_one():
    best = [ratings.argmax() for ratings in RATINGS]
    assert ":".join(one for place, parts in zip(best, PARTS, strict=True) for one in parts[place]) == "64:40:48:64:56"
    assert len(EVERY) == SPACE.size() == 32_768
    assert EVERY.argmax() == best[0] * 512 + best[1] * 8 + best[2]


def test_whole_networks_are_rated_by_the_table_as_they_were(tmp_path):
    (tmp_path / "released.json").write_text(table().json())
    evaluator = WholeRating(table=str(tmp_path / "released.json")).for_space(reference_to(SPACE))
    for place in (0, 7, 31_000, 32_767):
        candidate = SPACE.decode(":".join(str(8 * (1 + int(digit))) for digit in np.base_repr(place, 8).rjust(5, "0")))
        work = Work(SPACE.behaviour(candidate), {}, candidate.json)
        assert evaluator.evaluate(work, Evaluation(0))["rating"] == pytest.approx(EVERY[place], rel=1e-12)


def test_results_from_elsewhere_are_joined_by_their_plain_text(tmp_path):
    names = [":".join(part) for part in itertools.product(("8", "64"), repeat=5)]
    figures = [sum(map(int, name.split(":"))) for name in names]
    for file, column in (("truth.csv", "accuracy"), ("ratings.csv", "rating")):
        rows = [f"{name},{figure}\n" for name, figure in zip(names, figures, strict=True)]
        (tmp_path / file).write_text(f"candidate,{column}\n{''.join(rows)}")
    found = joined(read_scores(tmp_path / "truth.csv"), read_scores(tmp_path / "ratings.csv"))
    assert (found.worth.architectures, found.worth.rows[0].rho.value) == (32, 1.0)
