"""The hasher that the search line uses: many behaviours a call, grouped by kind, one key each."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, cast

import numpy as np
import xxhash

from automl.behaviour import Behaviour, Configuration, Graph, Module, Probe
from automl.errors import Unhashable
from automl.hashing.features import Features
from automl.hashing.inputs import probe_description
from automl.hashing.mixing import MANTISSA_BITS, check_bits, laid_out, mix, mix_settings
from automl.hashing.observed import Observed
from automl.isolation.limits import OutOfTime, alarm
from automl.isolation.machine import may_pass
from automl.jsontext import canonical

HASHER_VERSION = "2"
"""Part of every context. It changes whenever any key may."""


SECONDS: Mapping[str, float] = MappingProxyType({"function": 10.0, "module": 600.0})
"""Allowed for one hash outside a search, by kind."""

_RUN_OUT = 1.5
"""A module's run that is under way when the time is over may go on for half of it more."""


@dataclass(slots=True)  # not frozen: every trial makes one, and frozen ones take four times as long to make
class Hashed:
    """Key of one candidate, with the reason if the key was computed from the candidate's JSON. Treat it as immutable.

    Attributes:
        key: Key, 16 bytes.
        fallback: Sentence that says why the behaviour could not be run on the probe, so that the key was computed from
            the JSON; empty if the key is a functional hash.
        passing: True if that reason may be gone at the next attempt: a limit of time or memory, or a failure of the
            machine.
        features: Features of the function, where they were asked for and there are any.

    Example:
        >>> one = Hasher().hash_many([(Configuration({"x": 3}), {})])[0]
        >>> len(one.key), one.fallback
        (16, '')
    """

    key: bytes
    fallback: str = ""
    passing: bool = False
    features: Features = field(default_factory=dict)


class KindHasher(Protocol):
    """Protocol of what hashes behaviours of one kind (graph, module, program, function, or a kind of your own).

    `digests(behaviours, probe)` takes a batch of behaviours and returns one entry for each, in order: 16 bytes that are
    equal for equal functions, or an `Unhashable` (returned, not raised) for a behaviour that cannot be run on the
    probe. One bad behaviour must not make the whole batch fail.

    `observe(behaviour, probe)` returns the arrays behind one digest, as `Observed`, for explanations of why two keys
    differ; it raises `Unhashable` if there are none.

    `digests_with_features(behaviours, probe)` is optional. It returns for each behaviour a pair of the same entry and a
    mapping from group name to an array of numbers that describe the function, for strategies that learn from them:
    equal arrays for equal functions, an array of one length for each name, NaN where a number cannot be had, and an
    empty mapping for a behaviour that cannot be run.

    `probe` holds the inputs to run on. A hasher of your own is registered under the kind's name as an entry point of
    the group `automl.hashers`.

    Example:
        >>> import numpy as np
        >>> class SignHasher:
        ...     def digests(self, behaviours, probe):  # of numbers: equal if their signs are; no inputs needed
        ...         return [mix(str(np.sign(behaviour))) for behaviour in behaviours]
        ...     def observe(self, behaviour, probe):
        ...         return Observed([("sign", np.sign(behaviour))], [])
        >>> one, other, third = SignHasher().digests([3.0, 5.0, -1.0], Probe())
        >>> one == other, one == third
        (True, False)
    """

    def digests(self, behaviours: Sequence[Any], probe: Probe) -> Sequence[bytes | Unhashable]:
        """Returns 16 bytes for each behaviour, in order, or the `Unhashable` that says why there are none."""
        ...

    def observe(self, behaviour: Any, probe: Probe) -> Observed:
        """Returns the arrays behind one digest.

        Raises:
            Unhashable: the behaviour cannot be run on the probe.
        """
        ...


