"""An instance is stopped for a while, and then goes on with the messages that it had."""

import signal
import time

import psutil

from tests.e2e.tienda import Tienda, note, wait_until
from tests.faults import breaking
from tests.faults.ordeal import Ordeal, often

STOPPED_S = 15.0
COMMITTED = """
SELECT count(*) FROM pg_stat_activity
WHERE usename = user AND client_port = ANY(%s) AND query = 'COMMIT' AND state_change > to_timestamp(%s)
  AND application_name NOT LIKE '%% view'
"""


def test_an_instance_that_is_stopped_and_goes_on_commits_and_nothing_is_paid_twice(restored: Tienda) -> None:
    stack = restored
    # Where checks come often a resumed instance may end itself before it does anything.
    breaking.restart_broker(stack, liveness_check_ms=breaking.SLOW_CHECKS_MS)
    functions = ("pagos", "ordenes") if often(2, 1) == 2 else ("pagos",)
    breaking.scale_all(stack, functions, 2)
    try:
        for function in functions:
            _stop_and_go_on(stack, function)
    finally:
        breaking.scale_all(stack, functions, 1)


def _stop_and_go_on(stack: Tienda, function: str) -> None:
    with Ordeal(stack, f"SIGSTOP of {function} for {STOPPED_S:.0f} s") as ordeal:
        victim = ordeal.random.choice(sorted(stack.processes(function), key=lambda process: process.pid))
        with ordeal.fault():
            victim.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            ordeal.rest(1.0, 3.0)
            assert stack.unacknowledged(function, victim), "the instance holds messages"
            # The broker hands the stopped instance's messages to the other one, so that both hold them.
            stack.unload(function)
            time.sleep(max(0.0, STOPPED_S - (time.monotonic() - stopped)))
            victim.send_signal(signal.SIGCONT)
        resumed = time.time()
        took = wait_until(
            lambda: _committed(stack, function, victim, resumed), 30, f"the resumed {function} commits", every=0.02
        )
        note(f"SIGSTOP of {function}: the resumed process committed {took:.1f} s after SIGCONT")
        ordeal.wait_normal()
        assert victim.is_running()
        verdict = ordeal.finish()
    assert verdict.figures["duplicates"], "the messages that it held are processed twice"


def _committed(stack: Tienda, function: str, process: psutil.Process, since: float) -> bool:
    """Whether this very process has committed since then; the server knows it by the port of its connection."""
    ports = [connection.laddr.port for connection in process.net_connections("tcp")]
    return stack.rows(function, COMMITTED, ports, since) != [(0,)]
