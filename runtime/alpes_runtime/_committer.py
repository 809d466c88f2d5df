"""Decodes a group, applies it in one transaction, and returns what to publish and acknowledge."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

from alpes_wire.names import ATTEMPT

from ._backoff import RetryPolicy
from ._context import InstanceContext
from ._dead_letter import dead_letter, retry
from ._external_calls import asking
from ._halt import BugShare
from ._message import MAX_EVENT_BYTES, Event, Received
from ._outage import Outage
from ._outcome import AnyHandler, Ask, Done, Outcome, Rejected, Retry
from .database import Database, Transaction
from .errors import InvalidMessage, Unavailable, refuse_if

CAREFUL_GROUPS = 100
"""How many groups are applied in parts after a message that broke its batch: more such messages are likely."""
CAREFUL_PART = 100
"""Most messages of such a part. The size halves after a part that fails, and grows again after parts that succeed:
small parts need more statements, and large ones undo more work when they fail."""
SMALLEST_PART = 10
PART_GROWTH = 1.25
TOO_BIG_TO_ASK = (
    "the message is too large to be tried again, so no external call is made for it: its outcome might stay unknown"
)
UNKNOWN_LOG_S = 10.0
"""Shortest time between two log lines about messages put off because their outcome is unknown: there may be many."""


class CommittedGroup(NamedTuple):
    """A group whose transaction is committed: publish the events, then acknowledge the messages.

    Attributes
    ----------
    messages
        The messages that are processed.
    events
        The events that they cause.
    rejected
        How many of the messages are dead-lettered.
    asked
        Messages of the group that wait for an external call, with their questions. They go through the committer again
        with the answer.
    ends
        For each message, the number of events that it and the messages before it cause.
    """

    messages: Sequence[Received]
    events: Sequence[Event]
    rejected: int
    asked: Sequence[tuple[Received, Any]] = ()
    ends: Sequence[int] = ()

    def caused(self) -> Sequence[Sequence[Event]]:
        """Return the events of each message."""
        return [self.events[start:end] for start, end in pairwise([0, *self.ends])]


class Committer:
    """Turns received messages into committed state and the events that follow from it.

    Parameters
    ----------
    context
        The instance.
    handlers
        One per role.
    database
        Where handlers write.
    on_halt
        Called with a role when a bug fails most of its messages: the caller stops taking it. The group that showed the
        bug is neither published nor acknowledged.
    """

    def __init__(
        self,
        context: InstanceContext,
        handlers: Mapping[str, AnyHandler],
        database: Database,
        on_halt: Callable[[str], None],
    ) -> None:
        self._context = context
        self._handlers = handlers
        self._database = database
        self._on_halt = on_halt
        self._retry_topic = context.retry_input
        self._retry_policy = RetryPolicy(context.config.retry_max_attempts, context.config.retry_initial_seconds)
        self._log = context.logger
        self._outage = Outage(context, "The commit", "database")
        self._bugs = {role: BugShare() for role in handlers}
        self._careful_groups = 0
        self._part: float = CAREFUL_PART
        self._put_off = 0
        self._put_off_told: float | None = None

    def commit(self, group: Sequence[Received]) -> CommittedGroup | None:
        """Apply a group of one role.

        Returns None when nothing of it may be published or acknowledged: the instance was stopped first, or the group
        shows that our code fails on most messages of this role.
        """
        role = group[0].role
        handler = self._handlers[role]
        with self._context.lock:
            outcomes: list[Outcome | None] = [None] * len(group)
            decoded: list[Any] = []
            places: list[int] = []
            for place, received in enumerate(group):
                if isinstance(received.answer, Retry):
                    outcomes[place] = received.answer
                    continue
                try:
                    decoded.append(self._decoded(handler, received))
                    places.append(place)
                except InvalidMessage as error:
                    outcomes[place] = Rejected("unreadable" if received.problem else "invalid", str(error))
                except Exception:  # noqa: BLE001 -- a decoder's bug fails only the message
                    outcomes[place] = Rejected("bug", traceback.format_exc())
            applied = self._apply(handler, decoded) if decoded else []
            if applied is None:
                return None
            for place, outcome in zip(places, applied, strict=True):
                outcomes[place] = _publishable(outcome)
            if self._bugs[role].exceeded([_is_bug(outcome) for outcome in outcomes]):
                failures = [outcome.reason for outcome in outcomes if _is_bug(outcome)]
                self._log.critical(
                    "HALTED: most of %s fails for a bug, so nothing more of it is taken. Nothing is lost: deploy a "
                    "mended version. The latest failure: %s",
                    role,
                    failures[-1] if failures else "before this group",
                )
                self._on_halt(role)
                return None
            if role != asking(role):
                # The external call was made, and a dead letter would suggest that it wasn't: try again instead.
                outcomes = [_once_more(outcome) for outcome in outcomes]
            return self._committed(group, outcomes)

    def _decoded(self, handler: AnyHandler, received: Received) -> Any:
        refuse_if(received.problem)
        message = handler.decode(received)
        if handler.external_call is not None and retry(received, self._retry_topic or "", 0) is None:
            raise InvalidMessage(TOO_BIG_TO_ASK)
        return message

    def _apply(self, handler: AnyHandler, batch: Sequence[Any]) -> Sequence[Outcome] | None:
        careful = self._careful_groups > 0
        if careful:
            self._careful_groups -= 1
        return self._attempt(handler, batch, careful=careful)

    def _attempt(self, handler: AnyHandler, batch: Sequence[Any], *, careful: bool) -> Sequence[Outcome] | None:
        """Apply a batch in one transaction. If a message makes that fail, apply it again in parts with savepoints."""
        while not self._context.stopping.is_set():
            self._context.heartbeat()
            try:
                with self._database.transaction() as transaction:
                    apply = self._in_parts if careful else _applied
                    outcomes = apply(handler, transaction, batch)
            except Unavailable as error:
                with self._context.lock.released():
                    self._outage.wait(error)
            except Exception:  # noqa: BLE001 -- any other error comes from a message
                if careful:
                    return self._refused_at_commit(handler, batch, Rejected("bug", traceback.format_exc()))
                careful, self._careful_groups = True, CAREFUL_GROUPS
            else:
                self._outage.over()
                return outcomes
        return None

    def _in_parts(self, handler: AnyHandler, transaction: Transaction, batch: Sequence[Any]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        while rest := batch[len(outcomes) :]:
            part = rest[: int(self._part)]
            applied = self._tried(handler, transaction, part)
            if isinstance(applied, Rejected):
                self._careful_groups = CAREFUL_GROUPS
                self._part = max(self._part / 2, SMALLEST_PART)
                applied = self._separated(handler, transaction, part, applied)
            else:
                self._part = min(self._part * PART_GROWTH, CAREFUL_PART)
            outcomes.extend(applied)
        return outcomes

    def _separated(
        self, handler: AnyHandler, transaction: Transaction, batch: Sequence[Any], failure: Rejected
    ) -> Sequence[Outcome]:
        """Apply a batch that failed as a whole: split it in halves until the message that fails is alone."""
        if len(batch) == 1:
            return [failure]
        outcomes: list[Outcome] = []
        for half in _halves(batch):
            applied = self._tried(handler, transaction, half)
            if isinstance(applied, Rejected):
                applied = self._separated(handler, transaction, half, applied)
            outcomes.extend(applied)
        return outcomes

    def _tried(
        self, handler: AnyHandler, transaction: Transaction, batch: Sequence[Any]
    ) -> Sequence[Outcome] | Rejected:
        """Apply a batch; if it fails, undo it and return the failure."""
        self._context.heartbeat()
        try:
            with transaction.savepoint():
                return _applied(handler, transaction, batch)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 -- any other error comes from a message
            return Rejected("bug", traceback.format_exc())

    def _refused_at_commit(
        self, handler: AnyHandler, batch: Sequence[Any], failure: Rejected
    ) -> Sequence[Outcome] | None:
        """Apply the halves of a batch that failed at its commit, each in its own transaction."""
        if len(batch) == 1:
            return [failure]
        outcomes: list[Outcome] = []
        for half in _halves(batch):
            applied = self._attempt(handler, half, careful=True)
            if applied is None:
                return None
            outcomes.extend(applied)
        return outcomes

    def _committed(self, group: Sequence[Received], outcomes: Sequence[Outcome | None]) -> CommittedGroup:
        events: list[Event] = []
        asked: list[tuple[Received, Any]] = []
        ends: list[int] = []
        rejected = 0
        for received, outcome in zip(group, outcomes, strict=True):
            match outcome:
                case Done(events=caused):
                    events.extend(_numbered(caused, received) if received.retried else caused)
                case Rejected(error_type=error_type, reason=reason):
                    events.append(self._dead_letter(received, error_type, reason))
                    rejected += 1
                case Retry(error_type=error_type, reason=reason, until_known=until_known):
                    if until_known:
                        self._tell_unknown(received, reason)
                    again = self._retry(received, for_ever=until_known)
                    if again is None:
                        again = self._dead_letter(received, error_type, reason)
                        rejected += 1
                    events.append(again)
                case Ask(question=question):
                    asked.append((received, question))
                    continue
            ends.append(len(events))
        if asked:
            waiting = {id(received) for received, _ in asked}
            group = [received for received in group if id(received) not in waiting]
        return CommittedGroup(group, events, rejected, asked, ends)

    def _tell_unknown(self, received: Received, reason: str) -> None:
        self._put_off += 1
        now = self._context.clock.monotonic()
        if self._put_off_told is not None and now - self._put_off_told < UNKNOWN_LOG_S:
            return
        self._log.warning(
            "Nothing is lost, put off %d of %s (attempt %d): %s",
            self._put_off,
            asking(received.role),
            received.attempt,
            reason[-500:],
        )
        self._put_off, self._put_off_told = 0, now

    def _retry(self, received: Received, *, for_ever: bool) -> Event | None:
        delay_ms = self._retry_policy.delay_ms(received.attempt, for_ever=for_ever)
        if self._retry_topic is None or delay_ms is None:
            return None
        return retry(received, self._retry_topic, delay_ms)

    def _dead_letter(self, received: Received, error_type: str, reason: str) -> Event:
        self._log.warning("Dead-lettered %s of %s: %s", received.source_message_id, received.role, reason[-500:])
        return dead_letter(received, error_type, reason, self._context.host.name)


def _applied(handler: AnyHandler, transaction: Transaction, batch: Sequence[Any]) -> Sequence[Outcome]:
    outcomes = handler.apply(transaction, batch)
    if len(outcomes) != len(batch):
        raise RuntimeError(f"apply returned {len(outcomes)} outcomes for {len(batch)} messages")
    for outcome in outcomes:
        if not isinstance(outcome, Outcome):
            raise TypeError(f"apply returned {outcome!r}, which is no outcome")
        if isinstance(outcome, Ask) and handler.external_call is None:
            raise TypeError("apply returned an Ask, and the handler has no external_call")
    return outcomes


def _halves(batch: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def _is_bug(outcome: Outcome | None) -> TypeGuard[Rejected | Retry]:
    return isinstance(outcome, Rejected | Retry) and outcome.error_type == "bug"


def _once_more(outcome: Outcome | None) -> Outcome | None:
    return Retry("bug", outcome.reason, until_known=True) if _is_bug(outcome) else outcome


def _publishable(outcome: Outcome) -> Outcome:
    """Return the outcome, or a rejection where one of its events could never be published."""
    if isinstance(outcome, Done):
        for event in outcome.events:
            try:
                fits = event.fits()
            except Exception:  # noqa: BLE001 -- it is no event, or its fields have other types
                return Rejected("bug", traceback.format_exc())
            if not fits:
                return Rejected("bug", f"its event for {event.topic} is over {MAX_EVENT_BYTES} bytes")
    return outcome


def _numbered(events: Sequence[Event], received: Received) -> Sequence[Event]:
    """Return the events of a later attempt with its number as a property; their payloads stay the same."""
    attempt = {ATTEMPT: str(received.attempt)}
    return [event._replace(properties={**(event.properties or {}), **attempt}) for event in events]
