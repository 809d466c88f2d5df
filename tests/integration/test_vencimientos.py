"""Orders without a payment in time: one timer for each window, only forward, and a late payment is paid back."""

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from alpes_runtime import Done, Event, Rejected, Retry
from alpes_runtime.migrations import migrate
from alpes_runtime.postgres import Postgres
from functions.ordenes import store
from functions.ordenes.domain import REACTIONS, Reaction, Vencimiento, Ventana
from functions.ordenes.handlers import UNFINISHED_WAIT_MS, OrdenesHandlers, Plazo
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion
from tests.documented import documented_commands
from tests.integration.conftest import MIGRATIONS
from tests.integration.ordenes import AT_ONCE, HOUR_MS, events, handlers, liquidar, orden, pago, timers, told
from tests.integration.server import Connect, Rows, blocked, wait_until

SERVICE = "ordenes"


def crear(database: Postgres, by: OrdenesHandlers, *ids: str) -> list[Event]:
    with database.transaction() as transaction:
        return events(by.crear(transaction, [orden(order_id) for order_id in ids]))


def vencer(database: Postgres, by: OrdenesHandlers, vencimiento: Vencimiento) -> list[Event]:
    with database.transaction() as transaction:
        return events(by.vencer(transaction, [vencimiento]))


def a_due_window(database: Postgres, *ids: str) -> Vencimiento:
    """Accept orders that may expire at once, and return their timer."""
    ((timer, _delay_ms),) = timers(crear(database, handlers(AT_ONCE), *ids))
    time.sleep(0.01)
    return timer


def end(database: Postgres, timer: Vencimiento, page: int = 1000) -> list[Event]:
    """Deliver a due timer and all timers that follow from it; return what else they publish."""
    published: list[Event] = []
    coming = [timer]
    while coming:
        each = vencer(database, handlers(AT_ONCE, page), coming.pop())
        coming += [following for following, _ in timers(each)]
        published += [event for event in each if event.topic != "reintento"]
    return published


def test_the_orders_of_a_window_share_one_timer(database: Postgres, rows: Rows) -> None:
    by = handlers()
    ((timer, delay_ms),) = timers(crear(database, by, "a", "b"))
    start, until = timer.ventana
    assert start <= time.time() * 1000 < until == start + HOUR_MS
    assert delay_ms == 0
    assert (
        timers(crear(database, by, "c"))
        == timers(crear(database, handlers(), "d"))
        == timers(crear(database, by, "e"))
        == []
    )
    assert rows("SELECT count(*) FROM vencimientos") == [(1,)]


def test_orders_that_come_again_start_their_timer_again_for_it_may_not_have_been_published(database: Postgres) -> None:
    first = timers(crear(database, handlers(), "a", "b"))
    again = timers(crear(database, handlers(), "b"))
    assert [timer for timer, _ in again] == [timer for timer, _ in first]
    together = timers(crear(database, handlers(), "b", "c"))
    assert [timer for timer, _ in together] == [timer for timer, _ in first]


def test_a_final_order_that_comes_again_starts_the_timer_too_for_others_of_its_window_may_rely_on_it(
    database: Postgres,
) -> None:
    first = timers(crear(database, handlers(), "a"))
    assert timers(crear(database, handlers(), "b")) == []
    liquidar(database, pago("a"))
    assert timers(crear(database, handlers(), "a")) == first


def test_once_the_timer_has_arrived_no_repetition_starts_it_again(database: Postgres) -> None:
    ((timer, _),) = timers(crear(database, handlers(), "a", "b"))
    vencer(database, handlers(), timer)
    for _ in range(3):
        assert timers(crear(database, handlers(), "b", "a")) == []


def test_however_often_orders_come_again_each_is_told_a_few_times_at_most(database: Postgres) -> None:
    ids = [f"o{n}" for n in range(20)]
    coming = [timer for timer, _ in timers(crear(database, handlers(AT_ONCE), *ids))]
    time.sleep(0.01)
    told_of: list[str] = []
    for order_id in ids * 2:
        coming += [timer for timer, _ in timers(crear(database, handlers(AT_ONCE), order_id))]
    for timer in coming[:3]:
        told_of += [event.key for event in end(database, timer)]
    assert len(coming) == 41, "none of them has arrived yet"
    for timer in coming[3:]:
        assert end(database, timer) == []
    assert sorted(told_of) == sorted(ids)


