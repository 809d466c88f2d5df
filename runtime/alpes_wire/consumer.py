"""A consumer of one partition, on a subscription that others may share."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from .care import Care, Guard
from .endpoint import Endpoint
from .errors import WireError
from .link import Frame, Link, authenticated, subscribed
from .message import Entry, Message, MessageId
from .pieces import Pieces, is_piece
from .protocol_pb2 import BaseCommand, CommandSubscribe
from .stall_detector import Silent, StallDetector
from .unpacking import entry_of_frame, unpacked

CONSUMER = 1
"""Its number on its connection, where it is the only one."""
INDIVIDUAL = 0
"""The acknowledgement of entries one by one."""
MOST_PERMITS = 2_000
"""Messages that the broker may send ahead. Far below the 50,000 that it lets be unacknowledged."""
FIRST_PERMITS = 50
"""The same before anything is known of their size."""
BYTES_AHEAD = 16_000_000
"""Bytes that the broker may send ahead, as far as that can be said by number. They wait in sockets: here one entry at a
time is read and unpacked."""
SIZE_WEIGHT = 1 / 64
"""How much one message counts in the mean size."""
REOPEN_PAUSE_S, LONGEST_REOPEN_PAUSE_S = 1.0, 15.0
"""Before the consumer opens anew for an entry that upsets the count of permits, unless it is acknowledged sooner. It is
longer each time that the same one comes again."""
REOPEN_LOOK_S = 0.01
CARE_LOOK_S = 0.01
"""How often that is looked at."""
ACKS_AT_ONCE = 5_000
PING_AFTER_S = 20.0
DEAD_AFTER_S = 75.0
"""The broker asks for a sign of life every 30 s, as we do. Silent for so long, it is as good as gone."""
CLOSE_TIMEOUT_S = 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Before connecting again."""
TOLD_EVERY = 12
"""Of attempts in vain the first and each so-manieth are logged: one a minute."""
LONGEST_GAP_S = 0.5
"""Between two times of listening; of more it is taken that something held it up."""

log = logging.getLogger(__name__)


