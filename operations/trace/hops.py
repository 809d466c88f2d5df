"""What happened to an order, one thing after another, as tables and messages say it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from google.protobuf.message import Message

from alpes_wire.decoding import Undecodable, decode
from alpes_wire.names import ATTEMPT, DEAD_LETTER_SUFFIX, ERROR_MESSAGE, ERROR_TYPE, SOURCE_TOPIC
from schemas.tienda import money, rules, upcasters
from schemas.tienda.contracts import CONTRACTS
from schemas.tienda.topics import CREAR_ORDEN, RETRY_SUFFIX, RETRY_TOPICS
from schemas.tienda.upcasters.v0_to_v1 import DEFAULT_CURRENCY
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada, VencerOrdenes


def _with_dead_letters(*topics: str) -> tuple[str, ...]:
    return (*topics, *(f"{topic}{DEAD_LETTER_SUFFIX}" for topic in topics))


TOPICS = _with_dead_letters(*CONTRACTS, *RETRY_TOPICS)
"""Every topic that a message about an order may lie in."""
TIMER_TOPICS = _with_dead_letters(f"ordenes{RETRY_SUFFIX}")
"""Where a message may be a timer, which is about all orders that were accepted within its window."""
COMMAND_TOPICS = (*_with_dead_letters(CREAR_ORDEN), *TIMER_TOPICS)
"""The topics that can hold an order that was never accepted."""

_ORDER = {
    place: rank
    for rank, place in enumerate(
        (
            "client",
            "crear-orden",
            "table ordenes",
            "orden-creada",
            "table intentos",
            "table transacciones",
            "transaccion-creada",
            "reembolsar-transaccion",
            "table reembolsos",
            "orden-actualizada",
            "table ordenes of reporting",
        )
    )
}
"""Which place comes first within the same millisecond."""


class Hop(NamedTuple):
    """Something that happened to an order.

    Attributes
    ----------
    at_ms
        When, in Unix milliseconds: a message's time of publication, or what a table says.
    place
        A topic, or a table.
    what
        What happened there.
    trace_id
        The trace that it belongs to; empty if it names none.
    message_id
        The message's id; empty for a row.
    """

    at_ms: int
    place: str
    what: str
    trace_id: str = ""
    message_id: str = ""


@dataclass
class TraceRows:
    """An order's rows, each as its statement in a service's `trace.sql` returns it; None for no such row."""

    orden: tuple[Any, ...] | None = None
    intento: tuple[Any, ...] | None = None
    transaccion: tuple[Any, ...] | None = None
    reembolso: tuple[Any, ...] | None = None
    leida: tuple[Any, ...] | None = None
    marks: list[int] = field(default_factory=list)

    @property
    def accepted_at_ms(self) -> int:
        """When the order was accepted; 0 if it wasn't."""
        return int(self.orden[5]) if self.orden else 0

    @property
    def trace_id(self) -> str:
        """The trace that the client began; empty if it began none."""
        return trace_id(self.orden[8]) if self.orden else ""

    def hops(self) -> list[Hop]:
        """Return what happened, as the rows say it."""
        found = []
        if self.orden:
            status, version, cents, currency, created, accepted, updated, transaction_id, _ = self.orden
            found.append(Hop(created, "client", "created, as the client says"))
            found.append(Hop(accepted, "table ordenes", f"accepted, {money.amount(cents, currency)}", self.trace_id))
            if version > 1:
                by = f", by transaction {transaction_id}" if transaction_id else ""
                found.append(Hop(updated, "table ordenes", f"{status}, version {version}{by}", self.trace_id))
        if self.intento:
            cents, currency, at = self.intento
            found.append(
                Hop(at, "table intentos", f"the gateway is asked, outcome unknown, {money.amount(cents, currency)}")
            )
        if self.transaccion:
            transaction_id, status, cents, currency, at = self.transaccion
            found.append(Hop(at, "table transacciones", f"{status}, {money.amount(cents, currency)}, {transaction_id}"))
        if self.reembolso:
            transaction_id, cents, currency, at = self.reembolso
            found.append(Hop(at, "table reembolsos", f"paid back, {money.amount(cents, currency)}, {transaction_id}"))
        if self.leida:
            # The row has no time of its own, only that of Ordenes' change that it shows.
            status, version, cents, currency, changed = self.leida
            shows = f"shows {status}, version {version}, {money.amount(cents, currency)}, changed then"
            found.append(Hop(changed, "table ordenes of reporting", shows))
        return found

    def times(self) -> list[int]:
        """Return every time in the rows but the client's."""
        return [hop.at_ms for hop in self.hops() if hop.place != "client"] + self.marks


