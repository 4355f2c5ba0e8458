"""Evaluators that train networks."""
