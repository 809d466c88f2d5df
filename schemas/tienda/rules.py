"""Rules of the contracts that a field's type can't express. Every service follows them."""

import re
from collections.abc import Container, Sequence
from operator import attrgetter

from schemas.tienda import money
from schemas.tienda.orden import ORDER_ID, Direccion
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada

COUNTRY = re.compile(r"[A-Z]{2}")
"""ISO 3166-1 code."""
CURRENCY = re.compile(r"[A-Z]{3}")
"""ISO 4217 code."""
MAX_TEXT_CHARS = 1000
"""Longest text, such as an address."""
LAST_TIME_MS = 253_402_300_799_999
"""Latest Unix milliseconds that a message may carry: the end of the year 9999."""
LAST_SECONDS = 10**11
"""Up to here, a time that a client sent counts as seconds by mistake. As Unix milliseconds, this is March 1973."""

_PARTS = attrgetter(*Direccion._fields)


def id_problem(field: str, value: str) -> str:
    """Return what is wrong with an order id or report id, empty when nothing is."""
    return (
        "" if ORDER_ID.fullmatch(value) else f"{field} is {value[:40]!r}, must be 1 to 128 characters of [A-Za-z0-9._-]"
    )


def text_problem(field: str, value: str) -> str:
    """Return what is wrong with a text that must not be empty, empty when nothing is."""
    if 0 < len(value) <= MAX_TEXT_CHARS and "\0" not in value:
        return ""
    return f"{field} must have 1 to {MAX_TEXT_CHARS} characters, none of them NUL"


def direccion_of(message: CrearOrden | OrdenCreada | OrdenActualizada) -> Direccion:
    """Return a message's address in parts, all empty if it has none."""
    return Direccion._make(_PARTS(message.direccion))


def address_of(message: CrearOrden | OrdenCreada | OrdenActualizada) -> str:
    """Return a message's address in one line, made of the parts if the message has no line."""
    return message.address or direccion_of(message).line()


def direccion_problem(direccion: Direccion) -> str:
    """Return what is wrong with an address's parts, empty when nothing is; a part may be empty."""
    for name, part in zip(direccion._fields, direccion, strict=True):
        if len(part) > MAX_TEXT_CHARS or "\0" in part:
            return f"direccion.{name} must have at most {MAX_TEXT_CHARS} characters, none of them NUL"
    if direccion.pais and not COUNTRY.fullmatch(direccion.pais):
        return "direccion.pais must be two capital letters (ISO 3166-1)"
    return ""


def status_problem(status: str, allowed: Sequence[str]) -> str:
    """Return what is wrong with a status, empty when nothing is."""
    return "" if status in allowed else f"status is {status[:40]!r}, must be one of {', '.join(allowed)}"


def total_problem(cents: int, field: str = "total_cents") -> str:
    """Return what is wrong with an amount, empty when nothing is."""
    return "" if cents >= 0 else f"{field} is {cents}, must be 0 or more"


def currency_problem(currency: str) -> str:
    """Return what is wrong with a currency's form, empty when nothing is: old events may be in any currency."""
    if CURRENCY.fullmatch(currency):
        return ""
    return f"currency is {currency[:20]!r}, must be three capital letters (ISO 4217)"


def currencies_of(text: str) -> frozenset[str]:
    """Return the codes in a list with commas between them, such as `extra_currencies` of Ordenes' userConfig."""
    return frozenset(code for part in text.split(",") if (code := part.strip()))


def new_currency_problem(currency: str, extra: Container[str] = ()) -> str:
    """Return why no new order may be in a currency, empty when it may.

    Parameters
    ----------
    currency
        The code.
    extra
        Codes that are allowed although ISO 4217 doesn't have them, or gives them no minor unit.
    """
    if problem := currency_problem(currency):
        return problem
    if money.has_minor_unit(currency) or currency in extra:
        return ""
    why = (
        "has without a minor unit, so no amount can be counted in it" if money.is_current(currency) else "doesn't have"
    )
    return (
        f"currency is {currency!r}, which ISO 4217 of {money.edition()} {why}: send another one, or allow it with "
        "extra_currencies in Ordenes' userConfig"
    )


def time_problem(field: str, milliseconds: int) -> str:
    """Return what is wrong with a time, empty when nothing is."""
    if 0 < milliseconds <= LAST_TIME_MS:
        return ""
    return f"{field} is {milliseconds}, must be Unix milliseconds up to the year 9999"


def sent_time_problem(field: str, milliseconds: int) -> str:
    """Return what is wrong with a time that a client sent, empty when nothing is.

    For commands alone: events may carry what was accepted before this rule.
    """
    if 0 < milliseconds <= LAST_SECONDS:
        example = f", such as {milliseconds * 1000}" if milliseconds * 1000 > LAST_SECONDS else ""
        return f"{field} is {milliseconds}, which looks like seconds: it must be Unix milliseconds{example}"
    return time_problem(field, milliseconds)


def new_order_problem(message: CrearOrden, extra_currencies: Container[str] = ()) -> str:
    """Return why Ordenes refuses a new order, empty when it doesn't. Whoever takes orders asks the same.

    Parameters
    ----------
    message
        The command, of the newest version.
    extra_currencies
        See `new_currency_problem`.
    """
    return (
        id_problem("id", message.id)
        or (direccion_problem(direccion_of(message)) if message.HasField("direccion") else "")
        or _address_problem(message)
        or total_problem(message.total_cents)
        or new_currency_problem(message.currency, extra_currencies)
        or sent_time_problem("created_at_ms", message.created_at_ms)
    )


def _address_problem(message: CrearOrden) -> str:
    line = address_of(message)
    return text_problem("the line of direccion" if line and not message.address else "address", line)


def event_type_problem(event_type: str, expected: str) -> str:
    """Return what is wrong with an event's type, empty when nothing is; the first clients' messages have none."""
    return "" if event_type in ("", expected) else f"event_type is {event_type[:40]!r}, must be {expected!r}"
