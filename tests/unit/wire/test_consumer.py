"""A consumer on a connection in the test's hands: what it gives back to the broker, and when it reconnects."""

from typing import Any

import pytest

from alpes_wire import Consumer
from alpes_wire.consumer import MOST_PERMITS
from alpes_wire.errors import WireError
from alpes_wire.link import Frame
from alpes_wire.protocol_pb2 import BaseCommand, EncryptionKeys, MessageMetadata
from tests.unit.wire.entries import in_batch, metadata
from tests.unit.wire.held_link import Clock, HeldLink, consumer_on, frame, received


def connection(consumer: Consumer) -> Any:
    return consumer._link


ENCRYPTED = metadata(encryption_keys=[EncryptionKeys(key=b"k")])


@pytest.mark.parametrize(("meta", "each"), [(ENCRYPTED, 1), (metadata(num_messages_in_batch=5), 5)])
def test_what_cannot_be_read_costs_no_permit_for_good(meta: MessageMetadata, each: int) -> None:
    number = 3 * MOST_PERMITS
    link = HeldLink(*(frame(meta, b"") for _ in range(number)))
    messages = received(consumer_on(link))
    assert len(messages) == number
    assert all(message.problem for message in messages)
    assert link.permits() >= number * each


@pytest.mark.parametrize("number", [0, -1, 20_001, 2**31 - 1])
def test_an_entry_that_upsets_the_count_of_permits_opens_the_consumer_anew(number: int) -> None:
    meta = metadata(num_messages_in_batch=number)
    link = HeldLink(frame(metadata(), b"a"), frame(meta, in_batch(b"b")), frame(metadata(), b"c"))
    consumer = consumer_on(link)
    read = received(consumer)
    assert read[0].data() == b"a"
    assert read[-1].problem
    assert b"c" not in [message.data() for message in read], "it comes again"
    assert not consumer.ready(0)
    assert consumer._link is None
    assert consumer._upset_by is read[-1].entries[0]


def test_before_it_is_opened_anew_the_broker_has_read_what_is_done() -> None:
    """Closing a connection with unread bytes resets it, and what was found by looking never comes again."""
    upsetting = metadata(num_messages_in_batch=0)
    link = HeldLink(frame(metadata(), b"a"), frame(upsetting, b""), *(frame(metadata(), b"c") for _ in range(5)))
    consumer = consumer_on(link)
    message = consumer.receive()
    assert message is not None
    consumer.acknowledge(message)
    received(consumer)
    consumer.ready(0)
    assert link.acknowledged() == [message.message_id().entry]
    assert link.sent[-1].type == BaseCommand.CLOSE_CONSUMER
    assert not link.frames


def test_an_upsetting_entry_that_comes_again_while_it_is_in_hand_is_no_further_message() -> None:
    clock = Clock()
    upsetting = frame(metadata(num_messages_in_batch=30_000), b"")
    consumer = consumer_on(HeldLink(upsetting), clock)
    (message,) = received(consumer)
    pauses = []
    for _ in range(9):
        consumer.ready(0)
        pauses.append(consumer._again_at - clock.now)
        consumer._is_reopening = False
        consumer._link = HeldLink(upsetting)  # type: ignore[assignment]
        assert received(consumer) == []
    assert pauses == [1, 2, 4, 8, 15, 15, 15, 15, 15]
    consumer.acknowledge(message)
    consumer._link = HeldLink(upsetting)  # type: ignore[assignment]
    consumer._is_to_reopen = False
    assert len(received(consumer)) == 1, "the broker has not noted the acknowledgement"


def test_a_connection_that_breaks_is_given_up_and_what_is_done_is_told_to_the_next_one() -> None:
    link = HeldLink(frame(metadata(), b"a"))
    consumer = consumer_on(link)
    (message,) = received(consumer)
    link.broken = True
    assert consumer.receive() is None
    assert consumer._link is None
    consumer.acknowledge(message)
    later = HeldLink()
    consumer._link = later  # type: ignore[assignment]
    consumer.tend()
    assert later.acknowledged() == [message.message_id().entry]


def test_a_batch_is_acknowledged_with_its_last_message() -> None:
    link = HeldLink(frame(metadata(num_messages_in_batch=2), in_batch(b"a") + in_batch(b"b")))
    consumer = consumer_on(link)
    first, second = received(consumer)
    consumer.acknowledge(second)
    consumer.tend()
    assert link.acknowledged() == []
    consumer.acknowledge(first)
    consumer.tend()
    assert link.acknowledged() == [first.message_id().entry]


