"""Plans: a program's live instructions, ready to run, its random draws addressed so that renaming changes nothing."""

from __future__ import annotations

import numpy as np
from numba import njit

from automl.spaces.programs.draws import mix
from automl.spaces.programs.kernels import (
    FIRST,
    FIRST_SIZE,
    KERNEL,
    OPERATION,
    OUT,
    OUT_SIZE,
    SECOND,
    SECOND_SIZE,
)
from automl.spaces.programs.sources import SOURCES

HEADER = 8
"""Bytes before the first instruction: the lengths of setup, predict and learn, then zeros."""

RECORD = 24
"""Bytes per instruction: operation, output, two inputs, two indices, two zeros; then two float64 constants."""

# Columns of a language's table of operations.
OUTPUT_TYPE, FIRST_TYPE, SECOND_TYPE, KERNEL_OF, COMMUTES, PARTIAL, IS_RANDOM = range(7)

SCALAR, VECTOR, MATRIX = 1, 2, 3

_WAYS = 4


@njit(cache=True, inline="always")
def _bit(kind, address, scalars, vectors):
    """Returns the bit of an address; nothing for the label and the features, which are given anew each time."""
    if kind == SCALAR:
        return np.uint64(0) if address == 0 else np.uint64(1) << np.uint64(address)
    if kind == VECTOR:
        return np.uint64(0) if address == 0 else np.uint64(1) << np.uint64(scalars + address)
    if kind == MATRIX:
        return np.uint64(1) << np.uint64(scalars + vectors + address)
    return np.uint64(0)


@njit(cache=True)
def _backward(code, table, begin, end, live, marks, scalars, vectors):
    """Walks one function from its end, marking live instructions; returns what is live where it begins."""
    for k in range(end - 1, begin - 1, -1):
        at = HEADER + RECORD * k
        op = code[at]
        written = _bit(table[op, OUTPUT_TYPE], code[at + 1], scalars, vectors)
        if written & live:
            marks[k] = 1
            if not table[op, PARTIAL]:
                live &= ~written
            live |= _bit(table[op, FIRST_TYPE], code[at + 2], scalars, vectors)
            live |= _bit(table[op, SECOND_TYPE], code[at + 3], scalars, vectors)
    return live


@njit(cache=True)
def mark_live(code, table, marks, scalars, vectors, sources=SOURCES):
    """Marks what can reach a prediction: setup runs once, then predict and learn in turn, then predict alone.

    Args:
        code: uint8, one encoded program.
        table: int64 of shape (operations, 7), see the columns above.
        marks: uint8, one per instruction; set to 1 or 0.
        scalars, vectors: number of addresses of these types.
    """
    first = np.int64(code[0])
    second = first + code[1]
    third = second + code[2]
    prediction = np.uint64(2)  # s1
    at_predict = np.uint64(0)
    at_learn = np.uint64(0)
    while True:
        marks[:third] = 0
        learn = _backward(code, table, second, third, at_predict, marks, scalars, vectors)
        predict = _backward(code, table, first, second, prediction | learn | at_predict, marks, scalars, vectors)
        if predict | at_predict == at_predict and learn | at_learn == at_learn:
            break
        at_predict |= predict
        at_learn |= learn
    _backward(code, table, 0, first, at_predict, marks, scalars, vectors)


@njit(cache=True)
def _block(kind, address, scalars, vectors, features, tasks):
    """Returns where an address begins in flat memory, and its size."""
    if kind == SCALAR:
        return address * tasks, tasks
    if kind == VECTOR:
        return (scalars + address * features) * tasks, features * tasks
    if kind == MATRIX:
        return (scalars + (vectors + address * features) * features) * tasks, features * features * tasks
    return 0, 0


