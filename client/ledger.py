"""Keeps account of one run's orders: when each was sent, how and when it ended. No I/O."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from client.mix import BAD, CONFLICT, DUPLICATE, KINDS, VALID
from client.stats import latency_percentiles, per_second
from schemas.tienda.orden import APROBADA, CREADA, RECHAZADA
from schemas.tienda.times import iso

DEAD_LETTERED = "dead_lettered"
UNSENT = "unsent"
UNACCOUNTED = "unaccounted"
AS_CONFLICT, AS_INVALID = "conflict", "invalid"
"""Types of the errors with which a conflict and a bad order are dead-lettered."""

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
    kind: str = VALID
    number: int = -1
    created_at_ms: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused_conflicts: int = 0

    def as_expected(self) -> dict[str, int]:
        """Return how many of the order's messages ended as their kind should, by kind."""
        accepted = bool(self.status) and not self.dead_letter
        refused = not self.status and self.dead_letter.startswith(AS_INVALID)
        own = refused if self.kind == BAD else accepted
        return {self.kind: own, DUPLICATE: self.duplicates * accepted, CONFLICT: self.refused_conflicts}

    def outcome(self) -> str:
        if self.status:
            return self.status
        if self.dead_letter:
            return DEAD_LETTERED
        return UNSENT if self.send_error else UNACCOUNTED


class Ledger:
    """The orders of one run. Times are nanoseconds since the epoch: they are compared with times of other machines.

    Several threads may write at once.

    Parameters
    ----------
    on_end
        Called with the number of each order that has ended, by the thread that records it.
    """

    def __init__(self, on_end: Callable[[int], None] = lambda _number: None) -> None:
        self._traces: dict[str, _Trace] = {}
        self._lock = threading.Lock()
        self._on_end = on_end
        self._finished = 0
        self._sent: Counter[str] = Counter()

    @property
    def finished(self) -> int:
        """How many messages have ended, in whatever way. A duplicate ends with its order."""
        return self._finished

    @property
    def orders(self) -> int:
        """How many orders the run has sent, or tried to send."""
        return len(self._traces)

    @property
    def messages(self) -> int:
        """How many messages the run has sent, or tried to send: orders, and repeats of them."""
        return self._sent.total()

    def sent(self, order_id: str, at_ns: int, *, created_at_ms: int = 0, kind: str = VALID, number: int = -1) -> None:
        """Record a message, just before it is sent.

        Parameters
        ----------
        order_id
            The order's id.
        at_ns
            The time of sending.
        created_at_ms
            The order's own time, 0 for the time of sending.
        kind
            One of `client.mix.KINDS`.
        number
            Its place in the run.
        """
        with self._lock:
            self._sent[kind] += 1
            if order_id not in self._traces:
                created_at_ms = created_at_ms or at_ns // 1_000_000
                self._traces[order_id] = _Trace(at_ns, kind=kind, number=number, created_at_ms=created_at_ms)
                return
            trace = self._traces[order_id]
            if kind == CONFLICT:
                trace.conflicts += 1
            else:
                trace.duplicates += 1
                self._finished += bool(trace.ended_ns)

    def unsent(self, order_id: str, reason: str, kind: str = VALID) -> None:
        """Record that Pulsar never confirmed an order. It may have arrived even so, and then ends like any other."""
        with self._lock:
            trace = self._traces[order_id]
            if kind == CONFLICT:
                trace.conflicts -= 1
                self._finished += 1
            elif kind != DUPLICATE:
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
            trace.existed = created_at_ms not in {0, trace.created_at_ms}

    def dead_lettered(self, order_id: str, reason: str, at_ns: int) -> None:
        """Record a dead letter. If the order has a final status too, that stays its outcome."""
        if order_id not in self._traces:
            return
        with self._lock:
            trace = self._traces[order_id]
            if reason.startswith(AS_CONFLICT) and trace.refused_conflicts < trace.conflicts:
                # It is the repeat's, and not the order's own.
                trace.refused_conflicts += 1
                self._finished += 1
                return
            self._end(trace, at_ns)
            trace.dead_letter = trace.dead_letter or reason

    def _end(self, trace: _Trace, at_ns: int) -> None:
        if not trace.ended_ns:
            trace.ended_ns = max(at_ns, trace.sent_ns)
            self._finished += (not trace.send_error) + trace.duplicates
            self._on_end(trace.number)

    def close(self) -> RunSummary:
        """Return the summary of what is known now."""
        with self._lock:
            traces, sent = dict(self._traces), Counter(self._sent)
        ended = [t for t in traces.values() if t.ended_ns]
        outcomes = Counter(t.outcome() for t in traces.values())
        started_ns = min((t.sent_ns for t in traces.values()), default=None)
        last_ns = max((t.ended_ns for t in ended), default=None)
        return RunSummary(
            orders=len(traces),
            messages=sent.total(),
            ended=len(ended),
            drill=_drill(traces.values(), sent) if set(sent) - {VALID} else {},
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
    messages : int
        The same with repeats, which a drill sends.
    ended : int
        Orders that have ended.
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
    drill : dict of str to tuple of int
        Of each kind of `client.mix.KINDS`, how many messages were sent, and how many ended as this kind should. Empty
        if all were meant to be valid.
    """

    orders: int
    messages: int
    ended: int
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
    drill: dict[str, tuple[int, int]]

    @property
    def surprises(self) -> int:
        """Messages of a drill that did not end as their kind should, by what is known."""
        return sum(sent - as_expected for sent, as_expected in self.drill.values())

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
            "mix": {kind: {"sent": sent, "as_expected": right} for kind, (sent, right) in self.drill.items()},
        }


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a run.

    Attributes
    ----------
    summary : RunSummary
        How its orders ended, as far as that is known.
    confirmed : int
        Messages that Pulsar has confirmed.
    complete : bool
        Whether each message has ended, or needn't be followed.
    interrupted : bool
        Whether the run was told to stop.
    """

    summary: RunSummary
    confirmed: int
    complete: bool
    interrupted: bool


def _drill(traces: Iterable[_Trace], sent: Counter[str]) -> dict[str, tuple[int, int]]:
    right: Counter[str] = Counter()
    for trace in traces:
        right.update(trace.as_expected())
    return {kind: (sent[kind], right[kind]) for kind in KINDS if sent[kind]}


def _reasons(reasons: Iterable[str]) -> dict[str, int]:
    return dict(Counter(reasons).most_common())


def _milliseconds(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else nanoseconds // 1_000_000
