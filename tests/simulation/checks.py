"""Judges a finished world by what its topics, tables and stores hold, without asking the code that filled them."""

from collections import Counter
from contextlib import suppress
from functools import cache
from typing import Any

from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.simulation.instance import FUNCTIONS, topic
from tests.simulation.scheduler import Stuck
from tests.simulation.world import CALM, FEWEST, POOL, World

BUSINESS = (
    "id",
    "client_id",
    "address",
    "status",
    "total_cents",
    "currency",
    "version",
    "created_at",
    "transaction_id",
)
SENT = ("client_id", "address", "total_cents", "currency")
"""Columns that say what was sent."""
EVENTS: dict[str, Any] = {
    "orden-creada": OrdenCreada,
    "transaccion-creada": TransaccionProcesada,
    "orden-actualizada": OrdenActualizada,
}


@cache
def without_faults() -> dict[str, dict[str, Any]]:
    """Return the business columns of every order of the pool after a run in which nothing went wrong.

    An order is missing where even that run lost it.
    """
    world = World(0, CALM, list(range(POOL)))
    with suppress(Stuck):
        world.run()
    return {row["id"]: {column: row[column] for column in BUSINESS} for row in world.servers["ordenes"].rows("ordenes")}


def violations(world: World) -> list[str]:
    """Return what is wrong, empty when everything is as promised."""
    found = [*world.early_acks, *world.forgotten, *(f"a thread died: {death}" for death in world.deaths)]
    ordenes = {row["id"]: row for row in world.servers["ordenes"].rows("ordenes")}
    pagos = {row["order_id"]: row for row in world.servers["pagos"].rows("transacciones")}
    refunds = {row["order_id"]: row for row in world.servers["pagos"].rows("reembolsos")}
    reporting = {row["id"]: row for row in world.servers["reporting"].rows("ordenes")}
    sent = world.sent.orders
    for table, by_order in (("transacciones", pagos), ("reembolsos", refunds)):
        if len(world.servers["pagos"].rows(table)) != len(by_order):
            found.append(f"an order has more than one row in {table}")
    if ordenes.keys() != sent.keys():
        found.append(f"lost or invented orders: {sorted(ordenes.keys() ^ sent.keys())}")
    if reporting.keys() != ordenes.keys():
        found.append(f"reporting differs by {sorted(reporting.keys() ^ ordenes.keys())}")
    if pagos.keys() != ordenes.keys():
        found.append(f"charges differ by {sorted(pagos.keys() ^ ordenes.keys())}")
    for order_id, row in ordenes.items():
        if (accepted := _accepted(world, row)) is None:
            found.append(f"{order_id} was accepted as {row}")
            continue
        found += _of_order(world, accepted, row, pagos.get(order_id), refunds.get(order_id), reporting.get(order_id))
    found += _of_letters(world, ordenes)
    found += _of_events(world, ordenes)
    found += _of_the_gateway(world, pagos, refunds)
    found += _of_the_instances(world)
    if world.servers["pagos"].rows("intentos"):
        found.append(f"intents were left: {world.servers['pagos'].rows('intentos')}")
    if world.servers["ordenes"].rows("vencimientos"):
        found.append("a window was left open")
    return found


def _of_the_instances(world: World) -> list[str]:
    there = Counter(instance.function for instance in world.instances) + world.coming
    return [f"{function} has {there[function]} instances" for function in FUNCTIONS if there[function] < FEWEST]


def _accepted(world: World, row: dict[str, Any]) -> CrearOrden | None:
    """Return what was sent of an order that is as this row says, None if nothing was."""
    contents = world.sent.rivals.get(row["id"], {"": world.sent.orders.get(row["id"])})
    for sent in contents.values():
        if sent and all(getattr(sent, column) == row[column] for column in SENT):
            return sent
    return None


