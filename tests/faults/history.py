"""What a run left behind: what the client sent and was told, and what every topic and table holds.

The checker reads nothing else. `recorder` fills a history from the running system; a test can write one by hand.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Unreadable(Exception):
    """A part of the history could not be read, so it can't be judged."""


class Sent(NamedTuple):
    """An order as the client knows it.

    Attributes
    ----------
    order_id, client_id, address, total_cents, currency
        What it sent; ``total_cents`` None where it left the total to Ordenes.
    accepted
        Whether the client was told that the order is accepted.
    """

    order_id: str
    client_id: int
    address: str
    total_cents: int | None
    currency: str
    accepted: bool


class Message(NamedTuple):
    """A message of a topic.

    Attributes
    ----------
    data
        The payload.
    published_ms
        When it was published, in Unix milliseconds.
    message_id
        Its id; ``str`` of it is what a dead letter names.
    """

    data: bytes
    published_ms: int
    message_id: Any


class Letter(NamedTuple):
    """A dead letter.

    Attributes
    ----------
    topic
        Local name of the topic that the message first came from.
    source_message_id, error_type
        As the letter's properties say.
    data
        The payload, empty where it was left out.
    """

    topic: str
    source_message_id: str
    error_type: str
    data: bytes


class OrdenRow(NamedTuple):
    """A row of Ordenes."""

    order_id: str
    client_id: int
    address: str
    status: str
    total_cents: int
    currency: str
    version: int
    transaction_id: str


class TransaccionRow(NamedTuple):
    """A row of Pagos: a transaction."""

    order_id: str
    transaction_id: str
    status: str
    amount_cents: int
    currency: str


class ReembolsoRow(NamedTuple):
    """A row of Pagos: a refund."""

    order_id: str
    transaction_id: str
    amount_cents: int
    currency: str


class ReporteRow(NamedTuple):
    """A row of Reporting."""

    order_id: str
    client_id: int
    status: str
    total_cents: int
    currency: str
    version: int


class Charge(NamedTuple):
    """A charge in the payment gateway's own ledger."""

    order_id: str
    amount_cents: int
    status: str


@dataclass(frozen=True)
class History:
    """All of it; each part is read once, in constant memory. Reading one may raise `Unreadable`.

    Attributes
    ----------
    prefix
        How the ids of the run's orders begin; what concerns others is passed over. Empty for everything.
    idle
        Whether nothing was under way when this was read: no message waits, none is delayed.
    sent
        What the client sent.
    commands
        Topic ``crear-orden``.
    events
        The event topics, by local name.
    refunds_asked
        Topic ``reembolsar-transaccion``.
    letters
        All dead-letter topics.
    ordenes, transacciones, reembolsos, reporte
        The tables.
    report
        Ids of the orders that a report lists; None where none was asked for.
    state
        (order id, status) as the state store shows them, of some or all orders; None where it is not asked.
    totals
        Each key of the running totals, what the state store shows under it, and what a count of Reporting's table
        gives, of every order there is; None where it is not asked.
    charges
        The gateway's ledger; None where payments are simulated.
    """

    prefix: str
    idle: bool
    sent: Iterable[Sent]
    commands: Iterable[Message]
    events: Mapping[str, Iterable[Message]]
    refunds_asked: Iterable[Message]
    letters: Iterable[Letter]
    ordenes: Iterable[OrdenRow]
    transacciones: Iterable[TransaccionRow]
    reporte: Iterable[ReporteRow]
    reembolsos: Iterable[ReembolsoRow] = field(default=())
    report: Iterable[str] | None = None
    state: Iterable[tuple[str, str | None]] | None = None
    totals: Iterable[tuple[str, int, int]] | None = None
    charges: Iterable[Charge] | None = None
