"""Marks each test with its folder's name, and gives the layers that start processes more time."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Seconds a test of the layer may take, fixtures included; the default is in pyproject.toml.
TIMEOUTS = {"integration": 180, "deploy": 180, "e2e": 900, "faults": 900}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        layer = item.path.relative_to(TESTS).parts[0]
        if item.path.parent == TESTS:
            continue
        item.add_marker(layer)
        if layer in TIMEOUTS and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUTS[layer]))
