"""Known answers: the functional classes of NAS-Bench-201 and NAS-Bench-101, against oracles that match weights
explicitly.
"""

import itertools
from collections import defaultdict

import oracle101
import oracle201
import pytest

from automl.hashing import Hasher
from search_spaces.nas import nasbench101, nasbench201

pytestmark = pytest.mark.usefixtures("one_thread")


def keys(graphs):
    hashed = Hasher().hash_many([(graph, {}) for graph in graphs], ["?"] * len(graphs))
    assert not any(item.fallback for item in hashed)
    return [item.key for item in hashed]


def assert_same_partition(found, expected):
    wrong, missed = defaultdict(set), defaultdict(set)
    for key, number in zip(found, expected, strict=True):
        wrong[key].add(number)
        missed[number].add(key)
    assert not [numbers for numbers in wrong.values() if len(numbers) > 1], "wrong merges"
    assert not [several for several in missed.values() if len(several) > 1], "missed merges"


def test_all_cells_of_nasbench201_fall_into_5044_functions():
    cells = list(itertools.product(oracle201.OPS, repeat=6))
    found = keys([nasbench201.cell_graph(cell) for cell in cells])
    assert_same_partition(found, oracle201.partition(cells))
    assert len(set(found)) == 5044


def test_cells_of_nasbench101_up_to_five_vertices_fall_into_2532_functions():
    leaders, counts = {}, []
    for vertices in (2, 3, 4, 5):
        cells = list(oracle101.all_cells(vertices))
        found = keys([nasbench101.cell_graph(*cell) for cell in cells])
        forms = [oracle101.graph_form(*cell) for cell in cells]
        assert_same_partition(found, forms)  # every labelled form of a cell is in its class
        counts.append(len(set(found)))
        for cell, form in zip(cells, forms, strict=True):
            leaders.setdefault((vertices, form), cell)
    assert counts == [1, 6, 84, 2441]
    cells = list(leaders.values())
    found = keys([nasbench101.cell_graph(*cell) for cell in cells])
    assert_same_partition(found, oracle101.partition(cells))
    assert len(set(found)) == 2532


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_cells_of_nasbench101_up_to_six_vertices_agree_with_brute_force():
    leaders = {}
    for vertices in range(2, 7):
        for cell in oracle101.all_cells(vertices):
            leaders.setdefault((vertices, oracle101.graph_form(*cell)), cell)
    assert len(leaders) == 64542  # they differ as graphs
    cells = list(leaders.values())
    found = keys([nasbench101.cell_graph(*cell) for cell in cells])
    expected = oracle101.partition(cells)
    assert_same_partition(found, expected)
    assert len(set(expected)) == 64283  # max-pool vertices carry no weights, so some twins are one
