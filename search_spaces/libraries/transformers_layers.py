"""The module around a model of transformers: one tensor in, logits out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Logits(nn.Module):
    """Model of transformers that takes its main input by place and returns its logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self._input: str = model.main_input_name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(**{self._input: x}, return_dict=True).logits
        return logits
