"""A message that needs an answer from outside ends when the answer is there, holds up no other, and is never lost."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from alpes_runtime._backoff import LONGEST_WAIT_S
from alpes_runtime._committer import UNKNOWN_LOG_S
from alpes_runtime._external_calls import ANSWERED, AskStage, Questions, with_answers
from alpes_runtime._inbox import Inbox
from alpes_runtime._intake import DirectIntake, Inputs
from alpes_runtime._message import MAX_EVENT_BYTES, Event
from alpes_runtime._outcome import Ask, Done, ExternalCall, Handler, Outcome, Rejected, Retry
from alpes_runtime._pipeline import CommitStage, PublishStage, handoff
from alpes_runtime._withheld import Withheld
from alpes_runtime.database import Transaction
from alpes_runtime.testing import FakeClock
from tests.fakes import FakeDatabase, FakePublisher
from tests.unit.runtime.parts import (
    HANDLER,
    LOG,
    OTHER,
    OUT,
    RETRY,
    TOPIC,
    committer,
    database,
    decode,
    instance_context,
    received,
    subscription,
)

ROLE = "crear-orden"


def asks(transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
    """Keep an intent of each text that asks; the others are done at once."""
    transaction.execute("keep", {"keys": [f"intent {text}" for text in batch if text.startswith("ask")]})
    return [Ask(text) if text.startswith("ask") else Done((Event(OUT, text, b""),)) for text in batch]


def answered(transaction: Transaction, batch: Sequence[tuple[str, Any]]) -> Sequence[Outcome]:
    transaction.execute("keep", {"keys": [text for text, answer in batch if isinstance(answer, str)]})
    return [Done((Event(OUT, text, answer.encode()),)) if isinstance(answer, str) else answer for text, answer in batch]


class Instance:
    """One instance's stages on fakes, to be stepped."""

    def __init__(
        self, *payloads: bytes, ask: Callable[[str], Any] = lambda text: f"yes, {text}", at_once: int = 2
    ) -> None:
        self.asked: list[str] = []

        def noted(text: str) -> Any:
            self.asked.append(text)
            return ask(text)

        handlers = with_answers({ROLE: Handler(decode, asks, external_call=ExternalCall(noted, answered, at_once))})
        self.subscription = subscription(*payloads)
        self.store: FakeDatabase = database()
        self.publisher = FakePublisher()
        self.consumer = self.subscription.consumer()
        call = handlers[ROLE].external_call
        assert call is not None
        self.questions = Questions(at_once)
        self.inbox = Inbox(list(handlers), 100, holds={ROLE: self.questions.full})
        self.ask = AskStage(ROLE, call, self.questions, self.inbox, LOG)
        context = instance_context()
        inputs = Inputs([TOPIC, OTHER, RETRY], RETRY)
        self.intake = DirectIntake(context, self.consumer, TOPIC, inputs, self.inbox)
        committed = handoff()
        stage = committer(self.store, handlers=handlers, context=context)
        self.commit = CommitStage(self.inbox, stage, committed, 2, {ROLE: self.questions})
        self.publish = PublishStage(
            context, committed, self.publisher, Withheld(context, self.publisher), lambda *_: None
        )

    def run(self, *stages: str) -> None:
        while True in [getattr(self, stage).poll(0) for stage in stages or ("intake", "commit", "publish", "ask")]:
            pass

    @property
    def acknowledged(self) -> list[str]:
        return [message.payload.decode() for message in self.subscription.acknowledged]


def test_the_intent_is_committed_before_the_question_is_asked() -> None:
    def ask(text: str) -> str:
        seen.append(f"intent {text}" in one.store.rows)
        return "yes"

    seen: list[bool] = []
    one = Instance(b"ask 1", ask=ask)
    one.run()
    assert seen == [True]
    assert set(one.store.rows) == {"intent ask 1", "ask 1"}


def test_nothing_is_acknowledged_before_the_answer_is_committed_and_told() -> None:
    one = Instance(b"ask 1", b"a")
    one.run("intake", "commit", "publish")
    assert one.acknowledged == ["a"]
    assert one.ask.poll(0)
    assert one.acknowledged == ["a"]
    assert one.commit.poll(0)
    assert one.acknowledged == ["a"]
    assert one.publish.poll(0)
    assert one.acknowledged == ["a", "ask 1"]
    assert [(event.key, event.payload) for event in one.publisher.published] == [("a", b""), ("ask 1", b"yes, ask 1")]


