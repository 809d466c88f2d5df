"""Sends drawn entries to the inputs of running functions, and judges the outcome."""

import re
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from typing import NamedTuple

from alpes_wire import LATEST
from alpes_wire.names import ERROR_TYPE, SOURCE_MESSAGE_ID
from tests.e2e.tienda import INPUTS, Tienda, orders, wait_until
from tests.fuzz.entries import Draft, cases, is_for_the_broker
from tests.raw_producer import RawProducer

NO_MESSAGE = b"\xff" * 20
"""Every handler refuses it; so nothing comes of what is sent to an input but `crear-orden`, whatever is left of it."""
AT_ONCE = 200
"""How many cases are sent before the next ones are drawn."""
PROBE_S = 60.0
SETTLED_S = 300.0
"""Within this time after the last entry, everything is acknowledged. A piece waits 10 s for the others."""


class Fuzzed(NamedTuple):
    """What became of the entries.

    Attributes
    ----------
    entries
        How many were sent.
    refused
        How many of them the broker did not take.
    letters
        Dead letters by their type.
    orders
        Orders that ended.
    without_trace
        Cases of which there is neither a letter nor an order, and that the broker doesn't take for its own: what was
        compacted away, and pieces that were put together with those of another case.
    seconds
        How long it took until all was acknowledged.
    """

    entries: int
    refused: int
    letters: Counter[str]
    orders: int
    without_trace: list[str]
    seconds: float

    def __str__(self) -> str:
        letters = ", ".join(f"{number:,} {kind}" for kind, number in self.letters.most_common())
        return (
            f"{self.entries:,} entries in {self.seconds:.0f} s: {self.refused:,} refused by the broker, {self.orders:,}"
            f" orders, dead letters: {letters or 'none'}; of {len(self.without_trace):,} messages no trace"
        )


class Case(NamedTuple):
    """The entries that were made of one message or batch."""

    topic: str
    places: list[str | None]
    mutated: bool
    ids: list[str]
    drafts: list[Draft]


def fuzz(stack: Tienda, functions: Sequence[str], entries: int, seed: str) -> Fuzzed:
    """Send at least so many entries; fails where a function stops, restarts, or leaves one unacknowledged.

    Parameters
    ----------
    stack
        The system.
    functions
        Whose inputs are fuzzed.
    entries
        How many.
    seed
        All but ids and times is drawn from it.
    """
    random = Random(f"{seed} {' '.join(functions)}")
    start = f"z{uuid.uuid4().hex[:10]}-"
    restarts, pids = stack.restarts(), _pids(stack)
    topics = [topic for function in functions for topic in INPUTS[function]]
    letters = _Letters(stack, topics)
    producers = {topic: RawProducer(stack.service_url, f"{stack.topic(topic)}-partition-0") for topic in topics}
    started = time.monotonic()
    sent: list[Case] = []
    while (number := sum(len(case.places) for case in sent)) < entries:
        for topic, producer in producers.items():
            sent += _sent(
                producer, topic, random, start, len(sent), min(AT_ONCE, 1 + (entries - number) // (2 * len(topics)))
            )
    for producer in producers.values():
        producer.close()
    stack.publish("crear-orden", orders(f"{start}probe-", 1))
    stack.wait_ended(f"{start}probe-", 1, PROBE_S + entries / 20)
    wait_until(lambda: not stack.waiting(), SETTLED_S, "all is acknowledged", every=1)
    seconds = time.monotonic() - started
    assert stack.restarts() == restarts
    assert _pids(stack) == pids
    lettered, kinds = letters.read()
    ended = set(stack.statuses("reporting", start))
    assert len(stack.statuses("ordenes", start)) == len(ended)
    lost = [case for case in sent if not case.mutated and None not in case.places and not set(case.ids) <= ended]
    assert not lost, f"valid orders are lost: {lost[:3]}"
    return Fuzzed(
        sum(len(case.places) for case in sent),
        sum(case.places.count(None) for case in sent),
        kinds,
        len(ended) - 1,
        [
            str(case)
            for case in sent
            if not lettered & set(case.places)
            and not ended & set(case.ids)
            and not all(is_for_the_broker(draft.raw()) for draft in case.drafts)
        ],
        seconds,
    )


def _sent(producer: RawProducer, topic: str, random: Random, start: str, first: int, number: int) -> list[Case]:
    ids: list[str] = []

    def payload() -> bytes:
        if topic != "crear-orden":
            return NO_MESSAGE
        ((order_id, order),) = orders(f"{start}{first}-{len(ids)}-", 1)
        ids.append(order_id)
        return order

    drawn: list[tuple[list[Draft], bool, list[str]]] = []
    source = cases(random, time.time_ns() // 1_000_000, payload)
    for n in range(1, number + 1):
        before = len(ids)
        drafts = next(source)
        drawn.append((drafts, n % 10 != 0, ids[before:]))
    places = producer.send_all([draft.raw() for drafts, _, _ in drawn for draft in drafts])
    found = []
    for drafts, mutated, own in drawn:
        found.append(Case(topic, places[: len(drafts)], mutated, own, drafts))
        places = places[len(drafts) :]
    return found


def _pids(stack: Tienda) -> set[int]:
    return {process.pid for function in INPUTS for process in stack.processes(function)}


class _Letters:
    """The messages that come into the dead-letter topics of some inputs from now on."""

    def __init__(self, stack: Tienda, topics: Iterable[str]) -> None:
        self._readers = [stack.client.open_reader(f"{stack.topic(topic)}-DLQ-partition-0", LATEST) for topic in topics]

    def read(self) -> tuple[set[str | None], Counter[str]]:
        """Return the places of the entries that have letters, and the number of letters of each type."""
        places: set[str | None] = set()
        kinds: Counter[str] = Counter()
        for reader in self._readers:
            while (letter := reader.read(1.0)) is not None:
                properties = letter.properties()
                places.add(re.sub(r"-?\d+,-?\d+\)$", "", properties[SOURCE_MESSAGE_ID]))
                kinds[properties[ERROR_TYPE]] += 1
            reader.close()
        return places, kinds
