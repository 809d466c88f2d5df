"""What an order's rows say, for every state that they can be in; and how rows are brought together and judged again."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.reconcile.check import Check
from client.reconcile.merge import OrdenRow, PagoRow, Rows, facts, together
from client.reconcile.rules import (
    ABSENT,
    APROBADA,
    CHARGED,
    CREADA,
    DOWNSTREAM,
    EXPIRADA,
    INTENTO,
    NOT_RECORDED,
    ORDENES,
    PAGOS,
    RECHAZADA,
    REEMBOLSADA,
    REPORTING,
    SAME,
    SEEN,
    WAITING,
    Facts,
    Input,
    Verdict,
    judge,
)
from client.reconcile.scratch import OrderLetter, Scratch

EVERY_STATE = [Facts(*state) for state in itertools.product(ORDENES, PAGOS, REPORTING, (True, False))]
ENDED = {
    (APROBADA, APROBADA),
    (RECHAZADA, RECHAZADA),
    (EXPIRADA, ABSENT),
    (EXPIRADA, RECHAZADA),
    (REEMBOLSADA, REEMBOLSADA),
}
"""How an order can end: in Ordenes, in Pagos."""
UNDER_WAY = {
    (CREADA, ABSENT),
    (CREADA, INTENTO),
    (CREADA, APROBADA),
    (CREADA, RECHAZADA),
    (EXPIRADA, INTENTO),
    (EXPIRADA, APROBADA),
    (EXPIRADA, REEMBOLSADA),
}
"""How it can be on its way, whether or not Reporting has seen the last of it."""


def test_the_tables_of_rules_cover_every_state() -> None:
    assert set(CHARGED) == set(itertools.product(ORDENES, PAGOS))
    assert set(SEEN) == set(itertools.product((True, False), REPORTING))


@pytest.mark.parametrize("state", EVERY_STATE, ids=lambda state: "-".join(map(str, state)))
def test_every_state_has_the_verdict_that_the_state_machine_gives_it(state: Facts) -> None:
    charged = (state.orden, state.pago)
    if not state.amounts_agree or charged not in ENDED | UNDER_WAY:
        expected = Verdict.DIFFERS
    elif state.orden == CREADA:
        expected = Verdict.IN_FLIGHT if state.reporting == ABSENT else Verdict.DIFFERS
    elif state.reporting == "other":
        expected = Verdict.DIFFERS
    elif charged in ENDED and state.reporting == SAME:
        expected = Verdict.ENDED
    else:
        expected = Verdict.IN_FLIGHT
    rule = judge(state)
    assert rule.verdict is expected
    assert bool(rule.why) is (expected is not Verdict.ENDED)


def test_whatever_is_in_flight_says_what_carries_it() -> None:
    for state in EVERY_STATE:
        rule = judge(state)
        if rule.verdict is Verdict.IN_FLIGHT:
            assert WAITING[rule.why] == rule
            assert rule.carriers
            assert set(rule.carriers) <= set(DOWNSTREAM)


def test_a_timer_takes_further_what_is_unpaid_and_what_nobody_has_heard_of() -> None:
    timed = {(state.orden, judge(state).why) for state in EVERY_STATE if judge(state).timer}
    assert {why for orden, why in timed if orden == CREADA} == {
        "waits for its payment",
        "waits for the payment gateway's answer",
        "waits to hear of its payment",
    }
    assert {why for orden, why in timed if orden != CREADA} == {"waits to be seen by Reporting"}
    assert EXPIRADA in {orden for orden, _ in timed}


def orden(order_id: str, status: str = "aprobada", version: int = 2, cents: int = 100) -> OrdenRow:
    return (order_id, status, version, cents, "USD")


def pago(order_id: str, status: str = "aprobada", cents: int = 100) -> PagoRow:
    return (order_id, status, cents, "USD")


@pytest.mark.parametrize(
    ("ours", "shown", "expected"),
    [
        (orden("a"), orden("a"), "same"),
        (orden("a"), None, "absent"),
        (orden("a", "reembolsada", 3), orden("a", "expirada", 2), "behind"),
        (orden("a"), orden("a", version=3), "other"),
        (orden("a"), orden("a", "rechazada"), "other"),
        (orden("a"), orden("a", cents=101), "other"),
        (orden("a", "reembolsada", 3), orden("a", "expirada", 2, cents=1), "other"),
        (None, orden("a"), "other"),
    ],
)
def test_what_reporting_shows_is_compared_with_ordenes(
    ours: OrdenRow | None, shown: OrdenRow | None, expected: str
) -> None:
    assert facts(ours, None, shown).reporting == expected


def test_amounts_are_compared_where_both_have_one() -> None:
    assert facts(orden("a"), pago("a"), None).amounts_agree
    assert not facts(orden("a"), pago("a", cents=99), None).amounts_agree
    assert facts(orden("a"), None, None).amounts_agree
    assert facts(None, pago("a"), None).amounts_agree


IDS = st.sets(st.text("ABab09._-", min_size=1, max_size=3), max_size=12)


@given(IDS, IDS, IDS)
def test_rows_of_an_order_come_together(ours: set[str], paid: set[str], shown: set[str]) -> None:
    rows = list(together(map(orden, sorted(ours)), map(pago, sorted(paid)), map(orden, sorted(shown))))
    assert [row.id for row in rows] == sorted(ours | paid | shown)
    for row in rows:
        found = [row.orden is not None, row.pago is not None, row.reporting is not None]
        assert found == [row.id in ours, row.id in paid, row.id in shown]


class FakeTables:
    """The rows of three databases; `before` is what a first look sees of them."""

    def __init__(self, before: list[Rows], now: list[Rows], timed: set[str] | None = None) -> None:
        self.before, self.now, self.timers_of = before, now, timed or set()

    @contextmanager
    def snapshot(self) -> Iterator[Iterator[Rows]]:
        yield iter(self.before)

    def some(self, ids: Sequence[str]) -> Iterator[Rows]:
        return iter([rows for rows in self.now if rows.id in ids])

    def timed(self, ids: Sequence[str]) -> set[str]:
        return self.timers_of & set(ids)


def run(
    tables: FakeTables,
    *,
    commands: Sequence[str] = (),
    letters: Sequence[tuple[str, str]] = (),
    discarded: Sequence[tuple[str, str]] = (),
    bugs: Sequence[tuple[str, str]] = (),
    idle: Callable[[], object] = lambda: None,
    busy: Sequence[str] = (),
) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Check these tables; return the ended by status, and the rest by verdict and why.

    `idle` is called when the inputs are looked at: what changes in the meantime.
    """

    def nothing_waits_in() -> set[Input]:
        idle()
        return {source for source in DOWNSTREAM if source.topic not in busy}

    with Scratch() as scratch:
        check = Check(tables, scratch, threading.Event(), lambda _number: None)  # type: ignore[arg-type]
        check.read_commands(commands)
        check.read_tables()
        check.take_letters(OrderLetter(*letter, discarded=False) for letter in letters)
        check.take_letters(OrderLetter(*letter, discarded=True) for letter in discarded)
        check.take_letters(OrderLetter(*letter, discarded=False, bug=True) for letter in bugs)
        check.look_again(0)
        check.find_dead_lettered()
        check.find_lost(nothing_waits_in)
        account = check.close(1.0)
        return dict(account.ended), account.others


