"""The independent checker: compares a recorded history with a small model, and says holds, violated or unknown.

It knows the contracts (`schemas`) and nothing of the functions' code or counters. The model: an order id is *accepted*
when a well-formed command with it is in the topic ``crear-orden``. At rest every accepted id has exactly one outcome:
one final status, the same wherever it shows, or a dead letter.

To hold a million orders in some hundred bytes each, it numbers the ids and keeps what it knows in arrays.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from google.protobuf.message import DecodeError

from schemas.tienda import rules, upcasters
from schemas.tienda.orden import STATUSES as ORDER_STATUSES
from schemas.tienda.upcasters.v0_to_v1 import derived_total_cents
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada
from tests.faults.history import History, Letter, Message, OrdenRow, Unreadable

T = TypeVar("T")

NONE = 0
STATUSES = {status: number for number, status in enumerate(ORDER_STATUSES, 1)}
CREADA, APROBADA, RECHAZADA, EXPIRADA, REEMBOLSADA = (
    STATUSES[status] for status in ("creada", "aprobada", "rechazada", "expirada", "reembolsada")
)
NAMES = ("absent", *STATUSES)
FINAL = frozenset({APROBADA, RECHAZADA, EXPIRADA, REEMBOLSADA})
CHARGED_AS = {
    APROBADA: {APROBADA},
    RECHAZADA: {RECHAZADA},
    EXPIRADA: {NONE, RECHAZADA},
    REEMBOLSADA: {APROBADA},
}
"""What Pagos must have for each final status of an order."""
COMMANDS, REFUNDS = "crear-orden", "reembolsar-transaccion"
EVENTS: dict[str, Any] = {
    "orden-creada": OrdenCreada,
    "transaccion-creada": TransaccionProcesada,
    "orden-actualizada": OrdenActualizada,
}
OF_SERVICES: dict[str, Any] = {**EVENTS, REFUNDS: ReembolsarTransaccion}
"""The messages between services."""
DECIDED = frozenset({APROBADA, RECHAZADA})
SHOWN = 10
"""How many ids are shown for each violation."""

AT_ANY_TIME = frozenset({"paid twice", "event contradicts itself", "charged twice at the gateway", "outcomes differ"})
"""Violations that any part of a history shows, also while messages are under way."""


class _MessageName(NamedTuple):
    """A message by the topic that it first came from and its id there."""

    topic: str
    message_id: str

    def __str__(self) -> str:
        return f"{self.topic} {self.message_id}"


@dataclass(frozen=True)
class Verdict:
    """The checker's verdict.

    Attributes
    ----------
    name
        ``holds``, ``violated`` or ``unknown``.
    violations
        Of each kind how many, and some of the ids.
    unknown
        What could not be read, or was still under way.
    figures
        Orders: ``sent``, ``told`` (the client was told that they are accepted), ``accepted``, by outcome, ``lost``,
        ``paid_twice``. Messages: ``invalid``, ``conflicts``, ``duplicates`` (what topics hold more than once).
        Cents of approved orders by currency: ``ordenes_cents:USD``, ``pagos_cents:USD``, ``reporting_cents:USD`` and so
        on; ``cents_apart`` how far those of a currency differ at most.
    ended_ms
        Unix milliseconds at which each order's final event was first published, 0 without one, in the order of
        ``numbers``.
    numbers
        Each accepted order's place in ``ended_ms``.
    """

    name: Literal["holds", "violated", "unknown"]
    violations: dict[str, tuple[int, list[str]]]
    unknown: list[str]
    figures: dict[str, int]
    ended_ms: "array[int]"
    numbers: dict[str, int]

    def __str__(self) -> str:
        parts = [f"{kind}: {count} ({', '.join(ids)})" for kind, (count, ids) in self.violations.items()]
        parts += [f"unknown: {reason}" for reason in self.unknown]
        return f"{self.name}; " + "; ".join(parts or [", ".join(f"{k} {v}" for k, v in self.figures.items())])


def check(history: History) -> Verdict:
    """Judge a history."""
    return _Check(history).verdict()


class _Check:
    """One pass over each part of a history, then one over all orders."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._prefix = history.prefix
        self._numbers: dict[str, int] = {}
        self._unknown: list[str] = []
        self._violations: dict[str, tuple[int, list[str]]] = {}
        self._figures: Counter[str] = Counter()
        self._currencies: set[str] = set()
        # Of each order: what was accepted, and what stands where.
        self._content = array("q")
        self._client = array("i")
        self._cents = array("q")
        self._currency = array("q")
        self._ordenes, self._pagos, self._refunded, self._reporting = (bytearray() for _ in range(4))
        self._version = array("i")
        self._reported_version = array("i")
        self._lettered = bytearray()
        self._listed = bytearray()
        self._ended_ms = array("q")
        # The transaction that Ordenes names, and that of Pagos.
        self._transaction = array("q")
        self._paid_as = array("q")
        # Hash of the bytes of the command that asks for a refund.
        self._asked = array("q")
        # Each event topic: hash of the first event's id and of its bytes, and what it says.
        self._event_id = {topic: array("q") for topic in EVENTS}
        self._event_bytes = {topic: array("q") for topic in EVENTS}
        self._event_says = {topic: array("q") for topic in EVENTS}
        # Further events of an order, by topic: id → (hash of the bytes, what it says).
        self._more_events: dict[tuple[str, int], dict[int, tuple[int, int]]] = {}
        # The command that an order came with, and further ones of the same id with their contents.
        self._first_message = array("q")
        self._more_messages: dict[int, list[tuple[int, _MessageName]]] = {}
        self._invalid: set[_MessageName] = set()
        self._conflict_letters: set[int] = set()
        self._invalid_letters: set[int] = set()
        # Where what was accepted is not what the first command says.
        self._row_content: dict[int, int] = {}

    # -- reading

    def verdict(self) -> Verdict:
        if not self._history.idle:
            self._unknown.append("the system had not become idle")
        self._read_commands()
        self._read_sent()
        self._read_ordenes()
        self._read_transacciones()
        self._read_reembolsos()
        self._read_charges()
        self._read_reporting()
        for topic in EVENTS:
            self._read_events(topic)
        self._read_refunds_asked()
        self._read_letters()
        self._read_state()
        for order_id, number in self._numbers.items():
            self._judge(order_id, number)
        self._judge_messages()
        self._judge_cents()
        violations = self._violations
        if self._unknown:
            violations = {kind: found for kind, found in violations.items() if kind in AT_ANY_TIME}
        name: Literal["holds", "violated", "unknown"] = (
            "violated" if violations else "unknown" if self._unknown else "holds"
        )
        self._figures["lost"] = self._violations.get("lost", (0, []))[0]
        self._figures["paid_twice"] = sum(
            self._violations.get(kind, (0, []))[0] for kind in ("paid twice", "charged twice at the gateway")
        )
        return Verdict(name, violations, self._unknown, dict(self._figures), self._ended_ms, self._numbers)

    def _reading(self, what: str, parts: Iterable[T]) -> Iterator[T]:
        try:
            yield from parts
        except Unreadable as error:
            self._unknown.append(f"{what}: {error}")

    def _violated(self, kind: str, which: str) -> None:
        count, ids = self._violations.setdefault(kind, (0, []))
        if len(ids) < SHOWN:
            ids.append(which)
        self._violations[kind] = (count + 1, ids)

    def _ours(self, order_id: str) -> bool:
        return order_id.startswith(self._prefix)

    def _number_of(self, order_id: str, where: str) -> int | None:
        """Return the order's number; to name an order that nobody sent is a violation."""
        number = self._numbers.get(order_id)
        if number is None:
            self._violated(f"invented in {where}", order_id)
        return number

    def _new(self, order_id: str, content: int) -> None:
        self._numbers[order_id] = len(self._content)
        self._content.append(content)
        for codes in (self._ordenes, self._pagos, self._refunded, self._reporting, self._lettered, self._listed):
            codes.append(0)
        for values in (self._client, self._cents, self._currency, self._version, self._reported_version):
            values.append(0)
        for values in (self._ended_ms, self._transaction, self._paid_as, self._asked):
            values.append(0)
        for topic in EVENTS:
            self._event_id[topic].append(0)
            self._event_bytes[topic].append(0)
            self._event_says[topic].append(0)

    def _read_commands(self) -> None:
        for message in self._reading(f"topic {COMMANDS}", self._history.commands):
            order = _command(message.data)
            if order is None:
                self._invalid.add(_MessageName(COMMANDS, str(message.message_id)))
                continue
            if not self._ours(order.id):
                continue
            cents, currency = order.total_cents, order.currency
            content = _content(order.client_id, rules.address_of(order), cents, currency)
            number = self._numbers.get(order.id)
            name = _MessageName(COMMANDS, str(message.message_id))
            if number is None:
                self._new(order.id, content)
                self._accept(self._numbers[order.id], order.client_id, cents, currency)
                self._first_message.append(hash(name))
                self._figures["accepted"] += 1
            else:
                self._more_messages.setdefault(number, []).append((content, name))
                self._figures["duplicates"] += content == self._content[number]

    def _accept(self, number: int, client_id: int, cents: int, currency: str) -> None:
        """Note what an order was accepted with, for places that show only a part of it."""
        self._client[number], self._cents[number], self._currency[number] = client_id, cents, hash(currency)

    def _read_sent(self) -> None:
        for sent in self._reading("what the client sent", self._history.sent):
            self._figures["sent"] += 1
            self._figures["told"] += sent.accepted
            number = self._numbers.get(sent.order_id)
            if number is None:
                if sent.accepted:
                    self._violated("accepted, the client was told, and not in the topic", sent.order_id)
                continue
            cents = derived_total_cents(sent.order_id) if sent.total_cents is None else sent.total_cents
            content = _content(sent.client_id, sent.address, cents, sent.currency)
            if content not in self._contents(number):
                self._violated("the topic holds other content than was sent", sent.order_id)

    def _read_ordenes(self) -> None:
        for row in self._reading("table ordenes", self._history.ordenes):
            if not self._ours(row.order_id):
                continue
            number = self._number_of(row.order_id, "table ordenes")
            if number is None:
                continue
            if self._ordenes[number]:
                self._violated("two rows in Ordenes", row.order_id)
            self._check_content(row, number)
            self._ordenes[number] = self._status(row.status, row.order_id)
            self._version[number] = row.version
            self._transaction[number] = hash(row.transaction_id)
            self._sum("ordenes_cents", self._ordenes[number], row.total_cents, row.currency)

    def _check_content(self, row: OrdenRow, number: int) -> None:
        content = _content(row.client_id, row.address, row.total_cents, row.currency)
        if content == self._content[number]:
            return
        if content in self._contents(number):
            # Another message of this id was the first that Ordenes saw: that one is what was accepted.
            self._row_content[number] = content
            self._accept(number, row.client_id, row.total_cents, row.currency)
        else:
            self._violated("Ordenes holds other content than was accepted", row.order_id)

    def _contents(self, number: int) -> set[int]:
        """Return every content that the topic holds under the order's id."""
        return {self._content[number]} | {content for content, _ in self._more_messages.get(number, ())}

    def _read_transacciones(self) -> None:
        for paid in self._reading("table transacciones", self._history.transacciones):
            if not self._ours(paid.order_id):
                continue
            number = self._number_of(paid.order_id, "table transacciones")
            if number is None:
                continue
            if self._pagos[number]:
                self._violated("paid twice", paid.order_id)
            self._pagos[number] = self._status(paid.status, paid.order_id)
            self._paid_as[number] = hash(paid.transaction_id)
            self._same_money(paid.amount_cents, paid.currency, number, paid.order_id, "Pagos")
            self._sum("pagos_cents", self._pagos[number], paid.amount_cents, paid.currency)
            if self._ordenes[number] in (APROBADA, RECHAZADA, REEMBOLSADA) and (
                hash(paid.transaction_id) != self._transaction[number]
            ):
                self._violated("Ordenes names another transaction than Pagos", paid.order_id)

    def _read_reembolsos(self) -> None:
        for refund in self._reading("table reembolsos", self._history.reembolsos):
            if not self._ours(refund.order_id):
                continue
            number = self._number_of(refund.order_id, "table reembolsos")
            if number is None:
                continue
            if self._refunded[number]:
                self._violated("refunded twice", refund.order_id)
            self._refunded[number] = 1
            self._same_money(refund.amount_cents, refund.currency, number, refund.order_id, "a refund")
            if hash(refund.transaction_id) != self._paid_as[number]:
                self._violated("a refund names another transaction than Pagos", refund.order_id)
            self._sum("pagos_cents", APROBADA, -refund.amount_cents, refund.currency)

    def _read_charges(self) -> None:
        seen: set[str] = set()
        for charge in self._reading("the gateway's ledger", self._history.charges or ()):
            if not self._ours(charge.order_id):
                continue
            if charge.order_id in seen:
                self._violated("charged twice at the gateway", charge.order_id)
                continue
            seen.add(charge.order_id)
            number = self._number_of(charge.order_id, "the gateway's ledger")
            if number is None:
                continue
            self._same_cents(charge.amount_cents, number, charge.order_id, "the gateway's ledger")
            if self._pagos[number] != self._status(charge.status, charge.order_id):
                self._violated("Pagos says other than the gateway's ledger", charge.order_id)
        if self._history.charges is not None:
            for order_id, number in self._numbers.items():
                if self._pagos[number] and order_id not in seen:
                    self._violated("paid, and not in the gateway's ledger", order_id)

    def _read_reporting(self) -> None:
        for row in self._reading("table of Reporting", self._history.reporte):
            if not self._ours(row.order_id):
                continue
            number = self._number_of(row.order_id, "Reporting")
            if number is None:
                continue
            if self._reporting[number]:
                self._violated("counted twice by Reporting", row.order_id)
            self._reporting[number] = self._status(row.status, row.order_id)
            self._reported_version[number] = row.version
            self._same_money(row.total_cents, row.currency, number, row.order_id, "Reporting")
            if row.client_id != self._client[number]:
                said = f"{row.order_id}: client {row.client_id} in Reporting, {self._client[number]} accepted"
                self._violated("clients differ", said)
            self._sum("reporting_cents", self._reporting[number], row.total_cents, row.currency)
        for order_id in self._reading("the report", self._history.report or ()):
            if not self._ours(order_id):
                continue
            number = self._number_of(order_id, "a report")
            if number is None:
                continue
            if self._listed[number]:
                self._violated("counted twice by a report", order_id)
            self._listed[number] = 1

    def _read_events(self, topic: str) -> None:
        kind, ids, contents, says = (
            EVENTS[topic],
            self._event_id[topic],
            self._event_bytes[topic],
            self._event_says[topic],
        )
        messages = self._history.events.get(topic)
        if messages is None:
            self._unknown.append(f"topic {topic} is not in the history")
            return
        for message in self._reading(f"topic {topic}", messages):
            event = _decoded(kind, message.data)
            if event is None:
                self._invalid.add(_MessageName(topic, str(message.message_id)))
                continue
            order_id = _id_of(event)
            if not self._ours(order_id):
                continue
            number = self._number_of(order_id, f"topic {topic}")
            if number is None:
                continue
            event_id, content = hash(event.event_id) or 1, _content_of(event)
            if not ids[number]:
                ids[number], contents[number] = event_id, content
                says[number] = self._saying(topic, event, number, order_id)
                self._note_end(topic, event, number, message)
                continue
            if ids[number] == event_id:
                self._figures["duplicates"] += 1
                if contents[number] != content:
                    self._violated("event contradicts itself", f"{topic} {event.event_id}")
                continue
            self._further_event(topic, event, number, event_id, message)

    def _further_event(self, topic: str, event: Any, number: int, event_id: int, message: Message) -> None:
        """Note an event whose id differs from that of the order's first event in this topic."""
        order_id = _id_of(event)
        further = self._more_events.setdefault((topic, number), {})
        content = _content_of(event)
        if event_id in further:
            self._figures["duplicates"] += 1
            if further[event_id][0] != content:
                self._violated("event contradicts itself", f"{topic} {event.event_id}")
            return
        before = self._said(topic, number)
        said = self._saying(topic, event, number, order_id)
        further[event_id] = (content, said)
        if topic == "transaccion-creada" and said in DECIDED and before & DECIDED:
            self._violated("paid twice", order_id)
        elif topic == "orden-creada" or said in before:
            self._violated("two events of one fact", f"{topic} {order_id}")
        self._note_end(topic, event, number, message)

    def _saying(self, topic: str, event: Any, number: int, order_id: str) -> int:
        """Return what an event says as one number: version × 8 + status."""
        status = self._status(event.status, order_id)
        if topic == "transaccion-creada":
            self._same_money(event.amount_cents, event.currency, number, order_id, "topic transaccion-creada")
            if self._pagos[number] and hash(event.id) != self._paid_as[number]:
                self._violated("topic transaccion-creada names another transaction than Pagos", order_id)
            return status
        self._same_cents(event.total_cents, number, order_id, f"topic {topic}")
        content = _content(event.client_id, event.address, event.total_cents, event.currency)
        if content != self._row_content.get(number, self._content[number]):
            self._violated(f"topic {topic} tells other content than was accepted", order_id)
        return status + 8 * (event.version if topic == "orden-actualizada" else 0)

    def _note_end(self, topic: str, event: Any, number: int, message: Message) -> None:
        if topic == "orden-actualizada" and (event.version == self._version[number] or not self._ended_ms[number]):
            self._ended_ms[number] = message.published_ms

    def _read_refunds_asked(self) -> None:
        for message in self._reading(f"topic {REFUNDS}", self._history.refunds_asked):
            asked = _decoded(ReembolsarTransaccion, message.data)
            if asked is None:
                self._invalid.add(_MessageName(REFUNDS, str(message.message_id)))
                continue
            if not self._ours(asked.order_id):
                continue
            number = self._number_of(asked.order_id, f"topic {REFUNDS}")
            if number is not None:
                self._note_refund(asked, number, hash(message.data) or 1)

    def _note_refund(self, asked: ReembolsarTransaccion, number: int, content: int) -> None:
        if self._asked[number]:
            self._figures["duplicates"] += 1
            if self._asked[number] != content:
                self._violated("event contradicts itself", f"{REFUNDS} {asked.event_id}")
            return
        self._asked[number] = content
        self._same_money(asked.amount_cents, asked.currency, number, asked.order_id, f"topic {REFUNDS}")
        if hash(asked.transaction_id) != self._paid_as[number]:
            self._violated("a refund names another transaction than Pagos", f"topic {REFUNDS} {asked.order_id}")

    def _read_letters(self) -> None:
        seen: set[_MessageName] = set()
        for letter in self._reading("the dead-letter topics", self._history.letters):
            name = _MessageName(letter.topic, letter.source_message_id)
            if name in seen:
                self._figures["duplicates"] += 1
                continue
            seen.add(name)
            order_id = _order_of(letter)
            ours = bool(order_id) and self._ours(order_id)
            if letter.error_type == "invalid":
                self._invalid_letters.add(hash(name))
            elif letter.error_type == "conflict":
                self._conflict_letters.add(hash(name))
                if ours and letter.topic in OF_SERVICES:
                    self._violated("the services contradict each other", f"{letter.topic} {order_id}")
            elif ours:
                number = self._number_of(order_id, "the dead letters")
                if number is not None:
                    self._lettered[number] = 1

    def _read_state(self) -> None:
        for order_id, status in self._reading("the state store", self._history.state or ()):
            number = self._numbers.get(order_id)
            if number is None:
                continue
            shown = STATUSES.get(status or "", NONE)
            if shown != self._ordenes[number]:
                said = f"{order_id} is {NAMES[self._ordenes[number]]}, shown {status}"
                self._violated("the state store shows another status", said)
        for key, shown_total, total in self._reading("the state store's totals", self._history.totals or ()):
            if shown_total != total:
                self._violated("the running totals differ from the table", f"{key}: {shown_total}, not {total}")

    # -- judging

    def _judge(self, order_id: str, number: int) -> None:
        orden, paid, reported = self._ordenes[number], self._pagos[number], self._reporting[number]
        contradictory = {orden, paid, reported} >= {APROBADA, RECHAZADA}
        if contradictory:
            self._violated("outcomes differ", self._states(order_id, number))
        if self._lettered[number]:
            self._figures["dead_lettered"] += 1
            if reported in FINAL:
                self._violated("two outcomes: dead-lettered, and ended all the same", self._states(order_id, number))
        elif orden not in FINAL:
            self._violated("lost", self._states(order_id, number))
        else:
            self._figures[NAMES[orden]] += 1
            self._judge_ended(order_id, number)
        self._judge_events(order_id, number)
        self._judge_refund(order_id, number)

    def _judge_ended(self, order_id: str, number: int) -> None:
        orden, paid, reported = self._ordenes[number], self._pagos[number], self._reporting[number]
        states = self._states(order_id, number)
        if paid not in CHARGED_AS[orden]:
            kind = "charged for an expired order and not refunded" if orden == EXPIRADA else "status differs in Pagos"
            self._violated(kind, states)
        if self._refunded[number] != (orden == REEMBOLSADA):
            self._violated("refund without its order, or the reverse", states)
        if reported != orden:
            self._violated("status differs in Reporting", states)
        elif self._reported_version[number] != self._version[number]:
            self._violated("Reporting shows an older version", states)
        if self._history.report is not None and not self._listed[number]:
            self._violated("missing in a report", order_id)

    def _judge_events(self, order_id: str, number: int) -> None:
        orden, paid = self._ordenes[number], self._pagos[number]
        said = {topic: self._said(topic, number) for topic in EVENTS}
        if orden and said["orden-creada"] != {CREADA}:
            self._violated("event missing in orden-creada", order_id)
        transactions = ({paid} if paid else set()) | ({REEMBOLSADA} if self._refunded[number] else set())
        if missing := transactions - said["transaccion-creada"]:
            self._violated("event missing in transaccion-creada", f"{order_id}: {_words(missing)}")
        if unfounded := said["transaccion-creada"] - transactions:
            self._violated("transaccion-creada tells what Pagos has not", f"{order_id}: {_words(unfounded)}")
        if orden in FINAL and orden + 8 * self._version[number] not in said["orden-actualizada"]:
            self._violated("event missing in orden-actualizada", self._states(order_id, number))
        for told in said["orden-actualizada"]:
            version, status = divmod(told, 8)
            stale = version < self._version[number] and status == EXPIRADA and orden == REEMBOLSADA
            if not stale and told != orden + 8 * self._version[number]:
                self._violated("orden-actualizada tells what Ordenes has not", self._states(order_id, number))
        if not orden and any(said.values()):
            self._violated("events of an order that Ordenes has not", order_id)

    def _judge_refund(self, order_id: str, number: int) -> None:
        orden, asked = self._ordenes[number], bool(self._asked[number])
        if asked and orden not in (EXPIRADA, REEMBOLSADA):
            self._violated("a refund asked for of an order that has not expired", self._states(order_id, number))
        if not asked and (orden == REEMBOLSADA or self._refunded[number]):
            self._violated("refunded, and nobody asked for it", self._states(order_id, number))

    def _said(self, topic: str, number: int) -> set[int]:
        if not self._event_id[topic][number]:
            return set()
        further = self._more_events.get((topic, number), {})
        return {self._event_says[topic][number], *(said for _, said in further.values())}

    def _judge_messages(self) -> None:
        """Check that the undecodable and the conflicting messages have dead letters, and no others."""
        self._figures["invalid"] = len(self._invalid)
        for name in self._invalid:
            if hash(name) not in self._invalid_letters:
                self._violated("a message that can't be decoded has no dead letter", str(name))
        letters = self._conflict_letters | self._invalid_letters
        for order_id, number in self._numbers.items():
            accepted = self._row_content.get(number, self._content[number])
            self._judge_message(self._first_message[number], letters, order_id, self._content[number] == accepted)
            for content, name in self._more_messages.get(number, ()):
                self._judge_message(hash(name), letters, order_id, content == accepted)

    def _judge_message(self, name: int, letters: set[int], order_id: str, as_accepted: bool) -> None:
        if as_accepted:
            if name in letters:
                self._violated("a well-formed message was dead-lettered", order_id)
            return
        self._figures["conflicts"] += 1
        if name not in self._conflict_letters:
            self._violated("a message that conflicts has no dead letter", order_id)

    def _judge_cents(self) -> None:
        self._figures["cents_apart"] = 0
        for currency in sorted(self._currencies):
            sums = [self._figures[f"{name}:{currency}"] for name in ("ordenes_cents", "pagos_cents", "reporting_cents")]
            apart = max(sums) - min(sums)
            self._figures["cents_apart"] = max(apart, self._figures["cents_apart"])
            if apart and not self._lettered.count(1):
                self._violated("cents differ", f"{currency} {', '.join(map(str, sums))}")

    def _same_cents(self, cents: int, number: int, order_id: str, where: str) -> None:
        if cents != self._cents[number]:
            self._violated("amounts differ", f"{order_id}: {cents} cents in {where}, {self._cents[number]} accepted")

    def _same_money(self, cents: int, currency: str, number: int, order_id: str, where: str) -> None:
        self._same_cents(cents, number, order_id, where)
        if hash(currency) != self._currency[number]:
            self._violated("currencies differ", f"{order_id}: {currency[:20]!r} in {where}, another one accepted")

    def _sum(self, name: str, status: int, cents: int, currency: str) -> None:
        # What Pagos charged and gave back is taken off by the refunds.
        if status == APROBADA:
            self._currencies.add(currency)
            self._figures[f"{name}:{currency}"] += cents

    def _status(self, text: str, order_id: str) -> int:
        status = STATUSES.get(text)
        if status is None:
            self._violated("an unknown status", f"{order_id}: {text[:40]!r}")
            return NONE
        return status

    def _states(self, order_id: str, number: int) -> str:
        where = (("Ordenes", self._ordenes), ("Pagos", self._pagos), ("Reporting", self._reporting))
        return f"{order_id}: " + ", ".join(f"{name} {NAMES[codes[number]]}" for name, codes in where)


