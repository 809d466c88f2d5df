"""What the runtime reads from a message, and what it publishes about a failed one."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime._dead_letter import MAX_INHERITED_BYTES, MAX_REASON_CHARS, dead_letter, retry
from alpes_runtime._intake import Inputs
from alpes_runtime._message import MAX_EVENT_BYTES, Event, Received, local_name, without_partition
from alpes_runtime._publisher import MAX_ENTRY_BYTES, entries, event_bytes
from alpes_runtime.testing import Acknowledged, FakeMessage
from tests.unit.runtime.parts import OTHER, RETRY, TOPIC, received

# The broker's: maxMessageSize, metadata included.
BROKER_LIMIT = 5 * 1024 * 1024

FUNCTION = "ordenes"


@pytest.mark.parametrize(
    ("topic", "base", "local"),
    [
        (TOPIC, TOPIC, "crear-orden"),
        (f"{TOPIC}-partition-0", TOPIC, "crear-orden"),
        (f"{TOPIC}-partition-12", TOPIC, "crear-orden"),
        (f"{TOPIC}-partition-", f"{TOPIC}-partition-", "crear-orden-partition-"),
        (f"{TOPIC}-partition-x", f"{TOPIC}-partition-x", "crear-orden-partition-x"),
        (f"{TOPIC}-partition-1-DLQ", f"{TOPIC}-partition-1-DLQ", "crear-orden-partition-1-DLQ"),
        ("crear-orden", "crear-orden", "crear-orden"),
    ],
)
def test_a_topic_is_known_whatever_its_partition(topic: str, base: str, local: str) -> None:
    assert without_partition(topic) == base
    assert local_name(topic) == local


class NotUtf8(FakeMessage):
    def partition_key(self) -> str:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    def properties(self) -> dict[str, str]:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


def test_a_key_and_properties_that_are_not_utf8_are_none() -> None:
    message = Received("crear-orden", TOPIC, NotUtf8(b"x"), Acknowledged(), retried=True)
    assert (message.key, message.properties, message.attempt) == ("", {}, 1)
    assert Inputs([TOPIC, RETRY], RETRY).received(RETRY, NotUtf8(b"x"), Acknowledged()).role == "ordenes-reintento"


@pytest.mark.parametrize(
    ("text", "attempt"), [("2", 2), ("17", 17), ("", 1), ("x", 1), ("-3", 1), ("²", 1), ("1e3", 1), ("9" * 50, 1)]
)
def test_an_attempt_is_read_only_where_it_is_a_number(text: str, attempt: int) -> None:
    assert received(properties={"attempt": text}, retried=True).attempt == attempt


def test_only_what_came_through_a_retry_topic_says_where_it_came_from() -> None:
    forged = {"attempt": "4", "source.topic": OTHER, "source.message_id": "(9,9,9,9)"}
    inputs = Inputs([TOPIC, OTHER, RETRY], RETRY)
    message = inputs.received(TOPIC, FakeMessage(b"x", own_properties=forged), Acknowledged())
    assert (message.role, message.source_topic, message.attempt) == ("crear-orden", TOPIC, 1)
    assert message.source_message_id == "(1,0,0,-1)"
    letter = dead_letter(message, "invalid", "why", FUNCTION)
    assert letter.topic == f"{TOPIC}-DLQ"
    assert letter.properties is not None
    assert letter.properties["source.topic"] == TOPIC
    assert letter.properties["source.message_id"] == "(1,0,0,-1)"
    assert letter.properties["attempt"] == "1"


@pytest.mark.parametrize("source", [None, RETRY, "persistent://alpes/tienda/orden-creada", ""])
def test_a_retried_message_that_names_no_input_belongs_to_the_retry_topic(source: str | None) -> None:
    properties = {} if source is None else {"source.topic": source}
    inputs = Inputs([TOPIC, RETRY], RETRY)
    message = inputs.received(RETRY, FakeMessage(b"x", own_properties=properties), Acknowledged())
    assert (message.role, message.retried) == ("ordenes-reintento", False)


def test_a_dead_letter_is_the_message_byte_for_byte_and_why() -> None:
    payload = bytes(range(256)) * 3
    letter = dead_letter(received(payload, key="llave", properties={"own": "ñ"}), "conflict", "it differs", FUNCTION)
    assert letter == Event(
        f"{TOPIC}-DLQ",
        "llave",
        payload,
        {
            "own": "ñ",
            "error.type": "conflict",
            "error.message": "it differs",
            "error.function": FUNCTION,
            "source.topic": TOPIC,
            "source.message_id": "(1,0,0,-1)",
            "attempt": "1",
        },
    )


def test_a_retry_keeps_where_the_message_first_came_from_through_every_attempt() -> None:
    inputs = Inputs([TOPIC, OTHER, RETRY], RETRY)
    message = inputs.received(OTHER, FakeMessage(b"x", "k", {"own": "1"}, id="(7,7,0,-1)"), Acknowledged())
    for attempt in (2, 3, 4):
        again = retry(message, RETRY, 250)
        assert again is not None
        assert again.delay_ms == 250
        assert (again.topic, again.key, again.payload) == (RETRY, "k", b"x")
        message = inputs.received(
            RETRY, FakeMessage(again.payload, again.key, again.properties, id=f"(8,{attempt},0,-1)"), Acknowledged()
        )
        assert (message.role, message.source_topic, message.attempt) == ("transaccion-creada", OTHER, attempt)
    letter = dead_letter(message, "early", "never came", FUNCTION)
    assert (letter.topic, letter.delay_ms) == (f"{OTHER}-DLQ", 0)
    assert letter.properties is not None
    assert letter.properties["source.message_id"] == "(7,7,0,-1)"
    assert (letter.properties["attempt"], letter.properties["own"]) == ("4", "1")


def test_a_message_too_big_to_carry_its_reason_is_dead_lettered_by_reference() -> None:
    letter = dead_letter(received(b"x" * MAX_EVENT_BYTES, key="k"), "invalid", "too big", FUNCTION)
    assert (letter.payload, letter.key) == (b"", "k")
    assert letter.properties is not None
    assert letter.properties["payload.omitted"] == str(MAX_EVENT_BYTES)
    assert letter.properties["source.message_id"] == "(1,0,0,-1)"


def test_a_message_too_big_to_be_published_again_has_no_next_attempt() -> None:
    assert retry(received(b"x" * (MAX_EVENT_BYTES - 10)), RETRY, 1) is None


def test_of_a_long_reason_the_end_is_kept() -> None:
    letter = dead_letter(received(), "bug", "start" + "x" * 2 * MAX_REASON_CHARS + "the error itself", FUNCTION)
    assert letter.properties is not None
    assert letter.properties["error.message"].endswith("the error itself")
    assert len(letter.properties["error.message"]) == MAX_REASON_CHARS


def test_a_reason_that_is_no_utf8_is_still_published() -> None:
    letter = dead_letter(received(), "bug", "lone \udc80 surrogate", FUNCTION)
    assert letter.properties is not None
    assert letter.properties["error.message"] == "lone \\udc80 surrogate"


def wire_bytes(event: Event) -> int:
    """What the broker counts, roughly: each property and key with tags and lengths."""
    properties = event.properties or {}
    return (
        len(event.payload)
        + len(event.key.encode())
        + sum(len(k.encode()) + len(v.encode()) + 8 for k, v in properties.items())
        + 300
    )


@given(
    payload_size=st.sampled_from([0, 100, MAX_EVENT_BYTES - 70_000, MAX_EVENT_BYTES - 500, MAX_EVENT_BYTES, 5_240_000]),
    properties=st.dictionaries(st.text(max_size=5), st.text(max_size=200), max_size=5),
    key=st.text(max_size=100),
    reason=st.text(max_size=50).map(lambda text: text * 400),
)
def test_every_dead_letter_fits_into_what_the_broker_takes(
    payload_size: int, properties: Mapping[str, str], key: str, reason: str
) -> None:
    letter = dead_letter(received(b"x" * payload_size, key=key, properties=properties), "bug", reason, FUNCTION)
    assert wire_bytes(letter) < BROKER_LIMIT


def test_so_does_one_with_more_properties_than_anybody_needs() -> None:
    own = {f"{n:x}": "" for n in range(12_000)}
    letter = dead_letter(received(b"x" * (MAX_EVENT_BYTES - 70_000), properties=own), "bug", "why", FUNCTION)
    assert wire_bytes(letter) < BROKER_LIMIT


def test_properties_beyond_measure_are_not_repeated() -> None:
    letter = dead_letter(received(properties={"own": "x" * MAX_INHERITED_BYTES}), "invalid", "why", FUNCTION)
    assert letter.properties is not None
    added = {"error.type", "error.message", "error.function", "source.topic", "source.message_id", "attempt"}
    assert set(letter.properties) == added


EVENTS = st.lists(
    st.builds(
        lambda key, size, properties, delay: Event("t", key, b"x" * size, properties, delay),
        st.text(max_size=8),
        st.sampled_from([0, 10, 1_000, 1_500_000, 4_500_000]),
        st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=3),
        st.sampled_from([0, 0, 0, 500]),
    ),
    max_size=12,
)


@given(events=EVENTS)
def test_entries_hold_every_event_once_in_order_and_within_bounds(events: list[Event]) -> None:
    cut = list(entries(events, MAX_ENTRY_BYTES))
    flat = [event for entry in cut for event in entry]
    assert [event for event in flat if not event.delay_ms] == [event for event in events if not event.delay_ms]
    assert [event for event in flat if event.delay_ms] == [event for event in events if event.delay_ms]
    for entry in cut:
        assert entry
        assert len({bool(event.delay_ms) for event in entry}) == 1
        if len(entry) > 1:
            assert sum(event_bytes(event) for event in entry) <= MAX_ENTRY_BYTES


def test_an_entry_holds_no_more_messages_than_a_producer_may_have_pending() -> None:
    event = Event("t", "k", b"")
    assert [len(entry) for entry in entries([event] * 25_000, MAX_ENTRY_BYTES)] == [10_000, 10_000, 5_000]
    delayed = event._replace(delay_ms=1)
    assert [len(entry) for entry in entries([delayed] * 15_000, MAX_ENTRY_BYTES)] == [10_000, 5_000]


@given(key=st.text(max_size=50), payload=st.binary(max_size=50), properties=st.dictionaries(st.text(), st.text()))
def test_the_size_counted_for_an_event_is_no_less_than_what_it_takes(
    key: str, payload: bytes, properties: dict[str, str]
) -> None:
    taken = len(payload) + len(key.encode()) + sum(len(k.encode()) + len(v.encode()) for k, v in properties.items())
    assert event_bytes(Event("t", key, payload, properties)) >= taken + 8 * len(properties)


def test_a_message_is_acknowledged_where_it_came_from() -> None:
    acknowledged = Acknowledged()
    message: Any = FakeMessage(b"x")
    Received("crear-orden", TOPIC, message, acknowledged).acknowledge()
    assert acknowledged == [message]
