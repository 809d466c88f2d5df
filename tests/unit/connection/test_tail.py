"""Where a tail begins in a topic that could not be opened at once."""

import threading
from typing import Any, cast

import pytest

from alpes_wire import EARLIEST, LATEST, MessageId, WireError
from connection import tail
from connection.client import Client


class _Reader:
    connected = True

    def read(self, seconds: float) -> str | None:
        threading.Event().wait(seconds)
        return None

    def entry(self, _seconds: float) -> str:
        return "an entry"

    def close(self) -> None:
        pass


class _Refusing:
    """A client that opens a reader only after some failed attempts."""

    def __init__(self, *refusals: str) -> None:
        self._refusals = list(refusals)
        self.starts: list[MessageId] = []
        self.opened = threading.Event()

    def get_topic_partitions(self, topic: str) -> list[str]:
        return [topic]

    def open_reader(self, _partition: str, start: MessageId) -> _Reader:
        self.starts.append(start)
        if self._refusals:
            raise WireError(self._refusals.pop(0))
        self.opened.set()
        return _Reader()


@pytest.mark.parametrize(
    ("refusals", "starts"),
    [
        ([], [LATEST]),
        (["the broker can't be reached"] * 2, [LATEST] * 3),
        (["t: the broker refused: Topic t does not exist"], [LATEST, EARLIEST]),
        (["t: Topic not found", "the broker can't be reached"], [LATEST, EARLIEST, EARLIEST]),
        (["the broker can't be reached", "t: Topic not found"], [LATEST, LATEST, EARLIEST]),
    ],
)
def test_only_a_topic_that_was_missing_is_read_from_its_start(
    refusals: list[str], starts: list[MessageId], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "PAUSE_AFTER_ERROR_S", 0.01)
    monkeypatch.setattr(tail, "WAIT_S", 0.01)
    client = _Refusing(*refusals)
    handed: list[Any] = []
    with tail.Tail(cast("Client", client), ["crear-orden"], lambda *message: handed.append(message)):
        assert client.opened.wait(10)
    assert client.starts == starts
    assert handed == []


def test_a_partition_that_is_added_is_read_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "NEW_PARTITIONS_S", 0.01)
    monkeypatch.setattr(tail, "WAIT_S", 0.01)
    found, opened = ["p-0"], list[tuple[str, MessageId]]()

    class Growing:
        def get_topic_partitions(self, _topic: str) -> list[str]:
            return list(found)

        def open_reader(self, partition: str, start: MessageId) -> _Reader:
            opened.append((partition, start))
            return _Reader()

    with tail.Tail(cast("Client", Growing()), ["crear-orden"], lambda *_: None) as under_test:
        found.append("p-1")
        while len(opened) < 2:
            threading.Event().wait(0.01)
        assert under_test.connected
    assert opened == [("p-0", LATEST), ("p-1", EARLIEST)]


def test_an_entry_tail_hands_over_entries_and_says_whether_every_partition_is_read() -> None:
    handed: list[Any] = []
    some = threading.Event()

    def handle(topic: str, entry: Any, _arrived_ns: int) -> None:
        handed.append((topic, entry))
        some.set()

    entries = tail.EntryTail(cast("Client", _Refusing()), ["orden-actualizada"], handle)
    with entries:
        assert some.wait(10)
        assert entries.connected
    assert handed[0] == ("orden-actualizada", "an entry")
    refused = tail.EntryTail(cast("Client", _Refusing("the broker can't be reached")), ["t"], handle)
    assert not refused.connected
