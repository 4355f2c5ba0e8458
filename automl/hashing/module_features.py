"""Features of a torch module's function, off the run that its key comes from.

Only what belongs to the function is read: outputs, gradients, and the weights that the outputs depend on, all with the
weights that the hash has put into their order. The operations that compute it are the candidate's own way of writing,
and two modules with one key may have others; so there are no features of those. Gradients say what zero-cost scores
say: their norm (Abdelfattah et al. 2021, arXiv 2101.08134), weights times gradients (after SynFlow, Tanaka et al. 2020,
arXiv 2006.05467), and how alike the gradients of examples are (after Jacobian covariance, Mellor et al. 2020, arXiv
2006.04647v1). The code kernel of NASWOT needs the ReLUs inside and is left out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence

import numpy as np

from automl.hashing.mixing import MANTISSA_BITS, rounded
from automl.hashing.observed import FAR, NEAR
from automl.hashing.outputs import Seen
from automl.hashing.signature import as_real
from automl.hashing.slots import Look, Slots

_RUNS = ("in training", "in evaluation", f"in training, {FAR}", f"in evaluation, {FAR}", f"in training, {NEAR}")
_TINY = 1e-12
_SOFTENED = 1e-5
"""Added to eigenvalues, as in the score's first publication."""


def module_features(
    slots: Slots, look: Look, live: Collection[int], untrained: Collection[int]
) -> dict[str, np.ndarray]:
    """Returns the features by group, with names as in `automl.hashing.features.NAMES`; NaN where there is nothing.

    Args:
        slots: of the module, filled with the weights that its digest comes from.
        look: at it.
        live: slots that the outputs depend on.
        untrained: those of them that are not trained.
    """
    found = {
        "outputs": _outputs(look.seen),
        "gradients": _gradients(look.back),
        "weights": _weights(slots, look, sorted(live), len(untrained)),
    }
    return {name: rounded(np.array(values), MANTISSA_BITS) for name, values in found.items()}


def _outputs(seen: Sequence[Seen]) -> list[float]:
    by_run = {run: [one for one in seen if one.name.endswith(run)] for run in _RUNS}
    values = {run: _joined(some) for run, some in by_run.items()}
    trained, evaluated = values[_RUNS[0]], values[_RUNS[1]]
    size = _size(trained)
    count = max(1, trained.size)
    return [
        *(_log(_size(values[run])) for run in _RUNS),
        math.log1p(sum(math.prod(one.shape[1:]) for one in by_run[_RUNS[0]])),
        float(trained.sum()) / count / (size + _TINY),
        1.0 - np.count_nonzero(trained) / count,
        _size(trained - evaluated) / (size + _TINY) if trained.shape == evaluated.shape else math.nan,
        _alike(by_run[_RUNS[0]]),
    ]


def _gradients(back: Sequence[Seen]) -> list[float]:
    flowing = [one for one in back if one.values.numel()]
    values = _joined(flowing)
    if not values.size:
        return [math.nan] * 3
    return [_log(_size(values)), 1.0 - np.count_nonzero(values) / values.size, _covariance(flowing)]


def _weights(slots: Slots, look: Look, live: Sequence[int], untrained: int) -> list[float]:
    sizes = [float(slots.parameters[number].numel()) for number in live]
    norms, logs, flow = [], [], 0.0
    for number in live if look.slot_gradients else []:
        gradient = look.slot_gradients[number] if look.slot_gradients else None
        if gradient is None or look.slots[number] is None:
            continue
        flat = as_real(gradient).numpy()
        norms.append(math.sqrt(float(flat @ flat)))
        logs.append(_log(norms[-1] / math.sqrt(flat.size)))
        flow += float(np.abs(flat * as_real(slots.parameters[number].detach()).numpy()).sum())
    return [
        math.log1p(len(live)),
        math.log1p(sum(sizes)),
        max(sizes, default=0.0) / max(1.0, sum(sizes)),
        math.log1p(len({slots.shapes[number] for number in live})),
        math.log1p(untrained),
        1.0 - len(norms) / len(live) if live else math.nan,
        _log(math.hypot(*norms)) if norms else math.nan,
        statistics.pstdev(logs) if logs else math.nan,
        _log(flow) if norms else math.nan,
    ]


def _joined(seen: Sequence[Seen]) -> np.ndarray:
    """Returns the values of tensors, one after the other; zeros for what is not finite."""
    if not seen:
        return np.zeros(0)
    joined = np.concatenate([one.values.numpy() for one in seen])
    return joined if np.isfinite(joined.sum()) else np.nan_to_num(joined, nan=0.0, posinf=0.0, neginf=0.0)


def _size(values: np.ndarray) -> float:
    """Returns the root of the mean square."""
    return math.sqrt(float(values @ values) / max(1, values.size))


def _log(value: float) -> float:
    return math.log10(value + _TINY)


def _examples(seen: Sequence[Seen]) -> np.ndarray | None:
    """Returns one row an example, as far as the tensors have one; None with fewer than two."""
    counts = {one.shape[0] for one in seen if one.shape}
    if len(counts) != 1 or (count := counts.pop()) < 2:
        return None
    rows = [one.values.numpy().reshape(count, -1) for one in seen if one.shape and one.values.numel() % count == 0]
    return np.nan_to_num(np.concatenate(rows, axis=1), nan=0.0, posinf=0.0, neginf=0.0) if rows else None


def _correlations(rows: np.ndarray) -> np.ndarray | None:
    centred = rows - rows.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(centred, axis=1)
    if not (sizes > _TINY).all():
        return None
    return np.asarray((centred @ centred.T) / np.outer(sizes, sizes))


def _alike(seen: Sequence[Seen]) -> float:
    """Returns the mean correlation between the outputs of two examples."""
    rows = _examples(seen)
    found = _correlations(rows) if rows is not None and rows.shape[1] > 1 else None
    return math.nan if found is None else float((found.sum() - len(found)) / (len(found) * (len(found) - 1)))


def _covariance(back: Sequence[Seen]) -> float:
    """Returns the score of the correlations between the input gradients of examples, 0 at most, where they are
    independent; on a logarithmic scale, for it has a pole where they are equal.
    """
    rows = _examples(back)
    found = _correlations(rows) if rows is not None and rows.shape[1] > 1 else None
    if found is None:
        return math.nan
    values = np.linalg.eigvalsh(found).clip(0.0) + _SOFTENED
    return -math.log10(np.mean(np.log(values) + 1.0 / values))