@njit(cache=True)
def prepare(
    code, reals, table, scalars, vectors, features, tasks, marks, plan, constants, streams, bounds, sources=SOURCES
):
    """Writes the plan of one program.

    Args:
        code: uint8, one encoded program.
        reals: the same bytes as float64.
        table: int64 of shape (operations, 7).
        scalars, vectors: number of addresses of these types; matrices lie behind them.
        features: F.
        tasks: how many run in step.
        marks, plan, constants, streams: room for the longest program; overwritten.
        bounds: int64 of length 4, set to where setup, predict and learn begin and where learn ends.
    """
    mark_live(code, table, marks, scalars, vectors)
    live = 0
    random = 0
    k = 0
    bounds[0] = 0
    for part in range(3):
        for _ in range(code[part]):
            if marks[k]:
                at = HEADER + RECORD * k
                op = np.int64(code[at])
                plan[live, OPERATION] = op
                plan[live, KERNEL] = table[op, KERNEL_OF]
                plan[live, OUT], plan[live, OUT_SIZE] = _block(
                    table[op, OUTPUT_TYPE], np.int64(code[at + 1]), scalars, vectors, features, tasks
                )
                plan[live, FIRST], plan[live, FIRST_SIZE] = _block(
                    table[op, FIRST_TYPE], np.int64(code[at + 2]), scalars, vectors, features, tasks
                )
                plan[live, SECOND], plan[live, SECOND_SIZE] = _block(
                    table[op, SECOND_TYPE], np.int64(code[at + 3]), scalars, vectors, features, tasks
                )
                if table[op, PARTIAL]:
                    element = np.int64(code[at + 4])
                    if table[op, OUTPUT_TYPE] == MATRIX:
                        element = element * features + code[at + 5]
                    plan[live, OUT] += element * tasks
                    plan[live, OUT_SIZE] = tasks
                constants[live, 0] = reals[1 + 3 * k + 1]
                constants[live, 1] = reals[1 + 3 * k + 2]
                random += table[op, IS_RANDOM]
                live += 1
            k += 1
        bounds[part + 1] = live
    if random:
        _address_draws(code, reals, table, marks, scalars, vectors, streams)


@njit(cache=True)
def _address_draws(code, reals, table, marks, scalars, vectors, streams):
    """Gives each live random instruction the address of its draws: what it draws and when, never where it writes.

    Two that draw alike (same operation, constants and function) are told apart by what their values flow into; where
    that is the same too, exchanging them changes nothing, and any order will do.
    """
    total = np.int64(code[0]) + code[1] + code[2]
    live = np.int64(0)
    for k in range(total):
        live += marks[k]
    where = np.empty(live, np.int64)
    part_of = np.empty(live, np.int64)
    own = np.empty(live, np.uint64)
    place = 0
    for k in range(total):
        if marks[k]:
            at = HEADER + RECORD * k
            part = 0 if k < code[0] else (1 if k < np.int64(code[0]) + code[1] else 2)
            label = mix(np.uint64(code[at]) ^ np.uint64(part << 8))
            label = mix(label ^ np.uint64(code[at + 4]) ^ (np.uint64(code[at + 5]) << np.uint64(8)))
            label = mix(label ^ reals[1 + 3 * k + 1 : 1 + 3 * k + 2].view(np.uint64)[0])
            label = mix(label ^ reals[1 + 3 * k + 2 : 1 + 3 * k + 3].view(np.uint64)[0])
            where[place], part_of[place], own[place] = k, part, label
            place += 1
    colours = own.copy()
    twins = _twin(code, table, where, colours)
    if twins >= 0:
        sources = _sources(code, table, where, part_of, scalars, vectors)
        _refine(code, table, where, own, sources, colours)
        twins = _twin(code, table, where, colours)
        while twins >= 0:  # still tied: single one out and let the difference spread
            own[twins] = mix(own[twins] ^ np.uint64(0xA5A5A5A5))
            colours[:] = own
            _refine(code, table, where, own, sources, colours)
            twins = _twin(code, table, where, colours)
    for place in range(live):
        streams[place] = colours[place]


