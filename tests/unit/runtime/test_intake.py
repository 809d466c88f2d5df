"""Messages come in groups from a consumer of our own or singly from Pulsar's runtime; the same holds for both."""

from collections.abc import Callable
from typing import Any, Protocol

import pytest
from pulsar.functions.serde import IdentitySerDe

from alpes_runtime import _intake as module
from alpes_runtime._context import InstanceContext
from alpes_runtime._inbox import Inbox
from alpes_runtime._intake import DirectIntake, Inputs, RuntimeIntake
from alpes_runtime._pipeline import CommitStage, PublishStage, handoff
from alpes_runtime._pulsar_host import handed_over
from alpes_runtime._withheld import Withheld
from alpes_runtime.testing import FakeMessage
from tests.fakes import FakePublisher, FakeSubscription
from tests.unit.runtime.parts import OTHER, RETRY, TOPIC, committer, database, instance_context, subscription

ROLES = ["transaccion-creada", "crear-orden", "ordenes-reintento"]


class Context:
    """Pulsar's context: one object that each message overwrites."""

    def __init__(self, source: FakeSubscription) -> None:
        self.consumer = source.consumer()
        self.message: Any = None

    def next(self) -> bool:
        self.message = self.consumer.receive()
        return self.message is not None

    def get_message_key(self) -> str:
        return str(self.message.partition_key())

    def get_message_properties(self) -> dict[str, str]:
        return dict(self.message.properties())

    def get_message_id(self) -> Any:
        return self.message.message_id()

    def get_current_message_topic_name(self) -> str:
        return f"{self.message.topic}-partition-0"

    def ack(self, message_id: Any, topic: str) -> None:
        self.consumer.acknowledge(next(m for m in self.consumer.held if m.place == message_id))


def process(intake: RuntimeIntake, given: object, context: Any) -> None:
    """Do with what Pulsar passes to ``process`` as `BatchFunction` does."""
    message = handed_over(given, context)
    intake.submit(message, message.topic, message)


class Way(Protocol):
    """An intake that can take one step and give back what is unacknowledged."""

    def step(self) -> bool: ...
    def close(self) -> None: ...


class Direct:
    def __init__(self, source: FakeSubscription, inputs: Inputs, inbox: Inbox, context: InstanceContext) -> None:
        self.consumer = source.consumer()
        self.intake = DirectIntake(instance_context(batch_max=100), self.consumer, source.topic, inputs, inbox)

    def step(self) -> bool:
        return self.intake.poll(0)

    def close(self) -> None:
        self.intake.close()


class Runtime:
    def __init__(self, source: FakeSubscription, inputs: Inputs, inbox: Inbox, context: InstanceContext) -> None:
        self.context = Context(source)
        self.intake = RuntimeIntake(context, inputs, inbox)

    def step(self) -> bool:
        if not self.context.next():
            return False
        process(self.intake, IdentitySerDe().deserialize(self.context.message.data()), self.context)
        return True

    def close(self) -> None:
        self.context.consumer.close()


Open = Callable[[FakeSubscription, Inputs, Inbox, InstanceContext], Way]


@pytest.fixture(params=[Direct, Runtime], ids=["direct", "runtime"])
def way(request: pytest.FixtureRequest) -> Open:
    opened: Open = request.param
    return opened


class System:
    def __init__(self, way: Open, source: FakeSubscription) -> None:
        self.source = source
        context = instance_context()
        self.stopping = context.stopping
        self.inbox = Inbox(ROLES, 1000)
        self.way = way(source, Inputs([TOPIC, OTHER, RETRY], RETRY), self.inbox, context)
        self.store, self.publisher = database(), FakePublisher()
        committed = handoff()
        self.commit = CommitStage(self.inbox, committer(self.store, context=context), committed, 100)
        self.publish = PublishStage(
            context, committed, self.publisher, Withheld(context, self.publisher), lambda _messages, _rejected: None
        )

    def take_in(self) -> None:
        while self.way.step():
            pass


def test_every_message_reaches_its_handler_and_is_acknowledged(way: Open) -> None:
    system = System(way, subscription(b"a", b"b", b"bad"))
    system.take_in()
    while system.commit.poll(0):
        system.publish.poll(0)
    assert system.store.rows.keys() == {"a", "b"}
    assert [message.payload for message in system.source.acknowledged] == [b"a", b"b", b"bad"]


def test_it_is_acknowledged_only_after_commit_and_publish(way: Open) -> None:
    system = System(way, subscription(b"a"))
    system.take_in()
    assert system.source.acknowledged == []
    system.commit.poll(0)
    assert system.store.rows.keys() == {"a"}
    assert system.source.acknowledged == []
    system.publisher.fail()
    system.publish.poll(0)
    assert system.source.acknowledged == []
    system.publish.poll(0)
    assert [message.payload for message in system.source.acknowledged] == [b"a"]


def test_key_properties_id_and_topic_are_the_messages_own_though_the_next_one_came(way: Open) -> None:
    source = FakeSubscription(TOPIC)
    first = source.publish(b"a", "k1", {"p": "1"})
    second = source.publish(b"b", "k2", {"p": "2"})
    system = System(way, source)
    system.take_in()
    seen = [
        (m.role, m.source_topic, m.data, m.key, dict(m.properties), m.source_message_id)
        for m in system.inbox.take(10, 0)
    ]
    assert seen == [
        ("crear-orden", TOPIC, b"a", "k1", {"p": "1"}, first.id),
        ("crear-orden", TOPIC, b"b", "k2", {"p": "2"}, second.id),
    ]


