"""The compiled interpreter's inner part: runs a stretch of prepared instructions for several tasks in step.

Memory is one flat array; an address is a block of rows x tasks numbers, the tasks side by side (a scalar has 1 row, a
vector F, a matrix F * F). So an instruction is decoded once for all tasks, and its loop over them is vectorised.
Tasks share no numbers: each computes what it would compute alone, bit for bit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import cfunc, njit, types

from automl.spaces.programs.draws import mix, stream_of, unit
from automl.spaces.programs.operations import (
    ABSOLUTE,
    ADD,
    APPLY,
    ARCCOS,
    ARCSIN,
    ARCTAN,
    COLUMN_NORMS,
    COLUMNS,
    COS,
    DEVIATION,
    DIVIDE,
    DOT,
    EXP,
    FILL,
    GAUSSIAN,
    LOG,
    MATMUL,
    MAXIMUM,
    MEAN,
    MINIMUM,
    MULTIPLY,
    NORM,
    OUTER,
    OWN,
    RECIPROCAL,
    ROWS,
    SCALE,
    SIN,
    SPREAD,
    STEP,
    SUBTRACT,
    TAN,
    TRANSPOSE,
    UNIFORM,
)

# Columns of a plan, one row per live instruction: what to do, and where output and inputs begin and how long they are.
KERNEL, OUT, OUT_SIZE, FIRST, FIRST_SIZE, SECOND, SECOND_SIZE, OPERATION = range(8)

OWN_SIGNATURE = types.void(types.int64, types.float64[::1], types.float64[::1], types.float64[::1], types.int64)
"""own(operation, out, first, second, tasks): dispatches a language's own operations."""


@cfunc(OWN_SIGNATURE)
def no_own(operation, out, first, second, tasks):
    """Stands where a language has no operations of its own."""


@njit(cache=True, error_model="numpy")
def run(plan, constants, streams, begin, end, memory, scratch, features, tasks, seed, step, first_task, own):
    """Executes instructions `begin` to `end` of a plan once.

    Args:
        plan: int64 of shape (instructions, 8), see the columns above.
        constants: float64 of shape (instructions, 2).
        streams: uint64, one address of random draws per instruction.
        memory: float64, flat; changed in place.
        scratch: float64 of at least the size of a matrix.
        features: F.
        tasks: how many run in step.
        seed, step, first_task: where random draws stand, beside their instruction's own address.
        own: see OWN_SIGNATURE.
    """
    for k in range(begin, end):
        kernel = plan[k, KERNEL]
        size = plan[k, OUT_SIZE]
        out = memory[plan[k, OUT] : plan[k, OUT] + size]
        a = memory[plan[k, FIRST] : plan[k, FIRST] + plan[k, FIRST_SIZE]]
        b = memory[plan[k, SECOND] : plan[k, SECOND] + plan[k, SECOND_SIZE]]
        if kernel == ADD:
            for t in range(size):
                out[t] = a[t] + b[t]
        elif kernel == SUBTRACT:
            for t in range(size):
                out[t] = a[t] - b[t]
        elif kernel == MULTIPLY:
            for t in range(size):
                out[t] = a[t] * b[t]
        elif kernel == DIVIDE:
            for t in range(size):
                out[t] = a[t] / b[t]
        elif kernel == SCALE:
            for row in range(0, size, tasks):
                for t in range(tasks):
                    out[row + t] = a[t] * b[row + t]
        elif kernel == DOT:
            for t in range(tasks):
                out[t] = a[t] * b[t]
            for row in range(tasks, a.size, tasks):
                for t in range(tasks):
                    out[t] += a[row + t] * b[row + t]
        elif kernel == FILL:
            for t in range(size):
                out[t] = constants[k, 0]
        elif kernel == MINIMUM:
            for t in range(size):
                out[t] = b[t] if b[t] < a[t] or b[t] != b[t] else a[t]
        elif kernel == MAXIMUM:
            for t in range(size):
                out[t] = b[t] if b[t] > a[t] or b[t] != b[t] else a[t]
        elif kernel == STEP:
            for t in range(size):
                out[t] = a[t] if a[t] != a[t] else (1.0 if a[t] > 0.0 else 0.0)
        elif kernel == ABSOLUTE:
            for t in range(size):
                out[t] = abs(a[t])
        elif kernel == RECIPROCAL:
            for t in range(size):
                out[t] = 1.0 / a[t]
        elif kernel == SPREAD:
            for row in range(0, size, tasks):
                for t in range(tasks):
                    out[row + t] = a[t]
        elif kernel == APPLY:
            for i in range(features):
                place = scratch[i * tasks : (i + 1) * tasks]
                place[:] = 0.0
                for j in range(features):
                    for t in range(tasks):
                        place[t] += a[(i * features + j) * tasks + t] * b[j * tasks + t]
            for t in range(size):
                out[t] = scratch[t]
        elif kernel == OUTER:
            for i in range(features):
                for j in range(features):
                    for t in range(tasks):
                        out[(i * features + j) * tasks + t] = a[i * tasks + t] * b[j * tasks + t]
        elif kernel == MATMUL:
            for i in range(features):
                for j in range(features):
                    place = scratch[(i * features + j) * tasks : (i * features + j + 1) * tasks]
                    place[:] = 0.0
                    for x in range(features):
                        for t in range(tasks):
                            place[t] += a[(i * features + x) * tasks + t] * b[(x * features + j) * tasks + t]
            for t in range(size):
                out[t] = scratch[t]
        elif kernel == TRANSPOSE:
            for i in range(features):
                for j in range(features):
                    for t in range(tasks):
                        scratch[(i * features + j) * tasks + t] = a[(j * features + i) * tasks + t]
            for t in range(size):
                out[t] = scratch[t]
        elif kernel == COLUMNS:
            for i in range(features):
                for j in range(features):
                    for t in range(tasks):
                        out[(i * features + j) * tasks + t] = a[i * tasks + t]
        elif kernel == ROWS:
            for i in range(features):
                for j in range(features):
                    for t in range(tasks):
                        out[(i * features + j) * tasks + t] = a[j * tasks + t]
        elif kernel == COLUMN_NORMS:
            out[:] = 0.0
            for i in range(features):
                for t in range(size):
                    out[t] += a[i * size + t] * a[i * size + t]
            for t in range(size):
                out[t] = math.sqrt(out[t])
        elif kernel in (NORM, MEAN, DEVIATION):
            _reduce(kernel, out, a, tasks)
        elif kernel in (UNIFORM, GAUSSIAN):
            for t in range(tasks):
                stream = stream_of(seed, streams[k], np.uint64(step), np.uint64(first_task + t))
                _draw(kernel, out, stream, constants[k, 0], constants[k, 1], t, tasks)
        elif kernel == OWN:
            own(plan[k, OPERATION], out, a, b, tasks)
        else:
            _pointwise(kernel, out, a)


