"""One ordeal: orders come in at a steady rate, something is broken meanwhile, and then everything is checked."""

import os
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Self

import psycopg

from connection.errors import PulsarError
from local_stack.settings import Settings, from_environment
from tests.e2e.tienda import Tienda, note, wait_until
from tests.faults import progress, table
from tests.faults.checker import Verdict, check
from tests.faults.history import Unreadable
from tests.faults.load import Load
from tests.faults.probes import Probe
from tests.faults.progress import Fault
from tests.faults.recorder import Recorder
from tests.lanes import PATIENCE

LONG = os.environ.get("ALPES_FAULTS") == "long"
"""The long form, ``./test.sh faults``; the short one is part of the normal test run."""
SEED = os.environ.get("ALPES_SEED") or str(random.SystemRandom().randrange(1_000_000))
"""The seed of everything that is drawn."""
STATE_SAMPLE = 50_000
"""The most orders whose status is read from the state store."""
RECOVERY_S = 10.0 if LONG else 30.0 * PATIENCE
"""Within this time after a total outage the flow is normal again, unless an ordeal says otherwise; the short form also
runs where other work is done."""
LONGEST_RETRY_S = 40.0
"""After this time, a message that waits for another attempt has come again."""
TOTALS_S = 180.0
"""Within this time the state store shows Reporting's totals, which are written every minute at least."""
CALM_S = 5.0
"""How long the time before the first fault is observed, to learn what is usual."""


@dataclass(frozen=True)
class Size:
    """How much an ordeal is put through.

    Attributes
    ----------
    orders
        Least number.
    rate
        Orders a second.
    recovery_s
        Within this time after a total outage the flow is normal again.
    """

    orders: int
    rate: float
    recovery_s: float = RECOVERY_S


SIZE = Size(20_000, 700) if LONG else Size(1_000, 100)
SLOWER = Size(20_000, 500) if LONG else SIZE
"""For a fault after which a freshly started broker has much to catch up with."""


def often(long: int, short: int) -> int:
    """Return how often something is done in the form that runs."""
    return long if LONG else short


def settings_of(stack: Tienda) -> Settings:
    """Return the local stack's settings."""
    return from_environment(stack.environment)


