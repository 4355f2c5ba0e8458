"""What was computed before, kept while it is asked for again and as long as it takes little memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

Value = TypeVar("Value", bound="torch.Tensor | tuple[torch.Tensor, ...] | tuple[np.ndarray, ...]")


class Kept(Generic[Value]):
    """Remembers arrays up to a number of bytes; those not asked for longest go first.

    Args:
        limit: bytes of all that is kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def keeps(self, size: int) -> bool:
        """Tells whether a value of so many bytes is remembered."""
        return size <= self._limit // 4

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Returns the value of `key`, made now unless it is kept."""
        with self._lock:
            known = self._values.get(key)
            if known is not None:
                self._values.move_to_end(key)
                return known[0]
        made = make()
        size = sum(item.nbytes for item in (made if isinstance(made, tuple) else (made,)))
        if not self.keeps(size):
            return made
        with self._lock:
            if key not in self._values:
                self._values[key] = made, size
                self._bytes += size
            while self._bytes > self._limit:
                _, (_, freed) = self._values.popitem(last=False)
                self._bytes -= freed
        return made
