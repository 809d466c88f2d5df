"""The independent checker finds each violation that is planted in a history."""

import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from schemas.tienda.upcasters.v0_to_v1 import derived_total_cents
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada
from tests.faults.checker import Verdict, check
from tests.faults.history import (
    Charge,
    History,
    Letter,
    Message,
    OrdenRow,
    ReembolsoRow,
    ReporteRow,
    Sent,
    TransaccionRow,
    Unreadable,
)

FINAL = ("aprobada", "rechazada", "expirada", "reembolsada")


class Shop:
    """A small shop whose history is right in every part, and can be falsified part by part."""

    def __init__(self, number: int = 12) -> None:
        self.sent: list[Any] = []
        self.commands: list[Any] = []
        self.created: list[Any] = []
        self.paid: list[Any] = []
        self.updated: list[Any] = []
        self.asked: list[Any] = []
        self.letters: list[Any] = []
        self.ordenes: list[Any] = []
        self.transacciones: list[Any] = []
        self.reembolsos: list[Any] = []
        self.reporte: list[Any] = []
        self.clock = 1_700_000_000_000
        for n in range(number):
            self.order(f"r-{n:03d}", FINAL[n % 4] if number <= 12 else FINAL[n % 2])

    def message(self, payload: Any) -> Message:
        self.clock += 1
        data = payload if isinstance(payload, bytes) else payload.SerializeToString(deterministic=True)
        return Message(data, self.clock, f"(1,{self.clock},-1,0)")

    def command(self, order_id: str, address: str = "Calle 1", total: int | None = 500) -> Message:
        return self.message(CrearOrden(id=order_id, client_id=7, address=address, total_cents=total, currency="USD"))

    def order(self, order_id: str, status: str) -> None:
        self.sent.append(Sent(order_id, 7, "Calle 1", 500, "USD", accepted=True))
        self.commands.append(self.command(order_id))
        version = 3 if status == "reembolsada" else 2
        self.ordenes.append(OrdenRow(order_id, 7, "Calle 1", status, 500, "USD", version, f"tx-{order_id}"))
        self.created.append(self.message(self.creada(order_id)))
        if status != "expirada":
            decided = "aprobada" if status == "reembolsada" else status
            self.transacciones.append(TransaccionRow(order_id, f"tx-{order_id}", decided, 500, "USD"))
            self.paid.append(self.message(self.procesada(order_id, decided)))
        if status == "reembolsada":
            self.updated.append(self.message(self.actualizada(order_id, "expirada", 2)))
            self.asked.append(self.message(self.reembolsar(order_id)))
            self.reembolsos.append(ReembolsoRow(order_id, f"tx-{order_id}", 500, "USD"))
            self.paid.append(self.message(self.procesada(order_id, "reembolsada")))
        self.updated.append(self.message(self.actualizada(order_id, status, version)))
        self.reporte.append(ReporteRow(order_id, 7, status, 500, "USD", version))

    def creada(self, order_id: str, **other: Any) -> OrdenCreada:
        fields = {"client_id": 7, "address": "Calle 1", "total_cents": 500, "currency": "USD", **other}
        return OrdenCreada(id=order_id, status="creada", event_id=f"orden-creada:{order_id}", **fields)

    def procesada(self, order_id: str, status: str, cents: int = 500, mark: str = "") -> TransaccionProcesada:
        refund = "reembolso:" if status == "reembolsada" else ""
        event_id = f"transaccion-creada:{refund}{mark}{order_id}"
        return TransaccionProcesada(
            order_id=order_id,
            status=status,
            id=f"tx-{order_id}",
            amount_cents=cents,
            currency="USD",
            event_id=event_id,
        )

    def reembolsar(self, order_id: str, **other: Any) -> ReembolsarTransaccion:
        fields = {"transaction_id": f"tx-{order_id}", "amount_cents": 500, "currency": "USD", **other}
        return ReembolsarTransaccion(order_id=order_id, event_id=f"reembolsar-transaccion:{order_id}", **fields)

    def actualizada(self, order_id: str, status: str, version: int) -> OrdenActualizada:
        return OrdenActualizada(
            id=order_id,
            client_id=7,
            address="Calle 1",
            status=status,
            total_cents=500,
            currency="USD",
            version=version,
            event_id=f"orden-actualizada:{order_id}:{version}",
        )

    def history(self, **other: Any) -> History:
        parts: dict[str, Any] = {
            "prefix": "r-",
            "idle": True,
            "sent": self.sent,
            "commands": self.commands,
            "events": {
                "orden-creada": self.created,
                "transaccion-creada": self.paid,
                "orden-actualizada": self.updated,
            },
            "refunds_asked": self.asked,
            "letters": self.letters,
            "ordenes": self.ordenes,
            "transacciones": self.transacciones,
            "reembolsos": self.reembolsos,
            "reporte": self.reporte,
            "report": [row.order_id for row in self.reporte],
            "state": [(row.order_id, row.status) for row in self.ordenes],
        }
        return History(**{**parts, **other})

    def verdict(self, **other: Any) -> Verdict:
        return check(self.history(**other))


