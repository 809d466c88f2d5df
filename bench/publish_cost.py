"""What publishing costs per message: a callback for each or for the first of an entry alone, and message properties.

    python -m bench.publish_cost --messages 20000 --rounds 5

needs a broker at ``PULSAR_SERVICE_URL`` and uses a topic in ``public/default``, which the broker deletes once it is
idle. Every variant is measured once a round, all in one run, and the table shows the median of the rounds. An entry
is flushed before the next begins, as the runtime's publisher does it. "caller" is the CPU time of the thread that
publishes, "process" that of the whole process: the client's own threads, and the callbacks on them, included.
"""

import argparse
import os
import statistics
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import pulsar

PAYLOAD = b"x" * 150
PROPERTIES = {
    "event_id": "0c9d1d37-7d60-4f57-8a57-6f3b2f4a7a11",
    "event_type": "OrdenCreada",
    "schema_version": "1",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "attempt": "1",
    "service": "ordenes",
}


class Variant(NamedTuple):
    """One way to publish."""

    callback_each: bool
    properties: int

    def __str__(self) -> str:
        return f"callback on {'each' if self.callback_each else 'first'}, {self.properties} properties"


class Cost(NamedTuple):
    """Microseconds a message."""

    caller: float
    process: float
    wall: float


VARIANTS = [Variant(each, count) for each in (True, False) for count in (0, 1, 3, 6)]


class Confirmations:
    """Counts callbacks and keeps the first failure."""

    def __init__(self) -> None:
        self.failure = ""

    def __call__(self, result: Any, _message_id: Any) -> None:
        """Take the broker's word."""
        if result != pulsar.Result.Ok:
            self.failure = str(result)


def measure(producer: Any, variant: Variant, messages: int, entry: int) -> Cost:
    """Publish once the given way.

    Raises
    ------
    RuntimeError
        The broker refused something: what was measured then is not publishing.
    """
    confirmations = Confirmations()
    properties = dict(list(PROPERTIES.items())[: variant.properties])
    wall, process, caller = time.perf_counter(), time.process_time(), time.thread_time()
    for number in range(messages):
        first = number % entry == 0
        callback = confirmations if first or variant.callback_each else None
        key = f"orden-{number}"
        if properties:
            # A copy, as the publisher makes one.
            producer.send_async(PAYLOAD, callback, dict(properties), partition_key=key)
        else:
            producer.send_async(PAYLOAD, callback, partition_key=key)
        if number % entry == entry - 1:
            producer.flush()
    producer.flush()
    each = 1e6 / messages
    cost = Cost(
        (time.thread_time() - caller) * each,
        (time.process_time() - process) * each,
        (time.perf_counter() - wall) * each,
    )
    if confirmations.failure:
        raise RuntimeError(f"{variant}: the broker answered {confirmations.failure}")
    return cost


def run(service_url: str, messages: int, entry: int, rounds: int) -> dict[Variant, Cost]:
    """Measure every variant once a round and return the medians."""
    client = pulsar.Client(service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    costs: dict[Variant, list[Cost]] = {variant: [] for variant in VARIANTS}
    try:
        producer = client.create_producer(
            f"persistent://public/default/publish-cost-{uuid.uuid4().hex[:8]}",
            batching_enabled=True,
            batching_max_publish_delay_ms=60_000,
            batching_max_messages=2 * entry,
            batching_max_allowed_size_in_bytes=5_000_000,
            max_pending_messages=4 * entry,
        )
        measure(producer, VARIANTS[0], messages, entry)  # warms up
        for _ in range(rounds):
            for variant in VARIANTS:
                costs[variant].append(measure(producer, variant, messages, entry))
    finally:
        client.close()
    return {variant: median(found) for variant, found in costs.items()}


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000, help="messages a measurement")
    parser.add_argument("--entry", type=int, default=1000, help="messages between two flushes")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each variant")
    arguments = parser.parse_args()
    service_url = os.environ.get("PULSAR_SERVICE_URL", "pulsar://127.0.0.1:6650")
    costs = run(service_url, arguments.messages, arguments.entry, arguments.rounds)
    lines = [
        f"µs per message, median of {arguments.rounds} × {arguments.messages:,}, {arguments.entry:,} an entry",
        f"{'':<32}{'caller CPU':>12}{'process CPU':>12}{'wall':>8}",
        *(f"{way!s:<32}{cost.caller:>12.1f}{cost.process:>12.1f}{cost.wall:>8.1f}" for way, cost in costs.items()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
