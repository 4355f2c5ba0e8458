"""Evaluators that rate by a supernet: single parts of blocks, and whole candidates."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from automl import registry
from automl.artefacts.content import Content
from automl.behaviour import Array, Configuration, Probe
from automl.errors import InvalidInput, brief
from automl.evaluators.artefacts import Artefact
from automl.evaluators.base import Equality, Evaluation, Evaluator, Metrics, Work
from automl.evaluators.task import Task
from automl.jsontext import canonical, stored
from automl.setup.targets import SpaceReference, reference_to
from automl.spaces.paths import BlockSpace, PathSpace
from workers.networks.arrays import arrays_of, arrays_task
from workers.networks.resizing import described_at, resized, size_for
from workers.supernets.block_table import BlockTable, read_table
from workers.supernets.settings import SupernetSettings

if TYPE_CHECKING:
    from workers.networks.batches import Parts
    from workers.supernets.bootstrap import Bootstrap
    from workers.supernets.rater import Rater
    from workers.supernets.store import Trained

_MOST_SUPERNETS = 4
SUPERNET = "supernet"
"""Name of the artefact."""


@dataclass(frozen=True)
class SupernetEvaluator(SupernetSettings, Evaluator):
    """Base class of evaluators that rate by a supernet of the space that is searched.

    Replicate r is rated by the supernet of seed r, so the agreement of replicates is that of supernets. A rating
    belongs to an encoding: equal functions have weights of their own in a supernet.

    Attributes:
        task: `Task`, or the name of a registered one. Supernets are trained on its training part, and rate on its
            validation part.
        precision: "float32"; "float16" or "bfloat16" for automatic mixed precision; "auto" takes float16 on CUDA.
        resize: Height and width to which smaller images are enlarged; None takes what the space asks for.
        space: Space that is searched; the search sets it.

    Example:
        >>> SupernetEvaluator.__abstractmethods__
        frozenset({'evaluate'})
    """

    version: ClassVar[str] = "1"
    metrics: ClassVar[Mapping[str, str]] = {"rating": "maximize"}
    equality: ClassVar[Equality] = "candidate"
    has_test_part: ClassVar[bool] = False

    task: Task | str = "digits"
    precision: str = "auto"
    resize: int | None = None
    space: SpaceReference | None = field(default=None, repr=False)

    def for_space(self, space: Any) -> Evaluator:
        """Returns the evaluator for a space with blocks; of a block's own space it takes the whole.

        Raises:
            InvalidInput: the space has no blocks.
        """
        held = space.load()
        whole = held._whole if isinstance(held, BlockSpace) else held
        if not isinstance(whole, PathSpace) or not whole.lengths:
            raise InvalidInput(
                f"evaluator {self.name} rates by the blocks of a space, and {whole.kind} has none; take a space such "
                "as hytra, or subclass automl.spaces.paths.PathSpace"
            )
        size = size_for(self.data(), whole) if self.resize is None else self.resize
        return dataclasses.replace(self, space=space if whole is held else reference_to(whole), resize=size)

    def settings(self) -> dict[str, Any]:
        """Returns the settings, the space and the data among them: a supernet is one of a space."""
        names = [one.name for one in dataclasses.fields(self) if one.name not in ("task", "space", "table")]
        found = {name: getattr(self, name) for name in names}
        return {**found, "task": described_at(arrays_task(self.task), self.resize), "space": self._space()}

    def _space(self) -> dict[str, Any]:
        """Returns what makes the space this one: its kind, its settings, and the code of a user's own."""
        space = self.whole()
        assert self.space is not None
        code = {"code": dict(self.space.code.parts)} if self.space.code.is_users else {}
        return {"kind": space.kind, **space.settings(), **code}

    def whole(self) -> PathSpace:
        """Returns the space whose supernet rates.

        Raises:
            InvalidInput: none was given.
        """
        if self.space is None:
            raise InvalidInput(f"evaluator {self.name} must know its space: {self.name}.for_space(reference)")
        found = self.space.load()
        assert isinstance(found, PathSpace)
        return found

    def data(self) -> Task:
        """Returns the task itself."""
        return arrays_task(resized(arrays_task(self.task), self.resize))

    def probe(self) -> Probe:
        from workers.networks.training import prepared

        return Probe(inputs=(Array(tuple(prepared(self.data().train[0]).shape[1:])),))

    def sizes(self) -> tuple[Sequence[Array], int]:
        return self.probe().inputs, self.parts("cpu").outputs()

    def for_device(self, device: str) -> SupernetEvaluator:
        if self.precision != "auto":
            return self
        return dataclasses.replace(self, precision="float16" if device.startswith("cuda") else "float32")

    def recipe(self, replicate: int) -> dict[str, Any]:
        """Returns what a supernet is made of: space, data, settings and seed."""
        names = [item.name for item in dataclasses.fields(SupernetSettings)]
        every = self.settings()
        fixed = {one: every[one] for one in (*names, "precision")}
        return {"space": every["space"], "task": every["task"], "seed": replicate, **fixed}

    def supernet(self, how: Evaluation) -> Trained:
        """Returns the trained supernet of a replicate.

        In a search it is the artefact that was made for everybody. Where there is none (a direct call), it is trained
        here, at most once in a process.
        """
        from workers.supernets import store

        recipe = self.recipe(how.replicate)
        if how.shelf is not None and SUPERNET in how.shelf.reads:
            content = how.artefact(SUPERNET)
            return _memory().get(  # type: ignore[no-any-return]
                f"{content.digest} {how.device} {canonical(recipe)}",
                lambda: store.restored(content, self.whole(), self.parts(how.device), self.supernet_settings(), recipe),
            )
        fixed = self.for_device(how.device)
        here = {**recipe, "precision": fixed.precision, "device": how.device}
        seed = how.replicate
        return _memory().get(canonical(here), lambda: fixed.trained(how, seed))  # type: ignore[no-any-return]

    def trained(self, how: Evaluation, seed: int) -> Trained:
        """Trains the supernet of a seed: from the checkpoint, if there is one, and with a curve."""
        from workers.supernets import store

        return store.made(
            self.whole(),
            self.parts(how.device),
            self.supernet_settings(),
            seed,
            precision=self.for_device(how.device).precision,
            report=how.report,
            checkpoint=how.checkpoint,
        )

    def artefacts(self, replicate: int = 0) -> Sequence[Artefact]:
        return (SupernetArtefact(self, replicate),)

    def supernet_settings(self) -> SupernetSettings:
        return SupernetSettings(**{one.name: getattr(self, one.name) for one in dataclasses.fields(SupernetSettings)})

    def parts(self, device: str) -> Parts:
        """Returns the data on a device."""
        return arrays_of(self.data(), device)

    def _rater(self, how: Evaluation) -> tuple[Bootstrap, Rater]:
        from workers.supernets.rater import Rater

        made: Any = self.supernet(how)
        return made, Rater(made.space, made.module, made.examples, made.carriers, made.centers)

    def part_rating(self, index: int, entry: str, part: Sequence[str], how: Evaluation) -> float:
        """Returns the rating of a block's part, as it was found when the supernet was trained, or now."""
        made, rater = self._rater(how)
        text = canonical(list(part))
        found = made.ratings.get((index, entry), {}).get(text)
        # one that is found now stays out of the ratings: their spread is that of what training has rated
        return float(rater.rate(index, entry, part) if found is None else found)


