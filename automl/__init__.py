"""AutoML search with functional hashing: candidates that compute the same function are evaluated once.

Importing this package loads neither torch nor ray; spaces, evaluators and pools are resolved when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from automl.costs import module_costs as module_costs
    from automl.curves import LearningCurve as LearningCurve
    from automl.errors import AutoMLError as AutoMLError
    from automl.errors import InvalidInput as InvalidInput
    from automl.evaluator import Approximation as Approximation
    from automl.evaluator import Evaluator as Evaluator
    from automl.evaluator import Task as Task
    from automl.fields import Choice as Choice
    from automl.fields import Integer as Integer
    from automl.fields import Real as Real
    from automl.fields import Repeat as Repeat
    from automl.function_evaluator import FunctionEvaluator as FunctionEvaluator
    from automl.hashing import functional_hash as functional_hash
    from automl.running import Stopped as Stopped
    from automl.space import Candidate as Candidate
    from automl.space import Space as Space
    from automl.study import Study as Study

_HOMES = {
    "search": "automl.api",
    "resume": "automl.api",
    "Stopped": "automl.running",
    "Array": "automl.behaviour",
    "Function": "automl.behaviour",
    "Graph": "automl.behaviour",
    "Module": "automl.behaviour",
    "Node": "automl.behaviour",
    "Probe": "automl.behaviour",
    "Program": "automl.behaviour",
    "EquivalenceCache": "automl.cache.store",
    "module_costs": "automl.costs",
    "LearningCurve": "automl.curves",
    "AutoMLError": "automl.errors",
    "InvalidInput": "automl.errors",
    "Approximation": "automl.evaluator",
    "Evaluator": "automl.evaluator",
    "Task": "automl.evaluator",
    "Choice": "automl.fields",
    "Integer": "automl.fields",
    "Real": "automl.fields",
    "Repeat": "automl.fields",
    "FunctionEvaluator": "automl.function_evaluator",
    "functional_hash": "automl.hashing",
    "Candidate": "automl.space",
    "Space": "automl.space",
    "Study": "automl.study",
}

_EVALUATORS = {"Classification": "classification"}
"""Evaluators that stand under `automl.` although they live elsewhere: found by their entry point."""

__all__ = [*_HOMES, *_EVALUATORS]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    elif name in _EVALUATORS:
        from automl import registry

        found = registry.load("evaluators", _EVALUATORS[name])
    else:
        raise AttributeError(f"module 'automl' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
