"""Ordenes on PostgreSQL: one row for each order, only forward, and the same events again, also beside others."""

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpes_runtime import Done, Outcome, Rejected, Retry
from alpes_runtime.errors import Unavailable
from alpes_runtime.postgres import Postgres
from functions.ordenes import store
from functions.ordenes.domain import Orden
from schemas.tienda import rules
from schemas.tienda.orden import Direccion
from schemas.tienda.upcasters import NEWEST
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada, OrdenCreada
from tests.integration.ordenes import HANDLERS, crear, liquidar, orden, pago
from tests.integration.server import Connect, Rows, blocked, wait_until

SERVICE = "ordenes"


def creada(outcome: Outcome) -> OrdenCreada:
    assert isinstance(outcome, Done)
    return OrdenCreada.FromString(outcome.events[0].payload)


def actualizada(outcome: Outcome) -> OrdenActualizada:
    assert isinstance(outcome, Done), outcome
    return OrdenActualizada.FromString(outcome.events[0].payload)


def test_an_order_is_recorded_as_it_came(database: Postgres, rows: Rows) -> None:
    crear(database, orden(address="Bogotá 🏙, \"#1\" 'x' {a,b} \\ %s"))
    assert rows(
        "SELECT id, client_id, address, status, total_cents, currency, version, transaction_id,"
        " (extract(epoch FROM created_at) * 1000)::bigint, accepted_at = updated_at FROM ordenes"
    ) == [
        (
            "a",
            42,
            "Bogotá 🏙, \"#1\" 'x' {a,b} \\ %s",
            "creada",
            1250,
            "USD",
            1,
            "",
            1_767_225_600_123,
            True,
        )
    ]


def test_an_order_that_comes_again_is_the_same_event_and_no_second_row(database: Postgres, rows: Rows) -> None:
    first = crear(database, orden("a"), orden("b"))
    again = crear(database, orden("b", created_at_ms=5), orden("a"), orden("a"))
    assert again == [first[1], first[0], first[0]]
    assert rows("SELECT count(*) FROM ordenes") == [(2,)]


def test_an_order_that_comes_again_when_it_is_final_is_still_the_same_event(database: Postgres, rows: Rows) -> None:
    first = crear(database, orden())
    liquidar(database, pago())
    before = rows("SELECT * FROM ordenes")
    assert crear(database, orden()) == first
    assert rows("SELECT * FROM ordenes") == before


@pytest.mark.parametrize(
    "other", [{"client_id": 43}, {"address": "Calle 94"}, {"total_cents": 0}, {"currency": "COP"}], ids=str
)
@pytest.mark.parametrize("together", [True, False], ids=["in one group", "later"])
def test_an_order_with_other_content_is_a_conflict_and_the_first_one_stays(
    other: dict[str, Any], together: bool, database: Postgres, rows: Rows
) -> None:
    if together:
        first, second = crear(database, orden(), orden(**other))
    else:
        (first,) = crear(database, orden())
        (second,) = crear(database, orden(**other))
    assert isinstance(first, Done)
    assert isinstance(second, Rejected)
    assert second.error_type == "conflict"
    assert next(iter(other)) in second.reason
    assert rows("SELECT client_id, address, total_cents, currency FROM ordenes") == [(42, "Calle 93", 1250, "USD")]
    assert crear(database, orden()) == [first]


@pytest.mark.parametrize("status", ["aprobada", "rechazada"])
def test_a_transaction_gives_its_order_the_outcome(status: str, database: Postgres, rows: Rows) -> None:
    crear(database, orden())
    (outcome,) = liquidar(database, pago(status=status))
    event = actualizada(outcome)
    assert (event.id, event.status, event.version, event.transaction_id) == ("a", status, 2, "t-a")
    assert rows("SELECT status, version, transaction_id FROM ordenes") == [(status, 2, "t-a")]
    assert rows("SELECT (extract(epoch FROM updated_at) * 1000)::bigint FROM ordenes") == [(event.updated_at_ms,)]


