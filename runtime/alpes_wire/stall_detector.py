"""Notices that the broker doesn't deliver a backlog, and has the entries fetched without the subscription."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .endpoint import Endpoint
from .errors import WireError
from .link import Link
from .message import Entry, Message
from .protocol_pb2 import BaseCommand, CommandConsumerStatsResponse
from .undelivered import Undelivered

HOW_MANY, WHERE = 3, 4
"""Request ids of the questions how large the backlog is and up to where all is acknowledged."""
SUSPICIOUS_AFTER_S = 3.0
"""Time without an entry after which the broker is asked for the backlog."""
OVERDUE_AFTER_S = 30.0
"""Time without progress of the acknowledged position after which withheld entries are looked for, whatever arrives."""
SILENT_AFTER_S = 30.0
"""Time without an entry, despite a backlog, after which the input is reported as silent."""


class Silent(NamedTuple):
    """An input that has a backlog and delivers nothing.

    Attributes
    ----------
    topic
        The partition.
    backlog
        Messages that wait, including delayed ones and those that other consumers hold.
    seconds
        Time since the last entry came.
    """

    topic: str
    backlog: int
    seconds: float


class StallDetector:
    """Watches one consumer's input; used by the thread that listens.

    Parameters
    ----------
    endpoint, topic
        What the consumer receives from.
    consumer
        The consumer's number on its connection.
    permits
        Most permits that it gives the broker.
    monotonic
        Seconds of a clock that never goes back.
    """

    def __init__(
        self, endpoint: Endpoint, topic: str, consumer: int, permits: int, monotonic: Callable[[], float]
    ) -> None:
        self._topic = topic
        self._consumer = consumer
        self._permits = permits
        self._monotonic = monotonic
        self._undelivered = Undelivered(endpoint, topic, monotonic)
        self.pieces_like = self._undelivered.pieces_like
        self.silence: Silent | None = None
        """The backlog that the broker doesn't deliver; None while there is none."""
        self._heard_at = self._asked_at = self._asked_where_at = self._mark_at = monotonic()
        self._mark = (-1, -1)
        self._has_backlog = False
        self._look_due: tuple[tuple[int, int] | None] | None = None

    def connected(self, link: Link, *, anew: bool) -> None:
        """Note a connection; ``anew`` looks at everything again, since the subscription may have been reset."""
        if anew:
            self._undelivered.begin_anew()
        self._heard_at = self._monotonic()
        self._has_backlog = False
        self._look_due = None
        self._ask_where(link)

    def heard(self, entry: Entry) -> None:
        """Note that an entry came."""
        self._undelivered.came(entry.id[:2])
        self._heard_at = self._monotonic()
        self.silence = None

    def ask(self, link: Link) -> None:
        """Ask the broker for the backlog if it is time to."""
        now = self._monotonic()
        is_stuck = now - self._asked_where_at > OVERDUE_AFTER_S
        if is_stuck or min(now - self._heard_at, now - self._asked_at) > SUSPICIOUS_AFTER_S:
            self._asked_at = now
            asking = BaseCommand(type=BaseCommand.CONSUMER_STATS)
            asking.consumerStats.request_id = HOW_MANY
            asking.consumerStats.consumer_id = self._consumer
            link.send(asking)
        if is_stuck:
            self._ask_where(link)

    def handle(self, link: Link, command: BaseCommand) -> None:
        """Handle the broker's answer. Raises `WireError` where the consumer has to reconnect."""
        if command.type == BaseCommand.CONSUMER_STATS_RESPONSE:
            self._check_stats(link, command.consumerStatsResponse)
        elif command.type == BaseCommand.GET_LAST_MESSAGE_ID_RESPONSE:
            answer = command.getLastMessageIdResponse
            if not answer.HasField("consumer_mark_delete_position"):
                return
            read, last = answer.consumer_mark_delete_position, answer.last_message_id
            mark = (read.ledgerId, read.entryId)
            if mark != self._mark:
                self._mark, self._mark_at = mark, self._monotonic()
            self._undelivered.read_to(mark)
            self._schedule_look((last.ledgerId, last.entryId))
        elif command.type == BaseCommand.ERROR and command.error.request_id == WHERE:
            # Where the last entry is malformed, the broker tells neither the topic's end nor what is acknowledged.
            if self._has_backlog:
                self._undelivered.read_to_unknown()
            self._schedule_look(None)

    def look(self) -> Sequence[Message]:
        """Return the messages that the broker withholds, if it is time to look."""
        if self._look_due is None:
            return ()
        (last,), self._look_due = self._look_due, None
        return self._undelivered.look(last)

    def overdue(self) -> Iterable[Message]:
        """Return the fetched messages in pieces that are overdue."""
        return self._undelivered.overdue(self._monotonic())

    def _schedule_look(self, last: tuple[int, int] | None) -> None:
        """Schedule a look for withheld entries where no entry came, or the acknowledged position stood still."""
        now = self._monotonic()
        if now - self._heard_at >= SUSPICIOUS_AFTER_S or now - self._mark_at >= OVERDUE_AFTER_S:
            self._look_due = (last,)

    def _check_stats(self, link: Link, stats: CommandConsumerStatsResponse) -> None:
        seconds = self._monotonic() - self._heard_at
        self._has_backlog = stats.msgBacklog > 0
        if not stats.msgBacklog or seconds < SUSPICIOUS_AFTER_S or self._asked_at < self._heard_at:
            self.silence = None
            return
        if not 0 < stats.availablePermits <= self._permits:
            raise WireError("the broker's count of permits differs from what was given")
        # An entry with an impossible number of messages can make this count negative, which is written unsigned.
        handed_out = stats.unackedMessages if stats.unackedMessages < 2**63 else 0
        waits = stats.msgBacklog - handed_out
        self.silence = Silent(self._topic, waits, seconds) if seconds >= SILENT_AFTER_S and waits > 0 else None
        self._ask_where(link)

    def _ask_where(self, link: Link) -> None:
        """Ask the broker up to where all is acknowledged."""
        self._asked_where_at = self._monotonic()
        asking = BaseCommand(type=BaseCommand.GET_LAST_MESSAGE_ID)
        asking.getLastMessageId.consumer_id = self._consumer
        asking.getLastMessageId.request_id = WHERE
        link.send(asking)
