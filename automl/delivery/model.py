"""The trained network of a study: what was tested is what is handed over."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.artefacts.content import Content
from automl.artefacts.shelf import WEIGHTS, Kept
from automl.artefacts.store import ArtefactStore
from automl.cache.artefacts import stored_digests
from automl.cache.policy import ReplicatePlan
from automl.cache.records import Claim, Completion
from automl.cache.store import EquivalenceCache
from automl.delivery.places import store_of_study
from automl.delivery.running import Training
from automl.errors import ArtefactUnreadable, InvalidInput, one_line
from automl.evaluators.base import Metrics
from automl.evaluators.delivery import delivers
from automl.evaluators.fingerprints.describing import description
from automl.jsontext import parse, stored
from automl.selection.ranking import DELIVERED, derived_seed
from automl.setup.parts import Parts
from automl.spaces.space import Candidate
from automl.storage import artefacts as rows
from automl.storage.engine import Database
from automl.storage.evaluations import DONE, FAILED
from automl.storage.fidelities import description_of
from automl.storage.records import TrialRecord
from automl.storage.studies import StudyStore

if TYPE_CHECKING:
    from torch import nn

_POLL_SECONDS = 0.25
_SAME = 1e-6
"""Figures of one seed on one kind of processor differ by no more than this."""


@dataclass(frozen=True)
class TrainedModel:
    """A trained network with the figures that it was measured with.

    Attributes:
        module: The trained `torch.nn.Module`, on the CPU and in evaluation mode.
        candidate: Candidate that it is the network of. Of a class of equal candidates, the one that was trained.
        metrics: Mapping from metric name to its value on the test part, of this very network.
        seed: Seed of its training.
        digest: SHA-256 of its weights, 64 hexadecimal digits.
        note: Sentence on where the weights came from; empty if they were kept when the study measured them.

    Example:
        >>> import automl, numpy as np, torch
        >>> rng = np.random.default_rng(0)
        >>> parts = [(rng.normal(size=(8, 2)), np.arange(8) % 2) for _ in range(3)]
        >>> class Net(automl.Space):
        ...     width = automl.Choice(2, 4)
        ...     def build(self, c):
        ...         return torch.nn.Sequential(torch.nn.Linear(2, c.width), torch.nn.Linear(c.width, 2))
        >>> trainer = automl.Classification(task=automl.Task(*parts), epochs=1)
        >>> study = automl.search(Net(), evaluator=trainer, trials=2, workers=0, storage="sqlite:///net.db")
        >>> trained = study.trained()
        >>> sorted(trained.metrics), tuple(trained.module(torch.zeros(5, 2)).shape)
        (['accuracy', 'loss'], (5, 2))
        >>> sorted(path.name for path in trained.export("python", "network").iterdir())
        ['README.md', 'automl-export.json', 'model.py', 'weights.safetensors']
    """

    module: nn.Module
    candidate: Candidate
    metrics: Mapping[str, float]
    seed: int
    digest: str
    note: str = ""
    training: Training = field(repr=False, compare=False, kw_only=True)
    study: str = field(default="", repr=False, compare=False, kw_only=True)

    def export(self, to: str, folder: str | Path) -> Path:
        """Writes the network for people without automl, checks what was written, and returns the folder.

        Args:
            to: "pt2", "onnx", "python", "safetensors", or a registered exporter.
            folder: a new or empty folder.

        Raises:
            InvalidInput: it cannot be written in this form, or what was written computes something else; no folder is
                left behind then.
        """
        from automl.delivery.export import export_model

        return export_model(self, to, Path(folder))

    def facts(self) -> dict[str, Any]:
        """Returns what an export says of it, as JSON data."""
        return {
            "study": self.study,
            "candidate": self.candidate.value,
            "seed": self.seed,
            "weights": self.digest,
            "figures": dict(self.metrics),
        }


class Delivery:
    """Hands over the networks of one study.

    Args:
        database: of the study.
        name, number, settings: of the study.
        parts: of the study.
        artefacts: URL of its artefacts; None takes the place that the study has noted.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> study = automl.search(Line(), evaluator=height, trials=5, workers=0, storage="sqlite:///line.db")
        >>> Delivery(study.database, study.name, study.record_id, study.settings, study.parts, None)
        Traceback (most recent call last):
        automl.errors.InvalidInput: evaluator function hands over no trained network; ...
    """

    def __init__(
        self,
        database: Database,
        name: str,
        number: int,
        settings: Mapping[str, Any],
        parts: Parts,
        artefacts: str | None,
    ) -> None:
        self._database = database
        self._name = name
        self._number = number
        self._parts = parts
        self._settings = settings
        self._cache = EquivalenceCache(database, namespace=str(settings.get("namespace", "default")))
        self._url = artefacts
        delivers(parts.evaluator)

    @cached_property
    def _store(self) -> ArtefactStore:
        return store_of_study(self._settings, self._database, self._url)

    def model(self, trial: TrialRecord, replicate: int = 0) -> TrainedModel:
        """Returns the network of a trial's class that the test part was measured with, trained if it never was.

        Args:
            trial: of the study.
            replicate: which of the test figures' seeds; the first one is fixed before any figure is read.

        Raises:
            InvalidInput: the evaluation failed, or training again from its seed gives another figure.
        """
        context = self._context(trial)
        key = trial.key
        while True:
            found = self._stored(context, key, replicate)
            if found is not None:
                return found
            plan = ReplicatePlan(replicate, replicate + 1)
            [answer] = self._cache.resolve_many(context, None, [(trial.number, key, trial.candidate, plan)])
            if answer.claims:
                self._evaluate(context, answer.claims[0], trial.candidate)
            elif answer.waiting:
                time.sleep(_POLL_SECONDS)

    def missing(self, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns those whose class nobody has measured on the test part."""
        found = []
        for trial in trials:
            place = (self._context(trial), trial.key, 0)
            with self._database.read() as connection:
                row = rows.evaluated(connection, *place)
            if row is None or row.state not in (DONE, FAILED):
                found.append(trial)
        return found

    def train(self, candidate: Candidate, on: str, seeds: int) -> list[TrainedModel]:
        """Trains a candidate anew from fresh seeds; nothing is stored.

        Args:
            candidate: of the space.
            on: "train", or "train+validation" for all that is not the test part.
            seeds: so many trainings.

        Raises:
            InvalidInput: the evaluator cannot train on these parts, or a training fails.
        """
        if seeds < 1:
            raise InvalidInput(f"seeds={seeds}: give at least 1")
        training = self._training({"device": "cuda"} if self._on_gpu() else {}, on)
        base = int(self._settings.get("seed", 0))
        models = []
        for number in range(seeds):
            seed = derived_seed(base, f"train {number} of {candidate.json} on {on}")
            metrics, content = training.run(candidate.json, seed)
            models.append(self._made(training, candidate.json, content, metrics, seed, f"trained on {on}"))
        return models

    # --- what is stored ----------------------------------------------------------------------------------------------

    def _context(self, trial: TrialRecord) -> int:
        """Returns the context in which a trial's class is tested, the one of the study's own tests where it was."""
        store = StudyStore(self._database)
        tests = [child for child in store.phase_studies(self._number) if child.kind == "test"]
        for test in reversed(tests):
            for one in store.by_number(test.id):
                if one.key == trial.key and one.origin in DELIVERED:
                    return one.context
        return self._cache.context({**self._description(trial.context), "part": "test", "fidelity": {}})

    def _description(self, context: int) -> dict[str, Any]:
        with self._database.read() as connection:
            found: dict[str, Any] = stored(description_of(connection, context))
        return found

    def _stored(self, context: int, key: bytes, replicate: int) -> TrainedModel | None:
        """Returns the network of a stored evaluation; None where it has not been run."""
        with self._database.read() as connection:
            row = rows.evaluated(connection, context, key, replicate)
            links = rows.artefacts_of(connection, context, key, replicate)
        if row is None or row.state not in (DONE, FAILED):
            return None
        if row.state == FAILED:
            raise InvalidInput(
                f"this candidate failed on the test part: {one_line(row.error.partition(chr(10))[0], 300)}"
            )
        metrics = stored(row.metrics)
        training = self._training(self._description(context), replicate=replicate)
        for link in links:
            if link.relation == rows.MADE and link.name == WEIGHTS:
                try:
                    content = self._store.get(bytes(link.digest).hex())
                except ArtefactUnreadable as error:
                    return self._again(training, context, key, replicate, row, f"{error}; trained again")
                return self._made(training, row.json, content, metrics, row.seed)
        note = "the figure came from the cache without weights; trained again from its seed"
        return self._again(training, context, key, replicate, row, note)

    def _again(self, training: Training, context: int, key: bytes, replicate: int, row: Any, note: str) -> TrainedModel:
        """Trains what a stored figure was measured with, and refuses another figure."""
        metrics = stored(row.metrics)
        found, content = training.run(row.json, row.seed, replicate)
        slack = 0.0 if training.device == "cpu" else self._spread(context, key)
        if differing := differences(metrics, found, slack):
            raise InvalidInput(
                f"the weights of this figure are not kept, and training again from its seed gives another one "
                f"({differing}): other versions of libraries, another machine, or other code; "
                "search again under another study name to have both"
            )
        self._store.put(content)
        kept = Kept("made", WEIGHTS, content.digest, len(content.data))
        place = {"context": context, "key": key, "replicate": replicate, "seed": row.seed}
        link = {**place, **_row_of(kept)}
        self._database.write(lambda connection: rows.keep_artefacts(connection, [link], ("seed",)))
        return self._made(training, row.json, content, metrics, row.seed, note)

    def _spread(self, context: int, key: bytes) -> float:
        """Returns how far the replicates of a class lie apart: what equal seeds may differ by on a GPU."""
        results = self._cache.replicates(context, [key]).get(key, [])
        values = [one.metrics[self._parts.objective] for one in results if one.metrics]
        return max(values) - min(values) if len(values) > 1 else 0.0

    def _evaluate(self, context: int, claim: Claim, candidate: str) -> None:
        """Runs an evaluation of the test part that nobody has run, and stores it."""
        training = self._training(self._description(context), replicate=claim.replicate)
        began = time.perf_counter()
        try:
            metrics, content = training.run(candidate, claim.seed, claim.replicate)
            self._store.put(content)
        except BaseException as error:
            lost = Completion(fault="lost", error=one_line(str(error)))
            self._cache.finish_many(context, [(claim, lost)])
            raise
        kept = Kept("made", WEIGHTS, content.digest, len(content.data))
        figures = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        done = Completion(metrics=figures, seconds=time.perf_counter() - began, artefacts=(kept,))
        self._cache.finish_many(context, [(claim, done)])

    # --- trainings ---------------------------------------------------------------------------------------------------

    def _training(self, stands: Mapping[str, Any], on: str = "train", replicate: int = 0) -> Training:
        device = "cuda" if stands.get("device") == "cuda" and _gpu_here() else "cpu"
        given = delivers(self._parts.evaluator).trained_on(on) if on != "train" else self._parts.evaluator
        evaluator = given.for_device(device)
        space = {name: value for name, value in self._parts.reference.identity().items() if name != "code"}
        facts = {"space": space, "evaluator": dict(description(evaluator).stands), "part": "test", "device": device}
        reads = stored_digests(self._cache, self._store, evaluator, replicate, device)
        return Training(self._parts, evaluator, device, self._store, facts, reads)

    def _on_gpu(self) -> bool:
        return any(" with " in one for one in self._settings.get("environment", {}).get("workers", []))

    def _made(
        self, training: Training, candidate: str, content: Content, metrics: Metrics, seed: int, note: str = ""
    ) -> TrainedModel:
        return TrainedModel(
            training.module(candidate, content, seed),
            self._parts.space.decode(parse(candidate)),
            metrics,
            seed,
            content.digest,
            note,
            training=training,
            study=self._name,
        )


def differences(before: Mapping[str, float], now: Mapping[str, float], slack: float = 0.0) -> str:
    """Returns which figures differ between two trainings of one seed, empty where none does.

    Example:
        >>> differences({"accuracy": 0.91}, {"accuracy": 0.92})
        'accuracy 0.91, now 0.92'
    """
    said = []
    for name, value in before.items():
        other = now.get(name)
        if other is None or not math.isclose(value, other, rel_tol=_SAME, abs_tol=max(_SAME, slack)):
            said.append(f"{name} {value:g}, now {'none' if other is None else f'{other:g}'}")
    return "; ".join(said)


def _row_of(kept: Kept) -> dict[str, Any]:
    return {"relation": kept.relation, "name": kept.name, "digest": bytes.fromhex(kept.digest), "size": kept.size}


def _gpu_here() -> bool:
    import torch

    return torch.cuda.is_available()