def test_a_window_whose_timer_never_came_is_found_by_the_next_one(database: Postgres, rows: Rows) -> None:
    with database.transaction() as transaction:
        transaction.execute(
            "INSERT INTO vencimientos VALUES (now() - interval '1 hour', now() - interval '30 minutes', false),"
            " (now() - interval '2 hours', now() - interval '90 minutes', true)"
        )
    ((timer, _),) = timers(crear(database, handlers(), "a"))
    again, forgotten = timers(vencer(database, handlers(), timer))
    assert again[0] == timer
    start = forgotten[0].ventana.from_ms
    assert start == pytest.approx(time.time() * 1000 - HOUR_MS, abs=60_000)
    assert forgotten[1] == 0
    assert rows("SELECT count(*) FROM vencimientos WHERE NOT armed") == [(1,)]


def test_a_window_whose_timer_a_restored_backup_lacks_is_found_after_the_runbooks_step(
    database: Postgres, dsn: str, rows: Rows
) -> None:
    with database.transaction() as transaction:
        transaction.execute(
            "INSERT INTO vencimientos VALUES (now() - interval '1 hour', now() - interval '30 minutes', true)"
        )
    step = documented_commands("set back")[3]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-euc", step], env={**os.environ, "PATH": path, "ALPES_ORDENES_DSN": dsn}, check=True)
    assert rows("SELECT count(*) FROM vencimientos WHERE armed") == [(0,)]
    ((timer, _),) = timers(crear(database, handlers(), "a"))
    assert [delay for _, delay in timers(vencer(database, handlers(), timer))][1:] == [0]


def test_orders_from_before_the_first_timers_have_windows_after_the_migration(
    empty_dsn: str, tmp_path: Path, connect_to: Callable[[str], Postgres]
) -> None:
    shutil.copy(MIGRATIONS["ordenes"] / "0001_ordenes.sql", tmp_path)
    migrate(empty_dsn, tmp_path)
    before = connect_to(empty_dsn)
    with before.transaction() as transaction:
        transaction.execute(
            "INSERT INTO ordenes (id, client_id, address, status, total_cents, currency, version, created_at,"
            " accepted_at, updated_at)"
            " SELECT 'o' || n, 1, 'x', CASE n WHEN 3 THEN 'aprobada' ELSE 'creada' END, 1, 'USD',"
            " 1, now(), now() - n * interval '1 hour', now() FROM generate_series(1, 3) n"
        )
    migrate(empty_dsn, MIGRATIONS["ordenes"])
    ((timer, _),) = timers(crear(before, handlers(), "new"))
    found = [each for each, _ in timers(vencer(before, handlers(), timer)) if each != timer]
    assert len(found) == 2
    for each in found:
        end(before, each)
    with before.transaction() as transaction:
        assert transaction.execute("SELECT id, status FROM ordenes WHERE id <> 'new' ORDER BY id") == [
            ("o1", "expirada"),
            ("o2", "expirada"),
            ("o3", "aprobada"),
        ]


def test_a_window_that_another_instance_is_opening_is_waited_for_so_that_none_is_left_without_a_timer(
    connect: Connect, rows: Rows
) -> None:
    results: list[list[Event]] = []
    second = threading.Thread(target=lambda: results.append(crear(connect(), handlers(), "b")))

    def fail() -> None:
        with connect().transaction() as transaction:
            handlers().crear(transaction, [orden("a")])
            second.start()
            wait_until(lambda: blocked(rows))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    second.join(30)
    assert len(timers(results[0])) == 1


def test_with_no_time_set_no_timer_is_started_and_none_does_anything(database: Postgres, rows: Rows) -> None:
    timer = a_due_window(database, "a")
    never = handlers(Plazo(after_ms=0, width_ms=1000))
    assert timers(crear(database, never, "b")) == []
    vencer(database, handlers(), timer)
    assert vencer(database, never, timer) == []
    assert rows("SELECT DISTINCT status FROM ordenes") == [("creada",)]
    # The window stays, so that a next timer finds it when a time is set again.
    assert rows("SELECT armed FROM vencimientos") == [(False,)]


