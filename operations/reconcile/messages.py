"""Finds the orders of the commands in `crear-orden`, and of the dead letters that were not sent again."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from connection.admin import Admin
from connection.client import Client
from connection.reading import partitions, read
from operations.dlq import decoding
from operations.dlq.letters import DeadLetters, Letter
from operations.dlq.log import REPLAYED, Log
from operations.reconcile.scratch import OrderLetter
from schemas.tienda import rules, upcasters
from schemas.tienda.topics import CREAR_ORDEN
from schemas.tienda.v1.ordenes_pb2 import CrearOrden

BUG = "bug"
CONFLICT = "conflict"
"""`error.type` of a message that contradicts what is recorded, such as another order with the same id."""


def commands(client: Client, admin: Admin) -> Iterator[tuple[str, bool]]:
    """Yield the id of every command whose id is valid, and whether the rules take the command."""
    for partition in partitions(admin, CREAR_ORDEN):
        for message in read(client, admin, partition):
            try:
                command = CrearOrden.FromString(message.data())
            except DecodeError:
                continue
            if not rules.id_problem("id", command.id):
                yield command.id, not _problem(command, message.publish_timestamp())


def _problem(command: CrearOrden, published_ms: int) -> str:
    return rules.new_order_problem(upcasters.newest(command, lambda: published_ms))


def letters(client: Client, admin: Admin) -> Iterator[OrderLetter]:
    """Yield each letter that waits or was discarded, except conflicts, which would take no order further."""
    found = DeadLetters(client, admin)
    done = Log(client, admin).what_was_done()
    for letter in found:
        action = done.get(str(letter.id))
        if action != REPLAYED and letter.error_type != CONFLICT:
            bug = letter.error_type == BUG
            yield OrderLetter(_order_id(letter), letter.id.topic, action is not None, bug, _refused(letter))


def _refused(letter: Letter) -> bool:
    if letter.id.topic != CREAR_ORDEN or letter.payload_omitted:
        return False
    try:
        return bool(_problem(CrearOrden.FromString(letter.payload), letter.published_ms))
    except DecodeError:
        return True


def _order_id(letter: Letter) -> str:
    order_id = decoding.order_id(letter.id.topic, letter.payload) or letter.key
    return "" if rules.id_problem("id", order_id) else order_id
