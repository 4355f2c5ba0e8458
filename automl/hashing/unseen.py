"""Fields that no key ever sees: each would let one result stand for candidates that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from automl.hashing.isolated import HashJobs
from automl.isolation.limits import alarm
from automl.jsontext import canonical
from automl.spaces.fields import Choice, Field, Record, Repeat
from automl.spaces.space import Space

if TYPE_CHECKING:
    import numpy as np

Put = Callable[[Any], Any]


def unseen_fields(space: Space, jobs: HashJobs, rng: np.random.Generator, samples: int = 8) -> list[str]:
    """Returns the fields of a declarative space whose changes never reached the key, sorted, such as `lr` or
    `layers[].kind`.

    Each of `samples` random candidates is changed in one field at a time. A field is named when it could be changed
    at least twice and no change gave another key. Spaces without declared fields (cells, programs) have none to name.

    Args:
        space: the space to examine.
        jobs: find keys, with the evaluator's probe.
        rng: where the candidates and changes come from.
        samples: how many candidates; a field that matters rarely needs more.

    Raises:
        OutOfTime: the space took longer over one of them than a hash may.
    """
    if not space.record.fields:
        return []
    tried: dict[str, int] = {}
    seen: set[str] = set()
    for _ in range(samples):
        changes = []
        with alarm(jobs.seconds):
            base = space.sample(rng)
            for name, field, value, put in _fields(space.record, space.to_fields(base), "", lambda new: new):
                tried.setdefault(name, 0)
                changed = _changed(field, value, rng)
                if name in seen or canonical(changed) == canonical(value):
                    continue
                changes.append((name, space.from_fields(put(changed))))
        if not changes:
            continue
        keys = [item.key for item in jobs.hash([base, *(candidate for _, candidate in changes)])]
        for (name, _), key in zip(changes, keys[1:], strict=True):
            tried[name] += 1
            if key != keys[0]:
                seen.add(name)
    return sorted(name for name, count in tried.items() if count > 1 and name not in seen)


def _fields(field: Field, value: Any, name: str, put: Put) -> Iterator[tuple[str, Field, Any, Put]]:
    """Yields every single choice inside a value: its name, its field, its value, and how to put another one in its
    place.
    """
    if isinstance(field, Record):
        for key, inner in field.fields.items():

            def put_field(new: Any, key: str = key) -> Any:
                return put({**value, key: new})

            yield from _fields(inner, value[key], f"{name}.{key}" if name else key, put_field)
        return
    if field.size() != 1:
        yield name, field, value, put
    if isinstance(field, Choice) and isinstance(value, dict) and "kind" in value:
        for option in field.options:
            if getattr(option, "kind", None) == value["kind"]:
                yield from _fields(option.record, value, name, lambda new: put({"kind": value["kind"], **new}))
    if isinstance(field, Repeat):
        for place, item in enumerate(value):

            def put_item(new: Any, place: int = place) -> Any:
                return put([*value[:place], new, *value[place + 1 :]])

            yield from _fields(field.item, item, f"{name}[]", put_item)


def _changed(field: Field, value: Any, rng: np.random.Generator) -> Any:
    """Returns another value of a field: of a choice another option, of a list another length."""
    if isinstance(field, Repeat):
        if len(value) > field.minimum:
            return list(value[:-1])
        return [*value, field.item.sample(rng)] if len(value) < field.maximum else value
    before = _kind(value)
    for _ in range(20):
        drawn = field.sample(rng)
        if canonical(drawn) != canonical(value) and (before is None or _kind(drawn) != before):
            return drawn
    return value


def _kind(value: Any) -> Any:
    return value.get("kind") if isinstance(value, dict) else None
