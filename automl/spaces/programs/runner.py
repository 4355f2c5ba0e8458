"""The compiled interpreter's outer part: whole batches of programs, learning and predicting; no Python inside."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from automl.spaces.programs.analysis import RECORD, mark_live, prepare
from automl.spaces.programs.kernels import run
from automl.spaces.programs.sources import SOURCES


@njit(cache=True, error_model="numpy")
def _squash(prediction):
    for t in range(prediction.size):
        prediction[t] = 1.0 / (1.0 + math.exp(-prediction[t]))


@njit(cache=True)
def _give(given, features, label):
    """Puts an example before the programs: its features, and no label."""
    for f in range(given.size):
        given[f] = features[f]
    for t in range(label.size):
        label[t] = 0.0


@njit(cache=True)
def _longest(offsets):
    longest = 1
    for p in range(offsets.size - 1):
        longest = max(longest, (offsets[p + 1] - offsets[p]) // RECORD)
    return longest


@njit(cache=True)
def count_live(codes, offsets, table, sizes, sources=SOURCES):
    """Returns the number of live instructions of each program."""
    out = np.zeros(offsets.size - 1, np.int64)
    marks = np.zeros(_longest(offsets), np.uint8)
    for p in range(out.size):
        marks[:] = 0
        mark_live(codes[offsets[p] : offsets[p + 1]], table, marks, sizes[0], sizes[1])
        out[p] = marks.sum()
    return out


@njit(cache=True)
def _new(offsets, sizes, tasks):
    """Returns what one program after the other is prepared into, and the memory that it runs on.

    Plain arrays, which the callers keep in names of their own: gathered in one object they halve the speed.

    Returns:
        marks, plan, constants, streams and bounds as in `analysis.prepare`; memory and scratch as in `kernels.run`; the
        label s0, the prediction s1 and the given features v0, which are views of the memory.
    """
    scalars, vectors, matrices, features = sizes[0], sizes[1], sizes[2], sizes[3]
    longest = _longest(offsets)
    memory = np.zeros((scalars + (vectors + matrices * features) * features) * tasks)
    return (
        np.zeros(longest, np.uint8),
        np.zeros((longest, 8), np.int64),
        np.zeros((longest, 2)),
        np.zeros(longest, np.uint64),
        np.zeros(4, np.int64),
        memory,
        np.zeros(features * features * tasks),
        memory[:tasks],
        memory[tasks : 2 * tasks],
        memory[scalars * tasks : (scalars + features) * tasks],
    )


@njit(cache=True, error_model="numpy")
def evaluate_many(
    codes,
    reals,
    offsets,
    table,
    sizes,
    squash,
    limit,
    seeds,
    first_task,
    train_x,
    train_y,
    valid_x,
    valid_y,
    accuracy,
    own,
    sources=SOURCES,
):
    """Trains and validates programs on tasks that run in step.

    Args:
        codes: uint8, the programs one behind the other.
        reals: the same bytes as float64.
        offsets: int64 of length programs + 1.
        table: int64 of shape (operations, 7).
        sizes: int64: number of scalars, vectors, matrices, features.
        squash: True where s1 becomes 1 / (1 + exp(-s1)) after predict.
        limit: an absolute error above it ends the program on that task.
        seeds: uint64, one per program.
        first_task: number of the first task, for random draws.
        train_x, valid_x: float64 of shape (examples, features * tasks), tasks side by side within a feature.
        train_y, valid_y: float64 of shape (examples, tasks).
        accuracy: True to rate by the share of predictions on the label's side of 0.5, else by the squashed error.
        own: see `kernels.OWN_SIGNATURE`.

    Returns:
        fitness, float64 of shape (programs, tasks), 0 where the program ended early; and the training steps done,
        int64 of shape (programs,).
    """
    programs, features = offsets.size - 1, sizes[3]
    learning, validating, tasks = train_y.shape[0], valid_y.shape[0], train_y.shape[1]
    marks, plan, constants, streams, bounds, memory, scratch, label, prediction, given = _new(offsets, sizes, tasks)
    ended = np.zeros(tasks, np.bool_)
    loss = np.zeros(tasks)
    fitness = np.zeros((programs, tasks))
    steps = np.zeros(programs, np.int64)
    for p in range(programs):
        first, last, seed = offsets[p], offsets[p + 1], seeds[p]
        prepare(
            codes[first:last], reals[first // 8 : last // 8], table, sizes[0], sizes[1], features, tasks,
            marks, plan, constants, streams, bounds,
        )  # fmt: skip
        memory[:] = 0.0
        ended[:] = False
        alive = tasks
        run(
            plan, constants, streams, 0, bounds[1],
            memory, scratch, features, tasks, seed, 0, first_task, own,
        )  # fmt: skip
        for n in range(learning):
            steps[p] += alive
            _give(given, train_x[n], label)
            run(
                plan, constants, streams, bounds[1], bounds[2],
                memory, scratch, features, tasks, seed, n + 1, first_task, own,
            )  # fmt: skip
            if squash:
                _squash(prediction)
            wanted = train_y[n]
            wrong = 0
            for t in range(tasks):
                wrong += 0 if abs(wanted[t] - prediction[t]) <= limit else 1
            if wrong:
                for t in range(tasks):
                    if not ended[t] and not abs(wanted[t] - prediction[t]) <= limit:
                        ended[t] = True
                        alive -= 1
                if alive == 0:
                    break
            for t in range(tasks):
                label[t] = wanted[t]
            run(
                plan, constants, streams, bounds[2], bounds[3],
                memory, scratch, features, tasks, seed, n + 1, first_task, own,
            )  # fmt: skip
        if alive == 0:
            continue
        loss[:] = 0.0
        for n in range(validating):
            _give(given, valid_x[n], label)
            run(
                plan, constants, streams, bounds[1], bounds[2],
                memory, scratch, features, tasks, seed, learning + n + 1, first_task, own,
            )  # fmt: skip
            if squash:
                _squash(prediction)
            wanted = valid_y[n]
            for t in range(tasks):
                error = wanted[t] - prediction[t]
                if not abs(error) <= limit:
                    loss[t] = math.inf
                elif not accuracy:
                    loss[t] += error * error
                elif (prediction[t] > 0.5) != (wanted[t] > 0.5):
                    loss[t] += 1.0
        for t in range(tasks):
            if ended[t] or math.isinf(loss[t]):
                fitness[p, t] = 0.0
            elif accuracy:
                fitness[p, t] = 1.0 - loss[t] / validating
            else:
                fitness[p, t] = 1.0 - 2.0 / math.pi * math.atan(math.sqrt(loss[t] / validating))
    return fitness, steps


@njit(cache=True, error_model="numpy")
def predict_many(
    codes, reals, offsets, table, sizes, squash, limit, seed, train_x, train_y, valid_x, own, sources=SOURCES
):
    """Trains programs on one task and returns everything that they predict on the way and afterwards.

    Args:
        train_x, valid_x: float64 of shape (examples, features).
        train_y: float64 of shape (training examples,).
        The others are those of `evaluate_many`, but one seed serves all programs.

    Returns:
        float64 of shape (programs, training + validation examples). A training prediction that ends a program stands
        there itself; what would come after it is NaN.
    """
    programs, features, learning = offsets.size - 1, sizes[3], train_y.size
    marks, plan, constants, streams, bounds, memory, scratch, label, prediction, given = _new(offsets, sizes, 1)
    out = np.full((programs, learning + valid_x.shape[0]), np.nan)
    for p in range(programs):
        first, last = offsets[p], offsets[p + 1]
        prepare(
            codes[first:last], reals[first // 8 : last // 8], table, sizes[0], sizes[1], features, 1,
            marks, plan, constants, streams, bounds,
        )  # fmt: skip
        memory[:] = 0.0
        run(
            plan, constants, streams, 0, bounds[1],
            memory, scratch, features, 1, seed, 0, 0, own,
        )  # fmt: skip
        for n in range(out.shape[1]):
            _give(given, train_x[n] if n < learning else valid_x[n - learning], label)
            run(
                plan, constants, streams, bounds[1], bounds[2],
                memory, scratch, features, 1, seed, n + 1, 0, own,
            )  # fmt: skip
            if squash:
                _squash(prediction)
            out[p, n] = prediction[0]
            if n < learning:
                if not abs(train_y[n] - prediction[0]) <= limit:
                    break
                label[0] = train_y[n]
                run(
                    plan, constants, streams, bounds[2], bounds[3],
                    memory, scratch, features, 1, seed, n + 1, 0, own,
                )  # fmt: skip
    return out
