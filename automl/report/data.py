"""What a report holds: plain data, gathered once, from which terminal, HTML and JSON are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl.evidence import Agreement, Estimate, Verdict
from automl.report.study_part import RatedCandidate, StudyPart
from automl.report.words import count_of, figure, spread
from automl.selection.contest import EXPECTED
from automl.selection.objectives import Objectives


def final_word(studies: Sequence[ReportData]) -> str:
    """Returns what the final figures of these studies are called: test figures only where there is a test part."""
    kinds = {data.held_out for data in studies}
    return "test" if kinds == {True} else "fresh seeds" if kinds == {False} else "test or fresh seeds"


@dataclass(frozen=True, slots=True)
class LearningLine:
    """One class's learning curve.

    Attributes:
        origin: "search winner", "random winner" or "trial".
        rank: as in `RatedCandidate`; 0 for a trial.
        replicates: evaluations that it is the mean of.
        values: the objective by epoch.
    """

    origin: str
    rank: int
    replicates: int
    values: Mapping[float, float]


@dataclass(frozen=True, slots=True)
class EpochRanks:
    """How the order of classes after an epoch agrees with the order at the end of the same evaluations."""

    epoch: float
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Learning:
    """What evaluations reported on their way.

    Attributes:
        reported: names of the metrics.
        lines: of the objective: an even choice of trials, then winners by rank; empty where nobody reported it.
        ranks: by epoch, over all classes with a full evaluation in this part of the cache, whichever study paid for it.
    """

    reported: list[str]
    lines: list[LearningLine]
    ranks: list[EpochRanks]

    @property
    def order_known(self) -> str:
        """How early the final order was known, in a sentence; empty where that cannot be said."""
        known = [item for item in self.ranks if item.agreement.tau not in (None, 1.0)]  # 1: the end itself
        if not known:
            return ""
        classes = max(item.agreement.pairs for item in known)
        each = ", ".join(f"{figure(item.agreement.tau)} after epoch {item.epoch:g}" for item in spread(known, 4))
        return f"How early the final order of {count_of(classes, 'class')} was known: Kendall's τ {each}."


@dataclass(frozen=True, slots=True)
class Ranks:
    """Rank agreement between two seeds or fidelities, and what was compared."""

    what: str
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Rated:
    """What a search took beside its evaluations, and random search with the seconds of both: ratings that another
    evaluator decides about, or the artefacts of a strategy.

    Attributes:
        evaluator: name of the evaluator that rates, or of the strategy.
        objective: the evaluator's metric; empty without ratings.
        part: the study of the ratings; None where only artefacts were made.
        seconds: of the ratings' evaluations, whoever ran them, and of the artefacts that they read.
        decided: seconds of the final evaluator's evaluations of the best-rated classes.
        random: random search that may take the seconds of both; None where there is none.
        random_winners: its best, by rank.
        gain: over it.
    """

    evaluator: str
    objective: str
    part: StudyPart | None
    seconds: float
    decided: float
    random: StudyPart | None
    random_winners: list[RatedCandidate]
    gain: Estimate

    @property
    def title(self) -> str:
        """What was done beside the evaluations."""
        return f"ratings ({self.evaluator})" if self.part else f"artefacts of {self.evaluator}"

    @property
    def trials(self) -> str:
        """Number of ratings, to be shown."""
        return f"{self.part.trials:,}" if self.part else "–"

    @property
    def counted(self) -> str:
        """Number of evaluations among them, to be shown."""
        return f"{self.part.counted:,g}" if self.part else "–"


@dataclass(frozen=True, slots=True)
class ProtocolLine:
    """What the winner and the random sample reach under one protocol of training, on the test part.

    Attributes:
        name: a trick that is left out, or what the settings are.
        without: tricks that are left out.
        sample, winner: means over the random sample, and over the seeds of the search's winner.
        effect: what the searched protocol adds to the random sample beyond this one; None of itself.
        beyond: what the winner has beyond the random sample.
        gain: of the winner over random search's.
        ranks: agreement of the sample's order with that under the searched protocol.
        seconds: of the evaluations, whoever ran them.
    """

    name: str
    without: tuple[str, ...]
    sample: float | None
    winner: float | None
    effect: Estimate | None
    beyond: Estimate
    gain: Estimate | None
    ranks: Agreement | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Ablation:
    """A study's winner and random sample under several protocols: how much of the result is search, how much protocol.

    Attributes:
        whole: the protocol that was searched under.
        lines: the others.
        share: the protocol's share of what the winner has beyond plain random architectures; None where no trick was
            left out.
        plain: name of the line that stands for the plain protocol.
    """

    whole: ProtocolLine
    lines: list[ProtocolLine]
    share: Estimate | None
    plain: str

    @property
    def sentence(self) -> str:
        """How much of the result is protocol, in words; empty where no trick was left out."""
        if self.share is None:
            return ""
        if self.share.value is None:
            return f"How much is search and how much is protocol cannot be said: {self.share.method}."
        ends = f" (95 % interval {self.share.low:.0%} to {self.share.high:.0%})" if self.share.low is not None else ""
        if self.share.high is None:
            ends = ""
        return (
            f"Of what the winner has beyond random architectures without {self.plain}, {self.share.value:.0%} is "
            f"protocol{ends}, and the rest is search."
        )


@dataclass(frozen=True, slots=True)
class Begun:
    """Known results that a search began from, and random search with the same beginning.

    Attributes:
        said: how much was known, in a sentence.
        counts: the same by name: known, told, elsewhere, contexts.
        random: random search with as many new evaluations that began with the same results; None where there is none.
        random_winners: its best, by rank.
        gain: over it.
    """

    said: str
    counts: Mapping[str, Any]
    random: StudyPart | None
    random_winners: list[RatedCandidate]
    gain: Estimate


@dataclass(frozen=True, slots=True)
class Check:
    """One best practice of Yang et al. (2020, section 5): kept or not, and what shows it or is missing."""

    practice: str
    kept: bool
    note: str


@dataclass(frozen=True)
class ReportData:
    """All values in one study's report, as `collect` read them.

    Attributes:
        settings: Stored settings of the study.
        deterministic: True if test values are equal for every seed.
        population: True if test values come from a table and are means over all seeds in it.
        confirmation: `StudyPart` of the additional validation evaluations of the best equivalence classes, before these
            were ranked as winners; None if there are none.
        winners, random_winners, random_samples: Lists of candidates re-evaluated on the test part, by rank: the
            search's best, random search's best, and random candidates.
        front_members: List of the members of the Pareto front, re-evaluated too, ordered as `search.front`; empty for
            one objective.
        learning: Summary of the learning curves; None if no evaluation reported one.
        genealogy: List of candidates from the first ancestor to the best.
        encodings: List of different candidates in the best's equivalence class, cheapest first.
        audits: Dict with the result of the audits (evaluations of hits that measure false merges); empty if there were
            none.
        facts: List of groups of (name, value) pairs that are needed to reproduce the study: versions, hardware,
            settings.
        notes: Sentences about what is missing in this report.
        objectives: Objectives of the study, and constraints that winners satisfy.
        held_out: True if final values were measured on a test part; False if the evaluator has none, so that they come
            from fresh seeds on the same data.
        drawn_from: Names of the other searches in this database whose evaluations served this one or its phases.
        traceback: Traceback of the first failure that has one; empty if none was stored.
        keyed_by_json: Dict with the number of candidates that were keyed by their JSON and the reasons; empty if there
            were none.
        rated: `Rated` of a search that rates with one evaluator and decides with another, or whose strategy reads
            artefacts; None for other searches.
        begun: `Begun` of a search that began from known results; None for other searches.
        artefacts: List of dicts, one for each artefact that the evaluations read: name, digest, bytes, seconds, and
            whether this study caused its making.
        early_winners: List of the search's best after as many evaluations as a shorter random search had; empty where
            both had as many.
        compared_at: Number of these evaluations; None where both had as many.
        looks: Number of times that the study was finished, this one included.
        ablation: `Ablation` of training tricks; None where nothing was trained under another protocol.
        model: Dict that says where the winner's trained weights are and how to export them; empty if none are kept.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=20, baseline=False, workers=0, storage="sqlite:///line.db")
        >>> data = automl.search(Line(), **given).report().data
        >>> data.search.trials, data.best.fitness, data.verdict.beats
        (20, 20.0, False)
    """

    name: str
    settings: dict[str, Any]
    objective: str
    search: StudyPart
    random: StudyPart | None
    confirmation: StudyPart | None
    tests: StudyPart | None
    winners: list[RatedCandidate]
    random_winners: list[RatedCandidate]
    random_samples: list[RatedCandidate]
    front_members: list[RatedCandidate]
    deterministic: bool
    population: bool
    ri: Estimate
    gain: Estimate
    verdict: Verdict
    ranks: list[Ranks]
    learning: Learning | None
    genealogy: list[RatedCandidate]
    encodings: list[RatedCandidate]
    encoding_count: int
    audits: dict[str, Any]
    checklist: list[Check]
    facts: list[tuple[str, list[tuple[str, str]]]]
    notes: list[str]
    objectives: Objectives
    held_out: bool = True
    drawn_from: tuple[str, ...] = ()
    traceback: str = ""
    keyed_by_json: dict[str, Any] = field(default_factory=dict)
    rated: Rated | None = None
    begun: Begun | None = None
    artefacts: list[dict[str, Any]] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    early_winners: list[RatedCandidate] = field(default_factory=list)
    compared_at: float | None = None
    looks: int = 1
    ablation: Ablation | None = None

    @property
    def rivals(self) -> list[RatedCandidate]:
        """The search's best that stand against random search's: those of its first evaluations, where it has more."""
        return self.winners if self.compared_at is None else self.early_winners

    @property
    def equal_effort(self) -> bool:
        """Whether random search had as many evaluations as the part of the search that it is compared with."""
        own = self.search.counted if self.compared_at is None else self.compared_at
        return self.random is not None and self.random.counted >= own

    @property
    def against(self) -> str:
        """What random search is called in tables."""
        return "random search, equal evaluations" + (
            "" if self.compared_at is None else f" (the first {self.compared_at:g} of {self.search.counted:g})"
        )

    @property
    def minimize(self) -> bool:
        """True where a smaller fitness is better."""
        return self.objectives.fitness.minimize

    @property
    def best(self) -> RatedCandidate | None:
        return self.winners[0] if self.winners else None

    @property
    def archive(self) -> dict[str, Any]:
        """The archive of a strategy that keeps one, with figures as they were measured; empty without any.

        Its "objective" and "minimize" are those of the ratings in a search that rates first.
        """
        found = (self.settings.get("environment") or {}).get("archive")
        if not found:
            return {}
        goal = self.settings.get("rating") or {"objective": self.objective, "direction": self.settings["direction"]}
        minimize = goal["direction"] == "minimize"
        cells = [{**cell, "fitness": -cell["fitness"] if minimize else cell["fitness"]} for cell in found["cells"]]
        return {**found, "cells": cells, "objective": goal["objective"], "minimize": minimize}

    @property
    def best_of_all(self) -> tuple[RatedCandidate | None, str]:
        """The best by validation of all that was evaluated, and which study found it, as `study.best` says."""
        own = self.best or self.search.best
        other = self.random_winners[0] if self.random_winners else self.random.best if self.random else None
        if other is None or other.fitness is None or self.random is None or self.random is self.search:
            return own, self.name
        worth = self.objectives.fitness.worth
        if own is None or own.fitness is None or worth(other.fitness) > worth(own.fitness):
            return other, self.random.name
        return own, self.name

    @property
    def expected(self) -> Mapping[str, Any]:
        """What the model said by which the winner was picked; empty where none was asked."""
        found = (self.settings.get("environment") or {}).get(EXPECTED) or {}
        return found if found.get("of") == self.search.trials else {}

    @property
    def confirmed(self) -> str:
        """How the winners were confirmed or picked, in a sentence; empty where their own figures decided."""
        if not self.winners:
            return ""
        picked, count = self.expected, len(self.winners[0].validation_values)
        replicated = self.confirmation is not None and count > 1
        said = ""
        if picked:
            said = "those that a model expects most of, fitted to the trials of each search by itself "
            said += f"({picked['seconds']:.1f} s for the search's)"
        if not replicated or self.confirmation is None:
            return f"Winners are {said}, random search's in the same way; that took no evaluation." if said else ""
        which = f"Of {said}, the winners are ranked" if said else "Winners are ranked"
        return (
            f"{which} by the mean of {count} evaluations on validation, random search's in the same way; "
            f"that took {self.confirmation.evaluations:,} more evaluations in all."
        )

    @property
    def front_tested(self) -> str:
        """Which members of the front have a test figure of their own, in a sentence; empty where it was not tested."""
        if not self.front_members:
            return ""
        tested, front = len(self.front_members), len(self.search.front)
        which = f"The {tested} of {front} members that lie farthest apart" if tested < front else "All members"
        seeds = max((len(item.test_values) for item in self.front_members), default=0)
        how = self.basis if self.deterministic else f"{seeds} fresh seeds each"
        where = "on the test part" if self.held_out else "again"
        return f"{which} were evaluated {where} like the winners ({how})."

    def front_shown(self, most: int) -> list[RatedCandidate]:
        """Returns members of the front for a table: those that were tested, or an even choice of all."""
        keys = {item.key for item in self.front_members}
        return spread([item for item in self.search.front if item.key in keys] or self.search.front, most)

    @property
    def basis(self) -> str:
        """What final figures rest on, in words."""
        if self.population:
            return "population means from a table" + ("" if self.held_out else ", same data")
        if not self.held_out:
            return "equal for every seed, same data" if self.deterministic else "fresh seeds, same data"
        return "equal for every seed" if self.deterministic else "fresh seeds"

    @property
    def final(self) -> str:
        """What final figures are called."""
        return final_word([self])

    @property
    def seeds(self) -> int:
        """Number of fresh seeds that the verdict rests on: the smaller number of both winners."""
        counts = [len(group[0].test_values) for group in (self.winners, self.random_winners) if group]
        return min(counts, default=0)

    @property
    def parts(self) -> list[StudyPart]:
        """The search, its random search, the confirmation and the tests, as far as they are studies of their own."""
        random = None if self.random is self.search else self.random
        others = (self.rated.part, self.rated.random) if self.rated else (self.begun.random,) if self.begun else ()
        return [part for part in (*others, self.search, random, self.confirmation, self.tests) if part is not None]

    @property
    def paid_seconds(self) -> float:
        """Evaluation seconds of all parts together."""
        return sum(part.paid_seconds for part in self.parts)

    @property
    def hash_seconds(self) -> float:
        return sum(part.hash_seconds for part in self.parts)

    @property
    def table_paid(self) -> float:
        """What the evaluations of all parts would have taken by the evaluator's own account."""
        return sum(part.table_paid for part in self.parts)
