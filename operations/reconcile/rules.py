"""Judges an order by its rows in the three databases: it has ended, is on its way, or they contradict. Pure.

The rules are two tables. Together they cover every state that the rows can be in, also those that only a bug or a
restored database can cause.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from schemas.tienda import topics
from schemas.tienda.orden import APROBADA, CREADA, EXPIRADA, RECHAZADA, REEMBOLSADA, STATUSES

ABSENT = "absent"
ORDENES = (ABSENT, *STATUSES)
"""The states of an order in Ordenes."""

INTENTO, IMPOSIBLE, AJENO, SIN_COBRO = "intento", "imposible", "ajeno", "sin cobro"
PAGOS = (ABSENT, INTENTO, APROBADA, RECHAZADA, REEMBOLSADA, IMPOSIBLE, AJENO, SIN_COBRO)
"""Its states in Pagos: no row; asked for at the gateway, outcome unknown; a transaction; an approved one that was
paid back; a refused one that was paid back; an approved one with a refund of another transaction, amount or currency; a
refund without a transaction."""

SAME, BEHIND, OTHER = "same", "behind", "other"
REPORTING = (ABSENT, SAME, BEHIND, OTHER)
"""Its states in Reporting: no row; as in Ordenes; an earlier version; anything else."""


class Verdict(StrEnum):
    """How an order is judged."""

    ENDED = "ended"
    IN_FLIGHT = "in flight"
    DEAD_LETTERED = "dead-lettered"
    DISCARDED = "discarded"
    STALLED = "stalled"
    DIFFERS = "differs"
    LOST = "lost"


class Input(NamedTuple):
    """A topic, and the function that reads it with a subscription of its own name."""

    topic: str
    function: str


COMMANDS = Input(topics.CREAR_ORDEN, "ordenes")
CREATED = Input(topics.ORDEN_CREADA, "pagos")
REFUNDS = Input(topics.REEMBOLSAR_TRANSACCION, "pagos")
PAGOS_RETRIES = Input(f"pagos{topics.RETRY_SUFFIX}", "pagos")
TRANSACTIONS = Input(topics.TRANSACCION_CREADA, "ordenes")
ORDENES_RETRIES = Input(f"ordenes{topics.RETRY_SUFFIX}", "ordenes")
UPDATES = Input(topics.ORDEN_ACTUALIZADA, "reporting")
REPORTING_RETRIES = Input(f"reporting{topics.RETRY_SUFFIX}", "reporting")
DOWNSTREAM = (
    COMMANDS,
    CREATED,
    PAGOS_RETRIES,
    TRANSACTIONS,
    ORDENES_RETRIES,
    REFUNDS,
    PAGOS_RETRIES,
    TRANSACTIONS,
    ORDENES_RETRIES,
    UPDATES,
    REPORTING_RETRIES,
)
"""The inputs in the order in which an order passes them, so that one that moves on while they are read is found."""
RETRIES = frozenset({PAGOS_RETRIES, ORDENES_RETRIES, REPORTING_RETRIES})
"""The inputs that hold later attempts; each attempt names the topic that its message first came from."""


class Rule(NamedTuple):
    """How an order is judged, and why.

    Attributes
    ----------
    verdict
        `ENDED`, `IN_FLIGHT` or `DIFFERS`.
    why
        What it waits for, or what is wrong.
    carriers
        Of one in flight: the inputs that may hold the message that takes it further. Every unacknowledged message
        counts, since a message is acknowledged only once those that it caused are published.
    timer
        Of one in flight: whether its timer takes it further, by letting it expire or by emitting its event again.
    """

    verdict: Verdict
    why: str = ""
    carriers: tuple[Input, ...] = ()
    timer: bool = False


ENDED = Rule(Verdict.ENDED)


def _waits(why: str, *carriers: Input, timer: bool = False) -> Rule:
    return Rule(Verdict.IN_FLIGHT, why, carriers, timer)


def _wrong(why: str) -> Rule:
    return Rule(Verdict.DIFFERS, why)


_PAYMENT = _waits("waits for its payment", COMMANDS, CREATED, PAGOS_RETRIES, timer=True)
_GATEWAY = _waits("waits for the payment gateway's answer", CREATED, PAGOS_RETRIES, timer=True)
_SETTLING = _waits("waits to hear of its payment", CREATED, PAGOS_RETRIES, TRANSACTIONS, ORDENES_RETRIES, timer=True)
_REFUND = _waits(
    "expired, charged, waits to be paid back", CREATED, PAGOS_RETRIES, TRANSACTIONS, ORDENES_RETRIES, REFUNDS
)
_REFUNDED = _waits("paid back, waits to hear of it", REFUNDS, PAGOS_RETRIES, TRANSACTIONS, ORDENES_RETRIES)
_LATE_ANSWER = _waits("expired, and the payment gateway's answer is unknown", CREATED, PAGOS_RETRIES)
READ_MODEL = _waits(
    "waits to be seen by Reporting", TRANSACTIONS, ORDENES_RETRIES, UPDATES, REPORTING_RETRIES, timer=True
)
_NO_ORDER = _wrong("Pagos has it, Ordenes has not")
_NEVER_EXPIRED = _wrong("paid back, though it never expired")
_NOT_CHARGED = _wrong("approved, though Pagos has charged nothing")
_REFUSED_REFUND = _wrong("paid back, though its charge was refused")
_OTHER_REFUND = _wrong("paid back otherwise than it was charged")
_UNCHARGED_REFUND = _wrong("paid back, though it was never charged")
_NO_TRANSACTION = _wrong("refused, though Pagos has no transaction")
_KEPT = _wrong("paid back in Ordenes, charged and kept in Pagos")
_NOTHING_TO_REFUND = _wrong("paid back, though Pagos has charged nothing")
_NOT_ENDED = _wrong("Reporting shows an order that hasn't ended")
_NEVER_SAID = _wrong("Reporting shows what Ordenes never said")
_UNKNOWN = _wrong("Reporting has it, Ordenes has not")

CHARGED: dict[tuple[str, str], Rule] = {
    (ABSENT, ABSENT): _UNKNOWN,
    (ABSENT, INTENTO): _NO_ORDER,
    (ABSENT, APROBADA): _NO_ORDER,
    (ABSENT, RECHAZADA): _NO_ORDER,
    (ABSENT, REEMBOLSADA): _NO_ORDER,
    (ABSENT, IMPOSIBLE): _NO_ORDER,
    (ABSENT, AJENO): _NO_ORDER,
    (ABSENT, SIN_COBRO): _NO_ORDER,
    (CREADA, ABSENT): _PAYMENT,
    (CREADA, INTENTO): _GATEWAY,
    (CREADA, APROBADA): _SETTLING,
    (CREADA, RECHAZADA): _SETTLING,
    (CREADA, REEMBOLSADA): _NEVER_EXPIRED,
    (CREADA, IMPOSIBLE): _REFUSED_REFUND,
    (CREADA, AJENO): _OTHER_REFUND,
    (CREADA, SIN_COBRO): _UNCHARGED_REFUND,
    (APROBADA, ABSENT): _NOT_CHARGED,
    (APROBADA, INTENTO): _NOT_CHARGED,
    (APROBADA, APROBADA): ENDED,
    (APROBADA, RECHAZADA): _wrong("approved in Ordenes, refused in Pagos"),
    (APROBADA, REEMBOLSADA): _wrong("approved in Ordenes, paid back in Pagos"),
    (APROBADA, IMPOSIBLE): _REFUSED_REFUND,
    (APROBADA, AJENO): _OTHER_REFUND,
    (APROBADA, SIN_COBRO): _UNCHARGED_REFUND,
    (RECHAZADA, ABSENT): _NO_TRANSACTION,
    (RECHAZADA, INTENTO): _NO_TRANSACTION,
    (RECHAZADA, APROBADA): _wrong("refused in Ordenes, charged in Pagos"),
    (RECHAZADA, RECHAZADA): ENDED,
    (RECHAZADA, REEMBOLSADA): _wrong("refused in Ordenes, paid back in Pagos"),
    (RECHAZADA, IMPOSIBLE): _REFUSED_REFUND,
    (RECHAZADA, AJENO): _OTHER_REFUND,
    (RECHAZADA, SIN_COBRO): _UNCHARGED_REFUND,
    (EXPIRADA, ABSENT): ENDED,
    (EXPIRADA, INTENTO): _LATE_ANSWER,
    (EXPIRADA, APROBADA): _REFUND,
    (EXPIRADA, RECHAZADA): ENDED,
    (EXPIRADA, REEMBOLSADA): _REFUNDED,
    (EXPIRADA, IMPOSIBLE): _REFUSED_REFUND,
    (EXPIRADA, AJENO): _OTHER_REFUND,
    (EXPIRADA, SIN_COBRO): _UNCHARGED_REFUND,
    (REEMBOLSADA, ABSENT): _NOTHING_TO_REFUND,
    (REEMBOLSADA, INTENTO): _NOTHING_TO_REFUND,
    (REEMBOLSADA, APROBADA): _KEPT,
    (REEMBOLSADA, RECHAZADA): _wrong("paid back, though its charge was refused"),
    (REEMBOLSADA, REEMBOLSADA): ENDED,
    (REEMBOLSADA, IMPOSIBLE): _REFUSED_REFUND,
    (REEMBOLSADA, AJENO): _OTHER_REFUND,
    (REEMBOLSADA, SIN_COBRO): _UNCHARGED_REFUND,
}
"""The rule for an order's states in Ordenes and in Pagos."""

