"""Every message comes again, and no row changes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alpes_wire import LATEST
from connection.client import Client
from tests.e2e.tienda import FUNCTIONS, INPUTS, LAST, Tienda, note, wait_until
from tests.faults.ordeal import LONG, Ordeal, often

RELAYED = "relayed"
"""Property of a message that the relay published: it is not relayed again."""
RELAY_S = often(long=20, short=4)
RESETS = often(long=3, short=1)
MAIN = ("crear-orden", "orden-creada", "transaccion-creada", "orden-actualizada")
"""The topics that every order passes."""
TABLES = {"reporting": ("ordenes", "id"), "pagos": ("transacciones", "order_id"), "ordenes": ("ordenes", "id")}
"""Services in the order in which they are read: an order that has ended in the first is final in the later ones."""


Rows = dict[tuple[str, str], tuple[Any, ...]]
"""Rows by service and order."""


class Relay:
    """Publishes each message of a topic once more, with its key and its properties.

    The relay repeats a message that is itself a repetition only if its content is new. So every content comes at least
    twice, and the number of messages stays bounded.
    """

    def __init__(self, client: Any, topic: str) -> None:
        (partition,) = client.get_topic_partitions(topic)
        self.topic = topic.rpartition("/")[2]
        self.relayed = 0
        self.error: BaseException | None = None
        self._reader = client.open_reader(partition, LATEST)
        self._producer = client.create_producer(topic, block_if_queue_full=True, batching_max_publish_delay_ms=5)
        self._seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Relay what is there now, and then stop."""
        self._stop.set()
        self._thread.join(60)
        self._reader.close()
        self._producer.close()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                message = self._reader.read(0.2)
                if message is not None and not message.problem:
                    self._pass_on(message)
            self._producer.flush()
        except BaseException as error:  # noqa: BLE001 -- told to whoever stops it
            self.error = error

    def _pass_on(self, message: Any) -> None:
        properties, data = message.properties(), message.data()
        if RELAYED in properties or data in self._seen:
            return
        self._seen.add(data)
        key = message.partition_key() or None
        self._producer.send_async(data, _ignored, properties | {RELAYED: "1"}, partition_key=key)
        self.relayed += 1


def _ignored(_result: Any, _message_id: Any) -> None:
    """Take a confirmation; a message that isn't relayed only makes one duplicate less."""


@contextmanager
def relays(stack: Tienda) -> Iterator[list[Relay]]:
    """Relay every input of every function."""
    client = Client(stack.service_url)
    running: list[Relay] = []
    try:
        for topics in INPUTS.values():
            running.extend(Relay(client, stack.topic(topic)) for topic in topics)
        yield running
    finally:
        for relay in running:
            relay.stop()
        client.close()


def test_every_message_delivered_twice_changes_nothing(stack: Tienda) -> None:
    with relays(stack) as running, Ordeal(stack, "every message delivered twice") as ordeal:
        with ordeal.fault():
            time.sleep(RELAY_S)
            wait_until(lambda: not ordeal.load.sent < ordeal.load.at_least, 120, "all orders are sent")
        ordeal.load.finish()
        sent = ordeal.load.sent
        wait_until(lambda: ordeal.probe.ended >= sent, 120, "all orders have ended")
        wait_until(lambda: not stack.waiting(), 60, "nothing waits")
        before = rows(stack, ordeal.prefix)
        again = sum(send_again(stack, topic, ordeal.prefix) for topic in MAIN)
        wait_until(lambda: not stack.waiting(), 120, "all that was sent again is done")
        assert changed(before, rows(stack, ordeal.prefix)) == []
        verdict = ordeal.finish(more_faults=again + sum(relay.relayed for relay in running) - 1)
    relayed = {relay.topic: relay.relayed for relay in running}
    assert all(relayed[topic] >= sent for topic in MAIN), relayed
    assert verdict.figures["duplicates"] >= 2 * len(MAIN) * sent
    note(f"relay: {sum(relayed.values())} messages at once and {again} at the end published again, of {sent} orders")


def send_again(stack: Tienda, topic: str, prefix: str) -> int:
    """Publish each distinct message of the run's orders in a topic once more; return how many."""
    keys = {m.data(): m.partition_key() for m in stack.read(topic) if m.partition_key().startswith(prefix)}
    return stack.publish(topic, ((key, data) for data, key in keys.items()))


def test_every_subscription_reset_to_the_start_under_load_changes_no_row(stack: Tienda) -> None:
    before: Rows = {}
    with Ordeal(stack, "every subscription reset to the start under load") as ordeal:
        with ordeal.fault():
            for _ in range(RESETS):
                ordeal.rest(0.5, 2.0)
                before = final_rows(stack, ordeal.prefix)
                for function in FUNCTIONS:
                    stack.rewind(function, start_of(ordeal))
                ended = ordeal.probe.ended
                # What is new waits behind all that comes again.
                wait_until(lambda: ordeal.probe.ended > ended + 100, 300, "orders end again")  # noqa: B023
                after = rows(stack, ordeal.prefix)
                assert changed(before, after) == []
        ordeal.wait_normal(300)
        ordeal.finish(seconds=300, more_faults=RESETS * (len(FUNCTIONS) * 3 - 1))
    after = rows(stack, ordeal.prefix)
    assert changed(before, after) == []
    note(f"resets: {len(before)} rows of ended orders were there before the last one, and are the same after it")


def start_of(ordeal: Ordeal) -> float:
    """Return the time to reset to: the topics' start, or in the short form the start of this run."""
    return 0.0 if LONG else ordeal.load.sent_at[0]


def changed(before: Rows, after: Rows) -> list[tuple[Any, Any]]:
    """Return some of the rows that have changed."""
    return [(row, after.get(key)) for key, row in before.items() if after.get(key) != row][:5]


def rows(stack: Tienda, prefix: str) -> Rows:
    """Return every row of the run's orders, with the transaction that wrote it last."""
    found: Rows = {}
    for service, (table, key) in TABLES.items():
        query = f"SELECT {key}, xmin::text, t.* FROM {table} t WHERE {key} >= %s AND {key} < %s"
        found |= {(service, row[0]): row for row in stack.rows(service, query, prefix, prefix + LAST)}
    return found


def final_rows(stack: Tienda, prefix: str) -> Rows:
    """Return the rows of orders that have ended."""
    found = rows(stack, prefix)
    ended = {order_id for service, order_id in found if service == "reporting"}
    return {key: row for key, row in found.items() if key[1] in ended}
