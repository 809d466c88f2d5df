"""Measures the system, end to end and against itself without one of its parts."""
