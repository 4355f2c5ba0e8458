"""Sampling and mutation of encoded programs, compiled (Real et al. 2020, section 3.1): thousands a millisecond."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from automl.spaces.programs.analysis import FIRST_TYPE, HEADER, KERNEL_OF, OUTPUT_TYPE, PARTIAL, RECORD, SECOND_TYPE
from automl.spaces.programs.draws import mix, unit
from automl.spaces.programs.operations import FILL, GAUSSIAN, UNIFORM
from automl.spaces.programs.sources import SOURCES

MUTATIONS = ("alter", "replace", "insert", "remove", "randomize")
"""alter changes one argument or constant of an instruction, replace draws one instruction anew, insert and remove
change the length by one, randomize draws all instructions of a component function anew."""
ALTER, REPLACE, INSERT, REMOVE, RANDOMIZE = range(len(MUTATIONS))

FLIP = 0.1
"""Share of changes of a constant that flip its sign; the others scale it by the exponential of a normal number."""

# Rows of `limits`, int64 of shape (3 functions, 3): shortest, longest, number of operations allowed.
_SHORTEST, _LONGEST, _OPERATIONS = range(3)


@njit(cache=True)
def _random(state):
    state[0] += np.uint64(1)
    return unit(mix(state[0]))


@njit(cache=True)
def _below(state, n):
    return min(np.int64(_random(state) * n), n - 1)


@njit(cache=True)
def _normal(state):
    radius = math.sqrt(-2.0 * math.log(_random(state)))
    return radius * math.cos(2.0 * math.pi * _random(state))


@njit(cache=True)
def _short(x):
    """Rounds to six significant digits, so that texts are short and read back as the same number."""
    if x == 0.0 or not math.isfinite(x):
        return 0.0
    digits = 5 - math.floor(math.log10(abs(x)))
    if digits > 22:
        return 0.0
    if digits < 0:
        return round(x / 10.0**-digits) * 10.0**-digits
    return round(x * 10.0**digits) / 10.0**digits


@njit(cache=True)
def _address(kind, counts, state, writable):
    """Draws an address of a type; the label and the features cannot be written."""
    lowest = 1 if writable and kind < 3 else 0
    return lowest + _below(state, counts[kind] - lowest)


@njit(cache=True)
def _rescale(x, state, flip):
    if flip and _random(state) < FLIP:
        return 0.0 - x  # never -0
    return _short(x * math.exp(_normal(state)))


@njit(cache=True)
def _fresh(code, reals, at, op, table, counts, features, state):
    """Writes an instruction with operation `op` and everything else drawn."""
    for n in range(8):
        code[at + n] = 0
    constant = at // 8 + 1
    reals[constant] = 0.0
    reals[constant + 1] = 0.0
    code[at] = op
    if table[op, OUTPUT_TYPE]:
        code[at + 1] = _address(table[op, OUTPUT_TYPE], counts, state, True)
    if table[op, FIRST_TYPE]:
        code[at + 2] = _address(table[op, FIRST_TYPE], counts, state, False)
    if table[op, SECOND_TYPE]:
        code[at + 3] = _address(table[op, SECOND_TYPE], counts, state, False)
    if table[op, PARTIAL]:
        code[at + 4] = _below(state, features)
        if table[op, OUTPUT_TYPE] == 3:
            code[at + 5] = _below(state, features)
    kernel = table[op, KERNEL_OF]
    if kernel == FILL:
        reals[constant] = _short(2.0 * _random(state) - 1.0)
    elif kernel == UNIFORM:
        one, other = _short(2.0 * _random(state) - 1.0), _short(2.0 * _random(state) - 1.0)
        reals[constant], reals[constant + 1] = min(one, other), max(one, other)
    elif kernel == GAUSSIAN:
        reals[constant] = _short(2.0 * _random(state) - 1.0)
        reals[constant + 1] = _short(_random(state))


@njit(cache=True)
def _alter_constant(code, reals, at, op, table, features, state):
    constant = at // 8 + 1
    kernel = table[op, KERNEL_OF]
    if kernel == FILL:
        indices = 0 if not table[op, PARTIAL] else 1 if table[op, OUTPUT_TYPE] == 2 else 2
        which = _below(state, indices + 1)
        if which < indices:
            code[at + 4 + which] = _below(state, features)
        else:
            reals[constant] = _rescale(reals[constant], state, True)
        return
    which = _below(state, 2)
    reals[constant + which] = _rescale(reals[constant + which], state, kernel == UNIFORM or which == 0)
    if kernel == UNIFORM and reals[constant] > reals[constant + 1]:
        reals[constant], reals[constant + 1] = reals[constant + 1], reals[constant]


@njit(cache=True)
def _alter(code, reals, at, table, counts, features, state):
    """Changes one argument of an instruction, or (half of the time, where it has any) its constants."""
    op = code[at]
    inputs = (1 if table[op, FIRST_TYPE] else 0) + (1 if table[op, SECOND_TYPE] else 0)
    if not table[op, OUTPUT_TYPE]:
        return
    if inputs == 0:
        if _below(state, 2):
            code[at + 1] = _address(table[op, OUTPUT_TYPE], counts, state, True)
        else:
            _alter_constant(code, reals, at, op, table, features, state)
        return
    which = _below(state, inputs + 1)
    if which < inputs:
        code[at + 2 + which] = _address(table[op, FIRST_TYPE + which], counts, state, False)
    else:
        code[at + 1] = _address(table[op, OUTPUT_TYPE], counts, state, True)


@njit(cache=True)
def _draw_operation(part, allowed, limits, state):
    return allowed[part, _below(state, limits[part, _OPERATIONS])]


@njit(cache=True)
def sample(n, width, limits, allowed, table, counts, features, seed, sources=SOURCES):
    """Draws programs: a length within the limits for each function, then each instruction.

    Args:
        n: how many.
        width: bytes of the longest program.
        limits: see above.
        allowed: int64 of shape (3 functions, operations), operations allowed in each function.
        table: the language's table.
        counts: int64, number of addresses by type: 0, scalars, vectors, matrices.
        features: F.
        seed: uint64.

    Returns:
        uint8 of shape (n, width), and the length of each program in bytes, int64.
    """
    codes = np.zeros((n, width), np.uint8)
    lengths = np.zeros(n, np.int64)
    state = np.array([mix(seed)], np.uint64)
    for p in range(n):
        code = codes[p]
        reals = code.view(np.float64)
        at = HEADER
        for part in range(3):
            shortest, longest = limits[part, _SHORTEST], limits[part, _LONGEST]
            code[part] = shortest + _below(state, longest - shortest + 1)
            for _ in range(code[part]):
                _fresh(code, reals, at, _draw_operation(part, allowed, limits, state), table, counts, features, state)
                at += RECORD
        lengths[p] = at
    return codes, lengths


@njit(cache=True)
def mutate(
    parents, offsets, width, limits, allowed, table, counts, features, kinds, probability, seed, sources=SOURCES
):
    """Returns one child of each parent: the parent itself, or (with the given probability) one mutation away from it.

    Args:
        parents: uint8, the programs one behind the other.
        offsets: int64 of length programs + 1.
        kinds: int64, mutations to draw from.
        probability: of a mutation.
        The others are those of `sample`.

    Returns:
        as `sample`.
    """
    n = offsets.size - 1
    codes = np.zeros((n, width), np.uint8)
    lengths = np.zeros(n, np.int64)
    state = np.array([mix(seed)], np.uint64)
    parts = np.zeros(3, np.int64)
    changeable = 0
    for part in range(3):
        if limits[part, _LONGEST] > 0:
            parts[changeable] = part
            changeable += 1
    for p in range(n):
        size = offsets[p + 1] - offsets[p]
        code = codes[p]
        code[:size] = parents[offsets[p] : offsets[p + 1]]
        if changeable and _random(state) < probability:
            part = parts[_below(state, changeable)]
            kind = kinds[_below(state, kinds.size)]
            size = _vary(code, size, part, kind, limits, allowed, table, counts, features, state)
        lengths[p] = size
    return codes, lengths


@njit(cache=True)
def _vary(code, size, part, kind, limits, allowed, table, counts, features, state):
    """Applies one mutation to one function in place; returns the program's new size."""
    reals = code.view(np.float64)
    begin = HEADER
    for before in range(part):
        begin += RECORD * np.int64(code[before])
    length = np.int64(code[part])
    if kind == INSERT and length >= limits[part, _LONGEST]:
        kind = REMOVE
    elif kind == REMOVE and length <= limits[part, _SHORTEST]:
        kind = INSERT
    if kind == INSERT and length < limits[part, _LONGEST]:
        at = begin + RECORD * _below(state, length + 1)
        for n in range(size - 1, at - 1, -1):
            code[n + RECORD] = code[n]
        _fresh(code, reals, at, _draw_operation(part, allowed, limits, state), table, counts, features, state)
        code[part] += 1
        return size + RECORD
    if kind == REMOVE and length > limits[part, _SHORTEST]:
        at = begin + RECORD * _below(state, length)
        for n in range(at, size - RECORD):
            code[n] = code[n + RECORD]
        code[size - RECORD : size] = 0
        code[part] -= 1
        return size - RECORD
    if kind == RANDOMIZE:
        for n in range(length):
            op = _draw_operation(part, allowed, limits, state)
            _fresh(code, reals, begin + RECORD * n, op, table, counts, features, state)
    elif length > 0:
        at = begin + RECORD * _below(state, length)
        if kind == REPLACE:
            _fresh(code, reals, at, _draw_operation(part, allowed, limits, state), table, counts, features, state)
        elif kind == ALTER:
            _alter(code, reals, at, table, counts, features, state)
    return size
