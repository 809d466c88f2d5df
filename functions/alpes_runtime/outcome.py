"""What a handler decides about a message. Values: only the pipeline acts on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from .database import Transaction
from .message import Event, Received

T = TypeVar("T")


class Done(NamedTuple):
    """The message is dealt with: publish these events, then acknowledge it."""

    events: Sequence[Event] = ()


class Rejected(NamedTuple):
    """The message can't be processed, now or later: dead-letter it.

    Attributes
    ----------
    error_type
        ``invalid``, ``conflict``, ``early`` or ``bug``; an operator filters by it.
    reason
        What was wrong, where, and what would be right.
    """

    error_type: str
    reason: str


class Early(NamedTuple):
    """The message came before what it needs: look at it again later, dead-letter it after the last attempt."""

    reason: str


Outcome = Done | Rejected | Early


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
        content makes the runtime split the batch until the bad one is alone.
    most
        Most messages that share a transaction; None takes the configuration's ``batch_max``. Small for messages that
        ask for much work each.
    """

    decode: Callable[[Received], T]
    apply: Callable[[Transaction, Sequence[T]], Sequence[Outcome]]
    most: int | None = None


AnyHandler = Handler[Any]
