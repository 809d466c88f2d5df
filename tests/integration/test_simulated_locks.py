"""Two transactions at once wait for, see and undo the same on the simulated PostgreSQL and on the real one.

Each test tells a few transactions what to do, step by step. After each step, the same transactions must wait for the
same others on both servers, with the same answers and the same committed rows.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, suppress
from functools import partial
from random import Random
from typing import Any

import pytest

from alpes_runtime import Ask, Done, Rejected, Retry, Transaction
from alpes_runtime.database import Database, columns
from alpes_runtime.errors import BadData, Unavailable
from alpes_runtime.postgres import Postgres
from functions.ordenes import store
from functions.ordenes.domain import Orden, Transaccion, Vencimiento, Ventana
from functions.ordenes.handlers import Plazo
from functions.pagos import store as charges
from functions.pagos.domain import Cobro
from functions.reporting import store as reporting
from schemas.tienda.cambios import Cambio
from tests.integration.ordenes import (
    AT_ONCE,
    HANDLERS,
    HOUR_MS,
    MARKS,
    PEERS,
    events,
    handlers,
    orden,
    pago,
    timers,
    told,
)
from tests.integration.pagos import SLOW, cobro, pagos, por_reembolsar
from tests.integration.reporting import cambio
from tests.integration.server import UNINDEXABLE
from tests.integration.server import Server as RealServer
from tests.integration.simulated import KEYS, NOW, Act, Both, comparable
from tests.simulation.scheduler import Scheduler

NEVER = Plazo(after_ms=0, width_ms=1000)
PATIENT = Plazo(after_ms=HOUR_MS, width_ms=10**12)
"""A window so wide that all orders of these decades fall into it."""
COMMITTED = "committed"
ENDS = ("commits", "rolls_back", "dies", "undoes")
"""How a transaction releases what it wrote in a savepoint; after the last way it stays open."""
ORDENES = pytest.mark.parametrize("play", ["ordenes"], indirect=True)
PAGOS = pytest.mark.parametrize("play", ["pagos"], indirect=True)
REPORTING = pytest.mark.parametrize("play", ["reporting"], indirect=True)


class GivenUp(Exception):
    """Makes a transaction roll back."""


def commit(_transaction: Transaction) -> None:
    """Never called: a transaction that takes this act ends."""


def give_up(_transaction: Transaction) -> None:
    raise GivenUp


class Steps:
    """A transaction on one of the two servers. It does one act after another until it is told to commit."""

    def __init__(self, database: Database, put: Callable[[Act], None], take: Callable[[], Act]) -> None:
        self.database = database
        self.answers: list[Any] = []
        self.ended = False
        self._asked = 0
        self._put = put
        self._take = take

    @property
    def busy(self) -> bool:
        return len(self.answers) < self._asked

    def ask(self, act: Act) -> None:
        self._asked += 1
        self._put(act)

    def run(self) -> None:
        answer: Any = COMMITTED
        try:
            with self.database.transaction() as transaction:
                while (act := self._take()) is not commit:
                    self.answers.append(act(transaction))
        except Exception as error:  # noqa: BLE001 -- it is what the transaction answers
            answer = error
        self.ended = True
        self.answers.append(answer)


class Play(Both):
    """Transactions that take turns on both servers: threads on the real one, actors on the simulated one.

    Connections to the real one are kept for the next play.
    """

    def __init__(self, service: str, dsn: str) -> None:
        super().__init__(service, dsn)
        self.dsn = dsn
        self.connections: list[Postgres] = []
        self.parts: list[Part] = []
        self.waiting: Mapping[str, AbstractSet[str]] = {}

    def start(self) -> None:
        self._rows.execute(f"TRUNCATE {', '.join(KEYS[self.service])} RESTART IDENTITY".encode())
        for kept in (self.server.tables, self.server.sequences, self.server.refused, self.parts):
            kept.clear()
        self.scheduler = Scheduler(Random(self.service))
        self.server.pause, self.server.until = self.scheduler.pause, self.scheduler.until

    def stop(self) -> None:
        self.scheduler.close()
        for part in self.parts:
            part.real.ask(give_up)
        for part in self.parts:
            part.thread.join(30)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        super().close()

    def connection(self, number: int) -> Postgres:
        """Return an instance's connection to the real server."""
        while len(self.connections) <= number:
            self.connections.append(Postgres(self.dsn, f"alpes {self.service} {len(self.connections)}"))
        return self.connections[number]

    def begin(self) -> "Part":
        """Begin a transaction, as an instance of its own."""
        part = Part(self, len(self.parts))
        self.parts.append(part)
        part.begin()
        return part

    def step(self, part: "Part", act: Act, simulated: Act | None = None) -> None:
        """Let a transaction do something on both servers, and let every part that can go on do so."""
        ((self.now_ms,),) = self._rows.execute(NOW).fetchall()
        part.real.ask(act)
        self.waiting = self._real_waits()
        if len(part.real.answers) == 1:
            # Use the transaction's own time, so that times are the same on both.
            ((self.now_ms,),) = part.real.answers[0]
        part.simulated.ask(simulated or act)
        self.scheduler.run(self._nobody_can_go_on, 10_000)
        assert self._simulated_waits() == self.waiting
        for each in self.parts:
            assert seen(each.simulated.answers) == seen(each.real.answers), each.name
        for table, key in KEYS[self.service].items():
            assert self.simulated_rows(table) == self.real_rows(table, key)

    def _nobody_can_go_on(self) -> bool:
        return not any(actor.condition is None or actor.condition() for actor in self.scheduler.actors)

    def _simulated_waits(self) -> Mapping[str, AbstractSet[str]]:
        return {
            each.connection.application: {each.waits_for.connection.application}
            for each in self.server.open
            if each.waits_for is not None
        }

    def _real_waits(self) -> Mapping[str, AbstractSet[str]]:
        """Wait until no part can go on; return which part waits for which."""
        waits: Mapping[str, AbstractSet[str]] = {}
        for _ in range(5000):
            busy = {part.name for part in self.parts if part.real.busy}
            names = {part.pid: part.name for part in self.parts if not part.real.ended}
            found = self._rows.execute(BLOCKED).fetchall() if busy else []
            waits = {names[pid]: {names[by] for by in pids if by in names} for pid, pids in found if pid in names}
            if at_rest(busy, waits):
                return waits
            time.sleep(0.002)
        pytest.fail(f"it never came to rest: {waits}")


