"""What an archive strategy buys: cells filled and their figures, beside evolution and uniform samples.

    python benchmarks/archive.py [--seeds 10] [--evaluations 200]

Each strategy searches NAS-Bench-201 (CIFAR-100, one validation seed) with equally many evaluations. All trials of each
search, whatever its strategy, are put into one grid: parameters (8 cells, by their logarithm) against the depth of the
cell's function (4). A row says how many cells are filled, the sum of their best accuracies, which is what
quality-diversity searches compare (QD score), and the best accuracy. Intervals are of means over seeds. AUTOML_DATA
names the folder with the tables.
"""

from __future__ import annotations

import argparse
import json
import tempfile

import numpy as np

import automl
from automl.hashing import Hasher
from automl.strategies.base import Told
from automl.strategies.map_elites import MAPElites

AXES = "parameters=7e4..1.6e6:8:log,features.shape.depth=0..4:4"
STRATEGIES = {
    "map_elites": {"descriptors": AXES},
    "regularized_evolution": {},
    "random": {},
}


def archive_of(study: automl.Study) -> dict:
    """Returns the archive that a study's trials would have left, whatever its strategy."""
    space, hasher = study.space, Hasher()

    class Hashes:
        def keys(self, candidates):
            raise NotImplementedError

        def features(self, candidates):
            behaviours = [(space.behaviour(one), {}) for one in candidates]
            return [one.features for one in hasher.hash_many(behaviours, features=True)]

    grid = MAPElites(AXES, initial=1)
    grid.bind(space, hashes=Hashes())
    for trial in study.trials():
        candidate = space.decode(json.loads(trial.candidate))
        grid.tell([Told(trial.number, candidate, trial.fitness, trial.metrics, costs=trial.costs)])
    return grid.account()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=200)
    given = parser.parse_args()
    print("| strategy | cells filled | QD score | best accuracy |\n|---|---|---|---|")
    for name, settings in STRATEGIES.items():
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(given.seeds):
                study = automl.search(
                    "nasbench201",
                    strategy=name,
                    settings=settings,
                    evaluations=given.evaluations,
                    seed=seed,
                    workers=0,
                    baseline=False,
                    confirm=1,
                    namespace=f"{name} {seed}",
                    storage=f"sqlite:///{folder}/archive.db",
                    progress=False,
                )
                cells = archive_of(study)["cells"]
                figures = [cell["fitness"] for cell in cells]
                rows.append((len(cells), sum(figures), max(figures)))
                study.close()
        means, half = np.mean(rows, 0), 1.96 * np.std(rows, 0, ddof=1) / np.sqrt(len(rows))
        both = zip(means, half, (1, 0, 2), strict=True)
        cells = [f"{mean:.{digits}f} ± {one:.{digits}f}" for mean, one, digits in both]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
