"""What an artefact holds: named tensors and JSON facts, in one safetensors file whose digest is its name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from automl.errors import ArtefactUnreadable, InvalidInput
from automl.jsontext import canonical, parse

if TYPE_CHECKING:
    import numpy as np
    import torch

_FACTS = "automl"
"""The one entry of the file's metadata: several would be written in no fixed order, and change the digest."""

_LENGTH = 8
_MOST_HEADER = 100_000_000
"""Bytes of the header, at most: the format's own bound."""


class Content:
    """Named tensors and JSON facts as bytes of the safetensors format. Reading it runs no code.

    Equal tensors and facts give equal bytes, and so the same digest.

    Args:
        data: Bytes of a safetensors file.

    Raises:
        ArtefactUnreadable: the bytes are no such file.

    Example:
        >>> import numpy as np
        >>> content = Content.of({"weight": np.eye(2, dtype=np.float32)}, {"epochs": 3})
        >>> content.facts, content.arrays()["weight"].shape, len(content.digest)
        ({'epochs': 3}, (2, 2), 64)
        >>> Content(content.data).digest == content.digest
        True
        >>> Content(b"no such file")
        Traceback (most recent call last):
        automl.errors.ArtefactUnreadable: ...
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.facts = _facts(data)

    @classmethod
    def of(cls, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> Content:
        """Returns the content with these tensors and facts.

        Args:
            tensors: Numpy arrays, or torch tensors, by name. Two of them may not share memory.
            facts: JSON data.

        Raises:
            InvalidInput: the facts are no JSON.
        """
        metadata = {_FACTS: canonical(facts)}
        if any(type(one).__module__.partition(".")[0] == "torch" for one in tensors.values()):
            from safetensors.torch import save as save_tensors

            return cls(save_tensors({name: one.detach().cpu().contiguous() for name, one in tensors.items()}, metadata))
        import numpy as np
        from safetensors.numpy import save as save_arrays

        return cls(save_arrays({name: np.ascontiguousarray(one) for name, one in tensors.items()}, metadata))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, 64 hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the tensors as numpy arrays, by name.

        Raises:
            ArtefactUnreadable: they are damaged, or of a type that numpy lacks (bfloat16).
        """
        from safetensors.numpy import load

        return dict(_loaded(load, self.data))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns the tensors as torch tensors on the CPU, by name.

        Raises:
            ArtefactUnreadable: they are damaged.
        """
        from safetensors.torch import load

        return dict(_loaded(load, self.data))


def _loaded(load: Any, data: bytes) -> Any:
    try:
        return load(data)
    except Exception as error:  # a damaged file can fail in any way
        raise ArtefactUnreadable(f"an artefact cannot be read: {type(error).__name__}: {error}") from error


def _facts(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:_LENGTH], "little")
    if not 2 <= length <= min(_MOST_HEADER, len(data) - _LENGTH):
        raise ArtefactUnreadable(f"{len(data):,} bytes are no artefact: they do not begin as a safetensors file does")
    try:
        header = json.loads(data[_LENGTH : _LENGTH + length])
        facts = parse(header["__metadata__"][_FACTS])
    except (ValueError, KeyError, TypeError, RecursionError, InvalidInput) as error:
        raise ArtefactUnreadable("a safetensors file is no artefact: its header holds no facts of ours") from error
    if not isinstance(facts, dict):
        raise ArtefactUnreadable("the facts of an artefact are no JSON object")
    return facts
