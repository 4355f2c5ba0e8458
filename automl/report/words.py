"""How figures are written: the same in terminal, HTML and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from automl.evidence import Estimate
from automl.jsontext import canonical, parse

T = TypeVar("T")


def figure(value: float | None, sign: bool = False, digits: int = 4) -> str:
    """Writes a figure with so many significant digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}g}" if sign else f"{value:.{digits}g}"
    return text.replace("-", "−")


def amount(value: float) -> str:
    """Writes a metric or a cost: whole numbers in full, others with five significant digits."""
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e12 else figure(value, digits=5)


def interval(estimate: Estimate, unit: str = "", sign: bool = True) -> str:
    """Writes a figure with its interval, as in `+1.23 % (0.87 to 1.59)`."""
    if estimate.value is None:
        return "–"
    text = figure(estimate.value, sign) + unit
    if estimate.low is None or estimate.high is None:
        return f"{text} (no interval)"
    if estimate.low == estimate.high:
        return f"{text} (exact)"
    return f"{text} ({figure(estimate.low, sign)} to {figure(estimate.high, sign)})"


def compact(estimate: Estimate) -> str:
    """Writes a figure with its interval in little room, as in `+1.23 [+0.87, +1.59]`."""
    text = figure(estimate.value, True, 3)
    if estimate.low is None or estimate.high is None or estimate.low == estimate.high:
        return text
    return f"{text} [{figure(estimate.low, True, 3)}, {figure(estimate.high, True, 3)}]"


def ends(estimate: Estimate, unit: str = "") -> str:
    """Writes the ends of an interval, as in `+0.87 to +1.59 %`."""
    if estimate.low is None or estimate.high is None:
        return "no interval"
    if estimate.low == estimate.high:
        return "exact"
    return f"{figure(estimate.low, True)} to {figure(estimate.high, True)}{unit}"


def in_full(counted: float, fidelities: Mapping[str, int]) -> str:
    """Returns what evaluations at several fidelities are worth: `25.2 full ones (trials: 192 {"epochs":1}, 8 full)`."""
    each = ", ".join(f"{count:,} {name}" for name, count in fidelities.items())
    return f"{counted:,.4g} full ones (trials: {each})"


def duration(seconds: float) -> str:
    """Writes seconds in the unit that people would use."""
    if seconds < 0.0995:
        return f"{1000 * seconds:.2g} ms" if seconds > 0 else "0 s"
    if seconds < 99.5:
        return f"{seconds:.3g} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.3g} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 86400:,.3g} days" if seconds < 864000000 else f"{seconds / 86400:,.0f} days"


def count_of(number: int, noun: str) -> str:
    """Writes `1 seed`, `3 seeds`."""
    if number != 1:
        noun = (
            f"{noun}es" if noun.endswith(("s", "x", "ch")) else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
        )
    return f"{number:,} {noun}"


def spread(items: Sequence[T], most: int) -> list[T]:
    """Returns at most so many items, evenly chosen, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def share(part: float, whole: float) -> str:
    """Writes a share in percent; a dash for nothing of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "–"


def choices_of(candidate: str) -> dict[str, str]:
    """Returns a declarative candidate's choices by name, nested ones with their path; empty for other candidates."""
    found: dict[str, str] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for name, item in value.items():
                walk(f"{path}.{name}" if path else str(name), item)
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for place, item in enumerate(value):
                walk(f"{path}[{place}]", item)
        elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            found[path] = "\n".join(value)  # instructions of a program, one a line
        else:
            found[path] = (
                figure(value) if isinstance(value, float) else value if isinstance(value, str) else canonical(value)
            )

    value = parse(candidate)
    if isinstance(value, Mapping):
        walk("", value)
    return found


def headline(text: str) -> str:
    """Turns a verdict into a sentence for people."""
    if text == "beats random search":
        return "Beats random search"
    if text == "does not":
        return "Does not beat random search"
    return text[:1].upper() + text[1:]
