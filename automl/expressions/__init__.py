"""Functions as expression trees: operators, trees, their text, their values and derivatives, and a space over them."""

from automl.expressions.define import define
from automl.expressions.operators import BUILT_IN, Operator
from automl.expressions.space import ExpressionSpace
from automl.expressions.tree import Call, Constant, Tree, Variable

__all__ = ["BUILT_IN", "Call", "Constant", "ExpressionSpace", "Operator", "Tree", "Variable", "define"]
