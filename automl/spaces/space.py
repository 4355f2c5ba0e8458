"""Spaces and candidates: what can be proposed, and how a candidate behaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from automl.behaviour import Array, Behaviour, Configuration, Module
from automl.errors import InvalidCandidate, InvalidSpace, brief
from automl.jsontext import canonical
from automl.spaces.blocks import Block
from automl.spaces.declared import SpaceType, check_name, fields_of, hides, is_declared
from automl.spaces.differences import difference
from automl.spaces.fields import Record, as_field
from automl.spaces.options import shown

if TYPE_CHECKING:
    import networkx
    import numpy as np


class Candidate:
    """Point of a space: one configuration, architecture, formula or program. Candidates compare equal if their JSON is
    equal.

    If the space declares fields, the candidate has them as attributes, also nested ones: for fields `depth`, `block`
    and `layers`, `c.depth`, `c.block.width` and `c.layers[0].kind`. Different candidates may still compute the same
    function; the functional hash tells.

    Attributes:
        value: Candidate as JSON data. Attributes cannot be assigned; do not change the data in place either.
        json: Candidate as canonical JSON text: sorted keys, no spaces.

    Example:
        >>> import automl
        >>> class Net(automl.Space):
        ...     depth = automl.Integer(1, 8)
        ...     units = automl.Repeat(automl.Choice(16, 32), 1, 3)
        >>> net = Net().decode({"units": [16, 32], "depth": 2})
        >>> net.depth, net.units[1], net.json
        (2, 32, '{"depth":2,"units":[16,32]}')
    """

    __slots__ = ("_json", "value")

    def __init__(self, value: Any, json: str | None = None) -> None:
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "_json", json)

    @property
    def json(self) -> str:
        if self._json is None:
            object.__setattr__(self, "_json", canonical(self.value))
        text: str = self._json
        return text

    def __getattr__(self, name: str) -> Any:
        value = object.__getattribute__(self, "value")
        if isinstance(value, Mapping) and name in value:
            return _view(value[name])
        raise AttributeError(
            f"the candidate has no field {name!r}" + (f"; it has {sorted(value)}" if isinstance(value, Mapping) else "")
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a candidate is immutable; make another one with space.mutate or space.decode")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)

    def __repr__(self) -> str:
        return f"Candidate({self.json})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Candidate, (self.value, self._json))


def _view(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Candidate(value)
    if isinstance(value, list | tuple):
        return tuple(_view(item) for item in value)
    return value


@dataclass(frozen=True)
class Defaults:
    """Defaults of a search of a space: evaluator, strategy and budget, used where the user names nothing else.

    Attributes:
        evaluator: Registered name of the evaluator; None if the user must name one.
        evaluator_settings: Mapping from name to value, for that evaluator, such as {"task": "digits", "epochs": 8}.
        strategy: Registered name of the strategy; None lets the search choose (`automl.setup.choosing`), or takes
            regularized_evolution if there are settings for it.
        strategy_settings: Mapping from name to value, for that strategy.
        objective: Name of a metric of the evaluator; None takes the evaluator's first.
        trials: Number of trials after which a search ends.
        until: Fitness at which a search ends; None sets no such limit.
        window: Largest number of trials in flight. None takes four per worker, and with evaluators that cost nothing a
            fiftieth of the budget up to 64.

    Example:
        >>> import automl
        >>> class Digits(automl.Space):
        ...     defaults = Defaults(evaluator="classification", evaluator_settings={"epochs": 8}, trials=100)
        ...     width = automl.Choice(16, 32, 64)
        >>> Digits().defaults.trials
        100
    """

    evaluator: str | None = None
    evaluator_settings: Mapping[str, Any] = field(default_factory=dict)
    strategy: str | None = None
    strategy_settings: Mapping[str, Any] = field(default_factory=dict)
    objective: str | None = None
    trials: int = 200
    until: float | None = None
    window: int | None = None


TRIES = 10_000
"""Samples that a space may forbid on end."""


class Space(metaclass=SpaceType):
    """Base class of search spaces: what can be chosen, and what a candidate then is.

    Subclass it. What can be chosen is declared as fields (`Choice`, `Integer`, `Real`, `Repeat`, other spaces), as in
    the example. A candidate has one value for each field, as attributes.

    A field may have any name but `kind`, `value` and `json`. If it has the name of a method (`costs`, `size`), the
    method stays available, and `c.costs` of a candidate is the field.

    A space with declared fields adds `build`, which turns a candidate into a torch module, and, for fields that change
    training and not the function, `training`. A space of another form (cells, programs) overrides `sample`, `mutate`,
    `crossover`, `decode` and `behaviour` instead. All randomness comes from the generator that is passed in.

    Class attributes:
        defaults: Evaluator, strategy and budget of a search of this space where the user names nothing else.
        equal_shares: Shares of candidates that compute what an earlier one computes, among uniform samples and among
            mutants of one parent, as `automl check` measured them; None where nobody has. `automl spaces` shows them.
        image_size: Height and width in pixels that networks of this space ask for; evaluators enlarge smaller images
            to it. None takes images as they are.
        scalable: Names of settings that size the network around a candidate (cells, channels) and change nothing that
            keys stand for: candidates that are equal at one size are equal at all. Evaluators may ask for other sizes.

    Example:
        >>> import automl
        >>> import numpy as np
        >>> class Net(Space):
        ...     width = automl.Choice(16, 32, 64)
        ...     depth = automl.Integer(1, 4)
        ...     rate = automl.Real(1e-4, 1e-1, log=True)
        ...
        ...     def build(self, c):
        ...         from torch import nn
        ...         hidden = [layer for _ in range(c.depth) for layer in (nn.LazyLinear(c.width), nn.ReLU())]
        ...         return nn.Sequential(nn.Flatten(), *hidden, nn.LazyLinear(10))
        ...
        ...     def training(self, c):
        ...         return {"learning_rate": c.rate}
        >>> space, rng = Net(), np.random.default_rng(0)
        >>> parent = space.sample(rng)
        >>> child = space.mutate(parent, rng)
        >>> sum(parent.value[name] != child.value[name] for name in parent.value)
        1
        >>> space.behaviour(child).kind
        'module'
    """

    defaults: Defaults = Defaults()
    equal_shares: ClassVar[tuple[float, float] | None] = None
    image_size: int | None = None
    scalable: ClassVar[tuple[str, ...]] = ()

    # --- the choices -------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute; a field among them is declared, in place of its class's of the same name."""
        if is_declared(name, value):
            check_name(self.kind, name)
            self.__dict__["_declared"] = {**self.__dict__.get("_declared", {}), name: value}
            self.__dict__.pop("_record", None)
            if hides(type(self), name):
                return
        super().__setattr__(name, value)

    @property
    def kind(self) -> str:
        """Name of this space as an option of a `Choice`: the name of its class."""
        return type(self).__name__

    @property
    def record(self) -> Record:
        """The declared fields, those of base classes first."""
        cached = self.__dict__.get("_record")
        if cached is None:
            found = {name: as_field(item, name) for name, item in fields_of(self).items()}
            cached = self.__dict__["_record"] = Record(found)
        record: Record = cached
        return record

    def allowed(self, c: Candidate) -> bool:
        """Tells whether a combination of choices may be proposed; override it to forbid some.

        Candidates that are not allowed are neither sampled nor made by mutation, and are refused when they are read.

        Example:
            >>> import automl
            >>> import numpy as np
            >>> class Net(Space):
            ...     width = automl.Integer(1, 8)
            ...     depth = automl.Integer(1, 8)
            ...     def allowed(self, c):
            ...         return c.width * c.depth <= 16
            >>> rng = np.random.default_rng(0)
            >>> max(c.width * c.depth for c in Net().sample_many(50, rng)) <= 16
            True
            >>> Net().decode({"width": 8, "depth": 8})
            Traceback (most recent call last):
            automl.errors.InvalidCandidate: candidate: '{"depth":8,"width":8}' is not allowed in Net, see its allowed()
        """
        return True

    def sample(self, rng: np.random.Generator) -> Candidate:
        """Draws one candidate uniformly, of those that are allowed."""
        fields = self._fields()
        if not forbids(self):
            return self.from_fields(fields.sample(rng))
        for _ in range(TRIES):
            if self.allowed(candidate := self.from_fields(fields.sample(rng))):
                return candidate
        raise InvalidSpace(
            f"space {self.kind}: allowed() refused {TRIES:,} samples on end; declare fields in which more is allowed"
        )

    @property
    def believes(self) -> bool:
        """True where a field has a default, which its author believes to be good."""
        return self.record.believes

    def guess_many(self, n: int, rng: np.random.Generator) -> list[Candidate]:
        """Draws `n` candidates that are likely to be good: near the defaults of fields, where there are any.

        Each field is at its default half of the time, near it a quarter of the time, else anywhere. Strategies begin
        with them; random search samples uniformly, whatever anybody believes.

        Example:
            >>> import automl
            >>> import numpy as np
            >>> class Net(Space):
            ...     width = automl.Integer(1, 1000, default=64)
            >>> drawn = Net().guess_many(200, np.random.default_rng(0))
            >>> 80 < sum(c.width == 64 for c in drawn) < 120
            True
        """
        if not self.believes:
            return self.sample_many(n, rng)
        found: list[Candidate] = []
        for _ in range(TRIES):
            if len(found) == n:
                return found
            candidate = self.from_fields(self.record.guess(rng))
            if not forbids(self) or self.allowed(candidate):
                found.append(candidate)
        return found + self.sample_many(n - len(found), rng)

    def believed(self, rng: np.random.Generator) -> Candidate | None:
        """Returns the candidate of all defaults, other fields drawn; None without any, or where it is not allowed."""
        if not self.believes:
            return None
        for _ in range(100):
            candidate = self.from_fields(self.record.believed(rng))
            if not forbids(self) or self.allowed(candidate):
                return candidate
        return None

    def mutate(self, candidate: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a candidate that differs from `candidate` in one choice.

        Where no such candidate that was drawn is allowed, it differs in several, or is `candidate` itself.
        """
        fields, values = self._fields(), self.to_fields(candidate)
        if not forbids(self):
            return self.from_fields(fields.mutate(values, rng))
        for near in range(TRIES // 10):
            values = fields.mutate(values if near % 50 else self.to_fields(candidate), rng)
            if self.allowed(child := self.from_fields(values)) and child != candidate:
                return child
            if near < 50:
                values = self.to_fields(candidate)
        return candidate

    def crossover(self, one: Candidate, other: Candidate, rng: np.random.Generator) -> Candidate:
        """Returns a candidate made of both parents; one of them, where none that was made is allowed."""
        fields, values = self._fields(), (self.to_fields(one), self.to_fields(other))
        for _ in range(TRIES // 10 if forbids(self) else 1):
            if self.allowed(child := self.from_fields(fields.crossover(*values, rng))):
                return child
        return one

    def sample_many(self, n: int, rng: np.random.Generator) -> list[Candidate]:
        """Draws `n` candidates; spaces with a vectorised sampler override it."""
        return [self.sample(rng) for _ in range(n)]

    def mutate_many(self, candidates: Sequence[Candidate], rng: np.random.Generator) -> list[Candidate]:
        """Returns one mutated child of each candidate, in order; spaces with a vectorised mutation override it."""
        return [self.mutate(candidate, rng) for candidate in candidates]

    def decode(self, value: Any) -> Candidate:
        """Reads a candidate from its JSON data.

        Raises:
            InvalidCandidate: the data is no point of this space; the message names the field.
        """
        candidate = Candidate(self._fields().check(value, "candidate"))
        if not self.allowed(candidate):
            text = brief(candidate.json)
            raise InvalidCandidate(f"candidate: {text} is not allowed in {self.kind}, see its allowed()")
        return candidate

    def reads_back(self, candidates: Sequence[Candidate]) -> bool:
        """Tells whether it is known, without asking `decode`, that all these candidates read back as themselves. Then
        `checked` is not asked. Override it where that follows from how candidates are made.
        """
        return False

    def checked(self, candidate: Candidate) -> Candidate:
        """Returns a candidate as `decode` reads it from its JSON data: itself, where the space keeps its contract.

        The search asks for it before it looks a proposal up: workers read candidates from their JSON, so what is
        hashed must be what they read.

        Raises:
            InvalidCandidate: what was made is no candidate, `decode` refuses it, or reading twice gives another one
                than reading once.
        """
        if not isinstance(candidate, Candidate):
            raise InvalidCandidate(
                f"{self.kind} made {shown(candidate)}, which is no candidate; return automl.Candidate(JSON data)"
            )
        try:
            read = self.decode(candidate.value)
            if not isinstance(read, Candidate):
                raise InvalidCandidate(f"decode returns {shown(read)}; let it return automl.Candidate(JSON data)")
            if read.json == candidate.json:
                return candidate
            again = self.decode(read.value)
        except InvalidCandidate as error:
            raise InvalidCandidate(
                f"{self.kind} refuses its own candidate {shown(candidate.value)}: {error}"
            ) from error
        if again != read:
            raise InvalidCandidate(
                f"{self.kind}: {shown(read.value)} does not read back as itself: "
                f"{difference(read.value, again.value)}; `decode` must be idempotent"
            )
        return read

    def to_fields(self, candidate: Candidate) -> Mapping[str, Any]:
        """Returns the values of the declared fields: the candidate's own JSON, unless a space writes it in another form
        (a benchmark's string) and overrides this and `from_fields`, each undoing the other, and `decode`.
        """
        return candidate.value  # type: ignore[no-any-return]

    def from_fields(self, values: Mapping[str, Any]) -> Candidate:
        """Returns the candidate whose declared fields have these values."""
        return Candidate(values)

    def size(self) -> int | None:
        """Returns the number of candidates (encodings, not functions); None if there are infinitely many."""
        return self._fields().size()

    def _fields(self) -> Record:
        record = self.record
        if not record.fields:
            raise InvalidSpace(
                f"space {self.kind} has no fields: declare at least one Choice, Integer, Real or Repeat, "
                "or take automl.DefineByRun, whose build(self, choose) asks for its choices"
            )
        return record

    # --- what a candidate is -----------------------------------------------------------------------------------------

    def build(self, c: Candidate) -> Any:
        """Returns the candidate's `torch.nn.Module`, freshly initialised; spaces of networks override it."""
        raise InvalidSpace(f"space {self.kind} has no `build`: define build(self, c), or give a function as evaluator")

    def behaviour(self, candidate: Candidate) -> Behaviour:
        """Returns the behaviour: a `Module` if the space has a `build`, else a `Configuration`."""
        if type(self).build is Space.build:
            return Configuration(candidate.value)
        return Module(build=lambda: self.build(candidate))

    def training(self, c: Candidate) -> Mapping[str, Any]:
        """Returns what changes training and not the function (learning rate, initialisation), as JSON data.

        The key covers it verbatim, and evaluators get it; what is in neither behaviour nor training reaches no
        evaluator.
        """
        return {}

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns the costs of this candidate by name (parameters, FLOPs). Costs are never shared by key."""
        return {}

    def describe(self, candidate: Candidate) -> str:
        """Returns one line for tables."""
        return candidate.json

    def explanation(self, candidate: Candidate) -> list[str]:
        """Returns lines that explain a candidate part by part; empty if `describe` is enough."""
        return []

    def exported(self, candidate: Candidate) -> str:
        """Returns the source of a Python file that does what a candidate does without automl; "" if there is none."""
        return ""

    def picture(self, candidate: Candidate) -> networkx.DiGraph | None:
        """Returns the graph to draw for a candidate (nodes and edges with a `label`); None if there is none."""
        return None

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:  # noqa: ARG003
        """Returns settings of the space that follow from the data, such as the number of classes; nothing unless
        overridden.

        A search that makes the space of its class takes them, where the user gives no others.

        Args:
            inputs: Shape of each input of one example.
            outputs: How many outputs a network needs: classes, labels, values or tokens.

        Example:
            >>> import automl
            >>> class Net(Space):
            ...     width = automl.Choice(16, 32)
            ...     def __init__(self, features=64, classes=10):
            ...         self._sizes = {"features": features, "classes": classes}
            ...     @classmethod
            ...     def sizes_for(cls, inputs, outputs):
            ...         return {"features": inputs[0].shape[0], "classes": outputs}
            >>> Net.sizes_for([automl.Array((13,))], outputs=3)
            {'features': 13, 'classes': 3}
        """
        return {}

    # --- blocks ------------------------------------------------------------------------------------------------------

    def blocks(self, candidate: Candidate) -> tuple[Block, ...]:
        """Returns the blocks of a candidate, in order; empty for a space that has none.

        Blocks are what a supernet is trained by and what block ratings are added up over.
        """
        return ()

    def block_space(self, index: int, entry: str) -> Space:
        """Returns the finite space of the parts that a block can have after an entry state.

        Raises:
            InvalidSpace: the space has no such block, or it cannot begin in this state.
        """
        raise InvalidSpace(
            f"space {self.kind} has no blocks: define blocks(self, c) and block_space(self, index, entry)"
        )

    def supernet(self) -> Any:
        """Returns one `torch.nn.Module` that holds the shared weights of all candidates, freshly initialised.

        It has what `automl.spaces.blocks.Supernet` asks for.

        Raises:
            InvalidSpace: the space has no blocks.
        """
        raise InvalidSpace(f"space {self.kind} has no supernet: define supernet(self) beside its blocks")

    def relaxed(self) -> Any:
        """Returns one `torch.nn.Module` in which every choice is a weighted sum of all options, freshly initialised.

        It has what `automl.spaces.relaxed.Relaxed` asks for; differentiable searches train it.

        Raises:
            InvalidSpace: the space has none.
        """
        raise InvalidSpace(
            f"space {self.kind} has no relaxed network: define relaxed(self), from_weights(self, weights, rng) and "
            "skips(self, c), or take a space such as darts"
        )

    def from_weights(self, weights: Mapping[str, np.ndarray], rng: np.random.Generator | None = None) -> Candidate:
        """Returns the candidate with the options of the largest weights, or one that is drawn by the weights.

        Args:
            weights: weights of the options of each choice, (choices, options), that add up to 1 for each choice; by the
                names that the relaxed network has.
            rng: draws the options; None takes the largest weights.

        Raises:
            InvalidSpace: the space has no relaxed network.
        """
        raise InvalidSpace(f"space {self.kind} has no relaxed network: define from_weights(self, weights, rng)")

    def skips(self, candidate: Candidate) -> int:
        """Returns the number of skip connections in the cell of a candidate that collapse is watched in: relaxed
        networks tend to end with nothing else.
        """
        return 0

    def settings(self) -> Mapping[str, Any]:
        """Returns the JSON settings with which this instance was made, as `--set space.NAME=VALUE` takes them."""
        return {}


def forbids(space: Space) -> bool:
    """Tells whether a space forbids combinations of its choices.

    Example:
        >>> import automl
        >>> class Line(Space):
        ...     x = automl.Integer(0, 20)
        >>> forbids(Line())
        False
    """
    return type(space).allowed is not Space.allowed
