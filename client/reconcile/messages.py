"""The orders that messages belong to: commands in `crear-orden`, and dead letters that were not sent again."""

from __future__ import annotations

from collections.abc import Iterator

import pulsar
from google.protobuf.message import DecodeError

from client.admin import Admin
from client.dlq import decoding
from client.dlq.letters import DeadLetters
from client.dlq.log import Log
from client.topic_reader import partitions, read
from client.topics import CREAR_ORDEN
from schemas.tienda import rules
from schemas.tienda.v1.ordenes_pb2 import CrearOrden


def command_ids(client: pulsar.Client, admin: Admin) -> Iterator[str]:
    """Yield the id of every command that has a valid one, as often as it is in the topic."""
    for partition in partitions(client, admin, CREAR_ORDEN):
        for message in read(client, partition):
            try:
                order_id: str = CrearOrden.FromString(message.data()).id
            except DecodeError:
                continue
            if not rules.id_problem("id", order_id):
                yield order_id


def letters(client: pulsar.Client, admin: Admin) -> Iterator[tuple[str, str]]:
    """Yield the order's id, empty where there is none, and the topic of each letter that waits or was discarded."""
    found = DeadLetters(client, admin)
    sent_again = Log(client, admin).sent_again()
    for letter in found:
        if str(letter.id) not in sent_again:
            fields = decoding.fields(letter.id.topic, letter.payload) or {}
            order_id = str(fields.get("order_id") or fields.get("id") or letter.key)
            yield "" if rules.id_problem("id", order_id) else order_id, letter.id.topic
