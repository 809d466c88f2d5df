"""A running system withstands floods, operators and their policies."""

import os
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import pytest

from connection.errors import RefusedError
from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import Tienda, alpes, new_prefix, note, orders, wait_until
from tests.fields import whole
from tests.raw_producer import Raw, RawProducer, metadata, pieces

LARGE_BYTES, LARGE = 4_000_000, 100
MOST_ABOVE_REST = 300_000_000
"""How many bytes more than at rest a function may ever use."""
LIMIT_BYTES, LIMITED = 10_000, 3_000
TOPICS = f"/admin/v2/persistent/{NAMESPACE}"
INPUTS = {"ordenes": "crear-orden", "pagos": "orden-creada", "reporting": "orden-actualizada"}


def waits(stack: Tienda, topic: str, function: str) -> int:
    stats = stack.admin("GET", f"{TOPICS}/{topic}/partitioned-stats")
    return int(stats["subscriptions"][function]["msgBacklog"])


@contextmanager
def watched(stack: Tienda, function: str) -> Iterator[list[int]]:
    """Watch how many bytes of memory the function uses, at first and at most."""
    found = [0, 0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            found[1] = max(found[1], *(process.memory_info().rss for process in stack.processes(function)))

    found[0] = max(process.memory_info().rss for process in stack.processes(function))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


@pytest.mark.parametrize("function", INPUTS)
def test_a_flood_of_large_messages_does_not_fill_the_memory(stack: Tienda, function: str) -> None:
    topic = INPUTS[function]
    # Another test may have left delayed messages.
    before = waits(stack, topic, function)
    with watched(stack, function) as memory:
        stack.publish(topic, ((new_prefix("lim-"), os.urandom(LARGE_BYTES)) for _ in range(LARGE)))
        wait_until(lambda: waits(stack, topic, function) <= before, 180, "all of it is dead-lettered", every=0.5)
    above = memory[1] - memory[0]
    note(f"{LARGE} messages of 4 MB to {function}: {above / 1e6:.0f} MB above {memory[0] / 1e6:.0f} MB at rest")
    assert above < MOST_ABOVE_REST
    start = new_prefix("lim-")
    stack.publish("crear-orden", orders(start, 10))
    stack.wait_ended(start, 10, 30)


FLOODS: dict[str, Callable[[], Iterable[Raw]]] = {
    "400 that are 8 kB, and 8 MB without compression": lambda: (
        [Raw(metadata(whole(8, 2), whole(9, 8_000_000)), zlib.compress(bytes(8_000_000)))] * 400
    ),
    "40 of 7 MB in pieces": lambda: (piece for _ in range(40) for piece in pieces(os.urandom(7_000_000), 2)),
}


@pytest.mark.parametrize("what", FLOODS)
def test_nor_does_what_is_large_only_once_it_is_read(stack: Tienda, what: str) -> None:
    producer = RawProducer(stack.service_url, f"{stack.topic('crear-orden')}-partition-0")
    before = waits(stack, "crear-orden", "ordenes")
    with watched(stack, "ordenes") as memory:
        assert None not in producer.send_all(FLOODS[what]()), producer.refusal
        wait_until(
            lambda: waits(stack, "crear-orden", "ordenes") <= before, 180, "all of it is dead-lettered", every=0.5
        )
    producer.close()
    above = memory[1] - memory[0]
    note(f"{what}, to ordenes: {above / 1e6:.0f} MB above {memory[0] / 1e6:.0f} MB at rest")
    assert above < MOST_ABOVE_REST


@contextmanager
def limited(stack: Tienda, topic: str) -> Iterator[None]:
    """Limit the size of a topic's entries, as an operator can at any time."""
    stack.admin("POST", f"{TOPICS}/{topic}/maxMessageSize", LIMIT_BYTES)
    try:
        wait_until(lambda: stack.admin("GET", f"{TOPICS}/{topic}/maxMessageSize") == LIMIT_BYTES, 30, "it is known")
        yield
    finally:
        stack.admin("DELETE", f"{TOPICS}/{topic}/maxMessageSize")
        time.sleep(1)


def test_orders_end_while_a_topic_takes_small_entries_alone(stack: Tienda) -> None:
    start = new_prefix("lim-")
    with limited(stack, "orden-actualizada"):
        began = time.monotonic()
        stack.publish("crear-orden", orders(start, LIMITED))
        stack.wait_ended(start, LIMITED, 120)
        note(f"{LIMITED} orders with entries of 10 kB at most: all ended {time.monotonic() - began:.1f} s later")
    stack.publish("crear-orden", orders(f"{start}after-", 100))
    stack.wait_ended(f"{start}after-", 100, 30)


def test_letters_are_found_in_a_dead_letter_topic_that_was_deleted_and_came_back(stack: Tienda) -> None:
    start = new_prefix("lim-")
    stack.admin("DELETE", f"{TOPICS}/crear-orden-DLQ/partitions?force=true")
    try:
        stack.publish("crear-orden", [(f"{start}bad", b"\xff\x00")])
        stack.publish("crear-orden", orders(f"{start}good-", 10))
        stack.wait_ended(f"{start}good-", 10, 60)
        wait_until(lambda: f"{start}bad" in alpes("dlq", "list", "--json", tienda=stack).stdout, 30, "it is listed")
    finally:
        wait_until(lambda: _made_anew(stack, "crear-orden-DLQ"), 60, "the topic is as it was deployed")


def _made_anew(stack: Tienda, topic: str) -> bool:
    """Delete a topic, partitioned or not, and create it; return False if a producer was quicker."""
    # A producer creates only the partition again, without the partitioned topic.
    for name in (f"{topic}?force=true", f"{topic}/partitions?force=true", f"{topic}-partition-0?force=true"):
        with suppress(RefusedError):
            stack.admin("DELETE", f"{TOPICS}/{name}")
    with suppress(RefusedError):
        stack.admin("PUT", f"{TOPICS}/{topic}/partitions", 1)
        return True
    return False
