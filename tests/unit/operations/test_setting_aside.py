"""An entry is set aside only where there is one."""

from typing import Any

import pytest

from alpes_wire import MessageId
from operations.dlq.setting_aside import place, set_aside
from operations.errors import MistypedError
from tests.unit.connection.fake_pulsar import FakePulsar, sent

LEDGERS = [{"ledgerId": 3, "entries": 10}, {"ledgerId": 5, "entries": 0}]


class _Pulsar(FakePulsar):
    """A broker that withholds all but entry 5:2, and has deleted ledger 4."""

    def __init__(self) -> None:
        answers = {
            "crear-orden-partition-0/stats": {"subscriptions": {"ordenes": {}}},
            "crear-orden-partition-0/internalStats": {"ledgers": LEDGERS},
        }
        super().__init__({"crear-orden": [sent(2, "k", b"x", ledger=5)], "crear-orden-DLQ": []}, answers)
        self.acknowledged: list[MessageId] = []

    def acknowledge(self, _partition: str, _subscription: str, entry: MessageId) -> None:
        self.acknowledged.append(entry)


@pytest.mark.parametrize(("where", "payload"), [("5:2:0", b"x"), ("5:1:0", b""), ("3:9", b"")])
def test_an_entry_becomes_a_letter_also_where_the_broker_withholds_it(where: str, payload: bytes) -> None:
    pulsar: Any = _Pulsar()
    assert set_aside(pulsar, pulsar, "crear-orden", place(where), "a test") == 1
    assert [sent for sent, _ in pulsar.published["crear-orden-DLQ"]] == [payload]
    assert pulsar.acknowledged == [place(where)]


@pytest.mark.parametrize("where", ["3:10:0", "4:0:0", "1:0", "5:3"])
def test_where_no_entry_is_no_letter_is_made(where: str) -> None:
    pulsar: Any = _Pulsar()
    with pytest.raises(MistypedError, match="crear-orden has no entry"):
        set_aside(pulsar, pulsar, "crear-orden", place(where), "a test")
    assert (pulsar.published, pulsar.acknowledged) == ({}, [])
