"""Any bytes of an entry become messages, and a message that can't be read says why."""

import zlib
from struct import pack

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_wire.message import MessageId
from alpes_wire.protocol_pb2 import LZ4, SNAPPY, ZLIB, ZSTD, EncryptionKeys, KeyValue
from alpes_wire.unpacking import entry_of, unpacked
from tests.unit.wire.entries import ID, batch, body, entry, in_batch, metadata

TEXT = b"an order " * 20


def test_a_message_alone_has_its_key_properties_time_and_place() -> None:
    meta = metadata(partition_key=b"k", properties=[KeyValue(key=b"x", value="ñ".encode())])
    (message,) = unpacked(entry(meta, b"data"))
    assert (message.data(), message.partition_key(), message.properties()) == (b"data", "k", {"x": "ñ"})
    assert (str(message.message_id()), message.publish_timestamp()) == ("(7,3,0,-1)", 1_700_000_000_000)
    assert message.problem == ""


def test_what_the_broker_adds_before_the_metadata_is_passed_over() -> None:
    added = b"\x0e\x02" + pack(">I", 3) + b"abc"
    (message,) = unpacked(entry_of(ID, body(metadata(), b"data", added)))
    assert message.data() == b"data"


def test_a_message_without_a_checksum_is_read() -> None:
    (message,) = unpacked(entry_of(ID, body(metadata(), b"data")[6:]))
    assert message.data() == b"data"


def test_a_batch_is_taken_apart_and_is_done_with_its_last_message() -> None:
    read = batch(b"a", b"", b"c")
    messages = unpacked(read)
    assert [m.data() for m in messages] == [b"a", b"", b"c"]
    assert [str(m.message_id()) for m in messages] == ["(7,3,0,0)", "(7,3,0,1)", "(7,3,0,2)"]
    assert (read.open, read.permits) == (3, 3)


def test_what_was_compacted_away_is_no_message() -> None:
    payload = in_batch(b"", compacted_out=True) + in_batch(b"b") + in_batch(b"all there", compacted_out=True)
    messages = unpacked(entry(metadata(num_messages_in_batch=3), payload))
    assert [m.data() for m in messages] == [b"b", b"all there"]


@pytest.mark.parametrize(
    ("kind", "compressed"),
    [
        (ZLIB, zlib.compress(TEXT)),
        (LZ4, bytes(cramjam.lz4.compress_block(TEXT, store_size=False))),
        (ZSTD, bytes(cramjam.zstd.compress(TEXT))),
        (SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT))),
    ],
)
def test_each_compression_is_undone(kind: int, compressed: bytes) -> None:
    (message,) = unpacked(entry(metadata(compression=kind, uncompressed_size=len(TEXT)), compressed))
    assert (message.data(), message.problem) == (TEXT, "")


@pytest.mark.parametrize("kind", [LZ4, ZLIB, ZSTD, SNAPPY, 9])
@pytest.mark.parametrize("size", [0, 5, len(TEXT), 7_000_000, 2_000_000_000])
def test_what_does_not_decompress_keeps_its_bytes_and_says_so(kind: int, size: int) -> None:
    (message,) = unpacked(entry(metadata(compression=kind, uncompressed_size=size), TEXT))
    assert message.data() == TEXT
    assert "compress" in message.problem


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(b"\0" * 50_000_000)
    (message,) = unpacked(entry(metadata(compression=ZLIB, uncompressed_size=1_000), bomb))
    assert "decompresses to 1,001" in message.problem


def test_an_encrypted_message_names_its_keys() -> None:
    meta = metadata(encryption_keys=[EncryptionKeys(key=b"k\xff1")], num_messages_in_batch=100)
    (message,) = unpacked(entry(meta, b"\x00secret"))
    assert (message.data(), message.problem) == (b"\x00secret", r"encrypted for 'k\\xff1', and there is no key here")


@pytest.mark.parametrize("count", [0, -1, 2**31 - 1])
def test_a_batch_of_an_impossible_number_is_one_unreadable_message(count: int) -> None:
    (message,) = unpacked(batch(b"a", count=count))
    assert "as it says" in message.problem


def test_an_empty_batch_that_says_it_has_five_is_one_unreadable_message() -> None:
    read = batch(count=5)
    (message,) = unpacked(read)
    assert message.problem == "a batch of 5 messages, of which number 1 can't be read"
    assert (read.open, read.permits) == (1, 5)


@pytest.mark.parametrize(
    "rest",
    [
        b"\x00\x00",
        pack(">I", 2**31) + b"x",
        in_batch(b"c", payload_size=99),
        in_batch(b"c", payload_size=-1),
        b"\0\0\0\2\xff\xff",
    ],
)
def test_what_comes_before_the_broken_part_of_a_batch_is_delivered(rest: bytes) -> None:
    read = batch(b"a", b"b", count=5, rest=rest)
    messages = unpacked(read)
    assert [m.data() for m in messages] == [b"a", b"b", rest]
    assert [bool(m.problem) for m in messages] == [False, False, True]
    assert read.open == 3


def test_what_stands_behind_the_last_message_of_a_batch_is_not_lost() -> None:
    messages = unpacked(batch(b"a", rest=b"more"))
    assert [(m.data(), m.problem) for m in messages] == [
        (b"a", ""),
        (b"more", "a batch of 1 messages with 4 bytes behind the last one"),
    ]


@pytest.mark.parametrize("written", [b"", b"\x0e\x01", b"\x0e\x01\0\0\0\0\xff\xff\xff\xff", body(b"\xff\xff", b"data")])
def test_an_entry_without_readable_metadata_keeps_all_its_bytes(written: bytes) -> None:
    (message,) = unpacked(entry_of(ID, written))
    if message.problem:
        assert message.data() == written
    assert (message.partition_key(), message.properties()) == ("", {})


@given(st.binary(max_size=200))
def test_no_bytes_raise(written: bytes) -> None:
    read = entry_of(MessageId(1, 1), written)
    messages = unpacked(read)
    assert read.open == len(messages)