BLOCKED = """
SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND pg_blocking_pids(pid) <> '{}'
"""


def at_rest(busy: AbstractSet[str], waits: Mapping[str, AbstractSet[str]]) -> bool:
    """Whether each busy part waits, directly or not, for one that isn't busy: no circle, and none still moving."""
    while stand := {name for name in busy if waits.get(name, set()) - busy}:
        busy = busy - stand
    return not busy


def seen(answers: Sequence[Any]) -> list[Any]:
    return [type(answer) if isinstance(answer, Exception) else comparable(answer) for answer in answers]


class Part:
    """One transaction of a play."""

    def __init__(self, play: Play, number: int) -> None:
        self.play = play
        self.name = name = f"alpes {play.service} {number}"
        self.pid = 0
        self._savepoints: dict[Transaction, ExitStack] = {}
        acts: queue.SimpleQueue[Act] = queue.SimpleQueue()
        self.real = Steps(play.connection(number), acts.put, acts.get)
        self.thread = threading.Thread(target=self.real.run, daemon=True)
        self.thread.start()
        coming: deque[Act] = deque()

        def take() -> Act:
            play.scheduler.until(lambda: coming, "its next step")
            return coming.popleft()

        self.simulated = Steps(play.server.connect(name), coming.append, take)
        play.scheduler.spawn(name, self, self.simulated.run)

    def begin(self) -> None:
        def introduce(transaction: Transaction) -> Any:
            ((self.pid,),) = transaction.execute("SELECT pg_backend_pid()")
            # The part that waits first doesn't look for a deadlock; see `finds_a_deadlock`.
            transaction.execute("SET LOCAL deadlock_timeout = '1min'")
            return transaction.execute(NOW)

        self.play.step(self, introduce, lambda transaction: transaction.execute(NOW))

    def does(self, act: Act) -> Any:
        """Do something that need not wait, and return its answer."""
        self.play.step(self, act)
        return self.answered()

    def waits(self, act: Act, on: "Part") -> None:
        """Begin to do something that has to wait."""
        self.play.step(self, act)
        self.still_waits(on)

    def still_waits(self, on: "Part") -> None:
        assert self.play.waiting.get(self.name) == {on.name}, self.real.answers

    def answered(self) -> Any:
        """Return the answer, now that it no longer waits."""
        assert self.name not in self.play.waiting
        answer = self.real.answers[-1]
        if isinstance(answer, Exception) and not isinstance(answer, GivenUp):
            raise answer
        return answer

    def finds_a_deadlock(self, act: Act) -> None:
        """Do what closes a circle of waiting transactions.

        PostgreSQL fails the first of them that has waited for its ``deadlock_timeout``: here it is this one, as it
        always is on the simulated server.
        """

        def at_once(transaction: Transaction) -> Any:
            transaction.execute("SET LOCAL deadlock_timeout = '1ms'")
            return act(transaction)

        self.play.step(self, at_once, act)
        with pytest.raises(Unavailable):
            self.answered()

    def savepoint(self) -> None:
        def set_savepoint(transaction: Transaction) -> None:
            self._savepoints[transaction] = ExitStack()
            self._savepoints[transaction].enter_context(transaction.savepoint())

        self.does(set_savepoint)

    def undoes(self) -> None:
        """Undo what was done since the savepoint."""

        def undo(transaction: Transaction) -> None:
            with suppress(GivenUp), self._savepoints.pop(transaction):
                raise GivenUp

        self.does(undo)

    def keeps(self) -> None:
        """Release the savepoint: what was done since is part of the transaction."""
        self.does(lambda transaction: self._savepoints.pop(transaction).close())

    def commits(self) -> None:
        assert self.does(commit) == COMMITTED

    def rolls_back(self) -> None:
        assert isinstance(self.does(give_up), GivenUp)

    def dies(self) -> None:
        """Lose the connection, as when the process is killed."""

        def die(steps: Steps, _transaction: Transaction) -> None:
            steps.database.close()
            raise GivenUp

        self.play.step(self, partial(die, self.real), partial(die, self.simulated))
        assert isinstance(self.answered(), GivenUp)


