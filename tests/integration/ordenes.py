"""Sample orders, transactions and timers for the tests of Ordenes, and its handlers on a real database."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from alpes_runtime import Done, Event, Outcome
from alpes_runtime.postgres import Postgres
from alpes_runtime.testing import FakeStateStore, instance_context
from alpes_runtime.views import WriteBehind
from functions.ordenes import messages
from functions.ordenes.domain import Orden, Transaccion, Vencimiento
from functions.ordenes.estado import EstadoMarks
from functions.ordenes.handlers import KnownWindows, OrdenesHandlers, Plazo, Topics
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from tests.unit.services.wire import arrived

TOPICS = Topics(
    orden_creada="creada", orden_actualizada="actualizada", reembolsar_transaccion="reembolsar", reintento="reintento"
)
PEERS = "^alpes ordenes [0-9]+$"
HANDLERS = OrdenesHandlers(
    topics=TOPICS, plazo=Plazo(after_ms=0, width_ms=1000), page=1000, state_per_order=True, peers=PEERS
)
MARKS = EstadoMarks()
HOUR_MS = 3_600_000
LONG = Plazo(after_ms=HOUR_MS, width_ms=HOUR_MS)
AT_ONCE = Plazo(after_ms=1, width_ms=1)


def orden(order_id: str = "a", **changes: Any) -> Orden:
    return Orden(order_id, 42, "Calle 93", 1250, "USD", 1_767_225_600_123, "")._replace(**changes)


def pago(order_id: str = "a", status: str = "aprobada", **changes: Any) -> Transaccion:
    return Transaccion(order_id, status, f"t-{order_id}", 1250, "USD")._replace(**changes)


def crear(database: Postgres, *batch: Orden) -> Sequence[Outcome]:
    with database.transaction() as transaction:
        return HANDLERS.crear(transaction, batch)


def liquidar(database: Postgres, *batch: Transaccion) -> Sequence[Outcome]:
    with database.transaction() as transaction:
        return HANDLERS.liquidar(transaction, batch)


def handlers(plazo: Plazo = LONG, page: int = 1000) -> OrdenesHandlers:
    """Return the handlers of an instance that has just started, and remembers nothing."""
    return replace(HANDLERS, plazo=plazo, page=page, _windows=KnownWindows())


def events(outcomes: Sequence[Outcome]) -> list[Event]:
    return [event for outcome in outcomes if isinstance(outcome, Done) for event in outcome.events]


def timers(published: Sequence[Event]) -> list[tuple[Vencimiento, int]]:
    return [
        (messages.decode_vencer_ordenes(arrived(event.payload)), event.delay_ms)
        for event in published
        if event.topic == "reintento"
    ]


def told(published: Sequence[Event]) -> list[tuple[str, str, int]]:
    changed = [OrdenActualizada.FromString(event.payload) for event in published if event.topic == "actualizada"]
    return [(event.id, event.status, event.version) for event in changed]


def state_view(database: Postgres, state: FakeStateStore) -> WriteBehind:
    """Return the view of Ordenes that writes what is marked to the state store."""
    return WriteBehind(
        MARKS,
        database,
        state,
        instance_context(),
        busy_from=0.0,
        per_second=300,
    )
