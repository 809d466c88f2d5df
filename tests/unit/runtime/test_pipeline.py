"""An acknowledgement comes last: after the commit, and after the broker has confirmed every event."""

import sys
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime import _withheld as withheld_module
from alpes_runtime._inbox import Inbox
from alpes_runtime._intake import DirectIntake, Inputs
from alpes_runtime._pipeline import (
    HANDOFF_GROUPS,
    CommitStage,
    Handoff,
    PublishStage,
    handoff,
)
from alpes_runtime._withheld import Withheld
from alpes_runtime.testing import FakeClock
from tests.fakes import (
    FakeDatabase,
    FakePublisher,
    FakeSubscription,
    Journal,
)
from tests.unit.runtime.parts import OTHER, RETRY, TOPIC, committer, database, instance_context, recorded, subscription


@dataclass
class Instance:
    """One instance's stages on fakes, to be stepped."""

    subscription: FakeSubscription
    store: FakeDatabase
    publisher: FakePublisher
    batch_max: int = 100
    clock: FakeClock = field(default_factory=FakeClock)
    done: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context = instance_context(clock=self.clock, batch_max=self.batch_max)
        self.stopping = self.context.stopping
        self.consumer = self.subscription.consumer()
        self.inbox = Inbox(["transaccion-creada", "crear-orden", "ordenes-reintento"], 2 * self.batch_max)
        inputs = Inputs([TOPIC, OTHER, RETRY], RETRY)
        self.intake = DirectIntake(self.context, self.consumer, self.subscription.topic, inputs, self.inbox)
        self.committed: Handoff = handoff()
        self.commit = CommitStage(
            self.inbox,
            committer(self.store, context=self.context),
            self.committed,
            self.batch_max,
        )
        self.publish = PublishStage(
            self.context,
            self.committed,
            self.publisher,
            Withheld(self.context, self.publisher),
            lambda messages, rejected: self.done.append((messages, rejected)),
        )

    def stages(self) -> list[str]:
        return ["intake", "commit", "publish"]

    def step(self, stage: str) -> bool:
        return {"intake": self.intake.poll, "commit": self.commit.poll, "publish": self.publish.poll}[stage](0)

    def run(self) -> None:
        while True in [self.step(stage) for stage in self.stages()]:
            pass


def instance(*payloads: bytes, batch_max: int = 100) -> Instance:
    made = Instance(subscription(*payloads), database(), FakePublisher(), batch_max)
    journal: Journal = []
    made.subscription.journal = made.store.journal = made.publisher.journal = journal
    return made


def acknowledged(one: Instance) -> list[bytes]:
    return [message.payload for message in one.subscription.acknowledged]


def published(one: Instance) -> list[str]:
    return [event.key for event in one.publisher.published]


def test_a_message_is_committed_then_published_then_acknowledged() -> None:
    one = instance(b"a", b"b")
    one.run()
    assert one.store.journal == [
        ("commit", ["a", "b"]),
        ("publish", ["a", "b"]),
        ("acknowledge", "a"),
        ("acknowledge", "b"),
    ]
    assert one.done == [(2, 0)]


def test_nothing_is_acknowledged_before_the_broker_confirmed() -> None:
    one = instance(b"a", b"b", b"c")
    one.publisher.fail(times=3, confirmed=2)
    one.step("intake")
    one.step("commit")
    for _ in range(3):
        assert not one.step("publish")
        assert acknowledged(one) == []
        assert not one.publish.idle
    assert one.step("publish")
    assert acknowledged(one) == [b"a", b"b", b"c"]
    assert one.publish.idle
    assert len(one.clock.waits) == 3


def test_a_group_that_was_not_confirmed_is_published_again_whole() -> None:
    one = instance(b"a", b"b", b"c")
    one.publisher.fail(confirmed=2)
    one.run()
    one.run()
    assert [[event.key for event in call] for call in one.publisher.calls] == [["a", "b", "c"]] * 2
    assert published(one) == ["a", "b", "a", "b", "c"]


def test_a_dead_letter_is_confirmed_before_its_message_is_acknowledged() -> None:
    one = instance(b"bad")
    one.publisher.fail()
    one.step("intake")
    one.step("commit")
    assert not one.step("publish")
    assert acknowledged(one) == []
    one.run()
    assert [event.topic for event in one.publisher.published] == [f"{TOPIC}-DLQ"]
    assert acknowledged(one) == [b"bad"]
    assert one.done == [(1, 1)]


def test_an_early_message_is_acknowledged_once_its_next_attempt_is_published() -> None:
    one = instance()
    one.subscription.publish(b"early", "early")
    one.run()
    assert [event.topic for event in one.publisher.published] == [RETRY]
    assert acknowledged(one) == [b"early"]


def test_what_was_not_acknowledged_when_an_instance_dies_is_done_by_the_next() -> None:
    for steps in ([], ["intake"], ["intake", "commit"], ["intake", "commit", "publish"]):
        first = instance(b"a", b"bad", b"b")
        if "publish" in steps:
            first.publisher.fail(confirmed=1)
        for stage in steps:
            first.step(stage)
        first.consumer.close()
        second = Instance(first.subscription, first.store, first.publisher)
        second.run()
        assert sorted(acknowledged(second)) == [b"a", b"b", b"bad"]
        assert set(published(second)) == {"a", "b", "bad"}
        assert first.store.rows.keys() == {"a", "b"}


