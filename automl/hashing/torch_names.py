"""Which functions of torch do what while a module is hashed, by name."""

from __future__ import annotations

import torch

DROPS = frozenset(
    [
        "alpha_dropout",
        "alpha_dropout_",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "feature_dropout",
        "feature_dropout_",
        "feature_alpha_dropout",
        "feature_alpha_dropout_",
        "rrelu",
        "rrelu_",
        "native_dropout",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "fractional_max_pool2d",
        "fractional_max_pool2d_with_indices",
        "fractional_max_pool3d",
        "fractional_max_pool3d_with_indices",
        "poisson",
        "multinomial",
        "binomial",
        "_standard_gamma",
        "_sample_dirichlet",
        "trunc_normal_",
        "orthogonal_",
        "sparse_",
    ]
)
"""Random functions of tensors: drawn from their arguments."""

NOISE = frozenset(
    [
        "rand",
        "randn",
        "rand_like",
        "randn_like",
        "randint",
        "randint_like",
        "randperm",
        "bernoulli",
        "bernoulli_",
        "normal",
        "normal_",
        "uniform_",
        "exponential_",
        "random_",
        "geometric_",
        "cauchy_",
        "log_normal_",
        "xavier_uniform_",
        "xavier_normal_",
        "kaiming_uniform_",
        "kaiming_normal_",
    ]
)
"""Sources of noise, whose rate may only show in a later comparison; the numbers that meet it are recorded."""

FILLED = frozenset(["trunc_normal_", "orthogonal_", "sparse_"])
"""Those among them that overwrite their tensor, whose values before mean nothing."""

LIKE = {"rand_like": torch.rand, "randn_like": torch.randn}
INSIDE = frozenset(["multi_head_attention_forward", "gumbel_softmax", "grad", "backward"])
"""Functions written in Python whose own calls must be seen, those that a backward pass makes among them."""

PLAIN = frozenset(
    ["dim", "size", "view", "reshape", "transpose", "permute", "flatten", "unflatten", "unsqueeze", "squeeze"]
) | frozenset(["clone", "contiguous", "is_floating_point", "numel", "stride"])
"""Methods that neither draw, nor cast, nor mix tensors."""

LAID_OUT = PLAIN | frozenset(
    ["expand", "expand_as", "repeat", "__getitem__", "to", "type", "detach", "movedim", "swapaxes", "chunk"]
)
"""Functions whose numbers say how values lie, not what they are."""

WIDER = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
"""Each type of number that is too coarse to be hashed, and what it becomes."""

CASTS = frozenset(["float", "half", "bfloat16", "cfloat", "chalf"])
FLOATS = frozenset(["zeros", "ones", "empty", "rand", "randn", "linspace", "logspace", "eye", "empty_strided"])

WATCHED = (
    CASTS
    | DROPS
    | NOISE
    | FLOATS
    | INSIDE
    | frozenset(["to", "type", "requires_grad_", "__set__", "__get__", "__deepcopy__", "dropout", "dropout_"])
    | frozenset(["scaled_dot_product_attention", "_set_grad_enabled", "detach", "detach_"])
)
"""Functions that are not just called where no argument is narrow and there is no noise."""

ACTING = CASTS | DROPS | NOISE | FLOATS | INSIDE - {"grad"} | {"to", "type", "requires_grad_", "__set__"}
