"""Each kind of poison, sent to every input between good orders, is dead-lettered and harms nothing."""

import uuid
from collections import Counter
from contextlib import closing
from typing import Any

from alpes_wire import MessageId
from alpes_wire.names import ERROR_TYPE, OMITTED, SOURCE_MESSAGE_ID
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.e2e.tienda import LAST, Tienda, note, wait_until
from tests.faults.ordeal import Ordeal, often
from tests.faults.poison import KINDS, NEAR, Poison, corpus, extremes

ROUNDS = often(long=20, short=1)


def send(stack: Tienda, poisons: list[Poison]) -> dict[str, str]:
    """Send each message in its own entry; return the message ids by key."""
    producers: dict[str, Any] = {}
    ids: dict[str, str] = {}
    for poison in poisons:
        if poison.topic not in producers:
            producers[poison.topic] = stack.client.create_producer(stack.topic(poison.topic), batching_enabled=False)
        message_id = producers[poison.topic].send(
            poison.data, partition_key=poison.key, properties=poison.properties or None
        )
        ids[poison.key] = str(message_id)
    for producer in producers.values():
        producer.close()
    return ids


def letters_of(stack: Tienda, topics: set[str], start: str) -> dict[str, list[tuple[str, Any]]]:
    """Return the dead letters by key, each with its topic."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for topic in sorted(topics):
        for message in stack.read(topic):
            if message.partition_key().startswith(start):
                found.setdefault(message.partition_key(), []).append((topic, message))
    return found


def lies_there(stack: Tienda, topic: str, message_id: str, key: str) -> bool:
    """Whether a topic holds the message with this key under this id."""
    ledger, entry, partition, batch = map(int, message_id.strip("()").split(","))
    position = MessageId(ledger, entry, partition, batch)
    (name,) = stack.client.get_topic_partitions(stack.topic(topic))
    with closing(stack.client.open_reader(name, MessageId(ledger, entry))) as reader:
        while (message := reader.read(10.0)) is not None and message.message_id()[:2] == position[:2]:
            if message.message_id().place == position.place:
                return message.partition_key() == key
    return False


def test_poison_of_every_kind_on_every_input_is_dead_lettered_and_harms_no_order(stack: Tienda) -> None:
    restarts = stack.restarts()
    start = f"p{uuid.uuid4().hex[:8]}-"
    poisons: list[Poison] = []
    ids: dict[str, str] = {}
    unusual = extremes(f"{start}good-")
    with Ordeal(stack, "poison of many kinds on every input") as ordeal:
        with ordeal.fault():
            for n in range(ROUNDS):
                some = list(corpus(f"{start}{n}-", ordeal.random, with_large=n % 10 == 0))
                ordeal.random.shuffle(some)
                ids |= send(stack, some)
                poisons += some
                ordeal.rest(0.0, 0.5)
            stack.publish("crear-orden", [(order.id, order.SerializeToString()) for order in unusual])
            topics = {poison.letters for poison in poisons}
            wait_until(
                lambda: len(letters_of(stack, topics, start)) >= len(poisons), 240, "all is dead-lettered", every=5
            )
        ordeal.finish(more_faults=len(poisons) - 1)
    found = letters_of(stack, topics, start)
    omitted = [poison for poison in poisons if judge(stack, poison, ids[poison.key], found.get(poison.key, []))]
    assert len(omitted) == 2 * len(KINDS) * len(range(0, ROUNDS, 10))
    note(f"poison: {len(poisons)} messages of {len(poisons) // ROUNDS} kinds, {len(omitted)} lettered by reference")
    judge_unusual(stack, f"{start}good-", unusual)
    assert stack.restarts() == restarts


def judge(stack: Tienda, poison: Poison, message_id: str, letters: list[tuple[str, Any]]) -> bool:
    """Check that a poison has exactly one dead letter; return whether the letter only refers to it."""
    assert [topic for topic, _ in letters] == [poison.letters], f"{poison.key}: {[topic for topic, _ in letters]}"
    letter = letters[0][1]
    properties = letter.properties()
    assert properties[ERROR_TYPE] == "invalid", f"{poison.key}: {properties}"
    assert properties[SOURCE_MESSAGE_ID] == message_id, poison.key
    omitted = len(poison.data) >= NEAR
    if omitted:
        assert (letter.data(), properties[OMITTED]) == (b"", str(len(poison.data))), poison.key
        assert lies_there(stack, poison.topic, message_id, poison.key), f"{poison.key} isn't where its letter says"
    else:
        assert letter.data() == poison.data, poison.key
    return omitted


def judge_unusual(stack: Tienda, start: str, unusual: list[CrearOrden]) -> None:
    """Check that the orders which only look like poison ended unchanged, as any other does."""
    stack.wait_ended(start, len(unusual), 30)
    query = "SELECT id, client_id, address, total_cents FROM ordenes WHERE id >= %s AND id < %s ORDER BY id"
    assert stack.rows("ordenes", query, start, start + LAST) == [
        (order.id, order.client_id, order.address, order.total_cents) for order in unusual
    ]
    assert stack.statuses("ordenes", start) == stack.statuses("pagos", start) == stack.statuses("reporting", start)
    assert Counter(stack.statuses("ordenes", start).values()).keys() <= {"aprobada", "rechazada"}
