"""A user's plain function as an evaluator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from automl.errors import InvalidInput
from automl.evaluators.base import Evaluation, Evaluator, Metrics, Work
from automl.evaluators.fingerprints import fingerprint
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


@dataclass(frozen=True)
class FunctionEvaluator(Evaluator):
    """Calls `function(candidate, seed)`, or `function(candidate)`, which returns a number or a dict of metrics.

    Whatever else a function names as a parameter it is given by that name:

    - `seed`: 63-bit. Without it the function is taken to be deterministic.
    - `part`: "validation" during the search, "test" for the final figures. Without it there is no test part: final
      figures come from fresh seeds on the same data, and reports say so.
    - `report`: a function; `report(epoch, value)` adds a dict of metrics, or a number under `objective_name`, to the
      learning curve.
    - `device`: "cpu" or "cuda".
    - `checkpoint`: an `automl.evaluators.checkpoints.Checkpoint`, or None where nothing is kept.

    A parameter with another default than these could have (`part=3`) is the function's own business.

    Attributes:
        function: the user's function.
        objective_name: what a bare number is called.
        code_version: a name for the state of the function's code. Empty: its source text stands for it, so that changed
            source starts a new context.

    Raises:
        InvalidInput: the function takes neither one nor two arguments beside those.
    """

    name: ClassVar[str] = "function"

    function: Callable[..., Any]
    objective_name: str = "fitness"
    code_version: str = ""

    def __post_init__(self) -> None:
        try:
            inspect.signature(self.function).bind(*self._given(None, 0), **dict.fromkeys(self._named_ones))
        except TypeError:
            raise InvalidInput(
                f"evaluator {self._title()} must take (candidate) or (candidate, seed), and then {_LIST} if it likes, "
                "and return a number or a dict"
            ) from None

    @property
    def metrics(self) -> Mapping[str, str]:  # type: ignore[override]
        """What a bare number is called; a dict of metrics has its own names."""
        return {self.objective_name: "maximize"}

    @property
    def deterministic(self) -> bool:  # type: ignore[override]
        """True for a function that is given no seed: it is taken at its word."""
        return not self._takes_seed

    @property
    def has_test_part(self) -> bool:  # type: ignore[override]
        """True for a function that is told which part of its data to measure on."""
        return "part" in self._named_ones

    def settings(self) -> dict[str, Any]:
        """Returns what identifies the function: its name, and its version or a hash of its source."""
        return {"function": self._title(), "code": self.code_version or self._source_hash()}

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        candidate = Candidate(parse(work.candidate), work.candidate)
        named = {name: self._value_of(name, how) for name in self._named_ones}
        result = self._named(self.function(*self._given(candidate, how.seed), **named))
        return {str(name): float(value) for name, value in result.items()}

    def _named(self, result: Any) -> Mapping[str, Any]:
        return result if isinstance(result, Mapping) else {self.objective_name: result}

    def _given(self, candidate: Any, seed: int) -> tuple[Any, ...]:
        return (candidate, seed) if self._seed_comes_second else (candidate,)

    def _value_of(self, name: str, how: Evaluation) -> Any:
        if name == "report":
            return lambda epoch, value: how.report(epoch, self._named(value))
        return getattr(how, name)

    @cached_property  # reading a signature takes longer than many a function does
    def _named_ones(self) -> tuple[str, ...]:
        """The names among `_OFFERED` that the function is given by name."""
        parameters = dict(list(inspect.signature(self.function).parameters.items())[1:])  # the first is the candidate
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
            for one in inspect.signature(self.function).parameters.values()
            if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
            and one.default is one.empty
            and one.name not in self._named_ones
        ]
        return len(required) == 2

    @property
    def _takes_seed(self) -> bool:
        return self._seed_comes_second or "seed" in self._named_ones

    def _title(self) -> str:
        return getattr(self.function, "__qualname__", type(self.function).__name__)

    def _source_hash(self) -> str:
        try:
            return fingerprint(self.function)
        except (OSError, TypeError):
            raise InvalidInput(
                f"the source of {self._title()} cannot be read, so changes to it would go unnoticed; "
                "pass automl.FunctionEvaluator(function, code_version='1') and raise the version when it changes"
            ) from None


def _is(default: Any, known: Any) -> bool:
    """Tells whether a default is this text; arrays and the like, which compare in ways of their own, are not."""
    return isinstance(default, str) and isinstance(known, str) and default == known