@pytest.fixture(scope="module")
def play_of(server: RealServer) -> Iterator[Callable[[str], Play]]:
    """Makes one play for each service, for all tests."""
    made: dict[str, Play] = {}

    def make(service: str) -> Play:
        if service not in made:
            server.create_database(f"obra_{service}", service, template=f"plantilla_{service}")
            server.run("GRANT SET ON PARAMETER deadlock_timeout TO {role}", role=service)
            made[service] = Play(service, server.dsn(service, f"obra_{service}"))
        return made[service]

    yield make
    for service, play in made.items():
        play.close()
        server.drop_database(f"obra_{service}")


@pytest.fixture
def play(request: pytest.FixtureRequest, play_of: Callable[[str], Play]) -> Iterator[Play]:
    play = play_of(request.param)
    play.start()
    yield play
    play.stop()


def crear(*batch: Orden | str, plazo: Plazo = NEVER) -> Act:
    ordenes = [orden(each) if isinstance(each, str) else each for each in batch]
    # New handlers each time, since they remember windows, and would mix those of both servers.
    return lambda t: list(handlers(plazo).crear(t, ordenes))


def liquidar(*batch: Transaccion) -> Act:
    return lambda t: list(HANDLERS.liquidar(t, batch))


def vencer(timer: Vencimiento, plazo: Plazo = AT_ONCE) -> Act:
    return lambda t: list(handlers(plazo).vencer(t, [timer]))


def cobrar(*batch: Cobro, rate: float = 1.0) -> Act:
    return lambda t: list(pagos(rate).cobrar(t, batch))


def intend(*batch: Cobro) -> Act:
    """Record the intent, before a slow gateway is asked."""
    return lambda t: list(SLOW.cobrar(t, batch))


def record(charge: Cobro, answer: str) -> Act:
    """Record the answer of the slow gateway."""
    return lambda t: list(SLOW.cobrados(t, [(charge, answer)]))


def reembolsar(order_id: str, now_ms: int = 1_767_225_600_123) -> Act:
    return lambda t: list(pagos(now_ms=now_ms).reembolsar(t, [por_reembolsar(order_id)]))


def runs(query: str, **params: Any) -> Act:
    """Run one query of Ordenes alone."""
    return lambda t: sorted(t.execute(store._SQL[query], params))


def due_window(play: Play, *ids: str) -> Vencimiento:
    """Accept orders that may expire at once, and return their timer."""
    ((timer, _delay_ms),) = timers(events(play.do(crear(*ids, plazo=AT_ONCE))))
    time.sleep(0.005)
    return timer