def of(rows: list[Any], status: str) -> int:
    return next(n for n, row in enumerate(rows) if row.status == status)


def test_a_right_history_holds_and_is_counted() -> None:
    verdict = Shop().verdict()
    assert verdict.name == "holds", verdict
    figures = verdict.figures
    assert (figures["accepted"], figures["sent"], figures["told"]) == (12, 12, 12)
    assert [figures[status] for status in FINAL] == [3, 3, 3, 3]
    assert figures["lost"] == figures["paid_twice"] == figures["cents_apart"] == 0
    assert figures["ordenes_cents:USD"] == 1500
    assert set(verdict.numbers) == {f"r-{n:03d}" for n in range(12)}
    assert all(verdict.ended_ms)


def test_what_comes_twice_everywhere_still_holds_and_is_counted() -> None:
    shop = Shop()
    for topic in (shop.commands, shop.created, shop.paid, shop.updated, shop.asked):
        topic += [message._replace(message_id=f"{message.message_id} again") for message in topic]
    verdict = shop.verdict()
    assert verdict.name == "holds", verdict
    assert verdict.figures["duplicates"] == 12 + 12 + 12 + 15 + 3


def test_a_refund_that_is_still_to_be_paid_may_have_been_asked_for() -> None:
    shop = Shop()
    shop.asked.append(shop.message(shop.reembolsar("r-002")))
    not_refunded(shop)
    found = set(shop.verdict().violations)
    assert found == {"charged for an expired order and not refunded", "cents differ"}


def test_orders_of_others_are_passed_over() -> None:
    shop = Shop()
    shop.commands.append(shop.command("other-1"))
    shop.asked.append(shop.message(shop.reembolsar("other-4")))
    shop.ordenes.append(OrdenRow("other-2", 1, "x", "creada", 1, "USD", 1, ""))
    shop.reporte.append(ReporteRow("other-3", 1, "aprobada", 1, "USD", 2))
    assert shop.verdict().name == "holds"


def test_an_order_that_was_sent_and_never_arrived_is_no_loss_where_the_client_was_not_told() -> None:
    shop = Shop()
    shop.sent.append(Sent("r-unsure", 7, "Calle 1", 500, "USD", accepted=False))
    assert shop.verdict().name == "holds"


def test_a_total_that_ordenes_derives_is_accepted() -> None:
    shop = Shop(0)
    cents = derived_total_cents("r-derived")
    shop.order("r-derived", "rechazada")
    shop.sent[0] = shop.sent[0]._replace(total_cents=None)
    shop.commands[0] = shop.command("r-derived", total=None)
    shop.ordenes[0] = shop.ordenes[0]._replace(total_cents=cents)
    shop.transacciones[0] = shop.transacciones[0]._replace(amount_cents=cents)
    shop.reporte[0] = shop.reporte[0]._replace(total_cents=cents)
    shop.created[0] = shop.message(shop.creada("r-derived", total_cents=cents))
    shop.paid[0] = shop.message(shop.procesada("r-derived", "rechazada", cents))
    last = shop.actualizada("r-derived", "rechazada", 2)
    last.total_cents = cents
    shop.updated[0] = shop.message(last)
    verdict = shop.verdict()
    assert verdict.name == "holds", verdict


def letter(message: Message, error_type: str, topic: str = "crear-orden") -> Letter:
    return Letter(topic, str(message.message_id), error_type, message.data)


def test_garbage_and_conflicts_that_are_dead_lettered_hold_and_are_counted_by_message() -> None:
    shop = Shop()
    for garbage in (b"\xff\xfe", b"\xff\xfe", b""):
        shop.commands.append(shop.message(garbage))
        shop.letters += [letter(shop.commands[-1], "invalid")] * 2
    shop.created.append(shop.message(b"\xff"))
    shop.letters.append(letter(shop.created[-1], "invalid", "orden-creada"))
    shop.commands.append(shop.command("r-000", address="elsewhere"))
    shop.letters.append(letter(shop.commands[-1], "conflict"))
    verdict = shop.verdict()
    assert verdict.name == "holds", verdict
    assert (verdict.figures["invalid"], verdict.figures["conflicts"]) == (4, 1)


