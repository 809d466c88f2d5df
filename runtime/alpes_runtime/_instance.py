"""One instance: its stages, and how it ends. It moves none of them: threads do in production, a scheduler in tests."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ._context import InstanceContext
from ._external_calls import AskStage
from ._inbox import Inbox
from ._intake import DirectIntakes, RuntimeIntake
from ._pipeline import CommitStage, PublishStage
from .views._view import View, run_view


class Closable(Protocol):
    """Something to be closed at the end."""

    def close(self) -> None:
        """Give back what it holds."""
        ...


class Pollable(Protocol):
    """What a stage polls."""

    def poll(self, timeout_s: float) -> object:
        """Do one piece of work, waiting for it at most so many seconds."""
        ...

    def ready(self) -> bool:
        """Whether a poll would find work now."""
        ...


class Stage:
    """Something that is polled over and over, until it is over.

    Parameters
    ----------
    name
        Shown when it is in trouble.
    polled
        Does the work.
    until
        Whether there is nothing more to be done.
    patient
        Whether that may take as long as it likes, since it waits for somebody outside.
    """

    def __init__(self, name: str, polled: Pollable, until: Callable[[], bool], *, patient: bool = False) -> None:
        self.name = name
        self.patient = patient
        self.poll = polled.poll
        self.ready = polled.ready
        self.finished = False
        self._until = until

    def over(self) -> bool:
        """Whether it is not to be polled again; asked before each time."""
        self.finished = self.finished or self._until()
        return self.finished


class Instance:
    """The stages of one instance, from its inputs to the acknowledgement; `bootstrap` builds it.

    Parameters
    ----------
    context
        What its parts share.
    inbox, intake, commit, asks, publish
        Its parts, in the order of a message's way.
    views
        What follows behind.
    resources
        What is closed at the end, in this order.

    Attributes
    ----------
    inbox
        What was received and is not committed yet.
    commit, publish
        The two stages that everything goes through; they finish what they hold when the instance is to end.
    """

    def __init__(
        self,
        context: InstanceContext,
        *,
        inbox: Inbox,
        intake: DirectIntakes | RuntimeIntake,
        commit: CommitStage,
        asks: Sequence[AskStage],
        publish: PublishStage,
        views: Sequence[View],
        resources: Sequence[Closable],
    ) -> None:
        self.context = context
        self.intake = intake
        self.views = views
        self.inbox = inbox
        self._commit = commit
        self._asks = asks
        self._publish = publish
        self._resources = resources
        self._terminated = threading.Event()
        self.commit = Stage("commit", commit, self._commit_done)
        self.publish = Stage("publish", publish, self._publish_done)

    def open(self) -> Sequence[Stage]:
        """Open the inputs, waiting for the broker where it is away, and return every stage."""
        stopped = self.context.stopping.is_set
        intakes = self.intake.open()
        return [
            self.commit,
            self.publish,
            *(Stage(f"intake {n}", intake, stopped) for n, intake in enumerate(intakes)),
            *(
                Stage(f"{ask.role} asks {n}", ask, stopped, patient=True)
                for ask in self._asks
                for n in range(ask.at_once)
            ),
        ]

    def followers(self) -> Sequence[Callable[[], None]]:
        """Return what keeps each view up to date, to be called once: it returns when the instance is to end."""
        return [partial(run_view, view, self.context) for view in self.views]

    def stop(self) -> None:
        """Take in nothing more; `commit` and `publish` are over once they have finished what is in hand."""
        self.context.stopping.set()
        self.inbox.close()

    def terminate(self) -> None:
        """Let `commit` and `publish` be over whatever they hold; it comes again."""
        self._terminated.set()

    def close(self) -> None:
        """Close consumers, which sends grouped acknowledgements off, and producers."""
        for resource in self._resources:
            try:
                resource.close()
            except Exception as error:  # noqa: BLE001 -- nothing is lost, whatever it is
                self.context.logger.info("Closing: %s", error)

    @property
    def drained(self) -> bool:
        """Whether no committed message waits for its events to be published."""
        return self._publish.idle and not self._publish.withholds

    def _commit_done(self) -> bool:
        return self._terminated.is_set() or (self.context.stopping.is_set() and not self._commit.holds)

    def _publish_done(self) -> bool:
        drained = self.commit.finished and self._publish.idle
        return self._terminated.is_set() or (self.context.stopping.is_set() and drained)
