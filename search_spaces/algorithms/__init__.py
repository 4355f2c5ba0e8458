"""Spaces of algorithms: register programs and expressions."""
