"""Drills: which messages a mix makes, and which ends are expected."""

from collections import Counter

import pytest

from client.ledger import Ledger, RunSummary
from client.mix import BAD, CONFLICT, DUPLICATE, KINDS, VALID, Planned, mixed
from client.orders import order_stream
from schemas.tienda import rules, upcasters
from schemas.tienda.v1.ordenes_pb2 import CrearOrden

WEIGHTS = {VALID: 70, DUPLICATE: 10, CONFLICT: 10, BAD: 10}
NOW_NS = 1_700_000_000_000_000_000


def drill(count: int = 2_000, weights: dict[str, int] = WEIGHTS, seed: int = 5) -> list[Planned]:
    def stamped(order: CrearOrden) -> CrearOrden:
        order.created_at_ms = NOW_NS // 1_000_000
        return order

    return list(mixed(map(stamped, order_stream(seed, count)), weights, seed))


def problem(order: CrearOrden) -> str:
    return rules.new_order_problem(upcasters.newest(order, lambda: 1_700_000_000_000))


def test_each_kind_comes_about_as_often_as_its_weight_says() -> None:
    counts = Counter(message.kind for message in drill())
    assert counts.total() == 2_000
    assert all(abs(counts[kind] - 20 * WEIGHTS[kind]) < 80 for kind in KINDS)
    assert {message.kind for message in drill(weights={VALID: 1, BAD: 0})} == {VALID}


def test_a_seed_gives_the_same_drill_each_time() -> None:
    assert drill() == drill()
    assert drill() != drill(seed=6)


def test_each_message_is_what_its_kind_says() -> None:
    accepted: dict[str, CrearOrden] = {}
    reasons = set()
    for number, message in enumerate(drill()):
        order = message.order
        assert message.number == number
        if message.kind == VALID:
            assert not problem(order)
            accepted[order.id] = order
        elif message.kind == BAD:
            assert order.id not in accepted
            reasons.add(problem(order).split(" is ")[0])
        elif message.kind == DUPLICATE:
            assert order == accepted[order.id]
        else:
            assert not problem(order)
            assert order.id in accepted
            assert order.total_cents != accepted[order.id].total_cents
    assert reasons == {"total_cents", "currency"}


def test_what_comes_first_is_valid_since_a_repeat_needs_an_earlier_order() -> None:
    assert [message.kind for message in drill(3, {DUPLICATE: 1})] == [VALID, DUPLICATE, DUPLICATE]


def ended(ledger: Ledger, messages: list[Planned], *, wrong: str = "") -> RunSummary:
    """End every message as its kind should, except those of one kind."""
    for message in messages:
        ledger.sent(message.order.id, NOW_NS, kind=message.kind, number=message.number)
    for message in messages:
        order_id = message.order.id
        as_it_should = message.kind != wrong
        if (message.kind == VALID and as_it_should) or (message.kind == BAD and not as_it_should):
            ledger.updated(order_id, "aprobada", 2, NOW_NS)
        elif message.kind == BAD:
            ledger.dead_lettered(order_id, "invalid (crear-orden-DLQ)", NOW_NS)
        elif message.kind == CONFLICT and as_it_should:
            ledger.dead_lettered(order_id, "conflict (crear-orden-DLQ)", NOW_NS)
    return ledger.close()


def test_a_drill_that_ends_as_it_should_has_no_surprise() -> None:
    messages, ledger = drill(500), Ledger()
    summary = ended(ledger, messages)
    counts = Counter(message.kind for message in messages)
    assert summary.drill == {kind: (counts[kind], counts[kind]) for kind in KINDS}
    assert (summary.surprises, summary.missing) == (0, 0)
    assert ledger.finished == ledger.messages == 500
    assert summary.orders == counts[VALID] + counts[BAD]


@pytest.mark.parametrize("wrong", [BAD, CONFLICT])
def test_what_ends_otherwise_is_a_surprise(wrong: str) -> None:
    summary = ended(Ledger(), drill(500), wrong=wrong)
    assert summary.drill[wrong][1] == 0
    assert summary.surprises == summary.drill[wrong][0]


def test_a_duplicate_that_is_dead_lettered_is_a_surprise() -> None:
    ledger = Ledger()
    ledger.sent("a", NOW_NS, kind=VALID)
    ledger.sent("a", NOW_NS, kind=DUPLICATE)
    ledger.updated("a", "aprobada", 2, NOW_NS)
    ledger.dead_lettered("a", "conflict (crear-orden-DLQ)", NOW_NS)
    assert ledger.close().drill == {VALID: (1, 0), DUPLICATE: (1, 0)}


def test_a_duplicate_ends_with_its_order_whichever_is_known_first() -> None:
    ledger = Ledger()
    ledger.sent("a", NOW_NS)
    ledger.sent("a", NOW_NS, kind=DUPLICATE)
    assert ledger.finished == 0
    ledger.updated("a", "aprobada", 2, NOW_NS)
    ledger.sent("a", NOW_NS, kind=DUPLICATE)
    assert ledger.finished == ledger.messages == 3


def test_a_repeat_that_pulsar_never_confirmed_is_no_end_as_expected_and_nobody_waits_for_it() -> None:
    ledger = Ledger()
    ledger.sent("a", NOW_NS)
    ledger.sent("a", NOW_NS, kind=CONFLICT)
    ledger.unsent("a", "Timeout", CONFLICT)
    ledger.updated("a", "aprobada", 2, NOW_NS)
    assert ledger.finished == ledger.messages == 2
    assert ledger.close().surprises == 1
