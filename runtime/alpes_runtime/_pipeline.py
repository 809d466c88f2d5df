"""The stages between inbox and acknowledgement: plain objects that are polled.

    intakes ─▶ inbox ─▶ CommitStage ─▶ handoff ─▶ PublishStage ─▶ acknowledged
                 ▲           └─▶ AskStage ─┐
                 └─────────────────────────┘

While one group is being confirmed, the next one commits and the one after is received. In production each stage has a
thread that polls it; a test can poll the same objects in any order.
"""

import queue
from collections.abc import Callable, Mapping

from ._committer import CommittedGroup, Committer
from ._context import InstanceContext
from ._external_calls import Questions
from ._inbox import Inbox
from ._outage import Outage
from ._publisher import Publisher
from ._withheld import Withheld
from .errors import Refused, Unavailable

HANDOFF_GROUPS = 2
"""Committed groups that may wait for the publisher."""

Handoff = queue.Queue[CommittedGroup]


def handoff() -> Handoff:
    """Return the bounded queue between the stages."""
    return queue.Queue(HANDOFF_GROUPS)


class CommitStage:
    """Commits one group at a time.

    Parameters
    ----------
    inbox, committer
        Where groups come from, and what applies them.
    committed
        Where committed groups go.
    batch_max
        Most messages of a group.
    questions
        By role, where messages go that need an external call.
    """

    def __init__(
        self,
        inbox: Inbox,
        committer: Committer,
        committed: Handoff,
        batch_max: int,
        questions: Mapping[str, Questions] | None = None,
    ) -> None:
        self._questions = dict(questions or {})
        self._inbox = inbox
        self._committer = committer
        self._committed = committed
        self._batch_max = batch_max
        self._held: CommittedGroup | None = None

    def poll(self, timeout_s: float) -> bool:
        """Take, commit and hand over a group; False if none came within ``timeout_s`` or the next stage is full."""
        if self._held is None:
            group = self._inbox.take(self._batch_max, timeout_s)
            self._held = self._committer.commit(group) if group else None
            if self._held is not None and self._held.asked:
                self._questions[group[0].role].submit(self._held.asked)
        if self._held is None:
            return False
        try:
            self._committed.put(self._held, timeout=timeout_s)
        except queue.Full:
            return False
        self._held = None
        return True

    def ready(self) -> bool:
        """Whether a poll would find work now."""
        return self._inbox.ready() if self._held is None else not self._committed.full()

    @property
    def holds(self) -> bool:
        """Whether a committed group still has to be handed over."""
        return self._held is not None


class PublishStage:
    """Publishes and acknowledges one committed group at a time.

    Parameters
    ----------
    context
        The instance.
    committed
        Where committed groups come from.
    publisher
        Confirms every event before it returns.
    withheld
        Where messages wait whose events are too large for the broker.
    on_done
        Called with the number of messages that are done: ``(processed, rejected)``.
    """

    def __init__(
        self,
        context: InstanceContext,
        committed: Handoff,
        publisher: Publisher,
        withheld: Withheld,
        on_done: Callable[[int, int], None],
    ) -> None:
        self._context = context
        self._lock = context.lock
        self._committed = committed
        self._publisher = publisher
        self._withheld = withheld
        self._on_done = on_done
        self._outage = Outage(context, "The publisher", "broker")
        self._held: CommittedGroup | None = None

    def poll(self, timeout_s: float) -> bool:
        """Publish a group and acknowledge it; False if there was none, or the broker didn't confirm it this time."""
        self._try_withheld()
        if self._held is None:
            self._held = self._next(timeout_s)
        if self._held is None:
            return False
        group = self._held
        try:
            with self._lock:
                done = self._published(group)
        except Unavailable as error:
            self._outage.wait(error)
            return False
        self._outage.over()
        self._held = None
        self._on_done(done, group.rejected)
        return True

    def _next(self, timeout_s: float) -> CommittedGroup | None:
        if self._withheld.full:
            self._context.clock.wait(self._context.stopping, timeout_s)
            return None
        try:
            return self._committed.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _published(self, group: CommittedGroup) -> int:
        """Publish a group, withhold what is refused and acknowledge the rest; return how many messages are done."""
        try:
            if group.events:
                self._publisher.publish(group.events)
        except Refused as error:
            return self._withheld.add(group.messages, group.caused(), error.events)
        # Safe only here: the group is committed, and each of its events confirmed.
        for message in group.messages:
            message.acknowledge()
        return len(group.messages)

    def _try_withheld(self) -> None:
        if self._withheld.due:
            with self._lock:
                done = self._withheld.try_again()
            if done:
                self._on_done(done, 0)

    def ready(self) -> bool:
        """Whether a poll would find a committed group now."""
        return not self.idle

    @property
    def idle(self) -> bool:
        """Whether no committed group waits to be published. Withheld messages don't count: they may wait for hours."""
        return self._held is None and self._committed.empty()

    @property
    def withholds(self) -> int:
        """How many messages are withheld."""
        return len(self._withheld)
