"""Draws the pictures of a report as SVG."""