def _of_order(
    world: World,
    accepted: CrearOrden,
    row: dict[str, Any],
    paid: dict[str, Any] | None,
    refund: dict[str, Any] | None,
    told: dict[str, Any] | None,
) -> list[str]:
    order_id, status = row["id"], row["status"]
    found = []
    charged = paid["status"] if paid else None
    expected = {"aprobada": "aprobada", "rechazada": "rechazada", "reembolsada": "aprobada", "expirada": "rechazada"}
    if expected.get(status) != charged:
        found.append(f"{order_id} is {status}, its transaction {charged}")
    if (status == "reembolsada") != (refund is not None):
        found.append(f"{order_id} is {status}, and {'was' if refund else 'was not'} paid back")
    for what, other in (("charged", paid), ("paid back", refund)):
        if other and other["amount_cents"] != row["total_cents"]:
            found.append(f"{order_id} was {what} {other['amount_cents']} of {row['total_cents']}")
    if told and (told["status"], told["version"], told["total_cents"]) != (status, row["version"], row["total_cents"]):
        found.append(f"{order_id} is {status} version {row['version']}, reported {told['status']} {told['version']}")
    if (shown := world.states["ordenes"].values.get(order_id)) != status:
        found.append(f"{order_id} is {status}, the state store says {shown}")
    if status in ("aprobada", "rechazada"):
        business = {column: row[column] for column in BUSINESS}
        expected_row = without_faults().get(order_id)
        if expected_row is None:
            found.append(f"{order_id} is lost even without faults")
        elif business != expected_row | {column: getattr(accepted, column) for column in SENT}:
            found.append(f"{order_id} is {business}, and without faults {expected_row}")
    return found


def _of_letters(world: World, ordenes: dict[str, Any]) -> list[str]:
    """See that what can't be processed lies in dead-letter topics, and nothing else does."""
    found = []
    letters: dict[tuple[str, str], set[str]] = {}
    for name, messages in world.broker.topics.items():
        if name.endswith("-DLQ"):
            for letter in messages:
                place = (name.rpartition("/")[2], letter.own["error.type"])
                letters.setdefault(place, set()).add(
                    letter.key if letter.own["error.type"] == "early" else letter.own["source.message_id"]
                )
    beaten = {
        number
        for order_id, contents in world.sent.rivals.items()
        for number, sent in contents.items()
        if order_id in ordenes and sent.total_cents != ordenes[order_id]["total_cents"]
    }
    expected = {
        ("crear-orden-DLQ", "invalid"): world.sent.invalid,
        ("crear-orden-DLQ", "conflict"): world.sent.conflicts | beaten,
        ("crear-orden-DLQ", "bug"): world.sent.refused,
        ("transaccion-creada-DLQ", "early"): world.sent.orphans,
    }
    for place, ids in expected.items():
        if letters.get(place, set()) != ids:
            found.append(f"{place}: {sorted(letters.get(place, set()))} lie there, not {sorted(ids)}")
    found += [
        f"unexpected dead letters in {place}: {sorted(ids)}" for place, ids in letters.items() if place not in expected
    ]
    return found


def _of_events(world: World, ordenes: dict[str, Any]) -> list[str]:
    """See that an event always says the same, and that every change was told."""
    found = []
    contents: dict[str, bytes] = {}
    told: set[tuple[str, int]] = set()
    created: Counter[str] = Counter()
    for name, kind in EVENTS.items():
        for message in world.broker.topics.get(topic(name), []):
            event = kind.FromString(message.payload)
            if name == "orden-actualizada":
                told.add((event.id, event.version))
            if name == "orden-creada":
                created[event.id] += 1
                row = ordenes.get(event.id)
                if row and any(getattr(event, column) != row[column] for column in SENT):
                    found.append(f"orden-creada of {event.id} says {event}, and it was accepted as {row}")
            if event.event_id and contents.setdefault(event.event_id, message.payload) != message.payload:
                found.append(f"the event {event.event_id} has said different things")
    for order_id, row in ordenes.items():
        if not created[order_id]:
            found.append(f"orden-creada of {order_id} is missing")
        if (order_id, row["version"]) not in told:
            found.append(f"orden-actualizada of {order_id} version {row['version']} is missing")
    return found


def _of_the_gateway(world: World, pagos: dict[str, Any], refunds: dict[str, Any]) -> list[str]:
    if world.weather.gateway != "http":
        return []
    found = []
    if {order_id: row["status"] for order_id, row in pagos.items()} != world.gateway.charged:
        found.append("the gateway's ledger and the transactions differ")
    if {order_id: row["amount_cents"] for order_id, row in refunds.items()} != world.gateway.refunded:
        found.append("the gateway's refunds and ours differ")
    return found
