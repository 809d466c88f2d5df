"""A letter that can't be sent again harms no other: it is named with the reason, and the exit code shows it."""

import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pytest

from connection.errors import UnreachableError
from operations.commands.dlq import _finish
from operations.dlq.actions import ActionResult, discard, replay
from operations.dlq.letters import DeadLetters, Letter, LetterId
from operations.dlq.log import Log
from schemas.tienda.topics import full_name
from tests.simulation.broker import Message
from tests.unit.connection.fake_pulsar import FakePulsar, sent

CREAR_ORDEN = full_name("crear-orden")


def omitted(entry: int, place: str, source: str = CREAR_ORDEN) -> Message:
    """Return a letter that had no room for its message."""
    properties = {"payload.omitted": "7", "source.topic": source, "source.message_id": place}
    return sent(entry, "k", properties=properties)


def replayed(*letters: Message, topic: str = "crear-orden", **more: list[Message]) -> tuple[FakePulsar, ActionResult]:
    """Send these letters and those of other topics again."""
    topics: dict[str, list[Message]] = {
        "crear-orden": [sent(4, "the-key", b"whole"), sent(5, b"\xff", b"no text")],
        "dlq-bitacora": [],
        f"{topic}-DLQ": list(letters),
        **{f"{name}-DLQ": sent for name, sent in more.items()},
    }
    broker = FakePulsar(topics)
    client: Any = broker
    letters_found = DeadLetters(client, client)
    return broker, replay(client, Log(client, client), letters_found, threading.Event(), lambda _number: None)


def test_a_message_that_its_letter_had_no_room_for_comes_from_its_topic() -> None:
    broker, outcome = replayed(omitted(0, "(1,4,0,-1)"), omitted(1, "(1,5,0,-1)"), sent(2, "k2", b"small"))
    assert broker.published["crear-orden"] == [(b"whole", "the-key"), (b"no text", None), (b"small", "k2")]
    assert (outcome.done, outcome.complete) == (3, True)


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (omitted(0, ""), "does not say where its message lies"),
        (omitted(0, "(1,2)"), "does not say where its message lies"),
        (omitted(0, "(99999999999999999999,4,0,-1)"), "does not say where its message lies"),
        (omitted(0, f"({'9' * 5000},4,0,-1)"), "does not say where its message lies"),
        (omitted(0, "(1,4,99999999999,-1)"), "does not say where its message lies"),
        (omitted(0, "(1,3,0,-1)"), "can't be read from crear-orden"),
        (omitted(0, "(1,9,0,-1)"), "can't be read from crear-orden"),
        (omitted(0, "(1,4,7,-1)"), "can't be read from crear-orden"),
        (omitted(0, "(1,4,0,-1)", full_name("orden-creada")), "does not say that its message lies in"),
        (omitted(0, "(1,4,0,-1)", "persistent://another/tenant/secrets"), "does not say that its message lies in"),
        (omitted(0, "(1,4,0,-1)", ""), "does not say that its message lies in"),
    ],
)
def test_a_letter_whose_message_cannot_be_had_keeps_no_other_from_being_sent(letter: Message, why: str) -> None:
    broker, outcome = replayed(letter, sent(1, "k1", b"fine"))
    assert broker.published["crear-orden"] == [(b"fine", "k1")]
    assert outcome.done == 1
    ((reason, count),) = outcome.failures.items()
    assert (count, outcome.examples[reason]) == (1, "crear-orden:0:1:0")
    assert why in reason
    assert not [name for name in broker.opened if "DLQ" not in name and "crear-orden" not in name]
    with pytest.raises(SystemExit) as ended:
        _finish(outcome, "sent again", as_json=True)
    assert ended.value.code == 1


def test_letters_of_a_topic_that_is_gone_keep_no_other_from_being_sent() -> None:
    broker, outcome = replayed(
        sent(0, "k", b"x"), sent(1, "k", b"y"), topic="away", **{"crear-orden": [sent(0, "k", b"z")]}
    )
    assert broker.published["crear-orden"] == [(b"z", "k")]
    assert (outcome.done, outcome.complete) == (1, False)
    ((reason, count),) = outcome.failures.items()
    assert (count, reason) == (2, "nothing can be sent to away (no such topic)")


def _breaking_off(letters: Iterable[Letter], after: int) -> Iterator[Letter]:
    yield from islice(letters, after)
    raise UnreachableError("crear-orden-DLQ could not be read for 5 s.")


@pytest.mark.parametrize("do", ["replay", "discard"])
def test_what_was_done_before_the_broker_went_away_is_told(do: str, capsys: pytest.CaptureFixture[str]) -> None:
    letters = [sent(0, "k", b"x"), sent(1, "k", b"y")]
    client: Any = FakePulsar({"crear-orden": [], "dlq-bitacora": [], "crear-orden-DLQ": letters})
    log, stop = Log(client, client), threading.Event()

    def done(after: int) -> ActionResult:
        found = _breaking_off(DeadLetters(client, client), after)
        if do == "replay":
            return replay(client, log, found, stop, lambda _number: None)
        return discard(log, found, "a test", stop, lambda _number: None)

    with pytest.raises(UnreachableError):
        done(0)
    outcome = done(1)
    assert (outcome.done, outcome.unread) == (1, "crear-orden-DLQ could not be read for 5 s.")
    assert [key for _, key in client.published["dlq-bitacora"]] == ["crear-orden:0:1:0"]
    with pytest.raises(SystemExit) as ended:
        _finish(outcome, "sent again", as_json=False)
    assert ended.value.code == 1
    assert "The rest could not be read: crear-orden-DLQ could not be read for 5 s." in capsys.readouterr().out


def test_a_letter_in_a_topic_that_came_back_without_partitions_is_found_and_sent() -> None:
    letters_there = [sent(0, "k", b"x"), sent(1, "k", b"y")]
    topics = {"crear-orden": [], "dlq-bitacora": [], "crear-orden-DLQ": letters_there}
    broker = FakePulsar(topics, plain=["crear-orden-DLQ"])
    client: Any = broker
    letters = DeadLetters(client, client)
    ids = [str(letter.id) for letter in letters]
    assert ids == ["crear-orden:-1:1:0", "crear-orden:-1:1:1"]
    second = letters.find(LetterId.parse(ids[1]))
    assert second.payload == b"y"
    outcome = replay(client, Log(client, client), [second], threading.Event(), lambda _number: None)
    assert (outcome.done, broker.published["crear-orden"]) == (1, [(b"y", "k")])
    assert [key for _, key in broker.published["dlq-bitacora"]] == [ids[1]]