def test_an_instance_that_dies_while_it_waits_leaves_the_message_to_the_next() -> None:
    one = Instance(b"ask 1")
    one.run("intake", "commit", "publish")
    one.consumer.close()
    assert [message.payload for message in one.subscription.waiting] == [b"ask 1"]


def test_a_slow_answer_holds_up_its_own_messages_only() -> None:
    one = Instance(*(f"ask {n}".encode() for n in range(20)))
    one.run("intake", "commit", "publish")
    # Two questions may be asked at once, so two messages wait for answers and the rest stays in the inbox.
    assert one.questions.full()
    assert len(one.inbox) == 18


def test_all_questions_are_asked_once_there_is_room() -> None:
    one = Instance(*(f"ask {n}".encode() for n in range(20)))
    one.run()
    assert sorted(one.asked) == sorted(f"ask {n}" for n in range(20))
    assert sorted(one.acknowledged) == sorted(one.asked)


def test_what_waits_is_finished_before_more_is_begun() -> None:
    assert list(
        with_answers({"x": HANDLER, ROLE: Handler(decode, asks, external_call=ExternalCall(str, answered, 1))})
    ) == [
        "x",
        ANSWERED + ROLE,
        ROLE,
    ]


def test_without_an_answer_the_message_comes_again_later_however_often() -> None:
    unknown = Retry("gateway", "not known", until_known=True)
    one = Instance(b"ask 1", ask=lambda _text: unknown)
    one.run()
    (again,) = one.publisher.published
    assert (again.topic, again.payload, again.delay_ms) == (RETRY, b"ask 1", 1000)
    assert one.acknowledged == ["ask 1"]


@pytest.mark.parametrize("attempt", [1, 2, 3, 4, 50, 99_999])
def test_what_may_have_happened_is_never_dead_lettered(attempt: int) -> None:
    stage = committer(database())
    message = received(b"ask", properties={"attempt": str(attempt)}, retried=True)
    settled = stage.commit([message.answered(ROLE, Retry("gateway", "not known", until_known=True))])
    assert settled is not None
    (event,) = settled.events
    assert event.topic == RETRY
    assert event.delay_ms <= LONGEST_WAIT_S * 1000
    assert settled.rejected == 0


def test_what_could_not_be_tried_again_is_refused_before_anybody_is_asked() -> None:
    one = Instance(b"ask" + bytes(MAX_EVENT_BYTES))
    one.run()
    (letter,) = one.publisher.published
    assert (letter.topic, dict(letter.properties or {})["error.type"]) == (f"{TOPIC}-DLQ", "invalid")
    assert (one.asked, one.store.rows) == ([], {})


def test_when_nobody_can_be_asked_for_a_bug_of_ours_no_more_is_taken() -> None:
    halted: list[str] = []
    stage = committer(database(), on_halt=halted.append)
    failed = [received(b"ask").answered(ROLE, Retry("bug", "KeyError", until_known=True)) for _ in range(30)]
    assert stage.commit(failed) is None
    assert halted == [ROLE]


def test_what_is_put_off_is_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    stage = committer(database(), context=instance_context(clock=clock))
    unknown = [received(b"ask").answered(ROLE, Retry("gateway", "it is away", until_known=True)) for _ in range(5)]
    stage.commit(unknown)
    clock.now += UNKNOWN_LOG_S
    stage.commit(unknown)
    assert [record.getMessage() for record in caplog.records] == [
        f"Nothing is lost, put off {number} of {ROLE} (attempt 1): it is away" for number in (1, 5)
    ]


def test_what_certainly_did_not_happen_is_dead_lettered() -> None:
    one = Instance(b"ask 1", ask=lambda _text: Rejected("gateway", "refused"))
    one.run()
    (letter,) = one.publisher.published
    assert (letter.topic, dict(letter.properties or {})["error.type"]) == (f"{TOPIC}-DLQ", "gateway")


def test_a_bug_of_what_is_asked_harms_its_message_only_and_does_not_say_that_nothing_happened() -> None:
    def ask(text: str) -> str:
        return {"ask 2": "yes"}[text]

    one = Instance(b"ask 1", b"ask 2", ask=ask)
    one.run()
    assert {event.key: event.topic for event in one.publisher.published} == {"ask 1": RETRY, "ask 2": OUT}


def test_a_bug_in_what_is_done_with_an_answer_says_not_that_nothing_happened() -> None:
    one = Instance(b"ask 1", ask=lambda _text: Rejected("bug", "a bug"))
    one.run()
    (again,) = one.publisher.published
    assert again.topic == RETRY
