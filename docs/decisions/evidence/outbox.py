"""Compares acknowledge-last with a transactional outbox: rate, latency, and what each loses under ``kill -9``.

Run it against a local stack that nobody else uses, from the checkout's folder::

    eval "$(./deploy.sh env)"
    .venv/bin/python docs/decisions/evidence/outbox.py

Three services do the same: for each command they record a row and publish an event. They differ in their steps.
``acknowledge-last`` commits, publishes, acknowledges. ``outbox`` commits the row and the event, and acknowledges; a
relay publishes. ``new-rows-only`` is the mistake that is easily made with acknowledge-last: it publishes the events of
the rows that it inserted, and so none when a command comes again. Tables are in a schema of their own, and topics in
``public/default``; both are removed at the end.
"""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pulsar

VARIANTS = ("acknowledge-last", "outbox", "new-rows-only")
DSN = os.environ.get("ALPES_ORDENES_DSN", "")
URL = os.environ.get("PULSAR_SERVICE_URL", "")
MOST = 500
"""Messages that share a transaction."""
RATE, SECONDS = 500, 10
COMMANDS, ROUNDS, KILLS = 20_000, 3, 20
QUIET_S = 5.0
"""No event for so long: the last one has come."""


def topics(run: str) -> tuple[str, str]:
    """Return the names of the topics of commands and of events."""
    return f"persistent://public/default/{run}-in", f"persistent://public/default/{run}-out"


