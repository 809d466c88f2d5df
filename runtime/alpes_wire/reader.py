"""Reads a partition from a position on, without a durable subscription or acknowledgements."""

import contextlib
import math
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator

from .endpoint import Endpoint
from .errors import WireError
from .link import Frame, Link, auth_response, refused, subscribe
from .message import Entry, Message, MessageId
from .pieces import Pieces, is_piece
from .protocol_pb2 import BaseCommand, CommandSubscribe
from .unpacking import entry_of_frame, unpacked

NOTHING = MessageId(-1, -1)
EARLIEST = MessageId(2**64 - 1, 2**64 - 1)
LATEST = MessageId(2**63 - 1, 2**63 - 1)
READER = 1
PERMITS = 1_000
READ_TOGETHER = 100
"""Entries that a broker reads together, and sends or withholds together."""
PING_AFTER_S = 20.0
PAUSE_S = 0.5
"""Pause before reconnecting."""
NO_ENTRY = 2**63
"""The broker writes -1 as an unsigned number: numbers from here on aren't positions."""


class Reader:
    """Reads all entries of a partition, unreadable ones included; used by one thread.

    Parameters
    ----------
    endpoint
        Where Pulsar is.
    topic
        Full name of the partition. The broker doesn't create a missing one.
    start
        The first entry to read, `EARLIEST`, or `LATEST` for those that are published from now on.

    Raises
    ------
    WireError
        The partition can't be read.
    """

    def __init__(self, endpoint: Endpoint, topic: str, start: MessageId = EARLIEST) -> None:
        self._endpoint = endpoint
        self._topic = topic
        self.subscription = ""
        """The name of its subscription at the broker; each connection has another one."""
        self._start = start
        self._seen = NOTHING
        self._ready: deque[Message] = deque()
        self._pieces = Pieces()
        self._permits = 0
        self._again_at = 0.0
        self._upset = False
        self._link: Link | None = self._connect()
        if start == LATEST:
            # Note the end now: a reconnect before the first message must not begin at a later one. The broker doesn't
            # know the end where the last entry is malformed, and says -1 where there is no entry yet.
            with contextlib.suppress(WireError):
                last, mark = self._ends()
                end = last if mark is None else mark
                if end.ledger >= NO_ENTRY:
                    self._start = EARLIEST
                elif end.entry >= NO_ENTRY:
                    self._start, self._seen = MessageId(end.ledger, 0), MessageId(end.ledger, -1)
                else:
                    self._start = self._seen = end

    def last(self) -> tuple[MessageId, bool]:
        """Return the topic's last position, and whether anything up to it is still unread. Raises `WireError`."""
        last, mark = self._ends()
        if self._ready:
            return last, True
        if last.entry >= NO_ENTRY:
            return last, False
        if self._seen != NOTHING or self._start != EARLIEST:
            return last, last[:2] > self._seen[:2] and last[:2] >= self._start[:2]
        return last, mark is None or mark.entry >= NO_ENTRY or mark[:2] < last[:2]

    def _ends(self) -> tuple[MessageId, MessageId | None]:
        """Return the topic's last position, and the one after which the broker began to read, if it says so."""
        link = self._link or self._connect()
        self._link = link
        asking = BaseCommand(type=BaseCommand.GET_LAST_MESSAGE_ID)
        asking.getLastMessageId.consumer_id = READER
        asking.getLastMessageId.request_id = 2
        try:
            link.send(asking)
            while (frame := link.answer()).command.type != BaseCommand.GET_LAST_MESSAGE_ID_RESPONSE:
                if frame.command.type == BaseCommand.ERROR:
                    break
                if (entry := self._handle(link, frame)) is not None:
                    self._ready.extend(self._messages(entry))
        except WireError:
            self._lose()
            raise
        if frame.command.type == BaseCommand.ERROR:
            raise refused(self._topic, frame.command.error)
        answer = frame.command.getLastMessageIdResponse
        last = MessageId(answer.last_message_id.ledgerId, answer.last_message_id.entryId)
        if not answer.HasField("consumer_mark_delete_position"):
            return last, None
        mark = answer.consumer_mark_delete_position
        return last, MessageId(mark.ledgerId, mark.entryId)

    @property
    def seen(self) -> MessageId:
        """The last entry that was read, `NOTHING` before the first."""
        return self._seen

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._link is not None

    def read(self, seconds: float) -> Message | None:
        """Return the next message, None where none comes within ``seconds``."""
        deadline = time.monotonic() + seconds
        while not self._ready:
            entry = self.entry(max(0.0, deadline - time.monotonic()))
            self._ready.extend(self._pieces.overdue(time.monotonic()))
            if entry is not None:
                self._ready.extend(self._messages(entry))
            elif not self._ready:
                return None
        return self._ready.popleft()

    def rest(self) -> Iterator[Message]:
        """Yield the messages received so far, and incomplete ones in pieces as unreadable."""
        yield from self._ready
        self._ready.clear()
        yield from self._pieces.overdue(math.inf)

    def entry(self, seconds: float) -> Entry | None:
        """Return the next entry as stored, None where none comes within ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                if (link := self._link) is None:
                    if (pause := self._again_at - time.monotonic()) > 0:
                        time.sleep(max(0.0, min(pause, left)))
                    else:
                        self._link = self._connect()
                elif (frame := link.next()) is not None:
                    if (found := self._handle(link, frame)) is not None:
                        return found
                    continue
                elif self._waited(link, max(0.0, min(left, 1.0))):
                    continue
            except WireError:
                self._lose()
            if left <= 0:
                return None

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _waited(self, link: Link, seconds: float) -> bool:
        if self._upset:
            raise WireError("the broker must count permits from zero")
        if link.wait(seconds):
            return True
        if time.monotonic() - link.sent_at > PING_AFTER_S:
            link.ping()
        return False

    def _connect(self) -> Link:
        link = subscribe(self._endpoint, self._subscribing())
        try:
            self._permits = 0
            self._upset = False
            self._give_permits(link)
        except BaseException:
            link.close()
            raise
        return link

    def _subscribing(self) -> BaseCommand:
        command = BaseCommand(type=BaseCommand.SUBSCRIBE)
        subscribe = command.subscribe
        subscribe.topic = self._topic
        subscribe.subscription = self.subscription = f"reader-{uuid.uuid4().hex[:10]}"
        subscribe.subType = CommandSubscribe.Exclusive
        subscribe.consumer_id = READER
        subscribe.request_id = 1
        subscribe.durable = False
        subscribe.force_topic_creation = False
        subscribe.start_message_id.ledgerId = self._start.ledger
        subscribe.start_message_id.entryId = self._start.entry
        return command

    def _lose(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        self._again_at = 0.0 if self._upset else time.monotonic() + PAUSE_S

    def _give_permits(self, link: Link) -> None:
        if self._permits > PERMITS // 2:
            return
        command = BaseCommand(type=BaseCommand.FLOW)
        command.flow.consumer_id = READER
        command.flow.messagePermits = PERMITS - self._permits
        link.send(command)
        self._permits = PERMITS

    def _messages(self, entry: Entry) -> Iterable[Message]:
        if is_piece(entry):
            return self._pieces.add(entry, time.monotonic())
        return unpacked(entry)

    def _handle(self, link: Link, frame: Frame) -> Entry | None:
        command = frame.command
        if command.type == BaseCommand.MESSAGE:
            entry = entry_of_frame(frame)
            if entry.countable:
                self._permits -= entry.permits
                self._give_permits(link)
            else:
                self._upset = True
            if entry.id[:2] <= self._seen[:2]:
                # After a reconnect the broker begins with the last entry that was read.
                return None
            self._start = self._seen = entry.id
            if self._upset:
                # Reading it again would upset the broker's count of permits again.
                self._start = entry.id._replace(entry=entry.id.entry + 1)
            return entry
        if command.type == BaseCommand.CLOSE_CONSUMER:
            raise WireError("the broker closed the topic")
        if command.type == BaseCommand.AUTH_CHALLENGE:
            link.send(auth_response(self._endpoint))
        link.kept_alive(command)
        return None
