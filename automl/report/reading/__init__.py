"""Reads stored studies, once each, into the plain data of a report."""
