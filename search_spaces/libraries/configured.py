"""What spaces of a library's configurations have in common: fields made from a query, and refusals in one sentence."""

from __future__ import annotations

import difflib
import importlib
import itertools
from collections.abc import Iterable, Mapping
from textwrap import shorten
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from automl import registry
from automl.errors import AutoMLError, InvalidInput, InvalidSpace
from automl.spaces.declared import SpaceType
from automl.spaces.field import Field
from automl.spaces.fields import Choice
from automl.spaces.orders import Ordinal
from automl.spaces.space import Candidate, Space
from search_spaces.libraries.query import Query, Scalar, words

if TYPE_CHECKING:
    from torch import nn

S = TypeVar("S", bound="Configured")


class Configured(Space):
    """Base class of spaces whose candidates are configurations of a library's model, built without weights.

    Each target has a subclass, see `configured`. An instance has the sizes that follow from the task, and has built its
    first candidate once: what the library refuses is refused before a search begins.
    """

    _query: ClassVar[Query]

    def made(self, arguments: Mapping[str, Any]) -> nn.Module:
        """Returns the network with these arguments, its weights drawn from torch's current random state."""
        raise InvalidSpace(f"space {self.kind} has no `made`: define made(self, arguments), which builds the network")

    def tried(self) -> None:
        """Builds the first candidate, and leaves torch's random state as it was.

        Raises:
            InvalidInput: the library does not know an argument, or refuses these values.
        """
        import torch

        first = self._query.first
        try:
            with torch.random.fork_rng(devices=[]):
                self.made(first)
        except AutoMLError:
            raise
        except Exception as error:  # a library refuses a value in any way
            raise InvalidInput(
                f"{self._query.target} cannot be built with {words(first)}, {words(self.settings())}: "
                f"{type(error).__name__}: {shorten(str(error), 300)}"
            ) from error

    def build(self, c: Candidate) -> nn.Module:
        return self.made({**self._query.first, **c.value})

    def describe(self, candidate: Candidate) -> str:
        return words(candidate.value)


def configured(base: type[S], query: Query) -> type[S]:
    """Returns the class of the space that a query names: a field for each argument of several values.

    Numbers in rising order are `Ordinal`, other values `Choice`.

    Example:
        >>> from search_spaces.libraries.query import parse
        >>> found = configured(Configured, parse("timm", "resnet18?drop_path=0|0.1&act_layer=relu|gelu&drop_rate=0.2"))
        >>> found().record.fields
        {'drop_path': Ordinal(0, 0.1), 'act_layer': Choice('relu', 'gelu')}
        >>> found().size()
        4
    """
    fields: dict[str, Any] = {name: _field(options) for name, options in query.values.items() if len(options) > 1}
    about = f"Space of configurations of {query.target}: {', '.join(fields)}."
    body = {"__module__": base.__module__, "__doc__": about, "_query": query, **fields}
    return SpaceType(query.target, (base,), body)  # type: ignore[return-value]


def library(name: str, needs: str) -> ModuleType:
    """Imports a module of a library that only its users have.

    Raises:
        InvalidInput: it is not installed, or cannot be imported.

    Example:
        >>> library("no_such_library.models", "no-such-library")
        Traceback (most recent call last):
        automl.errors.InvalidInput: no_such_library is not installed; run pip install no-such-library
    """
    top = name.partition(".")[0]
    try:
        importlib.import_module(top)
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == top:
            raise InvalidInput(f"{top} is not installed; run pip install {needs}") from error
        raise InvalidInput(f"{top} cannot be imported: {error}; run pip install {needs}") from error
    except Exception as error:  # a library that does not fit another one fails in any way
        said = shorten(str(error), 300)
        raise InvalidInput(f"{top} cannot be imported: {type(error).__name__}: {said}") from error


def unknown(what: str, name: str, known: Iterable[str], where: str) -> InvalidInput:
    """Returns the refusal of an unknown name, with the nearest ones; `where` says where all are, for there are many.

    Example:
        >>> unknown("model of timm", "resnet81", ["resnet18", "vit_tiny"], "timm.list_models() has all")
        InvalidInput("unknown model of timm 'resnet81'; did you mean resnet18?")
        >>> unknown("model of timm", "?", ["resnet18", "vit_tiny"], "timm.list_models() has all")
        InvalidInput("unknown model of timm '?'; timm.list_models() has all")
    """
    known = sorted(known)
    if difflib.get_close_matches(name, known, n=1, cutoff=0.5):
        return InvalidInput(registry.unknown(what, name, known))
    return InvalidInput(f"unknown {what} {name!r}; {where}")


def refuse_reserved(query: Query, from_task: Mapping[str, str], no_weights: Iterable[str]) -> None:
    """Raises InvalidInput for arguments that are the task's to set, and for those that would load weights."""
    for name in query.values:
        if name in from_task:
            raise InvalidInput(
                f"{query.target}: {name} follows from the task; leave it out, or give --set {from_task[name]}=N"
            )
        if name in no_weights:
            raise InvalidInput(f"{query.target}: {name} is not taken: models are built from their configuration alone")


def _field(options: tuple[Scalar, ...]) -> Field:
    numbers = [value for value in options if isinstance(value, int | float) and not isinstance(value, bool)]
    rising = len(numbers) == len(options) and all(a < b for a, b in itertools.pairwise(numbers))
    return Ordinal(*options) if rising else Choice(*options)
