"""Gives each test its layer and its place in the order, shares the stack, and shows what was measured."""

import faulthandler
import os
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.tienda import FIGURES, ROOT, Tienda
from tests.faults import table
from tests.faults.ordeal import LONG
from tests.lanes import lane_of, place_of
from tests.stack import databases, stack

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

__all__ = ["databases", "stack"]

TESTS = Path(__file__).parent
# Seconds a test of the layer may take, fixtures included; the default is in pyproject.toml.
TIMEOUTS = {
    "bench": 900,
    "integration": 180,
    "deploy": 180,
    "e2e": 500,
    "faults": 1800 if LONG else 500,
    "fresh": 900,
    "planted_bugs": 500,
    "cluster": 3600,
    "secure": 400,
}
COSTLY = {"bench", "cluster", "e2e", "faults", "fresh", "planted_bugs", "secure"}
"""Layers whose tests are extended, except those marked as core."""
GRACE_S = 60
"""A test that hasn't ended so long after its timeout takes its process along."""
STDERR = pytest.StashKey[int]()
SHOWN = 3_000
"""How many characters of a failure, from the end, are shown when it happens."""
STILL_WAITING = "due messages that still wait, and those handed out"
FIGURE, FAULT = "figure", "fault"
"""Properties of a report that carry what a test measured, since the test may have run in another process."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "LoadScopeScheduling":
    """Keep the tests of a lane together, in one process."""
    from xdist.scheduler import LoadScopeScheduling

    class Lanes(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return lane_of(nodeid)[1]

        def remove_node(self, node: Any) -> str | None:
            """Count the test that ended its process as run: the next process would end by it, too."""
            lanes = self.assigned_work[node].values()
            running = next(((lane, test) for lane in lanes for test, ended in lane.items() if not ended), None)
            if running is None:
                return super().remove_node(node)  # type: ignore[no-any-return]
            lane, test = running
            lane[test] = True
            super().remove_node(node)
            return test  # type: ignore[no-any-return]

    return Lanes(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        layer = item.path.relative_to(TESTS).parts[0]
        if item.path.parent == TESTS:
            continue
        item.add_marker(layer)
        if layer in COSTLY and item.get_closest_marker("core") is None:
            item.add_marker("extended")
        if layer in TIMEOUTS and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUTS[layer]))
    if hasattr(config, "workerinput"):
        # Each process takes the next lane, so the lane that lasts longest begins first.
        items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """End the process of a test that its timeout can't end: a signal waits for code in C, which may never return."""
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0] if marker else item.config.getini("timeout"))
    faulthandler.dump_traceback_later(seconds + GRACE_S, exit=True, file=item.config.stash[STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_configure(config: pytest.Config) -> None:
    # A copy: what a running test writes there is captured.
    config.stash[STDERR] = os.dup(2)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailuresAtOnce(config))


class FailuresAtOnce:
    """Shows each failure when it happens: a run that is ended from outside never comes to its summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.write_line("")
            terminal.section(f"failed after {report.duration:.0f} s: {report.nodeid}", sep="-")
            terminal.write_line(report.longreprtext[-SHOWN:])
            for title, content in report.sections:
                if title == STILL_WAITING:
                    terminal.write_line(f"{title}: {content}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """If a test on the running system fails, show what waits and the ends of the logs; add figures to the report."""
    report = yield
    tienda = getattr(item, "funcargs", {}).get("stack")
    if report.when == "call" and report.failed and isinstance(tienda, Tienda):
        report.sections[:0] = [(STILL_WAITING, tienda.still_waiting())]
        report.sections += tienda.ends_of_logs()
    if report.skipped and os.environ.get("ALPES_REQUIRE_ALL") == "1" and item.get_closest_marker("extended"):
        report.outcome = "failed"
        report.longrepr = f"skipped, though ALPES_REQUIRE_ALL=1 lets no extended test be skipped: {report.longrepr}"
    report.user_properties += [(FIGURE, figure) for figure in FIGURES]
    report.user_properties += [(FAULT, asdict(line)) for line in table.LINES]
    FIGURES.clear()
    table.LINES.clear()
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests measured, and write the table of faults that documents quote."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    carried = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    if lines := [table.Line(**value) for name, value in carried if name == FAULT]:
        terminalreporter.section(f"faults, {'long' if LONG else 'short'} form, ALPES_SEED={lines[0].seed}")
        terminalreporter.write_line(table.markdown(lines))
        table.write(lines, ROOT / "build")
    if figures := [value for name, value in carried if name == FIGURE]:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.write_line(figure)
