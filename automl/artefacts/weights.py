"""The weights of a torch module as the content of an artefact, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl.artefacts.content import Content
from automl.errors import InvalidInput, one_line

if TYPE_CHECKING:
    import torch
    from torch import nn

_SHARED = "shared"
"""Names of further parameters that are the same tensor as another one."""


def weights_of(module: nn.Module, facts: Mapping[str, Any]) -> Content:
    """Returns a module's parameters and buffers, with facts beside them.

    A parameter that stands under two names is kept once.

    Args:
        module: Trained module.
        facts: JSON data.

    Raises:
        InvalidInput: the module keeps state that is no tensor, so it could not be rebuilt.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> content = weights_of(layer, {"seed": 3})
        >>> other = torch.nn.Linear(2, 1)
        >>> load_weights(other, content)
        >>> bool((other.weight == layer.weight).all())
        True
    """
    import torch

    first: dict[tuple[Any, ...], str] = {}
    tensors: dict[str, torch.Tensor] = {}
    shared: dict[str, str] = {}
    for name, value in module.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise InvalidInput(
                f"the module keeps {name!r}, a {type(value).__name__}, in its state; weights are kept of tensors only"
            )
        if value.is_sparse or value.is_quantized:
            raise InvalidInput(f"the module's {name!r} is a sparse or quantized tensor; weights are kept of dense ones")
        mark = (value.data_ptr(), value.dtype, tuple(value.shape), value.stride(), value.device)
        if value.numel() and mark in first:
            shared[name] = first[mark]
            continue
        first[mark] = name
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
    return Content.of(tensors, {**facts, _SHARED: shared})


def state_of(content: Content) -> dict[str, torch.Tensor]:
    """Returns the whole state of a module, with the names that share a tensor."""
    state = content.tensors()
    return {**state, **{name: state[one] for name, one in content.facts.get(_SHARED, {}).items()}}


def load_weights(module: nn.Module, content: Content) -> None:
    """Puts kept weights into an untrained module.

    Raises:
        InvalidInput: they are not those of such a module; the first differences are named.
    """
    try:
        module.load_state_dict(state_of(content))
    except (RuntimeError, KeyError, AttributeError) as error:
        raise InvalidInput(
            f"the kept weights do not fit what the space builds now: {one_line(str(error), 300)}; was its code changed?"
        ) from error
