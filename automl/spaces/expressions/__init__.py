"""Functions as expression trees: operators, trees, their text, their values and derivatives, and a space over them."""

from automl.spaces.expressions.define import define
from automl.spaces.expressions.operators import BUILT_IN, Operator
from automl.spaces.expressions.space import ExpressionSpace
from automl.spaces.expressions.tree import Call, Constant, Tree, Variable

__all__ = ["BUILT_IN", "Call", "Constant", "ExpressionSpace", "Operator", "Tree", "Variable", "define"]