def trace_id(traceparent: str) -> str:
    """Return the trace id of a W3C `traceparent`; empty if it isn't one."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else ""


def message_hop(
    topic: str,
    order_id: str,
    accepted_at_ms: int,
    payload: bytes,
    properties: Mapping[str, str],
    published_ms: int,
    message_id: str,
) -> Hop | None:
    """Return what a message says about an order; None if it is about another one.

    A message that can't be decoded, or has no bytes, as a dead letter without room for them, names no order: the caller
    found it by its key.

    Parameters
    ----------
    topic
        Its short name.
    order_id, accepted_at_ms
        The order. A timer is about all orders that were accepted within its window.
    payload, properties, published_ms, message_id
        The message.
    """
    source = properties.get(SOURCE_TOPIC, "").rsplit("/", 1)[-1]
    contract_name = source if topic.removesuffix(DEAD_LETTER_SUFFIX) not in CONTRACTS else topic
    contract = CONTRACTS.get(contract_name.removesuffix(DEAD_LETTER_SUFFIX))
    if contract is None:
        told = _timer(payload, accepted_at_ms) if topic in TIMER_TOPICS else None
        return None if told is None else Hop(published_ms, topic, told, "", message_id)
    message = _decoded(contract.kind, payload)
    if message is not None and getattr(message, contract.id_field) != order_id:
        return None
    content = _content(message) if message is not None else "can't be decoded" if payload else "is empty"
    if topic.endswith(DEAD_LETTER_SUFFIX):
        reason = properties.get(ERROR_MESSAGE, "").strip().splitlines() or [""]
        what = f"dead letter, {properties.get(ERROR_TYPE, 'unknown')}: {reason[-1]}"
    elif topic.endswith(RETRY_SUFFIX):
        what = f"attempt {properties.get(ATTEMPT, '?')} at {source} is put off; {content}"
    else:
        what = content
    trace = "" if message is None else trace_id(message.traceparent)
    return Hop(published_ms, topic, what, trace, message_id)


def _decoded(kind: type[Message], payload: bytes) -> Any:
    """Decode a message; return None if it can't be decoded, or has no bytes, which would decode to an empty one."""
    try:
        return decode(kind, payload) if payload else None
    except Undecodable:
        return None


def _timer(payload: bytes, accepted_at_ms: int) -> str | None:
    try:
        timer = decode(VencerOrdenes, payload)
    except Undecodable:
        return None
    if not timer.accepted_from_ms <= accepted_at_ms < timer.accepted_until_ms:
        return None
    return "timer of its window, delivered when it may expire"


def _content(message: Any) -> str:
    if isinstance(message, CrearOrden | OrdenCreada | OrdenActualizada):
        message = upcasters.newest(message, lambda: 0)  # its time doesn't matter here
    fields = message.DESCRIPTOR.fields_by_name
    if isinstance(message, CrearOrden):
        said = [f"ordered by client {message.client_id} for {rules.address_of(message)!r}"]
    else:
        said = [message.status] if "status" in fields else ["asked for"]
    if "version" in fields:
        said.append(f"version {message.version}")
    amount = next((name for name in ("total_cents", "amount_cents") if name in fields and message.HasField(name)), None)
    if amount:
        said.append(money.amount(getattr(message, amount), message.currency or DEFAULT_CURRENCY))
    return ", ".join(said)


def in_order(hops: Iterable[Hop]) -> list[Hop]:
    """Sort hops by time, and mark messages that repeat an earlier one in the same topic."""
    ordered = sorted(hops, key=lambda hop: (hop.at_ms, _ORDER.get(hop.place, len(_ORDER))))
    seen: dict[tuple[str, str], int] = {}
    told = []
    for hop in ordered:
        if not hop.message_id:
            told.append(hop)
            continue
        times = seen[hop.place, hop.what] = seen.get((hop.place, hop.what), 0) + 1
        told.append(hop if times == 1 else hop._replace(what=f"{hop.what} (again, {times})"))
    return told