# -- Two insert one key


@ORDENES
@pytest.mark.parametrize("end", ENDS)
def test_of_two_that_insert_an_id_the_second_waits_and_inserts_unless_the_first_commits(play: Play, end: str) -> None:
    one, other = play.begin(), play.begin()
    one.savepoint()
    one.does(crear("a"))
    other.waits(crear("0", orden("a", address="Calle 94")), on=one)
    getattr(one, end)()
    first, second = other.answered()
    assert isinstance(first, Done)
    assert isinstance(second, Rejected if end == "commits" else Done)
    other.commits()
    assert [row["id"] for row in play.server.rows("ordenes")] == ["0", "a"]


@ORDENES
def test_what_a_statement_waited_for_is_seen_by_the_next_one_alone(play: Play) -> None:
    one, other = play.begin(), play.begin()
    one.does(crear("a"))
    assert other.does(runs("current_status", ids=["a"])) == []
    new = columns([orden("a")], Orden)
    other.waits(runs("insert_new", **new, mark=False), on=one)
    one.commits()
    assert other.answered() == []
    assert other.does(runs("current_status", ids=["a"])) == [("a", 1, "creada")]


@ORDENES
@pytest.mark.parametrize("end", ENDS)
def test_an_order_that_comes_again_while_it_is_being_settled(play: Play, end: str) -> None:
    (first,) = play.do(crear("a"))
    one, other = play.begin(), play.begin()
    one.savepoint()
    one.does(liquidar(pago("a")))
    other.waits(crear("a"), on=one)
    getattr(one, end)()
    assert other.answered() == [first]


@ORDENES
def test_a_row_that_is_held_and_not_changed_keeps_nobody_from_inserting_nothing(play: Play) -> None:
    play.do(crear("a"))
    expiring, late, again = play.begin(), play.begin(), play.begin()
    expiring.does(runs("expire", ids=["a"], mark=False))
    late.waits(liquidar(pago("a")), on=expiring)
    expiring.commits()
    late.answered()
    assert isinstance(again.does(crear("a"))[0], Done)


@ORDENES
@pytest.mark.parametrize("end", ENDS)
def test_a_window_that_another_is_opening_is_waited_for(play: Play, end: str) -> None:
    one, other = play.begin(), play.begin()
    one.savepoint()
    assert timers(events(one.does(crear("a", plazo=PATIENT))))
    other.waits(crear("b", plazo=PATIENT), on=one)
    getattr(one, end)()
    assert len(timers(events(other.answered()))) == (end != "commits")
    other.commits()


@ORDENES
@pytest.mark.parametrize("end", ENDS)
def test_a_window_that_a_timer_is_arming_or_closing_is_waited_for_by_who_opens_it(play: Play, end: str) -> None:
    arming, closing = Ventana(1, 2), Ventana(2, 3)
    play.do(lambda t: [store.open_window(t, window) for window in (arming, closing)])
    one, other, third = play.begin(), play.begin(), play.begin()
    one.savepoint()
    one.does(lambda t: store.arm_window(t, arming, armed=True))
    one.does(lambda t: store.close_window(t, closing))
    other.waits(lambda t: store.open_window(t, arming), on=one)
    third.waits(lambda t: store.open_window(t, closing), on=one)
    getattr(one, end)()
    assert other.answered() is False
    assert third.answered() is (end == "commits")
    third.commits()


# -- Two change one row


@ORDENES
@pytest.mark.parametrize("end", ENDS)
def test_of_two_that_settle_an_order_the_second_waits_and_looks_again(play: Play, end: str) -> None:
    play.do(crear("a"))
    one, other = play.begin(), play.begin()
    one.savepoint()
    one.does(liquidar(pago("a")))
    other.waits(liquidar(pago("a", "rechazada")), on=one)
    getattr(one, end)()
    assert isinstance(other.answered()[0], Rejected if end == "commits" else Done)
    other.commits()


@ORDENES
@pytest.mark.parametrize("end", ENDS)
def test_an_order_that_is_paid_while_it_expires_expires_unless_the_payment_is_committed(play: Play, end: str) -> None:
    timer = due_window(play, "a", "b")
    paying, expiring = play.begin(), play.begin()
    paying.savepoint()
    paying.does(liquidar(pago("a")))
    # A later page doesn't wait for a transaction that may still accept an order in the window, as `paying` looks like.
    expiring.waits(vencer(timer._replace(after_id="0")), on=paying)
    getattr(paying, end)()
    expired = [order_id for order_id, _, _ in told(events(expiring.answered()))]
    assert expired == (["b"] if end == "commits" else ["a", "b"])
    expiring.commits()


