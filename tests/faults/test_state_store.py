"""While the state store is away, orders flow on and the log says so; afterwards it shows every order."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.e2e.publisher.link import Link
from tests.e2e.tienda import Tienda, note, wait_until
from tests.faults import breaking
from tests.faults.function_logs import FunctionLog
from tests.faults.ordeal import Ordeal, often, settings_of

VIEWS = ("ordenes", "reporting")
"""The functions that keep a view in the state store."""
AWAY_S = often(long=15, short=4)
LONGEST_VIEW_PAUSE_S = 60.0
"""A view begins again when orders have flowed for 15 s, or after 30; a put that gets no answer is given up after 10."""


@pytest.fixture(scope="module")
def link(stack: Tienda) -> Iterator[Link]:
    """The link between all functions and the state store."""
    with closing(Link(f"bk://127.0.0.1:{settings_of(stack).ports.state}")) as between:
        breaking.restart_broker(stack, state_port=between.port)
        yield between
        mend(between)
        breaking.restart_broker(stack)


def mend(link: Link) -> None:
    """Let everything through again, and end the connections that got no byte."""
    link.resume()
    link.cut()
    link.repair()


@pytest.mark.parametrize("cut", [Link.break_down, Link.stall], ids=["refused", "silent"])
def test_orders_flow_on_while_the_state_store_is_away(stack: Tienda, link: Link, cut: Callable[[Link], None]) -> None:
    log = FunctionLog(stack, "ordenes")
    restarts = stack.restarts()
    with Ordeal(stack, f"state store away: {cut.__name__}") as ordeal:
        with ordeal.fault():
            cut(link)
            time.sleep(AWAY_S)
            wait_until(lambda: log.lines("A view waits (attempt 1), "), 30, "the log says that a view waits")
            ended = ordeal.probe.ended
            wait_until(lambda: ordeal.probe.ended > ended + 100, 10, "orders end meanwhile")
            mend(link)
        wait_until(lambda: log.lines("A view goes on after "), LONGEST_VIEW_PAUSE_S, "the log says that it goes on")
        ordeal.finish()
    assert all("state store" in line for line in log.lines("A view waits"))
    assert not log.lines("Traceback")
    assert stack.restarts() == restarts


def test_what_starts_while_the_state_store_is_away_runs_once_it_is_back(stack: Tienda, link: Link) -> None:
    log = FunctionLog(stack, "ordenes")
    with Ordeal(stack, "state store away at the start of instances", total=True) as ordeal:
        with ordeal.fault():
            link.break_down()
            for function in VIEWS:
                for process in stack.processes(function):
                    breaking.kill(process)
            # Pulsar's instance opens the state store before it loads a function, so it can't start without it. A worker
            # notices after some seconds that an instance has ended, and starts the next one then.
            wait_until(lambda: log.lines("grpc"), 60, "the log says why an instance did not start")
            assert not stack.running("ordenes")
            mend(link)
        started = time.monotonic()
        breaking.wait_functions(stack)
        note(f"state store away at start: instances ran {time.monotonic() - started:.1f} s after it was back")
        ordeal.wait_normal()
        ordeal.finish()
