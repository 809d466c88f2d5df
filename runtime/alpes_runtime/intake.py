"""Takes messages in: in groups from consumers of our own, or one by one as Pulsar's runtime hands them over."""

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from alpes_wire.names import SOURCE_TOPIC

from .host import bytes_of, published_ms
from .inbox import MAX_GROUP_BYTES, Inbox
from .message import (
    Acknowledger,
    PulsarMessage,
    Received,
    local_name,
    properties_of,
    utf8_or,
    without_partition,
)
from .turn import Turn

ROOM_TIMEOUT_S = 10.0
"""How long a message handed over by the runtime waits for room before it is squeezed in."""


class Inputs:
    """Knows the function's inputs, and so which handler a message is for.

    Parameters
    ----------
    topics
        Full names of all inputs.
    retry_topic
        The one among them that carries later attempts of messages of the others.
    """

    def __init__(self, topics: Collection[str], retry_topic: str | None) -> None:
        self._roles: Mapping[str, str] = {topic: local_name(topic) for topic in topics}
        self._retry_topic = retry_topic

    def received(self, topic: str, message: PulsarMessage, acknowledger: Acknowledger) -> Received:
        """Wrap a message of the input ``topic``."""
        if topic == self._retry_topic:
            source = properties_of(message).get(SOURCE_TOPIC, topic)
            if source in self._roles and source != topic:
                return Received(self._roles[source], source, message, acknowledger, retried=True)
        return Received(self._roles[topic], topic, message, acknowledger)


class DirectIntake:
    """Drains one consumer into the inbox: 5 µs a message, where the runtime's own way costs 135.

    The consumer is on the function's own subscription, so that everything else stays Pulsar's: what is unacknowledged
    when the instance dies goes to another one.

    Parameters
    ----------
    consumer
        A `alpes_wire.Consumer`.
    topic
        The input that it reads a partition of.
    inputs, inbox, turn
        See there.
    most
        Messages that are taken at once.
    heed_silence
        Told when something waits in the input and nothing comes, and, with None, when that is over.
    """

    def __init__(
        self,
        consumer: Any,
        topic: str,
        inputs: Inputs,
        inbox: Inbox,
        turn: Turn,
        most: int,
        heed_silence: Callable[[Any], None] = lambda _silence: None,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._inputs = inputs
        self._inbox = inbox
        self._turn = turn
        self._most = most
        self._heed_silence = heed_silence
        self._silent = False
        self._held: list[Received] = []

    def step(self, wait_s: float) -> bool:
        """Take in what is there, waiting at most ``wait_s`` for the first message and for room; False for nothing."""
        if self._held:
            # Nothing more is taken, but the connection is to last.
            self._consumer.tend()
        elif self._consumer.ready(wait_s):
            with self._turn:
                self._held = self._drain()
        silence = self._consumer.silence
        if self._silent != (silence is not None):
            self._silent = silence is not None
            self._heed_silence(silence)
        if self._held and self._inbox.put(self._held, wait_s):
            self._held = []
            return True
        return False

    def close(self) -> None:
        """Close the consumer, which sends grouped acknowledgements off and gives the rest back to the broker."""
        self._consumer.close()

    def _drain(self) -> list[Received]:
        wrap, receive = self._inputs.received, self._consumer.receive
        group: list[Received] = []
        size = 0
        while len(group) < self._most and size < MAX_GROUP_BYTES and (message := receive()) is not None:
            received = wrap(self._topic, message, self._consumer)
            size += received.size
            group.append(received)
        return group


class HandedOver(NamedTuple):
    """A message as the runtime's context describes it while ``process`` runs; the context itself is overwritten."""

    raw: bytes
    key: str
    own_properties: dict[str, str]
    id: Any
    topic: str
    published_ms: int

    def data(self) -> bytes:
        """The payload."""
        return self.raw

    def partition_key(self) -> str:
        """The message key."""
        return self.key

    def properties(self) -> dict[str, str]:
        """The message's properties."""
        return self.own_properties

    def message_id(self) -> Any:
        """The client's message id."""
        return self.id

    def publish_timestamp(self) -> int:
        """Unix milliseconds, 0 where the runtime doesn't say."""
        return self.published_ms


class ContextAcknowledger:
    """Acknowledges through the runtime's context, which needs the id and the topic that the message had."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def acknowledge(self, message: HandedOver) -> None:
        """Acknowledge by id and topic."""
        self._context.ack(message.id, message.topic)


class RuntimeIntake:
    """Takes what Pulsar's runtime hands to ``process``, a message at a time."""

    def __init__(self, inputs: Inputs, inbox: Inbox, stopping: threading.Event) -> None:
        self._inputs = inputs
        self._inbox = inbox
        self._stopping = stopping

    def offer(self, given: object, context: Any) -> None:
        """Take one message in. Waits for room, but neither past a stop nor for long: then the message is squeezed in.

        A message that isn't taken because of a stop, or because its input was shut, stays unacknowledged.
        """
        message = HandedOver(
            bytes_of(given, context),
            utf8_or("", context.get_message_key),
            dict(utf8_or({}, context.get_message_properties)),
            context.get_message_id(),
            context.get_current_message_topic_name(),
            published_ms(context),
        )
        topic = without_partition(message.topic)
        received = self._inputs.received(topic, message, ContextAcknowledger(context))
        # There is one thread for all inputs: what can't be taken now must not hold up the others.
        if self._inbox.is_shut(received.role):
            return
        if self._inbox.passes_over(received.role):
            self._inbox.squeeze_in(received)
            return
        slice_s = 0.2
        for _ in range(int(ROOM_TIMEOUT_S / slice_s)):
            if self._stopping.is_set() or self._inbox.put([received], slice_s):
                return
        self._inbox.squeeze_in(received)
