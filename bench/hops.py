"""Computes how long each step of an order took, from the times at which the order was seen. Pure."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from bench.histogram import Latencies

NEVER = -1
TOPICS = ("crear-orden", "orden-creada", "transaccion-creada", "orden-actualizada")
EVENT_TOPICS = TOPICS[1:]
"""The topics whose publish times are used: those that functions publish to. An entry has the publish time of its first
message. A function hands over all messages of an entry at once, so this is right for each of them. In an entry of
`crear-orden`, the first message may have waited for the others, so its publish time is of no use."""
TRUNCATION_US = 1_000
"""Pulsar cuts publish times off to whole milliseconds, so a step from our own clock to one may seem negative."""

END_TO_END = "end to end"
REPORT_ROW = "end to end, report row"


def blank(orders: int) -> "array[int]":
    """Return an array of times for so many orders, each of them `NEVER`."""
    return array("q", [NEVER]) * orders


@dataclass(frozen=True)
class Seen:
    """When each order passed each place: Unix microseconds by the order's number, `NEVER` where it wasn't seen.

    Attributes
    ----------
    intended
        When the schedule was to send it. Latencies start here, not at `sent`: a client that is held up would hide the
        delay from the figures (coordinated omission).
    sent
        When the client library was called with it.
    published
        By topic of `EVENT_TOPICS`, when its first message was published.
    received
        When a reader of `orden-actualizada` received it.
    row
        When Reporting's row was committed.
    """

    intended: "array[int]"
    sent: "array[int] | None" = None
    published: Mapping[str, "array[int]"] = field(default_factory=dict)
    received: "array[int] | None" = None
    row: "array[int] | None" = None


def latencies(seen: Seen, skip: int = 0) -> dict[str, Latencies]:
    """Return a histogram for each step, and for the way from end to end.

    For each order, the steps from topic to topic and the last step to the reader add up to the whole way.

    Parameters
    ----------
    skip
        How many orders at the beginning to leave out, while the system warms up.

    Returns
    -------
    dict
        By the step's name; without the steps that nobody saw.
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
    """Yield end − start in microseconds, of each order that was seen at both.

    Raises
    ------
    ValueError
        An order's end lies before its start by more than `TRUNCATION_US`: the times aren't of one clock.
    """
    for number in range(skip, len(start)):
        first, second = start[number], end[number]
        if NEVER in {first, second}:
            continue
        if second < first - TRUNCATION_US:
            raise ValueError(f"order {number} ended a step {first - second} µs before it began it")
        yield max(0, second - first)


def windows_of(seen: Seen, width_s: float) -> list[Latencies]:
    """Return a histogram of end-to-end latencies for each window of ``width_s`` seconds of intended send times.

    Raises
    ------
    ValueError
        No reader noted when orders arrived.
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
