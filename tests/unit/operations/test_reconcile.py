"""The verdict on an order's rows in every state, how rows are merged, and how orders are judged again."""

import io
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from operations.errors import NoDatabaseError
from operations.reconcile import rendering
from operations.reconcile.check import Account, Check
from operations.reconcile.merge import OrdenRow, PagoRow, ReportingRow, Rows, facts, merged
from operations.reconcile.rules import (
    ABSENT,
    CHARGED,
    DOWNSTREAM,
    INTENTO,
    NOT_RECORDED,
    ORDENES,
    PAGOS,
    REPORTING,
    SAME,
    SEEN,
    WAITING,
    Facts,
    Input,
    Verdict,
    judge,
)
from operations.reconcile.scratch import Doubtful, OrderLetter, Scratch
from operations.reconcile.stalled import Holder, Stall, Subscription
from operations.reconcile.tables import Tables, WrongTotal
from operations.reconcile.waiting import Waits
from schemas.tienda.orden import APROBADA, CREADA, EXPIRADA, RECHAZADA, REEMBOLSADA
from schemas.tienda.topics import SERVICES

EVERY_STATE = [Facts(*state) for state in itertools.product(ORDENES, PAGOS, REPORTING, (True, False), (True, False))]
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
"""How it can be on its way, whether or not Reporting has seen its latest change."""


def test_the_tables_of_rules_cover_every_state() -> None:
    assert set(CHARGED) == set(itertools.product(ORDENES, PAGOS))
    assert set(SEEN) == set(itertools.product((True, False), REPORTING))


@pytest.mark.parametrize("state", EVERY_STATE, ids=lambda state: "-".join(map(str, state)))
def test_every_state_has_the_verdict_that_the_state_machine_gives_it(state: Facts) -> None:
    charged = (state.orden, state.pago)
    if not state.amounts_agree or not state.transactions_agree or charged not in ENDED | UNDER_WAY:
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


def orden(
    order_id: str, status: str = "aprobada", version: int = 2, cents: int = 100, *, client: int = 7, by: str = "t"
) -> OrdenRow:
    return (order_id, status, version, cents, "USD", client, by)


def seen(
    order_id: str, status: str = "aprobada", version: int = 2, cents: int = 100, *, client: int = 7
) -> ReportingRow:
    return (order_id, status, version, cents, "USD", client)


def pago(order_id: str, status: str = "aprobada", cents: int = 100, *, currency: str = "USD", by: str = "t") -> PagoRow:
    return (order_id, status, cents, currency, by)


@pytest.mark.parametrize(
    ("ours", "shown", "expected"),
    [
        (orden("a"), seen("a"), "same"),
        (orden("a"), None, "absent"),
        (orden("a", "reembolsada", 3), seen("a", "expirada", 2), "behind"),
        (orden("a"), seen("a", version=3), "other"),
        (orden("a"), seen("a", "rechazada"), "other"),
        (orden("a"), seen("a", cents=101), "other"),
        (orden("a"), seen("a", client=8), "other"),
        (orden("a", "reembolsada", 3), seen("a", "expirada", 2, cents=1), "other"),
        (orden("a", "reembolsada", 3), seen("a", "expirada", 2, client=8), "other"),
        (None, seen("a"), "other"),
    ],
)
def test_what_reporting_shows_is_compared_with_ordenes(
    ours: OrdenRow | None, shown: ReportingRow | None, expected: str
) -> None:
    assert facts(ours, None, shown).reporting == expected


def test_amounts_are_compared_where_both_have_one() -> None:
    assert facts(orden("a"), pago("a"), None).amounts_agree
    assert not facts(orden("a"), pago("a", cents=99), None).amounts_agree
    assert not facts(orden("a"), pago("a", currency="EUR"), None).amounts_agree
    assert facts(orden("a"), None, None).amounts_agree
    assert facts(None, pago("a"), None).amounts_agree


def test_transactions_are_compared_where_both_name_one() -> None:
    assert facts(orden("a"), pago("a"), None).transactions_agree
    assert not facts(orden("a"), pago("a", by="other"), None).transactions_agree
    assert facts(orden("a", by=""), pago("a"), None).transactions_agree, "a transaction that came without an id"
    assert facts(orden("a", "expirada"), pago("a", "intento", by=""), None).transactions_agree
    assert facts(orden("a"), None, None).transactions_agree
    assert facts(None, pago("a"), None).transactions_agree