def test_a_timer_that_comes_too_early_waits_for_the_rest(database: Postgres, rows: Rows) -> None:
    ((timer, _),) = timers(crear(database, handlers(), "a"))
    ((again, delay_ms),) = timers(vencer(database, handlers(), timer))
    assert again == timer
    assert delay_ms == pytest.approx(timer.ventana.until_ms + HOUR_MS - time.time() * 1000, abs=5000)
    assert rows("SELECT status FROM ordenes") == [("creada",)]


def test_only_what_is_still_unpaid_expires_and_is_told(database: Postgres, rows: Rows) -> None:
    timer = a_due_window(database, "a", "b", "c")
    liquidar(database, pago("a"), pago("b", "rechazada"))
    assert told(end(database, timer)) == [("c", "expirada", 2)]
    assert rows("SELECT id, status, version, transaction_id FROM ordenes ORDER BY id") == [
        ("a", "aprobada", 2, "t-a"),
        ("b", "rechazada", 2, "t-b"),
        ("c", "expirada", 2, ""),
    ]
    assert rows("SELECT count(*) FROM vencimientos") == [(0,)]
    assert rows("SELECT order_ids FROM estado_pendiente ORDER BY id DESC LIMIT 1") == [(["c"],)]


def test_a_timer_that_comes_again_tells_the_same_and_changes_nothing(database: Postgres, rows: Rows) -> None:
    timer = a_due_window(database, "a", "b")
    first = vencer(database, handlers(AT_ONCE), timer)
    before = rows("SELECT * FROM ordenes ORDER BY id")
    assert vencer(database, handlers(AT_ONCE), timer) == first
    assert rows("SELECT * FROM ordenes ORDER BY id") == before


def test_orders_of_other_windows_are_left_alone(database: Postgres, rows: Rows) -> None:
    timer = a_due_window(database, "a")
    crear(database, handlers(AT_ONCE), "b")
    vencer(database, handlers(AT_ONCE), timer)
    assert rows("SELECT id, status FROM ordenes ORDER BY id") == [("a", "expirada"), ("b", "creada")]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 6, 7])
def test_a_window_of_many_orders_expires_page_by_page(number: int, database: Postgres, rows: Rows) -> None:
    ids = [f"o{n}" for n in range(number)]
    timer = a_due_window(database, *(ids or ["paid"]))
    liquidar(database, pago("paid"))
    expired: list[str] = []
    pages = 0
    while not timer.done:
        published = vencer(database, handlers(AT_ONCE, page=3), timer)
        expired += [order_id for order_id, _, _ in told(published)]
        assert len(told(published)) <= 3
        ((timer, delay_ms),) = timers(published)
        assert delay_ms == 0
        assert published[-1].topic == "reintento", "what follows comes after what is told"
        pages += 1
    assert expired == ids
    assert pages == number // 3 + 1
    assert rows("SELECT count(*) FROM vencimientos") == [(1,)]
    assert vencer(database, handlers(AT_ONCE), timer) == []
    assert rows("SELECT count(*) FROM vencimientos") == [(0,)]


def test_a_timer_waits_for_a_transaction_that_may_still_accept_an_order_in_its_window(
    connect: Connect, dsn: str, rows: Rows
) -> None:
    with psycopg.connect(dsn, application_name="alpes ordenes 3") as slow:
        slow.execute("SELECT 1")
        timer = a_due_window(connect(), "a")
        assert timers(vencer(connect(), handlers(AT_ONCE), timer)) == [(timer, UNFINISHED_WAIT_MS)]
        assert rows("SELECT status FROM ordenes") == [("creada",)]
    assert told(vencer(connect(), handlers(AT_ONCE), timer)) == [("a", "expirada", 2)]


def test_who_only_reads_holds_no_timer_up(connect: Connect, dsn: str) -> None:
    with psycopg.connect(dsn, application_name="psql") as reader:
        reader.execute("SELECT 1")
        timer = a_due_window(connect(), "a")
        assert told(vencer(connect(), handlers(AT_ONCE), timer)) == [("a", "expirada", 2)]


def expire(database: Postgres, order_id: str = "a") -> None:
    assert told(end(database, a_due_window(database, order_id))) == [(order_id, "expirada", 2)]