@dataclass(frozen=True)
class SupernetArtefact(Artefact):
    """The trained supernet of one replicate, made once for all that rate by it.

    Its content holds the weights of both copies, the centers, the carriers and the ratings that training found.

    Attributes:
        evaluator: Evaluator that rates by it, with space, data and settings of the training.
        replicate: Number of the supernet.

    Example:
        >>> from search_spaces.nas.mbconv import MBConv
        >>> [supernet] = WholeRating(epochs=5).for_space(reference_to(MBConv())).artefacts(1)
        >>> supernet.name, supernet.settings()["epochs"], supernet.settings()["seed"]
        ('supernet', 5, 1)
    """

    name: ClassVar[str] = SUPERNET
    version: ClassVar[str] = "1"

    evaluator: SupernetEvaluator
    replicate: int

    def settings(self) -> dict[str, Any]:
        """Returns what the supernet is made of: of the evaluator, what its ratings alone depend on is left out."""
        return self.evaluator.recipe(self.replicate)

    def make(self, how: Evaluation) -> Content:
        from workers.supernets import store

        made = self.evaluator.trained(how, how.seed)
        return Content.of(*store.content_of(made, self.settings()))


@dataclass(frozen=True)
class BlockRating(SupernetEvaluator):
    """Rates the parts of one block by ensemble bootstrapping: for searches of a space's `block_space(index, entry)`.

    The metric "rating" is the negative of the distance to the center of all parts: 0 is the best.

    Attributes:
        trainer: "bootstrap", the only one that rates blocks.

    Example:
        >>> from search_spaces.nas.hytra import HyTra
        >>> block = reference_to(HyTra().block_space(1, "2"))
        >>> BlockRating(epochs=5).for_space(block).settings()["space"]["kind"]
        'HyTra'
    """

    name: ClassVar[str] = "block-rating"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trainer != "bootstrap":
            raise InvalidInput(f"block-rating: trainer {self.trainer!r} rates whole candidates; take whole-rating")

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        value = work.behaviour.value if isinstance(work.behaviour, Configuration) else None
        if not isinstance(value, Mapping) or set(value) != {"block", "entry", "part"}:
            raise InvalidInput(
                f"block-rating rates parts of blocks, and not {brief(work.candidate)}; take whole-rating"
            )
        inside = self.whole().block_space(value["block"], value["entry"])
        part = inside.path(inside.decode(value["part"]))
        return {"rating": self.part_rating(value["block"], value["entry"], part, how)}