def test_what_contradicts_itself_is_said_before_what_waits() -> None:
    other = judge(facts(orden("a", "reembolsada", 3), pago("a", "reembolsada", by="other"), None))
    assert (other.verdict, other.why) == (Verdict.DIFFERS, "Ordenes and Pagos name different transactions")
    refund = judge(facts(orden("a", "expirada", by=""), pago("a", "sin cobro"), seen("a", "expirada")))
    assert (refund.verdict, refund.why) == (Verdict.DIFFERS, "paid back, though it was never charged")
    ajeno = judge(facts(orden("a", "reembolsada", 3), pago("a", "ajeno"), seen("a", "reembolsada", 3)))
    assert (ajeno.verdict, ajeno.why) == (Verdict.DIFFERS, "paid back otherwise than it was charged")


IDS = st.sets(st.text("ABab09._-", min_size=1, max_size=3), max_size=12)


@given(IDS, IDS, IDS)
def test_rows_of_an_order_come_together(ours: set[str], paid: set[str], shown: set[str]) -> None:
    rows = list(merged(map(orden, sorted(ours)), map(pago, sorted(paid)), map(seen, sorted(shown))))
    assert [row.id for row in rows] == sorted(ours | paid | shown)
    for row in rows:
        found = [row.orden is not None, row.pago is not None, row.reporting is not None]
        assert found == [row.id in ours, row.id in paid, row.id in shown]


class FakeTables:
    """The rows of three databases; the first look sees `before`."""

    def __init__(self, before: list[Rows], now: list[Rows], timed: set[str] | None = None) -> None:
        self.before, self.now, self.timers_of = before, now, timed or set()
        self.totals: list[WrongTotal] = []

    @contextmanager
    def snapshot(self) -> Iterator[Iterator[Rows]]:
        yield iter(self.before)

    def wrong_totals(self) -> list[WrongTotal]:
        return self.totals

    def some(self, ids: Sequence[str]) -> Iterator[Rows]:
        return iter([rows for rows in self.now if rows.id in ids])

    def timed(self, ids: Sequence[str]) -> set[str]:
        return self.timers_of & set(ids)


class FakeConnection:
    """A database that takes every statement, and may be a standby."""

    def __init__(self, *, standby: bool) -> None:
        self._standby = standby

    def execute(self, _query: bytes) -> "FakeConnection":
        return self

    def fetchone(self) -> tuple[bool]:
        return (self._standby,)


def test_a_standby_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def database(service: str, _dsn: str, **_more: object) -> AbstractContextManager[FakeConnection]:
        return nullcontext(FakeConnection(standby=service == standby))

    monkeypatch.setattr("operations.reconcile.tables.database", database)
    dsns = dict.fromkeys(SERVICES, "a DSN")
    standby = "pagos"
    with (
        pytest.raises(NoDatabaseError, match=r"ALPES_PAGOS_DSN names a standby.*Name the primary"),
        Tables.opened(dsns, statement_timeout_s=1),
    ):
        pass
    standby = ""
    with Tables.opened(dsns, statement_timeout_s=1) as tables:
        assert tables is not None


def run(
    tables: FakeTables,
    *,
    commands: Sequence[str] = (),
    mistaken: Sequence[str] = (),
    letters: Sequence[tuple[str, str]] = (),
    refused: Sequence[tuple[str, str]] = (),
    discarded: Sequence[tuple[str, str]] = (),
    bugs: Sequence[tuple[str, str]] = (),
    later_letters: Sequence[tuple[str, str]] = (),
    waits: Sequence[Sequence[tuple[str, str | None]]] = (),
    stalled: Sequence[Waits] = (),
    meanwhile: Callable[[], object] = lambda: None,
    only: Sequence[str] = (),
    expiring: bool = True,
) -> Account:
    """Check these tables.

    `waits` is what the first look at the inputs finds, the second and so on; the last one counts for further ones.
    `commands` are those that the rules take, `mistaken` the others; `refused` are the letters of such.
    `meanwhile` is called at each: what changes in the meantime. `later_letters` are there when letters are read again.
    `only` names the orders that are looked at, all without.
    """
    looks = iter(waits)
    found: list[Waits] = []

    def look(sources: set[Input]) -> Iterator[Waits]:
        nonlocal found
        meanwhile()
        found = [Waits(*one) for one in next(looks, found)]
        topics = {source.topic for source in sources}
        return iter([one for one in found if one.topic in topics])

    def letters_of_now() -> Iterator[OrderLetter]:
        return iter([OrderLetter(*letter, discarded=False) for letter in (*letters, *later_letters)])

    with Scratch() as scratch:
        check = Check(tables, scratch, threading.Event(), lambda _number: None, expiring=expiring)  # type: ignore[arg-type]
        if only:
            check.read_some(only)
        else:
            check.read_commands([*((name, True) for name in commands), *((name, False) for name in mistaken)])
            check.read_tables()
        check.take_letters(OrderLetter(*letter, discarded=False) for letter in letters)
        check.take_letters(OrderLetter(*letter, discarded=False, refused=True) for letter in refused)
        check.take_letters(OrderLetter(*letter, discarded=True) for letter in discarded)
        check.take_letters(OrderLetter(*letter, discarded=False, bug=True) for letter in bugs)
        check.look_again(0)
        check.find_dead_lettered()
        check.find_lost(look, letters_of_now)
        check.find_stalled(iter(stalled), lambda _topic: Subscription(waiting=1))
        return check.close(1.0)


