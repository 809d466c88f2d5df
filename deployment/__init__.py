"""Puts topics, tables and functions on a running Pulsar: `python -m deployment deploy`."""