SEEN: dict[tuple[bool, str], Rule] = {
    (False, ABSENT): ENDED,
    (False, SAME): _NOT_ENDED,
    (False, BEHIND): _NOT_ENDED,
    (False, OTHER): _NOT_ENDED,
    (True, ABSENT): READ_MODEL,
    (True, SAME): ENDED,
    (True, BEHIND): READ_MODEL,
    (True, OTHER): _NEVER_SAID,
}
"""The rule for whether the order has ended in Ordenes, and its state in Reporting; `ENDED` if all is right."""

NOT_RECORDED = _waits("accepted, not in Ordenes yet", COMMANDS, ORDENES_RETRIES)
"""The rule for an order that has a command and no row."""
WAITING: dict[str, Rule] = {
    rule.why: rule for rule in (*CHARGED.values(), *SEEN.values(), NOT_RECORDED) if rule.verdict is Verdict.IN_FLIGHT
}
"""The rules of orders in flight, by what the orders wait for."""


def takes_further(why: str, topic: str, *, bug: bool) -> bool:
    """Return whether a dead letter of a topic can be the message that an order in flight waits for.

    A repeated command of a recorded order has its event emitted again. A command that was refused, and not for a
    ``bug``, is of another order with the same id.
    """
    if topic == COMMANDS.topic and why != NOT_RECORDED.why and not bug:
        return False
    return topic in {source.topic for source in WAITING[why].carriers}


