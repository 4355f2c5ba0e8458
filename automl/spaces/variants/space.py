"""The space of the variants of a module that somebody has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import xxhash

from automl.behaviour import Array, Behaviour, Module, Probe
from automl.errors import InvalidSpace
from automl.spaces.costs import module_costs
from automl.spaces.field import Field
from automl.spaces.fields import Choice, Record, as_field
from automl.spaces.options import shown
from automl.spaces.space import Candidate, Space
from automl.spaces.variants.changes import KEEP, Drop, Together, changed
from automl.spaces.variants.places import matching, part_at, put_at

if TYPE_CHECKING:
    import networkx
    from torch import nn

_MOST_CHECKS = 200
"""Forward passes that a new space makes, at most, to find options that do not fit."""


class Variants(Space):
    """Space of the variants of a model: parts of it, found by name, are replaced, dropped or set otherwise.

    The names of parts are those of `model.named_modules()`. In a pattern, `*` stands for any letters within one name,
    and `**` for any number of names. Each place that a pattern matches has a field of its own, called like the place;
    `Together(field)` makes one field for all, called like the pattern.

    What a field says of a part:

    - a text is a module of `torch.nn` by name, "identity", or "keep" for the part as it is; arguments that the module
      needs are taken from the part (`num_features` of one batch norm for another);
    - `Replace(name=class or function)` makes modules of your own;
    - `Drop(at_most=n)` replaces up to n of the places by the identity;
    - a number sets the rate of a dropout; of any other part, name the attribute, as in "layers.*.act.negative_slope".

    Args:
        make_model: Function without arguments that returns the model, freshly initialised or with weights of its own.
        changes: Mapping from pattern to field.
        inputs: Shape of each input without the batch axis, as `automl.Array` or a tuple of sizes. If given, the model
            and each single change are run once when the space is made, and candidates are hashed on such inputs.

    Raises:
        InvalidSpace: a pattern matches nothing (the message offers the nearest names), two patterns match one place, or
            an option does not fit: the forward pass fails, or gives other shapes.

    Example:
        >>> import automl
        >>> from torch import nn
        >>> def make_model():
        ...     hidden = [nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(3)]
        ...     return nn.Sequential(*hidden, nn.Dropout(0.1), nn.Linear(8, 2))
        >>> space = Variants(
        ...     make_model,
        ...     {"*.1": automl.Choice("keep", "GELU"), "*": Drop(at_most=1), "3.p": automl.Real(0.0, 0.5)},
        ...     inputs=[(8,)],
        ... )
        Traceback (most recent call last):
        automl.errors.InvalidSpace: Variants: '*' dropped at '4' gives outputs of shape [(2, 8)] where the model gives [(2, 2)]; leave that place out
        >>> space = Variants(make_model, {"*.1": automl.Choice("keep", "GELU"), "3.p": automl.Real(0.0, 0.5)})
        >>> variant = space.decode({"0.1": "keep", "1.1": "GELU", "2.1": "keep", "3.p": 0.2})
        >>> space.build(variant)[1][1]
        GELU(approximate='none')
    """  # noqa: E501 - a message

    def __init__(
        self,
        make_model: Callable[[], nn.Module],
        changes: Mapping[str, Any],
        inputs: Sequence[Array | Sequence[int]] = (),
    ) -> None:
        if not callable(make_model):
            raise InvalidSpace(
                f"Variants: {shown(make_model)} is no function; give one without arguments that returns the model"
            )
        if not isinstance(changes, Mapping) or not changes:
            raise InvalidSpace('Variants: no changes; give a mapping such as {"layers.*.act": Choice("ReLU", "GELU")}')
        self._make_model = make_model
        self._inputs = tuple(one if isinstance(one, Array) else Array(tuple(one)) for one in inputs)
        self._given = dict(changes)
        self._changes: dict[str, tuple[str, ...]] = {}  # the places of each field, by the field's name
        with _own_draws():
            self.__dict__["_record"] = self._read(changes, self._model())  # names of parts may be any: `_stem`, `kind`
            self._check()

    def _read(self, changes: Mapping[str, Any], model: nn.Module) -> Record:
        """Returns the fields, and remembers their places."""
        fields: dict[str, Field] = {}
        owner: dict[str, str] = {}
        for pattern, change in changes.items():
            places = matching(pattern, model)
            for place in places:
                if place in owner:
                    raise InvalidSpace(
                        f"Variants: {owner[place]!r} and {pattern!r} both match {place}; leave one of them out"
                    )
                owner[place] = pattern
            for name, field, ones in _fields(pattern, change, places):
                fields[name], self._changes[name] = field, ones
        return Record(fields)

    @functools.cached_property
    def _order(self) -> tuple[tuple[str, str], ...]:
        """Fields and places, inner places first: what replaces a whole part replaces what was changed in it."""
        pairs = [(name, place) for name, places in self._changes.items() for place in places]
        return tuple(sorted(pairs, key=lambda pair: -pair[1].count(".")))

    def build(self, c: Candidate) -> nn.Module:
        """Returns the model with the candidate's changes."""
        from torch import nn

        model, fields = self._model(), self.record.fields
        for name, place in self._order:
            field, value = fields[name], c.value[name]
            try:
                old = part_at(model, place)
            except AttributeError as error:
                raise InvalidSpace(
                    f"Variants: the model has no {place} this time; let make_model return the same model each time"
                ) from error
            if isinstance(field, Drop):
                new = nn.Identity() if place in value else old
            elif isinstance(old, nn.Module):
                new = changed(field, value, old, place)
            else:
                new = old if value == KEEP else value
            if new is not old:
                put_at(model, place, new)
        return model

    def behaviour(self, candidate: Candidate) -> Behaviour:
        probe = Probe(self._inputs) if self._inputs else None
        return Module(build=lambda: self.build(candidate), probe=probe, frame=self._frame(candidate))

    def _frame(self, candidate: Candidate) -> Mapping[str, Any]:
        """Returns what the hash, which gives networks weights of its own, does not see of weights that are loaded."""
        if not self._loaded:
            return {}
        names, digest = self._loaded
        touched = {
            field: candidate.value[field]
            for field, places in self._changes.items()
            if any(name.startswith(f"{place}.") for place in places for name in names)
        }
        return {"weights": digest, "changes": touched}

    @functools.cached_property
    def _loaded(self) -> tuple[tuple[str, ...], str] | None:
        """Names and digest of the weights that are not drawn anew with each model; None where all are drawn."""
        import torch

        models = []
        with _own_draws():
            for seed in (1, 2):
                torch.manual_seed(seed)
                models.append(self._model().state_dict())
        one, other = models
        same = {
            name: item
            for name, item in one.items()
            if name in other
            and item.is_floating_point()
            and torch.equal(item, other[name])
            and item.numel() > 1
            and bool((item != item.flatten()[0]).any())  # ones and zeros are how layers begin
        }
        if not same:
            return None
        digest = xxhash.xxh3_128()
        for name in sorted(same):
            digest.update(name.encode() + same[name].detach().cpu().contiguous().double().numpy().tobytes())
        return tuple(sorted(same)), digest.hexdigest()

    def costs(self, candidate: Candidate) -> Mapping[str, float]:
        """Returns parameters, and multiply-accumulates where the shapes of inputs were given."""
        model = self.build(candidate)
        if self._inputs:
            return module_costs(model, *self._inputs)
        return {"parameters": float(sum(parameter.numel() for parameter in model.parameters()))}

    def describe(self, candidate: Candidate) -> str:
        """Returns what differs from the model as it is."""
        return ", ".join(f"{name}={_short(value)}" for name, value in self._different(candidate).items()) or "as it is"

    def picture(self, candidate: Candidate) -> networkx.DiGraph:
        """Returns the model's children in order, each with the changes inside it."""
        import networkx

        picture = networkx.DiGraph()
        different, before = self._different(candidate), "in"
        picture.add_node("in", label="in")
        for child, part in self._model().named_children():
            inside = [
                f"{place.removeprefix(child).removeprefix('.') or 'all'}: {_short(value)}"
                for name, value in different.items()
                for place in self._changes[name]
                if place == child or place.startswith(f"{child}.")
            ]
            picture.add_node(child, label="\n".join([f"{child} {type(part).__name__}", *inside]))
            picture.add_edge(before, child, label="")
            before = child
        return picture

    def _different(self, candidate: Candidate) -> dict[str, Any]:
        return {name: value for name, value in candidate.value.items() if value not in (KEEP, [], None)}

    def _model(self) -> nn.Module:
        from torch import nn

        model = self._make_model()
        if not isinstance(model, nn.Module):
            raise InvalidSpace(f"Variants: make_model returns {shown(model)}; let it return a torch.nn.Module")
        return model

    def _check(self) -> None:
        """Runs the model, and each option of each field alone, where the shapes of inputs are known."""
        if not self._inputs:
            return
        wanted = _shapes(self._model(), self._inputs, "the model as it is")
        fields = self.record.fields
        plain = {name: _plain(field, self._model(), self._changes[name]) for name, field in fields.items()}
        checks = [(name, value) for name, field in fields.items() for value in _options(field)]
        for name, value in checks[:_MOST_CHECKS]:
            what = f"{name!r} dropped at {value[0]!r}" if isinstance(value, list) else f"{name!r} = {_short(value)}"
            found = _shapes(self.build(Candidate({**plain, name: value})), self._inputs, what)
            if found != wanted:
                raise InvalidSpace(
                    f"Variants: {what} gives outputs of shape {found} where the model gives {wanted}; leave that "
                    f"{'place' if isinstance(value, list) else 'option'} out"
                )


