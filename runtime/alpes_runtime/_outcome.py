"""What a handler decides about a message. Outcomes are values: only the pipeline acts on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from ._message import Event, Received
from .database import Transaction

T = TypeVar("T")


class Done(NamedTuple):
    """The message is processed: publish these events, then acknowledge it."""

    events: Sequence[Event] = ()


class Rejected(NamedTuple):
    """The message can't be processed, now or later: dead-letter it.

    Attributes
    ----------
    error_type
        ``invalid``, ``conflict``, ``early``, ``gateway`` or ``bug``; an operator filters by it.
    reason
        What was wrong, where, and what would be right.
    """

    error_type: str
    reason: str


class Retry(NamedTuple):
    """The message can't be processed now: try it again later, and dead-letter it after the last attempt.

    Attributes
    ----------
    error_type
        The type of the error, for the dead letter: ``early`` if the message came before what it needs.
    reason
        What is missing, and where.
    until_known
        Try without a last attempt: an external call may have had an effect that isn't known yet, and a dead letter
        would suggest that it had none.
    """

    error_type: str
    reason: str
    until_known: bool = False


class Ask(NamedTuple):
    """The message needs an external call: ask the question once the transaction is committed; see `ExternalCall`."""

    question: Any


Outcome = Done | Rejected | Retry | Ask


@dataclass(frozen=True)
class ExternalCall(Generic[T]):
    """A call of an external system, such as a payment gateway, whose answer some messages of an input need.

    Separate threads make the calls, so a slow answer doesn't hold up other messages.

    Parameters
    ----------
    ask
        Called with `Ask.question` in one of several threads, each time that the message is delivered: the call must be
        idempotent. Returns the answer in bounded time, or a `Retry` if there is none.
    apply
        Like `Handler.apply`, for ``(decoded message, answer)``.
    at_once
        Most calls at the same time.
    """

    ask: Callable[[Any], Any]
    apply: Callable[[Transaction, Sequence[tuple[T, Any]]], Sequence[Outcome]]
    at_once: int


@dataclass(frozen=True)
class Handler(Generic[T]):
    """How a function processes the messages of one input.

    Parameters
    ----------
    decode
        Turns a message into what ``apply`` takes. Raises `InvalidMessage` for one that can never be right.
    apply
        Takes a transaction and a batch of decoded messages, and returns one outcome for each, in the same order. It
        must be idempotent: a batch may come again, whole or in part, mixed with others, here or in another instance.
        What it wrote is committed before any of its events is published. If it raises an exception because of a
        message, the runtime splits the batch until that message is alone: it calls ``apply`` for several parts in one
        transaction, and undoes the parts that failed.
    batch_max
        Most messages that share a transaction; None takes the configuration's. Choose a small number if each message
        means much work.
    external_call
        The call that answers `Ask`, for a handler that returns it.
    """

    decode: Callable[[Received], T]
    apply: Callable[[Transaction, Sequence[T]], Sequence[Outcome]]
    batch_max: int | None = None
    external_call: ExternalCall[T] | None = None


AnyHandler = Handler[Any]