class Hasher:
    """Computes the keys of behaviours. It caches intermediate results, so use one hasher for a whole search.

    Args:
        probe: Inputs on which behaviours are run, with the shapes of the evaluator's data.
        mantissa_bits: Number of mantissa bits to which values are rounded before hashing; the default is right unless
            you study the hash itself.
        space_source: Digest of the space and its code. It distinguishes candidates of different spaces with equal JSON
            that are keyed by their JSON, and enters no other key.
        seconds: Time allowed for one module, after which the sentence says which of its layers takes it; None sets no
            limit.

    Raises:
        InvalidInput: `mantissa_bits` is not a whole number from 1 to 52.

    Example:
        >>> from automl.behaviour import Array, Node
        >>> relu = Graph((Node("input"), Node("relu", (0,))), outputs=(1,))
        >>> tanh = Graph((Node("input"), Node("tanh", (0,))), outputs=(1,))
        >>> hasher = Hasher(Probe((Array((4,)),)))
        >>> one, same, slower, other = hasher.hash_many([(relu, {}), (relu, {}), (relu, {"lr": 0.01}), (tanh, {})])
        >>> one.key == same.key, one.key == slower.key, one.key == other.key
        (True, False, False)
    """

    def __init__(
        self,
        probe: Probe | None = None,
        mantissa_bits: int = MANTISSA_BITS,
        *,
        space_source: str = "",
        seconds: float | None = None,
    ) -> None:
        self.probe = probe if probe is not None else Probe()
        self.mantissa_bits = check_bits(mantissa_bits)
        self.space_source = space_source
        self.seconds = seconds
        self._kinds: dict[str, KindHasher] = {}

    def hash_many(
        self,
        pairs: Sequence[tuple[Behaviour, Mapping[str, Any]]],
        candidates: Sequence[str] | None = None,
        *,
        features: bool = False,
    ) -> list[Hashed]:
        """Returns the key of each (behaviour, training settings), in order.

        Args:
            pairs: behaviours, each with the JSON settings that change training and not the function.
            candidates: canonical JSON of each candidate, from which the key is computed if the behaviour cannot be run.
            features: read the features of functions off the same run.

        Raises:
            Unhashable: a behaviour cannot be probed and no `candidates` were given.
            InvalidInput: training settings or a graph's frame are not JSON.
        """
        by_kind: dict[str, list[int]] = defaultdict(list)
        for number, (behaviour, _) in enumerate(pairs):
            by_kind[behaviour.kind].append(number)
        keys: list[Hashed] = [Hashed(b"")] * len(pairs)
        for kind, numbers in by_kind.items():
            behaviours = [pairs[number][0] for number in numbers]
            bare = kind not in (Graph.kind, Module.kind)
            digests = self._digests(kind, behaviours, features=features)
            begin, no_end = laid_out(kind), laid_out(b"", b"")
            for number, behaviour, (digest, read) in zip(numbers, behaviours, digests, strict=True):
                settings = pairs[number][1]
                surroundings = mix_settings(settings) if settings else b""
                if isinstance(digest, bytes):
                    verbatim = b"" if bare else _verbatim(behaviour)
                    end = laid_out(verbatim, surroundings) if verbatim or surroundings else no_end
                    keys[number] = Hashed(xxhash.xxh3_128_digest(begin + laid_out(digest) + end))
                    if read:
                        keys[number].features = _finite(read)
                    continue
                if candidates is None:
                    raise digest
                keys[number] = self.by_json(kind, candidates[number], settings, str(digest))
        return keys

    def features(self, behaviours: Sequence[Behaviour]) -> list[Features]:
        """Returns the features of each behaviour's function, in order; empty where there are none or it cannot be run.

        Where keys are wanted too, ask `hash_many` for both: it is one run.
        """
        pairs: list[tuple[Behaviour, Mapping[str, Any]]] = [(one, {}) for one in behaviours]
        return [one.features for one in self.hash_many(pairs, [""] * len(pairs), features=True)]

    def by_json(
        self, kind: str, candidate: str, training: Mapping[str, Any], why: str, *, passing: bool | None = None
    ) -> Hashed:
        """Returns the key of a candidate whose behaviour could not be probed.

        Args:
            kind: kind of its behaviour.
            candidate: canonical JSON.
            training: JSON settings that change training and not the function.
            why: sentence that says why the behaviour could not be run.
            passing: whether that may be otherwise at the next attempt; None reads it off the sentence.
        """
        surroundings = mix_settings(training) if training else b""
        source = [self.space_source] if self.space_source else []  # one JSON means other things elsewhere
        return Hashed(
            mix(kind, "json", candidate, surroundings, *source), why, may_pass(why) if passing is None else passing
        )

    def __reduce__(self) -> tuple[Any, ...]:
        given = {name: value for name, value in self.__dict__.items() if not name.startswith("_")}
        return functools.partial(Hasher, **given), ()  # it travels without what it remembers

    def description(self) -> dict[str, Any]:
        """Returns JSON data for a context: everything besides the behaviours that the keys depend on."""
        return {"version": HASHER_VERSION, "mantissa_bits": self.mantissa_bits, "probe": probe_description(self.probe)}

    def observe(self, behaviour: Behaviour) -> Observed | None:
        """Returns the values behind a behaviour's digest, or None for a mere configuration, which has none.

        Raises:
            Unhashable: the behaviour cannot be probed.
        """
        return (
            None if isinstance(behaviour, Configuration) else self._kind(behaviour.kind).observe(behaviour, self.probe)
        )

    def _digests(
        self, kind: str, behaviours: Sequence[Behaviour], *, features: bool
    ) -> Iterable[tuple[bytes | Unhashable, Features]]:
        if kind == Configuration.kind:
            return [(mix(canonical(item.value)), {}) for item in behaviours if isinstance(item, Configuration)]
        hasher = self._kind(kind)
        both = getattr(hasher, "digests_with_features", None) if features else None
        if both is not None:
            return cast("Iterable[tuple[bytes | Unhashable, Features]]", both(behaviours, self.probe))
        return [(digest, {}) for digest in hasher.digests(behaviours, self.probe)]

    def _kind(self, kind: str) -> KindHasher:
        if kind not in self._kinds:
            self._kinds[kind] = _make(kind, self.mantissa_bits, self.seconds)
        return self._kinds[kind]


