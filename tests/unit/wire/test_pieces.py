"""Messages in pieces are put together, from many senders at once; a message that lacks a piece is given up whole."""

from collections.abc import Sequence

import pytest

from alpes_wire.message import Entry, Message, MessageId
from alpes_wire.pieces import FAR, MAX_MESSAGE_BYTES, MAX_WAITING_BYTES, MOST_LOOKS, PATIENCE_S, Pieces, is_piece
from alpes_wire.protocol_pb2 import KeyValue
from tests.unit.wire.entries import entry, metadata, piece


def added(pieces: Pieces, *entries: Entry, now: float = 0.0) -> list[Message]:
    return [message for entry in entries for message in pieces.add(entry, now)]


def test_a_message_is_whole_with_its_last_piece_whatever_the_order() -> None:
    pieces = Pieces()
    first, second, third = (piece(b"u", n, 3, b"abc"[n : n + 1], at=10 + n) for n in range(3))
    assert added(pieces, third, first) == []
    (message,) = added(pieces, second)
    assert (message.data(), message.problem) == (b"abc", "")
    assert message.entries == (first, second, third)
    assert message.message_id().entry == 10
    assert len(pieces) == 0


def test_thirty_senders_at_once_are_no_matter() -> None:
    pieces = Pieces()
    assert added(pieces, *(piece(b"%d" % n, 0, 2, b"a") for n in range(30))) == []
    assert [m.data() for m in added(pieces, *(piece(b"%d" % n, 1, 2, b"b") for n in range(30)))] == [b"ab"] * 30


def test_a_piece_that_comes_twice_counts_once_and_is_done_twice() -> None:
    pieces = Pieces()
    entries = [piece(b"u", 0, 2, b"a", at=1), piece(b"u", 0, 2, b"a", at=2), piece(b"u", 1, 2, b"b", at=3)]
    (message,) = added(pieces, *entries)
    assert message.data() == b"ab"
    assert set(message.entries) == set(entries)


def test_an_orphan_is_given_up_after_a_while() -> None:
    pieces = Pieces()
    orphan = piece(b"u", 1, 3, b"rest")
    assert added(pieces, orphan, now=100.0) == []
    assert list(pieces.overdue(100.0 + PATIENCE_S - 0.1)) == []
    (message,) = pieces.overdue(100.0 + PATIENCE_S)
    assert (message.data(), message.entries) == (b"rest", (orphan,))
    assert message.problem == "only piece 2 of 3 pieces of a message: the others did not come within 10 s"
    assert list(pieces.overdue(1e9)) == []


