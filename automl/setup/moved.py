"""Modules that have moved: their old names can still be imported, with a warning that names the new place.

Targets stored in databases (`workers.programs:ProgramTasks`) are found through the same table.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "automl.space": "automl.spaces.space",
    "automl.fields": "automl.spaces.fields",
    "automl.cells": "automl.spaces.cells",
    "automl.expressions": "automl.spaces.expressions",
    "automl.programs": "automl.spaces.programs",
    "automl.evaluator": "automl.evaluators.base",
    "automl.function_evaluator": "automl.evaluators.function",
    "automl.curves": "automl.evaluators.curves",
    "automl.checkpoints": "automl.evaluators.checkpoints",
    "automl.costs": "automl.spaces.costs",
    "automl.evaluators.costs": "automl.spaces.costs",
    "automl.sources": "automl.evaluators.fingerprints",
    "automl.baseline": "automl.selection.ranking",
    "automl.confirmation": "automl.selection.contest",
    "automl.fronts": "automl.selection.fronts",
    "automl.goals": "automl.selection.objectives",
    "automl.running": "automl.engine.running",
    "automl.phases": "automl.engine.phases",
    "automl.loop": "automl.engine.loop",
    "automl.flights": "automl.engine.in_flight",
    "automl.config": "automl.engine.config",
    "automl.repeats": "automl.engine.repeats",
    "automl.children": "automl.engine.phase_studies",
    "automl.blame": "automl.engine.blame",
    "automl.garbage": "automl.engine.garbage",
    "automl.targets": "automl.setup.targets",
    "automl.parts": "automl.setup.parts",
    "automl.check": "automl.setup.check",
    "automl.monitoring": "automl.observers",
    "automl.progress": "automl.display.terminal",
    "automl.cli.progress": "automl.display.terminal",
    "automl.hashing.explain": "automl.report.explain",
    "automl.hashing.drawing": "automl.report.plots.graphs",
    "workers.inline": "workers.pools.inline",
    "workers.ray_pool": "workers.pools.ray_pool",
    "workers.ray_connection": "workers.pools.ray_connection",
    "workers.ray_metrics": "workers.pools.ray_metrics",
    "workers.actor": "workers.pools.actor",
    "workers.simulated": "workers.pools.simulated",
    "workers.perform": "workers.pools.perform",
    "workers.threads": "workers.pools.threads",
    "workers.batching": "workers.pools.batching",
    "workers.classification": "workers.networks.classification",
    "workers.training": "workers.networks.training",
    "workers.snapshots": "workers.networks.snapshots",
    "workers.hpolib": "workers.tables.hpolib",
    "workers.nasbench101": "workers.tables.nasbench101",
    "workers.nasbench_graph": "workers.tables.nasbench_graph",
    "workers.nats_bench": "workers.tables.nats_bench",
    "workers.tabular": "workers.tables.tabular",
    "workers.tfrecord": "workers.tables.tfrecord",
    "workers.programs": "workers.algorithms.programs",
    "workers.program_tasks": "workers.algorithms.program_tasks",
    "workers.functions": "workers.algorithms.functions",
    "workers.function_networks": "workers.algorithms.function_networks",
    "workers.function_tasks": "workers.algorithms.function_tasks",
    "automl.hardware": "automl.pool",
}
"""Old name → new name. What lies inside an old package (`automl.programs.code`) has moved with it."""


class _Alias(Loader):
    """Loads nothing: puts the module of the new name under the old one, so that both are one object."""

    def __init__(self, new: str) -> None:
        self._new = new

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(self._new)


class MovedModules(MetaPathFinder):
    """Finds modules by their old names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = new_name(fullname)
        if new is None:
            return None
        warnings.warn(f"{fullname} has moved: import {new} instead", DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _Alias(new))


def new_name(module: str) -> str | None:
    """Returns where a module is now, None where it has not moved.

    Example:
        >>> new_name("automl.programs.code")
        'automl.spaces.programs.code'
    """
    whole, inside = module, ""
    while whole:
        if whole in MOVED:
            return MOVED[whole] + inside
        whole, _, last = whole.rpartition(".")
        inside = f".{last}{inside}"
    return None


def install() -> None:
    """Makes old names importable in this process. Calling it again changes nothing."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        # First, because the ordinary finder would load a second copy of what lies inside a moved package.
        sys.meta_path.insert(0, MovedModules())
