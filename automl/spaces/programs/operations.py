"""The operations of programs: the 65 of AutoML-Zero (Real et al. 2020, arXiv 2003.03384, Table S1) and a user's own.

Types: "s" a scalar, "v" a vector of F numbers, "m" a matrix of F x F. Operations keep the numbers of Table S1; a
user's own are numbered from 65. Where numpy and the published implementation differ we follow numpy: minimum, maximum
and the step function (0 at 0) hand NaN on, and a standard deviation is never the root of a negative rounding error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from automl.errors import InvalidInput

FIRST_OWN = 65
"""Number of the first operation that is not in Table S1."""

# What the interpreter does for an operation; operations that differ only in size share a kernel.
(
    NOTHING, ADD, SUBTRACT, MULTIPLY, DIVIDE, ABSOLUTE, RECIPROCAL, SIN, COS, TAN, ARCSIN, ARCCOS, ARCTAN, EXP, LOG,
    STEP, SCALE, SPREAD, NORM, DOT, OUTER, APPLY, COLUMNS, ROWS, COLUMN_NORMS, TRANSPOSE, MATMUL, MINIMUM, MAXIMUM,
    MEAN, DEVIATION, FILL, UNIFORM, GAUSSIAN, OWN,
) = range(35)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """Kind of instruction: its name, types and effect.

    Attributes:
        name: Unique name; `operations=[...]` of a space lists these names.
        output: Type of the address that it writes ("s", "v" or "m"); "" for the operation that does nothing.
        inputs: Types of the addresses that it reads, at most two.
        form: Format of its text: {0} and {1} stand for the inputs, # for a constant, [i] for an index of the output.
        meaning: One clause for readers, with {out}, {0}, {1}, {i}, {j}, {x}, {y} to be filled in.
        kernel: Number that tells the interpreter what to do.
        commutes: True if the two inputs can be exchanged.
        function: Function of a user's own operation: function(out, first[, second]), which numba can compile. It writes
            its result into `out` and depends on nothing but its inputs. A scalar is an array of shape (1,), a vector
            one of shape (F,), a matrix one of shape (F, F).

    Example:
        >>> product = next(one for one in OPERATIONS if one.name == "vector_inner_product")
        >>> product.output, product.inputs, product.form.format("v0", "v1")
        ('s', ('v', 'v'), 'dot(v0, v1)')
    """

    name: str
    output: str
    inputs: tuple[str, ...]
    form: str
    meaning: str = ""
    kernel: int = OWN
    commutes: bool = False
    function: Callable[..., None] | None = field(default=None, compare=False)

    @property
    def constants(self) -> int:
        """Number of real constants."""
        return self.form.count("#")

    @property
    def indices(self) -> int:
        """Number of indices of the single element that it writes."""
        return {"[i] = ": 1, "[i, j] = ": 2}.get(self.form.partition("#")[0], 0)

    @property
    def random(self) -> bool:
        return self.kernel in (UNIFORM, GAUSSIAN)


def own_operation(
    name: str, output: str, inputs: tuple[str, ...], function: Callable[..., None], meaning: str = ""
) -> Operation:
    """Returns an operation that a user defines; programs write it as `output = name(input, ...)`.

    Args:
        name: Name of letters, digits and underscores.
        output: Type of the result: "s" (scalar), "v" (vector) or "m" (matrix).
        inputs: Types of the one or two inputs.
        function: Function that computes the result, see `Operation`.
        meaning: One clause for readers.

    Raises:
        InvalidInput: the name or a type is invalid, or there are not one or two inputs.

    Example:
        >>> def clip(out, first):
        ...     out[0] = min(1.0, max(-1.0, first[0]))
        >>> own_operation("clip", "s", ("s",), clip, "{0}, no further than 1 from 0").form
        'clip({0})'
        >>> own_operation("clip", "scalar", ("s",), clip)
        Traceback (most recent call last):
        automl.errors.InvalidInput: operation 'clip': type 'scalar' is none of 's' (scalar), 'v' (vector), 'm' ...
    """
    if not name.isidentifier():
        raise InvalidInput(f"operation {name!r}: a name consists of letters, digits and underscores")
    for kind in (output, *inputs):
        if kind not in ("s", "v", "m"):
            raise InvalidInput(f"operation {name!r}: type {kind!r} is none of 's' (scalar), 'v' (vector), 'm' (matrix)")
    if not 1 <= len(inputs) <= 2:
        raise InvalidInput(f"operation {name!r} has {len(inputs)} inputs; give it one or two")
    places = ", ".join(f"{{{place}}}" for place in range(len(inputs)))
    return Operation(
        name, output, tuple(inputs), f"{name}({places})", meaning or f"{name}({places})", OWN, False, function
    )


def _table() -> tuple[Operation, ...]:
    o = Operation
    return (
        o("no_op", "", (), "no_op()", "does nothing", NOTHING),
        o("scalar_sum", "s", ("s", "s"), "{0} + {1}", "{0} plus {1}", ADD, True),
        o("scalar_diff", "s", ("s", "s"), "{0} - {1}", "{0} minus {1}", SUBTRACT),
        o("scalar_product", "s", ("s", "s"), "{0} * {1}", "{0} times {1}", MULTIPLY, True),
        o("scalar_division", "s", ("s", "s"), "{0} / {1}", "{0} divided by {1}", DIVIDE),
        o("scalar_abs", "s", ("s",), "abs({0})", "absolute value of {0}", ABSOLUTE),
        o("scalar_reciprocal", "s", ("s",), "1 / {0}", "reciprocal of {0}", RECIPROCAL),
        o("scalar_sin", "s", ("s",), "sin({0})", "sine of {0}", SIN),
        o("scalar_cos", "s", ("s",), "cos({0})", "cosine of {0}", COS),
        o("scalar_tan", "s", ("s",), "tan({0})", "tangent of {0}", TAN),
        o("scalar_arcsin", "s", ("s",), "arcsin({0})", "arc sine of {0}", ARCSIN),
        o("scalar_arccos", "s", ("s",), "arccos({0})", "arc cosine of {0}", ARCCOS),
        o("scalar_arctan", "s", ("s",), "arctan({0})", "arc tangent of {0}", ARCTAN),
        o("scalar_exp", "s", ("s",), "exp({0})", "e to the power of {0}", EXP),
        o("scalar_log", "s", ("s",), "log({0})", "natural logarithm of {0}", LOG),
        o("scalar_heaviside", "s", ("s",), "heaviside({0})", "1 where {0} is positive, else 0", STEP),
        o("vector_heaviside", "v", ("v",), "heaviside({0})", "1 where {0} is positive, else 0", STEP),
        o("matrix_heaviside", "m", ("m",), "heaviside({0})", "1 where {0} is positive, else 0", STEP),
        o("scalar_vector_product", "v", ("s", "v"), "{0} * {1}", "{1} scaled by {0}", SCALE),
        o("scalar_broadcast", "v", ("s",), "broadcast({0})", "{0} in every element", SPREAD),
        o("vector_reciprocal", "v", ("v",), "1 / {0}", "reciprocals of {0}", RECIPROCAL),
        o("vector_norm", "s", ("v",), "norm({0})", "Euclidean norm of {0}", NORM),
        o("vector_abs", "v", ("v",), "abs({0})", "absolute values of {0}", ABSOLUTE),
        o("vector_sum", "v", ("v", "v"), "{0} + {1}", "{0} plus {1}", ADD, True),
        o("vector_diff", "v", ("v", "v"), "{0} - {1}", "{0} minus {1}", SUBTRACT),
        o("vector_product", "v", ("v", "v"), "{0} * {1}", "{0} times {1}, element by element", MULTIPLY, True),
        o("vector_division", "v", ("v", "v"), "{0} / {1}", "{0} divided by {1}, element by element", DIVIDE),
        o("vector_inner_product", "s", ("v", "v"), "dot({0}, {1})", "inner product of {0} and {1}", DOT, True),
        o("vector_outer_product", "m", ("v", "v"), "outer({0}, {1})", "outer product of {0} and {1}", OUTER),
        o("scalar_matrix_product", "m", ("s", "m"), "{0} * {1}", "{1} scaled by {0}", SCALE),
        o("matrix_reciprocal", "m", ("m",), "1 / {0}", "reciprocals of {0}", RECIPROCAL),
        o("matrix_vector_product", "v", ("m", "v"), "dot({0}, {1})", "matrix {0} applied to {1}", APPLY),
        o("vector_column_broadcast", "m", ("v",), "broadcast({0}, axis=0)", "{0} in every column", COLUMNS),
        o("vector_row_broadcast", "m", ("v",), "broadcast({0}, axis=1)", "{0} in every row", ROWS),
        o("matrix_norm", "s", ("m",), "norm({0})", "Frobenius norm of {0}", NORM),
        o("matrix_column_norm", "v", ("m",), "norm({0}, axis=0)", "norm of each column of {0}", COLUMN_NORMS),
        o("matrix_row_norm", "v", ("m",), "norm({0}, axis=1)", "norm of each row of {0}", NORM),
        o("matrix_transpose", "m", ("m",), "transpose({0})", "{0} transposed", TRANSPOSE),
        o("matrix_abs", "m", ("m",), "abs({0})", "absolute values of {0}", ABSOLUTE),
        o("matrix_sum", "m", ("m", "m"), "{0} + {1}", "{0} plus {1}", ADD, True),
        o("matrix_diff", "m", ("m", "m"), "{0} - {1}", "{0} minus {1}", SUBTRACT),
        o("matrix_product", "m", ("m", "m"), "{0} * {1}", "{0} times {1}, element by element", MULTIPLY, True),
        o("matrix_division", "m", ("m", "m"), "{0} / {1}", "{0} divided by {1}, element by element", DIVIDE),
        o("matrix_matrix_product", "m", ("m", "m"), "matmul({0}, {1})", "matrix product of {0} and {1}", MATMUL),
        o("scalar_min", "s", ("s", "s"), "minimum({0}, {1})", "the smaller of {0} and {1}", MINIMUM, True),
        o("vector_min", "v", ("v", "v"), "minimum({0}, {1})", "the smaller of {0} and {1}, by element", MINIMUM, True),
        o("matrix_min", "m", ("m", "m"), "minimum({0}, {1})", "the smaller of {0} and {1}, by element", MINIMUM, True),
        o("scalar_max", "s", ("s", "s"), "maximum({0}, {1})", "the larger of {0} and {1}", MAXIMUM, True),
        o("vector_max", "v", ("v", "v"), "maximum({0}, {1})", "the larger of {0} and {1}, by element", MAXIMUM, True),
        o("matrix_max", "m", ("m", "m"), "maximum({0}, {1})", "the larger of {0} and {1}, by element", MAXIMUM, True),
        o("vector_mean", "s", ("v",), "mean({0})", "mean of {0}", MEAN),
        o("matrix_mean", "s", ("m",), "mean({0})", "mean of {0}", MEAN),
        o("matrix_row_mean", "v", ("m",), "mean({0}, axis=1)", "mean of each row of {0}", MEAN),
        o("matrix_row_st_dev", "v", ("m",), "std({0}, axis=1)", "standard deviation of each row of {0}", DEVIATION),
        o("vector_st_dev", "s", ("v",), "std({0})", "standard deviation of {0}", DEVIATION),
        o("matrix_st_dev", "s", ("m",), "std({0})", "standard deviation of {0}", DEVIATION),
        o("scalar_const_set", "s", (), "#", "the constant {x}", FILL),
        o("vector_const_set", "v", (), "[i] = #", "element {i} becomes {x}", FILL),
        o("matrix_const_set", "m", (), "[i, j] = #", "element {i}, {j} becomes {x}", FILL),
        o("scalar_uniform_set", "s", (), "uniform(#, #)", "uniform draw between {x} and {y}", UNIFORM),
        o("vector_uniform_set", "v", (), "uniform(#, #)", "uniform draws between {x} and {y}", UNIFORM),
        o("matrix_uniform_set", "m", (), "uniform(#, #)", "uniform draws between {x} and {y}", UNIFORM),
        o("scalar_gaussian_set", "s", (), "gaussian(#, #)", "normal draw with mean {x}, deviation {y}", GAUSSIAN),
        o("vector_gaussian_set", "v", (), "gaussian(#, #)", "normal draws with mean {x}, deviation {y}", GAUSSIAN),
        o("matrix_gaussian_set", "m", (), "gaussian(#, #)", "normal draws with mean {x}, deviation {y}", GAUSSIAN),
    )  # fmt: skip


OPERATIONS = _table()
"""Operation n of Table S1 is OPERATIONS[n]."""
