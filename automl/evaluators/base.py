"""The contract of evaluators, and the data that they are given.

An evaluator turns a behaviour and its training settings into metrics. It never sees a strategy, a key or the cache.
Evaluators are frozen dataclasses: their fields are their settings, and settings, name and version go into the context
of every cached result, so that changing one never serves a stale figure.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from automl.artefacts.content import Content
from automl.artefacts.shelf import Shelf
from automl.behaviour import Array, Behaviour, Probe
from automl.errors import InvalidInput
from automl.evaluators.artefacts import Artefact, declared_artefacts, recipe_of
from automl.evaluators.checkpoints import Checkpoint
from automl.evaluators.curves import LearningCurve
from automl.evaluators.fingerprints import Fingerprint
from automl.evaluators.fingerprints.describing import as_setting
from automl.evaluators.parts import AnyTask
from automl.evaluators.pruning import PruneRule
from automl.evaluators.task import Task as Task  # stood here before 0.2: `from automl.evaluator import Task`

if TYPE_CHECKING:
    from torch import nn

Part = Literal["validation", "test"]
Equality = Literal["function", "candidate"]
Metrics = dict[str, float]
T = TypeVar("T")


def added(default: T, **before: T) -> T:
    """Declares a setting that an evaluator got after results of it were stored.

    While it has its default it is left out of the evaluator's settings: contexts written before it stay valid.

    Args:
        default: Value that new searches take.
        before: As `before=VALUE`, what the setting is in studies that name no value of it, if not the default.

    Example:
        >>> @dataclass(frozen=True)
        ... class Bath(Evaluator):
        ...     name = "bath"
        ...     metrics = {"heat": "maximize"}
        ...     degrees: int = 40
        ...     bubbles: bool = added(False)
        ...
        ...     def evaluate(self, work, how):
        ...         return {"heat": self.degrees + self.bubbles}
        >>> Bath().settings(), Bath(bubbles=True).settings()
        ({'degrees': 40}, {'degrees': 40, 'bubbles': True})
    """
    return dataclasses.field(default=default, metadata={"added": True, **before})


def as_before(kind: Any, described: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that a stored study's evaluator lacks, and that were otherwise before they could be set.

    Args:
        kind: Class of the evaluator.
        described: Settings of the evaluator as the study has stored them.

    Example:
        >>> @dataclass(frozen=True)
        ... class Bath(Evaluator):
        ...     bubbles: bool | None = added(None, before=False)
        >>> as_before(Bath, {}), as_before(Bath, {"bubbles": True})
        ({'bubbles': False}, {})
    """
    known = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    return {one.name: one.metadata["before"] for one in known if "before" in one.metadata and one.name not in described}


BY_SEARCH = "by_search"
"""Metadata of a field that the search sets, and that is no setting: other settings say what it holds."""