@dataclass(frozen=True)
class WholeRating(SupernetEvaluator):
    """Rates whole candidates by a supernet, without training them.

    Trained by "bootstrap", the rating is the weighted sum of the ratings of a candidate's blocks. By "single_path" it
    is the negative of the cross-entropy of inherited weights, with the metric "accuracy" beside it. By "random_labels"
    it is the angle by which the weights have turned. A rating estimates an order; it is no accuracy.

    Attributes:
        weights: Weights of the blocks: "one"; "standardised", which divides each block's ratings by their spread; or a
            list with one number for each block, such as `fitted_weights` finds on a few trained networks.
        table: File of block ratings that `automl rate` left; with it no supernet is trained.

    Example:
        >>> from search_spaces.nas.mbconv import MBConv
        >>> WholeRating(weights=[1, 2]).for_space(reference_to(MBConv()))
        Traceback (most recent call last):
        automl.errors.InvalidInput: whole-rating: weights has 2 numbers, and MBConv 3 blocks
    """

    name: ClassVar[str] = "whole-rating"

    weights: Any = "one"
    table: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.weights, str):
            if self.weights not in ("one", "standardised"):
                raise InvalidInput(registry.unknown("weights", self.weights, ["one", "standardised"]))
        elif not isinstance(self.weights, Sequence) or not all(isinstance(one, int | float) for one in self.weights):
            raise InvalidInput(f"whole-rating: weights is {brief(self.weights)}; give one, standardised, or numbers")

    def for_space(self, space: Any) -> Evaluator:
        found = super().for_space(space)
        assert isinstance(found, WholeRating)
        blocks = len(found.whole().lengths)
        if not isinstance(self.weights, str) and len(self.weights) != blocks:
            raise InvalidInput(
                f"whole-rating: weights has {len(self.weights)} numbers, and {found.whole().kind} {blocks} blocks"
            )
        return found

    def settings(self) -> dict[str, Any]:
        """Returns the settings; a table counts by its content, and in place of everything that its supernet was."""
        if self.table is None:
            return super().settings()
        table = read_table(Path(self.table), self.whole())
        return {"table": table.digest, "weights": self.weights, "space": self._space()}

    def evaluate(self, work: Work, how: Evaluation) -> Metrics:
        space = self.whole()
        blocks = space.blocks(space.decode(stored(work.candidate)))
        if self.table is None and self.trainer != "bootstrap":
            from workers.networks.batches import ArrayPart

            made: Any = self.supernet(how)
            if self.trainer == "random_labels":
                return {"rating": made.angle(blocks)}
            inputs, targets = self.parts(how.device).validation[:2]
            accuracy, loss = made.measured(blocks, ArrayPart(inputs[: self.images], targets[: self.images]))
            return {"rating": -loss, "accuracy": accuracy}
        table = self.block_table(how)
        weights = table.weights(self.weights)
        rated = [table.rating(one.index, one.entry, one.part) for one in blocks]
        if None in rated and self.table is not None:
            missing = blocks[rated.index(None)]
            raise InvalidInput(
                f"table {self.table} has no rating of part {canonical(list(missing.part))} of block {missing.index}"
            )
        if None in rated:
            rated = [self.part_rating(one.index, one.entry, one.part, how) for one in blocks]
        return {"rating": math.fsum(weight * float(value or 0.0) for weight, value in zip(weights, rated, strict=True))}

    def artefacts(self, replicate: int = 0) -> Sequence[Artefact]:
        return () if self.table is not None else super().artefacts(replicate)

    def block_table(self, how: Evaluation) -> BlockTable:
        """Returns the ratings of all parts of all blocks by one supernet.

        Raises:
            InvalidInput: the trainer rates whole candidates; or the file is no table of this space.
        """
        if self.table is not None:
            return read_table(Path(self.table), self.whole()).of_seed(how.replicate)
        if self.trainer != "bootstrap":
            raise InvalidInput(f"trainer {self.trainer!r} rates whole candidates; there is no table of its blocks")
        made: Any = self.supernet(how)
        return BlockTable.of(self.whole(), [made.ratings], {"recipe": self.recipe(how.replicate)})

    def block_tables(self, hows: Sequence[Evaluation]) -> BlockTable | None:
        """Returns the ratings of all parts of all blocks by several supernets; None if whole ones are rated."""
        if self.table is None and self.trainer != "bootstrap":
            return None
        seeds = [one for how in hows for one in self.block_table(how).seeds]
        return BlockTable.of(self.whole(), seeds, {"recipe": self.recipe(0)} if self.table is None else {})


@functools.cache
def _memory() -> Any:
    from workers.supernets.store import Memory

    return Memory(_MOST_SUPERNETS)