def _finite(features: Features) -> Features:
    """Returns features with NaN for what is infinite."""
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in features.items()}


def _verbatim(behaviour: Behaviour) -> bytes:
    """Returns what the key covers as it is written: a frame, and a probe that the behaviour brings itself."""
    if not isinstance(behaviour, (Graph, Module)):
        return b""
    parts = mix_settings(behaviour.frame) if behaviour.frame else b""
    return parts if behaviour.probe is None else parts + _mixed_probe(behaviour.probe)


@functools.lru_cache(maxsize=64)
def _mixed_probe(probe: Probe) -> bytes:
    return mix(canonical(probe_description(probe)))


def _make(kind: str, mantissa_bits: int, seconds: float | None) -> KindHasher:
    if kind == "graph":
        from automl.hashing.graphs import GraphHasher

        return GraphHasher(mantissa_bits)
    if kind == "module":
        from automl.hashing.modules import ModuleHasher

        return ModuleHasher(mantissa_bits, seconds)
    if kind == "program":
        from automl.hashing.programs import ProgramHasher

        return ProgramHasher(mantissa_bits)
    if kind == "function":
        from automl.hashing.functions import FunctionHasher

        return FunctionHasher(mantissa_bits)
    raise Unhashable(
        f"behaviours of kind {kind!r} have no hasher; use Graph, Module, Program, Function or Configuration"
    )


def functional_hash(
    thing: Any,
    probe: Probe | None = None,
    *,
    training: Mapping[str, Any] | None = None,
    mantissa_bits: int = MANTISSA_BITS,
    timeout: float | Mapping[str, float] | None = SECONDS,
) -> bytes:
    """Returns 16 bytes that are equal for things that compute the same function, and different for others.

    Needs nothing else of the engine, so it can be used in front of an Optuna objective, for instance.

    Args:
        thing: A `Graph`, `Module`, `Program` or `Function`; a `torch.nn.Module` (hashed on a copy); or a callable whose
            parameters are all float64 numpy arrays.
        probe: Inputs to run the thing on. Graphs and modules require one unless they bring their own.
        training: JSON settings that change a result and not the function (learning rate, epochs).
        mantissa_bits: Number of mantissa bits to which values are rounded before hashing.
        timeout: Seconds allowed, one number or one for each kind. By default 10 for a function, which is called on
            numbers from 1e-12 to 1e4 in size and may not return from some, and 600 for a module; None sets no limit.
            A module that takes longer is given up between two of its runs. In the main thread a run is interrupted as
            well, unless it is a call into C.

    Raises:
        Unhashable: the thing cannot be run on the probe; the message says why.
        InvalidInput: the thing is nothing that can be run, or `training` is not JSON.

    Example:
        >>> import automl
        >>> import numpy as np
        >>> functional_hash(lambda x: x + x) == functional_hash(lambda y: 2 * y)
        True
        >>> functional_hash(np.tanh) == functional_hash(np.sin)
        False
        >>> functional_hash(np.tanh, training={"lr": 0.1}) == functional_hash(np.tanh)  # other training settings
        False
    """
    from automl.hashing.things import as_behaviour

    behaviour = as_behaviour(thing)
    seconds = timeout.get(behaviour.kind) if isinstance(timeout, Mapping) else timeout
    is_module = behaviour.kind == "module"
    try:
        with alarm(seconds * _RUN_OUT if seconds is not None and is_module else seconds):
            return Hasher(probe, mantissa_bits, seconds=seconds).hash_many([(behaviour, training or {})])[0].key
    except OutOfTime as error:
        if is_module:
            raise Unhashable(
                f"hashing the module has taken longer than {seconds:g} s, the last of it in "
                f"{error.where or 'no layer'}: hash a smaller one, Module(build, reduced=…), give a smaller probe, "
                "or a larger `timeout`"
            ) from None
        raise Unhashable(
            f"the function has not returned from the probe points for {seconds:g} s (from 1e-12 to 16,384 and their "
            "negatives): let it end for every number, or give a larger `timeout`"
        ) from None