@ORDENES
@pytest.mark.parametrize("end", ENDS)
def test_an_order_that_expires_while_it_is_paid_is_paid_back_unless_that_is_undone(play: Play, end: str) -> None:
    timer = due_window(play, "a")
    expiring, paying = play.begin(), play.begin()
    expiring.savepoint()
    expiring.does(vencer(timer))
    paying.waits(liquidar(pago("a")), on=expiring)
    getattr(expiring, end)()
    (event,) = events(paying.answered())
    assert event.topic == ("reembolsar" if end == "commits" else "actualizada")
    paying.commits()


@ORDENES
def test_who_looked_again_in_vain_holds_the_row_all_the_same(play: Play) -> None:
    play.do(crear("a"))
    expiring, paying, refunding = play.begin(), play.begin(), play.begin()
    expiring.does(runs("expire", ids=["a"], mark=False))
    paying.waits(liquidar(pago("a")), on=expiring)
    expiring.commits()
    paying.answered()
    refunding.waits(liquidar(pago("a", "reembolsada")), on=paying)
    paying.commits()
    assert told(events(refunding.answered())) == [("a", "reembolsada", 3)]
    refunding.commits()


@ORDENES
def test_a_change_that_would_only_then_be_allowed_is_not_waited_for(play: Play) -> None:
    play.do(crear("a"))
    expiring, refunding = play.begin(), play.begin()
    expiring.does(runs("expire", ids=["a"], mark=False))
    assert isinstance(refunding.does(liquidar(pago("a", "reembolsada")))[0], Retry)
    expiring.commits()
    assert isinstance(refunding.does(liquidar(pago("a", "reembolsada")))[0], Done)
    refunding.commits()


@ORDENES
def test_what_is_committed_while_a_statement_waits_is_not_seen_by_it(play: Play) -> None:
    play.do(crear("a"))
    one, other = play.begin(), play.begin()
    one.does(liquidar(pago("a")))
    other.waits(liquidar(pago("a"), pago("b")), on=one)
    play.do(crear("b"))
    one.commits()
    settled, early = other.answered()
    assert isinstance(settled, Done)
    assert isinstance(early, Retry)
    assert isinstance(other.does(liquidar(pago("b")))[0], Done)
    other.commits()


@ORDENES
def test_a_row_that_two_wait_for_one_after_the_other(play: Play) -> None:
    play.do(crear("a", "b"))
    one, other, third = play.begin(), play.begin(), play.begin()
    one.does(liquidar(pago("a")))
    other.does(liquidar(pago("b")))
    other.waits(crear("c", "a"), on=one)
    third.waits(liquidar(pago("b")), on=other)
    one.commits()
    assert len(events(other.answered())) == 2
    third.still_waits(on=other)
    other.commits()
    assert told(events(third.answered())) == [("b", "aprobada", 2)]


@ORDENES
@pytest.mark.parametrize("end", ENDS)
def test_a_timer_waits_for_who_closes_its_window_and_holds_nothing_of_one_that_is_closed(play: Play, end: str) -> None:
    window = Ventana(1, 2)
    play.do(lambda t: store.open_window(t, window))
    closing, arming, opening = play.begin(), play.begin(), play.begin()
    closing.savepoint()
    closing.does(vencer(Vencimiento(window, done=True)))
    arming.waits(lambda t: store.arm_window(t, window, armed=True), on=closing)
    getattr(closing, end)()
    assert arming.answered() is (end != "commits")
    if end == "commits":
        assert opening.does(lambda t: store.open_window(t, window)) is True
        opening.commits()
    arming.commits()


@ORDENES
@pytest.mark.parametrize("end", ENDS)
def test_an_order_that_comes_again_while_its_timer_arrives_starts_it_again_unless_it_has(play: Play, end: str) -> None:
    timer = due_window(play, "a")
    expiring, again = play.begin(), play.begin()
    expiring.savepoint()
    expiring.does(vencer(timer))
    again.waits(crear("a", plazo=AT_ONCE), on=expiring)
    getattr(expiring, end)()
    assert [each for each, _ in timers(events(again.answered()))] == ([] if end == "commits" else [timer])


