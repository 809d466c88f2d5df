"""Which orders `alpes reconcile` leaves to a timer: exactly those of which a timer has something to say."""

from collections.abc import Callable

import psycopg

from client.reconcile.tables import Tables
from functions.alpes_runtime.postgres import Postgres
from functions.ordenes import store
from functions.ordenes.domain import Vencimiento, Ventana
from functions.ordenes.handlers import Plazo
from tests.integration.test_ordenes import crear, liquidar, orden, pago
from tests.integration.test_vencimientos import handlers

SERVICE = "ordenes"
DAY_MS = 24 * 3_600_000


def test_a_timer_looks_at_what_is_unpaid_or_expired_until_its_window_is_closed(
    connect: Callable[[], Postgres], dsn: str
) -> None:
    database = connect()
    crear(database, *(orden(order_id) for order_id in ("paid", "refused", "unpaid", "outside")))
    liquidar(database, pago("paid"), pago("refused", "rechazada"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        tables = Tables({"ordenes": connection})
        query = b"SELECT (extract(EPOCH FROM min(accepted_at)) * 1000)::bigint FROM ordenes"
        ((accepted_ms,),) = connection.execute(query).fetchall()
        window = Ventana(accepted_ms, accepted_ms + DAY_MS)
        connection.execute("UPDATE ordenes SET accepted_at = accepted_at - interval '1 hour' WHERE id = 'outside'")
        with database.transaction() as transaction:
            store.open_window(transaction, window)
        ids = ["outside", "paid", "refused", "unpaid"]
        assert tables.timed(ids) == {"unpaid"}
        connection.execute("UPDATE ordenes SET status = 'expirada', version = 2 WHERE id = 'unpaid'")
        assert tables.timed(ids) == {"unpaid"}
        with database.transaction() as transaction:
            handlers(Plazo(after_ms=1, width_ms=1)).vencer(transaction, [Vencimiento(window, done=True)])
        assert tables.timed(ids) == set()
