"""An open-loop client: sends orders at a fixed rate, whatever happens to them, and keeps the confirmations.

It goes on through outages of the broker, and sends unconfirmed orders again on a new producer. So an order may be in
the topic more than once, and a confirmed order must never be missing.
"""

import contextlib
import os
import threading
import time
from array import array
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import pulsar

from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.faults.history import Sent

SEND_TIMEOUT_MS = 8_000
TICK_S = 0.01
MOST_PENDING = 100_000
MOST_AT_ONCE = 2_000
"""Orders handed to the client in one tick when the loop is behind its schedule."""
PARTS: dict[str, Any] = {"direccion": {"calle": "Calle", "ciudad": "Bogotá", "pais": "CO"}, "schema_version": 2}
"""What every other order has beside its line."""
CURRENCIES = ("USD", "JPY", "KWD", "EUR")


class Load:
    """Sends orders ``<prefix>0000000``, ``<prefix>0000001``, … from a thread of its own.

    Parameters
    ----------
    service_url, topic
        Where to.
    prefix
        How the ids begin.
    rate
        Orders a second.
    at_least
        Orders that are sent before `finish` ends the load.

    Attributes
    ----------
    sent_at, told_at
        Unix seconds at which each order was first handed to the client, and at which it was confirmed; 0 before.
    resent
        Orders that were sent once more.
    """

    def __init__(self, service_url: str, topic: str, prefix: str, rate: float, at_least: int) -> None:
        self.prefix = prefix
        self.rate = rate
        self.at_least = at_least
        self.sent_at = array("d")
        self.told_at = array("d")
        self.resent = 0
        self.error: BaseException | None = None
        self._topic = topic
        self._url = service_url
        self._again: deque[int] = deque()
        self._broken = False
        self._ending = threading.Event()
        self._producer: Any = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def finish(self, seconds: float = 120) -> None:
        """Go on until ``at_least`` orders are sent, then wait until each is confirmed."""
        self._ending.set()
        self._thread.join(max(0.0, self.at_least - len(self.sent_at)) / self.rate + seconds)
        assert not self._thread.is_alive(), f"{self.told} of {self.sent} orders are confirmed, {len(self._again)} wait"
        if self.error is not None:
            raise self.error

    @property
    def sent(self) -> int:
        """Orders sent so far."""
        return len(self.sent_at)

    @property
    def told(self) -> int:
        """How many orders were confirmed to the client."""
        return sum(1 for at in self.told_at if at)

    def id_of(self, n: int) -> str:
        """Return the id of order ``n``; ids sort as their numbers."""
        return f"{self.prefix}{n:07d}"

    def content(self, n: int) -> Sent:
        """Return what order ``n`` says; every seventh leaves its total to Ordenes."""
        total = None if n % 7 == 0 else 100 + n * 7919 % 49_901
        told = n < len(self.told_at) and self.told_at[n] > 0
        return Sent(self.id_of(n), n % 1000, f"Calle {n}", total, CURRENCIES[n % 4], told)

    def orders(self) -> Iterator[Sent]:
        """Yield each sent order, as the client knows it."""
        return (self.content(n) for n in range(len(self.sent_at)))

    def _run(self) -> None:
        try:
            client = pulsar.Client(
                self._url,
                operation_timeout_seconds=5,
                logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull),
            )
            self._send_all(client)
            client.close()
        except BaseException as error:  # noqa: BLE001 -- told to whoever waits for the load's end
            self.error = error

    def _send_all(self, client: Any) -> None:
        started = time.monotonic()
        confirmed = 0
        while True:
            if self._ending.is_set() and self.sent >= self.at_least:
                while confirmed < self.sent and self.told_at[confirmed]:
                    confirmed += 1
                if confirmed == self.sent:
                    return
            else:
                due = int((time.monotonic() - started) * self.rate)
                for _ in range(min(due - self.sent, MOST_AT_ONCE)):
                    self._again.append(self.sent)
                    self.sent_at.append(time.time())
                    self.told_at.append(0.0)
            try:
                self._send_waiting(client)
            except pulsar.PulsarException:
                self._drop_producer()
                time.sleep(0.2)
            time.sleep(TICK_S)

    def _send_waiting(self, client: Any) -> None:
        if self._broken:
            self._drop_producer()
        if self._producer is None:
            self._producer = client.create_producer(
                self._topic,
                send_timeout_millis=SEND_TIMEOUT_MS,
                max_pending_messages=MOST_PENDING,
                max_pending_messages_across_partitions=MOST_PENDING,
                batching_max_publish_delay_ms=5,
            )
        while self._again:
            n = self._again.popleft()
            order = self.content(n)
            payload = CrearOrden(
                id=order.order_id,
                client_id=order.client_id,
                address=order.address,
                created_at_ms=int(self.sent_at[n] * 1000),
                total_cents=order.total_cents,
                currency=order.currency,
                **(PARTS if n % 2 else {}),
            ).SerializeToString()
            try:
                self._producer.send_async(payload, partial(self._told, n), partition_key=order.order_id)
            except pulsar.PulsarException:
                self._again.append(n)
                raise

    def _told(self, n: int, result: Any, _message_id: Any) -> None:
        # Runs on the client's I/O thread, where an exception would end badly.
        if result == pulsar.Result.Ok:
            self.told_at[n] = time.time()
        elif not self.told_at[n]:
            self.resent += 1
            self._broken = True
            self._again.append(n)

    def _drop_producer(self) -> None:
        """Close the producer, which fails what it has pending and so has it sent again.

        A failed batch never gives its permits back.
        """
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(pulsar.PulsarException):
                producer.close()
        self._broken = False
