"""The two comparisons of every report, and the verdict.

Relative improvement is measured against the *average* random architecture (Yang, Esperança and Carlucci, ICLR 2020,
section 3). The best of many beats an average by luck alone, so the verdict rests on the gain over the *best* of random
search with equal evaluations, selected in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from automl.evidence.intervals import BOOTSTRAP_RUNS, Estimate, Nested, difference, ratio, representable, units
from automl.evidence.means import mean

BEATS = "beats random search"
DOES_NOT = "does not"
NOT_SUPPORTED = "not supported"
ENOUGH_RANDOM = 8
"""Random architectures that an average should rest on (Yang et al. use eight)."""
LUCK = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a search is shown to beat random search, and why.

    Attributes:
        text: "beats random search", "does not", or "not supported: " and why.
        reason: one or two sentences for readers: what it rests on.

    Example:
        >>> Verdict(BEATS, "Its winner is better beyond seed noise and luck of the draw.").beats
        True
    """

    text: str
    reason: str

    @property
    def beats(self) -> bool:
        return self.text == BEATS


@dataclass(frozen=True, slots=True)
class Effort:
    """How many evaluations one study counted, and how many classes it found: what comparisons must be equal in.

    Attributes:
        evaluations: distinct replicates of classes, run or found in the cache, in units of one full evaluation.
        classes: distinct classes with a fitness.

    Example:
        >>> Effort(evaluations=300.0, classes=240)
        Effort(evaluations=300.0, classes=240)
    """

    evaluations: float
    classes: int


def relative_improvement(method: Nested, random: Nested, *, minimize: bool = False) -> Estimate:
    """Returns RI = 100 · (mean method − mean random) / mean random, in percent; larger is better in either direction.

    Args:
        method: test values of the method, nested as runs ⊃ architectures ⊃ seeds.
        random: test values of uniformly sampled architectures, nested in the same way.
        minimize: True for metrics such as losses; the sign is turned.

    Returns:
        The estimate with Fieller's interval (a bootstrap from ten runs on).

    Example:
        >>> found = relative_improvement([[0.94], [0.95], [0.94]], [[0.90], [0.91], [0.89], [0.90]])
        >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
        (4.81, 3.28, 6.38)
    """
    # A negative mean (a log likelihood) must not turn the sign.
    negative = len(found := units(random)) > 0 and mean(found) < 0.0
    sign = -1.0 if minimize != negative else 1.0
    return representable(ratio(method, random), lambda share: sign * 100.0 * (share - 1.0))


def gain_over_random_search(winner: Nested, random_winner: Nested, *, minimize: bool = False) -> Estimate:
    """Returns by how much the search's winner beats random search's on fresh seeds, in the metric's unit.

    Args:
        winner: test values of the search's best by validation, nested as runs ⊃ seeds.
        random_winner: the same for random search with equal evaluations.
        minimize: True for metrics such as losses.

    Example:
        >>> one_run, its_random_search = [[0.941, 0.943, 0.942]], [[0.931, 0.933, 0.930]]  # three seeds each
        >>> gain = gain_over_random_search(one_run, its_random_search)
        >>> round(gain.value, 4), gain.low > 0
        (0.0107, True)
    """
    return difference(random_winner, winner) if minimize else difference(winner, random_winner)


def chance_of_luck(exceeding: int, search: Effort, random: Effort) -> float:
    """Returns how often a random search would have `exceeding` classes above the best of another random search.

    If both had drawn at random, every order of the pooled classes by validation fitness would be equally likely. That
    the best `exceeding` of them all belong to the first has then the probability below: 1/2^n for equal numbers. It
    needs no assumption about the fitness, its noise or its ties, and is exact for a single run.

    Example:
        >>> equal = Effort(300, 240)
        >>> round(chance_of_luck(5, equal, equal), 3)  # five classes above random search's best
        0.031
    """
    pooled = search.classes + random.classes
    chance = 1.0
    for place in range(min(exceeding, search.classes)):
        chance *= (search.classes - place) / (pooled - place)
    return chance


