"""`alpes recover` on the real system sends again what an operator dropped from a subscription, and only that."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import Tienda, alpes, keys, new_prefix, note, orders, stopped, wait_until

pytestmark = pytest.mark.usefixtures("databases")

LOST = 20
TOPICS = f"/admin/v2/persistent/{NAMESPACE}"
QUOTA = "backlogQuota?backlogQuotaType=destination_storage"


def recover(stack: Tienda, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = alpes("recover", "--json", "--yes", *arguments, tienda=stack)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def lost(stack: Tienda, start: str) -> Counter[str]:
    """Count the lost orders of a prefix by what they wait for."""
    done = alpes("reconcile", "--topics", "--json", "--grace", "1", "--limit", "1000000", tienda=stack)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    examples = json.loads(done.stdout)["examples"]
    return Counter(e["why"] for e in examples if e["id"].startswith(start) and e["verdict"] == "lost")


def drop(stack: Tienda, topic: str, function: str) -> None:
    """Drop all messages that wait for a function in a topic, as an operator would."""
    for partition in stack.client.get_topic_partitions(stack.topic(topic)):
        name = partition.rsplit("/", 1)[-1]
        stack.admin("POST", f"{TOPICS}/{name}/subscription/{function}/skip_all")


def waits(stack: Tienda, topic: str) -> int:
    return stack.waiting().get(topic, (0, 0))[0]


def clear(stack: Tienda, topic: str, function: str) -> None:
    """Drop it as `pulsar-admin namespaces clear-backlog` does: in all topics, and for all functions."""
    stack.admin("POST", f"/admin/v2/namespaces/{NAMESPACE}/clearBacklog")


def expire(stack: Tienda, topic: str, function: str) -> None:
    """Drop it as a message TTL does, which the broker looks at every five minutes."""
    # A TTL of 0 means none, and a message must be older than the TTL to expire.
    time.sleep(1.5)
    for partition in stack.client.get_topic_partitions(stack.topic(topic)):
        name = partition.rsplit("/", 1)[-1]
        stack.admin("POST", f"{TOPICS}/{name}/subscription/{function}/expireMessages/1")


def evict(stack: Tienda, topic: str, function: str) -> None:
    """Drop it as an evicting backlog quota does, which the broker looks at every minute."""
    # Whatever the quota, it keeps the last entry.
    stack.publish(topic, orders(f"{new_prefix('v')}last-", 1))
    stack.admin("POST", f"{TOPICS}/{topic}/{QUOTA}", {"limitSize": 1, "policy": "consumer_backlog_eviction"})
    try:
        wait_until(lambda: waits(stack, topic) == 1, 90, "the quota has acted", every=1)
    finally:
        stack.admin("DELETE", f"{TOPICS}/{topic}/{QUOTA}")


def sent(stack: Tienda, topic: str, start: str) -> Counter[tuple[str, bytes, str]]:
    """Count the messages of a prefix in a topic, by key, bytes and properties."""
    return Counter(
        (message.partition_key(), message.data(), json.dumps(message.properties(), sort_keys=True))
        for message in stack.read(topic)
        if message.partition_key().startswith(start)
    )


def make_unseen(stack: Tienda, start: str) -> None:
    stack.rows("reporting", "DELETE FROM ordenes WHERE id LIKE %s RETURNING id", f"{start}%")


@pytest.mark.parametrize("dropping", [pytest.param(drop, marks=pytest.mark.core), clear, expire, evict])
def test_dropped_commands_are_had_again_once(stack: Tienda, dropping: Callable[[Tienda, str, str], None]) -> None:
    start = new_prefix("v")
    with stopped(stack, "ordenes"):
        stack.publish("crear-orden", orders(start, LOST), {"mine": "ñ"})
        dropping(stack, "crear-orden", "ordenes")
        wait_until(lambda: waits(stack, "crear-orden") <= (dropping is evict), 10, "all of it is dropped")
    assert lost(stack, start) == {"accepted, not in Ordenes yet": LOST}

    code, told = recover(stack, "--all-lost", "--dry-run")
    assert {"why": "accepted, not in Ordenes yet", "topic": "crear-orden", "orders": LOST} in told["found"]
    assert (code, told["sent"]) == (0, {})
    assert stack.statuses("ordenes", start) == {}

    started = time.monotonic()
    code, told = recover(stack, "--all-lost")
    seconds = time.monotonic() - started
    assert (code, told["sent"]) == (0, {"crear-orden": LOST})
    stack.wait_ended(start, LOST, 60)
    stack.wait_idle()
    assert set(sent(stack, "crear-orden", start).values()) == {2}, "the same bytes, key and properties, once more"
    code, told = recover(stack, "--all-lost")
    assert (code, told["sent"], told["gone"]) == (0, {}, [])
    assert lost(stack, start) == {}
    assert set(sent(stack, "crear-orden", start).values()) == {2}
    note(f"recover: {LOST} commands ({dropping.__name__}) found and sent again in {seconds:.1f} s")


def test_what_was_dropped_further_down_is_had_again_there(stack: Tienda) -> None:
    """Payments, their outcomes and updates; the orders end alike, and each is paid once."""
    unpaid, unheard, unseen = (new_prefix("v") for _ in range(3))
    with stopped(stack, "pagos"):
        stack.publish("crear-orden", orders(unpaid, LOST))
        wait_until(lambda: len(stack.statuses("ordenes", unpaid)) == LOST, 60, "the orders are stored")
        wait_until(lambda: len(sent(stack, "orden-creada", unpaid)) == LOST, 60, "they are told of")
        drop(stack, "orden-creada", "pagos")
    with stopped(stack, "reporting"):
        stack.publish("crear-orden", orders(unseen, LOST))
        wait_until(lambda: len(sent(stack, "orden-actualizada", unseen)) == LOST, 60, "their ends are told of")
        drop(stack, "orden-actualizada", "reporting")
    # Ordenes is as it was before it learned of their payment, and no message waits that would tell it.
    stack.publish("crear-orden", orders(unheard, LOST))
    stack.wait_ended(unheard, LOST, 60)
    stack.wait_idle()
    make_unseen(stack, unheard)
    stack.rows(
        "ordenes",
        "UPDATE ordenes SET status = 'creada', version = 1, transaction_id = '' WHERE id LIKE %s RETURNING id",
        f"{unheard}%",
    )
    paid = {start: stack.statuses("pagos", start) for start in (unheard, unseen)}

    code, told = recover(stack, "--all-lost")
    assert (code, told["gone"], told["failures"]) == (0, [], {})
    assert told["sent"] == {"orden-creada": LOST, "transaccion-creada": LOST, "orden-actualizada": LOST}
    for start in (unpaid, unheard, unseen):
        stack.wait_ended(start, LOST, 60)
    stack.wait_idle()
    for start in (unheard, unseen):
        assert stack.statuses("pagos", start) == stack.statuses("ordenes", start) == paid[start]
    assert stack.statuses("pagos", unpaid) == stack.statuses("ordenes", unpaid)
    assert recover(stack, "--all-lost")[1]["sent"] == {}
    assert sum((lost(stack, start) for start in (unpaid, unheard, unseen)), Counter()) == {}


def test_one_order_is_had_again_by_its_id_and_the_others_are_left(stack: Tienda) -> None:
    start = new_prefix("v")
    with stopped(stack, "ordenes"):
        stack.publish("crear-orden", orders(start, 2))
        drop(stack, "crear-orden", "ordenes")
    first, second = (f"{start}{n:06d}" for n in range(2))
    code, told = recover(stack, first)
    assert (code, told["sent"]) == (0, {"crear-orden": 1})
    stack.wait_ended(start, 1, 60)
    code, told = recover(stack, first, second)
    assert (code, told["sent"], told["others"]) == (0, {"crear-orden": 1}, {first: "ended"})
    stack.wait_ended(start, 2, 60)


def test_what_no_topic_retains_is_named_and_exits_with_1(stack: Tienda) -> None:
    nobody = f"{new_prefix('v')}nobody"
    done = alpes("recover", nobody, tienda=stack)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"1 can't be recovered: no topic retains a message of {nobody}" in done.stdout


@contextmanager
def forgotten(stack: Tienda, order_id: str) -> Iterator[None]:
    """Put an order into the table of Ordenes of which no topic retains a message."""
    stack.rows(
        "ordenes",
        "INSERT INTO ordenes (id, client_id, address, status, total_cents, currency, version, created_at, accepted_at,"
        " updated_at) VALUES (%s, 7, 'Calle 7', 'creada', 100, 'USD', 1, now(), now(), now()) RETURNING id",
        order_id,
    )
    try:
        yield
    finally:
        stack.rows("ordenes", "DELETE FROM ordenes WHERE id = %s RETURNING id", order_id)


def test_a_recorded_order_that_retention_has_dropped_everywhere_is_named_beside_those_that_are_sent(
    stack: Tienda,
) -> None:
    start = new_prefix("v")
    gone = f"{start}gone"
    with forgotten(stack, gone):
        with stopped(stack, "ordenes"):
            stack.publish("crear-orden", orders(start, 2))
            drop(stack, "crear-orden", "ordenes")
        code, told = recover(stack, "--all-lost")
        assert (code, told["sent"], told["gone"]) == (1, {"crear-orden": 2}, [gone])
        stack.wait_ended(start, 2, 60)
        done = alpes("recover", gone, "--yes", tienda=stack)
        assert done.returncode == 1, done.stdout + done.stderr
        assert f"1 can't be recovered: no topic retains a message of {gone}" in done.stdout


def test_it_asks_first_and_no_is_no(stack: Tienda) -> None:
    start = new_prefix("v")
    with stopped(stack, "ordenes"):
        stack.publish("crear-orden", orders(start, 1))
        drop(stack, "crear-orden", "ordenes")
    order_id = f"{start}000000"
    refused = alpes("recover", order_id, tienda=stack, answer="n\n")
    assert (refused.returncode, stack.statuses("ordenes", start)) == (1, {})
    assert "Send 1 messages again?" in refused.stderr
    assert keys(stack.read("crear-orden")).count(order_id) == 1
    taken = alpes("recover", order_id, tienda=stack, answer="y\n")
    assert taken.returncode == 0, taken.stdout + taken.stderr
    stack.wait_ended(start, 1, 60)
