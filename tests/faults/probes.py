"""Watches whether orders end during a fault: a system that stands still proves nothing by losing nothing."""

import contextlib
import threading
import time
from bisect import bisect_left
from typing import NamedTuple

import psycopg

from tests.faults.load import Load
from tests.lanes import PATIENCE

EVERY_S = 0.2
STEP = 2_000
"""Ids that are counted at a time; those before have all ended and are not counted again."""
NORMAL_S = 1.0 * PATIENCE
"""A flow is normal when no more orders are under way than come in within this time, or twice what was usual before."""
HOLDS_S = 2.0
"""The flow must stay normal for this long, since the backlog may show only some time after the fault."""
HOLDS_SAMPLES = 5
"""The least number of samples that must show it, each less than `HOLDS_S` after the one before."""


class Sample(NamedTuple):
    """How far the load and its orders were at a moment.

    Attributes
    ----------
    at
        Unix seconds.
    sent, ended
        Orders.
    """

    at: float
    sent: int
    ended: int


class Probe:
    """Counts, several times a second, the orders that Reporting shows as ended.

    Parameters
    ----------
    dsn
        Reporting's database. While it is away nothing is counted, which shows as a pause.
    load
        Whose orders.
    """

    def __init__(self, dsn: str, load: Load) -> None:
        self.samples: list[Sample] = []
        self._dsn = dsn
        self._load = load
        self._whole = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def stop(self) -> None:
        """Stop counting."""
        self._stop.set()
        self._thread.join(30)

    @property
    def ended(self) -> int:
        """How many orders had ended at the last count."""
        return self.samples[-1].ended if self.samples else 0

    def ended_between(self, start: float, end: float) -> int:
        """Return the orders that ended in a stretch of time, by the samples within it."""
        within = [sample.ended for sample in self.samples if start <= sample.at <= end + EVERY_S]
        return within[-1] - within[0] if within else 0

    def longest_pause(self) -> float:
        """Return for how many seconds, at most, no order ended although some were under way."""
        longest, since, ended = 0.0, None, 0
        for sample in self.samples:
            if since is None or sample.ended > ended or sample.sent <= ended:
                if since is not None and sample.ended > ended:
                    longest = max(longest, sample.at - since)
                since, ended = sample.at, sample.ended
        return longest

    def is_normal(self) -> bool:
        """Whether no more orders are under way than come in within `NORMAL_S`."""
        return bool(self.samples) and self.samples[-1].sent - self.samples[-1].ended <= self._load.rate * NORMAL_S

    def usual(self, since: float, until: float) -> int:
        """Return how many orders were under way at most, but for the 5 % worst samples, in a stretch of time."""
        under_way = sorted(sample.sent - sample.ended for sample in self.samples if since <= sample.at <= until)
        return under_way[int(len(under_way) * 0.95)] if under_way else 0

    def recovered_after(self, end: float, usual: int, until: float = float("inf")) -> float:
        """Return how many seconds after ``end`` no more were under way than usual; by Little's law, latency is too.

        Parameters
        ----------
        end
            When the fault was over, in Unix seconds.
        usual
            Orders that were under way before.
        until
            What was seen later says nothing of this fault.

        Returns
        -------
        float
            To the first sample from which on it stayed so for `HOLDS_S`; infinity where it has not been seen to.
        """
        most = max(2 * usual, self._load.rate * NORMAL_S)
        calm: list[float] = []
        for sample in self._between(end, until):
            if sample.sent - sample.ended > most:
                calm.clear()
                continue
            if calm and sample.at - calm[-1] >= HOLDS_S:
                # Nobody knows what was between.
                calm.clear()
            calm.append(sample.at)
            if len(calm) >= HOLDS_SAMPLES and calm[-1] - calm[0] >= HOLDS_S:
                return calm[0] - end
        return float("inf")

    def _between(self, start: float, end: float) -> list[Sample]:
        """Return the samples of a stretch of time, its end excluded."""
        first, last = (bisect_left(self.samples, at, key=lambda sample: sample.at) for at in (start, end))
        return self.samples[first:last]

    def _run(self) -> None:
        while not self._stop.is_set():
            with (
                contextlib.suppress(psycopg.Error),
                psycopg.connect(self._dsn, autocommit=True, connect_timeout=3) as connection,
            ):
                while not self._stop.is_set():
                    sent = self._load.sent
                    ended = self._count(connection)
                    self.samples.append(Sample(time.time(), sent, ended))
                    self._stop.wait(EVERY_S)
            self._stop.wait(EVERY_S)

    def _count(self, connection: "psycopg.Connection[tuple[int]]") -> int:
        while self._rows(connection, self._whole, self._whole + STEP) == STEP:
            self._whole += STEP
        return self._whole + self._rows(connection, self._whole, None)

    def _rows(self, connection: "psycopg.Connection[tuple[int]]", start: int, end: int | None) -> int:
        query = "SELECT count(*) FROM ordenes WHERE id >= %s AND id < %s"
        last = self._load.prefix + "~" if end is None else self._load.id_of(end)
        row = connection.execute(query, (self._load.id_of(start), last)).fetchone()
        return row[0] if row else 0