def needed_above(search: Effort, random: Effort) -> int:
    """Returns how many classes must lie above random search's best to rule out luck (five, for equal numbers).

    Example:
        >>> needed_above(Effort(300, 240), Effort(300, 240))
        5
    """
    count = 0
    while count < search.classes and chance_of_luck(count, search, random) > LUCK:
        count += 1
    return count


def judge_run(
    gain: Estimate,
    search: Effort,
    random: Effort,
    exceeding: int,
    *,
    seeds: int,
    deterministic: bool = False,
    held_out: bool = True,
) -> Verdict:
    """Judges one run. Its test figures must differ by more than the noise of seeds, *and* luck must be ruled out.

    Seeds alone cannot carry a verdict: two random searches end with different architectures, and fresh seeds only show
    more clearly which of the two had the luck.

    Args:
        gain: over random search.
        search: what the search spent and found.
        random: the same of random search.
        exceeding: distinct classes of the search whose validation fitness is above random search's best.
        seeds: fresh-seed test values of each winner, the smaller number.
        deterministic: True where equal figures for all seeds are a property of the evaluator, not a coincidence.
        held_out: True where the figures are those of a test part that no search reads.

    Example:
        >>> gain = gain_over_random_search([[0.941, 0.943, 0.942]], [[0.931, 0.933, 0.930]])
        >>> spent = Effort(300, 240)
        >>> judge_run(gain, spent, spent, exceeding=12, seeds=3).text
        'beats random search'
        >>> judge_run(gain, spent, spent, exceeding=2, seeds=3).text
        'not supported: luck of the draw is not ruled out'
    """
    refused = _refused(gain, search, random, seeds, deterministic, held_out)
    if refused is not None:
        return refused
    assert gain.low is not None
    shown = f"{_signed(gain.value)}"
    if gain.low != gain.high:
        shown += f" (95 % interval {_signed(gain.low)} to {_signed(gain.high)})"
    basis = (
        f"{'test figures' if held_out else 'figures'} without noise, so only the draw of candidates is left to chance"
        if deterministic
        else f"fresh seeds, {seeds} for each winner, of these two architectures"
    )
    if not held_out:
        basis += ", on the same data as the search: the evaluator knows no test part"
    if gain.low <= 0.0:
        return Verdict(
            DOES_NOT, f"The gain over random search is {shown}, which is not above zero; it rests on {basis}."
        )
    chance = chance_of_luck(exceeding, search, random)
    above = f"{exceeding} of the search's {search.classes} classes lie above the best of random search on validation"
    if chance > LUCK:
        return Verdict(
            f"{NOT_SUPPORTED}: luck of the draw is not ruled out",
            f"The gain over random search is {shown}, but only {above}; a random search in its place would do as well "
            f"with a chance of {100 * chance:.0f} %. At least {needed_above(search, random)} would rule luck out.",
        )
    return Verdict(
        BEATS,
        f"The gain over random search is {shown}, resting on {basis}; {above}, which a random search in its place "
        f"would reach with a chance of {chance:.2g}. One run: this concerns the architectures found here, not the "
        "method in general.",
    )


def _refused(
    gain: Estimate, search: Effort, random: Effort, seeds: int, deterministic: bool, held_out: bool
) -> Verdict | None:
    if random.evaluations == 0 or random.classes == 0:
        return Verdict(
            f"{NOT_SUPPORTED}: there is no random search", "Run the baseline with equal evaluations to compare with."
        )
    if random.evaluations < search.evaluations:
        return Verdict(
            f"{NOT_SUPPORTED}: too few random evaluations",
            f"Random search had {random.evaluations} evaluations, the search {search.evaluations}; they must be equal.",
        )
    if gain.value is None:
        where, what = (
            ("on the test part", "test figures") if held_out else ("with fresh seeds", "figures of fresh seeds")
        )
        return Verdict(
            f"{NOT_SUPPORTED}: no {what}",
            gain.method if gain.method.startswith("no figure") else f"The winners have not been evaluated {where}.",
        )
    if seeds < 2 and not deterministic:
        return Verdict(
            f"{NOT_SUPPORTED}: fewer than two seeds",
            f"The gain of {_signed(gain.value)} rests on one value a winner, which says nothing about noise.",
        )
    if gain.low is None:
        return Verdict(
            f"{NOT_SUPPORTED}: no interval", f"The gain of {_signed(gain.value)} has no interval ({gain.method})."
        )
    return None


