"""Takes messages in: in groups from consumers of our own, or one by one as Pulsar's runtime hands them over."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from alpes_wire import Silent
from alpes_wire.names import SOURCE_TOPIC

from ._context import InstanceContext
from ._inbox import MAX_GROUP_BYTES, Inbox
from ._message import (
    Acknowledger,
    PulsarMessage,
    Received,
    local_name,
    properties_of,
    without_partition,
)
from ._outage import Outage
from .errors import Unavailable

T = TypeVar("T")

SILENT = "silent"
"""User metric ``silent.<input>``: its sum is 1 while messages wait in the input and none arrives."""

ROOM_TIMEOUT_S = 10.0
"""How long a message handed over by the runtime waits for room; then it is added regardless."""


class Inputs:
    """The function's inputs: finds the role of each message, and so its handler.

    Parameters
    ----------
    topics
        Full names of all inputs.
    retry_topic
        The input that carries later attempts of messages of the other inputs.
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
    """Drains one consumer into the inbox: this costs 5 µs a message, and Pulsar's own runtime 135.

    The consumer is on the function's own subscription, so Pulsar still does everything else: messages that are
    unacknowledged when the instance dies go to another one.

    Parameters
    ----------
    context
        The instance.
    consumer
        An `alpes_wire.Consumer`.
    topic
        The input that the consumer reads a partition of.
    inputs, inbox
        See `Inputs` and `Inbox`.
    """

    def __init__(self, context: InstanceContext, consumer: Any, topic: str, inputs: Inputs, inbox: Inbox) -> None:
        self._context = context
        self._consumer = consumer
        self._topic = topic
        self._inputs = inputs
        self._inbox = inbox
        self._lock = context.lock
        self._most = context.config.batch_max
        self._silent = False
        self._held: list[Received] = []

    def poll(self, timeout_s: float) -> bool:
        """Take in a group, waiting at most ``timeout_s`` for a message and for room; False if none was taken in."""
        if self._held:
            # The connection must stay alive although nothing is received.
            self._consumer.tend()
        elif self._consumer.ready(timeout_s):
            with self._lock:
                self._held = self._drain()
        silence = self._consumer.silence
        if self._silent != (silence is not None):
            self._silent = silence is not None
            self._tell_silence(silence)
        if self._held and self._inbox.put(self._held, timeout_s):
            self._held = []
            return True
        return False

    def ready(self) -> bool:
        """Whether a poll would find a message now, or room for the messages that it holds."""
        return self._inbox.has_room(self._held[0].role) if self._held else bool(self._consumer.ready(0.0))

    def close(self) -> None:
        """Close the consumer, which sends its grouped acknowledgements and returns other messages to the broker."""
        self._consumer.close()

    def _tell_silence(self, silence: Silent | None) -> None:
        """Log and record when messages wait in the input and none arrives, and when that ends."""
        if self._topic == self._context.retry_input:
            return  # Timers wait there, so silence is normal.
        self._context.record(f"{SILENT}.{local_name(self._topic)}", 1 if silence else -1)
        if silence is None:
            self._context.logger.info("%s is no longer silent", self._topic)
        else:
            self._context.logger.warning(
                "SILENT: %d messages wait in %s, and none has come for %.0f s although this instance takes more. They "
                "are delayed by their senders, or another consumer of the subscription holds them: the "
                "topic's stats name it",
                silence.backlog,
                silence.topic,
                silence.seconds,
            )

    def _drain(self) -> list[Received]:
        wrap, receive = self._inputs.received, self._consumer.receive
        group: list[Received] = []
        size = 0
        while len(group) < self._most and size < MAX_GROUP_BYTES and (message := receive()) is not None:
            received = wrap(self._topic, message, self._consumer)
            size += received.size
            group.append(received)
        return group