@dataclass(frozen=True, slots=True)
class Work:
    """Candidate as an evaluator receives it.

    Attributes:
        behaviour: Behaviour of the candidate: what can be run.
        training: JSON settings that change training and not the function (learning rate, initialisation, augmentation).
        candidate: Canonical JSON of the candidate, for names and table look-ups; never a source of settings.

    Example:
        >>> from automl.behaviour import Configuration
        >>> work = Work(Configuration({"x": 3}), training={}, candidate='{"x":3}')
        >>> work.behaviour.value["x"], work.candidate
        (3, '{"x":3}')
    """

    behaviour: Behaviour
    training: Mapping[str, Any]
    candidate: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How an evaluator is to run one evaluation: seed, part of the data, fidelity, device.

    Attributes:
        seed: 63-bit integer, from 0 to 2**63 - 1; every random draw must come from it. Equal work and seed give equal
            metrics on one kind of device.
        part: Part of the data on which the metrics are measured: "validation" in a search, "test" for the final
            figures.
        replicate: Number of the evaluation within its equivalence class, from 0; tables with one value per seed look
            the value up by it.
        fidelity: Settings of a cheaper approximation (such as {"epochs": 3}), which replace the evaluator's own; empty
            for full fidelity.
        device: "cpu" or "cuda".
        checkpoint: `Checkpoint` in which a `resumable` evaluator saves its state, and in which it finds the state of a
            cheaper or interrupted evaluation of the same candidate, replicate and seed; None if no states are kept.
        curve: Learning curve with what the evaluation has reported so far. It is stored with the metrics and changes
            none of them.
        shelf: `Shelf` with the artefacts that the evaluation may read, and for the weights that it leaves; None without
            either.
        rates: True if the evaluator that rates is to run, in a search that rates with one and decides with another.
        rule: `PruneRule` by which the search asks it to stop early; None never does.

    Example:
        >>> how = Evaluation(seed=11, fidelity={"epochs": 3})
        >>> how.report(1, {"accuracy": 0.8})  # nobody asks it to stop
        False
        >>> how.part, how.fidelity["epochs"], how.curve.points
        ('validation', 3, [(1.0, {'accuracy': 0.8})])
    """

    seed: int
    part: Part = "validation"
    replicate: int = 0
    fidelity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    device: str = "cpu"
    checkpoint: Checkpoint | None = None
    curve: LearningCurve = dataclasses.field(default_factory=LearningCurve, compare=False, repr=False)
    shelf: Shelf | None = None
    rule: PruneRule | None = dataclasses.field(default=None, compare=False, repr=False)
    rates: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles in a quarter of the time that a dataclass takes by itself; every job of a pool holds one."""
        given = (self.seed, self.part, self.replicate, self.fidelity, self.device, self.checkpoint)
        if self.shelf is not None or self.rule is not None or self.rates:
            return type(self), (*given, self.curve, self.shelf, self.rule, self.rates)
        return type(self), (*given, self.curve) if self.curve.points else given

    def report(self, epoch: float, metrics: Mapping[str, float]) -> bool:
        """Adds a point to the evaluation's learning curve: see `LearningCurve.report`.

        Returns:
            True if the evaluation should stop now, see `should_prune`.
        """
        self.curve.report(epoch, metrics)
        return self.should_prune()

    def should_prune(self) -> bool:
        """Tells whether the search wants the evaluation to stop after what it reported last.

        Whoever stops saves its state in `checkpoint`, where there is one, and raises `automl.Pruned`. Final figures are
        never asked to stop.
        """
        return self.rule is not None and self.rule.stops(self.curve.points)

    def keep(self, module: nn.Module) -> None:
        """Keeps the weights of a trained module as they are now, where they are wanted; see `Shelf.keep`."""
        if self.shelf is not None:
            self.shelf.keep(module)

    def artefact(self, name: str) -> Content:
        """Returns the content of an artefact that the evaluator declares; see `Shelf.read`.

        Raises:
            InvalidInput: the evaluator declares none of this name.
            ArtefactUnreadable: it is missing or damaged.
        """
        if self.shelf is None:
            raise InvalidInput(f"artefact {name!r} cannot be read: this evaluation was given none")
        return self.shelf.read(name)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """A full evaluation, or a cheaper one that stands for it, such as 3 epochs of 30.

    Attributes:
        share: Budget fraction: cost relative to a full evaluation, above 0; 1 for a full one.
        settings: Content of `Evaluation.fidelity`, such as {"epochs": 3}; empty for a full evaluation.

    Raises:
        InvalidInput: the budget fraction is 0 or less, or above 1.

    Example:
        >>> cheap = Fidelity(0.1, {"epochs": 3})  # such as 3 of 30 epochs
        >>> Evaluation(seed=11, fidelity=cheap.settings).fidelity["epochs"]
        3
        >>> Fidelity(0.0)
        Traceback (most recent call last):
        automl.errors.InvalidInput: the budget fraction of a fidelity must be above 0 and at most 1, not 0.0
    """

    share: float = 1.0
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (0 < self.share <= 1 and math.isfinite(self.share)):
            raise InvalidInput(f"the budget fraction of a fidelity must be above 0 and at most 1, not {self.share}")


