"""In which inputs messages wait without progress, and what is shown as the reason."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from operations.reconcile.rules import COMMANDS, DOWNSTREAM
from operations.reconcile.stalled import Holder, Subscription, stalled, subscription
from operations.reconcile.waiting import Waits
from schemas.tienda.topics import NAMESPACE
from tests.simulation.broker import Message
from tests.unit.connection.fake_pulsar import FakePulsar, sent

AN_HOUR_MS = 3_600_000
HOLDER = {"consumerName": "5b1f0", "address": "/10.0.0.7:41522", "unackedMessages": 1}


def now_ms() -> int:
    return int(time.time() * 1000)


def broker(
    messages: Sequence[Message], subscribed: Mapping[str, Any] | None = None, *, silent: float = 1.0, told_to: int = 0
) -> FakePulsar:
    """Return a broker with these messages in the commands, of which readers aren't given the last `told_to`."""
    told = {"instances": [{"metrics": {"userMetrics": {"user_metric_silent.crear-orden_sum": silent}}}]}
    answers: dict[str, Any] = {
        f"/admin/v3/functions/{NAMESPACE}/{function}/stats": told if function == COMMANDS.function else {}
        for function in {source.function for source in DOWNSTREAM}
    }
    cursor = {"markDeletePosition": "1:-1", "individuallyDeletedMessages": "[]"}
    answers["crear-orden-partition-0/internalStats"] = {"cursors": {COMMANDS.function: cursor}}
    answers["crear-orden-partition-0/stats"] = {"subscriptions": {COMMANDS.function: subscribed or {}}}
    pulsar = FakePulsar({"crear-orden": messages}, answers)
    pulsar.short_of = [told_to] * 2
    return pulsar


def found(pulsar: Any) -> list[Waits]:
    return list(stalled(pulsar, pulsar))


def test_what_waits_in_a_silent_input_stalls() -> None:
    waits = [sent(3, "a"), sent(4, b"\xff", b"\xff")]
    assert found(broker(waits)) == [Waits("crear-orden", "a", "1:3:0"), Waits("crear-orden", None, "1:4:0")]
    assert found(broker(waits, silent=0.0)) == []


def test_the_place_in_a_topic_without_partitions_has_no_number() -> None:
    message = sent(3, "a")
    message.place = message.place._replace(number=-1)
    assert found(broker([message])) == [Waits("crear-orden", "a", "1:3")]


def test_what_its_sender_delayed_and_what_was_due_only_now_does_not_stall() -> None:
    later, just_now = sent(0, "a", due_ms=now_ms() + AN_HOUR_MS), sent(1, "b", due_ms=now_ms() - 1_000)
    overdue = sent(2, "c", due_ms=now_ms() - AN_HOUR_MS)
    assert found(broker([later, just_now])) == []
    assert found(broker([later, just_now, overdue])) == [Waits("crear-orden", "c", "1:2:0")]


def test_an_input_is_named_whose_messages_no_reader_is_given() -> None:
    one = [sent(0, "a")]
    assert found(broker(one, {"msgBacklog": 1}, told_to=1)) == [Waits("crear-orden", None)]
    assert found(broker(one, {"msgBacklog": 1, "msgDelayed": 1}, told_to=1)) == []


def test_what_the_broker_knows_of_why_is_asked_for() -> None:
    idle = {"consumerName": "ours", "address": "/127.0.0.1:9", "unackedMessages": 0}
    said = {"msgBacklog": 3, "msgDelayed": 2, "blockedSubscriptionOnUnackedMsgs": True, "consumers": [idle, HOLDER]}
    pulsar: Any = broker([sent(0, "a")], said)
    holders = (Holder("5b1f0", "10.0.0.7:41522", 1),)
    assert subscription(pulsar, COMMANDS) == Subscription(3, 2, blocked=True, holders=holders)


def test_of_a_topic_without_such_a_subscription_nothing_is_known() -> None:
    pulsar: Any = broker([sent(0, "a")])
    assert subscription(pulsar, COMMANDS) == Subscription()
