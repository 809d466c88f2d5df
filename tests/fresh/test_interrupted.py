"""A first run that is interrupted or killed in any of its phases leaves a machine on which the next one succeeds."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from connection.admin import Admin
from connection.errors import PulsarError
from local_stack.settings import Ports, noted_offset
from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import wait_until
from tests.faults.ordeal import SEED
from tests.fresh.machine import Machine, machine, pythons

SENDING = "orders arrive"
"""The last phase. It prints nothing, so the test looks for its orders."""
PHASES = (
    "Making the environment",
    "Installing the packages",
    "Downloading pulsar-server",
    "Verifying and unpacking",
    "Starting PostgreSQL",
    "Starting Pulsar",
    "Starting the HTTP API",
    f"namespace created: {NAMESPACE}",
    "Deploying ordenes",
    SENDING,
)
"""What the output says when each phase begins, in order; each run gets to a later phase."""
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
"""What ends a phase; one is drawn for each. Each process takes SIGTERM as it takes Ctrl-C."""
MANY_ORDERS = "100000"
"""More orders than can be sent before the signal comes."""
INTO_THE_PHASE_S = 0.3
REACHED_WITHIN_S = 300
ENDS_WITHIN_S = 60


class Run:
    """A run of ``./deploy.sh``; as on a terminal, its output stays open if only the script is killed."""

    def __init__(self, fresh: Machine) -> None:
        self._fresh = fresh
        self._output = fresh.home / "output"
        with self._output.open("w") as file:
            self.process = fresh.begin("deploy.sh", output=file.fileno())

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def reaches(self, phase: str) -> bool:
        """Wait until a phase has begun or the run has ended; return whether the phase has begun."""
        deadline = time.monotonic() + REACHED_WITHIN_S
        while not (orders_arrive(self._fresh) if phase == SENDING else phase in self.output):
            if self.process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        time.sleep(INTO_THE_PHASE_S)
        return True

    def end(self, number: signal.Signals) -> int:
        """Send a signal to all of its processes, and wait until all have ended; return the script's exit code."""
        os.killpg(self.process.pid, number)
        try:
            code = self.process.wait(ENDS_WITHIN_S)
            wait_until(lambda: not self._goes_on(), ENDS_WITHIN_S, "all of the run has ended")
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return code

    def _goes_on(self) -> bool:
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    return True
        return False


def orders_arrive(fresh: Machine) -> bool:
    offset = noted_offset(fresh.checkout / ".alpes")
    assert offset is not None
    admin = Admin(f"http://127.0.0.1:{Ports(offset).http}")
    with suppress(PulsarError):
        stats = admin.find(f"/admin/v2/persistent/{NAMESPACE}/crear-orden/partitioned-stats")
        return stats is not None and stats["msgInCounter"] > 0
    return False


def begin_and_end(fresh: Machine, phase: str, number: signal.Signals) -> None:
    """Run the main job into a phase, and end it there."""
    run = Run(fresh)
    assert run.reaches(phase), f"ALPES_SEED={SEED}, {phase}: {run.output}"
    assert run.end(number) in {-number, 128 + number, 130}, f"ALPES_SEED={SEED}, {phase}: {run.output}"
    assert number == signal.SIGKILL or "Traceback" not in run.output, run.output


def run_whole(fresh: Machine) -> None:
    """Run the main job, and let it end well."""
    del fresh.environment["ALPES_ORDERS"]
    code, output = fresh.run("deploy.sh")
    assert code == 0, output
    assert "The report has" in output


@pytest.fixture(scope="module")
def whole() -> Iterator[Machine]:
    """Return a machine on which a run was ended in each phase, and the last one has ended well."""
    drawn = random.Random(SEED)
    with machine(pythons()[0]) as fresh:
        fresh.environment["ALPES_ORDERS"] = MANY_ORDERS
        for phase in PHASES:
            begin_and_end(fresh, phase, drawn.choice(ENDS))
        run_whole(fresh)
        yield fresh


def test_a_run_that_was_ended_in_any_phase_is_run_again(whole: Machine) -> None:
    code, output = whole.run("deploy.sh", "status")
    assert code == 0, output


def test_the_script_alone_is_killed_and_the_next_run_waits_for_its_step(whole: Machine) -> None:
    code, output = whole.run("deploy.sh", "down")
    assert code == 0, output
    first = Run(whole)
    assert first.reaches("Starting Pulsar"), first.output
    first.process.kill()
    first.process.wait()
    assert any("local_stack" in process.cmdline() for process in whole.processes()), "its step goes on"
    code, output = whole.run("deploy.sh")
    assert code == 0, output
    assert "Waiting for another run on this stack" in output
    assert "Traceback" not in output
    wait_until(lambda: "Pulsar started" in first.output, 10, "the step has ended well")


def test_all_is_killed_at_once_as_by_a_power_cut(whole: Machine) -> None:
    for process in whole.processes():
        process.kill()
    assert whole.wait_for_none() == []
    code, output = whole.run("deploy.sh")
    assert code == 0, output
    code, output = whole.run("alpes", "reconcile", "--topics")
    assert code == 0, output
