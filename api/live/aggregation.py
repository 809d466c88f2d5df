"""Counts what happens, second by second, in bounded memory. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from api.live import latency
from schemas.tienda import money
from schemas.tienda.orden import FINAL_STATUSES

WINDOW_S = 300
"""How many seconds are kept."""
RECENT_S = 10
"""The seconds of which rate and latency are told."""
LAST_ORDERS = 200
"""How many of the last orders are kept."""
ORDERS_PER_S = 25
"""How many of them a second adds at most."""
MOST_STATUSES = 50
"""Statuses that a second counts."""
MOST_AMOUNTS = 1000
"""Pairs of status and currency that are counted and told: more than there are, unless somebody sends nonsense."""


class Ended(NamedTuple):
    """One event of `orden-actualizada`, as far as it is shown; the fields are the message's."""

    id: str
    client_id: int
    status: str
    version: int
    total_cents: int | None
    currency: str
    created_at_ms: int
    updated_at_ms: int

    @property
    def took_ms(self) -> int | None:
        """From the creation, by the client's clock, to the change; None if the clocks contradict each other."""
        took = self.updated_at_ms - self.created_at_ms
        return took if took >= 0 and self.created_at_ms > 0 else None

    def as_json(self) -> dict[str, Any]:
        """Return what the page shows of it."""
        return {
            "id": self.id,
            "client_id": self.client_id,
            "status": self.status,
            "amount": None if self.total_cents is None else money.amount(self.total_cents, self.currency),
            "created_at_ms": self.created_at_ms,
            "updated_at_ms": self.updated_at_ms,
            "took_ms": self.took_ms,
            "version": self.version,
        }


@dataclass(slots=True)
class Second:
    """What one second brought.

    Attributes
    ----------
    at_s : int
        The second, Unix time.
    events : int
        Events that arrived, counted without decoding them.
    every : int
        One event in so many was decoded.
    read : bool
        Whether the topic was read all the time.
    sent_per_s : float or None
        Orders that were sent a second, as the broker counts them; None if that isn't known.
    decoded : Counter of str
        Decoded events by status; each stands for as many as were passed over.
    cents : Counter of (str, str)
        Their amounts by status and currency, in the minor unit.
    is_cut : bool
        Whether there were more pairs of status and currency than are counted.
    took : Counter of int
        Their durations by bucket.
    last : deque of Ended
        The last of them.
    """

    at_s: int
    events: int = 0
    every: int = 1
    read: bool = True
    sent_per_s: float | None = None
    decoded: Counter[str] = field(default_factory=Counter)
    cents: Counter[tuple[str, str]] = field(default_factory=Counter)
    is_cut: bool = False
    took: Counter[int] = field(default_factory=Counter)
    last: deque[Ended] = field(default_factory=lambda: deque(maxlen=ORDERS_PER_S))

    def point(self) -> dict[str, Any]:
        """Return the second's point of the plots."""
        return {
            "at_s": self.at_s,
            "ended": self.events if self.read else None,
            "sent": self.sent_per_s,
            "p50_ms": _rounded(latency.percentile(self.took, 50)),
            "p99_ms": _rounded(latency.percentile(self.took, 99)),
        }


class Aggregate:
    """The last `WINDOW_S` seconds, and the last orders; used by one thread at a time.

    Parameters
    ----------
    now_s
        The second with which it begins.
    """

    def __init__(self, now_s: int) -> None:
        self._seconds: deque[Second] = deque(maxlen=WINDOW_S)
        self._current = Second(now_s)
        self._orders: deque[Ended] = deque(maxlen=LAST_ORDERS)

    def add(self, events: int, every: int, decoded: Iterable[Ended]) -> None:
        """Count events that have just arrived.

        Parameters
        ----------
        events
            How many.
        every
            One in so many was decoded.
        decoded
            Those.
        """
        second = self._current
        second.events += events
        second.every = max(second.every, every)
        for ended in decoded:
            if ended.status in second.decoded or len(second.decoded) < MOST_STATUSES:
                second.decoded[ended.status] += every
            place = (ended.status, ended.currency)
            if ended.total_cents is not None:
                if place in second.cents or len(second.cents) < MOST_AMOUNTS:
                    second.cents[place] += ended.total_cents * every
                else:
                    second.is_cut = True
            if (took := ended.took_ms) is not None:
                second.took[latency.bucket(took)] += every
            second.last.append(ended)

    def close(self, now_s: int, *, read: bool, sent_per_s: float | None) -> Second:
        """End the second that runs, and return it.

        Parameters
        ----------
        now_s
            The second that begins.
        read
            Whether the topic was read during all of the one that ends.
        sent_per_s
            Orders sent a second, None if that isn't known.
        """
        second, self._current = self._current, Second(now_s)
        second.read, second.sent_per_s = read, sent_per_s
        self._seconds.append(second)
        self._orders.extend(second.last)
        return second

    def points(self) -> list[dict[str, Any]]:
        """Return the points of the plots, the oldest first."""
        return [second.point() for second in self._seconds]

    def orders(self) -> list[dict[str, Any]]:
        """Return the last orders, the newest first."""
        return [ended.as_json() for ended in reversed(self._orders)]

    def currencies(self) -> set[str]:
        """Return the currencies of the window."""
        return {currency for second in self._seconds for _status, currency in second.cents}

    def headline(self) -> dict[str, Any]:
        """Return the figures of the last seconds and of the window."""
        recent = list(self._seconds)[-RECENT_S:]
        read = [second for second in recent if second.read]
        took = latency.merged(second.took for second in recent)
        statuses: Counter[str] = Counter()
        cents: Counter[tuple[str, str]] = Counter()
        for second in self._seconds:
            statuses.update(second.decoded)
            cents.update(second.cents)
        known = any(second.read for second in self._seconds)
        sampled = any(second.every > 1 for second in self._seconds)
        return {
            "seconds": len(self._seconds),
            "recent_s": len(recent),
            "ended_per_s": round(sum(second.events for second in read) / len(read), 1) if read else None,
            "sent_per_s": recent[-1].sent_per_s if recent else None,
            "p50_ms": _rounded(latency.percentile(took, 50)),
            "p99_ms": _rounded(latency.percentile(took, 99)),
            "every": recent[-1].every if recent else 1,
            "sampled": sampled,
            "outcomes": [
                {"status": status, "orders": statuses[status] if known else None} for status in _statuses(statuses)
            ],
            "amounts": [
                {"currency": currency, "status": status, "amount": money.amount(total, currency)}
                for (status, currency), total in sorted(cents.items(), key=lambda each: (each[0][1], each[0][0]))
            ][:MOST_AMOUNTS],
            "amounts_cut": len(cents) > MOST_AMOUNTS or any(second.is_cut for second in self._seconds),
        }


def _statuses(found: Counter[str]) -> list[str]:
    """Return the statuses to show: every one that an order can end in, and whatever else came."""
    return [*FINAL_STATUSES, *sorted(set(found) - set(FINAL_STATUSES))][:MOST_STATUSES]


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1 if milliseconds < 100 else 0)
