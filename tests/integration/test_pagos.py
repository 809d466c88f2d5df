"""Pagos on PostgreSQL: one transaction an order, whatever comes again and whoever else is at it."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from functions.alpes_runtime import Done, Outcome, Rejected
from functions.alpes_runtime.postgres import Postgres
from functions.pagos.domain import Cobro
from functions.pagos.gateways import GATEWAYS, GatewayOptions
from functions.pagos.handlers import Pagos
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.integration.test_ordenes import blocked, wait_until

SERVICE = "pagos"
Rows = Callable[[str], list[tuple[Any, ...]]]
Connect = Callable[[], Postgres]


def cobro(order_id: str = "a", amount_cents: int = 1250, currency: str = "USD") -> Cobro:
    return Cobro(order_id, amount_cents, currency, "")


def pagos(rate: float = 1.0, now_ms: int = 1_767_225_600_123) -> Pagos:
    return Pagos("t", GATEWAYS["simulada"](GatewayOptions(approval_rate=rate)), lambda: now_ms)


def cobrar(database: Postgres, *batch: Cobro, rate: float = 1.0, now_ms: int = 1_767_225_600_123) -> Sequence[Outcome]:
    with database.transaction() as transaction:
        return pagos(rate, now_ms).cobrar(transaction, batch)


def event(outcome: Outcome) -> TransaccionProcesada:
    assert isinstance(outcome, Done), outcome
    return TransaccionProcesada.FromString(outcome.events[0].payload)


def test_a_charge_is_recorded_as_it_was_decided(database: Postgres, rows: Rows) -> None:
    (outcome,) = cobrar(database, cobro())
    said = event(outcome)
    assert rows(
        "SELECT order_id, id, status, amount_cents, currency, (extract(epoch FROM created_at) * 1000)::bigint"
        " FROM transacciones"
    ) == [("a", said.id, "aprobada", 1250, "USD", 1_767_225_600_123)]


def test_a_charge_that_comes_again_is_the_same_event_and_no_second_row(database: Postgres, rows: Rows) -> None:
    first = cobrar(database, cobro("a"), cobro("b"))
    again = cobrar(database, cobro("b"), cobro("a"), cobro("a"), now_ms=1_800_000_000_000)
    assert again == [first[1], first[0], first[0]]
    assert rows("SELECT count(*) FROM transacciones") == [(2,)]


def test_no_repetition_turns_a_rejection_into_an_approval_though_the_rate_changed(database: Postgres) -> None:
    first = cobrar(database, cobro(), rate=0.0)
    assert event(first[0]).status == "rechazada"
    assert cobrar(database, cobro(), rate=1.0) == first


def test_a_charge_of_another_amount_or_currency_is_a_conflict_and_the_first_stays(
    database: Postgres, rows: Rows
) -> None:
    cobrar(database, cobro())
    outcomes = cobrar(database, cobro(amount_cents=1), cobro(currency="COP"), cobro())
    assert [type(outcome) for outcome in outcomes] == [Rejected, Rejected, Done]
    assert rows("SELECT amount_cents, currency FROM transacciones") == [(1250, "USD")]


def test_in_one_group_the_first_charge_of_an_order_counts(database: Postgres, rows: Rows) -> None:
    outcomes = cobrar(database, cobro(amount_cents=5), cobro(amount_cents=6), cobro(amount_cents=5))
    assert [type(outcome) for outcome in outcomes] == [Done, Rejected, Done]
    assert outcomes[0] == outcomes[2]
    assert rows("SELECT amount_cents FROM transacciones") == [(5,)]


def test_of_two_instances_that_charge_an_order_at_once_one_does_and_both_say_the_same(
    connect: Connect, rows: Rows
) -> None:
    results: list[Sequence[Outcome]] = []
    loser = threading.Thread(
        target=lambda: results.append(cobrar(connect(), cobro("0"), cobro(), rate=0.0, now_ms=1_800_000_000_000))
    )
    with connect().transaction() as winner:
        (won,) = pagos().cobrar(winner, [cobro()])
        loser.start()
        wait_until(lambda: blocked(rows))
    loser.join(30)
    ((alone, lost),) = results
    assert lost == won
    assert event(alone).status == "rechazada"
    assert rows("SELECT order_id, status FROM transacciones ORDER BY 1") == [("0", "rechazada"), ("a", "aprobada")]


def test_the_largest_amount_of_the_wire_is_charged(database: Postgres) -> None:
    first = cobrar(database, cobro(amount_cents=2**63 - 1), cobro("b", 0))
    assert [event(outcome).amount_cents for outcome in first] == [2**63 - 1, 0]
    assert cobrar(database, cobro(amount_cents=2**63 - 1), cobro("b", 0)) == first
