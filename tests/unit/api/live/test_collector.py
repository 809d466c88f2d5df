"""Recorded events become figures, and letters that lay there before are found."""

import json
import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest

from alpes_wire.message import Entry
from api.live import scan
from api.live.collector import LETTERS_PER_S, Collector
from api.live.letters import KEPT
from connection.admin import Admin
from connection.client import Client
from connection.errors import ForbiddenError
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from tests.unit.connection.fake_pulsar import FakePulsar, sent
from tests.unit.wire.entries import batch

GOLDEN = Path(__file__).parents[3] / "contract" / "golden"
NOW_NS = time.time_ns()
LETTER = {"error.type": "invalid", "error.message": "total_cents is -5", "error.function": "ordenes"}


def golden_bytes(name: str) -> bytes:
    """Return an event as it was recorded."""
    return bytes.fromhex(json.loads((GOLDEN / f"{name}.json").read_text())["hex"])


@pytest.fixture
def collector() -> Collector:
    """A collector that was not started: a test hands it what topics would."""
    return Collector("pulsar://127.0.0.1:1", "http://127.0.0.1:1", lambda _new: None)


def came(collector: Collector, entry: Entry, second: int = 0) -> None:
    collector._orders_came("orden-actualizada", entry, NOW_NS + second * 1_000_000_000)


@pytest.mark.parametrize("name", ["orden-actualizada.1", "orden-actualizada.2", "orden-actualizada.2-line-alone"])
def test_recorded_events_of_every_version_become_figures(collector: Collector, name: str) -> None:
    recorded = golden_bytes(name)
    event = OrdenActualizada.FromString(recorded)
    came(collector, batch(recorded, recorded))
    collector._tail = cast("Any", _Connected())
    new = collector._end_second(int(time.time()))
    assert new["headline"]["outcomes"][0]["orders"] + new["headline"]["outcomes"][1]["orders"] == 2
    assert [each["id"] for each in new["orders"]] == [event.id] * 2
    assert new["orders"][0]["amount"].endswith(f" {event.currency}")


def test_what_cannot_be_decoded_counts_and_harms_nothing_else(collector: Collector) -> None:
    came(collector, batch(b"\xff\xff", golden_bytes("orden-actualizada.2")))
    collector._tail = cast("Any", _Connected())
    new = collector._end_second(int(time.time()))
    assert new["point"]["ended"] == 2
    assert len(new["orders"]) == 1


class _Connected:
    connected = True


def test_at_five_thousand_a_second_a_fifth_is_decoded_and_all_are_counted(collector: Collector) -> None:
    recorded = golden_bytes("orden-actualizada.2")
    for second in range(3):
        for _ in range(20):
            came(collector, batch(*[recorded] * 250), second)
    collector._tail = cast("Any", _Connected())
    new = collector._end_second(int(time.time()))
    assert sum(each["orders"] for each in new["headline"]["outcomes"]) == pytest.approx(15_000, abs=1_500)
    assert new["headline"]["every"] == 5


def test_a_second_in_which_the_topic_was_not_read_is_unknown(collector: Collector) -> None:
    assert collector._end_second(int(time.time()))["point"]["ended"] is None
    assert collector.snapshot()["problems"]["topics"] == "not connected yet"


def letters(number: int) -> FakePulsar:
    pulsar = FakePulsar(
        {
            "crear-orden-DLQ": [sent(n, f"k{n}", properties=LETTER, published_ms=n) for n in range(number)],
            "orden-actualizada": [],
            "dlq-bitacora": [sent(0, "crear-orden:0:1:1")],
        },
        {"crear-orden-DLQ-partition-0/internalStats": {"ledgers": [{"ledgerId": 1, "entries": number}]}},
    )
    pulsar.answers["dlq-bitacora-partition-0/messageid/1"] = {"ledgerId": 1, "entryId": -1}
    return pulsar


def scanned(pulsar: FakePulsar) -> scan.Scan:
    return scan.waiting_letters(cast("Client", pulsar), cast("Admin", pulsar), threading.Event())


def test_letters_that_wait_are_found_and_those_that_were_dealt_with_are_not() -> None:
    found = scanned(letters(3))
    assert [(each.id, each.key, each.error) for each in found.letters] == [
        ("crear-orden:0:1:0", "k0", "invalid"),
        ("crear-orden:0:1:2", "k2", "invalid"),
    ]
    assert not found.older


def test_of_many_letters_the_newest_are_read_and_it_is_said_that_there_are_older_ones() -> None:
    found = scanned(letters(KEPT + 10))
    assert (len(found.letters), found.letters[0].id) == (KEPT, "crear-orden:0:1:10")
    assert found.older


def test_a_flood_of_letters_is_counted(collector: Collector) -> None:
    flood = letters(LETTERS_PER_S + 50).open_reader("persistent://alpes/tienda/crear-orden-DLQ-partition-0")
    while (message := flood.read(0)) is not None:
        collector._letter_came("crear-orden-DLQ", cast("Any", message), NOW_NS)
    shown = collector.snapshot()["letters"]
    assert (shown["waiting"], shown["passed_over"]) == (LETTERS_PER_S, 50)


class _Figures:
    """Pulsar's figures for a role that may not list functions."""

    def sent_per_s(self) -> float:
        return 42.0

    def functions(self) -> list[Any]:
        raise ForbiddenError("this role may not list functions")


def test_what_cannot_be_read_leaves_the_rest_known_and_is_told_without_a_break(collector: Collector) -> None:
    figures = cast("Any", _Figures())
    for _ in range(2):
        collector._read_sent(figures)
        collector._read_functions(figures)
        collector._read_sent(figures)
        new = collector._end_second(int(time.time()))
        assert new["point"]["sent"] == 42.0
        assert new["problems"]["functions"] == "this role may not list functions"


def test_what_was_sent_long_ago_is_not_told_as_new(collector: Collector) -> None:
    collector._sent_per_s = (42.0, time.monotonic() - 10)
    assert collector._end_second(int(time.time()))["point"]["sent"] is None