@njit(cache=True, error_model="numpy")
def _pointwise(kernel, out, a):
    size = out.size
    if kernel == SIN:
        for t in range(size):
            out[t] = math.sin(a[t])
    elif kernel == COS:
        for t in range(size):
            out[t] = math.cos(a[t])
    elif kernel == TAN:
        for t in range(size):
            out[t] = math.tan(a[t])
    elif kernel == ARCSIN:
        for t in range(size):
            out[t] = math.asin(a[t])
    elif kernel == ARCCOS:
        for t in range(size):
            out[t] = math.acos(a[t])
    elif kernel == ARCTAN:
        for t in range(size):
            out[t] = math.atan(a[t])
    elif kernel == EXP:
        for t in range(size):
            out[t] = math.exp(a[t])
    elif kernel == LOG:
        for t in range(size):
            out[t] = np.log(a[t])


@njit(cache=True, error_model="numpy")
def _reduce(kernel, out, a, tasks):
    """Reduces blocks of rows of `a` to one row of `out` each: a whole vector or matrix, or each row of a matrix."""
    blocks = out.size // tasks
    length = a.size // out.size
    for block in range(blocks):
        place = out[block * tasks : (block + 1) * tasks]
        part = a[block * length * tasks : (block + 1) * length * tasks]
        for t in range(tasks):
            if kernel == NORM:
                total = 0.0
                for row in range(length):
                    total += part[row * tasks + t] * part[row * tasks + t]
                place[t] = math.sqrt(total)
            else:
                total = 0.0
                for row in range(length):
                    total += part[row * tasks + t]
                mean = total / length
                if kernel == DEVIATION:
                    total = 0.0
                    for row in range(length):
                        total += (part[row * tasks + t] - mean) ** 2
                    mean = math.sqrt(total / length)
                place[t] = mean


@njit(cache=True, error_model="numpy")
def _draw(kernel, out, stream, first, second, task, tasks):
    """Fills one task's column of a block with what `draws.fill_uniform` or `fill_gaussian` would give it."""
    for n in range(out.size // tasks):
        if kernel == UNIFORM:
            out[n * tasks + task] = first + (second - first) * unit(mix(stream + np.uint64(n)))
        else:
            radius = math.sqrt(-2.0 * math.log(unit(mix(stream + np.uint64(2 * n)))))
            angle = 2.0 * math.pi * unit(mix(stream + np.uint64(2 * n + 1)))
            out[n * tasks + task] = first + second * radius * math.cos(angle)