class Consumer:
    """Takes messages from one partition, and acknowledges each entry once all of its messages are.

    One thread takes, another may acknowledge; `close` may be called from any.

    Parameters
    ----------
    endpoint
        Where Pulsar is.
    topic
        Full name of the partition.
    subscription
        Its name. It is made at the start of the topic where it is missing.
    properties
        Shown by ``topics stats``.
    logger
        Told when the connection breaks, and when it is back.
    guard
        Knows which entries ended this process before; None lets each be worked on beside others.
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
        self._care = Care(guard, topic, monotonic) if guard else None
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
        """What is known of something that waits and doesn't come; None while all is well."""
        return self._stalls.silence

    def ready(self, seconds: float) -> bool:
        """Wait at most so long until there may be something to receive; connects again where that is needed."""
        with self._in_use:
            if self._ready:
                self._on_link(self._keep_up)
                return True
            if self._closed:
                return False
            if self._care is not None:
                self._care.expire()
            if self._is_to_reopen:
                self._on_link(self._reopen)
            if self._link is None and not self._reconnected(seconds):
                return False
            if self._held_back():
                time.sleep(min(seconds, CARE_LOOK_S))
                self._on_link(self._keep_up)
                return False
            return bool(self._ready or self._on_link(lambda link: self._listened(link, seconds)))

    def receive(self) -> Message | None:
        """Return the next message that is there, None without one."""
        with self._in_use:
            if not self._ready and self._link is not None:
                self._on_link(self._take)
            return self._ready.popleft() if self._ready else None

    def acknowledge(self, message: Message) -> None:
        """Be done with a message. The broker is told of it once all of its entry are, a moment later."""
        if message.done:
            return
        message.done = True
        for entry in message.entries:
            entry.open -= 1
            if entry.open == 0:
                self._done.append(entry.id)

    def tend(self) -> None:
        """Send what is to be sent; for whoever takes nothing for a while."""
        with self._in_use:
            if self._link is not None:
                self._on_link(self._keep_up)

    def close(self) -> None:
        """Send the last acknowledgements off and give the rest back to the broker."""
        with self._in_use:
            self._closed = True
            link, self._link = self._link, None
            if link is not None:
                self._hand_back(link)

    # -- the connection

    def _connect(self) -> None:
        link = subscribed(self._endpoint, self._subscribing())
        try:
            self._permits = 0
            self._stalls.connected(link, anew=not self._is_reopening)
            self._is_reopening = False
            # What is done already need not come again.
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
            time.sleep(min(wait, max(0.0, min(seconds, REOPEN_LOOK_S) if self._is_reopening else seconds)))
            return False
        try:
            self._connect()
        except WireError as error:
            self._is_reopening = False
            self._attempts += 1
            if self._attempts == 1 or self._attempts % TOLD_EVERY == 0:
                self._log.warning("Waiting for the broker (attempt %d): %s", self._attempts, error)
            self._again_at = self._monotonic() + min(FIRST_PAUSE_S * 2.0 ** min(self._attempts, 10), LONGEST_PAUSE_S)
            return False
        self._log.info("Connected again to %s", self._topic)
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
        """Give up the connection: what is unacknowledged comes again, from here or elsewhere."""
        self._disconnect(why)
        self._ready.clear()
        # What it was made into may have been among these.
        self._upset_by = None
        if self._care is not None:
            self._care.drop()

    def _disconnect(self, why: str) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
            self._log.warning("%s: connecting again: %s", self._topic, why)
        self._is_to_reopen = False
        self._pieces.forget()
        self._again_at = self._monotonic() + FIRST_PAUSE_S

    def _hand_back(self, link: Link) -> None:
        """Close the consumer at the broker, and the connection once the broker has read all that was sent on it.

        A connection that is closed over unread bytes is reset, and then the broker loses the last acknowledgements.
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
        """Have the consumer opened anew for an entry after which the broker's count of permits doesn't hold."""
        comes_again = self._upset_by is not None and self._upset_by.id == entry.id
        self._upset_times = self._upset_times + 1 if comes_again else 0
        self._upset_by = entry
        self._is_to_reopen = True

    def _reopen(self, link: Link) -> None:
        """Have the broker count permits anew; what is here stays."""
        self._is_to_reopen = False
        self._hand_back(link)
        number = self._upset_by.permits if self._upset_by is not None else 0
        self._disconnect(f"an entry says that it has {number:,} messages")
        self._is_reopening = True
        pause = min(REOPEN_PAUSE_S * 2.0 ** min(self._upset_times, 10), LONGEST_REOPEN_PAUSE_S)
        self._again_at = self._monotonic() + pause

    # -- what is sent

    def _keep_up(self, link: Link) -> None:
        """Send what is due of acknowledgements and signs of life."""
        self._send_acknowledgements(link)
        if self._care is not None:
            self._care.expire()
        if self._monotonic() - link.sent_at > PING_AFTER_S:
            link.ping()

    def _listened(self, link: Link, seconds: float) -> bool:
        """Wait for something to receive, and see to what the broker keeps back."""
        self._keep_up(link)
        self._stalls.ask(link)
        self._look()
        self._ready.extend(self._with_care(self._pieces.overdue(self._listening())))
        self._ready.extend(self._with_care(self._stalls.overdue()))
        if self._ready or self._link is not link or link.wait(seconds):
            return True
        if self._monotonic() - link.heard_at > DEAD_AFTER_S:
            raise WireError(f"nothing was heard of the broker for {DEAD_AFTER_S:.0f} s")
        return False

    def _listening(self) -> float:
        """Return for how long this has listened: a hold doesn't count, in which what came lies unread."""
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
        """Whether nothing more is taken before what may be what ends this process is done."""
        if self._care is None:
            return False
        self._ready.extend(self._care.waited())
        return not self._ready and self._care.full

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
                self._heed(link, frame)

    def _add(self, link: Link, frame: Frame) -> None:
        entry = entry_of_frame(frame)
        self._stalls.heard(entry)
        if not entry.countable:
            known = self._upset_by
            if known is not None and known.id == entry.id and known.open > 0:
                # It is still in hand.
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
        if self._care is not None:
            self._care.hand_out(entry)
        if is_piece(entry):
            return self._with_care(self._pieces.add(entry, self._listening()))
        if self._care is not None and self._care.concerns((entry,)):
            return self._care.take((entry,), lambda: self._unpacked(entry))
        return self._unpacked(entry)

    def _unpacked(self, entry: Entry) -> Sequence[Message]:
        messages = unpacked(entry)
        if not messages:
            self._done.append(entry.id)
        return messages

    def _with_care(self, found: Iterable[Message]) -> Iterator[Message]:
        """Yield messages that were put together or looked for, but for those that have to wait."""
        for message in found:
            if self._care is None:
                yield message
                continue
            for entry in message.entries:
                self._care.hand_out(entry)
            if self._care.concerns(message.entries):
                yield from self._care.take(message.entries, lambda message=message: [message])  # type: ignore[misc]
            else:
                yield message

    def _look(self) -> None:
        found = self._stalls.look()
        self._ready.extend(self._with_care(found))
        upset_by = [entry for message in found for entry in message.entries if not entry.countable]
        if upset_by:
            self._upset(upset_by[-1])

    def _heed(self, link: Link, frame: Frame) -> None:
        command = frame.command
        if command.type == BaseCommand.CLOSE_CONSUMER:
            raise WireError("the broker closed the topic, as when another broker takes it over")
        if command.type == BaseCommand.AUTH_CHALLENGE:
            link.send(authenticated(self._endpoint))
        else:
            self._stalls.heed(link, command)
