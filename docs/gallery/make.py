"""Makes the four reports of the gallery: `make gallery`. The first two look figures up in NAS-Bench-201's table.

python docs/gallery/make.py [NAME …]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import automl

HERE = Path(__file__).resolve().parent

SEARCHES: dict[str, dict[str, Any]] = {
    "nasbench201": {"space": "nasbench201", "evaluations": 150, "settings": {"population": 20, "tournament": 5}},
    "halving": {"space": "nasbench201", "strategy": "successive_halving", "trials": 200},
    "program": {"space": "automl-zero-linear", "trials": 4000},
    "activation": {"space": "activation", "trials": 40, "settings": {"population": 10, "tournament": 3}},
}
"""Page → arguments of `automl.search`."""


def main(names: list[str]) -> None:
    for name in names or SEARCHES:
        with tempfile.TemporaryDirectory() as folder:
            study = automl.search(study=name, storage=f"sqlite:///{folder}/gallery.db", workers=0, **SEARCHES[name])
            print(study.report().save(HERE / f"{name}.html"))


if __name__ == "__main__":
    main(sys.argv[1:])
