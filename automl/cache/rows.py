"""The rows of an exported cache, checked one by one: an import trusts nothing that the file says."""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from automl.cache import keys
from automl.cache.alone import SINGLE
from automl.cache.versions import refuse_newer, version_of
from automl.errors import InvalidInput, brief
from automl.evaluators.curves import LearningCurve
from automl.hashing.features import FEATURES_VERSION, read, written
from automl.jsontext import MAX_TEXT, canonical, decoded, parse_foreign
from automl.storage.fidelities import at_full_fidelity
from automl.storage.spaces import StoredSpace

FORMAT = {"format": "automl-cache", "version": 4}
KNOWN = (FORMAT, *({"format": "automl-cache", "version": older} for older in (1, 2, 3)))
"""What can be read; the first version had no learning curves, the second does not say which space read candidates, and
the third had no features."""
MAX_BYTES = 16 << 30
"""Default limit on a file's decompressed size."""
MAX_ROW = MAX_TEXT
"""Default limit on the length of one row."""
MAX_REPLICATE = 1_000_000
"""Nobody evaluates one class more often."""
MAX_SEEN = 1 << 53
"""Proposals of one class, far from where adding to them overflows."""
MAX_SECONDS = 1e10
"""Three hundred years, so that sums of them stay numbers."""
MAX_NAME = 1000
"""Characters of a namespace or of a metric's name."""
MAX_ERROR = 10_000
"""Characters of an error's text."""
_MAX_INT = (1 << 63) - 1
MAX_ARTEFACTS = 100
"""Artefacts of one evaluation."""
_KEY = re.compile("[0-9a-f]{32}")
_DIGEST = re.compile("[0-9a-f]{64}")
_ENGINES = {"hasher", "evaluator", "fidelity", "part"}
"""What describes contexts of searches, whose metrics are numbers; those of a cache that stands alone are its user's."""


