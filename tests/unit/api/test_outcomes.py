"""What the API remembers of orders, and what it tells a caller."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from alpes_wire import Message
from api.orders import model, verdict
from api.orders.commands import Commands
from api.orders.outcomes import Outcomes
from api.problems import Problem
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada
from tests.unit.api.messages import message

CONTENT: dict[str, Any] = {"client_id": 7, "address": "Calle 1", "total_cents": 100, "currency": "USD"}
SENT = CrearOrden(id="a", created_at_ms=1_764_457_000_000, **CONTENT)
MINE, OTHERS = model.content(SENT), 0


def event(version: int = 2, status: str = "aprobada", **change: Any) -> Message:
    found = OrdenActualizada(id="a", version=version, status=status, updated_at_ms=2, **CONTENT | change)
    return message(found.SerializeToString())


def letter(kind: str, payload: bytes = SENT.SerializeToString()) -> Message:
    return message(payload, error_type=kind, error_message=f"order a is a {kind}")


async def told(*messages: tuple[str, Message]) -> Any:
    outcomes = Outcomes(10)
    for topic, each in messages:
        outcomes.take(topic, each, 0)
    await asyncio.sleep(0)
    found = outcomes.find("a")
    assert found is not None
    return found


ACTUALIZADA, CREAR_DLQ, PAGADA_DLQ = "orden-actualizada", "crear-orden-DLQ", "transaccion-creada-DLQ"


def test_the_event_of_the_same_content_is_the_outcome() -> None:
    outcome = asyncio.run(told((ACTUALIZADA, event())))
    for found in (verdict.of_command(outcome, MINE), verdict.of_order(outcome)):
        assert isinstance(found, dict)
        assert (found["id"], found["status"], found["total_cents"]) == ("a", "aprobada", 100)


def test_an_event_of_other_content_is_another_order_under_the_same_id() -> None:
    outcome = asyncio.run(told((ACTUALIZADA, event(total_cents=101))))
    found = verdict.of_command(outcome, MINE)
    assert isinstance(found, Problem)
    assert (found.status, found.kind) == (422, "other-content")


def test_the_highest_version_counts_in_whatever_order_events_come() -> None:
    outcome = asyncio.run(told((ACTUALIZADA, event(3, "reembolsada")), (ACTUALIZADA, event(2, "expirada"))))
    assert outcome.event.status == "reembolsada"


@pytest.mark.parametrize(
    ("topic", "kind", "status"), [(CREAR_DLQ, "invalid", 422), (CREAR_DLQ, "conflict", 422), (PAGADA_DLQ, "bug", 409)]
)
def test_a_dead_letter_reaches_the_caller_with_its_reason(topic: str, kind: str, status: int) -> None:
    found = verdict.of_command(asyncio.run(told((topic, letter(kind)))), MINE)
    assert isinstance(found, Problem)
    assert found.status == status
    assert f"order a is a {kind}" in str(found)


def test_a_dead_letter_of_another_command_for_the_same_id_is_not_mine() -> None:
    outcome = asyncio.run(told((CREAR_DLQ, letter("conflict"))))
    assert verdict.of_command(outcome, OTHERS) is None
    assert verdict.of_order(outcome) is None, "the order is there, as the first command made it"


def test_an_order_that_went_on_after_a_dead_letter_shows_both() -> None:
    found = verdict.of_order(asyncio.run(told((PAGADA_DLQ, letter("conflict")), (ACTUALIZADA, event()))))
    assert isinstance(found, dict)
    assert (found["status"], found["dead_letters"][0]["kind"]) == ("aprobada", "conflict")


def test_what_cannot_be_read_is_passed_over() -> None:
    async def run() -> None:
        outcomes = Outcomes(10)
        outcomes.take(ACTUALIZADA, message(b"\xff"), 0)
        unreadable = event()
        unreadable.problem = "its checksum is wrong"
        outcomes.take(ACTUALIZADA, unreadable, 0)
        await asyncio.sleep(0)
        assert outcomes.find("a") is None

    asyncio.run(run())


def test_what_may_have_changed_while_nobody_followed_is_old_until_there_is_news() -> None:
    async def run() -> None:
        outcomes = Outcomes(10)
        outcomes.take(ACTUALIZADA, event(status="expirada"), 0)
        await asyncio.sleep(0)
        outcomes.miss()
        assert outcomes.find("a") is None, "a late payment may have been paid back"
        outcomes.take(PAGADA_DLQ, letter("bug"), 0)
        await asyncio.sleep(0)
        assert [found.is_old for found in [outcomes.find("a")] if found] == [False]
        outcomes.miss()
        assert [found.is_old for found in [outcomes.find("a")] if found] == [True]
        outcomes.take(PAGADA_DLQ, letter("bug"), 0)
        await asyncio.sleep(0)
        assert [found.is_old for found in [outcomes.find("a")] if found] == [False]

    asyncio.run(run())


def test_the_memory_is_bounded() -> None:
    async def run() -> None:
        outcomes = Outcomes(2)
        for order_id in "abc":
            found = OrdenActualizada(id=order_id, version=2, status="aprobada")
            outcomes.take(ACTUALIZADA, message(found.SerializeToString()), 0)
        await asyncio.sleep(0)
        assert [outcomes.find(order_id) is None for order_id in "abc"] == [True, False, False]

    asyncio.run(run())


def test_who_waits_is_woken_by_news_by_time_and_by_the_end() -> None:
    async def run() -> None:
        outcomes = Outcomes(10)
        assert not await outcomes.news("a", 0.01)
        waiting = asyncio.create_task(outcomes.news("a", 60))
        await asyncio.sleep(0)
        outcomes.take(ACTUALIZADA, event(), 0)
        assert await waiting
        waiting = asyncio.create_task(outcomes.news("b", 60))
        await asyncio.sleep(0)
        outcomes.stop()
        assert not await waiting
        assert not await outcomes.news("b", 60)

    asyncio.run(run())


def test_a_command_is_in_flight_until_the_broker_has_it_and_forgotten_if_nobody_knows() -> None:
    commands = Commands(2)
    commands.begin("a", 1)
    assert commands.find("a") == (1, False)
    commands.end("a", confirmed=True)
    assert commands.find("a") == (1, True)
    commands.begin("b", 1)
    commands.end("b", confirmed=False)
    assert commands.find("b") is None
    commands.remember("a", 2)
    assert commands.find("a") == (1, True), "the first command for an id counts"
    for order_id in "cd":
        commands.remember(order_id, 3)
    assert commands.find("a") is None


def test_to_remember_an_order_costs_the_same_however_many_were_forgotten() -> None:
    async def cost_s(remember: Callable[[str], None], orders: range) -> float:
        started = time.process_time()
        for number in orders:
            remember(f"{number:08d}")
        await asyncio.sleep(0)
        return time.process_time() - started

    async def run() -> None:
        commands, outcomes = Commands(50_000), Outcomes(50_000)
        ended = event().data()

        def take(order_id: str) -> None:
            outcomes.take(ACTUALIZADA, message(ended + b"\x0a\x08" + order_id.encode()), 0)

        for remember in (lambda order_id: commands.remember(order_id, 1), take):
            first = await cost_s(remember, range(20_000))
            await cost_s(remember, range(20_000, 60_000))
            assert await cost_s(remember, range(60_000, 80_000)) < 8 * first

    asyncio.run(run())
