"""Entries that may end the process are taken a few at a time, then alone, and given up after two deaths."""

import pytest

from alpes_wire import Consumer, MessageId
from alpes_wire.link import Frame
from alpes_wire.message import Message
from alpes_wire.quarantine import LONGEST_S
from tests.unit.wire.entries import in_batch, metadata
from tests.unit.wire.held_link import Clock, HeldLink, consumer_on, frame, received

EVERYTHING = (9, 0)


class Known:
    """A guard that knows which entries were in hand, and how often the process died over each place."""

    def __init__(self, lot: int, in_hand: tuple[int, int] = EVERYTHING, deaths: dict[str, int] | None = None) -> None:
        self.lot = lot
        self.open: list[str] = []
        self.handed_out: list[MessageId] = []
        self._in_hand = in_hand
        self._deaths = deaths or {}

    def in_hand(self, topic: str) -> tuple[int, int]:
        return self._in_hand

    def hand_out(self, topic: str, id_: MessageId) -> None:
        self.handed_out.append(id_)

    def begin(self, place: str) -> bool:
        if self.open and self.open != [place]:
            return False
        self.open = [place]
        return True

    def end(self, place: str) -> None:
        if self.open == [place]:
            self.open = []

    def deaths(self, place: str) -> int:
        return next((n for end, n in self._deaths.items() if place.endswith(end)), 0)


def one(payload: bytes) -> Frame:
    return frame(metadata(), payload)


def two(payload: bytes) -> Frame:
    return frame(metadata(num_messages_in_batch=2), in_batch(payload) + in_batch(payload + b"2"))


def place(made: Frame) -> tuple[int, int]:
    id_ = made.command.message.message_id
    return id_.ledgerId, id_.entryId


def named(made: Frame) -> str:
    return "({},{})".format(*place(made))


def data(messages: list[Message]) -> list[bytes]:
    return [message.data() for message in messages]


def done(consumer: Consumer, messages: list[Message]) -> None:
    for message in messages:
        consumer.acknowledge(message)


def test_while_the_process_lives_all_is_taken_at_once_and_noted() -> None:
    guard, frames = Known(lot=0), [one(b"a"), two(b"b")]
    assert data(received(consumer_on(HeldLink(*frames), guard=guard))) == [b"a", b"b", b"b2"]
    assert [id_[:2] for id_ in guard.handed_out] == [place(each) for each in frames]
    assert guard.open == []


def test_what_was_in_hand_is_taken_in_lots_and_the_rest_as_ever() -> None:
    frames = [one(b"%d" % n) for n in range(8)]
    guard = Known(lot=2, in_hand=place(frames[4]))
    consumer = consumer_on(HeldLink(*frames), guard=guard)
    for lot in ([b"0", b"1"], [b"2", b"3"], [b"4", b"5", b"6", b"7"]):
        messages = received(consumer)
        assert data(messages) == lot
        assert received(consumer) == []
        done(consumer, messages[:1])
        assert received(consumer) == []
        done(consumer, messages[1:])
    assert guard.open == [], "no entry is blamed"


def test_then_it_is_taken_one_by_one_and_known_which() -> None:
    first, second = two(b"a"), one(b"b")
    guard = Known(lot=1)
    consumer = consumer_on(HeldLink(first, second), guard=guard)
    messages = received(consumer)
    assert data(messages) == [b"a", b"a2"]
    assert guard.open[0].endswith(named(first))
    assert not consumer.ready(0)
    done(consumer, messages)
    assert data(received(consumer)) == [b"b"]
    assert guard.open[0].endswith(named(second))


def test_what_waits_for_something_keeps_the_rest_waiting_for_so_long_and_no_longer() -> None:
    clock, guard = Clock(), Known(lot=1)
    consumer = consumer_on(HeldLink(one(b"a"), one(b"b")), clock, guard)
    assert data(received(consumer)) == [b"a"]
    clock.now = LONGEST_S - 1
    assert received(consumer) == []
    clock.now = LONGEST_S
    assert data(received(consumer)) == [b"b"]


def test_of_two_inputs_one_waits() -> None:
    guard = Known(lot=1)
    first, other = (consumer_on(HeldLink(one(payload)), guard=guard) for payload in (b"a", b"b"))
    (message,) = received(first)
    assert received(other) == []
    assert not other.ready(0)
    first.acknowledge(message)
    assert received(first) == []
    assert other.ready(0)
    assert data(received(other)) == [b"b"]


@pytest.mark.parametrize(
    ("deaths", "found"),
    [(1, [b"a", b"a2"]), (2, [b"a", b"a2"]), (3, [in_batch(b"a") + in_batch(b"a2")])],
)
def test_what_the_process_died_over_twice_is_given_up_and_then_not_even_looked_into(
    deaths: int, found: list[bytes]
) -> None:
    made = two(b"a")
    messages = received(consumer_on(HeldLink(made), guard=Known(1, deaths={named(made): deaths})))
    assert data(messages) == found
    said = f"the instance ended {deaths} times while it worked on this entry" if deaths >= 2 else ""
    assert {message.problem for message in messages} == {said}


def test_a_lost_connection_ends_it() -> None:
    guard = Known(lot=1)
    consumer = consumer_on(HeldLink(one(b"a")), guard=guard)
    received(consumer)
    consumer._lose("a test")
    assert guard.open == []


def test_whoever_only_tends_lets_others_go_on_in_time() -> None:
    clock, guard = Clock(), Known(lot=1)
    first, other = (consumer_on(HeldLink(one(payload)), clock, guard) for payload in (b"a", b"b"))
    received(first)
    clock.now = LONGEST_S
    first.tend()
    assert data(received(other)) == [b"b"]


def test_a_message_in_pieces_is_taken_alone_too() -> None:
    guard = Known(lot=1)
    parts = [
        frame(metadata(uuid=b"u", chunk_id=number, num_chunks_from_msg=2, total_chunk_msg_size=2), b"%d" % number)
        for number in (0, 1)
    ]
    consumer = consumer_on(HeldLink(*parts, one(b"after")), guard=guard)
    messages = received(consumer)
    assert data(messages) == [b"01"]
    assert guard.open[0].endswith(named(parts[0]))
    done(consumer, messages)
    assert data(received(consumer)) == [b"after"]
