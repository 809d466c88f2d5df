"""A consumer of one partition, on a subscription that others may share."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from .endpoint import Endpoint
from .errors import WireError
from .link import Frame, Link, auth_response, subscribe
from .message import Entry, Message, MessageId
from .pieces import Pieces, is_piece
from .protocol_pb2 import BaseCommand, CommandSubscribe
from .quarantine import Guard, Quarantine
from .stall_detector import Silent, StallDetector
from .unpacking import entry_of_frame, unpacked

CONSUMER = 1
"""The consumer's number on its connection, which has no other one."""
INDIVIDUAL = 0
"""The protocol's number for acknowledging individual entries."""
MOST_PERMITS = 2_000
"""Messages that the broker may send ahead; far below the 50,000 unacknowledged ones that it allows."""
FIRST_PERMITS = 50
"""The same while the size of messages is unknown."""
BYTES_AHEAD = 16_000_000
"""Bytes that the broker may send ahead, estimated from the mean size. They wait in the socket: the consumer reads and
unpacks one entry at a time."""
SIZE_WEIGHT = 1 / 64
"""Weight of one message in the mean size."""
REOPEN_PAUSE_S, LONGEST_REOPEN_PAUSE_S = 1.0, 15.0
"""Pause before the consumer reopens for an entry that upsets the count of permits. It ends early once the entry is
acknowledged, and doubles each time that the same entry comes again."""
REOPEN_POLL_S = 0.01
QUARANTINE_POLL_S = 0.01
ACKS_AT_ONCE = 5_000
PING_AFTER_S = 20.0
DEAD_AFTER_S = 75.0
"""The broker sends a ping every 30 s. One that sends nothing for this long counts as unreachable."""
CLOSE_TIMEOUT_S = 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Pauses before reconnecting."""
LOG_EVERY = 12
"""The first failed attempt to connect is logged, and then every twelfth: about one a minute."""
LONGEST_GAP_S = 0.5
"""Longest time between two calls that counts as listening; the rest of a longer one counts as a delay."""

log = logging.getLogger(__name__)


class Consumer:
    """Receives messages from one partition, and acknowledges an entry once all its messages are acknowledged.

    One thread receives; another one may acknowledge. Any thread may call `close`.

    Parameters
    ----------
    endpoint
        Where Pulsar is.
    topic
        Full name of the partition.
    subscription
        Its name. The broker creates a missing one, at the topic's start.
    properties
        Shown by ``topics stats``.
    logger
        Logs when the connection is lost and when it is back.
    guard
        Remembers which entries crashed this process before; None turns the quarantine off.
    monotonic
        Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        topic: str,
        subscription: str,
        *,
        properties: Mapping[str, str] | None = None,
        logger: logging.Logger = log,
        guard: Guard | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._topic = topic
        self._subscription = subscription
        self._properties = dict(properties or {})
        self._log = logger
        self._quarantine = Quarantine(guard, topic, monotonic) if guard else None
        self._monotonic = monotonic
        self._in_use = threading.Lock()
        self._link: Link | None = None
        self._closed = False
        self._ready: deque[Message] = deque()
        self._done: deque[MessageId] = deque()
        self._stalls = StallDetector(endpoint, topic, CONSUMER, MOST_PERMITS, monotonic)
        self._pieces = Pieces(self._stalls.pieces_like)
        self._permits = 0
        self._mean_bytes = float(BYTES_AHEAD / FIRST_PERMITS)
        self._attempts = 0
        self._again_at = 0.0
        self._upset_by: Entry | None = None
        self._upset_times = 0
        self._is_to_reopen = self._is_reopening = False
        self._listened_at = monotonic()
        self._listening_s = 0.0

    def open(self) -> None:
        """Connect and subscribe. Raises `WireError`."""
        with self._in_use:
            self._connect()

    @property
    def silence(self) -> Silent | None:
        """The backlog that the broker doesn't deliver; None while there is none."""
        return self._stalls.silence

    def ready(self, seconds: float) -> bool:
        """Wait up to ``seconds`` until there may be something to receive; reconnect where needed."""
        with self._in_use:
            if self._ready:
                self._on_link(self._send_due)
                return True
            if self._closed:
                return False
            if self._quarantine is not None:
                self._quarantine.expire()
            if self._is_to_reopen:
                self._on_link(self._reopen)
            if self._link is None and not self._reconnected(seconds):
                return False
            if self._held_back():
                time.sleep(min(seconds, QUARANTINE_POLL_S))
                self._on_link(self._send_due)
                return False
            return bool(self._ready or self._on_link(lambda link: self._listened(link, seconds)))

    def receive(self) -> Message | None:
        """Return the next message without waiting, None where there is none."""
        with self._in_use:
            if not self._ready and self._link is not None:
                self._on_link(self._take)
            return self._ready.popleft() if self._ready else None

    def acknowledge(self, message: Message) -> None:
        """Mark a message as done. The broker is told a moment after the last one of its entry."""
        if message.done:
            return
        message.done = True
        for entry in message.entries:
            entry.open -= 1
            if entry.open == 0:
                self._done.append(entry.id)

    def tend(self) -> None:
        """Send acknowledgements and pings. Call this while nothing is received for a while."""
        with self._in_use:
            if self._link is not None:
                self._on_link(self._send_due)

    def close(self) -> None:
        """Send the last acknowledgements and return unacknowledged messages to the broker."""
        with self._in_use:
            self._closed = True
            link, self._link = self._link, None
            if link is not None:
                self._hand_back(link)

    # -- the connection

    def _connect(self) -> None:
        link = subscribe(self._endpoint, self._subscribing())
        try:
            self._permits = 0
            self._stalls.connected(link, anew=not self._is_reopening)
            self._is_reopening = False
            # Acknowledge first, so that the broker doesn't deliver those entries again.
            self._send_acknowledgements(link)
            self._give_permits(link)
            self._link = link
        except BaseException:
            link.close()
            raise

    def _subscribing(self) -> BaseCommand:
        command = BaseCommand(type=BaseCommand.SUBSCRIBE)
        subscribe = command.subscribe
        subscribe.topic = self._topic
        subscribe.subscription = self._subscription
        subscribe.subType = CommandSubscribe.Shared
        subscribe.consumer_id = CONSUMER
        subscribe.request_id = 1
        subscribe.durable = True
        subscribe.initialPosition = CommandSubscribe.Earliest
        for key, value in self._properties.items():
            subscribe.metadata.add(key=key.encode(), value=value.encode())
        return command

    def _reconnected(self, seconds: float) -> bool:
        wait = self._again_at - self._monotonic()
        if wait > 0 and not (self._is_reopening and self._upset_by is not None and self._upset_by.open < 1):
            time.sleep(min(wait, max(0.0, min(seconds, REOPEN_POLL_S) if self._is_reopening else seconds)))
            return False
        try:
            self._connect()
        except WireError as error:
            self._is_reopening = False
            self._attempts += 1
            if self._attempts == 1 or self._attempts % LOG_EVERY == 0:
                self._log.warning("Waiting for the broker (attempt %d): %s", self._attempts, error)
            self._again_at = self._monotonic() + min(FIRST_PAUSE_S * 2.0 ** min(self._attempts, 10), LONGEST_PAUSE_S)
            return False
        self._log.info("Reconnected to %s", self._topic)
        self._attempts = 0
        return True

    def _on_link(self, act: Callable[[Link], object]) -> object:
        link = self._link
        if link is None:
            return None
        try:
            return act(link)
        except WireError as error:
            self._lose(str(error))
            return None

    def _lose(self, why: str) -> None:
        """Close the lost connection. The broker delivers unacknowledged entries again, here or to another consumer."""
        self._disconnect(why)
        self._ready.clear()
        # Its messages may have been among those dropped.
        self._upset_by = None
        if self._quarantine is not None:
            self._quarantine.drop()

    def _disconnect(self, why: str) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
            self._log.warning("%s: reconnecting: %s", self._topic, why)
        self._is_to_reopen = False
        self._pieces.forget()
        self._again_at = self._monotonic() + FIRST_PAUSE_S

    def _hand_back(self, link: Link) -> None:
        """Close the consumer, then the connection once the broker has answered.

        A connection that is closed while bytes are unread is reset, and the broker loses the last acknowledgements.
        """
        with contextlib.suppress(WireError):
            self._send_acknowledgements(link)
            closing = BaseCommand(type=BaseCommand.CLOSE_CONSUMER)
            closing.close_consumer.consumer_id = CONSUMER
            closing.close_consumer.request_id = 2
            link.send(closing)
            deadline = self._monotonic() + CLOSE_TIMEOUT_S
            while link.answer(deadline - self._monotonic()).command.type not in (
                BaseCommand.SUCCESS,
                BaseCommand.ERROR,
            ):
                pass
        link.close()

    def _upset(self, entry: Entry) -> None:
        """Have the consumer reopened after an entry that upsets the broker's count of permits."""
        comes_again = self._upset_by is not None and self._upset_by.id == entry.id
        self._upset_times = self._upset_times + 1 if comes_again else 0
        self._upset_by = entry
        self._is_to_reopen = True

    def _reopen(self, link: Link) -> None:
        """Reconnect so that the broker counts permits from zero; received messages are kept."""
        self._is_to_reopen = False
        self._hand_back(link)
        number = self._upset_by.permits if self._upset_by is not None else 0
        self._disconnect(f"an entry claims {number:,} messages")
        self._is_reopening = True
        pause = min(REOPEN_PAUSE_S * 2.0 ** min(self._upset_times, 10), LONGEST_REOPEN_PAUSE_S)
        self._again_at = self._monotonic() + pause

    # -- what is sent

    def _send_due(self, link: Link) -> None:
        """Send the acknowledgements and the ping that are due."""
        self._send_acknowledgements(link)
        if self._quarantine is not None:
            self._quarantine.expire()
        if self._monotonic() - link.sent_at > PING_AFTER_S:
            link.ping()

    def _listened(self, link: Link, seconds: float) -> bool:
        """Wait for something to receive, and fetch entries that the broker withholds."""
        self._send_due(link)
        self._stalls.ask(link)
        self._look()
        self._ready.extend(self._through_quarantine(self._pieces.overdue(self._listening())))
        self._ready.extend(self._through_quarantine(self._stalls.overdue()))
        if self._ready or self._link is not link or link.wait(seconds):
            return True
        if self._monotonic() - link.heard_at > DEAD_AFTER_S:
            raise WireError(f"the broker sent nothing for {DEAD_AFTER_S:.0f} s")
        return False

    def _listening(self) -> float:
        """Return for how many seconds this has listened. Delays in which received bytes lay unread don't count."""
        now = self._monotonic()
        self._listening_s += min(now - self._listened_at, LONGEST_GAP_S)
        self._listened_at = now
        return self._listening_s

    def _send_acknowledgements(self, link: Link) -> None:
        while self._done:
            command = BaseCommand(type=BaseCommand.ACK)
            command.ack.consumer_id = CONSUMER
            command.ack.ack_type = INDIVIDUAL
            sent: list[MessageId] = []
            with contextlib.suppress(IndexError):
                while len(sent) < ACKS_AT_ONCE:
                    sent.append(self._done.popleft())
            for id_ in sent:
                command.ack.message_id.add(ledgerId=id_.ledger, entryId=id_.entry)
            try:
                link.send(command)
            except WireError:
                self._done.extendleft(reversed(sent))
                raise

    def _give_permits(self, link: Link) -> None:
        wanted = min(MOST_PERMITS, max(1, int(BYTES_AHEAD / max(self._mean_bytes, 1.0))))
        if wanted - self._permits < max(1, wanted // 2):
            return
        command = BaseCommand(type=BaseCommand.FLOW)
        command.flow.consumer_id = CONSUMER
        command.flow.messagePermits = wanted - self._permits
        link.send(command)
        self._permits = wanted

    # -- what comes in

    def _held_back(self) -> bool:
        """Return whether suspect entries must be done before more is taken."""
        if self._quarantine is None:
            return False
        self._ready.extend(self._quarantine.next_waiting())
        return not self._ready and self._quarantine.full

    def _take(self, link: Link) -> None:
        while not self._ready and not self._is_to_reopen and not self._held_back():
            frame = link.next()
            if frame is None:
                if not link.wait(0):
                    return
                continue
            kind = frame.command.type
            if kind == BaseCommand.MESSAGE:
                self._add(link, frame)
            elif not link.kept_alive(frame.command):
                self._handle(link, frame)

    def _add(self, link: Link, frame: Frame) -> None:
        entry = entry_of_frame(frame)
        self._stalls.heard(entry)
        if not entry.countable:
            known = self._upset_by
            if known is not None and known.id == entry.id and known.open > 0:
                # Its messages are still being processed.
                entry = known
            else:
                self._ready.extend(self._messages(entry))
            self._upset(entry)
            return
        self._ready.extend(self._messages(entry))
        self._permits -= entry.permits
        self._mean_bytes += (len(frame.body) / entry.permits - self._mean_bytes) * min(1.0, entry.permits * SIZE_WEIGHT)
        self._give_permits(link)

    def _messages(self, entry: Entry) -> Iterable[Message]:
        if self._quarantine is not None:
            self._quarantine.hand_out(entry)
        if is_piece(entry):
            return self._through_quarantine(self._pieces.add(entry, self._listening()))
        if self._quarantine is not None and self._quarantine.applies_to((entry,)):
            return self._quarantine.take((entry,), lambda: self._unpacked(entry))
        return self._unpacked(entry)

    def _unpacked(self, entry: Entry) -> Sequence[Message]:
        messages = unpacked(entry)
        if not messages:
            self._done.append(entry.id)
        return messages

    def _through_quarantine(self, found: Iterable[Message]) -> Iterator[Message]:
        """Yield messages that were assembled or fetched, except suspect ones that have to wait."""
        for message in found:
            if self._quarantine is None:
                yield message
                continue
            for entry in message.entries:
                self._quarantine.hand_out(entry)
            if self._quarantine.applies_to(message.entries):
                yield from self._quarantine.take(message.entries, lambda message=message: [message])  # type: ignore[misc]
            else:
                yield message

    def _look(self) -> None:
        found = self._stalls.look()
        self._ready.extend(self._through_quarantine(found))
        upset_by = [entry for message in found for entry in message.entries if not entry.countable]
        if upset_by:
            self._upset(upset_by[-1])

    def _handle(self, link: Link, frame: Frame) -> None:
        command = frame.command
        if command.type == BaseCommand.CLOSE_CONSUMER:
            raise WireError("the broker closed the topic; another broker may have taken it over")
        if command.type == BaseCommand.AUTH_CHALLENGE:
            link.send(auth_response(self._endpoint))
        else:
            self._stalls.handle(link, command)
