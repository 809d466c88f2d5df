"""Partitions that an operator adds to an input are taken from by the instances that run, without a restart."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import FUNCTIONS, Tienda, note, stopped, wait_until

INPUT = "reporting-reintento"
"""No other test counts the partitions of this input."""
LOOK_S = 30.0
"""An instance looks for new partitions this often."""


@contextmanager
def partitions_afterwards(stack: Tienda, number: int) -> Iterator[None]:
    """Make the topic anew at the end: Pulsar removes no partition, and a deployment refuses what has too many."""
    path = f"/admin/v2/persistent/{NAMESPACE}/{INPUT}/partitions"
    try:
        yield
    finally:
        with stopped(stack, "reporting"):
            stack.admin("DELETE", f"{path}?force=true")
            stack.admin("PUT", path, number)


def test_an_instance_that_runs_takes_messages_from_a_partition_that_is_added(stack: Tienda) -> None:
    path = f"/admin/v2/persistent/{NAMESPACE}/{INPUT}/partitions"
    before = int(stack.admin("GET", path)["partitions"])
    pids = {process.pid for name in FUNCTIONS for process in stack.processes(name)}
    letters = len(stack.read(f"{INPUT}-DLQ"))
    with partitions_afterwards(stack, before):
        stack.admin("POST", path, before + 1)
        added = f"{INPUT}-partition-{before}"
        stack.publish(added, [("key", b"no later attempt of any message")])
        seconds = wait_until(lambda: len(stack.read(f"{INPUT}-DLQ")) > letters, LOOK_S + 15, f"{added} is read")
        wait_until(lambda: INPUT not in stack.waiting(), 15, "it is acknowledged")
        assert {process.pid for name in FUNCTIONS for process in stack.processes(name)} == pids
    note(f"a partition that was added: its first message was taken after {seconds:.0f} s, without a restart")