def test_a_transaction_that_comes_again_is_the_same_event_and_no_change(database: Postgres, rows: Rows) -> None:
    crear(database, orden("a"), orden("b"))
    first = liquidar(database, pago("a"), pago("b", "rechazada"))
    before = rows("SELECT * FROM ordenes ORDER BY id")
    assert liquidar(database, pago("b", "rechazada"), pago("a"), pago("a")) == [first[1], first[0], first[0]]
    assert rows("SELECT * FROM ordenes ORDER BY id") == before


def test_a_transaction_without_an_order_is_early_and_the_others_go_on(database: Postgres) -> None:
    crear(database, orden("b"))
    early, done = liquidar(database, pago("a"), pago("b"))
    assert isinstance(early, Retry)
    assert "a" in early.reason
    assert actualizada(done).status == "aprobada"
    crear(database, orden("a"))
    assert actualizada(liquidar(database, pago("a"))[0]).status == "aprobada"


@pytest.mark.parametrize(
    "other",
    [{"status": "rechazada"}, {"amount_cents": 1}, {"currency": "KWD"}, {"id": "another"}],
    ids=["status", "amount", "currency", "transaction"],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one group", "later"])
def test_a_transaction_that_contradicts_the_order_is_a_conflict(
    other: dict[str, Any], together: bool, database: Postgres, rows: Rows
) -> None:
    crear(database, orden())
    if together:
        first, second = liquidar(database, pago(), pago(**other))
    else:
        (first,) = liquidar(database, pago())
        (second,) = liquidar(database, pago(**other))
    assert isinstance(first, Done)
    assert isinstance(second, Rejected)
    assert second.error_type == "conflict"
    assert rows("SELECT status, version, transaction_id FROM ordenes") == [("aprobada", 2, "t-a")]


@pytest.mark.parametrize("other", [{"amount_cents": 1251}, {"currency": "KWD"}], ids=["number", "currency"])
def test_a_transaction_of_another_amount_changes_nothing(other: dict[str, Any], database: Postgres, rows: Rows) -> None:
    crear(database, orden())
    (outcome,) = liquidar(database, pago(**other))
    assert isinstance(outcome, Rejected)
    assert rows("SELECT status, version FROM ordenes") == [("creada", 1)]


def test_a_transaction_with_a_wrong_amount_does_not_take_the_right_one_of_its_batch_along(database: Postgres) -> None:
    crear(database, orden())
    wrong, right = liquidar(database, pago(id="t-wrong", amount_cents=1251), pago())
    assert isinstance(wrong, Rejected)
    assert isinstance(right, Retry)
    (settled,) = liquidar(database, pago())
    assert actualizada(settled).status == "aprobada"


def test_the_first_services_transaction_without_id_and_amount_settles_its_order(database: Postgres) -> None:
    crear(database, orden())
    (outcome,) = liquidar(database, pago(id="", amount_cents=None, currency=""))
    assert (actualizada(outcome).status, actualizada(outcome).transaction_id) == ("aprobada", "")


class Recorded:
    """Passes statements on to a transaction, and keeps them."""

    def __init__(self, transaction: Any) -> None:
        self.transaction = transaction
        self.asked: list[Any] = []

    def execute(self, query: str, params: Any = None) -> Any:
        self.asked.append(params)
        return self.transaction.execute(query, params)

    def stream(self, query: str, params: Any = None) -> Any:
        return self.transaction.stream(query, params)

    def savepoint(self) -> Any:
        return self.transaction.savepoint()


def test_ids_are_distinct_and_sorted_so_that_instances_lock_in_the_same_order(database: Postgres) -> None:
    with database.transaction() as transaction:
        recorded = Recorded(transaction)
        store.accept(recorded, [orden(name) for name in ("b", "B", "a", "_", "b", "0", "a")], mark=True)
        store.settle(recorded, [pago(name) for name in ("b", "zz", "a", "b", "B")], mark=True)
    lists = [next(params[name] for name in ("ids", "order_id", "id") if name in params) for params in recorded.asked]
    assert lists[0] == ["0", "B", "_", "a", "b"]
    assert all(ids == sorted(set(ids)) for ids in lists)


@pytest.mark.parametrize("other", [orden(), orden(address="Calle 94")], ids=["same content", "other content"])
def test_of_two_instances_that_record_an_id_at_once_the_loser_sees_the_winners_row(
    other: Orden, connect: Connect, rows: Rows
) -> None:
    results: list[Sequence[Outcome]] = []
    loser = threading.Thread(target=lambda: results.append(crear(connect(), orden("0"), other)))
    with connect().transaction() as winner:
        (won,) = HANDLERS.crear(winner, [orden()])
        loser.start()
        wait_until(lambda: blocked(rows))
    loser.join(30)
    ((alone, lost),) = results
    assert creada(alone).id == "0"
    if other == orden():
        assert lost == won
    else:
        assert isinstance(lost, Rejected)
    assert rows("SELECT id, address FROM ordenes ORDER BY id") == [("0", "Calle 93"), ("a", "Calle 93")]
    # The loser marks for the state store only what it recorded itself.
    assert sorted(rows("SELECT order_ids FROM estado_pendiente")) == [(["0"],), (["a"],)]


def test_when_the_winner_rolls_back_the_other_records(connect: Connect, rows: Rows) -> None:
    results: list[Sequence[Outcome]] = []
    other = threading.Thread(target=lambda: results.append(crear(connect(), orden(address="Calle 94"))))

    def fail() -> None:
        with connect().transaction() as transaction:
            HANDLERS.crear(transaction, [orden()])
            other.start()
            wait_until(lambda: blocked(rows))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    other.join(30)
    assert creada(results[0][0]).address == "Calle 94"


def test_of_two_instances_that_settle_an_order_at_once_both_emit_the_same_event(connect: Connect, rows: Rows) -> None:
    crear(connect(), orden())
    results: list[Sequence[Outcome]] = []
    loser = threading.Thread(target=lambda: results.append(liquidar(connect(), pago())))
    with connect().transaction() as winner:
        won = HANDLERS.liquidar(winner, [pago()])
        loser.start()
        wait_until(lambda: blocked(rows))
    loser.join(30)
    assert results == [won]
    assert rows("SELECT status, version FROM ordenes") == [("aprobada", 2)]


def persistently(handle: Callable[[], Sequence[Outcome]]) -> Sequence[Outcome]:
    while True:
        try:
            return handle()
        except Unavailable:
            continue


def test_many_instances_with_the_same_messages_in_any_order_agree(connect: Connect, rows: Rows) -> None:
    ids = [f"o{n}" for n in range(40)]
    payloads: dict[str, set[bytes]] = {}
    guard = threading.Lock()

    def work(seed: int) -> None:
        database = connect()
        order = sorted(ids, key=lambda order_id: hash((seed, order_id)))
        for start in range(0, len(order), 7):
            batch = order[start : start + 7]
            for handle in (
                partial(crear, database, *map(orden, batch)),
                partial(liquidar, database, *map(pago, batch)),
            ):
                outcomes = persistently(handle)
                with guard:
                    for outcome in outcomes:
                        assert isinstance(outcome, Done)
                        payloads.setdefault(f"{outcome.events[0].topic} {outcome.events[0].key}", set()).add(
                            outcome.events[0].payload
                        )

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(payloads) == 2 * len(ids)
    assert all(len(versions) == 1 for versions in payloads.values())
    assert rows("SELECT status, version, count(*) FROM ordenes GROUP BY 1, 2") == [("aprobada", 2, 40)]


def test_without_the_state_store_nothing_is_marked(database: Postgres, rows: Rows) -> None:
    handlers = replace(HANDLERS, state_per_order=False)
    with database.transaction() as transaction:
        handlers.crear(transaction, [orden()])
        handlers.liquidar(transaction, [pago()])
    assert rows("SELECT count(*) FROM estado_pendiente") == [(0,)]


def test_each_change_is_marked_once_and_a_repetition_is_not(database: Postgres, rows: Rows) -> None:
    for _ in range(2):
        crear(database, orden("b"), orden("a"))
        liquidar(database, pago("a"), pago("c"))
    marks = rows("SELECT order_ids FROM estado_pendiente ORDER BY id")
    assert [sorted(ids) for (ids,) in marks] == [["a", "b"], ["a"]]


@given(
    millis=st.lists(
        st.integers(1, rules.LAST_TIME_MS) | st.integers(1_700_000_000_000, 1_900_000_000_000), min_size=1, max_size=30
    )
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_time_is_read_back_to_the_millisecond(millis: list[int], database: Postgres) -> None:
    number = next(COUNT)
    batch = [orden(f"{number}-{n}", created_at_ms=ms) for n, ms in enumerate(millis)]
    crear(database, *batch)
    with database.transaction() as transaction:
        stored = store.stored(transaction, [each.id for each in batch])
    assert [stored[each.id].orden for each in batch] == batch


COUNT = itertools.count()


@pytest.mark.parametrize("field", ["client_id", "total_cents"])
def test_the_largest_and_smallest_numbers_of_the_wire_are_stored(field: str, database: Postgres) -> None:
    values = {"client_id": [-(2**31), 0, 2**31 - 1], "total_cents": [0, 1, 2**63 - 1]}[field]
    batch = [orden(f"x{n}", **{field: value}) for n, value in enumerate(values)]
    outcomes = crear(database, *batch)
    assert [getattr(creada(outcome), field) for outcome in outcomes] == values
    assert crear(database, *batch) == outcomes


PARTS = Direccion("Calle 93", "13-24", "", "110221", 'Bogotá "D.C." \\ {a,b}', "", "CO")


def test_the_parts_of_an_address_are_stored_as_json_and_are_in_every_event(database: Postgres, rows: Rows) -> None:
    first = crear(database, orden("a", direccion=PARTS), orden("b"))
    again = crear(database, orden("b"), orden("a", direccion=PARTS))
    assert again == [first[1], first[0]]
    assert rows("SELECT id, direccion FROM ordenes ORDER BY id") == [
        ("a", {name: part for name, part in PARTS._asdict().items() if part}),
        ("b", None),
    ]
    told = [creada(outcome) for outcome in first] + [actualizada(one) for one in liquidar(database, pago(), pago("b"))]
    assert [rules.direccion_of(event) for event in told] == 2 * [PARTS, Direccion("Calle 93")]
    assert {event.schema_version for event in told} == {NEWEST}


@pytest.mark.parametrize(("sent", "accepted"), [(None, PARTS), (PARTS, None), (PARTS, Direccion("Calle 94"))])
def test_an_order_that_comes_again_in_another_version_is_the_accepted_one(
    sent: Direccion | None, accepted: Direccion | None, database: Postgres
) -> None:
    first = crear(database, orden(direccion=accepted))
    assert crear(database, orden(direccion=sent)) == first
    together = crear(database, orden("b", direccion=accepted), orden("b", direccion=sent))
    assert together[0] == together[1]


def test_parts_that_a_later_version_stored_are_left_out(database: Postgres, connection: psycopg.Connection) -> None:
    crear(database, orden())
    connection.execute("""UPDATE ordenes SET direccion = '{"ciudad": "Bogotá", "barrio": "Chicó"}'""")
    (outcome,) = liquidar(database, pago())
    assert rules.direccion_of(actualizada(outcome)) == Direccion(ciudad="Bogotá")


def test_an_older_version_is_written_where_that_is_configured(database: Postgres) -> None:
    older = replace(HANDLERS, schema_version=1)
    with database.transaction() as transaction:
        (first,) = older.crear(transaction, [orden(direccion=PARTS)])
        (changed,) = older.liquidar(transaction, [pago()])
    for event in (creada(first), actualizada(changed)):
        assert (event.schema_version, event.HasField("direccion")) == (1, False)
    assert creada(crear(database, orden())[0]).direccion.ciudad == PARTS.ciudad
