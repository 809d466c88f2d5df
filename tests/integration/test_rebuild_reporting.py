"""A rebuild makes Reporting's table equal its topic; rows that the topic may have lost stay, unless told otherwise."""

import threading
from typing import Any

import psycopg
import pytest

from connection.errors import UnreachableError
from operations.rebuild.reporting import Rebuilt, ReportingRebuild
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from tests.integration.server import Rows
from tests.simulation.broker import Message
from tests.unit.connection.fake_pulsar import FakePulsar, sent

SERVICE = "reporting"
TABLE = "SELECT id, version, total_cents FROM ordenes ORDER BY id"


def told(entry: int, order_id: str, version: int, cents: int = 100) -> Message:
    event = OrdenActualizada(
        id=order_id,
        client_id=1,
        status="aprobada",
        total_cents=cents,
        currency="USD",
        version=version,
        created_at_ms=1_767_225_600_000,
        updated_at_ms=1_767_225_600_000,
    )
    return sent(entry, order_id, event.SerializeToString())


def fill(connection: psycopg.Connection, *rows: tuple[str, int, int]) -> None:
    query = b"INSERT INTO ordenes VALUES (%s, 1, 'aprobada', %s, 'USD', %s, %s, %s)"
    for order_id, version, cents in rows:
        connection.execute(query, (order_id, cents, version, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))


def rebuild(connection: psycopg.Connection, *messages: Message, whole: bool, dry_run: bool = False) -> Rebuilt:
    broker: Any = FakePulsar({"orden-actualizada": messages})
    work = ReportingRebuild(broker, broker, connection, threading.Event(), lambda _number: None)
    return work.run(whole=whole, dry_run=dry_run)


DAMAGED = (("newer", 3, 100), ("older", 1, 100), ("right", 2, 100), ("same", 2, 999), ("unknown", 2, 100))
TOPIC = (
    told(0, "newer", 2),
    told(1, "older", 2),
    told(2, "right", 2),
    told(3, "same", 2),
    told(4, "missing", 2),
    sent(5, "refused", b"\xff"),
)
RIGHT = [("missing", 2, 100), ("older", 2, 100), ("right", 2, 100), ("same", 2, 100)]


def test_what_the_topic_may_have_lost_is_left(connection: psycopg.Connection, rows: Rows) -> None:
    fill(connection, *DAMAGED)
    done = rebuild(connection, *TOPIC, whole=False)
    assert rows(TABLE) == sorted([*RIGHT, ("newer", 3, 100), ("unknown", 2, 100)])
    assert (done.events, done.refused, done.orders) == (6, 1, 5)
    assert (done.removed, done.corrected, done.added, done.left, done.newer) == (0, 2, 1, 1, 1)


def test_of_a_whole_topic_the_table_is_what_it_tells(connection: psycopg.Connection, rows: Rows) -> None:
    fill(connection, *DAMAGED)
    done = rebuild(connection, *TOPIC, whole=True)
    assert rows(TABLE) == sorted([*RIGHT, ("newer", 2, 100)])
    assert (done.removed, done.corrected, done.added, done.left, done.newer) == (1, 3, 1, 0, 0)


@pytest.mark.parametrize("reads", [[1, 1], [0, 1, 1]])
def test_a_topic_that_can_not_be_read_to_its_end_changes_nothing(
    connection: psycopg.Connection, rows: Rows, reads: list[int]
) -> None:
    fill(connection, *DAMAGED)
    broker: Any = FakePulsar({"orden-actualizada": TOPIC})
    broker.short_of = reads
    work = ReportingRebuild(broker, broker, connection, threading.Event(), lambda _number: None)
    with pytest.raises(UnreachableError, match="orden-actualizada-partition-0 could not be read to its end"):
        work.run(whole=True, dry_run=False)
    assert rows(TABLE) == sorted(DAMAGED)


@pytest.mark.parametrize("whole", [True, False])
def test_a_dry_run_counts_the_same_and_changes_nothing(connection: psycopg.Connection, rows: Rows, whole: bool) -> None:
    fill(connection, *DAMAGED)
    looked = rebuild(connection, *TOPIC, whole=whole, dry_run=True)
    assert rows(TABLE) == sorted(DAMAGED)
    connection.execute("DISCARD TEMPORARY")
    assert looked[:8] == rebuild(connection, *TOPIC, whole=whole)[:8]


def test_totals_follow_a_rebuild_and_damaged_ones_are_counted_anew(connection: psycopg.Connection, rows: Rows) -> None:
    fill(connection, *DAMAGED)
    assert rebuild(connection, *TOPIC, whole=True).totals == 0
    connection.execute("DISCARD TEMPORARY")
    connection.execute("UPDATE totales_parciales SET orders = orders - 1")
    connection.execute("INSERT INTO totales_parciales VALUES ('expirada', 'JPY', 1, 500)")
    assert rebuild(connection, *TOPIC, whole=True, dry_run=True).totals == 2
    connection.execute("DISCARD TEMPORARY")
    assert rebuild(connection, *TOPIC, whole=True).totals == 2
    totals = rows("SELECT status, currency, orders, total_cents FROM totales ORDER BY currency")
    assert totals == [("expirada", "JPY", 0, 0), ("aprobada", "USD", 5, 500)]
