"""The studies that belong to a search: its random search, the confirmation of its best, the tests of its finalists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automl.engine.config import differences
from automl.errors import StudyMismatch
from automl.evaluators.base import Evaluator
from automl.managing import OF_KEEPING
from automl.spaces.space import Candidate
from automl.storage.records import Kind, StudyRecord
from automl.storage.studies import StudyStore
from automl.strategies.random import Random


class PhaseStudies:
    """Finds the studies of one search's later phases, and creates those that it has not yet.

    Args:
        store: of the search.
        search: the study that they belong to.
    """

    def __init__(self, store: StudyStore, search: StudyRecord) -> None:
        self.store = store
        self.search = search

    def rating(self, settings: Mapping[str, Any]) -> StudyRecord:
        """Returns the study in which the strategy proposes, and candidates are rated.

        Args:
            settings: in which it differs from the search, whose final evaluator decides.

        Raises:
            StudyMismatch: it was rated in another way; each difference is named.
        """
        found = self._of("rating")
        if found:
            compared = {*settings, "fidelities"} if settings else ()
            before = {name: value for name, value in found[0].settings.items() if name in compared}
            if differing := differences(before, settings):
                raise StudyMismatch(
                    f"study {self.search.name!r} was rated in another way ({'; '.join(differing)}); take another name, "
                    "or rate as before to go on with it"
                )
            return found[0]
        name = f"{self.search.name}/rated"
        return self.store.create(name, "rating", {**self._settings(), **settings}, self.search.id)

    def baseline(self, seed: int, evaluations: int) -> StudyRecord:
        """Returns random search with so many evaluations."""
        found = self._of("baseline")
        return found[0] if found else self._create("baseline", "random", {"seed": seed, "evaluations": evaluations})

    def at_equal_seconds(self, seed: int, evaluations: int) -> StudyRecord:
        """Returns random search that may take as long as the ratings and trainings of the search together.

        Its first candidates are those of the other random search, so their evaluations are in the cache.
        """
        found = self._of("seconds")
        given = {"seed": seed, "evaluations": evaluations}
        return found[-1] if found else self._create("seconds", "random-seconds", given)

    def known(self) -> StudyRecord:
        """Returns the study that holds the results which the search begins from."""
        found = self._of("known")
        return found[0] if found else self._create("known", "known", {"environment": {}})

    def begun(self, seed: int, evaluations: int) -> StudyRecord:
        """Returns random search with so many new evaluations that begins from the same known results as the search.

        Its samples are those of the other random search, so their evaluations are in the cache.
        """
        found = self._of("begun")
        given = {"seed": seed, "evaluations": evaluations}
        return found[0] if found else self._create("begun", "random-begun", given)

    def confirmation(self) -> StudyRecord:
        """Returns the study that confirms the search as it stands now, begun before or not."""
        trials = self.store.by_id(self.search.id).trials
        old = self._of("confirmation")
        if old and old[-1].settings["search_trials"] == trials:
            return old[-1]
        word = f"confirmed-{len(old) + 1}" if old else "confirmed"
        return self._create("confirmation", word, {"search_trials": trials})

    def ensemble(self, chosen: Sequence[tuple[Candidate, str]]) -> StudyRecord:
        """Returns the study that trains what an ensemble may be made of; with other candidates it is another one."""
        old = self._of("ensemble")
        if old and self._began_with(old[-1], chosen):
            return old[-1]
        word = f"ensemble-{len(old) + 1}" if old else "ensemble"
        return self._create("ensemble", word, {"seeds": 1, "part": "test"})

    def _began_with(self, study: StudyRecord, chosen: Sequence[tuple[Candidate, str]]) -> bool:
        """Tells whether the trials of a study so far are the first of these candidates."""
        begun = self.store.by_number(study.id)
        wanted = [(candidate.json, role) for candidate, role in chosen[: len(begun)]]
        return [(trial.candidate, trial.origin) for trial in begun] == wanted

    def test(
        self, chosen: Sequence[tuple[Candidate, str]], seeds: int, population: bool, held_out: bool
    ) -> StudyRecord:
        """Returns the test study of these candidates; a larger budget may have found others than were tested before.

        Args:
            chosen: each with its role, in the order in which they are tested.
            seeds: of each figure.
            population: whether the figures are means over all the seeds there are.
            held_out: whether the evaluator has a test part, which no search reads.
        """
        tests = self._of("test")
        if tests and self._began_with(tests[-1], chosen):
            return tests[-1]
        settings = {"seeds": seeds, "part": "test", "population": population, "held_out": held_out}
        return self._create("test", f"test-{len(tests) + 1}" if tests else "test", settings)

    def ablation(
        self,
        protocol: Mapping[str, Any],
        stands: Mapping[str, Any],
        chosen: Sequence[tuple[Candidate, str]],
        evaluator: Evaluator,
    ) -> StudyRecord:
        """Returns the study that trains these candidates under another protocol.

        Args:
            protocol: what differs, and the seeds.
            stands: description of the evaluator.
            chosen: each with its role.
            evaluator: that trains.
        """
        wanted = {"of": [[candidate.json, role] for candidate, role in chosen], **protocol}
        old = self._of("ablation")
        for one in old:
            if one.settings["ablation"] == wanted and one.settings["evaluator"] == stands:
                return one
        word = f"ablation-{len(old) + 1}"
        part = {"part": "test", "held_out": evaluator.has_test_part}
        return self._create("ablation", word, {"ablation": wanted, "evaluator": dict(stands), **part})

    def _of(self, kind: Kind) -> list[StudyRecord]:
        return [child for child in self.store.phase_studies(self.search.id) if child.kind == kind]

    def _create(self, kind: Kind, word: str, settings: Mapping[str, Any]) -> StudyRecord:
        uniform = {"strategy": {"name": Random.name, "settings": {}}}
        search = self.search
        return self.store.create(f"{search.name}/{word}", kind, {**self._settings(), **uniform, **settings}, search.id)

    def _settings(self) -> dict[str, Any]:
        """Returns the search's settings without those that say how it is kept: they stand with the search alone."""
        return {name: value for name, value in self.search.settings.items() if name not in OF_KEEPING}