def test_a_retried_message_is_for_the_handler_of_its_first_topic(way: Open) -> None:
    source = FakeSubscription(RETRY)
    source.publish(b"a", "k", {"source.topic": OTHER, "attempt": "3"})
    system = System(way, source)
    system.take_in()
    (message,) = system.inbox.take(10, 0)
    assert (message.role, message.source_topic, message.attempt, message.retried) == (
        "transaccion-creada",
        OTHER,
        3,
        True,
    )


def test_the_publish_time_is_the_messages_own(way: Open) -> None:
    system = System(way, subscription(b"a"))
    system.take_in()
    assert system.inbox.take(1, 0)[0].publish_time_ms == FakeMessage().published_ms


def test_a_stop_leaves_what_was_not_done_unacknowledged(way: Open) -> None:
    system = System(way, subscription(b"a", b"b"))
    system.way.step()
    system.stopping.set()
    system.inbox.close()
    system.way.step()
    while system.commit.poll(0) or system.publish.poll(0):
        pass
    system.way.close()
    assert system.source.acknowledged == []
    assert sorted(message.payload for message in system.source.waiting) == [b"a", b"b"]


def test_a_direct_group_that_finds_no_room_is_kept_and_put_later() -> None:
    source, box = subscription(b"a", b"b", b"c"), Inbox(ROLES, 1)
    intake = DirectIntake(instance_context(batch_max=2), source.consumer(), TOPIC, Inputs([TOPIC], RETRY), box)
    assert intake.poll(0)
    assert not intake.poll(0)
    assert not intake.poll(0)
    assert [m.data for m in box.take(10, 0)] == [b"a", b"b"]
    assert intake.poll(0)
    assert [m.data for m in box.take(10, 0)] == [b"c"]


def test_a_direct_group_has_no_more_than_asked_for() -> None:
    source, box = subscription(*[b"x"] * 5), Inbox(ROLES, 100)
    intake = DirectIntake(instance_context(batch_max=2), source.consumer(), TOPIC, Inputs([TOPIC], RETRY), box)
    sizes = []
    while intake.poll(0):
        sizes.append(len(box.take(100, 0)))
    assert sizes == [2, 2, 1]


def test_process_waits_for_room_only_so_long_and_then_the_message_is_put_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ROOM_TIMEOUT_S", 0.4)
    source, box = subscription(b"a", b"b"), Inbox(ROLES, 1)
    runtime = Runtime(source, Inputs([TOPIC], RETRY), box, instance_context())
    runtime.step()
    runtime.step()
    assert [m.data for m in box.take(10, 0)] == [b"a", b"b"]


def test_process_returns_at_once_when_stopping() -> None:
    source, box, context = subscription(b"a", b"b"), Inbox(ROLES, 1), instance_context()
    runtime = Runtime(source, Inputs([TOPIC], RETRY), box, context)
    runtime.step()
    context.stopping.set()
    runtime.step()
    assert [m.data for m in box.take(10, 0)] == [b"a"]


def test_process_takes_keys_and_properties_that_are_not_utf8_as_none() -> None:
    class Broken(Context):
        def get_message_key(self) -> str:
            return b"\xff".decode()

        def get_message_properties(self) -> dict[str, str]:
            return {"p": b"\xff".decode()}

    box, context = Inbox(ROLES, 1), Broken(subscription(b"a"))
    context.next()
    process(RuntimeIntake(instance_context(), Inputs([TOPIC], RETRY), box), b"a", context)
    (message,) = box.take(1, 0)
    assert (message.key, message.properties) == ("", {})


@pytest.mark.parametrize("data", [b"", b"007", b"1e3", b"1j", b"text", "ñ".encode(), b"\n\x02o1\x10\x01", b"\xff\xfe"])
def test_bytes_that_pulsars_serde_takes_for_something_else_stay_what_they_are(data: bytes, way: Open) -> None:
    box = Inbox(ROLES, 10)
    opened = way(subscription(data), Inputs([TOPIC], RETRY), box, instance_context())
    assert opened.step()
    (message,) = box.take(1, 0)
    assert message.data == data


@pytest.mark.parametrize(("given", "data"), [("ñ", "ñ".encode()), (b"\xff", b"\xff")])
def test_where_the_message_itself_is_not_shown_a_text_is_its_bytes(given: object, data: bytes) -> None:
    class Closed(Context):
        message = property(lambda self: None, lambda self, _value: None)

        def get_message_key(self) -> str:
            return ""

        get_message_id = get_message_key

        def get_message_properties(self) -> dict[str, str]:
            return {}

        def get_current_message_topic_name(self) -> str:
            return TOPIC

    box = Inbox(ROLES, 1)
    intake = RuntimeIntake(instance_context(), Inputs([TOPIC], RETRY), box)
    process(intake, given, Closed(subscription()))
    assert [message.data for message in box.take(1, 0)] == [data]
    with pytest.raises(TypeError, match="set intake to direct"):
        process(intake, 7, Closed(subscription()))
