"""An order as HTTP has it, and as the command that it becomes. Pure."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Container
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path
from google.protobuf.message import DecodeError
from pydantic import Field

from alpes_wire.tracing import valid_traceparent
from api.bodies import Body
from api.problems import Problem
from schemas.tienda import rules, upcasters
from schemas.tienda.orden import ORDER_ID
from schemas.tienda.upcasters.v0_to_v1 import DEFAULT_CURRENCY
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, Direccion, OrdenActualizada, OrdenCreada

SERVICE = "api"
KEYS = uuid.UUID("6b9a3f0e-4f0c-5d0e-9a55-0d4c1f0a7c11")
"""Namespace of the ids that idempotency keys become. It never changes, or a repeated order would be a second one."""
MOST_KEY_CHARS = 255
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WIRE_INT32 = {"ge": -(2**31), "le": 2**31 - 1}


def _text(**schema: Any) -> Any:
    """Return a field whose rule stands in `schemas`, so that it is only shown here."""
    return Field(json_schema_extra=schema)


class DireccionEnviada(Body):
    """An address in parts, each of which may be empty."""

    calle: str = ""
    numero: str = ""
    complemento: str = ""
    codigo_postal: str = ""
    ciudad: str = ""
    region: str = ""
    pais: Annotated[str, _text(pattern=f"^({rules.COUNTRY.pattern})?$", description="ISO 3166-1.")] = ""


class OrdenEnviada(Body):
    """An order as a client sends it. Its names are those of `CrearOrden`."""

    id: Annotated[
        str | None,
        _text(description="The order's id, unless the header Idempotency-Key stands for it. 1 to 128 of A-Za-z0-9._-"),
    ] = None
    client_id: Annotated[int, Field(**_WIRE_INT32)]
    address: Annotated[str, _text(maxLength=rules.MAX_TEXT_CHARS, description="In one line; or `direccion`.")] = ""
    direccion: DireccionEnviada | None = None
    total_cents: Annotated[int, Field(ge=0, le=2**63 - 1, description="In the minor unit of the currency.")]
    currency: Annotated[str, _text(pattern=f"^{rules.CURRENCY.pattern}$", description="ISO 4217.")] = DEFAULT_CURRENCY
    created_at_ms: Annotated[
        int | None,
        Field(
            ge=0,
            le=rules.LAST_TIME_MS,
            json_schema_extra={"minimum": rules.LAST_SECONDS + 1},
            description="Unix milliseconds at which the order was made. Absent: the time at which it came.",
        ),
    ] = None


def order_id(sent: OrdenEnviada, key: str | None) -> str:
    """Return the order's id: the body's, the one that the key stands for, or a new one.

    Raises
    ------
    Problem
        If the key is none, there are two ids to choose from, or no URL could name the order.
    """
    if sent.id in {".", ".."}:
        raise _refused("id must not be . or .., which no URL can name")
    if key is None:
        return str(uuid.uuid4()) if sent.id is None else sent.id
    if sent.id is not None:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "two-keys",
            "The body's id makes a request safe to repeat, and so does Idempotency-Key: send one of them.",
        )
    # A structured string of RFC 9651 stands in quotes.
    bare = key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key
    if not _KEY.fullmatch(bare):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "key",
            f"Idempotency-Key must have 1 to {MOST_KEY_CHARS} visible ASCII characters, such as a UUID's.",
        )
    return id_of_key(bare)


def id_of_key(key: str) -> str:
    """Return the uuid5 of a key. Every order with a key needs one, and by hand it takes half of the time."""
    digest = bytearray(hashlib.sha1(KEYS.bytes + key.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def command(
    sent: OrdenEnviada, id_: str, traceparent: str, now_ms: int, extra_currencies: Container[str] = ()
) -> CrearOrden:
    """Return the command for an order; `extra_currencies` are those that Ordenes takes besides ISO 4217's.

    Raises
    ------
    Problem
        If Ordenes would refuse it.
    """
    created_at_ms = now_ms if sent.created_at_ms is None else sent.created_at_ms
    try:
        message = CrearOrden(
            id=id_,
            client_id=sent.client_id,
            address=sent.address,
            service=SERVICE,
            created_at=created_at_ms / 1000,
            created_at_ms=created_at_ms,
            total_cents=sent.total_cents,
            currency=sent.currency,
            traceparent=valid_traceparent(traceparent),
            schema_version=upcasters.NEWEST,
        )
        if sent.direccion is not None:
            message.direccion.CopyFrom(Direccion(**dict(sent.direccion)))
    except (ValueError, OverflowError) as error:
        raise _refused(" ".join(str(error).split())) from None
    if problem := rules.new_order_problem(message, extra_currencies):
        raise _refused(problem)
    return message


def _refused(problem: str) -> Problem:
    errors = [{"where": problem.partition(" ")[0], "what": problem}]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"{problem}.", errors=errors)


def content(message: CrearOrden | OrdenActualizada | OrdenCreada) -> int:
    """Return a fingerprint of what Ordenes compares when an order comes again. It holds within this process alone."""
    # Of a text, since Python's hash of a text is keyed at random. That of a number is not: -1 has the one of -2.
    return hash(f"{message.client_id} {message.total_cents} {message.currency} {rules.address_of(message)}")


def content_of_command(payload: bytes, published_ms: int) -> tuple[str, int] | None:
    """Return the id and the content of a command as a topic holds it; None if it isn't valid."""
    try:
        message = upcasters.newest(CrearOrden.FromString(payload), lambda: published_ms)
    except DecodeError:
        return None
    # Currencies that Ordenes takes besides ISO 4217's are valid, too.
    return None if rules.new_order_problem(message, {message.currency}) else (message.id, content(message))


def shown(event: OrdenActualizada) -> dict[str, Any]:
    """Return an order as HTTP shows it."""
    direccion = rules.direccion_of(event)
    return {
        "id": event.id,
        "status": event.status,
        "client_id": event.client_id,
        "address": event.address,
        **({"direccion": direccion._asdict()} if event.HasField("direccion") else {}),
        "total_cents": event.total_cents,
        "currency": event.currency,
        "created_at_ms": event.created_at_ms,
        "updated_at_ms": event.updated_at_ms,
        "version": event.version,
        "transaction_id": event.transaction_id,
    }


OrderId = Annotated[str, Path(json_schema_extra={"pattern": f"^{ORDER_ID.pattern}$"})]
"""An order's id in the path of a request."""


def require_id(id_: str) -> None:
    """Refuse what can be no order's id."""
    if problem := rules.id_problem("id", id_):
        raise _refused(problem)