def _own_draws() -> AbstractContextManager[None]:
    """Returns a context that leaves the caller's generator of torch as it was."""
    import torch

    draws: AbstractContextManager[None] = torch.random.fork_rng(devices=[])
    return draws


def _fields(pattern: str, change: Any, places: list[str]) -> list[tuple[str, Field, tuple[str, ...]]]:
    """Returns the fields of a pattern: name, field, places."""
    if isinstance(change, Together):
        return [(pattern, change.field, tuple(places))]
    field = as_field(change, f"Variants, {pattern!r}")
    if isinstance(field, Record):
        raise InvalidSpace(
            f"Variants: {pattern!r} is given a space; give a field, such as Choice, Replace, Drop or Real"
        )
    if isinstance(field, Drop):
        return [(pattern, field.among(places), tuple(places))]
    return [(place, field, (place,)) for place in places]


def _plain(field: Field, model: nn.Module, places: tuple[str, ...]) -> Any:
    """Returns the value of a field that leaves the model as it is, as far as there is one."""
    if isinstance(field, Drop):
        return []
    old = part_at(model, places[0])
    return old if isinstance(old, bool | int | float | str) else KEEP


def _options(field: Field) -> list[Any]:
    if isinstance(field, Drop):
        return [[place] for place in field.places]
    if isinstance(field, Choice):
        return [option for option in field.options if option != KEEP]
    low, high = getattr(field, "low", None), getattr(field, "high", None)
    return [] if low is None else [low, high]


def _shapes(model: nn.Module, inputs: tuple[Array, ...], what: str) -> list[tuple[int, ...]]:
    """Returns the shapes of the outputs for a batch of two."""
    import torch

    batch = [
        torch.zeros((2, *one.shape), dtype=torch.float32 if one.high is None else torch.int64) + (one.low or 0)
        for one in inputs
    ]
    try:
        with torch.no_grad():
            outputs = model.eval()(*batch)
    except Exception as error:  # the user's module may raise anything
        raise InvalidSpace(f"Variants: {what} cannot be run: {type(error).__name__}: {error}") from error
    return [tuple(one.shape) for one in _tensors(outputs)]


def _tensors(outputs: Any) -> list[Any]:
    if hasattr(outputs, "shape"):
        return [outputs]
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    return [one for item in outputs for one in _tensors(item)] if isinstance(outputs, list | tuple) else []


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"without {', '.join(value)}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
