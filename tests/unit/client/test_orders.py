"""The made-up orders."""

import uuid

from client.orders import order_stream, random_seed
from schemas.tienda import rules
from schemas.tienda.orden import ORDER_ID
from schemas.tienda.upcasters import NEWEST

FIRST_OF_SEED_7 = (
    "6513270e-269e-4d37-b2a7-4de452e6b438",
    6510,
    "Calle 187 # 31H-33 Este, Oficina 84, 540679, Chitagá, Norte de Santander",
    26841,
)


def test_the_same_seed_gives_the_same_orders_ids_included() -> None:
    assert list(order_stream(7, 50)) == list(order_stream(7, 50))


def test_a_shorter_run_is_the_beginning_of_a_longer_one() -> None:
    assert list(order_stream(7, 20)) == list(order_stream(7, 50))[:20]


def test_two_seeds_share_no_order() -> None:
    assert not {order.id for order in order_stream(1, 200)} & {order.id for order in order_stream(2, 200)}


def test_a_random_seed_is_new_each_time() -> None:
    assert len({random_seed() for _ in range(100)}) == 100


def test_every_order_is_whole_and_valid() -> None:
    for order in order_stream(3, 500):
        assert ORDER_ID.fullmatch(order.id)
        assert str(uuid.UUID(order.id)) == order.id
        assert uuid.UUID(order.id).version == 4
        assert uuid.UUID(order.id).variant == uuid.RFC_4122
        assert 1 <= order.client_id <= 10_000
        assert order.address
        assert "\n" not in order.address
        assert order.HasField("total_cents")
        assert 100 <= order.total_cents <= 50_000
        assert (order.status, order.currency, order.service) == ("", "USD", "client")


def test_an_address_is_in_parts_that_are_those_of_its_line() -> None:
    for order in order_stream(3, 500):
        parts = rules.direccion_of(order)
        assert rules.direccion_problem(parts) == ""
        street, town = f"{parts.calle} # {parts.numero}", ", ".join(filter(None, (parts.ciudad, parts.region)))
        said = filter(None, (street, parts.complemento, parts.codigo_postal, town))
        assert order.address == ", ".join(said)
        assert (parts.pais, order.schema_version) == ("CO", NEWEST)
        assert all((parts.calle, parts.numero, parts.codigo_postal, parts.ciudad))


def test_version_1_is_the_same_orders_without_the_parts() -> None:
    for old, new in zip(order_stream(7, 50, 1), order_stream(7, 50), strict=True):
        assert (old.HasField("direccion"), old.schema_version) == (False, 0)
        new.ClearField("direccion")
        new.ClearField("schema_version")
        assert old == new


def test_a_seed_still_gives_the_orders_that_it_gave() -> None:
    """An order that is sent again after an update must be the same order, or it is a conflict."""
    (order,) = order_stream(7, 1)
    assert (order.id, order.client_id, order.address, order.total_cents) == FIRST_OF_SEED_7
