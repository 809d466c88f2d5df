"""What the runtime may rely on in a database holds for PostgreSQL and for its fake."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import pytest

from alpes_runtime import Done, Handler, Outcome, Transaction
from alpes_runtime._compute_lock import ComputeLock
from alpes_runtime.database import Database, Row
from alpes_runtime.errors import BadData, Unavailable
from alpes_runtime.postgres import STREAM_ROWS, Postgres, translated
from alpes_runtime.testing import FakeClock, instance_context
from tests.fakes import FakeDatabase
from tests.integration.server import UNINDEXABLE, Server
from tests.simulation.server import View
from tests.unit.runtime.parts import committer, received
from tests.unit.runtime.parts import keep as keep_in_memory

SERVICE = "pagos"
KEEP = """
INSERT INTO transacciones (order_id, id, status, amount_cents, currency, created_at)
SELECT
    nueva,
    'id',
    'aprobada',
    1,
    'USD',
    now()
FROM unnest(%(keys)s::text []) AS nueva
ON CONFLICT (order_id) DO NOTHING
RETURNING order_id
"""
ALL = "SELECT order_id FROM transacciones ORDER BY order_id"


def _all(view: View, _params: Mapping[str, Any]) -> list[Row]:
    return [(key,) for key, _ in view.scan("kept")]


class Both:
    """A database, another connection to the same tables, and a way to cut it off."""

    def __init__(self, one: Database, other: Database, cut: Callable[[], None]) -> None:
        self.one = one
        self.other = other
        self.cut = cut

    def kept(self) -> list[str]:
        with self.other.transaction() as transaction:
            return [row[0] for row in transaction.execute(ALL)]


@pytest.fixture(params=["fake", "postgres"])
def both(request: pytest.FixtureRequest) -> Both:
    if request.param == "fake":
        statements = {KEEP: keep_in_memory, ALL: _all}
        fake = FakeDatabase(statements)
        fake.server.refused.update(("nul\0", UNINDEXABLE))
        return Both(fake, FakeDatabase(statements, fake), lambda: fake.fail("statement"))
    server: Server = request.getfixturevalue("server")
    connect: Callable[[], Postgres] = request.getfixturevalue("connect")
    dsn: str = request.getfixturevalue("dsn")
    return Both(connect(), connect(), lambda: None if server.terminate(dsn) else pytest.fail("nobody was connected"))


def keep(database: Database, *keys: str) -> list[Row]:
    with database.transaction() as transaction:
        return transaction.execute(KEEP, {"keys": list(keys)})


def test_what_is_committed_is_seen_by_others(both: Both) -> None:
    assert keep(both.one, "a", "b") == [("a",), ("b",)]
    assert both.kept() == ["a", "b"]


def test_what_is_not_committed_is_seen_by_nobody_else(both: Both) -> None:
    with both.one.transaction() as transaction:
        transaction.execute(KEEP, {"keys": ["a"]})
        assert transaction.execute(ALL) == [("a",)]
        assert both.kept() == []
    assert both.kept() == ["a"]


def test_a_statement_sees_what_others_committed_before_it(both: Both) -> None:
    with both.one.transaction() as transaction:
        assert transaction.execute(ALL) == []
        keep(both.other, "a")
        assert transaction.execute(ALL) == [("a",)]


def test_an_error_of_ours_rolls_back_and_the_database_is_usable(both: Both) -> None:
    def fail() -> None:
        with both.one.transaction() as transaction:
            transaction.execute(KEEP, {"keys": ["a"]})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert both.kept() == []
    keep(both.one, "b")
    assert both.kept() == ["b"]


def test_a_value_that_is_refused_is_bad_data_and_leaves_nothing(both: Both) -> None:
    def fail() -> None:
        with both.one.transaction() as transaction:
            transaction.execute(KEEP, {"keys": ["a"]})
            transaction.execute(KEEP, {"keys": ["b", "nul\0"]})

    with pytest.raises(BadData):
        fail()
    assert both.kept() == []
    keep(both.one, "c")
    assert both.kept() == ["c"]


def test_a_handler_that_goes_on_after_a_refused_value_has_not_committed(both: Both) -> None:
    def go_on() -> None:
        with both.one.transaction() as transaction, contextlib.suppress(BadData):
            transaction.execute(KEEP, {"keys": [UNINDEXABLE]})

    with pytest.raises(BadData):
        go_on()
    assert both.kept() == []


def keep_within(transaction: Transaction, *keys: str, error: Exception | None = None) -> None:
    with transaction.savepoint():
        for key in keys:
            transaction.execute(KEEP, {"keys": [key]})
        if error:
            raise error


def keep_and_pass_over(transaction: Transaction, refused: str) -> None:
    with transaction.savepoint(), contextlib.suppress(BadData):
        transaction.execute(KEEP, {"keys": [refused]})


def test_what_fails_in_a_savepoint_is_undone_and_the_rest_is_committed(both: Both) -> None:
    with both.one.transaction() as transaction:
        transaction.execute(KEEP, {"keys": ["a"]})
        for refused in ("nul\0", UNINDEXABLE):
            with pytest.raises(BadData):
                keep_within(transaction, "b", refused)
        with pytest.raises(ZeroDivisionError):
            keep_within(transaction, "c", error=ZeroDivisionError())
        keep_within(transaction, "d")
        with pytest.raises(BadData):
            keep_and_pass_over(transaction, UNINDEXABLE)
        keep(both.other, "b")
    assert both.kept() == ["a", "b", "d"]


def test_after_a_failed_statement_every_other_one_is_refused(database: Postgres) -> None:
    def go_on() -> None:
        with database.transaction() as transaction:
            with contextlib.suppress(BadData):
                transaction.execute("SELECT 1 / 0")
            transaction.execute("SELECT 1")

    with pytest.raises(BadData, match="25P02"):
        go_on()


def test_a_savepoint_whose_connection_is_lost_is_unavailable(server: Server, database: Postgres, dsn: str) -> None:
    def fail() -> None:
        with database.transaction() as transaction, transaction.savepoint():
            transaction.execute(KEEP, {"keys": ["a"]})
            assert server.terminate(dsn)
            raise ZeroDivisionError

    with pytest.raises(Unavailable):
        fail()
    assert keep(database, "a") == [("a",)]


def test_a_lost_connection_is_unavailable_leaves_nothing_and_is_opened_again(both: Both) -> None:
    def fail() -> None:
        with both.one.transaction() as transaction:
            transaction.execute(KEEP, {"keys": ["a"]})
            both.cut()
            transaction.execute(KEEP, {"keys": ["b"]})

    keep(both.one, "before")
    with pytest.raises(Unavailable):
        fail()
    both.other.close()
    assert both.kept() == ["before"]
    keep(both.one, "c")
    assert both.kept() == ["before", "c"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", []),
        ("text", [None]),
        ("text", ["", "NULL", 'a"b\\{,}', " é 日本 ", None]),
        ("bigint", []),
        ("bigint", [None, 5]),
        ("bigint", [1, 2**31, -(2**63), 2**63 - 1]),
        ("int", [0, -1, 2**31 - 1]),
    ],
)
def test_a_list_arrives_as_it_is(kind: str, values: list[Any], database: Postgres) -> None:
    with database.transaction() as transaction:
        rows = transaction.execute(f"SELECT unnest(%(values)s::{kind} [])", {"values": values})
    assert [row[0] for row in rows] == values


@pytest.mark.parametrize(("kind", "values"), [("bigint", [2**63]), ("int", [2**31]), ("text", ["a", "b\0"])])
def test_a_list_with_what_no_column_takes_is_bad_data(kind: str, values: list[Any], database: Postgres) -> None:
    with pytest.raises(BadData), database.transaction() as transaction:
        transaction.execute(f"SELECT unnest(%(values)s::{kind} [])", {"values": values})
    with database.transaction() as transaction:
        assert transaction.execute("SELECT 1") == [(1,)]


def test_a_closed_database_opens_again(both: Both) -> None:
    keep(both.one, "a")
    both.one.close()
    both.one.close()
    keep(both.one, "b")
    assert both.kept() == ["a", "b"]


def test_rows_can_be_streamed(both: Both) -> None:
    keep(both.one, "a", "b", "c")
    with both.one.transaction() as transaction:
        assert list(transaction.stream(ALL)) == [("a",), ("b",), ("c",)]


def test_a_group_with_a_nul_in_it_loses_only_that_message(both: Both) -> None:
    def apply(transaction: Transaction, batch: Any) -> list[Outcome]:
        transaction.execute(KEEP, {"keys": list(batch)})
        return [Done()] * len(batch)

    handler = Handler(lambda message: message.data.decode(), apply)
    stage = committer(both.one, handler=handler)  # type: ignore[arg-type]
    result = stage.commit([received(payload) for payload in (b"a", b"b", b"nul\0", b"c", b"d")])
    assert result is not None
    (letter,) = result.events
    assert letter.payload == b"nul\0"
    assert both.kept() == ["a", "b", "c", "d"]


# From here on, the tests are about PostgreSQL alone.


def test_a_stream_of_many_fetches_is_whole_and_of_one_moment(
    database: Postgres, connect: Callable[[], Postgres]
) -> None:
    number = 2 * STREAM_ROWS + 7
    keep(database, *(f"{n:06d}" for n in range(number)))
    with database.transaction() as transaction:
        rows = transaction.stream(ALL)
        first = next(rows)
        keep(connect(), "999999")
        assert [first, *rows] == [(f"{n:06d}",) for n in range(number)]


def test_a_stream_that_is_given_up_leaves_lock_and_connection_in_order(dsn: str) -> None:
    lock = ComputeLock()
    database = Postgres(dsn, "alpes pruebas", lock)
    with lock:
        keep(database, "a", "b")

        def give_up() -> Any:
            with database.transaction() as transaction:
                rows = transaction.stream(ALL)
                next(rows)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as caught:
            give_up()
        # The abandoned stream is still alive here, in the traceback's frames.
        assert caught.tb is not None
        assert keep(database, "c") == [("c",)]
        database.close()


def test_a_stream_that_is_given_up_within_a_savepoint_leaves_the_transaction_in_order(database: Postgres) -> None:
    def give_up(transaction: Transaction) -> None:
        with transaction.savepoint():
            for _row in transaction.stream(ALL):
                raise ZeroDivisionError

    keep(database, "a", "b")
    with database.transaction() as transaction:
        with pytest.raises(ZeroDivisionError):
            give_up(transaction)
        transaction.execute(KEEP, {"keys": ["c"]})
    with database.transaction() as transaction:
        assert list(transaction.stream(ALL)) == [("a",), ("b",), ("c",)]


def test_while_rows_are_read_the_lock_is_ours(dsn: str) -> None:
    lock = ComputeLock()
    database = Postgres(dsn, "alpes pruebas", lock)
    with lock:
        keep(database, "a", "b")
        with database.transaction() as transaction:
            for _row in transaction.stream(ALL):
                assert not lock._lock.acquire(blocking=False)
        database.close()


def test_while_a_statement_runs_the_lock_is_anothers(dsn: str) -> None:
    lock, taken = ComputeLock(), threading.Event()
    database = Postgres(dsn, "alpes pruebas", lock)

    def take() -> None:
        with lock:
            taken.set()

    with lock:
        other = threading.Thread(target=take)
        other.start()
        with database.transaction() as transaction:
            transaction.execute("SELECT pg_sleep(0.2)")
        assert taken.is_set()
        database.close()
    other.join(5)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT 1 / 0", BadData),
        ("SELECT 'x'::int", BadData),
        ("SELECT 99999999999::int", BadData),
        ("INSERT INTO transacciones (order_id) VALUES ('a')", BadData),
        ("SELECT * FROM no_table", Unavailable),
        ("SELECT no syntax", Unavailable),
        ("SET statement_timeout = 20; SELECT pg_sleep(5)", Unavailable),
        ("DROP DATABASE postgres", Unavailable),
    ],
)
def test_the_servers_errors_are_the_messages_fault_or_the_systems(
    statement: str, kind: type[Exception], database: Postgres
) -> None:
    def run() -> None:
        with database.transaction() as transaction:
            for part in statement.split("; "):
                transaction.execute(part)

    with pytest.raises(kind):
        run()
    assert keep(database, "a") == [("a",)]


def test_a_deadlock_is_tried_again_and_nobody_loses(connect: Callable[[], Postgres]) -> None:
    meet = threading.Barrier(2, timeout=30)
    results: list[str] = []

    def lock(first: str, second: str) -> None:
        database = connect()
        for attempt in range(5):
            try:
                with database.transaction() as transaction:
                    transaction.execute(KEEP, {"keys": [first]})
                    if attempt == 0:
                        meet.wait()
                    transaction.execute(KEEP, {"keys": [second]})
                results.append(first)
                return
            except Unavailable:
                continue

    threads = [threading.Thread(target=lock, args=keys) for keys in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["a", "b"]


def test_an_error_shows_no_password(server: Server) -> None:
    wrong = server.dsn("ordenes").replace(server.credentials.passwords["ordenes"], "not-the-password")
    with pytest.raises(Unavailable) as caught, Postgres(wrong, "alpes pruebas").transaction():
        pass
    assert "not-the-password" not in str(caught.value)


def test_errors_of_the_driver_itself_are_translated() -> None:
    with pytest.raises(BadData), translated("a statement"):
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    with pytest.raises(Unavailable), translated("a statement"):
        raise psycopg.OperationalError("the connection is lost")


def test_after_a_restart_of_the_server_the_group_goes_on(server: Server, database: Postgres) -> None:
    class Restarting:
        """Ends the server in the middle of the first attempt, and starts it again while the group waits."""

        attempts = 0

        def apply(self, transaction: Transaction, batch: Any) -> list[Outcome]:
            self.attempts += 1
            transaction.execute(KEEP, {"keys": list(batch)})
            if self.attempts == 1:
                server.stop()
                transaction.execute(ALL)
            return [Done()] * len(batch)

    restarting = Restarting()
    clock = FakeClock()
    clock.on_wait = lambda _seconds: server.start() if len(clock.waits) == 3 else None
    handler = Handler(lambda message: message.data.decode(), restarting.apply)
    result = committer(database, handler=handler, context=instance_context(clock=clock)).commit(  # type: ignore[arg-type]
        [received(b"a"), received(b"b")]
    )
    assert result is not None
    assert result.rejected == 0
    assert len(clock.waits) == 3
    with database.transaction() as transaction:
        assert transaction.execute(ALL) == [("a",), ("b",)]


@pytest.mark.parametrize("role", ["ordenes", "pagos", "reporting"])
def test_no_service_may_enter_anothers_database(role: str, server: Server) -> None:
    for database in ("ordenes", "pagos", "reporting", "postgres", "template1"):
        if database == role:
            psycopg.connect(server.dsn(role, database)).close()
        else:
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(server.dsn(role, database))
