"""Judges every order of a live system: reads all rows once, and doubtful orders again before it judges them.

The databases are read at slightly different moments, so a row that is on its way may seem missing. An order that
differs is read again until it no longer does, or a grace period is over. An order in flight is lost only if no message
waits that could take it further, and its rows stay as they are. Other orders may come and go meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from operations.reconcile.merge import OrdenRow, Rows, facts
from operations.reconcile.rules import NOT_RECORDED, READ_MODEL, WAITING, Input, Rule, Verdict, judge, takes_further
from operations.reconcile.scratch import CHUNK, Doubtful, OrderLetter, Scratch
from operations.reconcile.stalled import Stall, Subscription
from operations.reconcile.tables import Tables, WrongTotal
from operations.reconcile.waiting import Waits
from schemas.tienda.topics import CREAR_ORDEN

LOOK_AGAIN_S = 0.5
T = TypeVar("T")
Tick = Callable[[int], None]


@dataclass
class Account:
    """What became of all orders.

    Attributes
    ----------
    ended : Counter of str
        Orders that have ended, by status.
    cents : Counter of (str, str)
        The sums of their amounts in the currency's minor unit, by status and currency.
    others : dict of (str, str) to int
        The other orders, by verdict and reason.
    refused_messages : int
        Dead letters that wait and belong to no order, because they can't be decoded.
    commands : int or None
        Orders in the topic `crear-orden`; None if it wasn't read.
    not_judged : int
        Orders in flight that may be lost, because not all that waits was read.
    unread : set of str
        The topics in which not all that waits was read.
    stalled : dict of str to Stall
        The topics in which messages wait that are not delivered.
    wrong_totals : list of WrongTotal
        Reporting's running totals that differ from its rows.
    seconds : float
        How long it took.
    """

    ended: Counter[str] = field(default_factory=Counter)
    cents: Counter[tuple[str, str]] = field(default_factory=Counter)
    others: dict[tuple[str, str], int] = field(default_factory=dict)
    refused_messages: int = 0
    commands: int | None = None
    not_judged: int = 0
    unread: set[str] = field(default_factory=set)
    stalled: dict[str, Stall] = field(default_factory=dict)
    wrong_totals: list[WrongTotal] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, verdict: Verdict) -> int:
        """Count the orders of a verdict."""
        if verdict is Verdict.ENDED:
            return self.ended.total()
        return sum(count for (name, _), count in self.others.items() if name == verdict)

    @property
    def accepted(self) -> int:
        """The number of all orders."""
        return self.ended.total() + sum(self.others.values())

    @property
    def holds(self) -> bool:
        """Whether no order and no total differs, no order is known to be lost, and no input is stalled."""
        return not (self.count(Verdict.DIFFERS) or self.count(Verdict.LOST) or self.stalled or self.wrong_totals)

    def add_ended(self, orden: OrdenRow) -> None:
        """Count an order that has ended."""
        _id, status, _version, cents, currency, *_ = orden
        self.ended[status] += 1
        self.cents[status, currency] += cents


class Check:
    """One check.

    Parameters
    ----------
    tables
        The three databases.
    scratch
        Where doubtful orders are kept.
    stop
        The check is interrupted when this is set.
    tick
        Called with the number of orders read.
    expiring
        Whether an unpaid order that no message takes further counts as in flight if its timer will let it expire.
    """

    def __init__(
        self, tables: Tables, scratch: Scratch, stop: threading.Event, tick: Tick, *, expiring: bool = True
    ) -> None:
        self._tables = tables
        self._scratch = scratch
        self._stop = stop
        self._show = tick
        self._expiring = expiring
        self.account = Account()

    def read_commands(self, commands: Iterable[tuple[str, bool]]) -> None:
        """Record the orders in the topic of commands. Call this before `read_tables`, or newer ones would seem lost.

        Parameters
        ----------
        commands
            Each command's order, and whether the rules take the command.
        """
        for chunk in _chunks(commands):
            self._scratch.commands(chunk)
            self._tick(self._scratch.command_count())
        self.account.commands = self._scratch.command_count()

    def read_tables(self) -> None:
        """Read all rows, and compare Reporting's totals with them; an order that has not clearly ended is doubtful."""
        known: dict[tuple[object, ...], Rule] = {}
        account = self.account
        commands = (order_id for chunk in self._scratch.command_ids() for order_id in chunk)
        command = next(commands, None)
        doubtful: list[Doubtful] = []
        number = 0
        with self._tables.snapshot() as rows:
            for number, (order_id, orden, pago, reporting) in enumerate(rows, 1):
                seen = facts(orden, pago, reporting)
                rule = known.get(seen)
                if rule is None:
                    rule = known[seen] = judge(seen)
                if rule.verdict is Verdict.ENDED and orden is not None:
                    account.add_ended(orden)
                else:
                    doubtful.append(Doubtful(order_id, rule.verdict, rule.why))
                while command is not None and command <= order_id:
                    if command < order_id or orden is None:
                        doubtful.append(_not_recorded(command))
                    command = next(commands, None)
                if len(doubtful) >= CHUNK:
                    self._scratch.doubt(doubtful)
                    doubtful.clear()
                if number % CHUNK == 0:
                    self._tick(number)
            account.wrong_totals = self._tables.wrong_totals()
        self._tick(number)
        while command is not None:
            doubtful.append(_not_recorded(command))
            command = next(commands, None)
        self._scratch.doubt(doubtful)

    def read_some(self, ids: Iterable[str]) -> None:
        """Read the rows of some orders, instead of `read_tables`; orders without rows may have been accepted."""
        for chunk in _chunks(ids):
            self._read([_not_recorded(order_id) for order_id in chunk])

    def take_letters(self, letters: Iterable[OrderLetter]) -> None:
        """Record the dead letters that were not sent again."""
        for chunk in _chunks(letters):
            self._note_letters(chunk)
            self.account.refused_messages += sum(1 for letter in chunk if not (letter.order_id or letter.discarded))
        for ids in self._scratch.letter_ids(CREAR_ORDEN):
            recorded = {rows.id for rows in self._tables.some(ids)}
            self._scratch.doubt(_not_recorded(order_id) for order_id in ids if order_id not in recorded)

    def _note_letters(self, letters: Iterable[OrderLetter]) -> None:
        """Record letters, but none of a command that its client corrected and sent again: that one was accepted."""
        known = [letter for letter in letters if letter.order_id]
        taken = self._scratch.taken([letter.order_id for letter in known if letter.refused])
        self._scratch.letters(letter for letter in known if not (letter.refused and letter.order_id in taken))

    def look_again(self, grace_s: float) -> None:
        """Read the doubtful orders again, until none differs any more or the grace period is over."""
        deadline = time.monotonic() + grace_s
        verdicts: tuple[Verdict, ...] = (Verdict.IN_FLIGHT, Verdict.DIFFERS)
        while True:
            for chunk in self._scratch.doubtful(*verdicts):
                self._read(chunk)
            verdicts = (Verdict.DIFFERS,)
            if not self._differ() or time.monotonic() >= deadline or self._stop.wait(LOOK_AGAIN_S):
                return

    def _differ(self) -> bool:
        return any(verdict == Verdict.DIFFERS for verdict, _ in self._scratch.counts())

    def find_dead_lettered(self) -> None:
        """Mark the orders whose message is a dead letter, which waits for an operator or was discarded by one."""
        for chunk in self._scratch.doubtful(Verdict.IN_FLIGHT):
            self._take_by_letters(chunk)

    def _take_by_letters(self, chunk: list[Doubtful]) -> None:
        lettered = self._scratch.lettered([order.id for order in chunk])
        told = ((order, _by_letters(order.why, lettered.get(order.id, []))) for order in chunk)
        found = [order._replace(verdict=verdict) for order, verdict in told if verdict]
        self._scratch.doubt(found)
        self._scratch.clear(order.id for order in found)

    def find_lost(
        self, waiting: Callable[[set[Input]], Iterable[Waits]], letters: Callable[[], Iterable[OrderLetter]]
    ) -> None:
        """Mark the orders that nothing will take further.

        What waits is read twice, and the dead letters in between. So no order is missed whose message becomes a dead
        letter meanwhile, even if somebody sends that letter again at once.

        Parameters
        ----------
        waiting
            Returns the orders that messages wait for in some inputs.
        letters
            Returns the dead letters of now, as for `take_letters`.
        """
        self._suspect()
        self._clear_by_waiting(waiting)
        if self._scratch.suspected_reasons():
            self._clear_by_letters(letters())
        self._clear_by_waiting(waiting)
        self._call_lost()

    def find_stalled(self, waiting: Iterable[Waits], subscription: Callable[[str], Subscription]) -> None:
        """Mark the orders whose message waits in an input that delivers nothing.

        Parameters
        ----------
        waiting
            See `operations.reconcile.stalled.stalled`.
        subscription
            Returns what the broker says about a topic's subscription.
        """
        # The waiting messages found before may only be delayed.
        self._scratch.forget_waits()
        for messages in _chunks(waiting):
            self._raise_if_stopped()
            for topic, _, place in messages:
                if topic not in self.account.stalled:
                    self.account.stalled[topic] = Stall(place, subscription(topic))
            self._scratch.waits((topic, order_id) for topic, order_id, _ in messages if order_id is not None)
        if self.account.stalled:
            for chunk in self._scratch.doubtful(Verdict.IN_FLIGHT):
                topics = self._scratch.waiting_of([order.id for order in chunk])
                for order in chunk:
                    if silent := topics.get(order.id, set()) & self.account.stalled.keys():
                        why = f"its message waits in {min(silent)}, and nothing comes of it"
                        self._scratch.doubt([order._replace(verdict=Verdict.STALLED, why=why)])

    def _suspect(self) -> None:
        """Suspect every order that is in flight and that no timer looks at."""
        for chunk in self._scratch.doubtful(Verdict.IN_FLIGHT):
            still = [order for order in self._read(chunk) if order.verdict == Verdict.IN_FLIGHT]
            # Before the inputs are read: a timer that is gone by then has published all its events.
            timed = self._tables.timed([order.id for order in still if self._timer_counts(order.why)])
            self._scratch.suspect(order.id for order in still if order.id not in timed)

    def _timer_counts(self, why: str) -> bool:
        return WAITING[why].timer and (self._expiring or why == READ_MODEL.why)

    def _clear_by_waiting(self, waiting: Callable[[set[Input]], Iterable[Waits]]) -> None:
        """Clear the suspects that a message waits for, and those whose rows change."""
        carriers = {source for why in self._scratch.suspected_reasons() for source in WAITING[why].carriers}
        if not carriers:
            return
        for messages in _chunks(waiting(carriers)):
            self._raise_if_stopped()
            self._scratch.waits((topic, order_id) for topic, order_id, _ in messages if order_id is not None)
            self.account.unread.update(topic for topic, order_id, _ in messages if order_id is None)
        for chunk in self._scratch.suspects():
            # After the inputs are read: a message that was acknowledged before has changed the rows.
            now = {order.id: order for order in self._read(chunk)}
            topics = self._scratch.waiting_of([order.id for order in chunk])
            self._scratch.clear(o.id for o in chunk if now.get(o.id) != o or topics.get(o.id, set()) & _carriers(o))

    def _clear_by_letters(self, letters: Iterable[OrderLetter]) -> None:
        for chunk in _chunks(letters):
            self._note_letters(chunk)
        for suspects in self._scratch.suspects():
            self._take_by_letters(suspects)

    def _call_lost(self) -> None:
        """Call the remaining suspects lost, except those whose message may wait in a topic that was not read whole."""
        for chunk in self._scratch.suspects():
            lost = [order for order in chunk if not _carriers(order) & self.account.unread]
            self.account.not_judged += len(chunk) - len(lost)
            self._scratch.doubt(order._replace(verdict=Verdict.LOST) for order in lost)

    def _tick(self, number: int) -> None:
        self._raise_if_stopped()
        self._show(number)

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt

    def close(self, seconds: float) -> Account:
        """Complete the account and return it."""
        self.account.others = self._scratch.counts()
        self.account.seconds = seconds
        return self.account

    def _read(self, chunk: list[Doubtful]) -> list[Doubtful]:
        """Judge some doubtful orders by their rows of now, and return those that are still doubtful."""
        found = {rows.id: rows for rows in self._tables.some([order.id for order in chunk])}
        still: list[Doubtful] = []
        settled: list[str] = []
        for order in chunk:
            rows = found.get(order.id)
            if rows is None and order.why == NOT_RECORDED.why:
                still.append(order)
            elif rows is None:
                settled.append(order.id)
            else:
                self._judge(rows, still, settled)
        self._scratch.settle(settled)
        self._scratch.doubt(still)
        return still

    def _judge(self, rows: Rows, still: list[Doubtful], settled: list[str]) -> None:
        rule = judge(facts(rows.orden, rows.pago, rows.reporting))
        if rule.verdict is Verdict.ENDED and rows.orden is not None:
            self.account.add_ended(rows.orden)
            settled.append(rows.id)
        else:
            still.append(Doubtful(rows.id, rule.verdict, rule.why, _state(rows)))


def _state(rows: Rows) -> str:
    """Return a text that changes with each change of an order: versions only rise, and a payment is decided once."""
    orden, pago, reporting = rows[1:]
    return f"{orden and orden[2]} {pago and pago[1]} {reporting and reporting[2]}"


def _carriers(order: Doubtful) -> set[str]:
    return {source.topic for source in WAITING[order.why].carriers}


def _not_recorded(order_id: str) -> Doubtful:
    return Doubtful(order_id, NOT_RECORDED.verdict, NOT_RECORDED.why)


def _by_letters(why: str, letters: Iterable[OrderLetter]) -> Verdict | None:
    discarded = [letter.discarded for letter in letters if takes_further(why, letter.topic, bug=letter.bug)]
    if not discarded:
        return None
    return Verdict.DISCARDED if all(discarded) else Verdict.DEAD_LETTERED


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
