"""Puts the topics, tables and functions on a Pulsar that runs: `python -m deployment deploy`."""