def whole(order_id: str) -> Rows:
    return Rows(order_id, orden(order_id), pago(order_id), orden(order_id))


def unpaid(order_id: str) -> Rows:
    return Rows(order_id, orden(order_id, "creada", 1), None, None)


def test_what_only_seemed_to_differ_has_ended() -> None:
    seemed = Rows("a", orden("a"), None, None)
    assert run(FakeTables([seemed, whole("b")], [whole("a"), whole("b")])) == ({"aprobada": 2}, {})


def test_what_still_differs_differs() -> None:
    wrong = Rows("a", orden("a"), pago("a", "rechazada"), None)
    assert run(FakeTables([wrong], [wrong])) == (
        {},
        {("differs", "approved in Ordenes, refused in Pagos"): 1},
    )


@pytest.mark.parametrize("topic", ["crear-orden", "orden-creada", "pagos-reintento"])
def test_an_order_is_in_flight_while_anything_waits_that_may_be_its_message(topic: str) -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, busy=[topic])[1] == {("in flight", "waits for its payment"): 1}


def test_an_order_is_in_flight_while_a_timer_will_look_at_it() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")], timed={"a"})
    assert run(tables)[1] == {("in flight", "waits for its payment"): 1}


def test_an_expired_order_is_in_flight_while_its_timer_may_tell_of_it() -> None:
    expired = Rows("a", orden("a", "expirada"), None, None)
    assert run(FakeTables([expired], [expired], timed={"a"}))[1] == {("in flight", "waits to be seen by Reporting"): 1}
    assert run(FakeTables([expired], [expired]))[1] == {("lost", "waits to be seen by Reporting"): 1}


