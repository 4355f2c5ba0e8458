"""What confirming the best is worth: of 100 normally distributed classes under normal noise, which one is reported.

    python benchmarks/confirmation.py

Loss is how far the reported class is below the best one, flattery how far its figure is above its true value, both in
standard deviations of the classes; cost is the number of evaluations that confirming took. The rule is that of
`automl.selection.contest`, on numbers instead of studies.
"""

from __future__ import annotations

import numpy as np

from automl.selection.contest import AT_MOST

CLASSES, FINALISTS, SEARCHES = 100, 3, 4000


def report_one(rng: np.random.Generator, noise: float, confirm: int) -> tuple[float, float, int]:
    true = rng.normal(size=CLASSES)
    first = true + noise * rng.normal(size=CLASSES)
    shown, confirmed = first.copy(), set[int]()
    while confirm > 1:
        leaders = [int(one) for one in np.argsort(-shown)[:FINALISTS] if one not in confirmed]
        leaders = leaders[: AT_MOST * FINALISTS - len(confirmed)]
        if not leaders:
            break
        for one in leaders:
            again = true[one] + noise * rng.normal(size=confirm - 1)
            shown[one] = (first[one] + again.sum()) / confirm
            confirmed.add(one)
    best = max(confirmed or range(CLASSES), key=lambda one: shown[one])
    return true.max() - true[best], shown[best] - true[best], len(confirmed) * (confirm - 1)


def main() -> None:
    rng = np.random.default_rng(0)
    print(f"{'noise':>6} {'confirm':>8} {'loss':>6} {'flattery':>9} {'cost':>6}")
    for noise in (0.5, 1.0):
        for confirm in (1, 2, 3, 4):
            loss, flattery, cost = np.mean([report_one(rng, noise, confirm) for _ in range(SEARCHES)], axis=0)
            print(f"{noise:>6} {confirm:>8} {loss:>6.2f} {flattery:>9.2f} {cost:>6.1f}")


if __name__ == "__main__":
    main()
