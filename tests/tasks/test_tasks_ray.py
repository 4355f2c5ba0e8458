"""Data on Ray: large arrays lie once on a node, and trainings on them are those of this process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from automl import Classification, Task
from automl.evaluators.base import Evaluation, Evaluator

sys.path.append(str(Path(__file__).parents[1] / "workers"))
from pool_parts import plan, run_all


def large():
    """Three megabytes in the training part, few in the others."""
    inputs = np.random.default_rng(0).normal(size=(2000, 400)).astype(np.float32)
    targets = (inputs[:, 0] > 0).astype(np.int64)
    return Task(*((inputs[part], targets[part]) for part in (slice(0, 1960), slice(1960, 1980), slice(1980, 2000))))


@dataclass(frozen=True)
class Looking(Evaluator):
    """Says where the inputs lie, and what training on them gives."""

    name: ClassVar[str] = "looking"
    metrics: ClassVar[Mapping[str, str]] = {"v": "maximize"}
    inner: Classification | None = None

    def evaluate(self, work, how):
        from torch import nn

        from automl.behaviour import Module
        from automl.evaluators.base import Work

        array = self.inner.task.train[0]
        held = self.inner.parts("cpu").train.inputs.data_ptr()
        module = Module(lambda: nn.Linear(400, 2))
        figures = self.inner.evaluate(Work(module, {}, "{}"), Evaluation(seed=5))
        return {
            "v": figures["loss"],
            "writeable": float(array.flags.writeable),
            "shared": float("plasma" in mapping_of(array.ctypes.data)),
            "trained on": float(held == array.ctypes.data),
        }


def mapping_of(address):
    """Returns the line of this process's memory map in which an address lies."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(one, 16) for one in line.split()[0].split("-"))
        if first <= address < last:
            return line
    return ""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")
def test_arrays_lie_once_on_a_node_and_train_alike(ray_session, one_thread):
    from workers.pools.inline import InlinePool
    from workers.pools.ray_pool import RayPool

    looking = Looking(Classification(large(), epochs=1, precision="float32"))
    with RayPool(plan(looking), workers=1) as pool:
        (found,) = run_all(pool, [1])
    assert found.error == ""
    with InlinePool(plan(looking)) as pool:
        (here,) = run_all(pool, [1])
    assert found.metrics["v"] == pytest.approx(here.metrics["v"], rel=1e-4)
    given = {name: found.metrics[name] for name in ("writeable", "shared", "trained on")}
    assert given == {"writeable": 0.0, "shared": 1.0, "trained on": 1.0}
    assert (here.metrics["writeable"], here.metrics["shared"]) == (1.0, 0.0)