def _words(statuses: Iterable[int]) -> str:
    return ", ".join(NAMES[status] for status in sorted(statuses))


def _content(client_id: int, address: str, cents: int, currency: str) -> int:
    return hash((client_id, address, cents, currency))


def _decoded(kind: Any, data: bytes) -> Any:
    """Return the event in its newest version, None for bytes that no service may accept."""
    try:
        event = kind.FromString(data)
    except (DecodeError, UnicodeDecodeError):
        return None
    if rules.id_problem("id", _id_of(event)):
        return None
    return upcasters.newest(event, lambda: 0) if "direccion" in kind.DESCRIPTOR.fields_by_name else event


def _content_of(event: Any) -> int:
    """Return what an event says in every version, as one number: an update may emit it again in another one."""
    if "direccion" in event.DESCRIPTOR.fields_by_name:
        event.ClearField("direccion")
        event.ClearField("schema_version")
    return hash(event.SerializeToString(deterministic=True))


def _id_of(message: Any) -> str:
    """Return the id of the order that a message is about."""
    return str(message.order_id if isinstance(message, TransaccionProcesada | ReembolsarTransaccion) else message.id)


def _command(data: bytes) -> CrearOrden | None:
    """Return the command; None if the contract's rules forbid to accept it."""
    order: CrearOrden | None = _decoded(CrearOrden, data)
    if order is None or rules.text_problem("address", rules.address_of(order)):
        return None
    if rules.direccion_problem(rules.direccion_of(order)):
        return None
    if rules.total_problem(order.total_cents) or rules.currency_problem(order.currency):
        return None
    if order.created_at_ms and rules.sent_time_problem("created_at_ms", order.created_at_ms):
        return None
    return order


def _order_of(letter: Letter) -> str:
    """Return the id of the order that a dead letter is about; empty if it names none."""
    message = _decoded(OF_SERVICES.get(letter.topic, CrearOrden), letter.data)
    return "" if message is None else _id_of(message)