# -- Circles


@ORDENES
@pytest.mark.parametrize("in_parts", [False, True])
def test_of_two_that_insert_in_a_circle_one_is_told_and_the_other_goes_on(play: Play, in_parts: bool) -> None:
    one, other = play.begin(), play.begin()
    one.does(crear("a"))
    other.does(crear("b"))
    if in_parts:
        other.savepoint()
    one.waits(crear("b"), on=other)
    other.finds_a_deadlock(crear("a"))
    assert isinstance(one.answered()[0], Done)
    one.commits()
    assert [row["id"] for row in play.server.rows("ordenes")] == ["a", "b"]


@ORDENES
def test_three_that_change_rows_in_a_circle(play: Play) -> None:
    play.do(crear("a", "b", "c"))
    one, other, third = play.begin(), play.begin(), play.begin()
    one.does(liquidar(pago("a")))
    other.does(liquidar(pago("b")))
    third.does(liquidar(pago("c")))
    one.waits(liquidar(pago("b", "rechazada")), on=other)
    other.waits(runs("expire", ids=["c"], mark=False), on=third)
    third.finds_a_deadlock(liquidar(pago("a")))
    assert [row[0] for row in other.answered()] == ["c"]
    other.commits()
    assert isinstance(one.answered()[0], Rejected)
    one.commits()


# -- Savepoints


@ORDENES
def test_what_was_held_before_a_savepoint_stays_held_when_it_is_undone(play: Play) -> None:
    play.do(crear("old"))
    one, other, third, fourth = play.begin(), play.begin(), play.begin(), play.begin()
    one.does(liquidar(pago("old")))
    one.does(crear("a"))
    one.savepoint()
    one.does(liquidar(pago("a")))
    one.does(crear("b"))
    other.waits(crear("a"), on=one)
    third.waits(liquidar(pago("old")), on=one)
    fourth.waits(crear("b"), on=one)
    one.undoes()
    other.still_waits(on=one)
    third.still_waits(on=one)
    assert isinstance(fourth.answered()[0], Done)
    # The released row can be taken again, and now the first one waits.
    one.waits(crear("b"), on=fourth)
    fourth.commits()
    assert isinstance(one.answered()[0], Done)
    one.commits()
    assert isinstance(other.answered()[0], Done)


@ORDENES
def test_a_row_that_stays_held_when_its_change_is_undone_keeps_nobody_from_inserting_nothing(play: Play) -> None:
    play.do(crear("a"))
    expiring, one, again, other = play.begin(), play.begin(), play.begin(), play.begin()
    expiring.does(runs("expire", ids=["a"], mark=False))
    one.waits(liquidar(pago("a")), on=expiring)
    expiring.commits()
    one.savepoint()
    one.does(liquidar(pago("a", "reembolsada")))
    again.waits(crear("a"), on=one)
    other.waits(liquidar(pago("a", "reembolsada")), on=one)
    one.undoes()
    again.answered()
    other.still_waits(on=one)
    one.commits()
    other.answered()


@ORDENES
def test_what_was_taken_in_a_savepoint_stays_held_when_it_is_kept(play: Play) -> None:
    one, other = play.begin(), play.begin()
    one.savepoint()
    one.does(crear("a"))
    one.keeps()
    other.waits(crear("a"), on=one)
    one.commits()
    other.answered()


@ORDENES
def test_what_is_undone_for_a_refused_value_holds_nobody_up(play: Play) -> None:
    play.server.refused.add(UNINDEXABLE)
    one, other = play.begin(), play.begin()

    def in_parts(transaction: Transaction) -> Any:
        with suppress(BadData), transaction.savepoint():
            crear("a")(transaction)
            crear(UNINDEXABLE)(transaction)
        return crear("b")(transaction)

    one.does(in_parts)
    other.does(crear("a"))
    other.waits(crear("b"), on=one)
    one.commits()
    other.answered()


# -- What is skipped, and what is only read


