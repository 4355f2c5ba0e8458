"""What one evaluation reads of the artefacts, and what it leaves there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from automl.artefacts.content import Content
from automl.artefacts.store import ArtefactStore
from automl.artefacts.weights import weights_of
from automl.errors import InvalidInput

if TYPE_CHECKING:
    from torch import nn

Relation = Literal["made", "read"]


def weights_facts(facts: Mapping[str, Any], candidate: Any, seed: int) -> dict[str, Any]:
    """Returns what is written into the weights of one candidate.

    Args:
        facts: what all weights of a study have in common: space, evaluator, part.
        candidate: JSON data.
        seed: of the evaluation.

    Example:
        >>> weights_facts({"part": "test"}, {"width": 16}, seed=3)
        {'format': 'automl weights 1', 'part': 'test', 'candidate': {'width': 16}, 'seed': 3}
    """
    return {"format": "automl weights 1", **facts, "candidate": candidate, "seed": seed}


WEIGHTS = "weights"
"""The name under which an evaluation leaves the weights that it measured."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One artefact that an evaluation left or read.

    Attributes:
        relation: "made" or "read".
        name: "weights", or the name of an artefact that the evaluator declares.
        digest: SHA-256 of the content, 64 hexadecimal digits.
        size: Bytes of the content.

    Example:
        >>> Kept("made", "weights", "0" * 64, 4096).size
        4096
    """

    relation: Relation
    name: str
    digest: str
    size: int


@dataclass
class Shelf:
    """An evaluation's view of the artefacts: those that it may read by name, and whether it is to leave its weights.

    Attributes:
        store: Where the contents are.
        reads: Mapping from the name of each artefact that the evaluator declares to its digest.
        keeps: True if trained weights are wanted.
        facts: JSON data that is written into what is left: candidate, seed, how to rebuild.
        left: Mapping from name to the contents that the evaluation has left so far.

    Example:
        >>> store = ArtefactStore("kept")
        >>> supernet = Content.of({}, {"epochs": 3})
        >>> store.put(supernet)
        >>> shelf = Shelf(store, {"supernet": supernet.digest})
        >>> shelf.read("supernet").facts
        {'epochs': 3}
        >>> [one.relation for one in shelf.settle()]
        ['read']
    """

    store: ArtefactStore
    reads: Mapping[str, str] = field(default_factory=dict)
    keeps: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    left: dict[str, Content] = field(default_factory=dict, repr=False, compare=False)
    _read: dict[str, Kept] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Shelf, (self.store, self.reads, self.keeps, self.facts)

    def again(self) -> Shelf:
        """Returns a shelf for another run of the same evaluation: nothing is read or left yet."""
        return Shelf(self.store, self.reads, self.keeps, self.facts)

    def read(self, name: str) -> Content:
        """Returns the content of an artefact that the evaluator declares.

        Raises:
            ArtefactUnreadable: it is missing or damaged.
            InvalidInput: the evaluator declares none of this name.
        """
        if name not in self.reads:
            known = ", ".join(self.reads) or "none"
            raise InvalidInput(f"artefact {name!r} is not declared; name it in artefacts(), which knows {known}")
        content = self.store.get(self.reads[name])
        self._read[name] = Kept("read", name, content.digest, len(content.data))
        return content

    def leave(self, name: str, content: Content) -> None:
        """Takes a content; it is written by `settle`, when the evaluation has succeeded."""
        self.left[name] = content

    def keep(self, module: nn.Module) -> None:
        """Takes the weights of a trained module as they are now, if they are wanted.

        Raises:
            InvalidInput: the module keeps state that is no tensor.
        """
        if self.keeps:
            self.leave(WEIGHTS, weights_of(module, self.facts))

    def settle(self) -> tuple[Kept, ...]:
        """Writes what was left and returns it, with what was read.

        Raises:
            InvalidInput: there is no room.
        """
        for content in self.left.values():
            self.store.put(content)
        made = [Kept("made", name, one.digest, len(one.data)) for name, one in self.left.items()]
        return (*made, *self._read.values())