def judge_runs(gain: Estimate, equal_evaluations: bool, dependence: str = "") -> Verdict:
    """Judges several independent runs by the interval of their mean gain, which covers luck as well.

    An interval without width comes from runs that agree to the last digit. It says nothing about how far other runs
    would lie apart, so such runs are judged by their number: each would come out on one side with a chance of a half.

    Args:
        gain: over random search, its units being runs.
        equal_evaluations: True where every run's random search had at least as many evaluations as the search.
        dependence: a sentence that says why the runs are not independent; empty where they are. Then nothing is
            claimed, for a copy of a run is no second one.

    Example:
        >>> winners, of_random = [[0.94], [0.95], [0.94], [0.95]], [[0.91], [0.92], [0.92], [0.91]]  # four runs each
        >>> gain = gain_over_random_search(winners, of_random)
        >>> judge_runs(gain, equal_evaluations=True).text
        'beats random search'
    """
    if dependence:
        return Verdict(f"{NOT_SUPPORTED}: the runs are not independent", dependence)
    runs = min(gain.units)
    if runs < 2:
        return Verdict(
            f"{NOT_SUPPORTED}: fewer than two runs", "Several runs, each with its random search, are needed."
        )
    if gain.low is None:
        found = "" if gain.value is None else f"The gain of {_signed(gain.value)} has "
        return Verdict(f"{NOT_SUPPORTED}: no interval", f"{found}{gain.method}.".capitalize())
    if not equal_evaluations:
        return Verdict(
            f"{NOT_SUPPORTED}: too few random evaluations", "In at least one run random search had fewer evaluations."
        )
    shown = f"{_signed(gain.value)} (95 % interval {_signed(gain.low)} to {_signed(gain.high)}, {gain.method})"
    claim = (
        f"This concerns the method on this task, from {runs} runs."
        if runs >= BOOTSTRAP_RUNS
        else f"{runs} runs: a claim about the method needs {BOOTSTRAP_RUNS} or more."
    )
    if 0.0 < gain.low == gain.high and 0.5**runs > LUCK:
        return Verdict(
            f"{NOT_SUPPORTED}: luck of the draw is not ruled out",
            f"Over {runs} runs the gain over random search is {_signed(gain.value)}, and all runs agree to the last "
            f"digit, which says nothing about how far others lie apart; {math.ceil(math.log2(1 / LUCK))} runs that "
            "agree would rule luck out.",
        )
    if gain.low > 0.0:
        return Verdict(BEATS, f"Over {runs} runs the gain over random search is {shown}. {claim}")
    return Verdict(
        DOES_NOT, f"Over {runs} runs the gain over random search is {shown}, which is not above zero. {claim}"
    )


def _signed(value: float | None) -> str:
    text = "–" if value is None else f"{value:+.4g}"
    return text if "e" in text else text.replace("-", "−")


def is_deterministic(values: list[list[float]]) -> bool:
    """Tells whether repeated values of each architecture are equal, and at least one architecture has two.

    Example:
        >>> is_deterministic([[0.9, 0.9], [0.8, 0.8]]), is_deterministic([[0.9, 0.91]])
        (True, False)
    """
    several = [one for one in values if len(one) > 1]
    return bool(several) and all(
        max(one) - min(one) <= 1e-12 * max(1e-300, max(map(math.fabs, one))) for one in several
    )
