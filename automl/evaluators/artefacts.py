"""Artefacts that evaluations read: made once for everybody, by a worker, before the first of these evaluations."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from automl.artefacts.content import Content
from automl.errors import InvalidInput
from automl.evaluators.fingerprints import Fingerprint
from automl.evaluators.fingerprints.describing import as_setting, description
from automl.evaluators.parts import AnyTask

if TYPE_CHECKING:
    from automl.evaluators.base import Evaluation, Evaluator


class Artefact(ABC):
    """Base class of what is made once and read by many evaluations: a supernet, block ratings, tokenised data.

    Subclasses are frozen dataclasses; their fields are the recipe. Of all processes that want an artefact, one makes
    it: through a claim like an evaluation's, from a seed of its own, on one worker, with a checkpoint. The content is
    kept under its digest and verified whenever it is read.

    Class attributes:
        name: Name under which `Evaluation.artefact` finds the content.
        version: Version of the code. Raise it whenever the code changes what is made.
        reads: Names of artefacts that stand before this one in `Evaluator.artefacts` and that `make` reads.

    Example:
        >>> import numpy as np
        >>> @dataclasses.dataclass(frozen=True)
        ... class Table(Artefact):
        ...     name = "table"
        ...     rows: int = 3
        ...
        ...     def make(self, how):
        ...         return Content.of({"rows": np.random.default_rng(how.seed).normal(size=self.rows)}, {})
        >>> from automl.evaluators.base import Evaluation
        >>> Table(rows=2).make(Evaluation(seed=5)).arrays()["rows"].shape, Table(rows=2).recipe()["settings"]
        ((2,), {'rows': 2})
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    reads: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def make(self, how: Evaluation) -> Content:
        """Makes the content. Runs on a worker.

        Every random draw comes from `how.seed`: equal seeds give equal contents on one kind of device. A long making
        saves its state in `how.checkpoint` from time to time and goes on from there; `how.report` adds to a curve.

        Raises:
            Exception: whatever it raises ends the search, with the sentence.
        """

    def settings(self) -> dict[str, Any]:
        """Returns the JSON settings that change the content, from the fields of the dataclass."""
        fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(self) if dataclasses.is_dataclass(self) else ()
        names = [item.name for item in fields]
        values = {name: getattr(self, name) for name in names}
        return {
            name: value.description() if isinstance(value, AnyTask) else as_setting(value, name)
            for name, value in values.items()
        }

    def looked_at(self) -> Fingerprint | None:
        """Returns the files and libraries that the user's code in this artefact uses; None without such code."""
        return None

    def more_of_context(self) -> dict[str, Any]:
        """Returns what stands in the recipe beside name, version and settings: nothing."""
        return {}

    def recipe(self) -> dict[str, Any]:
        """Returns what identifies the artefact: name, version, settings, and the digest of the code of a user's class.

        Raises:
            InvalidInput: it depends on an object that cannot be compared by content, and gives no version.
        """
        return dict(description(self).stands)


def declared_artefacts(evaluator: Evaluator, replicate: int = 0) -> Sequence[Artefact]:
    """Returns the artefacts of one replicate's evaluations, in the order in which they are made.

    Raises:
        InvalidInput: two have one name, or one reads what does not stand before it.

    Example:
        >>> from automl.testing.pools import Numbered
        >>> declared_artefacts(Numbered())
        ()
    """
    found = tuple(evaluator.artefacts(replicate))
    before: set[str] = set()
    for one in found:
        if one.name in before:
            raise InvalidInput(f"evaluator {evaluator.name} declares two artefacts named {one.name!r}; rename one")
        if missing := set(one.reads) - before:
            raise InvalidInput(
                f"artefact {one.name!r} of evaluator {evaluator.name} reads {min(missing)!r}, which does not stand "
                "before it in artefacts()"
            )
        before.add(one.name)
    return found


def recipe_of(one: Artefact, among: Sequence[Artefact]) -> dict[str, Any]:
    """Returns the description of the context of one artefact: its recipe, and those of what it reads.

    Args:
        one: the artefact.
        among: all that its evaluator declares.

    Example:
        >>> class Nothing(Artefact):
        ...     name, version = "nothing", "2"
        ...     def make(self, how):
        ...         return Content.of({}, {})
        >>> recipe_of(Nothing(), [Nothing()])
        {'artefact': {'name': 'nothing', 'version': '2', 'settings': {}}}
    """
    others = {other.name: recipe_of(other, among)["artefact"] for other in among if other.name in one.reads}
    return {"artefact": {**one.recipe(), **({"reads": others} if others else {})}}
