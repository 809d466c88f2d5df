"""How orders are spread, and that the same order is always the same bytes."""

import random
from collections import Counter

import pytest

from bench.workload import BIG_CLIENT, CLIENTS, Workload, zipf
from schemas.tienda.v1.ordenes_pb2 import CrearOrden


def orders_of(workload: Workload) -> list[CrearOrden]:
    return [CrearOrden.FromString(payload) for _, payload in workload.commands(1)]


def test_zipf_draws_in_proportion_to_the_rank() -> None:
    drawn = Counter(zipf(200_000, 1_000, random.Random(1)))
    for rank in (1, 2, 5, 10):
        assert drawn[0] / drawn[rank] == pytest.approx(rank + 1, rel=0.15)
    assert 0 <= min(drawn) <= max(drawn) < 1_000


def test_uniform_orders_are_each_new() -> None:
    workload = Workload("u-", 5_000)
    keys = [key for key, _ in workload.commands(1)]
    assert len(set(keys)) == 5_000
    assert keys == sorted(keys)
    assert len({order.client_id for order in orders_of(workload)}) > CLIENTS / 4


def test_zipf_ids_repeat_orders_with_the_same_bytes() -> None:
    workload = Workload("z-", 5_000, ids="zipf", clients="zipf")
    commands = workload.commands(1)
    contents: dict[str, set[bytes]] = {}
    for key, payload in commands:
        contents.setdefault(key, set()).add(payload)
    assert len(commands) == 5_000
    assert len(contents) == len(workload.distinct()) < 4_000
    assert all(len(payloads) == 1 for payloads in contents.values())


def test_one_client_has_half_of_the_orders() -> None:
    clients = Counter(order.client_id for order in orders_of(Workload("h-", 10_000, clients="half")))
    assert clients[BIG_CLIENT] == pytest.approx(5_000, rel=0.05)
    assert clients.most_common(2)[1][1] < 20


def test_zipf_clients_are_skewed_although_every_order_is_new() -> None:
    workload = Workload("c-", 10_000, clients="zipf")
    assert len(workload.distinct()) == 10_000
    clients = Counter(order.client_id for order in orders_of(workload))
    assert clients.most_common(1)[0][1] > 500


def test_the_same_seed_gives_the_same_orders() -> None:
    one, same, other = (Workload("s-", 500, ids="zipf", seed=seed) for seed in (1, 1, 2))
    assert one.commands(7) == same.commands(7) != other.commands(7)


def test_an_id_leads_back_to_its_number() -> None:
    workload = Workload("w-", 10)
    assert workload.number_of(workload.id_of(7)) == 7
    assert workload.number_of("v-00000007") is None
    assert workload.number_of("w-") is None
    assert workload.number_of("w-7x") is None