def test_a_timer_that_is_done_while_the_inputs_are_looked_at_loses_nothing() -> None:
    expired = Rows("a", orden("a", "expirada"), None, None)
    tables = FakeTables([expired], [expired], timed={"a"})
    assert run(tables, idle=tables.timers_of.clear)[1] == {("in flight", "waits to be seen by Reporting"): 1}


def test_an_order_that_nothing_takes_further_is_lost() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, busy=["orden-actualizada"])[1] == {("lost", "waits for its payment"): 1}


def test_an_order_whose_message_is_a_dead_letter_is_not_lost() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, letters=[("a", "orden-creada")])[1] == {("dead-lettered", "waits for its payment"): 1}


def test_a_dead_letter_that_has_nothing_to_do_with_what_it_waits_for_changes_nothing() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, letters=[("a", "orden-actualizada")])[1] == {("lost", "waits for its payment"): 1}


def test_an_order_whose_message_was_discarded_is_told_apart() -> None:
    tables = FakeTables([unpaid("a"), unpaid("b")], [unpaid("a"), unpaid("b")])
    both = [("a", "orden-creada"), ("b", "orden-creada"), ("x", "crear-orden")]
    assert run(tables, letters=[("b", "orden-creada")], discarded=both)[1] == {
        ("discarded", "waits for its payment"): 1,
        ("discarded", NOT_RECORDED.why): 1,
        ("dead-lettered", "waits for its payment"): 1,
    }


def test_another_command_with_the_id_of_a_lost_order_hides_nothing() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, letters=[("a", "crear-orden")])[1] == {("lost", "waits for its payment"): 1}


def test_the_command_of_a_recorded_order_that_our_code_failed_on_can_be_sent_again() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, bugs=[("a", "crear-orden")])[1] == {("dead-lettered", "waits for its payment"): 1}


def test_commands_without_a_row_are_found_wherever_they_sort() -> None:
    tables = FakeTables([whole("b"), whole("d")], [whole("b"), whole("d")])
    ended, others = run(tables, commands=["e", "a", "c", "b", "d", "c"], letters=[("c", "crear-orden")])
    assert ended == {"aprobada": 2}
    assert others == {("lost", NOT_RECORDED.why): 2, ("dead-lettered", NOT_RECORDED.why): 1}


def test_a_refused_command_counts_as_dead_lettered_also_without_reading_the_topic() -> None:
    tables = FakeTables([whole("a")], [whole("a")])
    assert run(tables, letters=[("x", "crear-orden"), ("a", "crear-orden"), ("", "crear-orden")]) == (
        {"aprobada": 1},
        {("dead-lettered", NOT_RECORDED.why): 1},
    )


def test_many_doubtful_orders_are_each_judged_once() -> None:
    rows = [unpaid(f"{n:06d}") for n in range(5_000)]
    assert run(FakeTables(rows, rows))[1] == {("lost", "waits for its payment"): 5_000}