@ORDENES
def test_marks_that_somebody_works_on_are_passed_over(play: Play) -> None:
    for order_id in "abc":
        play.do(crear(order_id))
    one, other, third = play.begin(), play.begin(), play.begin()

    def announce(most: int) -> Act:
        return lambda t: sorted(MARKS.announce(t, most).items())

    def hold(*marks: int) -> Act:
        return lambda t: sorted(MARKS.hold(t, marks))

    assert [mark for mark, _ in one.does(announce(1))] == [1]
    third.does(crear("d"))
    assert [mark for mark, _ in other.does(announce(1))] == [2]
    assert other.does(hold(1, 2, 3, 4)) == [2, 3]
    one.rolls_back()
    assert other.does(announce(3)) == [(1, (["a"], False)), (2, (["b"], True)), (3, (["c"], False))]
    other.does(lambda t: MARKS.clear(t, [2]))
    assert third.does(hold(1, 2, 3, 4)) == [4]
    other.commits()
    assert third.does(announce(9)) == [(1, (["a"], True)), (3, (["c"], True)), (4, (["d"], False))]
    third.commits()


@ORDENES
def test_a_mark_that_was_held_in_a_savepoint_is_free_when_that_is_undone(play: Play) -> None:
    play.do(crear("a"))
    one, other = play.begin(), play.begin()
    one.savepoint()
    assert one.does(lambda t: list(MARKS.hold(t, [1]))) == [1]
    assert other.does(lambda t: list(MARKS.hold(t, [1]))) == []
    one.undoes()
    assert other.does(lambda t: list(MARKS.hold(t, [1]))) == [1]


@ORDENES
def test_who_reads_waits_for_nobody_and_sees_with_each_statement_what_is_committed(play: Play) -> None:
    play.do(crear("a"))
    one, reader = play.begin(), play.begin()
    one.does(liquidar(pago("a")))
    one.does(crear("b"))
    status = runs("current_status", ids=["a", "b"])
    assert reader.does(status) == [("a", 1, "creada")]
    assert reader.does(lambda t: MARKS.lag(t)[0]) == 1
    one.commits()
    assert reader.does(status) == [("a", 2, "aprobada"), ("b", 1, "creada")]
    assert reader.does(lambda t: MARKS.lag(t)[0]) == 3


@ORDENES
@pytest.mark.parametrize("end", ["commits", "rolls_back", "dies"])
def test_a_timer_waits_for_who_may_still_accept_an_order_in_its_window(play: Play, end: str) -> None:
    slow = play.begin()
    timer = due_window(play, "a")
    unconcerned, early, late = play.begin(), play.begin(), play.begin()
    unconcerned.does(crear("b"))
    slow.does(crear("c"))
    assert timers(events(early.does(vencer(timer))))[0][0] == timer
    getattr(slow, end)()
    early.commits()
    assert told(events(late.does(vencer(timer)))) == [("a", "expirada", 2)]
    late.commits()


@ORDENES
def test_who_else_is_at_work_is_looked_at_anew_for_every_timer(play: Play) -> None:
    until_now = Ventana(1, 2 * 10**12)

    def unfinished(transaction: Transaction) -> bool:
        return store.due(transaction, until_now, PEERS).unfinished

    one = play.begin()
    assert one.does(unfinished) is False
    other = play.begin()
    assert one.does(unfinished) is True
    assert other.does(unfinished) is True
    one.commits()
    assert other.does(unfinished) is False
    other.commits()


# -- Pagos


@PAGOS
@pytest.mark.parametrize("end", ENDS)
def test_of_two_that_charge_an_order_the_second_tells_what_the_first_committed(play: Play, end: str) -> None:
    one, other = play.begin(), play.begin()
    one.savepoint()
    (won,) = one.does(cobrar(cobro("a")))
    other.waits(cobrar(cobro("0"), cobro("a"), rate=0.0), on=one)
    getattr(one, end)()
    _, lost = other.answered()
    assert (lost == won) is (end == "commits")
    other.commits()


@PAGOS
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("stands", [False, True])
def test_of_two_that_are_about_to_charge_the_second_waits_for_the_firsts_intent(
    play: Play, end: str, stands: bool
) -> None:
    if stands:
        play.do(intend(cobro("a")))
    one, other = play.begin(), play.begin()
    one.savepoint()
    one.does(intend(cobro("a")))
    other.waits(intend(cobro("a", 1)), on=one)
    getattr(one, end)()
    (outcome,) = other.answered()
    assert isinstance(outcome, Rejected if stands or end == "commits" else Ask)
    other.commits()


