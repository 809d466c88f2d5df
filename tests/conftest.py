"""Marks each test with its folder's name, gives the layers that start processes more time, and shares the stack."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.e2e.tienda import FIGURES, Tienda
from tests.stack import stack

__all__ = ["stack"]

TESTS = Path(__file__).parent
# Seconds a test of the layer may take, fixtures included; the default is in pyproject.toml.
TIMEOUTS = {"bench": 900, "integration": 180, "deploy": 180, "e2e": 900, "faults": 1800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        layer = item.path.relative_to(TESTS).parts[0]
        if item.path.parent == TESTS:
            continue
        item.add_marker(layer)
        if layer in TIMEOUTS and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUTS[layer]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure on the running system how the functions' logs end."""
    report = yield
    tienda = getattr(item, "funcargs", {}).get("stack")
    if report.when == "call" and report.failed and isinstance(tienda, Tienda):
        report.sections += tienda.ends_of_logs()
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests measured."""
    if FIGURES:
        terminalreporter.section("measured")
        for figure in FIGURES:
            terminalreporter.write_line(figure)