def test_of_two_contents_either_may_be_accepted_and_the_other_is_dead_lettered() -> None:
    shop = Shop()
    other = CrearOrden(id="r-000", client_id=8, address="elsewhere", total_cents=600, currency="EUR")
    shop.commands.insert(0, shop.message(other))
    shop.letters.append(letter(shop.commands[0], "conflict"))
    verdict = shop.verdict()
    assert verdict.name == "holds", verdict
    assert verdict.figures["conflicts"] == 1


@pytest.mark.parametrize("topic", ["crear-orden", "orden-creada", "transaccion-creada"])
def test_an_order_that_is_dead_lettered_on_its_way_has_an_outcome(topic: str) -> None:
    shop = Shop()
    shop.order("r-dead", "rechazada")
    shop.reporte.pop()
    shop.updated.pop()
    shop.ordenes[-1] = shop.ordenes[-1]._replace(status="creada", version=1, transaction_id="")
    dead = shop.paid[-1]
    if topic != "transaccion-creada":
        shop.paid.pop()
        shop.transacciones.pop()
        dead = shop.created[-1]
    if topic == "crear-orden":
        shop.created.pop()
        shop.ordenes.pop()
        dead = shop.commands[-1]
    shop.letters.append(letter(dead, "bug", topic))
    verdict = shop.verdict()
    assert verdict.name == "holds", verdict
    assert verdict.figures["dead_lettered"] == 1


# -- planted violations


def lost_in_ordenes(shop: Shop) -> str:
    row = shop.ordenes.pop(0)
    for part in (shop.created, shop.paid, shop.updated, shop.transacciones, shop.reporte):
        del part[0]
    assert row.order_id == "r-000"
    return "lost"


def left_behind_as_creada(shop: Shop) -> str:
    shop.ordenes[0] = shop.ordenes[0]._replace(status="creada", version=1, transaction_id="")
    del shop.transacciones[0], shop.reporte[0], shop.paid[0], shop.updated[0]
    return "lost"


def never_reported(shop: Shop) -> str:
    del shop.reporte[0]
    return "status differs in Reporting"


def reported_otherwise(shop: Shop) -> str:
    shop.reporte[2] = shop.reporte[2]._replace(status="rechazada")
    return "status differs in Reporting"


def outcomes_differ(shop: Shop) -> str:
    shop.reporte[0] = shop.reporte[0]._replace(status="rechazada")
    return "outcomes differ"


def paid_otherwise(shop: Shop) -> str:
    shop.transacciones[1] = shop.transacciones[1]._replace(status="aprobada")
    return "status differs in Pagos"


def never_paid(shop: Shop) -> str:
    del shop.transacciones[0]
    return "status differs in Pagos"


def two_transactions(shop: Shop) -> str:
    shop.transacciones.append(shop.transacciones[0]._replace(transaction_id="tx-again"))
    return "paid twice"


def two_charges_told(shop: Shop) -> str:
    shop.paid.append(shop.message(shop.procesada("r-000", "aprobada", mark="again:")))
    return "paid twice"


def two_decisions_told(shop: Shop) -> str:
    shop.paid.append(shop.message(shop.procesada("r-000", "rechazada", mark="again:")))
    return "paid twice"


def another_transaction(shop: Shop) -> str:
    shop.ordenes[0] = shop.ordenes[0]._replace(transaction_id="tx-else")
    return "Ordenes names another transaction than Pagos"


def invented(shop: Shop) -> str:
    shop.order("r-999", "aprobada")
    shop.sent.pop()
    shop.commands.pop()
    return "invented in table ordenes"


def told_and_not_there(shop: Shop) -> str:
    shop.sent.append(Sent("r-told", 7, "Calle 1", 500, "USD", accepted=True))
    return "accepted, the client was told, and not in the topic"


def sent_otherwise(shop: Shop) -> str:
    shop.sent[0] = shop.sent[0]._replace(total_cents=501)
    return "the topic holds other content than was sent"


def stored_otherwise(shop: Shop) -> str:
    shop.ordenes[0] = shop.ordenes[0]._replace(address="elsewhere")
    return "Ordenes holds other content than was accepted"


