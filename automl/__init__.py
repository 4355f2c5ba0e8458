"""AutoML search with functional hashing: candidates that compute the same function are evaluated once.

Importing this package loads neither torch nor ray; spaces, evaluators and pools are resolved when they are used.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from automl.setup import moved

if TYPE_CHECKING:
    from automl import data as data
    from automl.api import ablate as ablate
    from automl.api import ask_and_tell as ask_and_tell
    from automl.api import plan as plan
    from automl.api import resume as resume
    from automl.api import search as search
    from automl.behaviour import Array as Array
    from automl.behaviour import Function as Function
    from automl.behaviour import Graph as Graph
    from automl.behaviour import Module as Module
    from automl.behaviour import Node as Node
    from automl.behaviour import Probe as Probe
    from automl.behaviour import Program as Program
    from automl.cache.store import EquivalenceCache as EquivalenceCache
    from automl.data.datasets import DatasetTask as DatasetTask
    from automl.engine.running import Stopped as Stopped
    from automl.errors import AutoMLError as AutoMLError
    from automl.errors import InvalidInput as InvalidInput
    from automl.evaluators.base import Evaluator as Evaluator
    from automl.evaluators.base import Fidelity as Fidelity
    from automl.evaluators.curves import LearningCurve as LearningCurve
    from automl.evaluators.function import FunctionEvaluator as FunctionEvaluator
    from automl.evaluators.own_loop import OwnLoop as OwnLoop
    from automl.evaluators.pruning import Pruned as Pruned
    from automl.evaluators.task import Task as Task
    from automl.hashing import functional_hash as functional_hash
    from automl.setup.rekeying import rekey as rekey
    from automl.spaces.costs import latency as latency
    from automl.spaces.costs import module_costs as module_costs
    from automl.spaces.define_by_run import DefineByRun as DefineByRun
    from automl.spaces.fields import Choice as Choice
    from automl.spaces.fields import Integer as Integer
    from automl.spaces.fields import Real as Real
    from automl.spaces.fields import Repeat as Repeat
    from automl.spaces.grammar import Grammar as Grammar
    from automl.spaces.orders import Ordinal as Ordinal
    from automl.spaces.orders import Permutation as Permutation
    from automl.spaces.orders import Subset as Subset
    from automl.spaces.space import Candidate as Candidate
    from automl.spaces.space import Space as Space
    from automl.spaces.variants import Drop as Drop
    from automl.spaces.variants import Replace as Replace
    from automl.spaces.variants import Together as Together
    from automl.spaces.variants import Variants as Variants
    from automl.study import Study as Study

_HOMES = {
    "DatasetTask": "automl.data.datasets",
    "search": "automl.api",
    "resume": "automl.api",
    "ask_and_tell": "automl.api",
    "plan": "automl.api",
    "ablate": "automl.api",
    "rekey": "automl.setup.rekeying",
    "Stopped": "automl.engine.running",
    "Array": "automl.behaviour",
    "Function": "automl.behaviour",
    "Graph": "automl.behaviour",
    "Module": "automl.behaviour",
    "Node": "automl.behaviour",
    "Probe": "automl.behaviour",
    "Program": "automl.behaviour",
    "EquivalenceCache": "automl.cache.store",
    "latency": "automl.spaces.costs",
    "module_costs": "automl.spaces.costs",
    "LearningCurve": "automl.evaluators.curves",
    "AutoMLError": "automl.errors",
    "InvalidInput": "automl.errors",
    "Fidelity": "automl.evaluators.base",
    "OwnLoop": "automl.evaluators.own_loop",
    "Pruned": "automl.evaluators.pruning",
    "Evaluator": "automl.evaluators.base",
    "Task": "automl.evaluators.task",
    "Choice": "automl.spaces.fields",
    "Integer": "automl.spaces.fields",
    "Real": "automl.spaces.fields",
    "Repeat": "automl.spaces.fields",
    "Ordinal": "automl.spaces.orders",
    "Permutation": "automl.spaces.orders",
    "Subset": "automl.spaces.orders",
    "DefineByRun": "automl.spaces.define_by_run",
    "Grammar": "automl.spaces.grammar",
    "Variants": "automl.spaces.variants",
    "Drop": "automl.spaces.variants",
    "Replace": "automl.spaces.variants",
    "Together": "automl.spaces.variants",
    "FunctionEvaluator": "automl.evaluators.function",
    "functional_hash": "automl.hashing",
    "Candidate": "automl.spaces.space",
    "Space": "automl.spaces.space",
    "Study": "automl.study",
}

_EVALUATORS = {
    "Classification": "classification",
    "MultiLabel": "multilabel",
    "NextToken": "next-token",
    "Regression": "regression",
    "Segmentation": "segmentation",
}
"""Evaluators that stand under `automl.` although they live elsewhere: found by their entry point."""

_RENAMED = {"Approximation": "Fidelity"}
"""Old name → new name; the old one can still be used, with a warning."""

__all__ = [*_HOMES, *_EVALUATORS, "data"]


moved.install()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    elif name == "data":
        found = import_module("automl.data")
    elif name in _EVALUATORS:
        from automl import registry

        found = registry.load("evaluators", _EVALUATORS[name])
    elif name in _RENAMED:
        warnings.warn(f"automl.{name} is now called automl.{_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        return __getattr__(_RENAMED[name])
    else:
        raise AttributeError(f"module 'automl' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
