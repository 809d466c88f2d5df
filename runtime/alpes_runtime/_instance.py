"""One instance: its stages, and how it ends. In production threads poll the stages, in tests a scheduler does."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ._context import InstanceContext
from ._external_calls import AskStage
from ._inbox import Inbox
from ._intake import DirectIntake, DirectIntakes, RuntimeIntake
from ._pipeline import CommitStage, PublishStage
from .views._view import View, run_view


class Closable(Protocol):
    """Something to be closed at the end."""

    def close(self) -> None:
        """Release what it holds."""
        ...


class Pollable(Protocol):
    """What a stage polls."""

    def poll(self, timeout_s: float) -> object:
        """Do one piece of work, waiting for it at most ``timeout_s``."""
        ...

    def ready(self) -> bool:
        """Whether a poll would find work now."""
        ...


class Stage:
    """Something that is polled again and again, until its work is done.

    Parameters
    ----------
    name
        Shown when its thread dies or hangs.
    polled
        Does the work.
    until
        Whether there is no more work to do.
    patient
        Whether a poll may take any time, since it waits for an external system.
    """

    def __init__(self, name: str, polled: Pollable, until: Callable[[], bool], *, patient: bool = False) -> None:
        self.name = name
        self.patient = patient
        self.poll = polled.poll
        self.ready = polled.ready
        self.finished = False
        self._until = until

    def over(self) -> bool:
        """Whether its work is done; asked before each poll."""
        self.finished = self.finished or self._until()
        return self.finished


class Instance:
    """The stages of one instance, from its inputs to the acknowledgement; `bootstrap` builds it.

    Parameters
    ----------
    context
        What its parts share.
    inbox, intake, commit, asks, publish
        The parts that a message passes.
    views
        What the instance keeps up to date in the state store.
    resources
        What is closed at the end, in this order.

    Attributes
    ----------
    inbox
        Messages that were received and are not committed yet.
    commit, publish
        The two stages that every message passes; at a stop they finish what they hold.
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
        self._inputs_open = 0
        self._terminated = threading.Event()
        self.commit = Stage("commit", commit, self._commit_done)
        self.publish = Stage("publish", publish, self._publish_done)

    def open(self) -> Sequence[Stage]:
        """Open the inputs, waiting for a broker that is away, and return every stage."""
        stopped = self.context.stopping.is_set
        return [
            self.commit,
            self.publish,
            *self._stages(self.intake.open()),
            *(
                Stage(f"{ask.role} asks {n}", ask, stopped, patient=True)
                for ask in self._asks
                for n in range(ask.at_once)
            ),
        ]

    def open_new(self) -> Sequence[Stage]:
        """Open the partitions that the inputs have been given since, and return their stages."""
        return self._stages(self.intake.open_new())

    def _stages(self, intakes: Sequence[DirectIntake]) -> Sequence[Stage]:
        first, self._inputs_open = self._inputs_open, self._inputs_open + len(intakes)
        stopped = self.context.stopping.is_set
        return [Stage(f"intake {n}", intake, stopped) for n, intake in enumerate(intakes, first)]

    def followers(self) -> Sequence[Callable[[], None]]:
        """Return for each view a function that keeps it up to date until the instance stops; call each once."""
        return [partial(run_view, view, self.context) for view in self.views]

    def stop(self) -> None:
        """Take in nothing more; `commit` and `publish` end once they have finished what they hold."""
        self.context.stopping.set()
        self.inbox.close()

    def terminate(self) -> None:
        """End `commit` and `publish` whatever they hold; those messages are redelivered."""
        self._terminated.set()

    def close(self) -> None:
        """Close consumers, which sends their grouped acknowledgements, and producers."""
        for resource in self._resources:
            try:
                resource.close()
            except Exception as error:  # noqa: BLE001 -- no error at a close loses anything
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
