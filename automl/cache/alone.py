"""The cache without the engine: in front of an objective of Optuna, Ray Tune, or a loop of one's own."""

from __future__ import annotations

import inspect
import math
import time
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import xxhash

from automl.cache.policy import ReplicatePlan
from automl.cache.records import Claim, Completion, Resolution
from automl.errors import CandidateFailure, InvalidInput
from automl.evidence.means import mean as mean_of
from automl.jsontext import canonical, check_names

if TYPE_CHECKING:
    from automl.cache.store import EquivalenceCache

SINGLE = "value"
"""The metric under which the result of a function that returns one number is stored."""

HOLDER_SECONDS = 60.0
"""Another process is named when what it has claimed has been waited for so long."""

_LONGEST_PAUSE_SECONDS = 0.5


def get_or_evaluate(
    cache: EquivalenceCache,
    key: Any,
    function: Callable[..., Any],
    *,
    replicates: int,
    context: Mapping[str, Any],
) -> Any:
    """Returns the stored result for `key`, or calls `function` and stores what it returns.

    Of all processes with this key at this time one calls the function and the others wait for its result; when it dies,
    or gives no sign of life for the cache's `claim_timeout`, one of the others calls it. Whoever has been waited for
    during a minute is named in a warning.

    Args:
        cache: where results are kept.
        key: 16 bytes or 32 hexadecimal digits from `automl.functional_hash`; or any JSON value that says what is
            evaluated, such as a dict of parameters.
        function: called with a seed if it takes an argument. Returns a number, or a dict of metrics.
        replicates: how many evaluations of one key to make; the means of their metrics are returned.
        context: everything else that the result depends on: data, epochs, a version of the function. Results are shared
            between equal contexts only.

    Returns:
        A number if `function` returns one, else the dict of metrics.

    Raises:
        InvalidInput: key, context or result is not JSON.
        CandidateFailure: the function raised it, now or earlier in another process, or its result is not finite: a
            fact that is stored. Any other exception of the function is passed on and not stored.
        StorageError: the database failed.
    """
    check_names(key, "the key")
    check_names(context, "the context")
    if replicates < 1:
        raise InvalidInput(f"replicates is {replicates}; at least one evaluation is needed")
    asked = (0, to_key(key), _describe(key), ReplicatePlan(replicates=replicates))
    context_id = cache.context(context)
    pause = 0.005
    count, named, began = True, False, time.monotonic()
    while True:
        found = cache.resolve_many(context_id, None, [asked], 1, count=count)[0]
        count = False
        if len(found.results) == replicates:
            return _mean(found)
        for claim in found.claims:
            _evaluate(cache, context_id, claim, function)
        if found.claims:
            pause, began = 0.005, time.monotonic()
        elif any(result.metrics is None for result in found.results):
            return _mean(found)
        else:
            if not named and time.monotonic() - began >= HOLDER_SECONDS:
                named = True
                said = (cache.holder(context_id, asked[1], one) for one in found.waiting)
                if sentence := next(filter(None, said), ""):
                    warnings.warn(sentence, stacklevel=3)
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _evaluate(cache: EquivalenceCache, context_id: int, claim: Claim, function: Callable[..., Any]) -> None:
    began = time.perf_counter()
    try:
        value = function(claim.seed) if _takes_seed(function) else function()
        metrics = _checked(value)
        ended = Completion(metrics=metrics, seconds=time.perf_counter() - began)
    except CandidateFailure as failure:
        ended = Completion(fault="candidate", error=str(failure), seconds=time.perf_counter() - began)
    except BaseException as error:
        lost = Completion(fault="lost", error=f"{type(error).__name__}: {error}")
        cache.finish_many(context_id, [(claim, lost)])
        raise
    cache.finish_many(context_id, [(claim, ended)])


def to_key(key: Any) -> bytes:
    """Returns 16 bytes for a key in any of its forms."""
    if isinstance(key, (bytes, bytearray)):
        return bytes(key) if len(key) == 16 else xxhash.xxh3_128_digest(bytes(key))
    if isinstance(key, str) and len(key) == 32:
        try:
            return bytes.fromhex(key)
        except ValueError:
            pass
    return xxhash.xxh3_128_digest(canonical(key).encode())


def _describe(key: Any) -> str:
    return canonical(bytes(key).hex() if isinstance(key, (bytes, bytearray)) else key)


def _takes_seed(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(one.kind in needed and one.default is inspect.Parameter.empty for one in parameters)


def _checked(value: Any) -> dict[str, Any]:
    metrics = dict(value) if isinstance(value, Mapping) else {SINGLE: value}
    clean = {}
    for name, metric in metrics.items():
        plain = metric.item() if hasattr(metric, "item") else metric
        if isinstance(plain, float) and not math.isfinite(plain):
            raise CandidateFailure(f"the metric {name!r} is {plain}")
        clean[str(name)] = plain
    canonical(clean)
    return clean


def _mean(found: Resolution) -> Any:
    for result in found.results:
        if result.metrics is None:
            raise CandidateFailure(result.error)
    all_metrics = [result.metrics for result in found.results if result.metrics is not None]
    mean = dict(all_metrics[0])
    if len(all_metrics) > 1:
        for name, value in mean.items():
            values = [metrics.get(name) for metrics in all_metrics]
            if not isinstance(value, bool) and all(isinstance(one, (int, float)) for one in values):
                mean[name] = mean_of(values)  # type: ignore[arg-type]
    return mean[SINGLE] if set(mean) == {SINGLE} else mean
