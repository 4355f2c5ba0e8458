"""Searches that rate with one evaluator and decide with another: what rates, and the settings of what decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from automl import registry
from automl.errors import InvalidInput
from automl.evaluators.base import Evaluator
from automl.evaluators.fingerprints.describing import Description, description


@dataclass(frozen=True)
class Rating:
    """What rates candidates in a search that another evaluator decides.

    Attributes:
        evaluator: Evaluator that rates.
        given: Its name and JSON settings; None if it holds an object that only the user's program can provide.
        objective: Name of its metric that the strategy follows.
        direction: "maximize" or "minimize".

    Example:
        >>> from automl.testing.pools import Numbered
        >>> Rating(Numbered(), None, "v", "maximize").identity()["objective"]
        'v'
    """

    evaluator: Evaluator
    given: Mapping[str, Any] | None
    objective: str
    direction: str

    @cached_property
    def described(self) -> Description:
        """The evaluator's description from before the search."""
        return description(self.evaluator)

    def identity(self) -> dict[str, Any]:
        """Returns what makes two studies the same, as JSON data."""
        return {"evaluator": dict(self.described.stands), "objective": self.objective, "direction": self.direction}


def of_final(given: Mapping[str, Any], menu: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits off the settings of the final evaluator, which have its prefix.

    Args:
        given: all settings by name.
        menu: settings that the final evaluator takes; None where there is none.

    Raises:
        InvalidInput: there is no final evaluator, or it does not know a setting.
    """
    own, final = {}, {}
    for name, value in given.items():
        part, dot, bare = name.partition(".")
        if not dot or part != "final":
            own[name] = value
            continue
        if menu is None:
            raise InvalidInput(f"setting {name!r} is for a final evaluator, and there is none; name it: --final NAME")
        if bare not in menu:
            raise InvalidInput(registry.unknown("setting of the final evaluator", bare, menu))
        final[bare] = value
    return own, final


def check_one_task(rater: Evaluator, decider: Evaluator) -> None:
    """Insists that both evaluators see the same data, where both have a task.

    Raises:
        InvalidInput: they do not.
    """
    one, other = (evaluator.settings().get("task") for evaluator in (rater, decider))
    if isinstance(one, dict) and isinstance(other, dict) and one.get("fingerprint") != other.get("fingerprint"):
        raise InvalidInput(
            f"the evaluator rates on task {one.get('name')} and the final one decides on {other.get('name')}; "
            "give both one task: --task NAME"
        )


def given_to_rater(stored: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Returns name and settings of the evaluator that a stored study's strategy learns from; None where none are."""
    if stored is None:
        return None
    found: Mapping[str, Any] | None = stored["rating_given"] if stored.get("rating") else stored["evaluator_given"]
    return found
