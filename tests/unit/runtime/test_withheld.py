"""Messages whose events are too large for the broker wait, and everything else goes on."""

import sys

import pytest

from alpes_runtime import _withheld as module
from alpes_runtime._dead_letter import dead_letter, smaller
from alpes_runtime._message import Event
from alpes_runtime._publisher import event_bytes
from alpes_runtime._withheld import Withheld
from alpes_runtime.errors import PublishFailed
from alpes_runtime.testing import Acknowledged, FakeClock
from alpes_wire.names import ERROR_MESSAGE, OMITTED, SOURCE_MESSAGE_ID, SOURCE_TOPIC
from tests.fakes import FakePublisher
from tests.unit.runtime.parts import OUT, instance_context, received, recorded

LONG = 5_000


class Group:
    """A group of messages with their events, some of which are refused."""

    def __init__(self, *sizes: int, takes: int = 1_000) -> None:
        self.publisher, self.clock = FakePublisher(), FakeClock()
        self.publisher.takes = takes
        self.acknowledged = Acknowledged()
        self.messages = [received(b"%d" % n, acknowledger=self.acknowledged) for n in range(len(sizes))]
        self.caused = [[Event(OUT, f"{n}", b"x" * size)] for n, size in enumerate(sizes)]
        self.context = instance_context(clock=self.clock)
        self.withheld = Withheld(self.context, self.publisher)

    def add(self) -> int:
        return self.withheld.add(
            self.messages,
            self.caused,
            [event for events in self.caused for event in events if event_bytes(event) > self.publisher.takes],
        )

    def done(self) -> list[bytes]:
        return [message.payload for message in self.acknowledged]


def test_the_others_are_acknowledged_and_the_withheld_ones_are_not() -> None:
    group = Group(10, LONG, 10)
    assert group.add() == 2
    assert group.done() == [b"0", b"2"]
    assert len(group.withheld) == 1


def test_it_is_tried_again_after_a_pause_and_acknowledged_once_it_is_taken() -> None:
    group = Group(10, LONG)
    group.add()
    assert not group.withheld.due
    group.clock.now += 1.0
    assert group.withheld.due
    assert group.withheld.try_again() == 0
    assert not group.withheld.due
    group.publisher.takes = sys.maxsize
    group.clock.now += 1.0
    assert group.withheld.try_again() == 1
    assert group.done() == [b"0", b"1"]
    assert len(group.withheld) == 0
    group.clock.now += 10.0
    assert not group.withheld.due


def test_a_broker_that_is_away_meanwhile_changes_nothing() -> None:
    group = Group(LONG)
    group.add()
    group.publisher.fail()
    assert group.withheld.try_again() == 0
    assert (len(group.withheld), group.done()) == (1, [])


def test_only_what_is_still_refused_waits_on() -> None:
    group = Group(LONG, 2_000, 3_000)
    group.add()
    group.publisher.takes = 2_500
    assert group.withheld.try_again() == 1
    assert group.done() == [b"1"]
    assert len(group.withheld) == 2


def test_a_message_with_several_events_waits_for_all_of_them() -> None:
    group = Group(LONG)
    group.caused = [[Event(OUT, "0", b"x"), Event(OUT, "0", b"x" * LONG), Event(OUT, "0", b"x" * 2 * LONG)]]
    group.add()
    group.publisher.takes = LONG + 200
    assert group.withheld.try_again() == 0
    assert group.done() == []
    group.publisher.takes = sys.maxsize
    assert group.withheld.try_again() == 1
    assert [len(event.payload) for event in group.publisher.published] == [LONG, 2 * LONG]


def test_it_is_told_which_topic_something_is_withheld_for_and_when_nothing_is_any_more() -> None:
    group = Group(LONG, LONG)
    group.add()
    assert recorded(group.context, "stuck.orden-creada") == [1]
    group.publisher.takes = sys.maxsize
    group.withheld.try_again()
    assert recorded(group.context, "stuck.orden-creada") == [1, -1]


@pytest.mark.parametrize("bound", ["MOST_MESSAGES", "MOST_BYTES"])
def test_it_is_full_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(module, bound, {"MOST_MESSAGES": 2, "MOST_BYTES": 2 * LONG}[bound])
    group = Group(LONG, LONG)
    assert not group.withheld.full
    group.add()
    assert group.withheld.full


def letter(payload: bytes, properties: dict[str, str] | None = None) -> Event:
    return dead_letter(received(payload, key="k" * 300, properties=properties), "invalid", "r" * 900, "ordenes")


def test_a_dead_letter_that_is_refused_goes_without_its_payload_and_its_message_is_done() -> None:
    group = Group(LONG, takes=6_000)
    group.caused = [[letter(b"x" * LONG, {"own": "1"})]]
    assert group.add() == 1
    (form,) = group.publisher.published
    assert (form.payload, (form.properties or {})[OMITTED], (form.properties or {})["own"]) == (b"", str(LONG), "1")
    assert len(group.withheld) == 0


def test_one_that_is_refused_also_without_its_payload_goes_with_the_least_that_finds_its_message() -> None:
    group = Group(LONG, takes=6_000)
    group.caused = [[letter(b"x" * LONG, {"own": "y" * 2_000})]]
    assert group.add() == 1
    (form,) = group.publisher.published
    properties = form.properties or {}
    assert "own" not in properties
    assert {SOURCE_TOPIC, SOURCE_MESSAGE_ID, OMITTED} <= properties.keys()
    assert len(properties[ERROR_MESSAGE]) == 500


def test_one_that_is_refused_even_so_is_withheld() -> None:
    group = Group(LONG, takes=10)
    group.caused = [[letter(b"x" * LONG)]]
    assert group.add() == 0
    assert len(group.withheld) == 1


def test_other_events_have_no_smaller_form() -> None:
    assert smaller(Event(OUT, "k", b"x" * LONG)) is None
    assert smaller(Event(OUT, "k", b"x" * LONG, {"attempt": "2"})) is None


def test_where_a_smaller_letter_cant_be_published_the_group_stays_whole() -> None:
    group = Group(LONG, 10, takes=3_000)
    group.caused[0] = [letter(b"x" * LONG)]
    group.publisher.fail()
    with pytest.raises(PublishFailed):
        group.add()
    assert (group.done(), len(group.withheld)) == ([], 0)


def test_what_comes_again_takes_the_place_of_what_was_withheld() -> None:
    group = Group(LONG)
    for _ in range(5):
        group.add()
    assert len(group.withheld) == 1
