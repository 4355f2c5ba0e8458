"""The demo's search under several seeds: does its verdict say that it beats random search?

    python benchmarks/demo_seeds.py --seeds 14 15 16 --out folder

Each seed has a database of its own, so that no run profits from another; a run that was stopped goes on. One line a
seed, as in the table of docs/demo.md. The random sample of two changes no verdict and saves time.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any

import automl

DEMO: dict[str, Any] = {"workers": 0, "finalists": 1, "test_seeds": 5}
"""The settings of `make demo` that a verdict depends on."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10, 20)))
    parser.add_argument("--out", type=Path, default=Path("demo-seeds"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("| seed | verdict | test figure | of random search's winner | gain, 95 % interval | classes above | CPU s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for seed in arguments.seeds:
        began, name = time.process_time(), f"demo-{seed}"
        storage = f"sqlite:///{arguments.out}/final-{seed}.db"
        study = automl.search(
            "layers-1d", seed=seed, storage=storage, study=name, namespace=name, sample=2, progress=False, **DEMO
        )
        print(line(seed, study.report().json(), time.process_time() - began), flush=True)
        study.close()


def line(seed: int, report: dict[str, Any], seconds: float) -> str:
    gain = report["gain_over_random_search"]
    ours, theirs = report["winners"][0], report["random_winners"][0]
    above = re.search(r"(\d+) of the search's", report["verdict_reason"])
    return (
        f"| {seed} | {report['verdict']} | {ours['test']:.3f} | {theirs['test']:.3f} | "
        f"{gain['value']:+.3f}, {gain['low']:+.3f} to {gain['high']:+.3f} "
        f"| {above.group(1) if above else '–'} | {seconds:.0f} |"
    )


if __name__ == "__main__":
    main()
