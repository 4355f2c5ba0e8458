"""The two comparisons of every report, and the verdict.

Relative improvement is measured against the *average* random architecture (Yang, Esperança and Carlucci, ICLR 2020,
section 3). The best of many beats an average by luck alone, so the verdict rests on the gain over the *best* of random
search with equal evaluations, selected in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from automl.evidence.intervals import BOOTSTRAP_RUNS, LEVEL, Estimate, Nested, difference, ratio, representable, units
from automl.evidence.means import mean

BEATS = "beats random search"
DOES_NOT = "does not"
NOT_SUPPORTED = "not supported"
ENOUGH_RANDOM = 8
"""Random architectures that an average should rest on (Yang et al. use eight)."""
LUCK = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on whether a search beats random search, with the reason.

    Attributes:
        text: "beats random search", "does not", or "not supported: " followed by the reason.
        reason: One or two sentences for readers that explain the verdict.

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
    """Number of evaluations and of classes of one study. A fair comparison needs equal evaluations.

    Attributes:
        evaluations: Number of evaluations, whether run or found in the cache, in units of one full evaluation.
        classes: Number of distinct equivalence classes with a fitness.

    Example:
        >>> search, random = Effort(evaluations=300.0, classes=240), Effort(evaluations=300.0, classes=260)
        >>> round(chance_of_luck(5, search, random), 3)  # with more classes, random search more often has the best
        0.025
    """

    evaluations: float
    classes: int


def relative_improvement(method: Nested, random: Nested, *, minimize: bool = False) -> Estimate:
    """Returns RI = 100 · (mean method − mean random) / mean random, in percent; larger is better in either direction.

    Args:
        method: Test values of the method, nested as runs ⊃ architectures ⊃ seeds.
        random: Test values of uniformly sampled architectures, nested in the same way.
        minimize: True for metrics such as losses; the sign is then reversed.

    Returns:
        `Estimate` in percent, with Fieller's interval (a bootstrap from ten runs on).

    Example:
        >>> found = relative_improvement([[0.94], [0.95], [0.94]], [[0.90], [0.91], [0.89], [0.90]])
        >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
        (4.81, 3.28, 6.38)
    """
    # A negative mean (a log likelihood) must not turn the sign.
    negative = len(found := units(random)) > 0 and mean(found) < 0.0
    sign = -1.0 if minimize != negative else 1.0
    return representable(ratio(method, random), lambda share: sign * 100.0 * (share - 1.0))


def gain_over_random_search(
    winner: Nested, random_winner: Nested, *, minimize: bool = False, level: float = LEVEL
) -> Estimate:
    """Returns by how much the winner of a search beats random search's on fresh seeds, in the metric's unit.

    Args:
        winner: Test values of the search's best by validation, nested as runs ⊃ seeds.
        random_winner: Test values of the best of a random search with equal evaluations, nested in the same way.
        minimize: True for metrics such as losses, where less is better; the gain is positive if the search is better.
        level: Level of the interval.

    Returns:
        `Estimate` of the difference with its interval, of 95 % unless another level is given.

    Example:
        >>> one_run, its_random_search = [[0.941, 0.943, 0.942]], [[0.931, 0.933, 0.930]]  # three seeds each
        >>> gain = gain_over_random_search(one_run, its_random_search)
        >>> round(gain.value, 4), gain.low > 0
        (0.0107, True)
    """
    one, other = (random_winner, winner) if minimize else (winner, random_winner)
    return difference(one, other, level=level)


def chance_of_luck(exceeding: int, search: Effort, random: Effort) -> float:
    """Returns the probability that at least `exceeding` classes of one random search lie above the best of another
    random search.

    If both searches sample uniformly, every order of the pooled equivalence classes by validation fitness is equally
    likely. The probability that the best `exceeding` of all belong to the first search is then 1/2^n for equal numbers
    of classes, a one-sided p-value. It needs no assumption about the fitness, its noise or its ties, and is exact for
    one run.

    Args:
        exceeding: Number of classes of the search that are better than the best of random search.
        search: `Effort` of the search; its number of classes is used.
        random: `Effort` of random search.

    Returns:
        Probability from 0 to 1; 1 for `exceeding=0`.

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


