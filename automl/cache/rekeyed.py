"""What became of stored evaluations when their keys were computed anew, in figures and in words."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from automl.hashing import HASHER_VERSION


@dataclass(frozen=True, slots=True)
class ContextDone:
    """Evaluations of one context and one space that have new keys, or would get them.

    Attributes:
        context, space: how sentences name them.
        evaluations, seconds: how many, and what they took.
        known: those among them that stood under their new keys already.
        classes, classes_now: classes of these evaluations before and now.
        merged: classes into which several have fallen together.
        split: old classes whose evaluations went to several.

    Example:
        >>> one = ContextDone("context 1", "nasbench201", 100, 250.0, classes=90, classes_now=80, merged=10)
        >>> Rekeyed(contexts=[one]).sentences()
        ['100 evaluations, 250.0 s of work, have new keys (classes fell together into 10)']
    """

    context: str
    space: str
    evaluations: int
    seconds: float
    known: int = 0
    classes: int = 0
    classes_now: int = 0
    merged: int = 0
    split: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """Evaluations of one context and one space that keep their old keys and are not served.

    Attributes:
        context, space: how sentences name them.
        evaluations, seconds: how many, and what they took.
        why: a sentence.

    Example:
        >>> Kept("context 1", "of own.py:Tower", 3, 40.0, "it cannot be loaded (no file 'own.py')").evaluations
        3
    """

    context: str
    space: str
    evaluations: int
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class StudyDone:
    """One study whose trials have new keys, so that it can be continued.

    Attributes:
        name: of the study.
        trials: that got new keys, those of its phases included.
        served_another: those among them that were served what another function had reached.
        why: a sentence, where it could not be done; else empty.

    Example:
        >>> Rekeyed(studies=[StudyDone("digits-cells-1", 20)]).sentences()
        ['study digits-cells-1 has new keys for 20 trials and can be continued']
    """

    name: str
    trials: int
    served_another: int = 0
    why: str = ""


@dataclass(slots=True)
class Rekeyed:
    """What a change of keys did to contexts, studies and checkpoints.

    Attributes:
        dry_run: True where nothing was written.
        contexts, kept, studies: what became of evaluations and of studies that are not finished.
        checkpoints: files that were moved.

    Example:
        >>> from automl.cache.store import EquivalenceCache
        >>> EquivalenceCache("sqlite:///cache.db").close()
        >>> import automl
        >>> automl.rekey("sqlite:///cache.db").sentences()  # doctest: +ELLIPSIS
        ['everything stands under keys of version ..., the version of this automl']
    """

    dry_run: bool = False
    contexts: list[ContextDone] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    studies: list[StudyDone] = field(default_factory=list)
    checkpoints: int = 0

    @property
    def evaluations(self) -> int:
        """Evaluations that have new keys, or would get them."""
        return sum(one.evaluations for one in self.contexts)

    @property
    def seconds(self) -> float:
        """What these took."""
        return sum(one.seconds for one in self.contexts)

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON data."""
        return {**dataclasses.asdict(self), "hasher": HASHER_VERSION}

    def sentences(self) -> list[str]:
        """Returns it in words."""
        if not (self.contexts or self.kept or self.studies):
            return [f"everything stands under keys of version {HASHER_VERSION}, the version of this automl"]
        said = []
        if self.contexts:
            verb = "would get new keys; nothing was written" if self.dry_run else "have new keys"
            merged, split = sum(one.merged for one in self.contexts), sum(one.split for one in self.contexts)
            known = sum(one.known for one in self.contexts)
            more = [f"{known:,} of them stood there already"] if known else []
            more += [f"classes fell together into {merged:,}"] if merged else []
            more += [f"{split:,} classes split"] if split else []
            also = f" ({', '.join(more)})" if more else ""
            said.append(f"{self.evaluations:,} evaluations, {self.seconds:,.1f} s of work, {verb}{also}")
        said += [
            f"{one.evaluations:,} evaluations in {one.context}, {one.seconds:,.1f} s of work, {one.space} are kept "
            f"under their old keys and not served: {one.why}; the next call tries again"
            for one in self.kept
        ]
        for study in self.studies:
            if study.why:
                said.append(f"study {study.name} cannot be continued yet: {study.why}")
                continue
            verb = "would get" if self.dry_run else "has"
            wrong = (
                f"; {study.served_another:,} of its trials were served what another function had reached, and keep "
                "what they were told"
                if study.served_another
                else ""
            )
            said.append(f"study {study.name} {verb} new keys for {study.trials:,} trials and can be continued{wrong}")
        if self.checkpoints:
            said.append(f"{self.checkpoints:,} checkpoints were moved along")
        return said
