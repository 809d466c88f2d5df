"""Dead letters without Pulsar: ids, histories, choices, and what a terminal shows."""

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime._dead_letter import MAX_INHERITED_BYTES, dead_letter
from operations.dlq import decoding, history
from operations.dlq.letters import Letter, LetterId
from operations.dlq.rendering import as_json
from operations.dlq.selection import Selection
from operations.errors import MistypedError
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from terminal.text import printable
from tests.unit.runtime.parts import received

LETTER = {
    "error.type": "bug",
    "error.message": "Traceback\nValueError: planted",
    "error.function": "ordenes",
    "source.topic": "persistent://alpes/tienda/crear-orden",
    "source.message_id": "(1,2,0,-1)",
    "attempt": "3",
    "payload.omitted": "7",
    "own": "ñ",
}
TOO_BIG = f"crear-orden:0:{2**63}:1"


def letter(topic: str = "crear-orden", **properties: str) -> Letter:
    return Letter(LetterId(topic, 0, 1, 2, 3), "k", b"", {**LETTER, **properties}, 0)


@given(
    st.builds(
        LetterId,
        st.text(string.ascii_letters + "-_.0123456789", min_size=1),
        st.integers(-1, 300),
        st.integers(0, 2**62),
        st.integers(0, 2**62),
        st.integers(-1, 2**31 - 1),
    )
)
def test_a_letters_id_is_read_as_it_is_written(letter_id: LetterId) -> None:
    assert LetterId.parse(str(letter_id)) == letter_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "crear-orden:0:47",
        "crear-orden:0:47:12:3:4",
        "crear-orden:a:1:2",
        "a b:0:1:2",
        TOO_BIG,
        "x:2147483648:1:2",
    ],
)
def test_what_is_no_letters_id_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(MistypedError, match="crear-orden:0:47:12"):
        LetterId.parse(text)


def test_a_replayed_message_has_its_own_properties_and_how_it_failed() -> None:
    assert history.replayed(LETTER, "crear-orden:0:1:2", "2026-01-01T00:00:00+00:00", "ana@host") == {
        "own": "ñ",
        "replay.1.letter": "crear-orden:0:1:2",
        "replay.1.at": "2026-01-01T00:00:00+00:00",
        "replay.1.by": "ana@host",
        "replay.1.error.type": "bug",
        "replay.1.error.message": "Traceback\nValueError: planted",
        "replay.1.error.function": "ordenes",
        "replay.1.attempt": "3",
    }


def fail(properties: dict[str, str], reason: str) -> dict[str, str]:
    """Dead-letter a message with these properties as a function does."""
    failed = dead_letter(received(b"x", properties=properties), "bug", reason, "ordenes")
    assert failed.properties is not None
    return dict(failed.properties)


def test_a_message_that_fails_again_and_again_carries_its_last_failures_and_counts_all() -> None:
    properties: dict[str, str] = {"own": "1"}
    for number in range(1, 31):
        properties = history.replayed(fail(properties, f"failure {number}"), f"crear-orden:0:1:{number}", "now", "me")
    told = history.history(properties)
    assert [replay.number for replay in told] == list(range(21, 31))
    assert [replay.values["error.message"] for replay in told] == [f"failure {number}" for number in range(21, 31)]
    assert told[-1].values["letter"] == "crear-orden:0:1:30"
    assert history.own(properties) == {"own": "1"}


def test_the_longest_history_fits_beside_what_a_dead_letter_repeats() -> None:
    properties: dict[str, str] = {}
    for _ in range(30):
        properties = history.replayed(fail(properties, "\U0001f4a5" * 8000), "x" * 250 + ":0:1:1", "now", "me" * 100)
    assert len(history.history(fail(properties, "once more"))) == history.KEPT


def test_a_message_whose_properties_are_too_big_keeps_its_history() -> None:
    before = history.replayed(fail({}, "first"), "crear-orden:0:1:1", "now", "me")
    properties = fail({**before, "big": "x" * MAX_INHERITED_BYTES}, "second")
    assert "big" not in properties
    assert [replay.values["error.message"] for replay in history.history(properties)] == ["first"]
    assert properties["error.message"] == "second"


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=50), max_size=8))
def test_any_properties_can_be_replayed(properties: dict[str, str]) -> None:
    again = history.replayed(properties, "crear-orden:0:1:1", "now", "me")
    assert history.history(again)[-1].values["letter"] == "crear-orden:0:1:1"
    assert history.own(again) == history.own(properties)


@pytest.mark.parametrize(
    ("selection", "takes"),
    [
        (Selection(), True),
        (Selection(ids={"crear-orden:0:1:2:3"}), True),
        (Selection(ids={"crear-orden:0:1:2:4"}), False),
        (Selection(errors={"early", "bug"}), True),
        (Selection(errors={"early"}), False),
        (Selection(topics={"crear-orden"}), True),
        (Selection(topics={"crear-orden"}, errors={"early"}), False),
    ],
)
def test_a_letter_is_chosen_when_all_that_is_asked_holds(selection: Selection, takes: bool) -> None:
    assert selection.takes(letter()) is takes


def test_a_message_is_shown_by_its_fields_where_its_bytes_are_of_its_type() -> None:
    assert decoding.fields("crear-orden", CrearOrden(id="a", total_cents=0).SerializeToString()) == {
        "id": "a",
        "total_cents": "0",
    }
    assert decoding.fields("crear-orden", b"\xff") is None
    assert decoding.fields("of-somebody-else", b"") is None


def test_bytes_of_no_known_type_are_shown_up_to_a_bound() -> None:
    assert decoding.hexadecimal(b"\x00A") == f"000000  {'00 41':<47}  .A"
    assert decoding.hexadecimal(b"x" * 1000).endswith("… 1,000 bytes in all")


def test_what_others_wrote_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\x9bc\ty\nñ") == "a\\x1b[2Jb\\x9bc\\ty\nñ"


def test_a_letter_as_json_tells_its_history_apart_from_its_own_properties() -> None:
    described = as_json(letter(**{"replay.1.letter": "crear-orden:0:1:1", "replay.1.error.type": "early"}))
    assert described["properties"] == {"own": "ñ"}
    assert described["history"] == [{"number": 1, "letter": "crear-orden:0:1:1", "error.type": "early"}]
    assert (described["error"], described["attempt"], described["payload_omitted"]) == ("bug", "3", True)


def test_a_time_of_publication_that_is_none_is_shown_as_the_number_that_it_is() -> None:
    assert as_json(replace(letter(), published_ms=2**63))["since"] == str(2**63)
