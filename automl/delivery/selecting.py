"""Greedy selection of networks with replacement on the validation part (Caruana et al., ICML 2004)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.delivery.ensemble import Ensemble, Member
from automl.delivery.model import TrainedModel
from automl.evaluators.base import Metrics
from automl.evaluators.delivery import Delivers, delivers
from automl.evidence.intervals import Estimate

if TYPE_CHECKING:
    import torch
    from torch import nn

_RESAMPLES = 400


def chosen(
    outputs: Sequence[torch.Tensor],
    mixed: Callable[[Sequence[torch.Tensor], Sequence[float]], torch.Tensor],
    worth: Callable[[torch.Tensor], float],
    most: int,
) -> Counter[int]:
    """Chooses networks one after the other, each time the one that makes all chosen ones together best.

    A network may be chosen again. Of equals the first is taken. What is returned is the best of all that the choices
    went through, the smallest of equals.

    Args:
        outputs: of each network on the validation part.
        mixed: joins the outputs of several networks, given their weights.
        worth: of joined outputs; larger is better.
        most: number of choices.

    Returns:
        How often each place was chosen.

    Example:
        >>> import torch
        >>> truth, networks = torch.tensor(1.0), [torch.tensor(one) for one in (0.5, 1.75, 0.0)]
        >>> mean = lambda outputs, weights: sum(one * weight for one, weight in zip(outputs, weights))
        >>> sorted(chosen(networks, mean, lambda joined: -abs(float(joined - truth)), 3).items())
        [(0, 2), (1, 1)]
    """
    taken: Counter[int] = Counter()
    best: tuple[float, Counter[int]] | None = None
    for _ in range(most):
        reached = [worth(joined(outputs, taken + Counter([place]), mixed)) for place in range(len(outputs))]
        place = max(range(len(outputs)), key=lambda one: (reached[one], -one))
        taken[place] += 1
        if best is None or reached[place] > best[0]:
            best = reached[place], Counter(taken)
    assert best is not None
    return best[1]


def joined(
    outputs: Sequence[torch.Tensor],
    taken: Mapping[int, int],
    mixed: Callable[[Sequence[torch.Tensor], Sequence[float]], torch.Tensor],
) -> torch.Tensor:
    """Returns what the networks at the chosen places give together."""
    total = sum(taken.values())
    places = sorted(taken)
    return mixed([outputs[place] for place in places], [taken[place] / total for place in places])


def joining(models: Sequence[nn.Module], weights: Sequence[float], evaluator: Delivers) -> nn.Module:
    """Returns a module that runs several and joins what they give."""
    import torch

    class Joined(torch.nn.Module):
        """Several trained networks as one."""

        def __init__(self) -> None:
            super().__init__()
            self.members = torch.nn.ModuleList(models)

        def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> torch.Tensor:
            return evaluator.mixed([one(*inputs, **named) for one in self.members], weights)

    return Joined().eval()


def gain_over(
    outputs: torch.Tensor,
    single: torch.Tensor,
    score: Callable[[torch.Tensor, Sequence[int] | None], Metrics],
    objective: str,
    sign: float,
) -> Estimate:
    """Returns by how much outputs are better than those of a single network, with an interval over the examples.

    Args:
        outputs, single: on the test part.
        score: measures outputs, of all examples or of chosen ones.
        objective: name of the metric.
        sign: 1.0 where larger is better, -1.0 otherwise.
    """

    def ahead(some: Sequence[int] | None) -> float:
        return sign * (score(outputs, some)[objective] - score(single, some)[objective])

    count, rng = len(outputs), np.random.default_rng(0)
    drawn = [ahead(rng.integers(count, size=count).tolist()) for _ in range(_RESAMPLES)]
    drawn = [one for one in drawn if np.isfinite(one)]
    low, high = (float(one) for one in np.percentile(drawn, [2.5, 97.5])) if drawn else (None, None)
    return Estimate(ahead(None), low, high, f"bootstrap over {count:,} test examples", (count, count))


def ensemble_of(
    models: Sequence[TrainedModel], trials: Sequence[int], best: int, objective: str, direction: str, most: int
) -> Ensemble:
    """Chooses among trained networks on the validation part, and measures what was chosen on the test part.

    Args:
        models: the library.
        trials: the number of each one's trial.
        best: place of the study's best network.
        objective, direction: of the study.
        most: number of choices.
    """
    training = models[0].training
    evaluator, sign = delivers(training.evaluator), 1.0 if direction == "maximize" else -1.0
    seen, tested = (
        [
            evaluator.predicted(one.module, training.work(one.candidate.json), training.how(one.seed, part))
            for one in models
        ]
        for part in ("validation", "test")
    )

    def scored(part: Any) -> Callable[..., Metrics]:
        how = training.how(models[0].seed, part)
        return lambda outputs, some=None: evaluator.scored(outputs, how, some)

    on_validation, on_test = scored("validation"), scored("test")
    taken = chosen(seen, evaluator.mixed, lambda outputs: sign * on_validation(outputs)[objective], most)
    total, places = sum(taken.values()), sorted(taken, key=lambda place: (-taken[place], place))
    weights = [taken[place] / total for place in places]
    members = tuple(
        Member(models[place].candidate, trials[place], weight, models[place].digest, models[place].seed)
        for place, weight in zip(places, weights, strict=True)
    )
    outputs = joined(tested, taken, evaluator.mixed)
    return Ensemble(
        members,
        on_validation(joined(seen, taken, evaluator.mixed)),
        on_test(outputs),
        on_test(tested[best]),
        gain_over(outputs, tested[best], on_test, objective, sign),
        len(models),
        {},
        joining([models[place].module for place in places], weights, evaluator),
        training,
        models[0].study,
    )