class Evaluator(ABC):
    """Base class of evaluators, which turn a candidate into metrics. Subclasses are frozen dataclasses.

    Class attributes:
        name: Name under which the evaluator is registered and shown in tables.
        version: Version of the code. Raise it whenever the code changes what the metrics are; results of older versions
            are then no longer served from the cache.
        inline: True if one evaluation takes well under a millisecond and may run in the coordinator's own process.
        metrics: Mapping from the name of each metric to its better direction ("maximize" or "minimize"), the default
            objective first.
        test_is_population_mean: True for tables whose test value is one mean over all seeds, so that every replicate
            gives the same value.
        deterministic: True if seed and replicate change no metric, so that a second evaluation adds no information.
        has_test_part: False if an evaluation for the test part measures on the data of the search (a plain function
            without a parameter `part`, a table without test values); reports then say "fresh seeds, same data" instead
            of test.
        resumable: True if an evaluation can continue from the checkpoint of a cheaper one, with exactly the result of
            an uninterrupted evaluation; continuing then costs the difference. Its former name `carries` is still read.
        equality: "function": candidates that compute the same function share their results. "candidate": only equal
            encodings do, since two encodings of one function may be rated differently (by inherited weights).

    Example:
        >>> import numpy as np
        >>> @dataclass(frozen=True)
        ... class Noisy(Evaluator):
        ...     name = "noisy"
        ...     metrics = {"height": "maximize"}
        ...     spread: float = 0.1
        ...
        ...     def evaluate(self, work, how):
        ...         noise = np.random.default_rng(how.seed).normal(0, self.spread)
        ...         return {"height": work.behaviour.value["x"] + noise}
        >>> from automl.behaviour import Configuration
        >>> work = Work(Configuration({"x": 3}), {}, '{"x":3}')
        >>> one, same = (Noisy().evaluate(work, Evaluation(seed=5)) for _ in range(2))
        >>> one == same  # every random draw comes from the seed
        True
        >>> Noisy(spread=0.2).settings()
        {'spread': 0.2}
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    inline: ClassVar[bool] = False
    metrics: ClassVar[Mapping[str, str]]
    test_is_population_mean: ClassVar[bool] = False
    deterministic: ClassVar[bool] = False
    has_test_part: ClassVar[bool] = True
    resumable: ClassVar[bool] = False
    equality: ClassVar[Equality] = "function"

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if "carries" in cls.__dict__ and "resumable" not in cls.__dict__:
            warnings.warn(f"{cls.__name__}.carries is now called resumable", DeprecationWarning, stacklevel=2)
            cls.resumable = bool(cls.__dict__["carries"])

    @abstractmethod
    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        """Runs one evaluation and returns its metrics, the objective of the search among them.

        Metrics without the objective are stored too. A search whose first block of trials all lack the objective is
        refused: the setting is wrong then, and not the candidates.

        The metric "cost_seconds", if present, gives the seconds that the evaluation would have cost (tables have it);
        simulated clocks advance by them.

        Returns:
            Mapping from metric name to number.

        Raises:
            Exception: any exception counts as the candidate's own failure, stored for its equivalence class, except
                MemoryError, OSError and ImportError.
        """

    def evaluate_many(self, works: Sequence[tuple[Work, Evaluation]]) -> list[Metrics | Exception]:
        """Runs a batch, one outcome for each in order; evaluators with compiled loops override it."""
        outcomes: list[Metrics | Exception] = []
        for work, how in works:
            try:
                outcomes.append(self.evaluate(work, how))
            except Exception as error:  # each candidate answers for itself
                outcomes.append(error)
        return outcomes

    def settings(self) -> dict[str, Any]:
        """Returns the JSON settings that change the metrics.

        A task is described by name and fingerprint, a field that is no JSON (an array, a function, an object) by type
        and a digest of its content.

        Raises:
            InvalidInput: a field cannot be compared by content, such as an open file.
        """
        declared: Sequence[dataclasses.Field[Any]] = dataclasses.fields(self) if dataclasses.is_dataclass(self) else ()
        fields = {item.name: item for item in declared}
        described: dict[str, Any] = {}
        for name in fields or vars(self):
            value = getattr(self, name)
            if name in fields and BY_SEARCH in fields[name].metadata:
                continue
            if name not in fields or not _is_unchanged(fields[name], value):
                described[name] = value.description() if isinstance(value, AnyTask) else as_setting(value, name)
        return described

    def artefacts(self, replicate: int = 0) -> Sequence[Artefact]:
        """Returns what has to be made before the evaluations of a replicate, in order; nothing unless overridden.

        Evaluations read the contents with `how.artefact(name)`. The recipes are part of the context of every result.

        Args:
            replicate: number of the replicate. A recipe may depend on it (a supernet from another seed), and its name
                may not.
        """
        return ()

    def looked_at(self) -> Fingerprint | None:
        """Returns the files and libraries that the user's code in this evaluator uses; None without such code."""
        return None

    def more_of_context(self) -> dict[str, Any]:
        """Returns what stands in the context beside name, version and settings, where it is not as usual."""
        found = declared_artefacts(self)
        recipes = {one.name: recipe_of(one, found)["artefact"] for one in found}
        return {
            **({"equality": self.equality} if self.equality != "function" else {}),
            **({"artefacts": recipes} if recipes else {}),
        }

    def probe(self) -> Probe:
        """Returns inputs shaped like the data that behaviours are evaluated on, for the functional hash."""
        return Probe()

    def approximations(self) -> Sequence[Fidelity]:
        """Returns the cheaper evaluations that `evaluate` can be asked for, cheapest first; none unless overridden.

        Each costs less than a full one.
        """
        return ()

    def check(self, work: Work) -> None:
        """Refuses, before a search begins, a setting that would make every evaluation fail.

        Raises:
            InvalidInput: `work` is a sample of a space that this evaluator cannot serve.
        """

    def misfit(self, work: Work) -> str:
        """Says, before a search begins, why a candidate cannot be evaluated, or returns an empty text.

        A search asks about a few samples, and is refused if none of them can be evaluated.
        """
        return ""

    def tricks(self, work: Work) -> Sequence[str]:
        """Returns the names of its settings that are tricks of training and not plain, for an ablation; none unless
        overridden.

        Args:
            work: a sample of the space: what its candidates have decides too, such as auxiliary heads.
        """
        return ()

    def without(self, tricks: Collection[str], work: Work) -> Evaluator:
        """Returns the same evaluator with some of its `tricks` left out.

        Args:
            tricks: names, as `tricks` returns them.
            work: a sample of the space.

        Raises:
            InvalidInput: they cannot be left out.
        """
        raise InvalidInput(f"evaluator {self.name} declares no tricks that could be left out; override tricks()")

    def stage(self, rates: bool) -> Evaluator:
        """Returns the evaluator that runs: itself, unless it stands for one that rates and one that decides."""
        return self

    def proposing(self) -> Evaluator | None:
        """Returns what stands for the artefacts of the strategy, where workers make some; see `Strategy.artefacts`."""
        return None

    def prepare(self) -> None:
        """Loads what evaluations need; workers call it once, before the clock of their first evaluation starts."""

    def sizes(self) -> tuple[Sequence[Array], int] | None:
        """Returns the shape of each input of one example, and how many outputs a network needs; None where the data
        have no such form.

        Spaces whose settings follow from the data ask for it (`Space.sizes_for`).
        """
        return None

    def for_space(self, space: Any) -> Evaluator:
        """Returns the evaluator for the candidates of one space; itself, unless it must know more than their
        behaviours, as ratings by shared weights do.

        Args:
            space: `automl.setup.targets.SpaceReference` of the space that is searched.

        Raises:
            InvalidInput: it cannot serve this space.
        """
        return self

    def priced(self, space: Any) -> Any:
        """Returns the reference of the space whose costs are those of what is evaluated: the searched one, unless it
        evaluates candidates at other sizes.

        Args:
            space: `automl.setup.targets.SpaceReference` of the space that is searched.
        """
        return space

    def for_device(self, device: str) -> Evaluator:
        """Returns the evaluator with every setting fixed that depends on the device (such as automatic precision)."""
        return self


def _is_unchanged(item: dataclasses.Field[Any], value: Any) -> bool:
    """Tells whether a field came later and has its default, which is None or plain: arrays are never compared."""
    return "added" in item.metadata and type(value) is type(item.default) and bool(value == item.default)
