"""Models of transformers: `transformers:TYPE?ARGUMENT=VALUE|VALUE`, for images and for token sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.behaviour import Array
from automl.errors import InvalidInput
from automl.spaces.space import Defaults
from search_spaces.libraries.configured import Configured, configured, library, refuse_reserved, unknown
from search_spaces.libraries.query import Query, parse
from search_spaces.nas.trained import image_sizes, token_sizes

if TYPE_CHECKING:
    from torch import nn

NEEDS = "'automl-functional-hashing[models]' (or transformers alone)"

HEADS = {
    "image-classification": ("AutoModelForImageClassification", "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES"),
    "sequence-classification": (
        "AutoModelForSequenceClassification",
        "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    ),
    "next-token": ("AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"),
}
"""What a model ends with: the class of transformers that makes it, and where that class's types of models are."""

FROM_TASK = {
    "image_size": "resolution",
    "num_channels": "channels",
    "num_labels": "classes",
    "vocab_size": "tokens",
    "id2label": "classes",
    "label2id": "classes",
}

NO_WEIGHTS = ("architectures", "dtype", "model_type", "name_or_path", "return_dict", "torch_dtype", "use_cache")
"""Arguments of loading, and of what a network returns."""

_MARKS = ("pad_token_id", "bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id", "mask_token_id")


class TransformersModels(Configured):
    """Space of configurations of one type of transformers' models, built without weights.

    Args:
        head: What the network ends with: image-classification, sequence-classification or next-token. A search takes
            it from the task unless it is given; empty takes the first of these that the type has.
        tokens: Number of different tokens; likewise.
        context: Largest number of places; likewise.
        resolution: Height and width of images; likewise.
        channels: Channels of images; likewise.
        classes: Number of classes; likewise.

    Raises:
        InvalidInput: the type has no such head, or the library refuses the arguments.
    """

    defaults = Defaults(evaluator="classification", trials=50)

    def __init__(
        self,
        head: str = "",
        tokens: int = 128,
        context: int = 64,
        resolution: int = 224,
        channels: int = 3,
        classes: int = 10,
    ) -> None:
        there = heads_of(self._query.model)
        if head and head not in there:
            raise InvalidInput(
                f"{self._query.target} has no model for {head!r}; it has one for {' and '.join(there)}"
                + ("" if head in HEADS else f" (there are {', '.join(HEADS)})")
            )
        self._head = head or there[0]
        self._sizes = {
            "tokens": tokens,
            "context": context,
            "resolution": resolution,
            "channels": channels,
            "classes": classes,
        }
        self.tried()

    def settings(self) -> Mapping[str, Any]:
        return {"head": self._head, **self._sizes}

    @classmethod
    def sizes_for(cls, inputs: Sequence[Array], outputs: int) -> Mapping[str, Any]:
        """Returns head and sizes. Targets as many as there are tokens are tokens."""
        if images := image_sizes(inputs, outputs):
            return {"head": "image-classification", **images}
        tokens = token_sizes(inputs, outputs)
        if not tokens:
            return {}
        assert inputs[0].high is not None
        head = "next-token" if outputs >= inputs[0].high else "sequence-classification"
        return {"head": head, "classes": outputs, **tokens}

    def made(self, arguments: Mapping[str, Any]) -> nn.Module:
        from search_spaces.libraries.transformers_layers import Logits

        transformers = library("transformers", NEEDS)
        maker = getattr(transformers, HEADS[self._head][0])
        return Logits(maker.from_config(self._configuration(arguments)))

    def _configuration(self, arguments: Mapping[str, Any]) -> Any:
        """Returns the configuration: the type's own, the arguments, and what follows from the task."""
        kind = configuration_class(self._query.model)
        own, arguments = kind(), _by_own_names(kind, arguments)
        if self._head == "image-classification":
            follows = {"image_size": self._sizes["resolution"], "num_channels": self._sizes["channels"]}
        else:
            follows = {"vocab_size": self._sizes["tokens"], **_marks(own, self._sizes["tokens"])}
            places = getattr(own, "max_position_embeddings", None)
            if isinstance(places, int):  # two more, for types that count from behind the padding
                follows["max_position_embeddings"] = max(places, self._sizes["context"] + 2)
            padding = follows.get("pad_token_id", getattr(own, "pad_token_id", None))
            if self._head == "sequence-classification" and padding is None:
                follows["pad_token_id"] = 0  # by it decoders find the last token, whose output they classify
            if self._head == "next-token":
                follows["is_decoder"] = True  # without it, BERT and its kin see what they are to predict
        if hasattr(own, "use_cache"):
            follows["use_cache"] = False
        follows |= _heads(own, arguments)
        there = _by_own_names(kind, {name: value for name, value in follows.items() if hasattr(own, name)})
        if self._head != "next-token":
            there["num_labels"] = self._sizes["classes"]
        return kind(**{**there, **arguments})


