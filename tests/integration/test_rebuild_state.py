"""The client makes Ordenes' view write every order's status again; the table is real, the store a fake."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from alpes_runtime.postgres import Postgres
from alpes_runtime.testing import FakeStateStore
from operations.rebuild.estado import Progress, rewrite_orders
from terminal.errors import NoAnswerError
from tests.integration.ordenes import crear, orden, state_view
from tests.integration.server import Connect, Rows

SERVICE = "ordenes"


@contextmanager
def written_by(step: Callable[[], object]) -> Iterator[None]:
    """Have a thread step a view."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.01):
            step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def filled(connect: Connect) -> Postgres:
    database = connect()
    crear(database, *(orden(f"o{number:02d}") for number in range(25)))
    return database


def test_whatever_stood_in_the_store_each_order_has_its_status_again(
    filled: Postgres, connection: psycopg.Connection, rows: Rows
) -> None:
    state = FakeStateStore()
    writer = state_view(filled, state)
    while rows("SELECT count(*) FROM estado_pendiente") != [(0,)]:
        writer.step()
    expected = {f"o{number:02d}": "creada" for number in range(25)}
    assert state.values == expected
    # The view remembers what it wrote, and would not write it again for an ordinary mark.
    state.values.update({"o03": "aprobada", "o24": "nonsense"})
    del state.values["o11"]
    seen: list[Progress] = []
    with written_by(writer.step):
        done = rewrite_orders(connection, threading.Event(), seen.append, patience_s=30, page=4)
    assert state.values == expected
    assert done == seen[-1] == Progress(25, "o24")
    assert [progress.orders for progress in seen] == sorted(progress.orders for progress in seen)
    assert rows("SELECT count(*) FROM estado_pendiente") == [(0,)]


def test_a_rebuild_is_continued_behind_an_order(filled: Postgres, connection: psycopg.Connection) -> None:
    state = FakeStateStore()
    with written_by(state_view(filled, state).step):
        done = rewrite_orders(
            connection, threading.Event(), lambda _progress: None, after_id="o19", patience_s=30, page=4
        )
    assert done == Progress(5, "o24")


def test_few_marks_wait_at_once_and_a_stop_leaves_the_rest(
    filled: Postgres, connection: psycopg.Connection, rows: Rows
) -> None:
    filled.close()
    connection.execute("DELETE FROM estado_pendiente")
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    done = rewrite_orders(connection, stop, lambda _progress: None, patience_s=30, page=4)
    assert done == Progress(0, "")
    assert rows("SELECT order_ids, tried FROM estado_pendiente ORDER BY id LIMIT 1") == [
        (["o00", "o01", "o02", "o03"], True)
    ]
    assert rows("SELECT count(*) FROM estado_pendiente") == [(4,)]


def test_nobody_waits_for_ever_where_nobody_writes(filled: Postgres, connection: psycopg.Connection) -> None:
    with pytest.raises(NoAnswerError, match=r"0 orders are written.*--after ''"):
        rewrite_orders(connection, threading.Event(), lambda _progress: None, patience_s=0.5, page=4)
