"""Where to start reading so that only the newest entries of a topic are read, and what a deleted partition has."""

from typing import Any, cast

import pytest

from alpes_wire import EARLIEST, MessageId, WireError
from connection.admin import Admin
from connection.client import Client
from connection.reading import Partition, Position, read, start_of_newest

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
    assert list(read(cast("Client", _Client(said)), partition)) == []
    with pytest.raises(WireError, match="connection refused"):
        list(read(cast("Client", _Client("connection refused")), partition))