def needed_above(search: Effort, random: Effort, error: float = LUCK) -> int:
    """Returns the number of classes that must be better than random search's best for a search to beat chance at the 5
    % level, or at another one.

    A class is an equivalence class of candidates that compute the same function; better is meant in validation fitness,
    in the direction of the objective. The level is one-sided (see `chance_of_luck`). With equally many classes in both
    searches the number is five. If no number reaches the level, the number of the search's classes is returned.

    Args:
        search: `Effort` of the search.
        random: `Effort` of random search.
        error: Level of the test.

    Example:
        >>> needed_above(Effort(evaluations=300, classes=240), Effort(evaluations=300, classes=240))
        5
    """
    count = 0
    while count < search.classes and chance_of_luck(count, search, random) > error:
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
    error: float = LUCK,
    looks: int = 1,
) -> Verdict:
    """Judges one run: its gain must exceed the noise of seeds, *and* a lucky draw must be excluded at the 5 % level.

    Seeds alone cannot support a verdict: two random searches end with different architectures, and more seeds only show
    more clearly which of the two was luckier.

    Args:
        gain: Estimated gain over random search.
        search: Effort of the search.
        random: Effort of random search.
        exceeding: Number of equivalence classes of the search that are better in validation fitness than random
            search's best.
        seeds: Number of fresh-seed test values of each winner, the smaller of the two.
        deterministic: True if the evaluator gives equal values for all seeds by its nature.
        held_out: True if the values were measured on a test part that no search reads.
        error: Chance of luck that is allowed; less than 5 % for a study that was looked at before, see
            `automl.evidence.looks`.
        looks: Number of times that the study was finished, this one included.

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
    again = (
        f" The study was extended: this is look {looks} at it, which may spend {100 * error:.2g} % of the 5 % of error."
        if looks > 1
        else ""
    )
    if chance > error:
        needed = needed_above(search, random, error)
        return Verdict(
            f"{NOT_SUPPORTED}: luck of the draw is not ruled out",
            f"The gain over random search is {shown}, but only {above}; a random search in its place would do as well "
            f"with a chance of {100 * chance:.2g} %. At least {needed} would rule luck out.{again}",
        )
    return Verdict(
        BEATS,
        f"The gain over random search is {shown}, resting on {basis}; {above}, which a random search in its place "
        f"would reach with a chance of {chance:.2g}. One run: this concerns the architectures found here, not the "
        f"method in general.{again}",
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


def judge_runs(gain: Estimate, equal_evaluations: bool, dependence: str = "", level: float = LEVEL) -> Verdict:
    """Judges several independent runs by the interval of their mean gain, which covers the luck of single runs as well.

    Runs that agree to the last digit give an interval of width 0, which does not show how far other runs would vary.
    Such runs are judged by a sign test: each would be better or worse with probability 1/2.

    Args:
        gain: Estimated gain over random search, with the runs as units.
        equal_evaluations: True if every run's random search had at least as many evaluations as the search.
        dependence: Sentence that says why the runs are not independent; empty if they are. Dependent runs support no
            verdict.
        level: Level of the interval of `gain`: higher than 95 % for runs that were extended, see
            `automl.evidence.looks`.

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
    interval = f"{100 * level:.4g} % interval {_signed(gain.low)} to {_signed(gain.high)}"
    shown = f"{_signed(gain.value)} ({interval}, {gain.method})"
    luck = 1.0 - level
    claim = (
        f"This concerns the method on this task, from {runs} runs."
        if runs >= BOOTSTRAP_RUNS
        else f"{runs} runs: a claim about the method needs {BOOTSTRAP_RUNS} or more."
    )
    if 0.0 < gain.low == gain.high and 0.5**runs > luck:
        return Verdict(
            f"{NOT_SUPPORTED}: luck of the draw is not ruled out",
            f"Over {runs} runs the gain over random search is {_signed(gain.value)}, and all runs agree to the last "
            f"digit, which says nothing about how far others lie apart; {math.ceil(math.log2(1 / luck))} runs that "
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
    """Tells whether the repeated values of each architecture are equal, and at least one architecture has two values.

    Example:
        >>> is_deterministic([[0.9, 0.9], [0.8, 0.8]]), is_deterministic([[0.9, 0.91]])
        (True, False)
    """
    several = [one for one in values if len(one) > 1]
    return bool(several) and all(
        max(one) - min(one) <= 1e-12 * max(1e-300, max(map(math.fabs, one))) for one in several
    )