def other_amount_paid(shop: Shop) -> str:
    shop.transacciones[0] = shop.transacciones[0]._replace(amount_cents=499)
    return "amounts differ"


def other_amount_reported(shop: Shop) -> str:
    shop.reporte[0] = shop.reporte[0]._replace(total_cents=501)
    return "amounts differ"


def paid_in_another_currency(shop: Shop) -> str:
    shop.transacciones[0] = shop.transacciones[0]._replace(currency="EUR")
    return "currencies differ"


def refunded_in_another_currency(shop: Shop) -> str:
    shop.reembolsos[0] = shop.reembolsos[0]._replace(currency="EUR")
    return "currencies differ"


def reported_in_another_currency(shop: Shop) -> str:
    shop.reporte[0] = shop.reporte[0]._replace(currency="EUR")
    return "currencies differ"


def told_in_another_currency(shop: Shop) -> str:
    other = shop.procesada("r-000", "aprobada")
    other.currency = "EUR"
    shop.paid[0] = shop.message(other)
    return "currencies differ"


def reported_for_another_client(shop: Shop) -> str:
    shop.reporte[0] = shop.reporte[0]._replace(client_id=8)
    return "clients differ"


def another_transaction_refunded(shop: Shop) -> str:
    shop.reembolsos[0] = shop.reembolsos[0]._replace(transaction_id="tx-else")
    return "a refund names another transaction than Pagos"


def another_transaction_told(shop: Shop) -> str:
    other = shop.procesada("r-000", "aprobada")
    other.id = "tx-else"
    shop.paid[0] = shop.message(other)
    return "topic transaccion-creada names another transaction than Pagos"


def cents_differ(shop: Shop) -> str:
    shop.reporte[0] = shop.reporte[0]._replace(total_cents=501)
    return "cents differ"


def other_amount_told(shop: Shop) -> str:
    shop.paid[0] = shop.message(shop.procesada("r-000", "aprobada", 499))
    return "amounts differ"


def creada_missing(shop: Shop) -> str:
    del shop.created[3]
    return "event missing in orden-creada"


def transaccion_missing(shop: Shop) -> str:
    del shop.paid[0]
    return "event missing in transaccion-creada"


def actualizada_missing(shop: Shop) -> str:
    del shop.updated[0]
    return "event missing in orden-actualizada"


def last_version_missing(shop: Shop) -> str:
    del shop.updated[4]
    return "event missing in orden-actualizada"


def told_what_is_not(shop: Shop) -> str:
    shop.updated[0] = shop.message(shop.actualizada("r-000", "rechazada", 2))
    return "orden-actualizada tells what Ordenes has not"


def paid_event_without_a_row(shop: Shop) -> str:
    shop.paid.append(shop.message(shop.procesada("r-002", "rechazada")))
    return "transaccion-creada tells what Pagos has not"


def event_contradicts_itself(shop: Shop) -> str:
    other = shop.creada("r-000")
    other.created_at_ms = 5
    shop.created.append(shop.message(other))
    return "event contradicts itself"


def later_event_contradicts_itself(shop: Shop) -> str:
    other = shop.actualizada("r-003", "reembolsada", 3)
    other.updated_at_ms = 5
    shop.updated.append(shop.message(other))
    return "event contradicts itself"


def two_events_of_one_fact(shop: Shop) -> str:
    other = shop.creada("r-000")
    other.event_id += "-again"
    shop.created.append(shop.message(other))
    return "two events of one fact"


def told_otherwise(shop: Shop) -> str:
    shop.created[0] = shop.message(shop.creada("r-000", address="elsewhere"))
    return "topic orden-creada tells other content than was accepted"


def counted_twice(shop: Shop) -> str:
    shop.reporte.append(shop.reporte[0])
    return "counted twice by Reporting"


def old_version(shop: Shop) -> str:
    shop.reporte[0] = shop.reporte[0]._replace(version=1)
    return "Reporting shows an older version"


def not_refunded(shop: Shop) -> str:
    shop.transacciones.append(TransaccionRow("r-002", "tx-r-002", "aprobada", 500, "USD"))
    shop.paid.append(shop.message(shop.procesada("r-002", "aprobada")))
    return "charged for an expired order and not refunded"


def refunded_twice(shop: Shop) -> str:
    shop.reembolsos.append(shop.reembolsos[0])
    return "refunded twice"


def refund_missing(shop: Shop) -> str:
    del shop.reembolsos[0]
    return "refund without its order, or the reverse"


