"""Reporting's running totals are what a full count of its table gives, whoever changes the table, and how."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpes_runtime.postgres import Postgres
from functions.reporting import store
from operations.queries import query
from schemas.tienda.cambios import Cambio
from schemas.tienda.orden import FINAL_STATUSES
from tests.integration.conftest import MIGRATIONS
from tests.integration.reporting import cambio
from tests.integration.server import Connect, Rows, Server, blocked, wait_until

SERVICE = "reporting"
TOTALS = "SELECT status, currency, orders, total_cents FROM totales WHERE orders <> 0 ORDER BY status, currency"
COUNTED = "SELECT status, currency, count(*), sum(total_cents) FROM ordenes GROUP BY status, currency ORDER BY 1, 2"
PARTS = "SELECT status, orders FROM totales_parciales ORDER BY status, orders"
INSERT = b"INSERT INTO ordenes VALUES (%s, 1, %s, %s, %s, 2, now(), now())"


def keep(database: Postgres, *batch: Cambio) -> None:
    with database.transaction() as transaction:
        store.keep_newest(transaction, batch)


def wrong(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    """What `alpes reconcile` finds."""
    return connection.execute(query("reporting", "reconcile/wrong_totals")).fetchall()


changes = st.builds(
    cambio,
    st.sampled_from("abcdef"),
    st.integers(1, 6),
    st.sampled_from(FINAL_STATUSES),
    total_cents=st.integers(0, 2**63 - 1),
    currency=st.sampled_from(["USD", "JPY", "KWD", "CLF"]),
)
BY_HAND = (
    "UPDATE ordenes SET status = 'reembolsada' WHERE id < 'c'",
    "UPDATE ordenes SET currency = 'EUR', total_cents = total_cents / 2 WHERE id > 'd'",
    "UPDATE ordenes SET client_id = 7",
    "SELECT totales_sumar()",
    "DELETE FROM ordenes WHERE id IN ('b', 'e')",
    """MERGE INTO ordenes USING (VALUES ('a'), ('z')) AS v (id) ON ordenes.id = v.id WHEN MATCHED THEN DELETE
    WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1, 'aprobada', 5, 'BHD', 1, now(), now())""",
    "TRUNCATE ordenes",
)
steps = st.one_of(st.lists(changes, min_size=1, max_size=8), st.sampled_from(BY_HAND))


@settings(max_examples=60, deadline=None)
@given(history=st.lists(st.tuples(steps, st.booleans()), max_size=12))
def test_they_are_a_count_of_the_rows_after_any_history(
    history: Sequence[tuple[list[Cambio] | str, bool]], connections: tuple[psycopg.Connection, Postgres]
) -> None:
    connection, database = connections
    connection.execute("TRUNCATE ordenes, totales_parciales")
    for step, undone in history:
        with psycopg_rollback(connection, undone) if isinstance(step, str) else rollback(undone):
            if isinstance(step, str):
                connection.execute(step.encode())
            else:
                with database.transaction() as transaction:
                    store.keep_newest(transaction, step)
                    if undone:
                        raise Undone
        assert connection.execute(TOTALS).fetchall() == connection.execute(COUNTED).fetchall()
        assert wrong(connection) == []


class Undone(Exception):
    """The test rolls its transaction back."""


@contextmanager
def rollback(undone: bool) -> Iterator[None]:
    try:
        yield
    except Undone:
        assert undone


@contextmanager
def psycopg_rollback(connection: psycopg.Connection, undone: bool) -> Iterator[None]:
    with connection.transaction(force_rollback=undone):
        yield


@pytest.fixture(scope="module")
def connections(server: Server) -> Iterator[tuple[psycopg.Connection, Postgres]]:
    """Two connections to one database: an operator's, and an instance's."""
    server.create_database("totales", SERVICE, template=f"plantilla_{SERVICE}")
    database = Postgres(server.dsn(SERVICE, "totales"), "alpes pruebas")
    with psycopg.connect(server.dsn(SERVICE, "totales"), autocommit=True) as connection:
        yield connection, database
    database.close()
    server.drop_database("totales")


def test_a_redelivered_group_changes_no_total_and_takes_no_lock(database: Postgres, rows: Rows) -> None:
    keep(database, cambio("a"), cambio("b"))
    before = rows("SELECT *, xmin::text FROM totales_parciales")
    with database.transaction() as transaction:
        store.keep_newest(transaction, [cambio("a"), cambio("b")])
        assert rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    assert rows("SELECT *, xmin::text FROM totales_parciales") == before


def test_of_two_versions_in_a_race_the_totals_show_the_one_that_stays(connect: Connect, rows: Rows) -> None:
    one, other = connect(), connect()
    done = threading.Event()

    def older() -> None:
        keep(other, cambio("a", 2, "expirada", total_cents=5, currency="JPY"))
        done.set()

    with one.transaction() as transaction:
        store.keep_newest(transaction, [cambio("a", 3, "reembolsada", total_cents=5, currency="JPY")])
        thread = threading.Thread(target=older)
        thread.start()
        wait_until(lambda: blocked(rows))
    thread.join(10)
    assert done.is_set()
    assert rows(TOTALS) == rows(COUNTED) == [("reembolsada", "JPY", 1, 5)]


def test_an_instance_never_waits_for_another_ones_totals(connect: Connect, rows: Rows) -> None:
    one, other = connect(), connect()
    with one.transaction() as first:
        store.keep_newest(first, [cambio("a")])
        keep(other, cambio("b"))  # would wait for ever if both added to one row
        assert rows(TOTALS) == [("aprobada", "USD", 1, 1250)]
    assert rows(TOTALS) == rows(COUNTED)
    assert rows(PARTS) == [("aprobada", 1), ("aprobada", 1)]


def test_two_instances_that_take_the_same_groups_at_once_count_each_order_once(connect: Connect, rows: Rows) -> None:
    currencies, versions, orders = ("USD", "JPY", "KWD"), 4, 40

    def work(instance: Postgres, turn: int) -> None:
        for version in range(1, versions + 1):
            for start in range(0, orders, 8):
                batch = [
                    cambio(
                        f"o{n:02d}",
                        version,
                        FINAL_STATUSES[(n + version) % 4],
                        total_cents=n,
                        currency=currencies[n % 3],
                    )
                    for n in range(start, start + 8)
                ]
                keep(instance, *(batch if turn else reversed(batch)))

    instances = [threading.Thread(target=work, args=(connect(), turn)) for turn in range(2)]
    for each in instances:
        each.start()
    for each in instances:
        each.join(60)
    counted: Counter[tuple[str, str]] = Counter()
    for n in range(orders):
        counted[FINAL_STATUSES[(n + versions) % 4], currencies[n % 3]] += n
    assert {(status, currency): cents for status, currency, _, cents in rows(TOTALS)} == counted
    assert rows(TOTALS) == rows(COUNTED)


def test_rows_of_totals_are_added_up_beside_instances_that_write_and_by_one_at_a_time(
    connect: Connect, connection: psycopg.Connection, rows: Rows
) -> None:
    one, other = connect(), connect()
    keep(one, cambio("a"), cambio("b", currency="JPY"))
    keep(one, cambio("c"))
    with other.transaction() as writes, connection.transaction():
        store.keep_newest(writes, [cambio("d")])
        connection.execute("SELECT totales_sumar()")
        with one.transaction() as summing:
            summing.execute("SELECT totales_sumar()")  # would wait for ever if it did not leave that to the other
            store.keep_newest(summing, [cambio("e")])
    assert rows(PARTS) == [("aprobada", 1), ("aprobada", 1), ("aprobada", 1), ("aprobada", 2)]
    assert rows(TOTALS) == rows(COUNTED)
    connection.execute("SELECT totales_sumar()")
    assert rows(PARTS) == [("aprobada", 1), ("aprobada", 4)]
    assert rows(TOTALS) == rows(COUNTED)


def test_rows_of_totals_are_added_up_again_and_again(database: Postgres, connection: psycopg.Connection) -> None:
    connection.execute("SELECT setseed(0.5)")
    most = 0
    for n in range(3_000):
        connection.execute(INSERT, (f"o{n:04d}", "aprobada", 1, "USD"))
        if n % 100 == 0:
            ((count,),) = connection.execute("SELECT count(*) FROM totales_parciales").fetchall()
            most = max(most, count)
    assert 100 < most < 3_000
    assert wrong(connection) == []


def test_a_report_that_lasts_makes_no_group_slower(database: Postgres, connect: Connect) -> None:
    read = "SELECT heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE relname = 'totales_parciales'"

    def blocks() -> int:
        with database.transaction() as transaction:
            transaction.execute("SELECT pg_stat_force_next_flush()")
        with database.transaction() as transaction:
            ((found,),) = transaction.execute(read)
        return int(found or 0)

    with connect().transaction() as report:
        report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        report.execute("SELECT count(*) FROM ordenes")
        for n in range(1_000):
            keep(database, cambio(f"o{n}"))
        before = blocks()
        for n in range(20):
            keep(database, cambio(f"p{n}"))
        assert blocks() - before < 20 * 10  # it was 331 blocks a group after 2,500 groups


def test_a_group_that_is_applied_in_parts_counts_what_stays(database: Postgres, rows: Rows) -> None:
    with database.transaction() as transaction:
        with transaction.savepoint():
            store.keep_newest(transaction, [cambio("a")])
        with rollback(True), transaction.savepoint():
            store.keep_newest(transaction, [cambio("b")])
            raise Undone
        with transaction.savepoint():
            store.keep_newest(transaction, [cambio("a", 3, "reembolsada")])
    assert rows(TOTALS) == rows(COUNTED) == [("reembolsada", "USD", 1, 1250)]


def test_who_may_only_write_orders_keeps_the_totals_whatever_its_search_path(
    server: Server, dsn: str, connection: psycopg.Connection, rows: Rows
) -> None:
    name = dsn.rsplit("/", 1)[-1]
    connection.execute("GRANT USAGE ON SCHEMA public TO pagos")
    connection.execute("GRANT SELECT, INSERT, UPDATE ON ordenes TO pagos")
    server.run("GRANT CONNECT ON DATABASE {name} TO pagos", name=name)
    with psycopg.connect(server.dsn("pagos", name), autocommit=True) as guest:
        guest.execute("CREATE TEMPORARY TABLE totales_parciales (LIKE public.ordenes)")
        guest.execute(INSERT, ("a", "aprobada", 500, "JPY"))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            guest.execute("UPDATE public.totales_parciales SET orders = 0")
    assert rows(TOTALS) == rows(COUNTED) == [("aprobada", "JPY", 1, 500)]


def test_the_migration_counts_the_orders_that_are_there(empty_dsn: str) -> None:
    (totales,) = MIGRATIONS[SERVICE].glob("*_totales.sql")
    earlier = [path for path in sorted(MIGRATIONS[SERVICE].glob("*.sql")) if path.name < totales.name]
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        for path in earlier:
            connection.execute(path.read_text().encode())
        for n, (status, currency) in enumerate([("aprobada", "USD"), ("aprobada", "JPY"), ("expirada", "JPY")] * 3):
            connection.execute(INSERT, (f"o{n}", status, n, currency))
        connection.execute(totales.read_text().encode())
        assert connection.execute(TOTALS).fetchall() == connection.execute(COUNTED).fetchall()
        connection.execute(INSERT, ("later", "aprobada", 5, "JPY"))
        assert wrong(connection) == []


def test_a_connection_writes_on_over_the_migration_that_appends_and_loses_no_total(empty_dsn: str) -> None:
    (appended,) = MIGRATIONS[SERVICE].glob("*_totales_sumados.sql")
    earlier = [path for path in sorted(MIGRATIONS[SERVICE].glob("*.sql")) if path.name < appended.name]
    with psycopg.connect(empty_dsn, autocommit=True) as connection, psycopg.connect(empty_dsn) as writer:
        for path in earlier:
            connection.execute(path.read_text().encode())
        writer.execute(INSERT, ("a", "aprobada", 5, "JPY"))
        writer.commit()
        writer.execute(INSERT, ("b", "aprobada", 7, "JPY"))
        migrating = threading.Thread(target=lambda: connection.execute(appended.read_text().encode()))
        migrating.start()
        with psycopg.connect(empty_dsn, autocommit=True) as other:
            waiting = b"SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            wait_until(lambda: bool(other.execute(waiting).fetchall()))
            writer.commit()
            migrating.join(20)
            writer.execute(INSERT, ("c", "expirada", 1, "USD"))
            writer.commit()
            assert other.execute(TOTALS).fetchall() == [("aprobada", "JPY", 2, 12), ("expirada", "USD", 1, 1)]
            assert wrong(other) == []


def test_reading_the_totals_reads_no_order(connection: psycopg.Connection) -> None:
    plan = connection.execute("EXPLAIN SELECT * FROM totales").fetchall()
    assert not any("ordenes" in line for (line,) in plan)


def test_a_damaged_total_is_named_with_what_is_kept_and_what_is_there(
    database: Postgres, connection: psycopg.Connection
) -> None:
    keep(database, cambio("a"), cambio("b", status="expirada", currency="JPY", total_cents=500))
    connection.execute("UPDATE totales_parciales SET total_cents = total_cents + 1 WHERE currency = 'JPY'")
    connection.execute("INSERT INTO totales_parciales VALUES ('rechazada', 'KWD', 1, 1255)")
    assert wrong(connection) == [("expirada", "JPY", 1, 1, 501, 500), ("rechazada", "KWD", 1, 0, 1255, 0)]
