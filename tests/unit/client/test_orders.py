"""The made-up orders."""

import uuid

from client.orders import order_stream, random_seed
from schemas.tienda.orden import ORDER_ID


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
