"""The stages between inbox and acknowledgement, as plain objects that can be stepped one at a time.

    intakes ─▶ inbox ─▶ CommitStage ─▶ handoff ─▶ PublishStage ─▶ acknowledged
                 ▲           └─▶ AskStage ─┐
                 └─────────────────────────┘

While one group is being confirmed, the next one commits and the one after is received. In production each stage has a
thread that steps it; a test can step the same objects in any order.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping

from .backoff import Backoff
from .clock import Clock
from .committer import Committer, Settled
from .errors import Refused, Unavailable
from .inbox import Inbox
from .outside import AskStage
from .publisher import Publisher
from .turn import Turn
from .withheld import Withheld

HANDOFF_GROUPS = 2
"""Committed groups that may wait for the publisher."""

STUCK_ATTEMPTS = 5
"""After so many in vain it is said outside of the log, too, that a group can't be published."""

Handoff = queue.Queue[Settled]


def handoff() -> Handoff:
    """Return the bounded queue between the stages."""
    return queue.Queue(HANDOFF_GROUPS)


class CommitStage:
    """Commits one group a step.

    Parameters
    ----------
    inbox, committer
        Where groups come from, and what applies them.
    committed
        Where they go.
    batch_max
        Most messages of a group.
    asks
        By role, where messages go that need an answer from outside.
    """

    def __init__(
        self,
        inbox: Inbox,
        committer: Committer,
        committed: Handoff,
        batch_max: int,
        asks: Mapping[str, AskStage] | None = None,
    ) -> None:
        self._asks = dict(asks or {})
        self._inbox = inbox
        self._committer = committer
        self._committed = committed
        self._batch_max = batch_max
        self._held: Settled | None = None

    def step(self, wait_s: float) -> bool:
        """Take, commit and hand over a group; False when nothing came within ``wait_s`` or the next stage is full."""
        if self._held is None:
            group = self._inbox.take(self._batch_max, wait_s)
            self._held = self._committer.settle(group) if group else None
            if self._held is not None and self._held.asked:
                self._asks[group[0].role].put(self._held.asked)
        if self._held is None:
            return False
        try:
            self._committed.put(self._held, timeout=wait_s)
        except queue.Full:
            return False
        self._held = None
        return True

    @property
    def holds(self) -> bool:
        """Whether a committed group still has to be handed over."""
        return self._held is not None


class PublishStage:
    """Publishes and acknowledges one committed group a step.

    Parameters
    ----------
    committed
        Where committed groups come from.
    publisher
        Confirms every event before it returns.
    on_settled
        Told how many messages are done: ``(processed, rejected)``.
    withheld
        Where messages wait whose events the broker does not take for their size.
    stuck
        Called with True when a group could not be published in `STUCK_ATTEMPTS`, and with False when one is.
    turn, clock, stopping, logger
        See `Committer`.
    backoff
        How long to wait for the broker.
    """

    def __init__(  # noqa: PLR0913 the parts of a stage, each named
        self,
        committed: Handoff,
        publisher: Publisher,
        on_settled: Callable[[int, int], None],
        *,
        turn: Turn,
        clock: Clock,
        stopping: threading.Event,
        logger: logging.Logger,
        withheld: Withheld,
        stuck: Callable[[bool], None] = lambda _is: None,
        backoff: Backoff | None = None,
    ) -> None:
        self._committed = committed
        self._stuck = stuck
        self._withheld = withheld
        self._publisher = publisher
        self._on_settled = on_settled
        self._turn = turn
        self._clock = clock
        self._stopping = stopping
        self._log = logger
        self._backoff = backoff or Backoff()
        self._held: Settled | None = None

    def step(self, wait_s: float) -> bool:
        """Publish a group and acknowledge it; False when there was none, or the broker didn't confirm it this time."""
        self._try_withheld()
        if self._held is None:
            self._held = self._next(wait_s)
        if self._held is None:
            return False
        group = self._held
        try:
            with self._turn:
                settled = self._published(group)
        except Unavailable as error:
            seconds = self._backoff.next()
            if self._backoff.failures == STUCK_ATTEMPTS:
                self._stuck(True)
            if self._backoff.failures in (1, STUCK_ATTEMPTS) or self._backoff.failures % 30 == 0:
                self._log.warning("Nothing is lost, publishing again (attempt %d): %s", self._backoff.failures, error)
            self._clock.wait(self._stopping, seconds)
            return False
        if self._backoff.failures >= STUCK_ATTEMPTS:
            self._stuck(False)
        self._backoff.reset()
        self._held = None
        self._on_settled(settled, group.rejected)
        return True

    def _next(self, wait_s: float) -> Settled | None:
        if self._withheld.full:
            self._clock.wait(self._stopping, wait_s)
            return None
        try:
            return self._committed.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _published(self, group: Settled) -> int:
        """Publish a group and acknowledge it, but for what is withheld; return how many messages are done."""
        try:
            if group.events:
                self._publisher.publish(group.events)
        except Refused as error:
            return self._withheld.add(group.messages, group.caused(), error.events)
        # Only now: the group is committed, and every event of it confirmed.
        for message in group.messages:
            message.acknowledge()
        return len(group.messages)

    def _try_withheld(self) -> None:
        if self._withheld.due:
            with self._turn:
                done = self._withheld.try_again()
            if done:
                self._on_settled(done, 0)

    @property
    def idle(self) -> bool:
        """Whether no committed group waits to be published; what is withheld may wait for hours."""
        return self._held is None and self._committed.empty()

    @property
    def withholds(self) -> int:
        """How many messages are withheld."""
        return len(self._withheld)