class Ordeal:
    """Orders under way, and what happens to them.

    Use as a context: on entering orders flow, ``fault()`` frames each time that something is broken, and ``finish()``
    waits for the end and judges.

    Parameters
    ----------
    stack
        The system.
    name
        The fault's, for the table.
    total
        Whether nothing is expected to end while the fault lasts.
    size
        Orders and rate.
    seed
        What is drawn comes from it and the name.
    with_state
        Whether the state store, that of the local stack, is judged, too.
    """

    def __init__(
        self,
        stack: Tienda,
        name: str,
        *,
        total: bool = False,
        size: Size = SIZE,
        seed: str = SEED,
        with_state: bool = True,
    ) -> None:
        self.stack = stack
        self.name = name
        self.prefix = f"f{uuid.uuid4().hex[:8]}-"
        self.seed = seed
        self.random = random.Random(f"{seed} {name}")
        self.load = Load(stack.service_url, stack.topic("crear-orden"), self.prefix, size.rate, size.orders)
        self.probe = Probe(stack.dsns["reporting"], self.load)
        self.faults: list[Fault] = []
        self.verdict: Verdict | None = None
        self._total = total
        self._recovery_s = size.recovery_s
        self._recorder = Recorder(stack, self.prefix)
        self._with_state = with_state
        self._calm_since = 0.0
        self._usual = 0

    def __enter__(self) -> Self:
        self.load.start()
        self.probe.start()
        wait_until(lambda: self.load.error or self.probe.ended > self.load.rate, 120, "orders flow")
        assert self.load.error is None, self.load.error
        wait_until(self.probe.is_normal, 120, "what came in while the first orders were on their way is done")
        self._calm_since = time.time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(AssertionError):
            self.load.finish(30)
        self.probe.stop()

    @contextmanager
    def fault(self, *, total: bool | None = None) -> Iterator[None]:
        """Frame a fault, from the break to the repair; ``total`` overrides, for this fault, what the ordeal says."""
        started = time.time()
        if not self.faults:
            self._usual = self.probe.usual(max(self._calm_since, started - CALM_S), started)
        try:
            yield
        finally:
            self.faults.append(Fault(started, time.time(), self._total if total is None else total))

    def rest(self, least: float, most: float) -> None:
        """Let orders flow for a drawn time in seconds."""
        time.sleep(self.random.uniform(least, most))

    def wait_normal(self, seconds: float = 120) -> float:
        """Wait until no more orders are under way than usual; return how long that took since the last fault."""
        wait_until(lambda: self._recovered() < float("inf"), seconds, "the flow is normal again")
        return self._recovered()

    def wait_normal_sometimes(self, seconds: float = 120) -> None:
        """Either wait for a normal flow, or don't, so that the next fault meets what the last one left."""
        if self.random.random() < 0.5:
            self.wait_normal(seconds)

    def _recovered(self) -> float:
        return self.probe.recovered_after(self.faults[-1].end, self._usual)

    def finish(
        self,
        *,
        dead_lettered: int = 0,
        seconds: float = 180,
        idle_seconds: float = 120,
        with_report: bool = LONG,
        more_faults: int = 0,
    ) -> Verdict:
        """Have everything sent and ended, judge it, and print the fault's line.

        Parameters
        ----------
        dead_lettered
            Orders that must have been dead-lettered.
        seconds
            How long the rest may take to end.
        idle_seconds
            How long the system may take to come to rest after that, the state store included.
        with_report
            Whether a report is asked for.
        more_faults
            Faults injected beyond those that `fault` framed.
        """
        if self.faults:
            self.wait_normal()
        self.load.finish()
        wait_until(lambda: self.probe.ended >= self.load.sent - dead_lettered, seconds, self._still(), every=0.5)
        self.probe.stop()
        idle = self.wait_idle(idle_seconds)
        verdict = self.verdict = self._judge(idle=idle, with_report=with_report)
        self._print(verdict, len(self.faults) + more_faults)
        assert verdict.name == "holds", f"seed {self.seed}: {verdict}"
        told, found = verdict.figures["told"], verdict.figures.get("dead_lettered", 0)
        assert told == self.load.sent, f"the client got confirmations for {told} of {self.load.sent} orders"
        assert found == dead_lettered, f"{found} orders are dead-lettered, not {dead_lettered}"
        self._see_progress()
        return verdict

    def _still(self) -> str:
        return f"all orders have ended (seed {self.seed}; {self.probe.ended} of {self.load.sent})"

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing is under way, the state store included; return whether that was reached."""
        deadline = time.monotonic() + seconds * PATIENCE
        still = 0
        while time.monotonic() < deadline and still < 2:
            still = still + 1 if self._at_rest() else 0
            time.sleep(0.5)
        return still >= 2

    def _at_rest(self) -> bool:
        try:
            return (
                (not self._with_state or self.stack.state_is_current())
                and not self.stack.waiting()
                and self._recorder.seconds_since_last_retry() > LONGEST_RETRY_S
            )
        except (psycopg.Error, PulsarError, Unreadable, OSError):
            return False

    def _judge(self, *, idle: bool, with_report: bool) -> Verdict:
        ids = [self.load.id_of(n) for n in range(self.load.sent)]
        if len(ids) > STATE_SAMPLE:
            ids = sorted(self.random.sample(ids, STATE_SAMPLE))
        # The state store follows the running totals in Reporting's database.
        with suppress(AssertionError, Unreadable):
            if self._with_state:
                wait_until(self._recorder.shows_totals, TOTALS_S, "the state store shows the totals")
        history = self._recorder.history(
            self.load.orders(),
            idle=idle,
            state_port=settings_of(self.stack).ports.state if self._with_state else None,
            state_ids=ids,
            with_report=with_report,
        )
        return check(history)

    def _print(self, verdict: Verdict, faults: int) -> None:
        figures = verdict.figures
        start, end = (self.faults[0].start, self.faults[-1].end) if self.faults else (0.0, 0.0)
        line = table.Line(
            fault=self.name,
            orders=figures.get("accepted", 0),
            faults=faults,
            duplicates=figures.get("duplicates", 0),
            lost=figures["lost"],
            paid_twice=figures["paid_twice"],
            longest_pause_s=self.probe.longest_pause(),
            ended_during=self.probe.ended_between(start, end),
            recovery_s=self._longest_recovery(),
            dead_lettered=figures.get("dead_lettered", 0),
            invalid=figures.get("invalid", 0),
            conflicts=figures.get("conflicts", 0),
            verdict=verdict.name,
            seed=self.seed,
        )
        table.LINES.append(line)
        latencies = sorted(
            ended / 1000 - self.load.sent_at[int(order_id.rpartition("-")[2])]
            for order_id, ended in zip(verdict.numbers, verdict.ended_ms, strict=True)
            if ended
        )
        if latencies:
            p99 = latencies[int(len(latencies) * 0.99)]
            note(f"{self.name}: p50 {median(latencies) * 1000:.0f} ms, p99 {p99:.1f} s from sent to ended")

    def _longest_recovery(self) -> float:
        """Return the longest time in seconds that was seen from a fault's end until the flow was normal again."""
        seen = progress.recoveries(self.probe, self.faults, self._usual)
        return max((seconds for seconds in seen if seconds < float("inf")), default=0.0)

    def _see_progress(self) -> None:
        """Check that the system made progress during each fault, or soon after."""
        found = progress.problems(
            self.probe, self.faults, self._usual, rate=self.load.rate, recovery_s=self._recovery_s
        )
        slow = "; ".join(found)
        assert not slow, f"seed {self.seed}: {slow}"
