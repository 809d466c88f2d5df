"""How long each step of an order took, from the times at which it was seen. Pure."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from bench.histogram import Latencies

NEVER = -1
TOPICS = ("crear-orden", "orden-creada", "transaccion-creada", "orden-actualizada")
EVENT_TOPICS = TOPICS[1:]
"""Those that functions publish on. A function hands over all messages of an entry at once, just before its flush, so
the entry's publish time, that of its first message, is each one's. The client's first message of a batch may have
waited for the others: `crear-orden` has no publish time that could be used."""
TRUNCATION_US = 1_000
"""Pulsar's publish time is in whole milliseconds, cut off; so a step from our own clock to it may seem negative."""

END_TO_END = "end to end"
REPORT_ROW = "end to end, report row"


def blank(orders: int) -> "array[int]":
    """Return times in Unix microseconds for so many orders, none of them known."""
    return array("q", [NEVER]) * orders


@dataclass(frozen=True)
class Seen:
    """When each order was where, by its number, in Unix microseconds; `NEVER` where it wasn't seen.

    Attributes
    ----------
    intended
        When it was to be sent. Not when it was sent: a client that is held up would hide that from the figures
        (coordinated omission).
    sent
        When the client was called.
    published
        By topic of `EVENT_TOPICS`: the publish time of the first message of the order.
    received
        When a reader of `orden-actualizada` had it.
    row
        When Reporting's row was committed.
    """

    intended: "array[int]"
    sent: "array[int] | None" = None
    published: Mapping[str, "array[int]"] = field(default_factory=dict)
    received: "array[int] | None" = None
    row: "array[int] | None" = None


def latencies(seen: Seen, skip: int = 0) -> dict[str, Latencies]:
    """Return a histogram for each step that was seen, and for the whole way.

    The steps from topic to topic and the last one to the reader add up to the whole way, order by order.

    Parameters
    ----------
    seen
        The times.
    skip
        So many orders at the beginning don't count: the system warms up.

    Returns
    -------
    dict
        By name; a step that nobody saw is absent.
    """
    places: list[tuple[str, array[int] | None]] = [("intended", seen.intended), ("sent", seen.sent)]
    places += [(topic, seen.published.get(topic)) for topic in EVENT_TOPICS]
    steps = [(f"{before} → {after}", start, end) for (before, start), (after, end) in pairwise(places)]
    last = seen.published.get(TOPICS[-1])
    steps += [
        ("orden-actualizada → reader", last, seen.received),
        ("orden-actualizada → report row", last, seen.row),
        (END_TO_END, seen.intended, seen.received),
        (REPORT_ROW, seen.intended, seen.row),
    ]
    return {
        name: Latencies(differences(start, end, skip))
        for name, start, end in steps
        if start is not None and end is not None
    }


def differences(start: "array[int]", end: "array[int]", skip: int = 0) -> Iterable[int]:
    """Yield end − start in microseconds of each order that was seen at both.

    Raises
    ------
    ValueError
        An order ended before it began, by more than what Pulsar's milliseconds cut off: the times aren't of one clock.
    """
    for number in range(skip, len(start)):
        first, second = start[number], end[number]
        if NEVER in {first, second}:
            continue
        if second < first - TRUNCATION_US:
            raise ValueError(f"order {number} was seen {first - second} µs earlier than where it came from")
        yield max(0, second - first)


def windows_of(seen: Seen, width_s: float) -> list[Latencies]:
    """Return the whole way's histogram of each window of ``width_s`` seconds of intended send times.

    Raises
    ------
    ValueError
        Nobody received anything.
    """
    if seen.received is None:
        raise ValueError("without a reader there is no end-to-end latency")
    windows: list[Latencies] = []
    started, width = seen.intended[0], int(width_s * 1e6)
    for intended, received in zip(seen.intended, seen.received, strict=True):
        if received == NEVER:
            continue
        place = (intended - started) // width
        while len(windows) <= place:
            windows.append(Latencies())
        windows[place].record(max(0, received - intended))
    return windows