def test_a_stop_while_the_database_is_away_acknowledges_nothing() -> None:
    one = instance(b"a", b"b")
    one.store.fail("begin", 1000)
    one.clock.on_wait = lambda _seconds: one.stopping.set()
    one.step("intake")
    assert not one.step("commit")
    assert not one.commit.holds
    one.run()
    assert acknowledged(one) == []
    assert published(one) == []
    one.consumer.close()
    assert [message.payload for message in one.subscription.waiting] == [b"a", b"b"]


def test_commits_wait_for_a_publisher_that_is_behind_and_none_is_lost() -> None:
    one = instance(*(b"%d" % n for n in range(10)), batch_max=1)
    committed = []
    for _ in range(HANDOFF_GROUPS + 2):
        one.step("intake")
        committed.append(one.step("commit"))
    assert committed == [True] * HANDOFF_GROUPS + [False] * 2
    assert one.commit.holds
    one.run()
    assert not one.commit.holds
    assert acknowledged(one) == [b"%d" % n for n in range(10)]


def test_a_forged_message_in_the_retry_topic_harms_no_retry_beside_it() -> None:
    one = Instance(FakeSubscription(RETRY), database(), FakePublisher())
    one.subscription.publish(b"x", "forged", {})
    one.subscription.publish(b"a", "a", {"source.topic": TOPIC, "attempt": "2"})
    one.subscription.publish(b"b", "b", {"source.topic": OTHER, "attempt": "2"})
    one.intake.poll(0)
    groups = [one.inbox.take(100, 0) for _ in range(3)]
    assert [[(each.role, each.data) for each in group] for group in groups] == [
        [("transaccion-creada", b"b")],
        [("crear-orden", b"a")],
        [("ordenes-reintento", b"x")],
    ]


@pytest.mark.parametrize("failures", [1, 40])
def test_the_broker_away_slows_and_drops_nothing(failures: int) -> None:
    one = instance(b"a", b"b")
    one.publisher.fail(times=failures)
    for _ in range(failures + 1):
        one.run()
    assert acknowledged(one) == [b"a", b"b"]
    assert published(one) == ["a", "b"]
    assert one.publish.idle
    assert recorded(one.context, "stuck.broker") == ([] if failures < 4 else [1, -1])


STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(
            ["intake", "commit", "publish", "crash", "redeliver", "publish fails", "commit fails", "answer is lost"]
        ),
    ),
    max_size=60,
)


@given(steps=STEPS, payloads=st.lists(st.sampled_from([b"a", b"b", b"c", b"bad", b"bug"]), max_size=12))
def test_however_two_instances_are_stepped_and_crashed_every_message_has_its_events(
    steps: list[tuple[int, str]], payloads: list[bytes]
) -> None:
    source, store, publisher = subscription(*payloads), database(), FakePublisher()

    def fresh() -> Instance:
        return Instance(source, FakeDatabase({}, store), publisher, batch_max=3)

    instances = [fresh(), fresh()]
    for number, step in steps:
        one = instances[number]
        if step == "crash":
            one.consumer.close()
            instances[number] = fresh()
        elif step == "redeliver":
            one.consumer.reconnect()
        elif step == "publish fails":
            publisher.fail(confirmed=1)
        elif step == "commit fails":
            one.store.fail("commit")
        elif step == "answer is lost":
            one.store.fail("answer")
        else:
            one.step(step)
        # Acknowledged last: every message acknowledged by now has been published before.
        out = {event.payload for event in publisher.published}
        assert {message.payload for message in source.acknowledged} <= out
    for one in instances:
        one.consumer.close()
    last = fresh()
    for _ in range(len(steps) + 2):
        last.run()
    assert {message.id for message in source.acknowledged} == {f"(1,{n},0,-1)" for n in range(len(payloads))}
    assert {event.payload for event in publisher.published} == set(payloads)
    assert store.rows.keys() == {payload.decode() for payload in payloads} - {"bad", "bug"}


def test_a_message_whose_event_is_refused_for_its_size_waits_alone_until_it_is_taken() -> None:
    one = instance(b"a", b"x" * 300, b"b")
    one.publisher.takes = 200
    one.run()
    assert acknowledged(one) == [b"a", b"b"]
    assert one.done == [(2, 0)]
    assert recorded(one.context, "stuck.orden-creada") == [1]
    one.subscription.publish(b"c", "c")
    one.run()
    assert acknowledged(one) == [b"a", b"b", b"c"]
    one.publisher.takes = 2_000
    one.clock.now += 1.0
    one.run()
    assert acknowledged(one) == [b"a", b"b", b"c", b"x" * 300]
    assert recorded(one.context, "stuck.orden-creada") == [1, -1]


def test_which_message_waits_is_told_also_among_rejected_and_early_ones() -> None:
    one = instance(b"bad", b"early", b"x" * 2000, b"z")
    one.publisher.takes = 1_000
    one.run()
    assert sorted(acknowledged(one)) == [b"bad", b"early", b"z"]


def test_nothing_more_is_published_while_too_much_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withheld_module, "MOST_MESSAGES", 2)
    one = instance(*[b"%d" % n * 300 for n in range(4)], batch_max=1)
    one.publisher.takes = 200
    one.run()
    one.subscription.publish(b"small", "small")
    one.run()
    assert acknowledged(one) == []
    one.publisher.takes = sys.maxsize
    one.clock.now += 1.0
    one.run()
    assert len(acknowledged(one)) == 5


def test_a_stop_does_not_wait_for_what_is_withheld() -> None:
    one = instance(b"x" * 300)
    one.publisher.takes = 200
    one.run()
    assert one.publish.idle
    assert one.publish.withholds == 1