def whole(order_id: str) -> Rows:
    return Rows(order_id, orden(order_id), pago(order_id), seen(order_id))


def unpaid(order_id: str) -> Rows:
    return Rows(order_id, orden(order_id, "creada", 1, by=""), None, None)


def expired(order_id: str) -> Rows:
    return Rows(order_id, orden(order_id, "expirada"), None, None)


def test_what_only_seemed_to_differ_has_ended() -> None:
    seemed = Rows("a", orden("a"), None, None)
    account = run(FakeTables([seemed, whole("b")], [whole("a"), whole("b")]))
    assert (account.ended, account.others) == ({"aprobada": 2}, {})


def test_what_still_differs_differs() -> None:
    wrong = Rows("a", orden("a"), pago("a", "rechazada"), None)
    account = run(FakeTables([wrong], [wrong]))
    assert (account.ended, account.others) == ({}, {("differs", "approved in Ordenes, refused in Pagos"): 1})


PAYMENT_IN_FLIGHT = {("in flight", "waits for its payment"): 1}
PAYMENT_LOST = {("lost", "waits for its payment"): 1}
UNSEEN_IN_FLIGHT = {("in flight", "waits to be seen by Reporting"): 1}
UNSEEN_LOST = {("lost", "waits to be seen by Reporting"): 1}


@pytest.mark.parametrize("topic", ["crear-orden", "orden-creada", "pagos-reintento"])
def test_an_order_is_in_flight_while_its_message_waits(topic: str) -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    account = run(tables, waits=[[(topic, "a")]])
    assert account.others == PAYMENT_IN_FLIGHT
    assert account.not_judged == 0


def test_a_message_that_waits_at_one_look_alone_loses_nothing() -> None:
    """Its first one may have become a dead letter, which somebody sends again at once."""
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, waits=[[("orden-creada", "a")], []]).others == PAYMENT_IN_FLIGHT
    assert run(tables, waits=[[], [("orden-creada", "a")]]).others == PAYMENT_IN_FLIGHT


def test_other_orders_on_their_way_hide_no_lost_one() -> None:
    tables = FakeTables([unpaid("a"), unpaid("b")], [unpaid("a"), unpaid("b")])
    waits = [(source.topic, order_id) for source in DOWNSTREAM for order_id in ("b", "c", "d")]
    assert run(tables, waits=[waits]).others == PAYMENT_LOST | PAYMENT_IN_FLIGHT


def test_an_order_whose_rows_change_meanwhile_is_not_lost() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    settling = Rows("a", orden("a", "creada", 1), pago("a"), None)
    account = run(tables, meanwhile=lambda: tables.now.__setitem__(0, settling))
    assert account.others == {("in flight", "waits to hear of its payment"): 1}


def test_a_change_after_which_it_waits_for_the_same_again_is_a_change() -> None:
    before = Rows("a", orden("a", "expirada", 2), None, None)
    after = Rows("a", orden("a", "reembolsada", 3), pago("a", "reembolsada"), seen("a", "expirada", 2))
    tables = FakeTables([before], [before])
    assert run(tables, meanwhile=lambda: tables.now.__setitem__(0, after)).others == UNSEEN_IN_FLIGHT


def test_an_order_that_ends_while_the_inputs_are_looked_at_has_ended() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    account = run(tables, meanwhile=lambda: tables.now.__setitem__(0, whole("a")))
    assert (account.ended, account.others) == ({"aprobada": 1}, {})


