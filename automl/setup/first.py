"""The first candidates of a space, looked at before anything is paid for."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import numpy as np

from automl.behaviour import Behaviour, Graph, Module
from automl.errors import AutoMLError, InvalidSpace
from automl.evaluators.base import Evaluator, Work
from automl.hashing.plans import operation_names
from automl.isolation.limits import OwnExit
from automl.jsontext import canonical, parse
from automl.spaces.contract import costs_of, read_back
from automl.spaces.options import shown
from automl.spaces.space import Candidate, Space

T = TypeVar("T")

FAULTS = (Exception, SystemExit, OwnExit)
"""What a user's code may raise, an attempt to end the process included."""

SAMPLES = 16
"""Candidates of which it is looked at whether they read back and name operations that exist."""

TRIED = 3
"""Candidates whose networks are run. A space is refused where all of them fail, and not where some do."""


def first_work(space: Space, evaluator: Evaluator, seed: int) -> Work:
    """Returns what an evaluator gets of a space's first sample: read back, described and built.

    Args:
        space: drawn from with a generator of its own.
        evaluator: that is to evaluate it.
        seed: of that generator.

    Raises:
        InvalidSpace: the sample cannot be drawn, described or built; the space's own error is quoted.
        AutoMLError: it is not what the space reads from its JSON, or the evaluator does not know its settings.
    """
    candidate = None
    try:
        candidate = read_back(space, space.sample(np.random.default_rng(seed)))
        work = _work(space, candidate)
        canonical(work.training)
        evaluator.check(work)
        _build(work.behaviour)
    except AutoMLError:
        raise
    except FAULTS as error:  # the user's code may raise anything
        where = f"candidate {candidate.json}" if candidate is not None else "sampling"
        raise InvalidSpace(
            f"space {space.kind} fails on its first sample ({where}): {type(error).__name__}: {error}"
        ) from error
    return work


def further_faults(space: Space, evaluator: Evaluator, seed: int, first: Work) -> Iterator[AutoMLError]:
    """Yields what else is wrong with a space's first candidates; nothing where they are sound.

    Args:
        space, evaluator, seed: as above.
        first: the work of the first sample.
    """
    rng = np.random.default_rng([seed, 1])
    yield from _what_differs(space, rng)
    if complaint := costs_of(space, space.decode(parse(first.candidate)))[1]:
        yield InvalidSpace(complaint)
    works = _works(space, rng, first)
    if complaint := next(filter(None, map(_unknown_operation, works)), ""):
        yield InvalidSpace(f"space {space.kind}: {complaint}")
    complaints = [_what_cannot_run(space, evaluator, work) for work in works[:TRIED]]
    if all(complaints):
        yield InvalidSpace(
            f"space {space.kind}: none of its first {len(complaints)} candidates can be evaluated: {complaints[0]}"
        )


def _work(space: Space, candidate: Candidate) -> Work:
    behaviour, training = space.behaviour(candidate), space.training(candidate)
    if not isinstance(training, Mapping):
        raise InvalidSpace(f"training() of {space.kind} returns {shown(training)}; let it return a dict")
    if not isinstance(getattr(behaviour, "kind", None), str):
        raise InvalidSpace(
            f"behaviour() of {space.kind} returns {shown(behaviour)}; let it return a Graph, Module, Program, Function "
            "or Configuration"
        )
    return Work(behaviour, dict(training), candidate.json)


def _works(space: Space, rng: np.random.Generator, first: Work) -> list[Work]:
    """Returns the work of the first sample, and that of further ones as far as they can be made."""
    more = (_attempt(lambda: _work(space, space.sample(rng))) for _ in range(SAMPLES - 1))
    return [first, *(work for work in more if work is not None)]


def _attempt(make: Callable[[], T]) -> T | None:
    """Returns what is made, or None where that raises.

    A space may fail on some candidates, and each such trial says so. What it cannot do at all (a crossover that no
    strategy asks for) is nobody's concern here.
    """
    try:
        return make()
    except FAULTS:  # the user's code may raise anything
        return None


def _what_differs(space: Space, rng: np.random.Generator) -> Iterator[AutoMLError]:
    """Yields the first sample, mutant and child that the space does not read back as itself."""
    found: dict[str, AutoMLError] = {}
    for _ in range(SAMPLES):
        one, other = (_attempt(partial(space.sample, rng)) for _ in range(2))
        if one is None or other is None:
            continue
        made = {
            "sample": one,
            "mutate": _attempt(partial(space.mutate, one, rng)),
            "crossover": _attempt(partial(space.crossover, one, other, rng)),
        }
        for name, candidate in made.items():
            if candidate is None or name in found:
                continue
            try:
                read_back(space, candidate)
            except AutoMLError as error:
                found[name] = InvalidSpace(f"{name}: {error}")
            except FAULTS as error:  # the user's code may raise anything
                what = f"{name}: {space.kind} cannot read {shown(getattr(candidate, 'value', candidate))}"
                found[name] = InvalidSpace(f"{what}: {type(error).__name__}: {error}")
    yield from found.values()


def _unknown_operation(work: Work) -> str:
    """Returns what is wrong with the operations that a graph names, or an empty text."""
    graph = work.behaviour
    if not isinstance(graph, Graph):
        return ""
    known = operation_names(graph.operations)
    wrong = next((node.operation for node in graph.nodes if node.operation not in known), None)
    if wrong is None:
        return ""
    near = difflib.get_close_matches(str(wrong), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return (
        f"the graph of candidate {work.candidate} names the operation {wrong!r}, which is unknown; {hint}"
        "docs/hashing.md lists the names; operations of your own go into Graph(operations={…})"
    )


def _what_cannot_run(space: Space, evaluator: Evaluator, work: Work) -> str:
    """Returns why a candidate cannot be evaluated, or an empty text."""
    try:
        built, torch = _build(work.behaviour), sys.modules.get("torch")
        if built is not _NO_NETWORK and (torch is None or not isinstance(built, torch.nn.Module)):
            forgotten = "; does it end with `return`?" if built is None else ""
            return f"build() of {space.kind} returns {shown(built)} instead of a torch.nn.Module{forgotten}"
        return evaluator.misfit(work)
    except FAULTS as error:  # the user's code may raise anything
        return f"{type(error).__name__}: {error}"


_NO_NETWORK = object()


def _build(behaviour: Behaviour) -> object:
    """Returns what a behaviour that has a network builds."""
    if isinstance(behaviour, Module) or (isinstance(behaviour, Graph) and behaviour.module is not None):
        return behaviour.build()
    return _NO_NETWORK