class DirectIntakes:
    """The direct intakes of all inputs, one for each partition.

    Parameters
    ----------
    context
        The instance.
    inputs, inbox
        See `DirectIntake`.
    open_consumer
        Opens a consumer of a partition.
    """

    name = "direct"

    def __init__(
        self, context: InstanceContext, inputs: Inputs, inbox: Inbox, open_consumer: Callable[[str], Any]
    ) -> None:
        self._context = context
        self._inputs = inputs
        self._inbox = inbox
        self._open_consumer = open_consumer
        self._open: dict[str, DirectIntake] = {}

    def open(self) -> Sequence[DirectIntake]:
        """Open the consumers, waiting for a broker that is away."""
        host = self._context.host
        for topic in host.inputs:
            for partition in self._until_done(partial(host.client.get_topic_partitions, topic)):
                self._add(topic, partition, self._until_done(partial(self._open_consumer, partition)))
        # If the host opened consumers of its own, the broker moves the messages that they hold to ours.
        for runtime_consumer in list((host.runtime_consumers or {}).values()):
            runtime_consumer.close()
        return list(self._open.values())

    def open_new(self) -> Sequence[DirectIntake]:
        """Open consumers of the partitions that the inputs have been given since; what fails is tried next time."""
        host, new = self._context.host, []
        for topic in host.inputs:
            # Of a broker that is away, each attempt takes as long as the client tries to connect.
            self._context.heartbeat()
            try:
                for partition in host.client.get_topic_partitions(topic):
                    self._context.heartbeat()
                    if partition not in self._open:
                        new.append(self._add(topic, partition, self._open_consumer(partition)))
                        self._context.logger.info("Takes messages from a new partition, too: %s", partition)
            except Exception as error:  # noqa: BLE001 -- the library's errors; those partitions wait until the next look
                self._context.logger.info("Looking for new partitions of %s: %s", topic, error)
        return new

    def _add(self, topic: str, partition: str, consumer: Any) -> DirectIntake:
        intake = self._open[partition] = DirectIntake(self._context, consumer, topic, self._inputs, self._inbox)
        return intake

    def submit(self, message: PulsarMessage, topic: str, acknowledger: Acknowledger) -> None:
        """Leave a message from the host unacknowledged: the broker redelivers it to our consumers."""

    def close(self) -> None:
        """Close every consumer."""
        for intake in list(self._open.values()):
            try:
                intake.close()
            except Exception as error:  # noqa: BLE001 -- no error at a close loses anything
                self._context.logger.info("Closing an intake: %s", error)

    def _until_done(self, attempt: Callable[[], T]) -> T:
        outage = Outage(self._context, "An intake", initial=0.2, maximum=5.0)
        while True:
            try:
                done = attempt()
            except Exception as error:
                if self._context.stopping.is_set():
                    raise
                outage.wait(Unavailable(str(error)))
            else:
                outage.over()
                return done


class RuntimeIntake:
    """Takes in the messages that Pulsar's runtime hands to ``process``, one at a time."""

    name = "runtime"

    def __init__(self, context: InstanceContext, inputs: Inputs, inbox: Inbox) -> None:
        self._inputs = inputs
        self._inbox = inbox
        self._stopping = context.stopping

    def open(self) -> Sequence[DirectIntake]:
        """Open nothing."""
        return ()

    def open_new(self) -> Sequence[DirectIntake]:
        """Open nothing: the library's consumer notices new partitions by itself."""
        return ()

    def close(self) -> None:
        """Close nothing."""

    def submit(self, message: PulsarMessage, topic: str, acknowledger: Acknowledger) -> None:
        """Take one message in, waiting up to `ROOM_TIMEOUT_S` for room; then add it regardless.

        After a stop, or if its input was shut, the message is not taken and stays unacknowledged.
        """
        received = self._inputs.received(without_partition(topic), message, acknowledger)
        # One thread serves all inputs: a message that can't be taken now must not block the others.
        if self._inbox.is_shut(received.role):
            return
        if self._inbox.passes_over(received.role):
            self._inbox.force_put(received)
            return
        slice_s = 0.2
        for _ in range(int(ROOM_TIMEOUT_S / slice_s)):
            if self._stopping.is_set() or self._inbox.put([received], slice_s):
                return
        self._inbox.force_put(received)
