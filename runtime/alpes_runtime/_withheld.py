"""Keeps the messages whose events are too large for the broker, while other messages go on.

Such a message is committed and not acknowledged: if the instance ends, the broker redelivers it. Its events are
published again from time to time, and it is acknowledged once they are confirmed: an operator only raises the limit.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from ._context import InstanceContext
from ._dead_letter import smaller
from ._message import Event, Received, local_name
from ._publisher import Publisher, event_bytes
from .errors import Refused, Unavailable

MOST_MESSAGES = 1_000
"""From this many withheld messages on, no further group is published. The last group may exceed it."""
MOST_BYTES = 16_000_000
"""The same limit for the bytes of withheld messages and their events."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Bounds of the wait between two attempts."""


class _One(NamedTuple):
    message: Received
    events: Sequence[Event]

    @property
    def place(self) -> tuple[str, str]:
        return self.message.source_topic, self.message.source_message_id


class Withheld:
    """Messages that wait until a topic accepts events of their size.

    Parameters
    ----------
    context
        The instance.
    publisher
        See `PublishStage`.
    """

    def __init__(self, context: InstanceContext, publisher: Publisher) -> None:
        self._context = context
        self._publisher = publisher
        self._clock = context.clock
        self._log = context.logger
        self._backoff = context.platform.backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._all: list[_One] = []
        self._bytes = 0
        self._topics: frozenset[str] = frozenset()
        self._again_at = 0.0

    def __len__(self) -> int:
        return len(self._all)

    @property
    def full(self) -> bool:
        """Whether some of these must be published before any further group."""
        return len(self._all) >= MOST_MESSAGES or self._bytes >= MOST_BYTES

    @property
    def due(self) -> bool:
        """Whether it is time for `try_again`."""
        return bool(self._all) and self._clock.monotonic() >= self._again_at

    def add(self, messages: Sequence[Received], caused: Sequence[Sequence[Event]], refused: Sequence[Event]) -> int:
        """Withhold the messages of a group whose events are refused, and acknowledge the others, which are confirmed.

        Parameters
        ----------
        messages
            The messages of the group.
        caused
            The events of each message.
        refused
            The events that the broker refused. A dead letter among them is published in a smaller form if the broker
            accepts that.

        Returns
        -------
        int
            The number of messages that were acknowledged.

        Raises
        ------
        PublishFailed
            Nothing is withheld and nothing acknowledged: publish the whole group again.
        """
        still = {id(event): event for event in refused if not self._published_smaller(event)}
        fresh = [
            _One(message, kept)
            for message, events in zip(messages, caused, strict=True)
            if (kept := [event for event in events if id(event) in still])
        ]
        if fresh and not self._all:
            self._again_at = self._clock.monotonic() + self._backoff.next()
        waiting = {id(one.message) for one in fresh}
        for message in messages:
            if id(message) not in waiting:
                message.acknowledge()
        # A redelivered message, as after a reconnect, replaces the earlier one, which can't be acknowledged any more.
        again = {one.place for one in fresh}
        self._keep([*(one for one in self._all if one.place not in again), *fresh])
        for topic in sorted({event.topic for event in still.values()}):
            sizes = [event_bytes(event) for event in still.values() if event.topic == topic]
            self._log.warning(
                "Nothing is lost, withheld %d events of %s, which the broker refuses for their size even alone: they "
                "have from %d to %d bytes. Others go on, and these are tried again. Is the limit (maxMessageSize) of "
                "the topic, its namespace or the broker below that?",
                len(sizes),
                topic,
                min(sizes),
                max(sizes),
            )
        return len(messages) - len(fresh)

    def try_again(self) -> int:
        """Publish the withheld events again; return how many messages were acknowledged since theirs are confirmed."""
        events = [event for one in self._all for event in one.events]
        refused: Collection[int] = ()
        try:
            self._publisher.publish(events)
        except Refused as error:
            refused = {id(event) for event in error.events}
        except Unavailable as error:
            self._again_at = self._clock.monotonic() + self._backoff.next()
            self._log.info("The withheld events could not be published again this time: %s", error)
            return 0
        kept: list[_One] = []
        acknowledged = 0
        try:
            # The limit may now be high enough for a smaller form of a dead letter.
            refused = {id(event) for event in events if id(event) in refused and not self._published_smaller(event)}
        except Unavailable:
            self._log.debug("The withheld dead letters could not be published in smaller forms this time")
        for one in self._all:
            if left := [event for event in one.events if id(event) in refused]:
                kept.append(_One(one.message, left))
            else:
                one.message.acknowledge()
                acknowledged += 1
        if acknowledged:
            self._log.info("The broker took the events of %d messages that were withheld", acknowledged)
            self._backoff.reset()
        self._keep(kept)
        self._again_at = self._clock.monotonic() + self._backoff.next()
        return acknowledged

    def _published_smaller(self, event: Event) -> bool:
        form = smaller(event)
        while form is not None:
            try:
                self._publisher.publish([form])
            except Refused:
                form = smaller(form)
            else:
                return True
        return False

    def _keep(self, those: list[_One]) -> None:
        self._all = those
        self._bytes = sum(one.message.size + sum(map(event_bytes, one.events)) for one in those)
        topics = frozenset(local_name(event.topic) for one in those for event in one.events)
        for topic in sorted(topics ^ self._topics):
            self._context.record_stuck(topic, stuck=topic in topics)
        self._topics = topics