def test_a_message_that_is_too_large_is_given_up_at_once() -> None:
    pieces = Pieces()
    half = b"x" * (MAX_MESSAGE_BYTES // 2 + 1)
    (message,) = added(pieces, piece(b"u", 0, 9, half), piece(b"u", 1, 9, half))
    assert "of more than 8,000,000 bytes" in message.problem
    assert len(message.entries) == 2
    assert len(pieces) == 0


def test_a_flood_of_pieces_is_bounded_and_the_longest_waiting_goes_first() -> None:
    pieces = Pieces()
    given_up = added(pieces, *(piece(b"%d" % n, 0, 2, b"x" * 3_990_000, at=n) for n in range(12)))
    assert [message.entries[0].id.entry for message in given_up] == [0, 1, 2, 3]
    assert all("too many others" in message.problem for message in given_up)


def test_a_piece_with_a_number_that_cannot_be_is_given_up_at_once() -> None:
    for number in (-1, 3, 2**31 - 1):
        (message,) = added(Pieces(), piece(b"u", number, 3))
        assert message.problem == f"piece {number} of a message of 3 pieces"


@pytest.mark.parametrize("count", [-1, 0, 2, 2**31 - 1])
def test_a_piece_that_says_it_is_a_batch_does_not_wait_for_others(count: int) -> None:
    meta = metadata(uuid=b"u", chunk_id=0, num_chunks_from_msg=2, num_messages_in_batch=count)
    (message,) = added(Pieces(), entry(meta, b"x"))
    assert message.problem == f"piece 0 of a message, and a batch of {count:,}"


def test_the_only_piece_is_a_message() -> None:
    assert not is_piece(piece(b"u", 0, 1))
    assert is_piece(piece(b"u", 0, 2))


@pytest.mark.parametrize(("number", "count"), [(1, 1), (0, 0), (5, 0), (0, -1), (-1, 1)])
def test_an_impossible_piece_is_one_all_the_same_since_the_broker_keeps_it_back(number: int, count: int) -> None:
    impossible = piece(b"u", number, count)
    assert is_piece(impossible)
    (message,) = added(Pieces(), impossible)
    assert message.problem == f"piece {number} of a message of {count} pieces"


def test_what_the_topic_has_of_a_message_completes_it_wherever_that_went() -> None:
    asked: list[list[Entry]] = []

    def others(some: Sequence[Entry]) -> tuple[list[Entry], tuple[int, int]]:
        asked.append(list(some))
        there = [piece(b"u", number, 3, b"%d" % number, at=20 + number) for number in (0, 1, 2)]
        return [*there, piece(b"w", 1, 2)], FAR

    pieces = Pieces(others)
    assert added(pieces, piece(b"u", 1, 3, b"1", at=21), piece(b"v", 0, 2, at=30)) == []
    found = list(pieces.overdue(PATIENCE_S + 1))
    assert [each.metadata.uuid for some in asked for each in some] == [b"u", b"v"]
    assert (found[0].data(), found[0].problem) == (b"012", "")
    assert "piece 1 of 2" in found[1].problem
    assert len(pieces) == 0


def test_what_was_not_looked_for_far_enough_waits_once_more_and_not_for_ever() -> None:
    pieces = Pieces(lambda _: ((), (7, 3)))
    added(pieces, piece(b"near", 0, 2, at=3), piece(b"far", 0, 3, at=2), piece(b"far", 1, 3, at=4))
    added(pieces, piece(b"beyond", 0, 2, at=5))
    (message,) = pieces.overdue(PATIENCE_S)
    assert message.entries[0].id.entry == 3
    assert list(pieces.overdue(2 * PATIENCE_S - 1)) == []
    found: list[Message] = []
    for look in range(2, MOST_LOOKS + 1):
        found = list(pieces.overdue(look * PATIENCE_S))
        assert len(found) == (look == MOST_LOOKS)
    assert found[0].entries[0].id.entry == 2
    assert list(pieces.overdue(9 * PATIENCE_S)) == [], "nobody has looked there yet"


@pytest.mark.parametrize(("held", "whole"), [(2, b"NEW0NEW1"), (1, b"OLD0OLD1"), (3, b"NEW0NEW1")])
def test_of_one_name_used_again_the_pieces_that_belong_together_are_taken(held: int, whole: bytes) -> None:
    there = [
        piece(b"u", number, 2, b"%s%d" % (name, number), at=at + number)
        for name, at in ((b"OLD", 1), (b"NEW", 50))
        for number in (0, 1)
    ]
    pieces = Pieces(lambda _: (there, FAR))
    added(pieces, there[held])
    (message,) = pieces.overdue(PATIENCE_S)
    assert (message.data(), message.problem) == (whole, "")


def test_two_messages_of_one_name_are_never_put_together() -> None:
    old, new = piece(b"u", 0, 2, b"OLD", at=1), piece(b"u", 0, 2, b"NEW", at=5)
    found = added(Pieces(), old, new, piece(b"u", 1, 2, b" end", at=6))
    assert [message.data() for message in found] == [b"OLD", b"NEW end"]
    assert "another message came under the same name" in found[0].problem


def test_nor_are_two_messages_of_one_sender_that_each_lack_what_the_other_has() -> None:
    first, last = piece(b"u", 0, 2, b"OLD", at=1), piece(b"v", 1, 2, b"NEW", at=2)
    pieces = Pieces(lambda _: ([first, last], FAR))
    assert added(pieces, first, last) == []
    found = list(pieces.overdue(PATIENCE_S))
    assert [(message.data(), message.entries) for message in found] == [(b"OLD", (first,)), (b"NEW", (last,))]
    assert all("the others did not come" in message.problem for message in found)


def test_metadata_count_as_bytes() -> None:
    pieces = Pieces()
    large = [KeyValue(key=b"k", value=b"v" * 4_000_000)]
    given_up: list[Message] = []
    for n in range(12):
        meta = metadata(uuid=b"%d" % n, chunk_id=0, num_chunks_from_msg=2, properties=large)
        given_up += pieces.add(entry(meta, b"", MessageId(7, n, 0)), 0.0)
    assert len(given_up) == 12 - MAX_WAITING_BYTES // 4_000_000 + 1