class Service:
    """One of the three services, until it is killed."""

    def __init__(self, variant: str, run: str) -> None:
        commands, events = topics(run)
        client = pulsar.Client(URL, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
        policy = pulsar.ConsumerBatchReceivePolicy(MOST, -1, 5)
        self._consumer = client.subscribe(
            commands,
            "service",
            consumer_type=pulsar.ConsumerType.Shared,
            initial_position=pulsar.InitialPosition.Earliest,
            batch_receive_policy=policy,
        )
        self._producer = client.create_producer(
            events, batching_enabled=True, batching_max_publish_delay_ms=1, block_if_queue_full=True
        )
        self._variant, self._run = variant, run

    def serve(self) -> None:
        """Take commands for ever."""
        if self._variant == "outbox":
            threading.Thread(target=self._relay, daemon=True).start()
        with psycopg.connect(DSN, autocommit=True) as connection:
            while True:
                batch = self._consumer.batch_receive()
                sent = {json.loads(message.data())["id"]: message.data().decode() for message in batch}
                new = self._record(connection, sent) if sent else set()
                if self._variant != "outbox":
                    self._publish([sent[name] for name in sent if name in new or self._variant == "acknowledge-last"])
                for message in batch:
                    self._consumer.acknowledge(message)

    def _record(self, connection: psycopg.Connection, sent: dict[str, str]) -> set[str]:
        with connection.transaction():
            insert = f"INSERT INTO evidence.{self._run} SELECT * FROM unnest(%s::text[])"
            new = {
                name for (name,) in connection.execute(f"{insert} ON CONFLICT DO NOTHING RETURNING id", [list(sent)])
            }
            if self._variant == "outbox":
                events = f"INSERT INTO evidence.{self._run}_outbox (event) SELECT * FROM unnest(%s::text[])"
                connection.execute(events, [[sent[name] for name in new]])
        return new

    def _publish(self, payloads: list[str]) -> None:
        failed: list[object] = []
        for payload in payloads:
            self._producer.send_async(payload.encode(), lambda result, _: failed.append(result) if result else None)
        self._producer.flush()
        if any(result != pulsar.Result.Ok for result in failed):
            raise SystemExit(f"not published: {failed[:3]}")

    def _relay(self) -> None:
        take = (
            f"SELECT number, event FROM evidence.{self._run}_outbox ORDER BY number LIMIT {MOST} FOR UPDATE SKIP LOCKED"
        )
        with psycopg.connect(DSN, autocommit=True) as connection:
            while True:
                with connection.transaction():
                    rows = connection.execute(take).fetchall()
                    self._publish([event for _, event in rows])
                    numbers = [number for number, _ in rows]
                    connection.execute(f"DELETE FROM evidence.{self._run}_outbox WHERE number = ANY(%s)", [numbers])
                if not rows:
                    time.sleep(0.002)


@contextmanager
def running() -> Iterator[tuple[str, pulsar.Client]]:
    """Make topics and tables for a run, and remove them."""
    run = f"run_{uuid.uuid4().hex[:12]}"
    client = pulsar.Client(URL, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    with psycopg.connect(DSN, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS evidence")
        connection.execute(f"CREATE TABLE evidence.{run} (id text PRIMARY KEY)")
        connection.execute(f"CREATE TABLE evidence.{run}_outbox (number bigserial PRIMARY KEY, event text)")
    client.subscribe(topics(run)[0], "service", consumer_type=pulsar.ConsumerType.Shared).close()
    try:
        yield run, client
    finally:
        client.close()
        with psycopg.connect(DSN, autocommit=True) as connection:
            connection.execute("DROP SCHEMA evidence CASCADE")


def start(variant: str, run: str) -> "subprocess.Popen[bytes]":
    """Start a service."""
    return subprocess.Popen([sys.executable, __file__, "serve", variant, run])


def send(client: pulsar.Client, run: str, number: int, rate: float | None) -> None:
    """Send commands, at once or at a rate. Each has the time at which it was to be sent."""
    producer = client.create_producer(
        topics(run)[0], batching_enabled=True, batching_max_publish_delay_ms=1, block_if_queue_full=True
    )
    began = time.time()
    for index in range(number):
        due = began + index / rate if rate else time.time()
        if rate and (wait := due - time.time()) > 0:
            time.sleep(wait)
        producer.send_async(json.dumps({"id": f"order-{index}", "at": due}).encode(), lambda *_: None)
    producer.flush()
    producer.close()


def events(client: pulsar.Client, run: str, number: int | None = None) -> Iterator[tuple[str, float, float]]:
    """Yield each event's id, when it was to be sent, and when it came; up to a number, or until no more come."""
    reader = client.create_reader(topics(run)[1], pulsar.MessageId.earliest)
    seen: set[str] = set()
    with suppress(pulsar.Timeout):
        while number is None or len(seen) < number:
            fields = json.loads(reader.read_next(int(QUIET_S * 1000) if number is None else 60_000).data())
            seen.add(fields["id"])
            yield fields["id"], fields["at"], time.time()
    reader.close()


def rate(variant: str) -> float:
    """Return events a second with all commands waiting."""
    with running() as (run, client):
        send(client, run, COMMANDS, None)
        service = start(variant, run)
        arrived = [at for _, _, at in events(client, run, COMMANDS)]
        service.kill()
        service.wait()
    # The first tenth is the start of the service.
    return 0.9 * COMMANDS / (arrived[-1] - arrived[len(arrived) // 10])


def latency(variant: str) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds at a fixed rate; the first second doesn't count."""
    with running() as (run, client):
        service = start(variant, run)
        sender = threading.Thread(target=send, args=(client, run, RATE * SECONDS, RATE))
        sender.start()
        taken = sorted(1000 * (came - at) for _, at, came in list(events(client, run, RATE * SECONDS))[RATE:])
        sender.join()
        service.kill()
        service.wait()
    return statistics.median(taken), taken[int(len(taken) * 0.99)]


def killed(variant: str) -> tuple[int, int, int]:
    """Return commands without a row, rows without an event, and events that came again, after many ``kill -9``."""
    with running() as (run, client):
        sender = threading.Thread(target=send, args=(client, run, COMMANDS, COMMANDS / (KILLS * 1.2)))
        sender.start()
        for _ in range(KILLS):
            service = start(variant, run)
            time.sleep(random.uniform(0.8, 1.6))  # noqa: S311 - no secret
            service.send_signal(signal.SIGKILL)
            service.wait()
        service = start(variant, run)
        sender.join()
        counted = Counter(name for name, _, _ in events(client, run))
        service.kill()
        service.wait()
        with psycopg.connect(DSN) as connection:
            rows = {row[0] for row in connection.execute(f"SELECT id FROM evidence.{run}")}
    return COMMANDS - len(rows), len(rows - counted.keys()), counted.total() - len(counted)


def main() -> None:
    """Print a row for each service."""
    if not (DSN and URL):
        sys.exit('Which stack? Run this first: eval "$(./deploy.sh env)"')
    if sys.argv[1:2] == ["serve"]:
        Service(*sys.argv[2:4]).serve()
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(ROUNDS):
        for variant in VARIANTS:
            rates[variant].append(rate(variant))
    print("| | events/s | p50, p99 at 500/s | lost commands | lost events | events that came again |")
    print("|---|---|---|---|---|---|")
    for variant in VARIANTS:
        p50, p99 = latency(variant)
        commands, unpublished, again = killed(variant)
        best = statistics.median(rates[variant])
        row = (variant, f"{best:,.0f}", f"{p50:.1f}, {p99:.1f} ms", commands, unpublished, again)
        print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
