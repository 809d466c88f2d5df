"""Reads from the topics when each order passed each of them."""

import threading
import time
from array import array
from collections.abc import Iterator
from typing import Any

import pulsar

from bench.child import Link
from bench.hops import EVENT_TOPICS, NEVER, blank
from bench.system import System
from bench.workload import Workload
from connection import reading
from connection.admin import Admin
from connection.client import NEW_TOPIC_TIMEOUT_S, Client
from schemas.tienda.topics import full_name

RECEIVER_QUEUE = 2_000
POLL_MS = 200


def watch(link: Link, service_url: str, workload: Workload) -> "array[int]":
    """Read `orden-actualizada` in a child process until the parent sends anything; see `Child`.

    Publish times can't replace these arrival times: a function sets a publish time before it flushes.

    Returns
    -------
    array
        When the first message of each order arrived, in Unix microseconds, by the order's number.
    """
    client = Client(service_url, operation_timeout_s=NEW_TOPIC_TIMEOUT_S)
    received = blank(workload.orders)
    stop = threading.Event()
    readers = [
        client.create_reader(partition, pulsar.MessageId.latest, receiver_queue_size=RECEIVER_QUEUE)
        for partition in client.get_topic_partitions(full_name(EVENT_TOPICS[-1]))
    ]
    threads = [threading.Thread(target=_follow, args=(reader, workload, received, stop)) for reader in readers]
    for thread in threads:
        thread.start()
    link.ready()
    link.wait()
    stop.set()
    for thread in threads:
        thread.join()
    client.close()
    return received


def _follow(reader: Any, workload: Workload, received: "array[int]", stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            message = reader.read_next(POLL_MS)
        except pulsar.Timeout:
            continue
        now = time.time_ns() // 1_000
        number = workload.number_of(message.partition_key())
        if number is not None and received[number] == NEVER:
            received[number] = now


def published(system: System, workload: Workload, since_us: int) -> dict[str, "array[int]"]:
    """Read, after a run, when each order's first message on each event topic was published.

    Parameters
    ----------
    system, workload
        The run's.
    since_us
        When the run began, in Unix microseconds.

    Returns
    -------
    dict
        By topic, and there by the order's number: Unix microseconds, which Pulsar cuts off to whole milliseconds.
    """
    found = {}
    for name in EVENT_TOPICS:
        times = found[name] = blank(workload.orders)
        for number, at in _publications(system, name, workload, since_us):
            if times[number] == NEVER:
                times[number] = at
    return found


def last_published(system: System, workload: Workload, since_us: int) -> int:
    """Return when a run's last `orden-actualizada` was published, repeated ones included, in Unix microseconds."""
    return max((at for _, at in _publications(system, EVENT_TOPICS[-1], workload, since_us)), default=NEVER)


def _publications(system: System, name: str, workload: Workload, since_us: int) -> Iterator[tuple[int, int]]:
    """Yield the order's number and the publish time in Unix microseconds of each message of a run on a topic."""
    client, admin = Client(system.service_url, operation_timeout_s=NEW_TOPIC_TIMEOUT_S), Admin(system.admin_url)
    try:
        for partition in reading.partitions(admin, name):
            start = reading.start_at(admin, partition, since_us // 1_000 - 1_000)
            for message in reading.read(client, admin, partition, start=start):
                number = workload.number_of(reading.key(message))
                if number is not None:
                    yield number, 1_000 * message.publish_timestamp()
    finally:
        client.close()
