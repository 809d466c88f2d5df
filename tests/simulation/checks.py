"""Judges a finished world by what its topics, tables and stores hold, without asking the code that filled them."""

from collections import Counter
from contextlib import suppress
from functools import cache
from typing import Any

from alpes_wire.names import ERROR_TYPE, SOURCE_MESSAGE_ID
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.simulation.instance import FUNCTIONS, Charged, Refunded, topic
from tests.simulation.scheduler import Stuck
from tests.simulation.world import CALM, FEWEST, POOL, World

REPORTED = ("id", "client_id", "status", "total_cents", "currency", "version", "created_at")
BUSINESS = {
    "ordenes": (*REPORTED, "address", "transaction_id"),
    "transacciones": ("order_id", "id", "status", "amount_cents", "currency"),
    "reporting": REPORTED,
}
"""By table: the columns that are the same whatever goes wrong. Reporting's table of orders has a name of its own."""
SENT = ("client_id", "address", "total_cents", "currency")
"""Columns that say what was sent."""
Rows = dict[str, dict[str, Any]]
"""By order."""
EVENTS: dict[str, Any] = {
    "orden-creada": OrdenCreada,
    "transaccion-creada": TransaccionProcesada,
    "orden-actualizada": OrdenActualizada,
}


@cache
def without_faults() -> dict[str, Rows]:
    """Return, by table, the business columns of the pool's orders after a run without faults.

    An order is missing if even that run lost it.
    """
    world = World(0, CALM, list(range(POOL)))
    with suppress(Stuck):
        world.run()
    return {
        table: {order_id: {column: row[column] for column in BUSINESS[table]} for order_id, row in rows.items()}
        for table, rows in tables_of(world).items()
    }


def tables_of(world: World) -> dict[str, Rows]:
    """Return the rows of every table that has one for each order."""
    ordenes, pagos, reporting = (world.servers[name] for name in ("ordenes", "pagos", "reporting"))
    return {
        "ordenes": {row["id"]: row for row in ordenes.rows("ordenes")},
        "transacciones": {row["order_id"]: row for row in pagos.rows("transacciones")},
        "reporting": {row["id"]: row for row in reporting.rows("ordenes")},
    }


def violations(world: World) -> list[str]:
    """Return everything that is wrong; empty if every promise holds."""
    found = [*world.early_acks, *world.forgotten, *(f"a thread died: {death}" for death in world.deaths)]
    tables = tables_of(world)
    ordenes, pagos, reporting = tables["ordenes"], tables["transacciones"], tables["reporting"]
    refunds = {row["order_id"]: row for row in world.servers["pagos"].rows("reembolsos")}
    for table, by_order in (("transacciones", pagos), ("reembolsos", refunds)):
        if len(world.servers["pagos"].rows(table)) != len(by_order):
            found.append(f"an order has more than one row in {table}")
    found += _of_the_keys(world, tables)
    for order_id, row in ordenes.items():
        if (accepted := _accepted(world, row)) is None:
            found.append(f"{order_id} was accepted as {row}")
            continue
        found += _of_order(world, row, pagos.get(order_id), refunds.get(order_id), reporting.get(order_id))
        if row["status"] in ("aprobada", "rechazada"):
            found += _as_without_faults(tables, accepted)
    found += _of_sums(world, tables, refunds)
    found += _of_letters(world, ordenes)
    found += _of_events(world, ordenes)
    found += _of_the_gateway(world, pagos, refunds)
    found += _of_the_instances(world)
    if world.servers["pagos"].rows("intentos"):
        found.append(f"intents were left: {world.servers['pagos'].rows('intentos')}")
    if world.servers["ordenes"].rows("vencimientos"):
        found.append("a window was left open")
    return found


def _of_the_keys(world: World, tables: dict[str, Rows]) -> list[str]:
    ordenes = tables["ordenes"].keys()
    pairs = (
        ("lost or invented orders:", ordenes, world.sent.orders.keys()),
        ("reporting differs by", tables["reporting"].keys(), ordenes),
        ("charges differ by", tables["transacciones"].keys(), ordenes),
    )
    return [f"{what} {sorted(some ^ others)}" for what, some, others in pairs if some != others]