SET_BACK: dict[str, tuple[Input, ...]] = {
    _NO_ORDER.why: (COMMANDS,),
    _UNKNOWN.why: (COMMANDS,),
    _NOT_ENDED.why: (COMMANDS, CREATED, TRANSACTIONS),
    _NEVER_SAID.why: (COMMANDS, CREATED, TRANSACTIONS),
    _NOT_CHARGED.why: (CREATED,),
    _NO_TRANSACTION.why: (CREATED,),
    _NOTHING_TO_REFUND.why: (CREATED,),
    _KEPT.why: (REFUNDS,),
}
"""What differs when one database was set back to an earlier time and another was not, or not as far. The inputs may
hold a message from which the missing row is made anew."""

_AMOUNTS = _wrong("Ordenes and Pagos have different amounts")
_TRANSACTIONS = _wrong("Ordenes and Pagos name different transactions")


class Facts(NamedTuple):
    """An order as its rows show it.

    Attributes
    ----------
    orden, pago, reporting : str
        One of `ORDENES`, `PAGOS` and `REPORTING` each.
    amounts_agree : bool
        Whether Ordenes and Pagos have the same amount and currency; true if one of them has none.
    transactions_agree : bool
        Whether Ordenes and Pagos name the same transaction; true if one of them names none.
    """

    orden: str
    pago: str
    reporting: str
    amounts_agree: bool
    transactions_agree: bool


def judge(facts: Facts) -> Rule:
    """Return the rule for an order: what is wrong before what is on its way, the payment before the read model."""
    charged = CHARGED[facts.orden, facts.pago]
    if charged.verdict is Verdict.DIFFERS:
        return charged
    if not facts.amounts_agree:
        return _AMOUNTS
    if not facts.transactions_agree:
        return _TRANSACTIONS
    seen = SEEN[facts.orden != CREADA, facts.reporting]
    if seen.verdict is Verdict.DIFFERS or charged.verdict is Verdict.ENDED:
        return seen
    return charged
