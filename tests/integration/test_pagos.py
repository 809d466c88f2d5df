"""Pagos on PostgreSQL: one transaction for each order, also when messages come again or others work beside it."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from alpes_runtime import Ask, Done, Outcome, Rejected, Retry
from alpes_runtime.postgres import Postgres
from functions.pagos.domain import Cobro, PorReembolsar
from functions.pagos.handlers import PagosHandlers
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.integration.pagos import SLOW, cobro, pagos, por_reembolsar
from tests.integration.server import Connect, Rows, blocked, wait_until

SERVICE = "pagos"


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


def reembolsar(database: Postgres, *batch: PorReembolsar, by: PagosHandlers | None = None) -> Sequence[Outcome]:
    with database.transaction() as transaction:
        return (by or pagos()).reembolsar(transaction, batch)


def test_a_charge_is_paid_back_once_and_every_repetition_is_the_same_event(database: Postgres, rows: Rows) -> None:
    (charged,) = cobrar(database, cobro())
    first, same = reembolsar(database, por_reembolsar(), por_reembolsar(transaction_id=event(charged).id))
    said = event(first)
    assert (said.order_id, said.status, said.id, said.amount_cents) == ("a", "reembolsada", event(charged).id, 1250)
    assert first == same
    assert reembolsar(database, por_reembolsar(), by=pagos(now_ms=1_800_000_000_000)) == [first]
    assert rows("SELECT order_id, transaction_id, amount_cents, currency FROM reembolsos") == [
        ("a", event(charged).id, 1250, "USD")
    ]
    assert rows("SELECT status FROM transacciones") == [("aprobada",)]


def test_only_what_was_charged_is_paid_back(database: Postgres, rows: Rows) -> None:
    cobrar(database, cobro("a"), cobro("b"))
    cobrar(database, cobro("c"), rate=0.0)
    outcomes = reembolsar(
        database,
        por_reembolsar("a", amount_cents=1),
        por_reembolsar("a", currency="COP"),
        por_reembolsar("a", transaction_id="another"),
        por_reembolsar("c"),
        por_reembolsar("d"),
        por_reembolsar("b", amount_cents=None, currency=""),
    )
    assert [type(outcome) for outcome in outcomes] == [Rejected, Rejected, Rejected, Rejected, Retry, Done]
    assert rows("SELECT order_id FROM reembolsos") == [("b",)]


def test_of_two_instances_that_pay_an_order_back_at_once_one_does_and_both_say_the_same(
    connect: Connect, rows: Rows
) -> None:
    cobrar(connect(), cobro())
    results: list[Sequence[Outcome]] = []
    late = pagos(now_ms=1_800_000_000_000)
    loser = threading.Thread(target=lambda: results.append(reembolsar(connect(), por_reembolsar(), by=late)))
    with connect().transaction() as winner:
        won = pagos().reembolsar(winner, [por_reembolsar()])
        loser.start()
        wait_until(lambda: blocked(rows))
    loser.join(30)
    assert results == [won]
    assert rows("SELECT count(*) FROM reembolsos") == [(1,)]


def begun(database: Postgres, *batch: Cobro) -> Sequence[Outcome]:
    with database.transaction() as transaction:
        return SLOW.cobrar(transaction, batch)


def known(database: Postgres, *answers: tuple[Cobro, Any]) -> Sequence[Outcome]:
    with database.transaction() as transaction:
        return SLOW.cobrados(transaction, answers)


def test_an_intent_stands_while_the_gateway_is_asked_and_goes_with_the_outcome(database: Postgres, rows: Rows) -> None:
    assert begun(database, cobro("a"), cobro("b")) == [Ask(cobro("a")), Ask(cobro("b"))]
    assert rows("SELECT order_id, amount_cents FROM intentos ORDER BY 1") == [("a", 1250), ("b", 1250)]
    assert rows("SELECT count(*) FROM transacciones") == [(0,)]
    approved, declined = known(database, (cobro("a"), "aprobada"), (cobro("b"), "rechazada"))
    assert (event(approved).status, event(declined).status) == ("aprobada", "rechazada")
    assert rows("SELECT count(*) FROM intentos") == [(0,)]
    # If it is asked for again, the event is emitted again without asking the gateway.
    assert begun(database, cobro("a"), cobro("b")) == [approved, declined]


def test_a_charge_of_which_nobody_knows_keeps_its_intent(database: Postgres, rows: Rows) -> None:
    begun(database, cobro())
    unknown = Retry("gateway", "not known", until_known=True)
    assert known(database, (cobro(), unknown)) == [unknown]
    assert begun(database, cobro()) == [Ask(cobro())]
    assert rows("SELECT order_id FROM intentos") == [("a",)]


def test_a_charge_that_the_gateway_refused_stays_on_the_list_of_doubts(database: Postgres, rows: Rows) -> None:
    begun(database, cobro("a"))
    refused = Rejected("gateway", "bad request")
    assert known(database, (cobro("a"), refused)) == [refused]
    assert rows("SELECT order_id FROM intentos") == [("a",)]
    assert rows("SELECT count(*) FROM transacciones") == [(0,)]


def test_who_meets_an_intent_that_is_just_being_settled_waits_and_tells_the_outcome(
    connect: Connect, rows: Rows
) -> None:
    begun(connect(), cobro())
    results: list[Sequence[Outcome]] = []
    late = threading.Thread(target=lambda: results.append(begun(connect(), cobro())))
    with connect().transaction() as transaction:
        won = SLOW.cobrados(transaction, [(cobro(), "aprobada")])
        late.start()
        wait_until(lambda: blocked(rows))
    late.join(30)
    assert results == [won]
    assert rows("SELECT count(*) FROM intentos") == [(0,)]


def test_an_order_of_another_amount_is_a_conflict_while_the_first_is_being_charged(database: Postgres) -> None:
    begun(database, cobro())
    first, second = begun(database, cobro(), cobro(amount_cents=1))
    assert first == Ask(cobro())
    assert isinstance(second, Rejected)


def test_two_answers_for_one_order_are_one_transaction(database: Postgres, rows: Rows) -> None:
    begun(database, cobro())
    (first,) = known(database, (cobro(), "aprobada"))
    assert known(database, (cobro(), "aprobada"), (cobro(), "aprobada")) == [first, first]
    assert rows("SELECT count(*) FROM transacciones") == [(1,)]


def test_a_refund_is_asked_for_and_recorded_with_its_answer(database: Postgres, rows: Rows) -> None:
    cobrar(database, cobro("a"), cobro("b"))
    asked = reembolsar(database, por_reembolsar("a"), por_reembolsar("b"), by=SLOW)
    assert [type(outcome) for outcome in asked] == [Ask, Ask]
    assert rows("SELECT count(*) FROM reembolsos") == [(0,)]
    unknown = Retry("gateway", "not known", until_known=True)
    with database.transaction() as transaction:
        done, again = SLOW.reembolsados(transaction, [(por_reembolsar("a"), None), (por_reembolsar("b"), unknown)])
    assert event(done).status == "reembolsada"
    assert again == unknown
    assert rows("SELECT order_id FROM reembolsos") == [("a",)]
    assert reembolsar(database, por_reembolsar("a"), by=SLOW) == [done]


def test_an_order_of_nothing_is_approved_and_paid_back_without_the_gateway(database: Postgres, rows: Rows) -> None:
    for handlers in (pagos(rate=0.0), SLOW):
        name = type(handlers.gateway).__name__
        with database.transaction() as transaction:
            first, second = handlers.cobrar(transaction, [cobro(f"{name}-0", 0, "JPY"), cobro(f"{name}-1", 1)])
            (refund,) = handlers.reembolsar(transaction, [por_reembolsar(f"{name}-0", amount_cents=0, currency="JPY")])
        said = event(first)
        assert (said.status, said.amount_cents, said.currency) == ("aprobada", 0, "JPY")
        assert not isinstance(second, Done) or event(second).status == "rechazada"
        assert (event(refund).status, event(refund).amount_cents) == ("reembolsada", 0)
    # Only the other order may have been charged by now.
    assert rows("SELECT order_id FROM intentos") == [("Slow-1",)]


def test_an_order_of_nothing_that_the_gateway_was_asked_for_before_is_approved(database: Postgres, rows: Rows) -> None:
    asking = replace(SLOW, ask_for_zero=True)
    with database.transaction() as transaction:
        assert asking.cobrar(transaction, [cobro("a", 0)]) == [Ask(cobro("a", 0))]
    with database.transaction() as transaction:
        (outcome,) = SLOW.cobrar(transaction, [cobro("a", 0)])
        assert event(outcome).status == "aprobada"
        (outcome,) = SLOW.cobrar(transaction, [cobro("a", 5)])
        assert isinstance(outcome, Rejected)
    assert rows("SELECT amount_cents FROM intentos") == []


def test_an_order_of_nothing_is_sent_to_the_gateway_if_it_is_told_so(database: Postgres) -> None:
    with database.transaction() as transaction:
        (outcome,) = replace(pagos(rate=0.0), ask_for_zero=True).cobrar(transaction, [cobro("a", 0)])
    assert event(outcome).status == "rechazada"