def test_where_too_much_waits_to_be_read_nobody_is_accused_and_that_is_said() -> None:
    rows = [unpaid("a"), unpaid("b"), Rows("c", orden("c"), pago("c"), None)]
    waits: list[tuple[str, str | None]] = [("crear-orden", "a"), ("crear-orden", None)]
    account = run(FakeTables(rows, rows), waits=[waits])
    assert account.others == {("in flight", "waits for its payment"): 2} | UNSEEN_LOST
    assert account.not_judged == 1, "of one it is known that its message waits, and the other doesn't wait there"
    assert account.unread == {"crear-orden"}


def test_what_could_not_be_read_at_one_look_is_not_known() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    account = run(tables, waits=[[("crear-orden", None)], []])
    assert (account.others, account.not_judged) == (PAYMENT_IN_FLIGHT, 1)


def test_inputs_that_nobody_is_suspected_to_need_are_not_looked_at() -> None:
    looks: list[None] = []
    account = run(FakeTables([whole("a")], [whole("a")]), meanwhile=lambda: looks.append(None))
    assert looks == []
    assert account.ended == {"aprobada": 1}
    run(FakeTables([unpaid("a")], [unpaid("a")]), meanwhile=lambda: looks.append(None))
    assert len(looks) == 2


def test_an_order_is_in_flight_while_a_timer_will_look_at_it() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")], timed={"a"})
    assert run(tables).others == PAYMENT_IN_FLIGHT


def test_who_would_pay_an_order_needn_t_count_the_timer_that_lets_it_expire() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")], timed={"a"})
    assert run(tables, expiring=False).others == PAYMENT_LOST
    assert run(tables, expiring=False, waits=[[("orden-creada", "a")]]).others == PAYMENT_IN_FLIGHT
    assert run(FakeTables([expired("a")], [expired("a")], timed={"a"}), expiring=False).others == UNSEEN_IN_FLIGHT


def test_some_orders_alone_are_judged_like_all() -> None:
    every = [unpaid("a"), unpaid("b"), whole("c")]
    account = run(FakeTables(every, every), only=["a", "c", "unknown"])
    assert account.others == PAYMENT_LOST | {("lost", NOT_RECORDED.why): 1}
    assert account.ended == {"aprobada": 1}


def test_an_expired_order_is_in_flight_while_its_timer_may_tell_of_it() -> None:
    assert run(FakeTables([expired("a")], [expired("a")], timed={"a"})).others == UNSEEN_IN_FLIGHT
    assert run(FakeTables([expired("a")], [expired("a")])).others == UNSEEN_LOST


def test_a_timer_that_is_done_while_the_inputs_are_looked_at_loses_nothing() -> None:
    tables = FakeTables([expired("a")], [expired("a")], timed={"a"})
    assert run(tables, meanwhile=tables.timers_of.clear).others == UNSEEN_IN_FLIGHT


def test_an_order_that_nothing_takes_further_is_lost() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, waits=[[("orden-actualizada", "a")]]).others == PAYMENT_LOST


def test_an_order_whose_message_is_a_dead_letter_is_not_lost() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, letters=[("a", "orden-creada")]).others == {("dead-lettered", "waits for its payment"): 1}


def test_a_message_that_becomes_a_dead_letter_while_one_looks_loses_nothing() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    account = run(tables, later_letters=[("a", "orden-creada"), ("", "crear-orden")])
    assert account.others == {("dead-lettered", "waits for its payment"): 1}
    assert account.refused_messages == 0, "it is counted once, when letters are first read"


def test_a_dead_letter_that_has_nothing_to_do_with_what_it_waits_for_changes_nothing() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, letters=[("a", "orden-actualizada")]).others == PAYMENT_LOST


def test_an_order_whose_message_was_discarded_is_told_apart() -> None:
    tables = FakeTables([unpaid("a"), unpaid("b")], [unpaid("a"), unpaid("b")])
    both = [("a", "orden-creada"), ("b", "orden-creada"), ("x", "crear-orden")]
    assert run(tables, letters=[("b", "orden-creada")], discarded=both).others == {
        ("discarded", "waits for its payment"): 1,
        ("discarded", NOT_RECORDED.why): 1,
        ("dead-lettered", "waits for its payment"): 1,
    }


def test_another_command_with_the_id_of_a_lost_order_hides_nothing() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, letters=[("a", "crear-orden")]).others == PAYMENT_LOST