def test_whoever_takes_nothing_for_long_keeps_the_connection_and_what_lies_unread() -> None:
    """The piece that it waits for came long ago, and is read when there is room again."""
    clock = Clock()
    parts = [metadata(uuid=b"u", chunk_id=number, num_chunks_from_msg=2, total_chunk_msg_size=2) for number in (0, 1)]
    link = HeldLink(frame(parts[0], b"a"))
    consumer = consumer_on(link, clock)
    assert received(consumer) == []
    link.frames.append(frame(parts[1], b"b"))
    for clock.now in range(0, 300, 5):
        consumer.tend()
    assert connection(consumer) is link
    assert {command.type for command in link.sent} == {BaseCommand.FLOW}
    assert consumer.ready(0)
    (message,) = received(consumer)
    assert (message.data(), message.problem) == (b"ab", "")


def test_acknowledgements_are_sent_while_something_is_left_to_receive() -> None:
    meta = metadata(num_messages_in_batch=2)
    link = HeldLink(*(frame(meta, in_batch(b"a") + in_batch(b"b")) for _ in range(2)))
    consumer = consumer_on(link)
    messages = [consumer.receive() for _ in range(3)]
    for message in messages:
        assert message is not None
        consumer.acknowledge(message)
    assert consumer.ready(0)
    assert len(link.acknowledged()) == 1


def test_a_broker_that_is_away_for_hours_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    consumer = consumer_on(None, clock)
    monkeypatch.setattr(consumer, "_connect", lambda: (_ for _ in ()).throw(WireError("away")))
    for n in range(3_000):
        clock.now = 10.0 * n
        assert not consumer.ready(0)


def test_one_whose_messages_were_dropped_with_the_connection_is_made_into_messages_again() -> None:
    upsetting = frame(metadata(num_messages_in_batch=30_000), in_batch(b"a") + in_batch(b"b"))
    consumer = consumer_on(HeldLink(upsetting))
    first = consumer.receive()
    assert first is not None
    consumer.acknowledge(first)
    consumer._lose("a test")
    consumer._link = HeldLink(upsetting)  # type: ignore[assignment]
    assert [message.data() for message in received(consumer)][:2] == [b"a", b"b"]


def test_nor_is_it_asked_without_a_pause_once_an_upsetting_entry_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    consumer = consumer_on(HeldLink(frame(metadata(num_messages_in_batch=0), b"")), clock)
    (message,) = received(consumer)
    attempts = []

    def away() -> None:
        attempts.append(clock.now)
        raise WireError("away")

    monkeypatch.setattr(consumer, "_connect", away)
    consumer.acknowledge(message)
    for _ in range(100):
        assert not consumer.ready(0)
    assert attempts == [0.0]


def test_an_answer_that_is_older_than_the_last_message_says_nothing() -> None:
    clock = Clock()
    link = HeldLink()
    consumer = consumer_on(link, clock)
    clock.now = 10.0
    assert not consumer.ready(0)
    assert BaseCommand.CONSUMER_STATS in [command.type for command in link.sent]
    answer = BaseCommand(type=BaseCommand.CONSUMER_STATS_RESPONSE)
    answer.consumerStatsResponse.msgBacklog = 5
    answer.consumerStatsResponse.availablePermits = 2**64 - 3
    clock.now = 11.0
    link.frames += [frame(metadata(), b"a"), Frame(answer, b"")]
    assert [message.data() for message in received(consumer)] == [b"a"]
    clock.now = 60.0
    link.frames.append(Frame(answer, b""))
    received(consumer)
    assert connection(consumer) is link


@pytest.mark.parametrize(("unacknowledged", "silent"), [(0, True), (5, False), (2**64 - 7, True)])
def test_what_is_in_hand_does_not_make_an_input_silent(unacknowledged: int, silent: bool) -> None:
    clock = Clock()
    link = HeldLink()
    consumer = consumer_on(link, clock)
    clock.now = 40.0
    consumer.ready(0)
    answer = BaseCommand(type=BaseCommand.CONSUMER_STATS_RESPONSE)
    answer.consumerStatsResponse.msgBacklog = 5
    answer.consumerStatsResponse.unackedMessages = unacknowledged
    answer.consumerStatsResponse.availablePermits = 50
    link.frames.append(Frame(answer, b""))
    received(consumer)
    assert (consumer.silence is not None) == silent
