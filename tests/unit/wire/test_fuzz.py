"""No entry raises, whatever its bytes, and each is acknowledged once, with the last of its messages."""

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpes_wire import Consumer, Endpoint, Message, MessageId
from alpes_wire.compression import decompressed
from alpes_wire.errors import Unreadable
from alpes_wire.message import Entry
from alpes_wire.pieces import Pieces
from alpes_wire.unpacking import entry_of
from tests.fuzz.entries import COMPRESSIONS, cases
from tests.unit.wire.entries import piece


def drawn(seed: int, number: int = 30) -> list[Entry]:
    """Return entries as the broker would pass them on, apart from what it adds and leaves out itself."""
    random = Random(seed)
    drafts = cases(random, 1_700_000_000_000, lambda: random.randbytes(random.randrange(60)))
    bodies = [draft.raw().body() for _ in range(number) for draft in next(drafts)]
    return [entry_of(MessageId(1, n, 0), body) for n, body in enumerate(bodies)]


def taken(entries: Sequence[Entry]) -> tuple[Consumer, list[Message]]:
    """Return what a consumer that never connects makes of entries, the last pieces included."""
    consumer = Consumer(Endpoint("pulsar://nowhere"), "persistent://a/b/c-partition-0", "s")
    consumer._pieces = Pieces()
    messages = [message for entry in entries for message in consumer._messages(entry)]
    messages += consumer._pieces.overdue(math.inf)
    return consumer, messages


def acknowledged(consumer: Consumer) -> Counter[MessageId]:
    return Counter(consumer._done)


def check(entries: Sequence[Entry], random: Random) -> None:
    consumer, messages = taken(entries)
    for message in messages:
        assert isinstance(message.data(), bytes)
        assert isinstance(message.publish_timestamp(), int)
        assert str(message.message_id())
    left = Counter(entry.id for message in messages for entry in message.entries)
    random.shuffle(messages)
    for message in messages:
        consumer.acknowledge(message)
        consumer.acknowledge(message)
        for entry in message.entries:
            left[entry.id] -= 1
            assert (entry.id in acknowledged(consumer)) == (left[entry.id] == 0)
    assert acknowledged(consumer) == Counter(entry.id for entry in entries)


@given(st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_mutated_entries_are_each_acknowledged_once_when_all_of_them_is_done(seed: int) -> None:
    check(drawn(seed), Random(seed))


@given(st.lists(st.tuples(st.integers(-2, 4), st.integers(2, 3), st.sampled_from([b"u", b"v"])), max_size=12))
def test_pieces_in_any_order_number_and_mixture_are_each_acknowledged_once(some: list[tuple[int, int, bytes]]) -> None:
    check([piece(uuid, number, count, at=at) for at, (number, count, uuid) in enumerate(some, 1)], Random(1))


@pytest.mark.parametrize("kind", range(1, 5))
@given(data=st.binary(max_size=300), seed=st.integers(0, 2**32), size=st.integers(0, 2_000))
def test_what_was_compressed_and_is_damaged_is_decompressed_or_unreadable(
    kind: int, data: bytes, seed: int, size: int
) -> None:
    random = Random(seed)
    damaged = bytearray(COMPRESSIONS[kind](data * 3))
    for _ in range(random.randrange(1, 6)):
        damaged[random.randrange(len(damaged))] = random.randrange(256)
    for said in {size, len(data) * 3}:
        with contextlib.suppress(Unreadable):
            assert len(decompressed(bytes(damaged), kind, said)) == said