def _of_sums(world: World, tables: dict[str, Rows], refunds: Rows) -> list[str]:
    """See that the services' sums agree in each currency, refunds included."""
    sums: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in ("ordenes", "pagos", "reporting", "state")}
    for name in ("ordenes", "reporting"):
        for row in tables[name].values():
            if row["status"] in ("aprobada", "reembolsada"):
                sums[name][row["status"], row["currency"]] += row["total_cents"]
    for row in tables["transacciones"].values():
        if row["status"] == "aprobada":
            sums["pagos"]["aprobada", row["currency"]] += row["amount_cents"]
    for row in refunds.values():
        sums["pagos"]["aprobada", row["currency"]] -= row["amount_cents"]
        sums["pagos"]["reembolsada", row["currency"]] += row["amount_cents"]
    for key, value in world.states["reporting"].values.items():
        kind, _, of = key.partition(":")
        status, _, currency = of.partition(":")
        if kind == "total_cents" and status in ("aprobada", "reembolsada"):
            sums["state"][status, currency] += int(value)
    right = +sums["ordenes"]
    return [
        f"the sums of {name} are {+each}, those of ordenes {right}" for name, each in sums.items() if +each != right
    ]


def _of_the_instances(world: World) -> list[str]:
    there = Counter(instance.function for instance in world.instances) + world.coming
    return [f"{function} has {there[function]} instances" for function in FUNCTIONS if there[function] < FEWEST]


def _accepted(world: World, row: dict[str, Any]) -> CrearOrden | None:
    """Return the sent order that this row shows; None if none was sent so."""
    contents = world.sent.rivals.get(row["id"], {"": world.sent.orders.get(row["id"])})
    for sent in contents.values():
        if sent and all(getattr(sent, column) == row[column] for column in SENT):
            return sent
    return None


def _of_order(
    world: World,
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
        if other and (other["amount_cents"], other["currency"]) != (row["total_cents"], row["currency"]):
            amount = f"{other['amount_cents']} {other['currency']}"
            found.append(f"{order_id} was {what} {amount} of {row['total_cents']} {row['currency']}")
    by = [row["transaction_id"]] if status != "expirada" else []
    by += [refund["transaction_id"]] if refund else []
    if paid and any(transaction_id != paid["id"] for transaction_id in by):
        found.append(f"{order_id} has the transaction {paid['id']}, and names {by}")
    if told and (differ := [column for column in REPORTED if told[column] != row[column]]):
        found.append(f"{order_id} is {row}, reported {told}: {differ} differ")
    if (shown := world.states["ordenes"].values.get(order_id)) != status:
        found.append(f"{order_id} is {status}, the state store says {shown}")
    return found


def _as_without_faults(tables: dict[str, Rows], accepted: CrearOrden) -> list[str]:
    """Compare an order's business columns in every table with those of the run without faults.

    That run accepted the first of two that contradict each other, so what was sent is taken from the one that stands.
    """
    found = []
    sent = {column: getattr(accepted, column) for column in SENT} | {"amount_cents": accepted.total_cents}
    for table, columns in BUSINESS.items():
        row, plain = tables[table].get(accepted.id), without_faults()[table].get(accepted.id)
        if plain is None:
            found.append(f"{accepted.id} is lost in {table} even without faults")
        elif row and any(row[column] != sent.get(column, plain[column]) for column in columns):
            found.append(f"{accepted.id} is {row} in {table}, and without faults {plain}")
    return found


def _of_letters(world: World, ordenes: dict[str, Any]) -> list[str]:
    """Check that dead-letter topics hold what can't be processed, and nothing else."""
    found = []
    letters: dict[tuple[str, str], set[str]] = {}
    for name, messages in world.broker.topics.items():
        if name.endswith("-DLQ"):
            for letter in messages:
                place = (name.rpartition("/")[2], letter.own[ERROR_TYPE])
                letters.setdefault(place, set()).add(
                    letter.key if letter.own[ERROR_TYPE] == "early" else letter.own[SOURCE_MESSAGE_ID]
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
    """Check that an event always says the same, and that every change was published."""
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
    # It is asked for no amount of 0.
    pagos, refunds = ({key: row for key, row in rows.items() if row["amount_cents"]} for rows in (pagos, refunds))
    charged = {key: Charged(row["status"], row["amount_cents"], row["currency"]) for key, row in pagos.items()}
    if charged != world.gateway.charged:
        found.append("the gateway's ledger and the transactions differ")
    refunded = {key: Refunded(*(row[column] for column in Refunded._fields)) for key, row in refunds.items()}
    if refunded != world.gateway.refunded:
        found.append("the gateway's refunds and ours differ")
    return found
