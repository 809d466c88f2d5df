"""Some messages of an entry are the same as those that unpacking it gives, whatever the entry is."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_wire import messages_in, sample
from alpes_wire.message import Entry
from alpes_wire.protocol_pb2 import ZLIB
from alpes_wire.unpacking import unpacked
from tests.unit.wire.entries import batch, entry, in_batch, metadata, piece


def taken(read: Entry, first: int = 0, every: int = 1) -> list[tuple[bytes, int]]:
    return [(message.data(), message.message_id().place) for message in sample(read, first, every)]


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=40), st.integers(0, 60), st.integers(1, 20))
def test_each_kth_message_of_a_batch_is_as_unpacking_gives_it(payloads: list[bytes], first: int, every: int) -> None:
    whole = [(message.data(), message.message_id().place) for message in unpacked(batch(*payloads))]
    assert taken(batch(*payloads), first, every) == whole[first::every]
    assert messages_in(batch(*payloads)) == len(payloads)


def test_a_message_alone_is_taken_or_passed_over() -> None:
    assert taken(entry(metadata(), b"a"), 0, 7) == [(b"a", -1)]
    assert taken(entry(metadata(), b"a"), 3, 7) == []
    assert messages_in(entry(metadata(), b"a")) == 1


def test_a_compressed_batch_is_decompressed() -> None:
    payload = b"".join(map(in_batch, (b"a", b"b", b"c")))
    meta = metadata(num_messages_in_batch=3, compression=ZLIB, uncompressed_size=len(payload))
    assert taken(entry(meta, zlib.compress(payload)), 1, 2) == [(b"b", 1)]


@pytest.mark.parametrize(
    "unreadable",
    [
        entry(b"\xff\xff", b"x"),
        entry(metadata(num_messages_in_batch=3), b"\x00\x00"),
        batch(b"a", b"b", count=2**31 - 1),
        entry(metadata(num_messages_in_batch=2, compression=ZLIB, uncompressed_size=9), b"no zlib"),
        piece(b"u", 0, 2),
    ],
    ids=["metadata", "cut off", "impossible claim", "compression", "a piece"],
)
def test_what_cant_be_read_is_left_out_and_costs_little(unreadable: Entry) -> None:
    assert taken(unreadable, 1, 5) == []
    assert taken(unreadable, 0, 1) == []
    assert messages_in(unreadable) <= 3


def test_of_a_message_in_pieces_the_last_piece_counts() -> None:
    assert [messages_in(piece(b"u", number, 3)) for number in range(3)] == [0, 0, 1]
