"""Makes orders out of a seed: the same seed gives the same orders, ids included. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from faker import Faker

from schemas.tienda.upcasters import NEWEST
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, Direccion

COUNTRY = "CO"
CURRENCY = "USD"
SERVICE = "client"

# Faker takes about 100 µs for an address, but an order takes 3 µs: so addresses are drawn from a pool made once.
ADDRESS_POOL_SIZE = 512
CLIENTS = 10_000
MIN_TOTAL_CENTS = 100
MAX_TOTAL_CENTS = 50_000


def random_seed() -> int:
    """Choose a seed nobody chose before, so that the run's order ids are new."""
    return random.SystemRandom().getrandbits(63)


def order_stream(seed: int, count: int, schema_version: int = NEWEST) -> Iterator[CrearOrden]:
    """Make orders, one after another.

    Parameters
    ----------
    seed
        Decides everything about the orders but the time: two streams of one seed carry the same ids and the same
        content, and the shorter is the beginning of the longer. (Across releases of Faker the addresses may differ.)
    count
        How many orders.
    schema_version
        The version of the messages: 1 for orders without the address's parts.

    Yields
    ------
    CrearOrden
        Without `created_at` and `created_at_ms`: the sender sets them.
    """
    faker = Faker("es_CO")
    faker.seed_instance(seed)
    addresses = [faker.address() for _ in range(ADDRESS_POOL_SIZE)]
    pool = [_address(lines.split("\n"), schema_version) for lines in addresses]
    draw = random.Random(seed)  # noqa: S311 - made-up orders, not secrets
    for _ in range(count):
        yield CrearOrden(
            id=_uuid(draw.getrandbits(128)),
            client_id=1 + int(draw.random() * CLIENTS),
            **pool[int(draw.random() * ADDRESS_POOL_SIZE)],
            status="",
            service=SERVICE,
            total_cents=MIN_TOTAL_CENTS + int(draw.random() * (MAX_TOTAL_CENTS - MIN_TOTAL_CENTS + 1)),
            currency=CURRENCY,
        )


def _address(lines: Sequence[str], schema_version: int) -> dict[str, Any]:
    """Return the fields of an address. Its lines are the street, perhaps a door, the postal code, and the town."""
    fields: dict[str, Any] = {"address": ", ".join(lines)}
    if schema_version >= 2:
        street, *door, code, town = lines
        calle, _, numero = street.partition(" # ")
        ciudad, _, region = town.partition(", ")
        fields["direccion"] = Direccion(
            calle=calle,
            numero=numero,
            complemento=", ".join(door),
            codigo_postal=code,
            ciudad=ciudad,
            region=region,
            pais=COUNTRY,
        )
        fields["schema_version"] = schema_version
    return fields


def _uuid(bits: int) -> str:
    # A UUID of version 4, by hand: uuid.UUID costs four times as much.
    digits = f"{bits:032x}"
    variant = "89ab"[(bits >> 60) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
