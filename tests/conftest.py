"""Marks each test with its folder's name, gives the layers that start processes more time, and shares the stack."""

from pathlib import Path

import pytest

from tests.e2e.tienda import FIGURES
from tests.stack import stack

__all__ = ["stack"]

TESTS = Path(__file__).parent
# Seconds a test of the layer may take, fixtures included; the default is in pyproject.toml.
TIMEOUTS = {"integration": 180, "deploy": 180, "e2e": 900, "faults": 1800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        layer = item.path.relative_to(TESTS).parts[0]
        if item.path.parent == TESTS:
            continue
        item.add_marker(layer)
        if layer in TIMEOUTS and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUTS[layer]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests measured."""
    if FIGURES:
        terminalreporter.section("measured")
        for figure in FIGURES:
            terminalreporter.write_line(figure)
