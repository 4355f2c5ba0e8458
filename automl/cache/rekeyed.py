"""What became of stored evaluations when their keys were computed anew, in figures and in words."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from automl.hashing import HASHER_VERSION


@dataclass(frozen=True, slots=True)
class ContextDone:
    """Evaluations of one context and one space that `automl.rekey` gave new keys, or would give.

    Attributes:
        context: Name of the context in sentences for users.
        space: Name of the space in sentences for users.
        evaluations: Number of evaluations.
        seconds: Seconds that these evaluations took.
        known: Number of these evaluations that were stored under their new keys already.
        classes: Number of equivalence classes of these evaluations under the old keys.
        classes_now: Number of equivalence classes of these evaluations under the new keys.
        merged: Number of new classes into which several old classes were merged.
        split: Number of old classes whose evaluations now belong to several classes.

    Example:
        >>> one = ContextDone("context 1", "nasbench201", 100, 250.0, classes=90, classes_now=80, merged=10)
        >>> Rekeyed(contexts=[one]).sentences()
        ['100 evaluations, 250.0 s of work, have new keys (classes were merged into 10)']
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
    """Evaluations of one context and one space that keep their old keys, so that the cache does not serve them.

    Attributes:
        context: Name of the context in sentences for users.
        space: Name of the space in sentences for users.
        evaluations: Number of evaluations.
        seconds: Seconds that these evaluations took.
        why: Clause that says why no new key could be computed.

    Example:
        >>> one = Kept("context 1", "of own.py:Tower", 3, seconds=40.0, why="it cannot be loaded (no file 'own.py')")
        >>> Rekeyed(kept=[one]).sentences()
        ["3 evaluations in context 1, 40.0 s of work, of own.py:Tower are kept under their old keys and not ..."]
    """

    context: str
    space: str
    evaluations: int
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class StudyDone:
    """Result of `automl.rekey` for one study that is to be continued.

    Attributes:
        name: Name of the study.
        trials: Number of trials that got new keys, including those of the study's random search and tests.
        served_another: Number of these trials that, under an old key, were served the result of a candidate which is
            now known to compute another function. These trials keep the fitness that the strategy was told.
        why: Sentence that says why the study could not get new keys; empty if it did.

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
    """Summary of what `automl.rekey` changed after the functional hash got a new version.

    Attributes:
        dry_run: True if `automl.rekey` was called with `dry_run=True`: nothing was written.
        contexts: List of `ContextDone`: evaluations that have new keys, for each context and space.
        kept: List of `Kept`: evaluations that keep their old keys, with the reason.
        studies: List of `StudyDone`: unfinished or named studies whose trials got new keys, or could not get them.
        checkpoints: Number of checkpoint files of evaluations that were moved to the folder of their new context.
        by_json: Number of candidates whose new key was computed in this call from their JSON, so that only exact
            repeats of them are recognised, by the sentence that says why.

    Example:
        >>> from automl.cache.store import EquivalenceCache
        >>> EquivalenceCache("sqlite:///cache.db").close()  # makes an empty database
        >>> import automl
        >>> automl.rekey("sqlite:///cache.db").sentences()  # doctest: +ELLIPSIS
        ['all evaluations have keys of version ..., the version of this automl']
    """

    dry_run: bool = False
    contexts: list[ContextDone] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    studies: list[StudyDone] = field(default_factory=list)
    checkpoints: int = 0
    by_json: dict[str, int] = field(default_factory=dict)

    @property
    def evaluations(self) -> int:
        """Number of evaluations that have new keys, or would get them in a call without `dry_run`."""
        return sum(one.evaluations for one in self.contexts)

    @property
    def seconds(self) -> float:
        """Seconds that these evaluations took."""
        return sum(one.seconds for one in self.contexts)

    def as_json(self) -> dict[str, Any]:
        """Returns the summary as JSON data, with the version of the functional hash under `hasher`."""
        return {**dataclasses.asdict(self), "hasher": HASHER_VERSION}

    def sentences(self) -> list[str]:
        """Returns the summary as a list of sentences."""
        if not (self.contexts or self.kept or self.studies):
            return [f"all evaluations have keys of version {HASHER_VERSION}, the version of this automl"]
        said = []
        if self.contexts:
            verb = "would get new keys; nothing was written" if self.dry_run else "have new keys"
            merged, split = sum(one.merged for one in self.contexts), sum(one.split for one in self.contexts)
            known = sum(one.known for one in self.contexts)
            more = [f"{known:,} of them were stored under these keys already"] if known else []
            more += [f"classes were merged into {merged:,}"] if merged else []
            more += [f"{split:,} classes were split"] if split else []
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
                f"; {study.served_another:,} of its trials had been served the result of a candidate that computes "
                "another function, and keep their fitness"
                if study.served_another
                else ""
            )
            said.append(f"study {study.name} {verb} new keys for {study.trials:,} trials and can be continued{wrong}")
        said += [f"candidates keyed by their JSON: {count:,}, because {why}" for why, count in self.by_json.items()]
        if self.checkpoints:
            said.append(f"{self.checkpoints:,} checkpoints were moved along")
        return said
