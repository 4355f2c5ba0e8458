"""A user's plain function as an evaluator."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.evaluators.directions import direction_of
from automl.evaluators.figures import as_number
from automl.evaluators.fingerprints import Fingerprint, NoContent, fingerprint
from automl.evaluators.fingerprints.captured import bound_data
from automl.jsontext import parse
from automl.spaces.space import Candidate

_NONE = inspect.Parameter.empty
_OFFERED: Mapping[str, tuple[Any, ...] | None] = {
    "seed": None,  # whatever its default
    "part": (_NONE, None, "validation", "test"),
    "report": (_NONE, None),
    "device": (_NONE, None, "cpu", "cuda"),
    "checkpoint": (_NONE, None),
}
"""What a function may name as a parameter, and the defaults with which it then means this."""

_LIST = ", ".join(f"`{name}`" for name in _OFFERED if name != "seed")


class Reporter:
    """What a function gets as `report`: called with an epoch and a value, it answers whether to stop.

    Example:
        >>> report = Reporter(Evaluation(seed=1), lambda value: {"fitness": value})
        >>> report(1, 0.5), report.should_prune()
        (False, False)
    """

    def __init__(self, how: Evaluation, named: Callable[[Any], Mapping[str, Any]]) -> None:
        self._how, self._named = how, named

    def __call__(self, epoch: float, value: Any) -> bool:
        return self._how.report(epoch, self._named(value))

    def should_prune(self) -> bool:
        """Tells whether the search wants the evaluation to stop after what was reported last."""
        return self._how.should_prune()


@dataclass(frozen=True)
class FunctionEvaluator(Evaluator):
    """Evaluator that calls a user's function: `function(candidate)` or `function(candidate, seed)`, which returns a
    number or a dict of metrics.

    A second argument without a default receives the seed, whatever its name. In addition, the function receives each of
    the following if it has a parameter of that name:

    - `seed`: int from 0 to 2**63 - 1. A function that takes no seed counts as deterministic.
    - `part`: "validation" during the search, "test" for the final figures. A function without it has no test part:
      final figures come from fresh seeds on the same data, and reports say so.
    - `report`: function; `report(epoch, value)` adds a dict of metrics, or a number under `objective_name`, to the
      learning curve of the evaluation, which is stored and plotted. It returns True, and so does
      `report.should_prune()`, if the search wants the evaluation to stop; `raise automl.Pruned` then.
    - `device`: "cpu" or "cuda".
    - `checkpoint`: `automl.evaluators.checkpoints.Checkpoint`, or None if the search keeps no checkpoints.

    A parameter of one of these names whose default has another meaning, such as `part=3`, keeps its default. Accepted
    are no default and None; `part` may also default to "validation" or "test", `device` to "cpu" or "cuda", and `seed`
    to anything.

    Attributes:
        function: The user's function.
        objective_name: Name of the metric if the function returns a bare number. Unless the search is given a
            direction, the name tells it: `loss` or `val_error` is minimized, `accuracy` or an unknown word maximized; a
            word such as `distance` requires a direction.
        code_version: Version of the function's code: change it when the function changes. If empty, the code is
            identified by its source, with the functions and variables that it uses; any change starts a new context, so
            that stored results are no longer served. If given, the source is not read. Data bound to the function
            (closure variables, defaults, arguments of a partial, the object of a method) is part of the context in both
            cases, unless it cannot be compared by content.

    Raises:
        InvalidInput: the function requires other arguments than these, or Python cannot tell its signature (some
            builtins).

    Example:
        >>> import automl
        >>> def score(candidate, seed):
        ...     return {"accuracy": candidate.x / 20, "loss": 1 - candidate.x / 20}
        >>> evaluator = FunctionEvaluator(score, code_version="1")
        >>> evaluator.deterministic  # it takes a seed
        False
        >>> FunctionEvaluator(lambda candidate: candidate.x).deterministic
        True
        >>> FunctionEvaluator(lambda: 1)
        Traceback (most recent call last):
        automl.errors.InvalidInput: evaluator <lambda> must take (candidate) or (candidate, seed), and then `part`, ...
    """

    name: ClassVar[str] = "function"

    function: Callable[..., Any]
    objective_name: str = "fitness"
    code_version: str = ""

    def __post_init__(self) -> None:
        try:
            self._signature.bind(*self._given(None, 0), **dict.fromkeys(self._named_ones))
        except (TypeError, ValueError):  # the latter where a builtin has no signature
            raise InvalidInput(
                f"evaluator {self._title()} must take (candidate) or (candidate, seed), and then {_LIST} if it likes, "
                "and return a number or a dict"
            ) from None

    @property
    def metrics(self) -> Mapping[str, str]:  # type: ignore[override]
        """Mapping from `objective_name` to the direction that its name tells; metrics of a dict are not listed."""
        with suppress(InvalidInput):
            return {self.objective_name: direction_of(self.objective_name) or "maximize"}
        return {self.objective_name: "maximize"}  # a name that says neither: who sets up a search asks the user

    @property
    def deterministic(self) -> bool:  # type: ignore[override]
        """True if the function takes no seed."""
        return not self._takes_seed

    @property
    def has_test_part(self) -> bool:  # type: ignore[override]
        """True if the function has the parameter `part`."""
        return "part" in self._named_ones

    @property
    def resumable(self) -> bool:  # type: ignore[override]
        """True if the function has the parameter `checkpoint`: it then goes on from what it left there."""
        return "checkpoint" in self._named_ones

    def settings(self) -> dict[str, Any]:
        """Returns what identifies the function: its name, and its version or the fingerprint of its source."""
        if not self.code_version:
            return {"function": self._title(), "code": self.looked_at().digest}
        bound = bound_data(self.function)
        return {"function": self._title(), "code": self.code_version, **({"captured": bound} if bound else {})}

    def looked_at(self) -> Fingerprint:
        """Returns the fingerprint of the function: its source, with the files and libraries that it uses.

        Raises:
            InvalidInput: the function captures what cannot be compared by content, or is a builtin.
        """
        if self.code_version:
            return Fingerprint("")
        try:
            return fingerprint(self.function)
        except NoContent as error:
            raise InvalidInput(
                f"evaluator {self._title()} captures {error} so changes of it would go unnoticed; "
                "pass automl.FunctionEvaluator(function, code_version='1') and raise the version when it changes"
            ) from None

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        candidate = Candidate(parse(work.candidate), work.candidate)
        named = {name: self._value_of(name, how) for name in self._named_ones}
        result = self._named(self.function(*self._given(candidate, how.seed), **named))
        # What is no number stays as it is: whoever judges the result leaves it out and names it.
        return {str(name): value if (number := as_number(value)) is None else number for name, value in result.items()}

    def _named(self, result: Any) -> Mapping[str, Any]:
        return result if isinstance(result, Mapping) else {self.objective_name: result}

    def _given(self, candidate: Any, seed: int) -> tuple[Any, ...]:
        return (candidate, seed) if self._seed_comes_second else (candidate,)

    def _value_of(self, name: str, how: Evaluation) -> Any:
        if name == "report":
            return Reporter(how, self._named)
        return getattr(how, name)

    @cached_property  # reading a signature takes longer than many a function does
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @cached_property
    def _named_ones(self) -> tuple[str, ...]:
        """The names among `_OFFERED` that the function is given by name."""
        parameters = dict(list(self._signature.parameters.items())[1:])  # the first is the candidate
        return tuple(
            name
            for name, defaults in _OFFERED.items()
            if (one := parameters.get(name)) is not None
            and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
            and (defaults is None or any(one.default is known or _is(one.default, known) for known in defaults))
        )

    @cached_property
    def _seed_comes_second(self) -> bool:
        """True for a function that takes a seed without saying so: its second argument without a default."""
        if "seed" in self._named_ones:
            return False
        required = [
            one
            for one in self._signature.parameters.values()
            if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
            and one.default is one.empty
            and one.name not in self._named_ones
        ]
        return len(required) == 2

    @property
    def _takes_seed(self) -> bool:
        return self._seed_comes_second or "seed" in self._named_ones

    def _title(self) -> str:
        function = self.function
        while isinstance(function, functools.partial):
            function = function.func
        return str(getattr(function, "__qualname__", type(function).__name__))


def _is(default: Any, known: Any) -> bool:
    """Tells whether a default is this text; arrays and the like, which compare in ways of their own, are not."""
    return isinstance(default, str) and isinstance(known, str) and default == known
