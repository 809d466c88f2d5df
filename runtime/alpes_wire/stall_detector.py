"""Notices that something waits which the broker doesn't send, and has it looked for behind the subscription's back."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .endpoint import Endpoint
from .errors import WireError
from .link import Link
from .message import Entry, Message
from .protocol_pb2 import BaseCommand, CommandConsumerStatsResponse
from .undelivered import Undelivered

HOW_MANY, WHERE = 3, 4
"""The numbers of the requests that ask how many messages wait, and up to where all is acknowledged."""
SUSPICIOUS_AFTER_S = 3.0
"""Nothing for so long, and the broker is asked whether something waits."""
STUCK_AFTER_S = 30.0
"""Nothing got done for so long, and it is looked whether the broker keeps something back, whatever comes meanwhile."""
SILENT_AFTER_S = 30.0
"""Nothing for so long, although something waits, and it is told of."""


class Silent(NamedTuple):
    """An input that something waits in and nothing comes from.

    Attributes
    ----------
    topic
        The partition.
    backlog
        Messages that wait, delayed ones and those that other consumers hold among them.
    seconds
        For how long nothing has come.
    """

    topic: str
    backlog: int
    seconds: float


class StallDetector:
    """Watches over one consumer's input; used by the thread that listens.

    Parameters
    ----------
    endpoint, topic
        What the consumer takes from.
    consumer
        Its number on its connection.
    permits
        Most that it gives the broker.
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
        """What is known of something that waits and doesn't come; None while all is well."""
        self._heard_at = self._asked_at = self._asked_where_at = self._mark_at = monotonic()
        self._mark = (-1, -1)
        self._to_look: tuple[tuple[int, int] | None] | None = None

    def connected(self, link: Link, *, anew: bool) -> None:
        """Note a connection; with ``anew``, look at everything once more: the subscription may have been set back."""
        if anew:
            self._undelivered.begin_anew()
        self._heard_at = self._monotonic()
        self._to_look = None
        self._ask_where(link)

    def heard(self, entry: Entry) -> None:
        """Note that an entry came."""
        self._undelivered.came(entry.id[:2])
        self._heard_at = self._monotonic()
        self.silence = None

    def ask(self, link: Link) -> None:
        """Ask whether something waits that doesn't come."""
        now = self._monotonic()
        is_stuck = now - self._asked_where_at > STUCK_AFTER_S
        if is_stuck or min(now - self._heard_at, now - self._asked_at) > SUSPICIOUS_AFTER_S:
            self._asked_at = now
            asking = BaseCommand(type=BaseCommand.CONSUMER_STATS)
            asking.consumerStats.request_id = HOW_MANY
            asking.consumerStats.consumer_id = self._consumer
            link.send(asking)
        if is_stuck:
            self._ask_where(link)

    def heed(self, link: Link, command: BaseCommand) -> None:
        """Take the broker's answer. Raises `WireError` where the consumer has to open anew."""
        if command.type == BaseCommand.CONSUMER_STATS_RESPONSE:
            self._judge(link, command.consumerStatsResponse)
        elif command.type == BaseCommand.GET_LAST_MESSAGE_ID_RESPONSE:
            answer = command.getLastMessageIdResponse
            if not answer.HasField("consumer_mark_delete_position"):
                return
            read, last = answer.consumer_mark_delete_position, answer.last_message_id
            mark = (read.ledgerId, read.entryId)
            if mark != self._mark:
                self._mark, self._mark_at = mark, self._monotonic()
            self._undelivered.read_to(mark)
            self._is_to_look((last.ledgerId, last.entryId))
        elif command.type == BaseCommand.ERROR and command.error.request_id == WHERE:
            # The broker can't say where a topic ends whose last entry is malformed.
            self._is_to_look(None)

    def look(self) -> Sequence[Message]:
        """Return what the broker keeps back, if it is time to look."""
        if self._to_look is None:
            return ()
        (last,), self._to_look = self._to_look, None
        return self._undelivered.look(last)

    def overdue(self) -> Iterable[Message]:
        """Return what was found, and has waited too long for the rest of its message."""
        return self._undelivered.overdue(self._monotonic())

    def _is_to_look(self, last: tuple[int, int] | None) -> None:
        """Have it looked whether the broker keeps something back: nothing comes, or nothing gets done for long."""
        now = self._monotonic()
        if now - self._heard_at >= SUSPICIOUS_AFTER_S or now - self._mark_at >= STUCK_AFTER_S:
            self._to_look = (last,)

    def _judge(self, link: Link, stats: CommandConsumerStatsResponse) -> None:
        seconds = self._monotonic() - self._heard_at
        if not stats.msgBacklog or seconds < SUSPICIOUS_AFTER_S or self._asked_at < self._heard_at:
            self.silence = None
            return
        if not 0 < stats.availablePermits <= self._permits:
            raise WireError("the broker counts other permits than were given")
        waits = stats.msgBacklog - stats.unackedMessages
        self.silence = Silent(self._topic, waits, seconds) if seconds >= SILENT_AFTER_S and waits > 0 else None
        self._ask_where(link)

    def _ask_where(self, link: Link) -> None:
        """Ask up to where all is acknowledged."""
        self._asked_where_at = self._monotonic()
        asking = BaseCommand(type=BaseCommand.GET_LAST_MESSAGE_ID)
        asking.getLastMessageId.consumer_id = self._consumer
        asking.getLastMessageId.request_id = WHERE
        link.send(asking)
