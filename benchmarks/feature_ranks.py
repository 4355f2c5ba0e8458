"""How each feature of a function ranks the cells of NAS-Bench-201, beside parameters and multiply-accumulates.

Spearman's rank correlation with the mean test accuracy after 200 epochs, one cell of each of the 5,044 functions: the
one with the fewest parameters, whose costs stand beside the features.

    nice python benchmarks/feature_ranks.py
"""

from __future__ import annotations

import numpy as np
from cells201 import DATASETS, Cells
from scipy.stats import spearmanr

from automl.hashing import Hasher
from automl.hashing.graph_features import SHAPE
from automl.spaces.space import Candidate
from search_spaces.nas.nasbench201 import PROBE, NASBench201


def main() -> None:
    cells, space = Cells(), NASBench201()
    candidates = [Candidate(text) for text in cells.texts]
    costs = [space.costs(one) for one in candidates]
    cheapest: dict[int, int] = {}
    for number in sorted(range(len(candidates)), key=lambda one: costs[one]["parameters"]):
        cheapest.setdefault(cells.keys[number], number)
    chosen = sorted(cheapest.values())
    features = Hasher(PROBE).features([space.behaviour(candidates[one]) for one in chosen])
    columns = {name: [costs[one][name] for one in chosen] for name in ("parameters", "macs")}
    columns |= {f"shape: {name}": [found["shape"][at] for found in features] for at, name in enumerate(SHAPE)}
    columns["paths: how many places are taken"] = [np.count_nonzero(found["paths"]) for found in features]
    print(f"| number | {' | '.join(DATASETS)} |\n|{'---|' * (len(DATASETS) + 1)}")
    for name, values in columns.items():
        ranks = [spearmanr(values, [cells.test[data][one] for one in chosen]).statistic for data in DATASETS]
        print(f"| {name} | {' | '.join(f'{rank:.3f}' for rank in ranks)} |")


if __name__ == "__main__":
    main()