def test_the_command_of_a_recorded_order_that_our_code_failed_on_can_be_sent_again() -> None:
    tables = FakeTables([unpaid("a")], [unpaid("a")])
    assert run(tables, bugs=[("a", "crear-orden")]).others == {("dead-lettered", "waits for its payment"): 1}


def test_commands_without_a_row_are_found_wherever_they_sort() -> None:
    tables = FakeTables([whole("b"), whole("d")], [whole("b"), whole("d")])
    account = run(tables, commands=["e", "a", "c", "b", "d", "c"], letters=[("c", "crear-orden")])
    assert account.ended == {"aprobada": 2}
    assert account.others == {("lost", NOT_RECORDED.why): 2, ("dead-lettered", NOT_RECORDED.why): 1}


def test_a_refused_command_accounts_for_no_order_whose_corrected_command_is_there() -> None:
    letters = [("a", "crear-orden"), ("b", "crear-orden")]
    account = run(FakeTables([], []), commands=["a"], mistaken=["a", "b"], refused=letters)
    assert account.others == {("lost", NOT_RECORDED.why): 1, ("dead-lettered", NOT_RECORDED.why): 1}


def test_a_command_that_still_waits_is_not_lost() -> None:
    tables = FakeTables([], [])
    assert run(tables, commands=["a", "b"], waits=[[("crear-orden", "b")]]).others == {
        ("lost", NOT_RECORDED.why): 1,
        ("in flight", NOT_RECORDED.why): 1,
    }


def test_a_refused_command_counts_as_dead_lettered_also_without_reading_the_topic() -> None:
    tables = FakeTables([whole("a")], [whole("a")])
    account = run(tables, letters=[("x", "crear-orden"), ("a", "crear-orden"), ("", "crear-orden")])
    assert (account.ended, account.others) == ({"aprobada": 1}, {("dead-lettered", NOT_RECORDED.why): 1})
    assert account.refused_messages == 1


def test_many_doubtful_orders_are_each_judged_once() -> None:
    rows = [unpaid(f"{n:06d}") for n in range(5_000)]
    waits = [("orden-creada", rows.id) for rows in rows[::2]]
    assert run(FakeTables(rows, rows), waits=[waits]).others == {
        ("lost", "waits for its payment"): 2_500,
        ("in flight", "waits for its payment"): 2_500,
    }


def shown(account: Account) -> str:
    console = Console(width=400, record=True, file=io.StringIO())
    rendering.show(console, account, [])
    return console.export_text()


def test_a_total_that_differs_from_the_rows_is_named_with_both_and_what_corrects_it() -> None:
    tables = FakeTables([whole("a")], [whole("a")])
    assert run(tables).holds
    tables.totals = [WrongTotal("aprobada", "KWD", 3, 2, 1255, 1000)]
    account = run(tables)
    assert not account.holds
    text = shown(account)
    assert "Reporting's totals say 3 aprobada orders of 1.255 KWD, its rows are 2 orders of 1.000 KWD." in text
    assert "alpes rebuild reporting" in text
    assert rendering.as_json(account, [])["wrong_totals"] == [tables.totals[0]._asdict()]


def test_the_sums_of_what_has_ended_are_per_currency() -> None:
    rows = [
        whole("a"),
        Rows("b", (*orden("b")[:4], "JPY", 7, "t"), pago("b", currency="JPY"), (*seen("b")[:4], "JPY", 7)),
    ]
    assert rendering.as_json(run(FakeTables(rows, rows)), [])["ended"] == {
        "aprobada": {
            "orders": 2,
            "amounts": {"JPY": {"total_cents": 100, "total": "100"}, "USD": {"total_cents": 100, "total": "1.00"}},
        }
    }


def test_an_order_stalls_where_its_own_message_does_and_not_where_it_only_waits() -> None:
    rows = [unpaid("a"), unpaid("b")]
    waits = [("orden-creada", "a"), ("orden-creada", "b")]
    account = run(FakeTables(rows, rows), waits=[waits], stalled=[Waits("orden-creada", "b", "1:7:0")])
    why = "its message waits in orden-creada, and nothing comes of it"
    assert account.others == PAYMENT_IN_FLIGHT | {("stalled", why): 1}
    assert account.stalled == {"orden-creada": Stall("1:7:0", Subscription(waiting=1))}
    assert not account.holds


def test_an_input_stalls_also_where_nobody_knows_with_what() -> None:
    account = run(FakeTables([whole("a")], [whole("a")]), stalled=[Waits("crear-orden", None)])
    assert account.stalled == {"crear-orden": Stall("", Subscription(waiting=1))}
    assert not account.holds


