"""Models of timm: `timm:NAME?ARGUMENT=VALUE|VALUE`, for images."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array
from automl.errors import InvalidInput
from automl.spaces.space import Defaults
from search_spaces.libraries.configured import Configured, configured, library, refuse_reserved, unknown
from search_spaces.libraries.query import parse
from search_spaces.nas.trained import image_sizes

if TYPE_CHECKING:
    from torch import nn

NEEDS = "'automl-functional-hashing[models]' (or timm alone)"

SHORT = {"drop": "drop_rate", "drop_path": "drop_path_rate", "drop_block": "drop_block_rate"}
"""Arguments by the names that timm's own training script has for them."""

FROM_TASK = {"num_classes": "classes", "in_chans": "channels", "img_size": "resolution"}

NO_WEIGHTS = (
    "cache_dir",
    "checkpoint_path",
    "features_only",
    "model_name",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "pretrained_strict",
)

_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")


class TimmModels(Configured):
    """Space of configurations of one model of timm, built without weights.

    Args:
        resolution: Height and width of the images. A search takes it from the task unless it is given. It reaches
            models that have an `img_size`; the others take images of any size.
        channels: Channels of the images; likewise.
        classes: Number of classes; likewise.
    """

    defaults = Defaults(evaluator="classification", trials=50)

    def __init__(self, resolution: int = 224, channels: int = 3, classes: int = 1000) -> None:
        self._sizes = {"resolution": resolution, "channels": channels, "classes": classes}
        self._sized = True
        self.tried()

    def settings(self) -> Mapping[str, Any]:
        return dict(self._sizes)

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        return image_sizes(inputs, outputs)

    def made(self, arguments: Mapping[str, Any]) -> nn.Module:
        given = {SHORT.get(name, name): value for name, value in arguments.items()}
        try:
            return self._created(given)
        except TypeError as error:
            found = _UNEXPECTED.search(str(error))
            if found is None:
                raise
            if found[1] == "img_size" and self._sized:
                self._sized = False  # a model for images of any size
                return self.made(arguments)
            named = next((name for name in arguments if SHORT.get(name, name) == found[1]), None)
            if named is None:
                raise
            where = f"timm.create_model({self._query.model!r}) says what it takes"
            raise unknown(f"argument of {self._query.target}", named, self._known(), where) from error

    def _known(self) -> set[str]:
        found: set[str] = set()
        for kind in type(self._created({})).__mro__:
            if kind.__module__.startswith("timm."):
                found |= set(inspect.signature(kind).parameters)
        short = {name for name, whole in SHORT.items() if whole in found}
        return (found | short) - {"args", "kwargs", *FROM_TASK, *NO_WEIGHTS}

    def _created(self, given: Mapping[str, Any]) -> nn.Module:
        sizes = {"num_classes": self._sizes["classes"], "in_chans": self._sizes["channels"]}
        if self._sized:
            sizes["img_size"] = self._sizes["resolution"]
        made: nn.Module = library("timm", NEEDS).create_model(self._query.model, pretrained=False, **sizes, **given)
        return made


def find(text: str) -> type[TimmModels]:
    """Returns the space that `timm:TEXT` names: the entry point of this scheme.

    Raises:
        InvalidInput: timm is not installed, has no such model, or the arguments are not its.
        InvalidSpace: the text has another form.

    Example:
        >>> find("?drop_path=0|0.1")
        Traceback (most recent call last):
        automl.errors.InvalidSpace: timm:?drop_path=0|0.1: no model is named; write timm:MODEL?ARGUMENT=VALUE|VALUE
    """
    query = parse("timm", text)
    refuse_reserved(query, FROM_TASK, NO_WEIGHTS)
    for short, whole in SHORT.items():
        if short in query.values and whole in query.values:
            raise InvalidInput(f"{query.target}: {short} and {whole} are the same argument; keep one")
    timm = library("timm", NEEDS)
    if not timm.is_model(query.model):
        raise unknown("model of timm", query.model, timm.list_models(), "timm.list_models() has all")
    return configured(TimmModels, query)
