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


@dataclass(frozen=True)
class FunctionEvaluator(Evaluator):
    """Calls `function(candidate, seed)`, or `function(candidate)`, which returns a number or a dict of metrics.

    A function with a parameter named `report`, without a default or with None, is given one more function:
    `report(epoch, value)` adds a dict of metrics, or a number under `objective_name`, to the learning curve.

    Attributes:
        function: the user's function.
        objective_name: what a bare number is called.
        code_version: a name for the state of the function's code. Empty: its source stands for it, with all that it
            uses and captured, so that whatever changes starts a new context. With a name the code is not read; data
            bound to the function (variables of its factory, defaults, arguments of a partial, the object of a method)
            counts all the same, as far as it has content.

    Raises:
        InvalidInput: the function takes neither one nor two arguments beside `report`, or Python cannot say what it
            takes.
    """

    name: ClassVar[str] = "function"

    function: Callable[..., Any]
    objective_name: str = "fitness"
    code_version: str = ""

    def __post_init__(self) -> None:
        try:
            extra = {"report": None} if self._takes_report else {}
            self._signature.bind(*self._given(None, 0), **extra)
        except (TypeError, ValueError):  # the latter where a builtin has no signature
            raise InvalidInput(
                f"evaluator {self._title()} must take (candidate) or (candidate, seed), and then `report` if it likes, "
                "and return a number or a dict"
            ) from None

    @property
    def metrics(self) -> Mapping[str, str]:  # type: ignore[override]
        """What a bare number is called, with the direction that its name says; a dict of metrics has its own names."""
        with suppress(InvalidInput):
            return {self.objective_name: direction_of(self.objective_name) or "maximize"}
        return {self.objective_name: "maximize"}  # a name that says neither: who sets up a search asks the user

    @property
    def deterministic(self) -> bool:  # type: ignore[override]
        """True for a function that is given no seed: it is taken at its word."""
        return not self._takes_seed

    def settings(self) -> dict[str, Any]:
        """Returns what identifies the function: its name, and its version or the fingerprint of its source."""
        if not self.code_version:
            return {"function": self._title(), "code": self.looked_at().digest}
        bound = bound_data(self.function)
        return {"function": self._title(), "code": self.code_version, **({"captured": bound} if bound else {})}

    def looked_at(self) -> Fingerprint:
        """Returns what the function depends on.

        Raises:
            InvalidInput: it captures something that has no content, or is a builtin.
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
        given = self._given(candidate, how.seed)
        extra = {"report": lambda epoch, value: how.report(epoch, self._named(value))} if self._takes_report else {}
        result = self._named(self.function(*given, **extra))
        # What is no number stays as it is: whoever judges the result leaves it out and names it.
        return {str(name): value if (number := as_number(value)) is None else number for name, value in result.items()}

    def _named(self, result: Any) -> Mapping[str, Any]:
        return result if isinstance(result, Mapping) else {self.objective_name: result}

    def _given(self, candidate: Any, seed: int) -> tuple[Any, ...]:
        return (candidate, seed) if self._takes_seed else (candidate,)

    @cached_property  # reading a signature takes longer than many a function does
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @cached_property
    def _takes_report(self) -> bool:
        parameter = self._signature.parameters.get("report")
        if parameter is None or parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            return False
        # another default is the function's own business
        return parameter.default is parameter.empty or parameter.default is None

    @cached_property
    def _takes_seed(self) -> bool:
        required = [
            parameter
            for parameter in self._signature.parameters.values()
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
            and parameter.name != "report"
        ]
        empty = [parameter for parameter in required if parameter.default is parameter.empty]
        return len(empty) == 2 or any(parameter.name == "seed" for parameter in required)

    def _title(self) -> str:
        function = self.function
        while isinstance(function, functools.partial):
            function = function.func
        return str(getattr(function, "__qualname__", type(function).__name__))
