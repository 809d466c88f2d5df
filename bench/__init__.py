"""Measures the system, end to end and against a plain consumer."""
