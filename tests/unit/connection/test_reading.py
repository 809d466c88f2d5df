"""Where to start reading so that only the newest entries of a topic are read, and when all of a partition is read."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from alpes_wire import EARLIEST, MessageId, WireError
from connection.admin import Admin
from connection.client import Client
from connection.errors import PartlyReadError
from connection.reading import Partition, Position, read, start_of_newest
from tests.simulation.broker import Message, Reader
from tests.unit.connection.fake_pulsar import sent

LEDGERS = [{"ledgerId": 3, "entries": 10}, {"ledgerId": 5, "entries": 4}, {"ledgerId": 9, "entries": 0}]


class _Admin:
    def get(self, _path: str) -> Any:
        return {"ledgers": LEDGERS}


@pytest.mark.parametrize(
    ("last", "entries", "start"),
    [
        (7, 5, MessageId(9, 3)),
        (7, 8, MessageId(9, 0)),
        (7, 10, MessageId(5, 2)),
        (7, 12, MessageId(5, 0)),
        (7, 15, MessageId(3, 7)),
        (7, 22, EARLIEST),
        (7, 50, EARLIEST),
        (-1, 3, MessageId(5, 1)),
    ],
)
def test_at_most_so_many_of_the_newest_entries_are_read(last: int, entries: int, start: MessageId) -> None:
    partition = Partition("t", "persistent://alpes/tienda/t", -1, Position(9, last))
    assert start_of_newest(cast("Admin", _Admin()), partition, entries) == start


class _Client:
    def __init__(self, said: str) -> None:
        self.said = said

    def open_reader(self, _partition: str, _start: MessageId) -> None:
        raise WireError(self.said)


@pytest.mark.parametrize(
    "said", ["t: the broker refused: Topic not found", "t: the broker refused: Topic c-partition-0 does not exist"]
)
def test_a_partition_that_was_deleted_since_it_was_listed_has_no_messages(said: str) -> None:
    partition = Partition("t", "persistent://alpes/tienda/t-partition-0", 0, Position(9, 1))
    assert list(read(cast("Client", _Client(said)), cast("Admin", _Admin()), partition)) == []
    with pytest.raises(WireError, match="connection refused"):
        list(read(cast("Client", _Client("connection refused")), cast("Admin", _Admin()), partition))


class _Silent:
    """A broker that sends some messages and then nothing, and says up to where it has read for each reader in turn."""

    def __init__(self, messages: Sequence[Message], *read_to: str) -> None:
        self.messages = messages
        self.read_to = list(read_to)

    def open_reader(self, _partition: str, start: MessageId) -> Reader:
        return Reader([each for each in self.messages if start == EARLIEST or each.place[:2] >= start[:2]])

    def find(self, _path: str) -> Any:
        return {"cursors": {"reader": {"readPosition": self.read_to.pop(0)}} if self.read_to else {}}


PARTITION = Partition("t", "persistent://alpes/tienda/t-partition-0", 0, Position(7, 9))


@pytest.mark.parametrize("messages", [[], [sent(0, ledger=5), sent(1, ledger=5)]])
def test_what_the_broker_has_read_and_withholds_is_not_missing(messages: list[Any]) -> None:
    broker: Any = _Silent(messages, "7:10", "9:0")
    assert list(read(broker, broker, PARTITION)) == messages


@pytest.mark.parametrize(
    ("messages", "read_to", "where"),
    [
        ([], ["7:0", "7:0"], "its start"),
        ([sent(0, ledger=5), sent(1, ledger=5)], ["7:9", "7:9"], "5:1"),
        ([sent(0, ledger=5)], ["7:10", "7:0"], "5:0"),
        ([sent(0, ledger=5)], [], "5:0"),
    ],
)
def test_what_the_broker_cannot_read_is_missing(messages: list[Any], read_to: list[str], where: str) -> None:
    broker: Any = _Silent(messages, *read_to)
    with pytest.raises(PartlyReadError, match=f"t-partition-0 could not be read to its end at 7:9, only to {where}:"):
        list(read(broker, broker, PARTITION))