@dataclass(frozen=True, slots=True)
class ContextRow:
    """A context; the evaluations that follow belong to it. `description` is canonical JSON."""

    fingerprint: bytes
    group: bytes  # the fingerprint that seeds come from, which all of a fidelity group share
    namespace: str
    description: str
    numbers: bool  # whether metrics must be numbers


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """A finished evaluation; `candidate`, `metrics` and `curve` are canonical JSON.

    A failed one has no metrics, and many have no learning curve: an empty text. `space` is the number under which the
    file names the space; None where it does not tell. `found` says which key the seed comes from where it is another.
    `features` are those of the class, as JSON; empty where they are not told, or of another version. `artefacts` are
    the contents that it has left or read: relation, name, digest, size.
    """

    key: bytes
    replicate: int
    seed: int
    candidate: str
    metrics: str | None
    error: str
    seconds: float
    times_seen: int
    curve: str
    space: int | None
    found: str | None
    features: str
    artefacts: tuple[tuple[str, str, bytes, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SpaceRow:
    """A space, which later evaluations name by this number."""

    number: int
    space: StoredSpace


def read_rows(path: Path, max_bytes: int, max_row: int) -> Iterator[ContextRow | EvaluationRow | SpaceRow]:
    """Yields the rows of a file, each checked.

    Raises:
        InvalidInput: it is not such a file, or a row is not valid; the line is named.
    """
    context: ContextRow | None = None
    spaces: set[int] = set()
    count, ended = 0, False
    for number, line in enumerate(_lines(path, max_bytes, max_row), 1):
        try:
            data = parse_foreign(decoded(line, "it"))
            if number == 1:
                _check_format(data)
                continue
            if ended:
                raise InvalidInput("a row after the last one")
            if not isinstance(data, dict):
                raise InvalidInput("not a JSON object")
            if "end" in data:
                ended = True
                if data != {"end": count}:
                    raise InvalidInput(f"it says that {brief(data['end'])} evaluations came before it, and {count} did")
            elif "context" in data:
                context = _context(data)
                yield context
            elif "target" in data:
                named = _space(data)
                spaces.add(named.number)
                yield named
            else:
                row = _evaluation(data, context, spaces)
                count += 1
                yield row
        except InvalidInput as error:
            raise InvalidInput(f"{path}, line {number}: {error}; nothing is taken over") from error
    if not ended:
        raise InvalidInput(f"{path} is cut short: its last line is missing; export it again")


def _lines(path: Path, max_bytes: int, max_row: int) -> Iterator[bytes]:
    total = 0
    try:
        with gzip.open(path, "rb") as file:
            while line := file.readline(max_row + 1):
                total += len(line)
                if len(line) > max_row:
                    raise InvalidInput(f"{path} has a row of more than {max_row:,} bytes; no cache writes such rows")
                if total > max_bytes:
                    raise InvalidInput(f"{path} holds more than {max_bytes:,} bytes when decompressed; raise the limit")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path} cannot be read as an exported cache: {error}") from error


def _check_format(data: Any) -> None:
    if data not in KNOWN:
        raise InvalidInput("this is not an exported cache of a version that is known here")


def _context(data: dict[str, Any]) -> ContextRow:
    _check_names(data, {"context", "namespace", "fingerprint"})
    description, namespace = data["context"], data["namespace"]
    if not isinstance(description, dict):
        raise InvalidInput("a context is described by a JSON object")
    _text(namespace, "the namespace", MAX_NAME)
    if not isinstance(description.get("fidelity", {}), dict):
        raise InvalidInput(f"the fidelity {brief(description['fidelity'])} is no JSON object")
    if (version := version_of(description)) is not None:
        refuse_newer(version)
    fingerprint = keys.fingerprint(namespace, description)
    if fingerprint.hex() != data["fingerprint"]:
        raise InvalidInput("the fingerprint is not that of the context's description")
    seeds = keys.fingerprint(namespace, at_full_fidelity(description))
    return ContextRow(fingerprint, seeds, namespace, canonical(description), description.keys() >= _ENGINES)


def _space(data: dict[str, Any]) -> SpaceRow:
    _check_names(data, {"space", "target", "settings", "source"})
    number = _integer(data, "space", 0, _MAX_INT)
    target, source = _text(data["target"], "the target of a space", MAX_ERROR), _text(data["source"], "the source", 32)
    if not isinstance(data["settings"], dict):
        raise InvalidInput("the settings of a space are a JSON object")
    return SpaceRow(number, StoredSpace(0, target, data["settings"], source, imported=True))


def _evaluation(data: dict[str, Any], context: ContextRow | None, spaces: Collection[int]) -> EvaluationRow:
    if context is None:
        raise InvalidInput("an evaluation before any context")
    names = {"key", "replicate", "seed", "candidate", "metrics", "error", "seconds", "times_seen"}
    _check_names(data, names | ({"curve", "space", "found", "features", "artefacts"} & data.keys()))
    key = _key(data["key"])
    replicate = _integer(data, "replicate", -_MAX_INT, MAX_REPLICATE)
    seed = _integer(data, "seed", 0, _MAX_INT)
    candidate = data["candidate"]
    if not isinstance(candidate, str) or canonical(parse_foreign(candidate)) != candidate:
        raise InvalidInput("the candidate is not canonical JSON text")
    seconds = data["seconds"]
    if not _is_number(seconds) or not 0 <= seconds <= MAX_SECONDS:
        raise InvalidInput(f"seconds is {brief(seconds)}: it must be a number from 0 to {MAX_SECONDS:g}")
    metrics, error = data["metrics"], data["error"]
    if (metrics is None) != bool(_text(error, "the error", MAX_ERROR)):
        raise InvalidInput("an evaluation has either metrics or an error")
    text = None if metrics is None else _metrics(metrics, numbers=context.numbers)
    if replicate < 0 and replicate != keys.audit_replicate(candidate):
        raise InvalidInput("the number of an audit does not belong to its candidate")
    seen = _integer(data, "times_seen", 0, MAX_SEEN)
    points = data.get("curve") or None
    curve = "" if points is None else LearningCurve.checked(canonical(points)).json()
    if curve and metrics is None:
        raise InvalidInput("an evaluation that failed has no learning curve")
    space = _integer(data, "space", 0, _MAX_INT) if "space" in data else None
    if space is not None and space not in spaces:
        raise InvalidInput(f"space {space} is not named before it")
    origin = _origin(data["found"]) if "found" in data else Origin(context.group, key, replicate)
    found = canonical(data["found"]) if "found" in data else None
    features = _features(data["features"]) if "features" in data else ""
    artefacts = _artefacts(data.get("artefacts", []))
    if artefacts and metrics is None:
        raise InvalidInput("an evaluation that failed has no artefacts")
    row = EvaluationRow(
        key, replicate, seed, candidate, text, error, float(seconds), seen, curve, space, found, features, artefacts
    )
    if not _seed_fits(seed, context.namespace, origin):
        raise InvalidInput("the seed is not that of this class, so it cannot have been evaluated with it")
    return row


def _features(given: Any) -> str:
    """Returns the features of a class as they are stored; empty if they are of another version."""
    if not isinstance(given, dict):
        raise InvalidInput("features are a JSON object")
    _check_names(given, {"version", "numbers"})
    version = _integer(given, "version", 0, _MAX_INT)
    return written(read(given["numbers"])) if version == FEATURES_VERSION else ""


def _artefacts(given: Any) -> tuple[tuple[str, str, bytes, int], ...]:
    """Reads which contents an evaluation has left or read; they lie outside of the file."""
    if not isinstance(given, list) or len(given) > MAX_ARTEFACTS:
        raise InvalidInput(f"the artefacts of an evaluation are a list of {MAX_ARTEFACTS} at most")
    found = []
    for one in given:
        if not isinstance(one, dict):
            raise InvalidInput("an artefact is a JSON object")
        _check_names(one, {"relation", "name", "digest", "size"})
        if one["relation"] not in ("made", "read"):
            raise InvalidInput(f"the relation {brief(one['relation'])} of an artefact is neither made nor read")
        if not isinstance(one["digest"], str) or not _DIGEST.fullmatch(one["digest"]):
            raise InvalidInput(f"the digest {brief(one['digest'])} is not 64 hexadecimal digits")
        name, size = _text(one["name"], "the name of an artefact", MAX_NAME), _integer(one, "size", 0, _MAX_INT)
        found.append((one["relation"], name, bytes.fromhex(one["digest"]), size))
    return tuple(found)


class Origin(NamedTuple):
    """Which key a seed comes from: the fingerprint of the fidelity group, the key, and the replicate."""

    group: bytes
    key: bytes
    replicate: int


def _origin(found: Any) -> Origin:
    """Reads where a seed comes from, of an evaluation that was found under an older key."""
    if not isinstance(found, dict):
        raise InvalidInput("where an evaluation was found is a JSON object")
    _check_names(found, {"group", "hasher", "key", "replicate"})
    _text(found["hasher"], "the version of the hasher", MAX_NAME)
    return Origin(_key(found["group"]), _key(found["key"]), _integer(found, "replicate", -_MAX_INT, MAX_REPLICATE))


def _seed_fits(seed: int, namespace: str, origin: Origin) -> bool:
    """A replicate that came from a merge kept the seed of the lower number that it was evaluated under."""
    group, key, replicate = origin
    if replicate < 0:
        return seed == keys.seed(namespace, group, key, replicate)
    numbers = range(replicate, max(-1, replicate - 10_000), -1)
    return any(seed == keys.seed(namespace, group, key, one) for one in numbers)


def _check_names(data: dict[str, Any], expected: set[str]) -> None:
    if data.keys() != expected:
        wrong = sorted(data.keys() ^ expected)[0]
        raise InvalidInput(f"the field {brief(wrong)} is {'missing' if wrong in expected else 'unknown'}")


def _integer(data: dict[str, Any], name: str, least: int, most: int) -> int:
    value = data[name]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInput(f"{name} is {brief(value)}: it must be a whole number from {least} to {most}")
    return value


def _is_number(value: Any) -> bool:
    """Tells whether a value is a number that a database can hold; whole ones may have any number of digits in JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _text(value: Any, what: str, most: int) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is {brief(value)}: it must be text")
    if len(value) > most:
        raise InvalidInput(f"{what} has {len(value):,} characters; at most {most:,} are read")
    if "\0" in value:
        raise InvalidInput(f"{what} {brief(value)} holds a NUL, which no database keeps")
    return value


def _metrics(given: Any, *, numbers: bool) -> str:
    """Returns metrics as canonical JSON; those of a search are numbers."""
    if not isinstance(given, dict):
        raise InvalidInput(f"metrics are a JSON object, not {brief(given)}")
    for name, value in given.items():
        _text(name, "the name of a metric", MAX_NAME)
        users_own = not numbers and (isinstance(value, bool) or (name != SINGLE and not isinstance(value, int | float)))
        if not (_is_number(value) or users_own):
            raise InvalidInput(f"the metric {brief(name)} is {brief(value)}: it must be a number")
    return canonical({name: float(value) for name, value in given.items()} if numbers else given)


def _key(value: Any) -> bytes:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise InvalidInput(f"the key {brief(value)} is not 32 hexadecimal digits")
    return bytes.fromhex(value)