@pytest.mark.parametrize(
    ("stall", "says", "json"),
    [
        (
            Stall("1:7:0", Subscription(3, 2, blocked=False, holders=(Holder("5b1f0", "10.0.0.7:41522", 1),))),
            (
                "Messages wait in crear-orden from 1:7:0 on, and none has come for 30 s, though an instance"
                " takes more. The broker says: 3 not acknowledged, 2 of them delayed by their senders; the consumer"
                " 5b1f0 at 10.0.0.7:41522 holds 1. To make a dead letter of what holds the input up: alpes dlq"
                " set-aside crear-orden 1:7:0\n"
            ),
            {
                "message": "1:7:0",
                "waiting": 3,
                "delayed": 2,
                "blocked": False,
                "consumers": [{"name": "5b1f0", "address": "10.0.0.7:41522", "messages": 1}],
            },
        ),
        (
            Stall("", Subscription(1)),
            (
                "Messages wait in crear-orden, which the broker withholds, and none has come for 30 s, though an"
                " instance takes more. The broker says: 1 not acknowledged, 0 of them delayed by their senders; no"
                " consumer holds any. To have it begin anew: pulsar-admin topics unload"
                " persistent://alpes/tienda/crear-orden\n"
            ),
            {"message": None, "waiting": 1, "delayed": 0, "blocked": False, "consumers": []},
        ),
        (
            Stall("1:7:0", Subscription(9, 0, blocked=True)),
            "it delivers nothing more, because too many are not acknowledged.",
            {"message": "1:7:0", "waiting": 9, "delayed": 0, "blocked": True, "consumers": []},
        ),
    ],
    ids=["held", "given to nobody", "blocked"],
)
def test_an_input_that_stalls_is_shown_with_what_is_known_of_why(stall: Stall, says: str, json: object) -> None:
    account = Account(stalled={"crear-orden": stall})
    assert says in shown(account)
    assert rendering.as_json(account, [])["stalled_inputs"] == {"crear-orden": json}
    assert "NOT AS IT SHOULD BE." in shown(account)


def test_the_result_says_of_how_many_orders_it_could_not_be_told() -> None:
    account = Account(not_judged=3, unread={"orden-creada", "crear-orden"})
    text = shown(account)
    assert "Of 3 orders in flight it is unknown whether they are lost" in text
    assert "crear-orden, orden-creada" in text
    assert "Nothing is lost" not in text
    assert rendering.as_json(account, [])["not_judged"] == {"orders": 3, "topics": ["crear-orden", "orden-creada"]}


def test_an_order_is_shown_with_what_is_compared() -> None:
    rows = Rows("a", orden("a", by="t-1"), pago("a", by="t-2"), seen("a", client=8))
    (example,) = rendering.as_json(Account(), [(Doubtful("a", Verdict.DIFFERS, "why"), rows)])["examples"]
    assert example == {
        "id": "a",
        "verdict": "differs",
        "why": "why",
        "ordenes": "aprobada v2 1.00 USD of client 7 by t-1",
        "pagos": "aprobada 1.00 USD by t-2",
        "reporting": "aprobada v2 1.00 USD of client 8",
    }


def test_nothing_is_said_of_topics_that_no_order_needed() -> None:
    account = Account(unread={"crear-orden"}, commands=0)
    assert "told" not in shown(account)
    assert "Nothing is lost and nothing differs." in shown(account)
    assert rendering.as_json(account, [])["not_judged"] == {"orders": 0, "topics": []}


def test_the_result_says_so_where_the_topics_were_not_read() -> None:
    unread, read = Account(), Account(commands=7)
    assert "The topics were not read: an order that was accepted and is in no table would not be seen" in shown(unread)
    assert "--topics reads them" in shown(unread)
    assert "Of the orders in the tables nothing is lost and nothing differs." in shown(unread)
    assert rendering.as_json(unread, [])["topics_read"] is False
    assert "The topics" not in shown(read)
    assert "Nothing is lost and nothing differs." in shown(read)
    assert rendering.as_json(read, [])["topics_read"] is True


def test_also_what_is_not_as_it_should_be_says_that_the_topics_were_not_read() -> None:
    text = shown(Account(others={(Verdict.LOST, "waits for its payment"): 1}))
    assert "NOT AS IT SHOULD BE." in text
    assert "The topics were not read" in text
