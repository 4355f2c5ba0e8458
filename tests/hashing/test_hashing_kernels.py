"""Modules whose operators torch has in few types only, inputs that are given by name, and what is said of refusals."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from automl import Array, Probe, functional_hash
from automl.hashing.inputs import probe_description
from automl.hashing.torch_kernels import grouped_mm

ROWS = Probe(inputs=(Array((8,)),))


class Experts(nn.Module):
    """Four experts, two of them for each example, by grouped products or one after the other."""

    def __init__(self, *, grouped: bool, size: int = 8) -> None:
        super().__init__()
        self.gate, self.grouped = nn.Linear(8, 4), grouped
        self.enter = nn.Parameter(torch.randn(4, 8, size))
        self.leave = nn.Parameter(torch.randn(4, size, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, index = self.gate(x).softmax(1).topk(2)
        expert, order = index.flatten().sort(stable=True)
        rows = x[order // 2]
        counts = torch.bincount(expert, minlength=4)
        if self.grouped:
            ends = counts.cumsum(0).to(torch.int32)
            hidden = torch.relu(torch.nn.functional.grouped_mm(rows, self.enter, offs=ends))
            given = torch.nn.functional.grouped_mm(hidden, self.leave, offs=ends)
        else:
            given = torch.cat(
                [
                    torch.relu(part @ self.enter[number]) @ self.leave[number]
                    for number, part in enumerate(rows.split(counts.tolist()))
                ]
            )
        return torch.zeros_like(x).index_add(0, order // 2, given * weight.flatten()[order, None])


def test_experts_by_grouped_products_are_experts_one_after_the_other() -> None:
    grouped = functional_hash(Experts(grouped=True), ROWS)
    assert grouped == functional_hash(Experts(grouped=False), ROWS)
    assert grouped != functional_hash(Experts(grouped=True, size=16), ROWS)


@pytest.mark.parametrize(
    ("left", "right", "ends"),
    [
        ((7, 4), (2, 4, 8), [5, 7]),  # rows in groups
        ((4, 8), (8, 4), [4, 8]),  # inner axes in groups
        ((2, 4, 4), (4, 8), [4, 8]),  # columns in groups
        ((2, 4, 4), (2, 4, 8), None),  # one product each
    ],
)
def test_grouped_products_are_torchs(left: tuple[int, ...], right: tuple[int, ...], ends: list[int] | None) -> None:
    one, other = torch.randn(left), torch.randn(right)
    offs = None if ends is None else torch.tensor(ends, dtype=torch.int32)
    expected = torch.nn.functional.grouped_mm(one, other, offs=offs)
    assert torch.allclose(grouped_mm(one, other, offs=offs), expected, atol=1e-5)


def test_rows_beyond_all_groups_are_zero() -> None:
    found = grouped_mm(torch.ones(5, 4), torch.ones(2, 4, 4), offs=torch.tensor([1, 3], dtype=torch.int32))
    assert found.sum(1).tolist() == [16.0, 16.0, 16.0, 0.0, 0.0]


@torch.library.custom_op("automl_tests::soft_sign", mutates_args=())
def soft_sign(x: torch.Tensor) -> torch.Tensor:
    """x / (1 + |x|), as a kernel that somebody wrote for float32 only."""
    if x.dtype != torch.float32:
        raise RuntimeError(f"soft_sign is not implemented for {x.dtype}")
    return x / (1.0 + x.abs())


@soft_sign.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


soft_sign.register_autograd(
    lambda ctx, gradient: gradient / (1.0 + ctx.saved_tensors[0].abs()) ** 2,
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]),
)


def _soft_sign(x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = soft_sign(x)
    return found


class Kernel(nn.Module):
    def __init__(self, curve: object, size: int = 12) -> None:
        super().__init__()
        self.first, self.last, self.curve = nn.Linear(8, size), nn.Linear(size, 3), curve

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.curve(self.first(x)))  # type: ignore[operator]


def test_a_kernel_for_float32_only_gives_a_key_with_fewer_bits() -> None:
    first = functional_hash(Kernel(_soft_sign), ROWS)
    assert first == functional_hash(Kernel(_soft_sign), ROWS)
    assert first == functional_hash(nn.Sequential(Kernel(_soft_sign), nn.Identity()), ROWS)
    assert first != functional_hash(Kernel(_soft_sign, 13), ROWS)
    assert first != functional_hash(Kernel(lambda x: torch.tanh(soft_sign(x))), ROWS)
    assert first != functional_hash(Kernel(nn.Softsign()), ROWS)  # how exactly it is known belongs to the key


class Gradient(torch.autograd.Function):
    """tanh, its backward pass by a kernel for float32 only."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (1.0 - soft_sign(ctx.saved_tensors[0]) ** 2)


def test_a_backward_pass_may_have_a_kernel_for_float32_only() -> None:
    key = functional_hash(Kernel(Gradient.apply), ROWS)
    assert key == functional_hash(nn.Sequential(Kernel(Gradient.apply), nn.Identity()), ROWS)
    assert key != functional_hash(Kernel(torch.tanh), ROWS)


def test_what_fails_in_every_type_is_said_as_it_was() -> None:
    with pytest.raises(Exception, match="cannot be multiplied"):
        functional_hash(nn.Linear(7, 3), ROWS)


class ByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(30, 8), nn.Linear(8, 8)

    def forward(self, *, tokens: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return self.table(tokens).mean(1) + self.layer(image)


def test_inputs_are_given_by_name() -> None:
    tokens, image = Array((6,), 0, 29, name="tokens"), Array((8,), name="image")
    key = functional_hash(ByName(), Probe(inputs=(tokens, image)))

    class ByPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = ByName()

        def forward(self, tokens: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
            return self.inner(image=image, tokens=tokens)

    assert key == functional_hash(ByPlace(), Probe(inputs=(Array((6,), 0, 29), Array((8,)))))
    assert key == functional_hash(ByPlace(), Probe(inputs=(Array((6,), 0, 29), Array((8,), name="image"))))


def test_probes_without_names_are_described_as_they_were() -> None:
    named = Probe(inputs=(Array((6,), 0, 29, name="tokens"), Array((8,))))
    assert probe_description(named)["inputs"] == [
        {"shape": [6], "low": 0, "high": 29, "name": "tokens"},
        {"shape": [8], "low": None, "high": None},
    ]