def refund_asked_of_an_order_that_stands(shop: Shop) -> str:
    shop.asked.append(shop.message(shop.reembolsar("r-000")))
    return "a refund asked for of an order that has not expired"


def refund_asked_by_nobody(shop: Shop) -> str:
    del shop.asked[0]
    return "refunded, and nobody asked for it"


def refund_asked_of_an_order_that_is_not_there(shop: Shop) -> str:
    shop.asked.append(shop.message(shop.reembolsar("r-999")))
    return "invented in topic reembolsar-transaccion"


def refund_asked_in_two_ways(shop: Shop) -> str:
    shop.asked.append(shop.message(shop.reembolsar("r-003", traceparent="another")))
    return "event contradicts itself"


def other_amount_asked_back(shop: Shop) -> str:
    shop.asked[0] = shop.message(shop.reembolsar("r-003", amount_cents=499))
    return "amounts differ"


def other_currency_asked_back(shop: Shop) -> str:
    shop.asked[0] = shop.message(shop.reembolsar("r-003", currency="EUR"))
    return "currencies differ"


def other_transaction_asked_back(shop: Shop) -> str:
    shop.asked[0] = shop.message(shop.reembolsar("r-003", transaction_id="tx-else"))
    return "a refund names another transaction than Pagos"


def refund_refused(shop: Shop) -> str:
    shop.letters.append(letter(shop.asked[0], "conflict", "reembolsar-transaccion"))
    return "the services contradict each other"


def garbage_asked_back_and_dropped(shop: Shop) -> str:
    shop.asked.append(shop.message(b"\xff\xfe"))
    return "a message that can't be decoded has no dead letter"


def garbage_dropped(shop: Shop) -> str:
    shop.commands.append(shop.message(b"\xff\xfe"))
    return "a message that can't be decoded has no dead letter"


def garbage_event_dropped(shop: Shop) -> str:
    shop.updated.append(shop.message(b"\xff\xfe"))
    return "a message that can't be decoded has no dead letter"


def conflict_dropped(shop: Shop) -> str:
    shop.commands.append(shop.command("r-000", address="elsewhere"))
    return "a message that conflicts has no dead letter"


def good_message_dead_lettered(shop: Shop) -> str:
    shop.letters.append(letter(shop.commands[0], "conflict"))
    return "a well-formed message was dead-lettered"


def dead_and_ended(shop: Shop) -> str:
    shop.letters.append(letter(shop.paid[0], "early", "transaccion-creada"))
    return "two outcomes: dead-lettered, and ended all the same"


def services_contradict(shop: Shop) -> str:
    shop.letters.append(letter(shop.paid[0], "conflict", "transaccion-creada"))
    return "the services contradict each other"


def unknown_status(shop: Shop) -> str:
    shop.ordenes[0] = shop.ordenes[0]._replace(status="pagada")
    return "an unknown status"


def unknown_row_status_twice(shop: Shop) -> str:
    shop.ordenes.append(shop.ordenes[0])
    return "two rows in Ordenes"


PLANTED = [
    lost_in_ordenes,
    left_behind_as_creada,
    never_reported,
    reported_otherwise,
    outcomes_differ,
    paid_otherwise,
    never_paid,
    two_transactions,
    two_charges_told,
    two_decisions_told,
    another_transaction,
    invented,
    told_and_not_there,
    sent_otherwise,
    stored_otherwise,
    other_amount_paid,
    other_amount_reported,
    paid_in_another_currency,
    refunded_in_another_currency,
    reported_in_another_currency,
    told_in_another_currency,
    reported_for_another_client,
    another_transaction_refunded,
    another_transaction_told,
    cents_differ,
    other_amount_told,
    creada_missing,
    transaccion_missing,
    actualizada_missing,
    last_version_missing,
    told_what_is_not,
    paid_event_without_a_row,
    event_contradicts_itself,
    later_event_contradicts_itself,
    two_events_of_one_fact,
    told_otherwise,
    counted_twice,
    old_version,
    not_refunded,
    refunded_twice,
    refund_missing,
    refund_asked_of_an_order_that_stands,
    refund_asked_by_nobody,
    refund_asked_of_an_order_that_is_not_there,
    refund_asked_in_two_ways,
    other_amount_asked_back,
    other_currency_asked_back,
    other_transaction_asked_back,
    refund_refused,
    garbage_asked_back_and_dropped,
    garbage_dropped,
    garbage_event_dropped,
    conflict_dropped,
    good_message_dead_lettered,
    dead_and_ended,
    services_contradict,
    unknown_status,
    unknown_row_status_twice,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.replace("_", " "))
