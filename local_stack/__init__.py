"""A real Pulsar and a real PostgreSQL from packages, for laptops, tests and the demo: `python -m local_stack up`."""
