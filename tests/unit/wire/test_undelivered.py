"""How entries are judged that a separate reader isn't given either."""

from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from alpes_wire import Endpoint, MessageId, undelivered
from alpes_wire.message import Entry
from alpes_wire.reader import EARLIEST, NOTHING
from alpes_wire.undelivered import PAUSE_S, Undelivered
from tests.unit.wire.entries import metadata
from tests.unit.wire.held_link import Clock

Position = tuple[int, int]


class Reader:
    """Gives, from its start on, the entries that the test says the broker gives."""

    given: ClassVar[list[Position]] = []
    deliver_at_ms = 0
    connected = True

    def __init__(self, _endpoint: Any, _topic: str, start: MessageId) -> None:
        self._left = [place for place in self.given if start == EARLIEST or place >= start[:2]]
        self.seen = NOTHING

    def entry(self, _seconds: float) -> Entry | None:
        if not self._left:
            return None
        self.seen = MessageId(*self._left.pop(0), 0)
        return Entry(self.seen, metadata(deliver_at_time=self.deliver_at_ms), b"x")

    def close(self) -> None:
        return


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(undelivered, "Reader", Reader)
    return Clock()


def looks(clock: Clock, given: Iterable[Position], mark: Position, last: Position, number: int) -> list[str]:
    """Look so many times; return the places of the messages that are found."""
    looking = Undelivered(Endpoint("pulsar://nowhere"), "persistent://a/b/c-partition-0", clock)
    looking.read_to(mark)
    return _looked(looking, clock, given, last, number)


def _looked(looking: Undelivered, clock: Clock, given: Iterable[Position], last: Position, number: int) -> list[str]:
    Reader.given = list(given)
    found = []
    for _ in range(number):
        found += [str(message.message_id()) for message in looking.look(last)]
        clock.now += PAUSE_S
    return found


def test_an_entry_is_given_up_that_two_readers_are_not_given_although_they_go_on_behind_it(clock: Clock) -> None:
    given = [(1, 8), (1, 9), (1, 11)]
    assert looks(clock, given, (1, 9), (1, 11), 2) == []
    assert looks(clock, given, (1, 9), (1, 11), 3) == ["(1,10,0,-1)"]


def test_so_is_the_first_of_a_ledger(clock: Clock) -> None:
    assert looks(clock, [(1, 9), (2, 1)], (1, 9), (2, 1), 3) == ["(2,0,0,-1)"]


def test_at_the_end_of_a_topic_it_takes_longer(clock: Clock) -> None:
    given = [(1, 8), (1, 9)]
    assert looks(clock, given, (1, 9), (1, 10), 4) == []
    assert looks(clock, given, (1, 9), (1, 10), 5) == ["(1,10,0,-1)"]


@pytest.mark.parametrize(("given", "last"), [([], 10), ([(1, 8), (1, 9)], 14)])
def test_of_a_broker_that_is_slow_nothing_is_given_up(given: list[Position], last: int, clock: Clock) -> None:
    assert looks(clock, given, (1, 9), (1, last), 9) == []


def test_what_the_broker_delivers_by_itself_is_not_missing(clock: Clock) -> None:
    looking = Undelivered(Endpoint("pulsar://nowhere"), "persistent://a/b/c-partition-0", clock)
    looking.read_to((1, 9))
    assert _looked(looking, clock, [(1, 9), (1, 11)], (1, 11), 1) == []
    looking.came((1, 10))
    assert _looked(looking, clock, [(1, 9), (1, 11)], (1, 11), 5) == []


def test_what_another_reader_is_given_is_found(clock: Clock) -> None:
    """The broker kept it from the first reader because of an entry that it had read together with it."""
    looking = Undelivered(Endpoint("pulsar://nowhere"), "persistent://a/b/c-partition-0", clock)
    looking.read_to((1, 9))
    assert _looked(looking, clock, [(1, 9), (1, 11)], (1, 11), 1) == []
    assert _looked(looking, clock, [(1, 9), (1, 10), (1, 11)], (1, 11), 1) == ["(1,10,0,-1)"]


def test_but_for_what_its_sender_delayed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "deliver_at_ms", 2**53)
    looking = Undelivered(Endpoint("pulsar://nowhere"), "persistent://a/b/c-partition-0", clock)
    looking.read_to((1, 9))
    assert _looked(looking, clock, [(1, 9), (1, 11)], (1, 11), 1) == []
    assert _looked(looking, clock, [(1, 9), (1, 10), (1, 11)], (1, 11), 5) == []


def test_where_nobody_knows_what_is_acknowledged_it_looks_from_the_start(clock: Clock) -> None:
    looking = Undelivered(Endpoint("pulsar://nowhere"), "persistent://a/b/c-partition-0", clock)
    given = [(1, 0), (1, 2)]
    assert _looked(looking, clock, given, (1, 2), 5) == []
    looking.read_to_unknown()
    assert _looked(looking, clock, given, (1, 2), 3) == ["(1,1,0,-1)"]


def test_what_is_known_already_is_not_forgotten_for_it(clock: Clock) -> None:
    looking = Undelivered(Endpoint("pulsar://nowhere"), "persistent://a/b/c-partition-0", clock)
    looking.read_to((1, 9))
    looking.read_to_unknown()
    assert _looked(looking, clock, [(1, 1), (1, 8), (1, 9), (1, 11)], (1, 11), 3) == ["(1,10,0,-1)"]


def test_of_a_reader_that_does_not_come_so_far_nothing_is_given_up(clock: Clock) -> None:
    assert looks(clock, [(1, 8)], (1, 9), (1, 10), 9) == []
