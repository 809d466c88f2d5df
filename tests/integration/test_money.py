"""The services' sums agree in each currency, whatever was ordered, refused, paid late, paid back and repeated."""

from collections import Counter
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from iso4217 import Currency

from alpes_runtime import Outcome
from alpes_runtime.postgres import Postgres
from functions.ordenes.messages import decode_crear_orden, decode_transaccion
from functions.pagos.messages import decode_orden_creada, decode_reembolsar_transaccion
from functions.reporting.messages import decode_orden_actualizada
from schemas.tienda.topics import SERVICES
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.integration.ordenes import crear, events, liquidar
from tests.integration.pagos import pagos
from tests.integration.reporting import actualizar
from tests.integration.server import Server
from tests.unit.services.wire import arrived

CODES = sorted(currency.code for currency in Currency if currency.exponent is not None)
SUMS = {
    "ordenes": "SELECT status, currency, sum(total_cents) FROM ordenes GROUP BY status, currency",
    "pagos": """SELECT CASE WHEN r.order_id IS NULL THEN t.status ELSE 'reembolsada' END AS outcome, t.currency,
        sum(coalesce(r.amount_cents, t.amount_cents)) FROM transacciones AS t LEFT JOIN reembolsos AS r USING (order_id)
        GROUP BY outcome, t.currency""",
    "reporting": "SELECT status, currency, total_cents FROM totales WHERE orders > 0",
}


class Shop:
    """The handlers of the three services on databases of their own, each message decoded from its bytes."""

    def __init__(self, databases: dict[str, Postgres], connections: dict[str, psycopg.Connection]) -> None:
        self.databases, self.connections = databases, connections

    def empty(self) -> None:
        for connection in self.connections.values():
            names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = ", ".join(name for (name,) in names if name != "schema_migrations")
            connection.execute(f"TRUNCATE {tables}".encode())

    def order(self, orders: Sequence[CrearOrden]) -> list[bytes]:
        accepted = [decode_crear_orden(arrived(order.SerializeToString())) for order in orders]
        return self._payloads(crear(self.databases["ordenes"], *accepted), "creada")

    def charge(self, created: Sequence[bytes], rate: float) -> list[bytes]:
        with self.databases["pagos"].transaction() as transaction:
            outcomes = pagos(rate).cobrar(transaction, [decode_orden_creada(arrived(each)) for each in created])
        return self._payloads(outcomes, "t")

    def settle(self, charged: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        outcomes = liquidar(self.databases["ordenes"], *(decode_transaccion(arrived(each)) for each in charged))
        return self._payloads(outcomes, "actualizada"), self._payloads(outcomes, "reembolsar")

    def refund(self, asked: Sequence[bytes]) -> list[bytes]:
        with self.databases["pagos"].transaction() as transaction:
            batch = [decode_reembolsar_transaccion(arrived(each)) for each in asked]
            return self._payloads(pagos().reembolsar(transaction, batch), "t")

    def show(self, changed: Sequence[bytes]) -> None:
        actualizar(self.databases["reporting"], *(decode_orden_actualizada(arrived(each)) for each in changed))

    def sums(self, service: str) -> dict[tuple[str, str], int]:
        rows = self.connections[service].execute(SUMS[service].encode()).fetchall()
        return {(status, currency): int(cents) for status, currency, cents in rows}

    @staticmethod
    def _payloads(outcomes: Sequence[Outcome], topic: str) -> list[bytes]:
        return [event.payload for event in events(outcomes) if event.topic == topic]


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Shop]:
    for service in SERVICES:
        server.create_database(f"dinero_{service}", service, template=f"plantilla_{service}")
    dsns = {service: server.dsn(service, f"dinero_{service}") for service in SERVICES}
    databases = {service: Postgres(dsn, "alpes pruebas") for service, dsn in dsns.items()}
    connections = {service: psycopg.connect(dsn, autocommit=True) for service, dsn in dsns.items()}
    yield Shop(databases, connections)
    for service in SERVICES:
        databases[service].close()
        connections[service].close()
        server.drop_database(f"dinero_{service}")


orders = st.lists(
    st.tuples(
        st.one_of(st.none(), st.just(0), st.integers(0, 2**55)),
        st.sampled_from(["", "USD", "JPY", "KWD", "CLF", *CODES]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=orders, rate=st.sampled_from([0.0, 0.5, 1.0]), again=st.booleans())
def test_sums_agree_per_currency_through_refunds_too(
    shop: Shop, drawn: list[tuple[int | None, str, bool]], rate: float, again: bool
) -> None:
    shop.empty()
    times = 2 if again else 1
    made = [
        CrearOrden(id=f"o{n}", client_id=1, address="Calle 1", total_cents=cents, currency=currency)
        for n, (cents, currency, _late) in enumerate(drawn)
    ]
    created = shop.order(made * times)
    late = [f"o{n}" for n, (_cents, _currency, late) in enumerate(drawn) if late]
    expire = "UPDATE ordenes SET status = 'expirada', version = 2 WHERE id = ANY(%s)"
    shop.connections["ordenes"].execute(expire, (late,))
    changed, asked = shop.settle(shop.charge(created * times, rate) * times)
    back, _ = shop.settle(shop.refund(asked * times) * times)
    shop.show([*back, *changed] * times)

    ordenes, paid, shown = (shop.sums(service) for service in ("ordenes", "pagos", "reporting"))
    assert shown == ordenes
    # What expired and was refused has a refused transaction.
    refused: Counter[tuple[str, str]] = Counter()
    for (status, currency), cents in ordenes.items():
        refused[{"expirada": "rechazada"}.get(status, status), currency] += cents
    assert paid == dict(refused)
    accepted = shop.connections["ordenes"].execute("SELECT id, total_cents, currency FROM ordenes").fetchall()
    named = {order.id: order for order in made}
    for order_id, cents, currency in accepted:
        assert not named[order_id].HasField("total_cents") or cents == named[order_id].total_cents
        assert currency == (named[order_id].currency or "USD")
