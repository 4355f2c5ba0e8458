"""Spaces of neural architectures."""
