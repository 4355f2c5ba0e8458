"""Spaces given by rules: a candidate is a composition of named operations that the rules can make."""

from automl.spaces.grammar.space import Grammar as Grammar
