"""Evaluators that run programs and expressions."""
