"""The evidence of a report: relative improvement, the gain over random search, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automl.evidence import (
    Effort,
    Estimate,
    Verdict,
    gain_over_random_search,
    judge_run,
    left_for_next,
    relative_improvement,
)
from automl.evidence.comparisons import LUCK
from automl.report.data import Begun, Rated
from automl.report.reading.failures import FailedTrials
from automl.report.reading.stream import Reading, read_study
from automl.report.study_part import RatedCandidate
from automl.selection.contest import compared_at, earlier_looks
from automl.selection.objectives import Objectives
from automl.storage.records import Kind, StudyRecord
from automl.storage.studies import StudyStore


@dataclass
class Judge:
    """Judges one study by what its winners and those of its random searches reached.

    Attributes:
        store: of the database.
        record: the study.
        phases: studies that belong to it, by kind.
        objectives: of the study.
        held_out: True where final figures come from a test part.
        failed: failures of the study's trials.
        notes: of the report; what a reader must know is added.
    """

    store: StudyStore
    record: StudyRecord
    phases: Mapping[Kind, StudyRecord]
    objectives: Objectives
    held_out: bool
    failed: FailedTrials
    notes: list[str]

    def ri(self, winners: list[RatedCandidate], samples: list[RatedCandidate], certain: bool) -> Estimate:
        """Returns the winner's relative improvement over the average random architecture.

        The winner's units are its seeds, so that the interval concerns this architecture only.
        """
        if not winners or not winners[0].test_values:
            return Estimate(None, method=f"no interval: no {'test' if self.held_out else 'final'} figures")
        valid = [item.test_values for item in samples if item.test_values]
        found = relative_improvement(
            [_sure(winners[0].test_values, certain)], [valid], minimize=self.objectives.fitness.minimize
        )
        return replace(found, units=(len(winners[0].test_values), len(valid)))

    def gain(self, winners: list[RatedCandidate], random: list[RatedCandidate], certain: bool) -> Estimate:
        if not winners or not random:
            return Estimate(None, method=f"no interval: no {'test' if self.held_out else 'final'} figures")
        one, other = _sure(winners[0].test_values, certain), _sure(random[0].test_values, certain)
        found = gain_over_random_search(one, other, minimize=self.objectives.fitness.minimize)
        return replace(found, units=(len(winners[0].test_values), len(random[0].test_values)))

    def verdict(
        self,
        search: Reading,
        random: Reading | None,
        gain: Estimate,
        winners: list[RatedCandidate],
        random_winners: list[RatedCandidate],
        deterministic: bool,
        rated: Rated | None,
        begun: Begun | None,
    ) -> Verdict:
        if self.failed.hopeless:
            said = self.failed.sentence()
            return Verdict("not supported: no trial succeeded", f"{said[:1].upper()}{said[1:]}.")
        if random is search:
            return Verdict(
                "not supported: this is random search",
                "The study samples uniformly, so there is nothing to compare it with.",
            )
        if self.record.state != "finished":
            self.notes.append("The study is not finished; figures and verdict may change. `automl resume` goes on.")
        at = compared_at(self.store, self.record.id) if random is not None else None
        counts = search.counts if at is None else search.columns.counts(at[0])
        effort = Effort(search.part.counted if at is None else at[1], len(counts.classes))
        baseline = Effort(random.part.counted, random.part.classes) if random else Effort(0, 0)
        bound = random.counts.classes[0] if random is not None and len(random.counts.classes) else float("inf")
        above = int((counts.classes > bound).sum())
        seeds = min((len(group[0].test_values) for group in (winners, random_winners) if group), default=0)
        looks = earlier_looks(self.record)
        error = left_for_next([_efforts(search, random, *one) for one in looks]) if random else LUCK
        found = judge_run(
            gain,
            effort,
            baseline,
            above,
            seeds=seeds,
            deterministic=deterministic,
            held_out=self.held_out,
            error=error,
            looks=len(looks) + 1,
        )
        if at is not None:
            said = (
                f"Random search has {baseline.evaluations:g} evaluations and is compared with the search's first "
                f"{at[1]:g} of {search.part.counted:g}. "
            )
            found = replace(found, reason=said + found.reason)
        if begun is not None and "begun" in self.phases:
            groups = (winners, begun.random_winners)
            same, _ = self._against(
                self.phases["begun"], begun.gain, search, groups, deterministic, at, error=error, looks=len(looks) + 1
            )
            return _verdict_begun(found, same)
        if rated is None or "seconds" not in self.phases or not found.beats:
            return found
        second, longer = self._against(
            self.phases["seconds"], rated.gain, search, (winners, rated.random_winners), deterministic
        )
        where = (
            f"with equal evaluations, and with equal seconds ({longer.part.counted:g} evaluations instead of "
            f"{search.part.counted:g})"
        )
        if second.beats:
            return replace(second, reason=f"Against random search {where}. {second.reason}")
        return replace(
            second, reason=f"It beats random search with equal evaluations. With equal seconds: {second.reason}"
        )

    def _against(
        self,
        record: StudyRecord,
        gain: Estimate,
        search: Reading,
        groups: tuple[list[RatedCandidate], list[RatedCandidate]],
        deterministic: bool,
        at: tuple[int, float] | None = None,
        **error: Any,
    ) -> tuple[Verdict, Reading]:
        """Returns the verdict against another random search, and that search as it was read.

        Args:
            record: of the other one.
            gain: over it.
            search: that is judged.
            groups: the winners of both.
            deterministic: whether figures are without noise.
            at: trials and evaluations of the search that are compared; None for all.
            error: what is left of it, and at which look, see `judge_run`.
        """
        other = read_study(self.store, record, self.objectives)
        counts = search.counts if at is None else search.columns.counts(at[0])
        bound = other.counts.classes[0] if len(other.counts.classes) else float("inf")
        above = int((counts.classes > bound).sum())
        effort = Effort(search.part.counted if at is None else at[1], len(counts.classes))
        baseline = Effort(other.part.counted, other.part.classes)
        seeds = min((len(group[0].test_values) for group in groups if group), default=0)
        given = {"seeds": seeds, "deterministic": deterministic, "held_out": self.held_out, **error}
        return judge_run(gain, effort, baseline, above, **given), other


def _verdict_begun(cold: Verdict, same: Verdict) -> Verdict:
    """Returns the verdict on a search that began from known results: it asks for a gain over both random searches, that
    which begins with nothing and that which begins with the same results, and names both.
    """
    fair, first = "random search that begins with the same known results", "random search that begins with nothing"
    if same.beats and cold.beats:
        return replace(same, reason=f"Against {first}, and against {fair}. {same.reason}")
    if same.beats:
        return replace(cold, reason=f"It beats {fair}. Against {first}: {cold.reason}")
    if cold.beats:
        return replace(same, reason=f"It beats {first}. Against {fair}: {same.reason}")
    return replace(same, reason=f"It beats neither {first} nor {fair}. {same.reason}")


def _efforts(search: Reading, random: Reading, trials: int, of_random: int) -> tuple[Effort, Effort]:
    """Returns what both had spent when they had so many trials."""
    return _effort(search, trials), _effort(random, of_random)


def _effort(reading: Reading, trials: int) -> Effort:
    counts = reading.columns.counts(trials)
    return Effort(float(counts.counted[-1]) if len(counts.counted) else 0.0, len(counts.classes))


def _sure(values: Sequence[float], certain: bool) -> list[float]:
    """Returns a figure that has no noise as two equal values, which is what another seed would have given."""
    return [*values, *values] if certain and len(values) == 1 else list(values)