def _by_own_names(kind: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments by the names that a type has for them: `n_embd` for `hidden_size` in GPT-2."""
    return {kind.attribute_map.get(name, name): value for name, value in arguments.items()}


def _marks(own: Any, tokens: int) -> dict[str, Any]:
    """Returns the marks that are no tokens of this vocabulary as None."""
    found: dict[str, Any] = {}
    for mark in _MARKS:
        value = getattr(own, mark, None)
        if isinstance(value, int) and value >= tokens:
            found[mark] = None
    return found


def _heads(own: Any, arguments: Mapping[str, Any]) -> dict[str, int]:
    """Returns the largest number of heads, up to the type's own, that divides a width that is named."""
    width = arguments.get(own.attribute_map.get("hidden_size", "hidden_size"))
    heads = getattr(own, "num_attention_heads", None)
    if not isinstance(width, int) or not isinstance(heads, int) or width < 1 or heads < 1:
        return {}
    return {"num_attention_heads": max(count for count in range(1, heads + 1) if width % count == 0)}


def heads_of(kind: str) -> list[str]:
    """Returns the heads that transformers has for a type of models."""
    auto = library("transformers.models.auto.modeling_auto", NEEDS)
    return [head for head, (_, names) in HEADS.items() if kind in getattr(auto, names)]


def configuration_class(kind: str) -> Any:
    """Returns the class of a type's configuration."""
    return library("transformers", NEEDS).CONFIG_MAPPING[kind]


def find(text: str) -> type[TransformersModels]:
    """Returns the space that `transformers:TEXT` names: the entry point of this scheme.

    Raises:
        InvalidInput: transformers is not installed, has no such type, or the arguments are not its.
        InvalidSpace: the text has another form.

    Example:
        >>> find("bert?hidden_size=[64]|128")
        Traceback (most recent call last):
        automl.errors.InvalidSpace: transformers:bert?hidden_size=[64]|128: hidden_size: [64] is a list; give numbers, \
texts, true, false or null
    """
    query = parse("transformers", text)
    refuse_reserved(query, FROM_TASK, NO_WEIGHTS)
    auto = library("transformers.models.auto.modeling_auto", NEEDS)
    types = {kind for _, names in HEADS.values() for kind in getattr(auto, names)}
    if query.model not in types:
        where = "types with a head for classification or for the next token are meant, such as bert, gpt2 and vit"
        raise unknown("type of transformers' models", query.model, types, where)
    _check_arguments(query)
    return configured(TransformersModels, query)


def _check_arguments(query: Query) -> None:
    """Refuses unknown arguments, which transformers would take without a word."""
    kind = configuration_class(query.model)
    from_task = {kind.attribute_map.get(name, name): setting for name, setting in FROM_TASK.items()}
    refuse_reserved(query, from_task, ())
    known = {*kind().to_dict(), *kind.attribute_map} - {*FROM_TASK, *from_task, *NO_WEIGHTS, "transformers_version"}
    for name in query.values:
        if name not in known:
            raise unknown(f"argument of {query.target}", name, known, f"see transformers.{kind.__name__}")
        if (own := kind.attribute_map.get(name, name)) != name and own in query.values:
            raise InvalidInput(f"{query.target}: {name} and {own} are the same argument; keep one")