@PAGOS
@pytest.mark.parametrize("end", ENDS)
def test_who_meets_an_intent_that_is_just_being_settled_tells_what_is_committed(play: Play, end: str) -> None:
    play.do(intend(cobro("a")))
    one, other = play.begin(), play.begin()
    one.savepoint()
    won = one.does(record(cobro("a"), "aprobada"))
    other.waits(intend(cobro("a")), on=one)
    getattr(one, end)()
    assert other.answered() == (won if end == "commits" else [Ask(cobro("a"))])
    other.commits()


@PAGOS
@pytest.mark.parametrize("end", ENDS)
def test_of_two_answers_for_one_charge_the_second_waits(play: Play, end: str) -> None:
    play.do(intend(cobro("a")))
    one, other = play.begin(), play.begin()
    one.savepoint()
    won = one.does(record(cobro("a"), "aprobada"))
    other.waits(record(cobro("a"), "rechazada"), on=one)
    getattr(one, end)()
    assert (other.answered() == won) is (end == "commits")
    other.commits()


@PAGOS
@pytest.mark.parametrize("end", ENDS)
def test_of_two_that_pay_an_order_back_the_second_waits_and_who_charges_it_again_does_not(play: Play, end: str) -> None:
    (charged,) = play.do(cobrar(cobro("a")))
    one, other, third = play.begin(), play.begin(), play.begin()
    one.savepoint()
    won = one.does(reembolsar("a"))
    assert third.does(cobrar(cobro("a"))) == [charged]
    other.waits(reembolsar("a", now_ms=1_800_000_000_000), on=one)
    getattr(one, end)()
    assert (other.answered() == won) is (end == "commits")
    other.commits()


@PAGOS
def test_who_waited_for_an_intent_that_is_gone_holds_nothing_of_it(play: Play) -> None:
    play.do(intend(cobro("a")))
    one, other, third = play.begin(), play.begin(), play.begin()
    one.does(lambda t: charges.forget_intents(t, ["a"]))
    other.waits(lambda t: charges.forget_intents(t, ["a"]), on=one)
    one.commits()
    other.answered()
    assert third.does(intend(cobro("a"))) == [Ask(cobro("a"))]
    third.commits()


@PAGOS
def test_who_pays_back_sees_what_is_charged_when_that_is_committed(play: Play) -> None:
    charging, refunding = play.begin(), play.begin()
    charging.does(cobrar(cobro("a")))
    assert isinstance(refunding.does(reembolsar("a"))[0], Retry)
    charging.commits()
    assert isinstance(refunding.does(reembolsar("a"))[0], Done)
    refunding.commits()


# -- Reporting


def reported(order_id: str, version: int) -> Cambio:
    return cambio(order_id, version, "aprobada" if version == 2 else "reembolsada")


def keeps(*batch: Cambio) -> Act:
    return lambda t: reporting.keep_newest(t, batch)


@REPORTING
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("versions", [(2, 3), (3, 2)])
@pytest.mark.parametrize("stands", [False, True])
def test_of_two_reports_of_an_order_the_highest_that_is_committed_stands(
    play: Play, end: str, versions: tuple[int, int], stands: bool
) -> None:
    if stands:
        play.do(keeps(reported("a", 1)))
    one, other = play.begin(), play.begin()
    one.savepoint()
    one.does(keeps(reported("a", versions[0])))
    other.waits(keeps(reported("a", versions[1])), on=one)
    getattr(one, end)()
    other.answered()
    other.commits()
    (row,) = play.server.rows("ordenes")
    assert row["version"] == (3 if end == "commits" else versions[1])


@REPORTING
def test_a_report_that_changes_nothing_holds_the_order_all_the_same(play: Play) -> None:
    play.do(keeps(reported("a", 3)))
    one, other = play.begin(), play.begin()
    one.does(keeps(reported("a", 2)))
    other.waits(keeps(reported("a", 4)), on=one)
    one.commits()
    other.answered()
    other.commits()


@REPORTING
def test_totals_count_what_is_committed_when_they_are_asked_for(play: Play) -> None:
    play.do(keeps(reported("a", 2)))
    one, reader = play.begin(), play.begin()
    one.does(keeps(reported("a", 3), reported("b", 2)))

    def total(transaction: Transaction) -> Any:
        return sorted(reporting.totals(transaction).items())

    before = reader.does(total)
    one.commits()
    after = reader.does(total)
    assert dict(before)["total:aprobada"] == dict(after)["total:aprobada"] == "1"
    assert dict(after)["total:reembolsada"] == "1"
