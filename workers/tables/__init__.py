"""Evaluators that look figures up in published tables."""
