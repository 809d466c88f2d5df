"""Keeps account of one run's orders: when each was sent, how and when it ended. No I/O."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from client.stats import latency_percentiles, per_second
from schemas.tienda.orden import APROBADA, CREADA, RECHAZADA
from schemas.tienda.times import iso

DEAD_LETTERED = "dead_lettered"
UNSENT = "unsent"
UNACCOUNTED = "unaccounted"

# Any other status ends an order, including those that later releases add.
OPEN_STATUSES = frozenset({"", CREADA})


@dataclass(slots=True)
class _Trace:
    sent_ns: int
    ended_ns: int = 0
    status: str = ""
    version: int = -1
    dead_letter: str = ""
    send_error: str = ""
    existed: bool = False

    def outcome(self) -> str:
        if self.status:
            return self.status
        if self.dead_letter:
            return DEAD_LETTERED
        return UNSENT if self.send_error else UNACCOUNTED


class Ledger:
    """The orders of one run. Times are nanoseconds since the epoch: they are compared with times of other machines.

    Several threads may write at once.
    """

    def __init__(self) -> None:
        self._traces: dict[str, _Trace] = {}
        self._lock = threading.Lock()
        self._finished = 0

    @property
    def finished(self) -> int:
        """How many orders have ended, in whatever way."""
        return self._finished

    @property
    def orders(self) -> int:
        """How many orders the run has sent, or tried to send."""
        return len(self._traces)

    def sent(self, order_id: str, at_ns: int) -> None:
        """Record an order, just before it is sent."""
        with self._lock:
            self._traces.setdefault(order_id, _Trace(at_ns))

    def unsent(self, order_id: str, reason: str) -> None:
        """Record that Pulsar never confirmed an order. It may have arrived even so, and then ends like any other."""
        with self._lock:
            trace = self._traces[order_id]
            was_open = trace.outcome() == UNACCOUNTED
            trace.send_error = reason
            self._finished += was_open

    def updated(self, order_id: str, status: str, version: int, at_ns: int, created_at_ms: int = 0) -> None:
        """Record a status. Other runs' orders, open statuses and versions not above the known one change nothing.

        If `created_at_ms` (0 for unknown) isn't the time at which this run sent the order, the order existed already:
        Ordenes keeps the time of the first command. Both times come from clients' clocks.
        """
        if order_id not in self._traces or status in OPEN_STATUSES:
            return
        with self._lock:
            trace = self._traces[order_id]
            if version <= trace.version:
                return
            self._end(trace, at_ns)
            trace.status, trace.version = status, version
            trace.existed = created_at_ms not in {0, trace.sent_ns // 1_000_000}

    def dead_lettered(self, order_id: str, reason: str, at_ns: int) -> None:
        """Record a dead letter. If the order has a final status too, that stays its outcome."""
        if order_id not in self._traces:
            return
        with self._lock:
            trace = self._traces[order_id]
            self._end(trace, at_ns)
            trace.dead_letter = trace.dead_letter or reason

    def _end(self, trace: _Trace, at_ns: int) -> None:
        if not trace.ended_ns:
            trace.ended_ns = max(at_ns, trace.sent_ns)
            self._finished += not trace.send_error

    def close(self) -> RunSummary:
        """Return the summary of what is known now."""
        with self._lock:
            traces = dict(self._traces)
        ended = [t for t in traces.values() if t.ended_ns]
        outcomes = Counter(t.outcome() for t in traces.values())
        started_ns = min((t.sent_ns for t in traces.values()), default=None)
        last_ns = max((t.ended_ns for t in ended), default=None)
        return RunSummary(
            orders=len(traces),
            outcomes={name: outcomes.pop(name, 0) for name in (APROBADA, RECHAZADA)}
            | dict(sorted((k, n) for k, n in outcomes.items() if k not in (DEAD_LETTERED, UNSENT, UNACCOUNTED)))
            | {name: outcomes.get(name, 0) for name in (DEAD_LETTERED, UNSENT, UNACCOUNTED)},
            started_at_ns=started_ns,
            first_finished_at_ns=min((t.ended_ns for t in ended), default=None),
            last_finished_at_ns=last_ns,
            orders_per_second=per_second(len(ended), started_ns, last_ns),
            latency_ms=latency_percentiles([(t.ended_ns - t.sent_ns) / 1e6 for t in ended]),
            dead_letter_reasons=_reasons(t.dead_letter for t in traces.values() if t.dead_letter),
            existed=sum(t.existed for t in traces.values()),
            send_errors=_reasons(t.send_error for t in traces.values() if t.outcome() == UNSENT),
            unconfirmed=_reasons(t.send_error for t in traces.values() if t.send_error and t.outcome() != UNSENT),
            examples={
                outcome: next(order_id for order_id, t in traces.items() if t.outcome() == outcome)
                for outcome in {t.outcome() for t in traces.values()}
            },
        )


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run went.

    Attributes
    ----------
    orders : int
        Orders that the run sent, or tried to send.
    outcomes : dict of str to int
        Orders per outcome: a final status, `dead_lettered`, `unsent` (never confirmed, never seen) or `unaccounted`.
    started_at_ns, first_finished_at_ns, last_finished_at_ns : int or None
        Nanoseconds since the epoch.
    orders_per_second : float or None
        Orders that ended, divided by the time from the first one's sending to the last one's end.
    latency_ms : dict of str to float, or None
        p50, p95 and p99 from an order's sending to its end, in milliseconds.
    existed : int
        Orders that had been accepted before this run sent them, as far as the events at their ends show.
    dead_letter_reasons, send_errors, unconfirmed : dict of str to int
        Orders per reason, the most frequent first. Of the orders that Pulsar didn't confirm, `send_errors` counts those
        never seen since, and `unconfirmed` those that ended even so.
    examples : dict of str to str
        One order id per outcome.
    """

    orders: int
    outcomes: dict[str, int]
    started_at_ns: int | None
    first_finished_at_ns: int | None
    last_finished_at_ns: int | None
    orders_per_second: float | None
    latency_ms: dict[str, float] | None
    existed: int
    dead_letter_reasons: dict[str, int]
    send_errors: dict[str, int]
    unconfirmed: dict[str, int]
    examples: dict[str, str]

    @property
    def missing(self) -> int:
        """Orders whose end is unknown."""
        return self.outcomes[UNSENT] + self.outcomes[UNACCOUNTED]

    def as_json(self, zone: ZoneInfo) -> dict[str, Any]:
        """Return the summary as a JSON object: times in milliseconds since the epoch, and as ISO 8601 in a zone."""
        times = {
            "started_at": _milliseconds(self.started_at_ns),
            "first_finished_at": _milliseconds(self.first_finished_at_ns),
            "last_finished_at": _milliseconds(self.last_finished_at_ns),
        }
        return {
            "orders": self.orders,
            "outcomes": self.outcomes,
            "existed": self.existed,
            **{f"{name}_ms": at_ms for name, at_ms in times.items()},
            **{name: None if at_ms is None else iso(at_ms, zone) for name, at_ms in times.items()},
            "tz": zone.key,
            "orders_per_second": self.orders_per_second,
            "latency_ms": self.latency_ms,
            "dead_letter_reasons": self.dead_letter_reasons,
            "send_errors": self.send_errors,
            "unconfirmed": self.unconfirmed,
        }


def _reasons(reasons: Iterable[str]) -> dict[str, int]:
    return dict(Counter(reasons).most_common())


def _milliseconds(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else nanoseconds // 1_000_000
