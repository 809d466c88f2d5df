"""A topic with every published version of a message, read again from its start, makes the table that it made live."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest

from alpes_runtime import Done, Received
from alpes_runtime.postgres import Postgres
from alpes_runtime.testing import FakeMessage
from functions.ordenes import messages as ordenes
from functions.ordenes.domain import Orden, OrdenGuardada
from functions.reporting.handlers import ReportingHandlers
from functions.reporting.messages import decode_orden_actualizada
from operations.rebuild.reporting import ReportingRebuild
from schemas.tienda.orden import FINAL_STATUSES, Direccion
from schemas.tienda.topics import full_name
from tests.unit.connection.fake_pulsar import FakePulsar, sent
from tests.unit.services.wire import Nowhere, seed_order

SERVICE = "reporting"
HANDLERS = ReportingHandlers("t")
TOPIC = "orden-actualizada"
STARTED_MS = 1_767_225_600_000
ORDERS = 120
MOST_VERSIONS = 4
TABLE = "SELECT * FROM ordenes ORDER BY id"


def retained(draw: random.Random) -> list[FakeMessage]:
    """Return the topic: each order's changes, each of them in one of the versions 0, 1 and 2, some of them twice."""
    told = []
    for n in range(ORDERS):
        order_id = f"o{n:04d}"
        parts = Direccion(f"Calle {n}", "1-2", ciudad="Bogotá") if n % 2 else None
        orden = Orden(order_id, 42, "Calle 93", n, "COP", STARTED_MS + n, "", parts)
        # The first clients' message knows no version: it is an order's first.
        if n % 3 == 0:
            told.append((order_id, seed_order(order_id, sixth=n % 2 == 0, status=draw.choice(FINAL_STATUSES))))
        for version in range(2, draw.randint(2, MOST_VERSIONS) + 1):
            guardada = OrdenGuardada(orden, draw.choice(FINAL_STATUSES), version, STARTED_MS + 1000 * version, "t")
            told.append((order_id, ordenes.orden_actualizada("t", guardada, draw.choice((1, 2))).payload))
    told += draw.sample(told, len(told) // 5)
    draw.shuffle(told)
    return [
        FakeMessage(payload, key, id=f"(1,{n},0,-1)", published_ms=STARTED_MS + 10_000 + n)
        for n, (key, payload) in enumerate(told)
    ]


def process(database: Postgres, topic: Sequence[FakeMessage], group: int) -> None:
    for start in range(0, len(topic), group):
        received = [Received(TOPIC, full_name(TOPIC), each, Nowhere()) for each in topic[start : start + group]]
        with database.transaction() as transaction:
            batch = [decode_orden_actualizada(each) for each in received]
            assert HANDLERS.actualizar(transaction, batch) == [Done()] * len(batch)


def table(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(TABLE).fetchall()


@pytest.fixture
def live(dsn_of: Callable[[str], str]) -> tuple[list[FakeMessage], list[tuple[Any, ...]]]:
    """The topic, and the table that it made while its messages came one by one."""
    topic, dsn = retained(random.Random("versions 0, 1 and 2")), dsn_of(SERVICE)
    database = Postgres(dsn, "alpes pruebas")
    process(database, topic, 1)
    database.close()
    made = table(dsn)
    assert len(made) == ORDERS
    return topic, made


@pytest.mark.parametrize("group", [1, 7, 1000])
def test_a_replay_into_an_empty_table_makes_the_table_that_was_made_live(
    live: tuple[list[FakeMessage], list[tuple[Any, ...]]], dsn: str, database: Postgres, group: int
) -> None:
    topic, made = live
    process(database, topic, group)
    assert table(dsn) == made


def test_a_rebuild_of_an_empty_table_makes_the_table_that_was_made_live(
    live: tuple[list[FakeMessage], list[tuple[Any, ...]]], dsn: str
) -> None:
    topic, made = live
    broker: Any = FakePulsar(
        {TOPIC: [sent(n, each.key, each.payload, published_ms=each.published_ms) for n, each in enumerate(topic)]}
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        ReportingRebuild(broker, broker, connection, threading.Event(), lambda _: None).run(whole=True, dry_run=False)
    assert table(dsn) == made