def test_a_payment_of_an_expired_order_is_paid_back_once_and_ends_it(database: Postgres, rows: Rows) -> None:
    expire(database)
    first = liquidar(database, pago())
    (command,) = events(first)
    asked = ReembolsarTransaccion.FromString(command.payload)
    assert (command.topic, command.key) == ("reembolsar", "a")
    assert (asked.order_id, asked.transaction_id, asked.amount_cents, asked.currency) == ("a", "t-a", 1250, "USD")
    assert liquidar(database, pago()) == first
    assert rows("SELECT status, version FROM ordenes") == [("expirada", 2)]
    done = liquidar(database, pago(status="reembolsada"))
    assert told(events(done)) == [("a", "reembolsada", 3)]
    assert rows("SELECT status, version, transaction_id FROM ordenes") == [("reembolsada", 3, "t-a")]
    before = rows("SELECT * FROM ordenes")
    # A message that comes again now repeats the order's status, and changes nothing.
    assert liquidar(database, pago(status="reembolsada")) == liquidar(database, pago()) == done
    assert rows("SELECT * FROM ordenes") == before


def test_a_refusal_for_an_expired_order_leaves_it_expired(database: Postgres, rows: Rows) -> None:
    expire(database)
    assert told(events(liquidar(database, pago(status="rechazada")))) == [("a", "expirada", 2)]
    assert rows("SELECT status, version, transaction_id FROM ordenes") == [("expirada", 2, "")]


def test_a_refund_before_the_order_has_expired_is_looked_at_again(database: Postgres) -> None:
    crear(database, handlers(AT_ONCE), "a")
    (outcome,) = liquidar(database, pago(status="reembolsada"))
    assert isinstance(outcome, Retry)


def test_a_payment_and_its_refund_in_one_group_are_taken_in_turn(database: Postgres) -> None:
    expire(database)
    paid, refunded = liquidar(database, pago(), pago(status="reembolsada"))
    assert isinstance(paid, Done)
    assert isinstance(refunded, Retry)
    assert told(events(liquidar(database, pago(status="reembolsada")))) == [("a", "reembolsada", 3)]


@pytest.mark.parametrize("paid", ["aprobada", "rechazada"])
def test_tables_and_state_machine_agree_in_every_order_of_arrival(paid: str, database: Postgres, rows: Rows) -> None:
    for number, happenings in enumerate(itertools.product((paid, "reembolsada", "vencida"), repeat=4)):
        order_id = f"o{number:03d}"
        timer = a_due_window(database, order_id)
        status = "creada"
        for happening in happenings:
            reaction = REACTIONS[status, happening]
            if happening == "vencida":
                vencer(database, handlers(AT_ONCE), timer)
            else:
                (outcome,) = liquidar(database, pago(order_id, happening))
                kinds = {Reaction.WAIT: Retry, Reaction.REFUSE: Rejected}
                assert isinstance(outcome, kinds.get(reaction, Done)), (happenings, happening, status)
            if reaction is Reaction.MOVE:
                status = "expirada" if happening == "vencida" else happening
            ((stands,),) = rows(f"SELECT status FROM ordenes WHERE id = '{order_id}'")
            assert stands == status, happenings


def test_a_window_is_found_by_time_and_not_by_reading_the_table(database: Postgres, rows: Rows) -> None:
    with database.transaction() as transaction:
        transaction.execute(
            "INSERT INTO ordenes (id, client_id, address, status, total_cents, currency, version, created_at,"
            " accepted_at, updated_at) SELECT 'o' || n, 1, 'x', 'creada', 1, 'USD', 1, now(), now() - interval '1 day'"
            " + n * interval '1 second', now() FROM generate_series(1, 50000) n"
        )
        transaction.execute("ANALYZE ordenes")
    window = Ventana(int(time.time() * 1000) - 7_200_000, int(time.time() * 1000) - 7_190_000)
    query = store._SQL["unpaid"] % {"from_ms": window.from_ms, "until_ms": window.until_ms, "after_id": "''", "most": 9}
    plan = "\n".join(row[0] for row in rows(f"EXPLAIN {query}"))
    assert "ordenes_accepted_at" in plan
    assert "Seq Scan" not in plan


def test_what_another_part_of_a_transaction_opened_is_not_taken_for_committed(database: Postgres) -> None:
    by = handlers()

    def two_parts_and_no_commit() -> None:
        with database.transaction() as transaction:
            assert timers(events(by.crear(transaction, [orden("a")])))
            assert not timers(events(by.crear(transaction, [orden("b")])))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        two_parts_and_no_commit()
    assert timers(crear(database, by, "a", "b")), "the window was rolled back with them"
