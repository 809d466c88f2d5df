"""The marks of orders not yet written to the state store, with two writers, and the view that reads them."""

import threading
from typing import Any

import pytest

from alpes_runtime.errors import Unavailable
from alpes_runtime.postgres import Postgres
from alpes_runtime.testing import FakeStateStore
from alpes_runtime.views import Mark, Versioned, WriteBehind
from alpes_runtime.views._write_behind import IDLE_S
from tests.integration.ordenes import HANDLERS, MARKS, crear, liquidar, orden, pago, state_view
from tests.integration.server import Connect, Rows, wait_until

SERVICE = "ordenes"


def announce(database: Postgres, most: int = 64) -> dict[int, Mark]:
    with database.transaction() as transaction:
        return dict(MARKS.announce(transaction, most))


def test_marks_are_announced_oldest_first_and_known_as_tried_from_then_on(database: Postgres) -> None:
    for name in ("a", "b", "c"):
        crear(database, orden(name))
    first = announce(database, 2)
    assert sorted((tuple(mark.keys), mark.tried) for mark in first.values()) == [(("a",), False), (("b",), False)]
    every = announce(database)
    assert [(mark.keys, mark.tried) for _, mark in sorted(every.items())] == [
        (["a"], True),
        (["b"], True),
        (["c"], False),
    ]


def test_an_announcement_that_was_rolled_back_was_none(database: Postgres) -> None:
    crear(database, orden())

    def fail() -> None:
        with database.transaction() as transaction:
            MARKS.announce(transaction, 64)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [mark.tried for mark in announce(database).values()] == [False]


def test_what_one_writer_holds_another_neither_holds_nor_announces(connect: Connect) -> None:
    database = connect()
    crear(database, orden("a"))
    crear(database, orden("b"))
    numbers = sorted(announce(database))
    with connect().transaction() as one, connect().transaction() as other:
        assert list(MARKS.hold(one, numbers[:1])) == numbers[:1]
        assert list(MARKS.hold(other, numbers)) == numbers[1:]
        assert announce(database) == {}
        MARKS.clear(one, numbers[:1])
    assert sorted(announce(database)) == numbers[1:]


def test_a_mark_that_was_cleared_meanwhile_is_not_held(connect: Connect) -> None:
    database = connect()
    crear(database, orden("a"))
    numbers = list(announce(database))
    with database.transaction() as transaction:
        MARKS.clear(transaction, MARKS.hold(transaction, numbers))
    with database.transaction() as transaction:
        assert list(MARKS.hold(transaction, numbers)) == []


def test_the_marks_of_a_writer_that_died_are_free_at_once(connect: Connect) -> None:
    database, dying = connect(), connect()
    crear(database, orden("a"))
    numbers = list(announce(dying))

    def die() -> None:
        with dying.transaction() as transaction:
            MARKS.hold(transaction, numbers)
            raise Unavailable("killed")

    with pytest.raises(Unavailable):
        die()
    # Its connection is closed; the server notices a moment later.
    wait_until(lambda: announce(database) == {numbers[0]: Mark(["a"], tried=True)})


def test_the_present_value_is_what_is_committed_by_now(connect: Connect) -> None:
    database = connect()
    crear(database, orden("a"), orden("b"))
    with connect().transaction() as transaction:
        assert MARKS.current(transaction, ["a", "x"]) == {"a": Versioned(1, "creada")}
        liquidar(database, pago("a"))
        assert MARKS.current(transaction, ["a", "b"]) == {"a": Versioned(2, "aprobada"), "b": Versioned(1, "creada")}


def test_the_lag_is_the_number_of_changes_and_the_age_of_the_oldest(database: Postgres, rows: Rows) -> None:
    with database.transaction() as transaction:
        assert MARKS.lag(transaction) == (0, 0.0)
    crear(database, orden("a"), orden("b"))
    liquidar(database, pago("a"))
    with database.transaction() as transaction:
        transaction.execute("UPDATE estado_pendiente SET created_at = created_at - interval '1 minute'")
    with database.transaction() as transaction:
        changes, seconds = MARKS.lag(transaction)
    assert changes == 3
    assert 60 <= seconds < 120


def catch_up(writer: WriteBehind) -> None:
    for _ in range(200):
        try:
            if writer.step() == IDLE_S:
                return
        except Unavailable:
            continue
    pytest.fail("the view never catches up")


def test_a_mark_whose_transaction_is_still_open_is_not_skipped_by_a_later_one(connect: Connect) -> None:
    state = FakeStateStore()
    writer = state_view(connect(), state)
    with connect().transaction() as slow:
        HANDLERS.crear(slow, [orden("slow")])
        crear(connect(), orden("quick"))
        catch_up(writer)
        assert state.values == {"quick": "creada"}
    catch_up(writer)
    assert state.values == {"quick": "creada", "slow": "creada"}


def test_two_writers_share_the_marks_and_every_order_ends_with_its_status(connect: Connect, rows: Rows) -> None:
    state = FakeStateStore()
    database = connect()
    names = [f"o{n}" for n in range(60)]
    for name in names:
        crear(database, orden(name))
        liquidar(database, pago(name, "aprobada" if int(name[1:]) % 3 else "rechazada"))
    state.fail(3, written=1)
    writers = [threading.Thread(target=catch_up, args=(state_view(connect(), state),)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    catch_up(state_view(connect(), state))
    assert state.values == {name: "aprobada" if int(name[1:]) % 3 else "rechazada" for name in names}
    assert rows("SELECT count(*) FROM estado_pendiente") == [(0,)]


def test_a_connection_that_is_killed_in_the_middle_leaves_the_marks(
    connect: Connect, server: Any, dsn: str, rows: Rows
) -> None:
    state = FakeStateStore()
    crear(connect(), orden("a"))
    killed: list[int] = []

    def kill(_values: object) -> None:
        if not killed:
            killed.append(server.terminate(dsn))

    state.on_put = kill
    writer = state_view(connect(), state)
    with pytest.raises(Unavailable):
        writer.step()
    assert rows("SELECT tried FROM estado_pendiente") == [(True,)]
    catch_up(writer)
    assert state.values == {"a": "creada"}
    assert rows("SELECT count(*) FROM estado_pendiente") == [(0,)]