def test_a_planted_violation_is_seen(plant: Callable[[Shop], str]) -> None:
    shop = Shop()
    kind = plant(shop)
    verdict = shop.verdict()
    assert verdict.name == "violated"
    assert kind in verdict.violations, verdict


def test_a_report_that_lists_an_order_twice_or_not_at_all_is_seen() -> None:
    shop = Shop()
    listed = [row.order_id for row in shop.reporte]
    assert "counted twice by a report" in shop.verdict(report=[*listed, listed[0]]).violations
    assert "missing in a report" in shop.verdict(report=listed[1:]).violations


def test_a_state_store_that_shows_another_status_or_none_is_seen() -> None:
    for shown in ("rechazada", None):
        verdict = Shop().verdict(state=[("r-000", shown)])
        assert verdict.name == "violated"
        assert "the state store shows another status" in verdict.violations


def test_running_totals_that_differ_from_the_table_are_seen() -> None:
    assert Shop().verdict(totals=[("total_cents:aprobada:USD", 1500, 1500)]).name == "holds"
    assert Shop().verdict(totals=[("total_cents:aprobada:USD", 2000, 1500)]).name == "violated"


def test_what_the_gateway_charged_must_be_what_pagos_says() -> None:
    shop = Shop()
    right = [Charge(row.order_id, row.amount_cents, row.status) for row in shop.transacciones]
    assert shop.verdict(charges=right).name == "holds"
    twice = shop.verdict(charges=[*right, right[0]])
    assert twice.figures["paid_twice"] == 1
    assert shop.verdict(charges=right[1:]).name == "violated"
    assert shop.verdict(charges=[right[0]._replace(amount_cents=1), *right[1:]]).name == "violated"
    assert shop.verdict(charges=[right[0]._replace(status="rechazada"), *right[1:]]).name == "violated"


# -- what can't be said


def broken(parts: list[Any], after: int = 3) -> Iterator[Any]:
    yield from parts[:after]
    raise Unreadable("the connection was lost")


ROWS = ["ordenes", "transacciones", "reembolsos", "reporte"]
SOURCES = ["sent", "commands", "refunds_asked", "letters", *ROWS, "report", "state"]


@pytest.mark.parametrize("source", SOURCES)
def test_what_can_not_be_read_makes_the_verdict_unknown(source: str) -> None:
    shop = Shop()
    whole = getattr(shop.history(), source)
    verdict = shop.verdict(**{source: broken(list(whole))})
    assert verdict.name == "unknown", verdict
    assert any("the connection was lost" in reason for reason in verdict.unknown)


@pytest.mark.parametrize("topic", ["orden-creada", "transaccion-creada", "orden-actualizada"])
def test_an_event_topic_that_is_missing_or_can_not_be_read_makes_the_verdict_unknown(topic: str) -> None:
    shop = Shop()
    events = dict(shop.history().events)
    assert shop.verdict(events={**events, topic: broken(list(events[topic]))}).name == "unknown"
    del events[topic]
    assert shop.verdict(events=events).name == "unknown"


def test_a_system_that_is_not_idle_is_unknown_and_what_is_under_way_is_no_loss() -> None:
    shop = Shop()
    left_behind_as_creada(shop)
    verdict = shop.verdict(idle=False)
    assert verdict.name == "unknown"
    assert not verdict.violations


def test_a_double_payment_is_a_violation_whatever_else_is_unknown() -> None:
    shop = Shop()
    two_transactions(shop)
    assert shop.verdict(idle=False, letters=broken([])).name == "violated"


def test_many_orders_are_judged_in_time_that_grows_with_their_number() -> None:
    def seconds_of_cpu(orders: int) -> float:
        shop = Shop(orders)
        n = random.Random(7).randrange(orders)
        shop.reporte[n] = shop.reporte[n]._replace(version=9)
        started = time.process_time()
        verdict = shop.verdict()
        taken = time.process_time() - started
        assert verdict.violations["Reporting shows an older version"][0] == 1
        return taken

    # Work that grows with the square of the orders would take a hundred times as long.
    assert seconds_of_cpu(20_000) < 40 * seconds_of_cpu(2_000)


def test_every_kind_of_the_history_is_read() -> None:
    """Each part of the history is touched by a planted violation above, so the checker is blind to none."""
    read = {*SOURCES, "prefix", "idle", "events", "totals", "charges"}
    assert {part.name for part in dataclasses.fields(History)} == read
