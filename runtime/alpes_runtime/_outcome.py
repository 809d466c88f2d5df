"""What a handler decides about a message. Values: only the pipeline acts on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from ._message import Event, Received
from .database import Transaction

T = TypeVar("T")


class Done(NamedTuple):
    """The message is dealt with: publish these events, then acknowledge it."""

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
    """The message can't be processed now: look at it again later, dead-letter it after the last attempt.

    Attributes
    ----------
    error_type
        Why, for the dead letter: ``early`` where the message came before what it needs.
    reason
        What is missing, and where.
    until_known
        There is no last attempt: something may have happened outside that nobody has heard of yet, and a dead letter
        would say that nothing had.
    """

    error_type: str
    reason: str
    until_known: bool = False


class Ask(NamedTuple):
    """The message needs an answer from outside: once the transaction is committed, ask; see `ExternalCall`."""

    question: Any


Outcome = Done | Rejected | Retry | Ask


@dataclass(frozen=True)
class ExternalCall(Generic[T]):
    """A call of something outside, such as a payment gateway, that some messages of an input need an answer from.

    It is asked by threads of their own, so that what waits for a slow answer holds up nothing else.

    Parameters
    ----------
    ask
        Called with `Ask.question` in one of several threads, as often as the message is delivered: the question must
        be one that may be asked twice. Returns the answer, or a `Retry` where there is none, in bounded time.
    apply
        Like `Handler.apply`, for ``(decoded message, answer)``.
    at_once
        Most questions that are on their way at a time.
    """

    ask: Callable[[Any], Any]
    apply: Callable[[Transaction, Sequence[tuple[T, Any]]], Sequence[Outcome]]
    at_once: int


@dataclass(frozen=True)
class Handler(Generic[T]):
    """How a function deals with the messages of one input.

    Parameters
    ----------
    decode
        Turns a message into what ``apply`` takes. Raises `InvalidMessage` for one that can never be right.
    apply
        Takes a transaction and a batch of decoded messages, and returns one outcome for each, in the same order. It
        must be idempotent: a batch may come again, whole or in part, mixed with others, here or in another instance.
        What it wrote is committed before any of its events is published. An exception that comes from the messages'
        content makes the runtime split the batch until the bad one is alone: then it is called for several parts of one
        transaction, and what it did for some of them is undone.
    batch_max
        Most messages that share a transaction; None takes the configuration's. Small for messages that
        ask for much work each.
    external_call
        What `Ask` asks, for a handler that returns any.
    """

    decode: Callable[[Received], T]
    apply: Callable[[Transaction, Sequence[T]], Sequence[Outcome]]
    batch_max: int | None = None
    external_call: ExternalCall[T] | None = None


AnyHandler = Handler[Any]
