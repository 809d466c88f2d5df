"""What `alpes reconcile` reads from the tables: each order's rows, and which orders a timer will look at."""

from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from alpes_runtime.postgres import Postgres
from functions.ordenes import store
from functions.ordenes.domain import Vencimiento, Ventana
from functions.ordenes.handlers import Plazo
from operations.reconcile.merge import facts
from operations.reconcile.rules import Verdict, judge
from operations.reconcile.tables import Tables, WrongTotal
from schemas.tienda.topics import SERVICES
from tests.integration.ordenes import crear, handlers, liquidar, orden, pago

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


REFUNDS = """
INSERT INTO transacciones (order_id, id, status, amount_cents, currency, created_at)
SELECT name, 't-' || name, CASE name WHEN 'refused' THEN 'rechazada' ELSE 'aprobada' END, 100, 'USD', now()
FROM unnest(ARRAY['back', 'currency', 'dearer', 'kept', 'other', 'refused']) AS name;
ALTER TABLE reembolsos DROP CONSTRAINT reembolsos_order_id_fkey;
INSERT INTO reembolsos (order_id, transaction_id, amount_cents, currency, created_at) VALUES
('back', 't-back', 100, 'USD', now()),
('currency', 't-currency', 100, 'EUR', now()),
('dearer', 't-dearer', 101, 'USD', now()),
('other', 't-back', 100, 'USD', now()),
('refused', 't-refused', 100, 'USD', now()),
('uncharged', 't-uncharged', 7, 'EUR', now());
INSERT INTO intentos (order_id, amount_cents, currency) VALUES
('back', 100, 'USD'), ('asked', 5, 'USD'), ('uncharged', 7, 'EUR')
"""


def test_rows_are_read_alike_all_together_and_one_by_one(dsn_of: Callable[[str], str]) -> None:
    """A refund is compared with its transaction, and found if it has none; each order has one row in each service."""
    with ExitStack() as stack:
        connections = {
            service: stack.enter_context(psycopg.connect(dsn_of(service), autocommit=True)) for service in SERVICES
        }
        connections["pagos"].execute(REFUNDS)
        connections["ordenes"].execute(
            "INSERT INTO ordenes (id, client_id, address, status, total_cents, currency, version, created_at,"
            " accepted_at, updated_at, transaction_id)"
            " VALUES ('back', 7, 'Calle 7', 'reembolsada', 100, 'USD', 3, now(), now(), now(), 't-back')"
        )
        connections["reporting"].execute(
            "INSERT INTO ordenes (id, client_id, status, total_cents, currency, version, created_at, updated_at)"
            " VALUES ('back', 7, 'reembolsada', 100, 'USD', 3, now(), now())"
        )
        tables = Tables(connections)
        connections["reporting"].execute("UPDATE totales_parciales SET orders = 2")
        with tables.snapshot() as rows:
            found = list(rows)
            assert tables.wrong_totals() == [WrongTotal("reembolsada", "USD", 2, 1, 100, 100)]
        assert list(tables.some([each.id for each in found])) == found
    assert [each.pago for each in found] == [
        ("asked", "intento", 5, "USD", ""),
        ("back", "reembolsada", 100, "USD", "t-back"),
        ("currency", "ajeno", 100, "USD", "t-currency"),
        ("dearer", "ajeno", 100, "USD", "t-dearer"),
        ("kept", "aprobada", 100, "USD", "t-kept"),
        ("other", "ajeno", 100, "USD", "t-other"),
        ("refused", "imposible", 100, "USD", "t-refused"),
        ("uncharged", "sin cobro", 7, "EUR", "t-uncharged"),
    ]
    back = found[1]
    assert judge(facts(back.orden, back.pago, back.reporting)).verdict is Verdict.ENDED
    assert back.orden == ("back", "reembolsada", 3, 100, "USD", 7, "t-back")
    assert back.reporting == ("back", "reembolsada", 3, 100, "USD", 7)
    uncharged = found[-1]
    assert judge(facts(uncharged.orden, uncharged.pago, uncharged.reporting)).verdict is Verdict.DIFFERS
