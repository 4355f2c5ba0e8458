"""Why two candidates have one key or two: the pruned forms, and the first value that differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.behaviour import Behaviour, Configuration, Graph, Probe
from automl.errors import Unhashable
from automl.hashing.hasher import Hasher
from automl.hashing.mixing import MANTISSA_BITS
from automl.hashing.observed import Difference, Observed, first_difference, scales_apart
from automl.jsontext import canonical
from automl.report.reading.illustrator import Illustrator
from automl.spaces.space import Candidate, Space

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True)
class Side:
    """One of the two candidates.

    Attributes:
        candidate: its canonical JSON.
        key: 32 hexadecimal digits.
        fallback: why the key is that of the JSON, or empty.
        form: what is left of it after pruning, one line each.
        picture: its graph, or None where the space draws none.
    """

    candidate: str
    key: str
    fallback: str
    form: Sequence[str]
    picture: networkx.DiGraph | None


@dataclass(frozen=True)
class Explanation:
    """Whether two candidates are one to the engine, and why.

    Attributes:
        equal: True where they have one key.
        sides: the two candidates.
        reasons: what differs, one sentence each, the first difference in value first; empty where nothing does.
        difference: the first value that differs, where that is a value.
    """

    equal: bool
    sides: tuple[Side, Side]
    reasons: Sequence[str]
    difference: Difference | None

    def verdict(self) -> str:
        """Returns the answer in one sentence."""
        if self.equal:
            return "Equal: both have one key, so one evaluation serves both."
        return "Different: they have different keys and are evaluated separately."

    def text(self) -> str:
        """Returns the whole explanation for a terminal."""
        lines = [self.verdict()]
        for name, side in zip("AB", self.sides, strict=True):
            lines += ["", f"{name}  {side.key}  {side.candidate}"]
            lines += [f"   keyed by its JSON: {side.fallback}"] if side.fallback else []
            lines += [f"   {line}" for line in side.form]
        return "\n".join([*lines, "", *self.reasons]) if self.reasons else "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Returns the whole explanation as plain data."""
        sides = [
            {"candidate": side.candidate, "key": side.key, "keyed_by_json": side.fallback, "form": list(side.form)}
            for side in self.sides
        ]
        return {"equal": self.equal, "verdict": self.verdict(), "reasons": list(self.reasons), "candidates": sides}


def explain(
    space: Space, a: Candidate, b: Candidate, probe: Probe | None = None, mantissa_bits: int = MANTISSA_BITS
) -> Explanation:
    """Returns whether two candidates of a space have one key, and why.

    Args:
        space: their space.
        a: one candidate.
        b: the other.
        probe: the inputs to run them on, as the evaluator gives them.
        mantissa_bits: precision of rounded values.
    """
    hasher = Hasher(probe, mantissa_bits)
    candidates = (a, b)
    behaviours = [space.behaviour(candidate) for candidate in candidates]
    training = [dict(space.training(candidate)) for candidate in candidates]
    hashed = hasher.hash_many(list(zip(behaviours, training, strict=True)), [a.json, b.json])
    seen = [_observed(hasher, behaviour) for behaviour in behaviours]
    illustrator = Illustrator(space)
    sides = [
        Side(
            candidate.json,
            one.key.hex(),
            one.fallback,
            look.form if look else (),
            illustrator.picture(candidate.json),
        )
        for candidate, one, look in zip(candidates, hashed, seen, strict=True)
    ]
    reasons: list[str] = []
    difference = None
    equal = hashed[0].key == hashed[1].key
    if not equal:
        if seen[0] is not None and seen[1] is not None:
            difference = first_difference(seen[0], seen[1], mantissa_bits)
        if difference is not None:
            reasons.append(f"First difference, {difference.text()}.")
            reasons += _scales(seen, mantissa_bits)
        reasons += _settings(behaviours, training)
        if not reasons:
            reasons.append(_last_resort(behaviours, [one.fallback for one in hashed]))
    return Explanation(equal, (sides[0], sides[1]), reasons, difference)


def _observed(hasher: Hasher, behaviour: Behaviour) -> Observed | None:
    try:
        return hasher.observe(behaviour)
    except Unhashable:
        return None


def _scales(seen: Sequence[Observed | None], mantissa_bits: int) -> list[str]:
    """Returns a sentence on the scales of the probe at which both differ, where they do not at all of them."""
    one, other = seen
    sentence = scales_apart(one, other, mantissa_bits) if one is not None and other is not None else ""
    return [sentence] if sentence else []


def _settings(behaviours: Sequence[Behaviour], training: Sequence[dict[str, Any]]) -> list[str]:
    """Returns a sentence for each setting that differs: of training, and of what surrounds a graph."""
    found = _different("training", *training)
    one, other = behaviours
    if isinstance(one, Graph) and isinstance(other, Graph):
        found += _different("frame", dict(one.frame), dict(other.frame))
    if isinstance(one, Configuration) and isinstance(other, Configuration):
        if isinstance(one.value, dict) and isinstance(other.value, dict):
            found += _different("configuration", one.value, other.value)
        elif canonical(one.value) != canonical(other.value):
            found.append(f"The configurations differ: {canonical(one.value)} against {canonical(other.value)}.")
    return found


def _different(where: str, one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    sentences = []
    for name in sorted({*one, *other}):
        left, right = (canonical(side[name]) if name in side else "nothing" for side in (one, other))
        if left != right:
            sentences.append(f"In {where}, {name!r} is {left} against {right}.")
    return sentences


def _last_resort(behaviours: Sequence[Behaviour], fallbacks: Sequence[str]) -> str:
    if behaviours[0].kind != behaviours[1].kind:
        return f"One is a {behaviours[0].kind}, the other a {behaviours[1].kind}."
    if any(fallbacks):
        return "At least one cannot be probed, so it is keyed by its JSON and equals exact repeats only."
    return "They differ in the rate of their randomness, or in which live parameters are trained."