@njit(cache=True)
def _twin(code, table, where, colours):
    """Returns the first random instruction whose colour a later one has too, or -1."""
    for i in range(where.size):
        if table[code[HEADER + RECORD * where[i]], IS_RANDOM]:
            for j in range(i + 1, where.size):
                if colours[i] == colours[j] and table[code[HEADER + RECORD * where[j]], IS_RANDOM]:
                    return i
    return -1


@njit(cache=True)
def _sources(code, table, where, part_of, scalars, vectors):
    """Returns, for each live instruction and operand, the instructions whose value it may read.

    Returns:
        int64 of shape (live instructions, 3 operands, 4): the operands are the two inputs and, where one element is
        written, the rest of the output; the last axis holds the place of the definition that reaches from the same
        pass, from setup, from the pass before, and from the pass before when only predict runs; -1 for none.
    """
    live = where.size
    found = np.full((live, 3, _WAYS), -1, np.int64)
    for place in range(live):
        at = HEADER + RECORD * where[place]
        op = code[at]
        for operand in range(3):
            if operand == 2:
                kind, address = (
                    (table[op, OUTPUT_TYPE], code[at + 1]) if table[op, PARTIAL] else (np.int64(0), code[at])
                )
            else:
                kind, address = table[op, FIRST_TYPE + operand], code[at + 2 + operand]
            wanted = _bit(kind, address, scalars, vectors)
            if wanted == 0:
                continue
            part = part_of[place]
            for other in range(live):
                at_other = HEADER + RECORD * where[other]
                written = _bit(table[code[at_other], OUTPUT_TYPE], code[at_other + 1], scalars, vectors)
                if written != wanted:
                    continue
                if part_of[other] == 0 and (part > 0 or other < place):
                    found[place, operand, 1] = other
                elif part > 0 and part_of[other] > 0:
                    if other < place:
                        found[place, operand, 0] = other
                    found[place, operand, 2] = other
                    if part == 1 and part_of[other] == 1:
                        found[place, operand, 3] = other
            if found[place, operand, 0] >= 0:  # what was written in this pass hides what came before
                found[place, operand, 1:] = -1
    return found


@njit(cache=True)
def _refine(code, table, where, own, sources, colours):
    """Spreads differences along data flow, both ways, until every instruction has heard of every other."""
    live = where.size
    heard = np.empty(live, np.uint64)
    own_reads = np.empty(live, np.uint64)
    for _ in range(live + 1):
        heard[:] = 0
        for place in range(live):
            at = HEADER + RECORD * where[place]
            commutes = table[code[at], COMMUTES]
            reads = np.uint64(0)
            for operand in range(3):
                value = np.uint64(0)  # upstream: what this operand may hold
                given = True
                for way in range(_WAYS):
                    source = sources[place, operand, way]
                    value = mix(value ^ (colours[source] if source >= 0 else np.uint64(way)))
                    given = given and source < 0
                kind = table[code[at], FIRST_TYPE + operand] if operand < 2 else np.int64(0)
                if given and kind > 0:  # label and features are told from memory that nothing was written to
                    value = mix(np.uint64(1000 + kind * 2 + (kind < MATRIX and code[at + 2 + operand] == 0)))
                role = mix(np.uint64(7 if commutes and operand < 2 else operand))
                reads += mix(value ^ role)
                for way in range(_WAYS):  # downstream: who reads me, as what, and what else it may find there
                    source = sources[place, operand, way]
                    if source >= 0:
                        heard[source] += mix(mix(mix(colours[place] ^ role) ^ value) ^ np.uint64(16 + way))
            own_reads[place] = reads
        for place in range(live):
            heard[place] = mix(heard[place]) ^ mix(own_reads[place])
        # The prediction itself is a reader: the last instruction of predict that writes s1.
        for place in range(live - 1, -1, -1):
            at = HEADER + RECORD * where[place]
            if (
                where[place] < np.int64(code[0]) + code[1]
                and table[code[at], OUTPUT_TYPE] == SCALAR
                and code[at + 1] == 1
            ):
                heard[place] = mix(heard[place] ^ np.uint64(0x51))
                break
        for place in range(live):
            colours[place] = mix(own[place] ^ heard[place])
