"""Runs a real Pulsar and PostgreSQL from packages, for laptops, tests and the demo: `python -m local_stack up`."""
