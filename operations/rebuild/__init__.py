"""Rebuilds what is derived from topics and tables, while the system runs."""
