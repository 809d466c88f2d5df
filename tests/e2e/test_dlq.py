"""`alpes dlq` on the real system: letters are listed, shown, sent again and discarded, and none is lost on the way."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from typing import Any

import pulsar
import pytest

from connection.client import Client
from schemas.tienda.topics import NAMESPACE
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.e2e.tienda import ROOT, Tienda, alpes, new_prefix, note, orders, stopped, wait_until

LETTERS = 2_000
PLANTED = {
    "error.type": "planted",
    "error.message": "Traceback\nValueError: planted",
    "error.function": "ordenes",
    "source.topic": f"persistent://{NAMESPACE}/crear-orden",
    "source.message_id": "(1,2,0,-1)",
    "attempt": "1",
}


def dlq(stack: Tienda, *arguments: str) -> str:
    done = alpes("dlq", *arguments, tienda=stack)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def waiting(stack: Tienda, start: str) -> list[dict[str, Any]]:
    """Return the waiting letters whose keys have this prefix."""
    return [
        letter
        for line in dlq(stack, "list", "--json").splitlines()
        if (letter := json.loads(line))["key"].startswith(start)
    ]


def one(stack: Tienda, start: str) -> dict[str, Any]:
    wait_until(lambda: len(waiting(stack, start)) == 1, 30, "one letter waits", every=0.5)
    return waiting(stack, start)[0]


@pytest.mark.core
def test_a_letter_that_fails_again_says_how_it_failed_before(stack: Tienda) -> None:
    start = new_prefix("d")
    stack.publish("crear-orden", [(f"{start}a", b"\xffno order")], {"mine": "ñ"})
    first = one(stack, start)
    assert (first["topic"], first["error"], first["function"]) == ("crear-orden", "invalid", "ordenes")
    dlq(stack, "replay", first["id"])
    second = one(stack, start)
    assert second["id"] != first["id"]
    dlq(stack, "replay", second["id"])
    third = one(stack, start)
    assert (third["key"], third["properties"], third["error"]) == (f"{start}a", {"mine": "ñ"}, "invalid")
    assert [entry["letter"] for entry in third["history"]] == [first["id"], second["id"]]
    assert all(entry["error.type"] == "invalid" for entry in third["history"])
    shown = dlq(stack, "show", third["id"])
    assert "not a CrearOrden" in shown
    assert "replay 2" in shown
    assert b"\xffno".hex(" ") in shown


def test_a_message_too_big_for_its_letter_is_sent_again_whole(stack: Tienda) -> None:
    start = new_prefix("d")
    payload = b"\xff" + random.Random(1).randbytes(5_050_000)
    stack.publish("crear-orden", [(f"{start}big", payload)], {"note": "x" * 20_000})
    letter = one(stack, start)
    assert letter["payload_omitted"]
    dlq(stack, "replay", letter["id"])
    again = one(stack, start)
    assert again["history"][0]["letter"] == letter["id"]
    assert again["properties"] == {"note": "x" * 20_000}
    sent = [m for m in stack.read("crear-orden") if m.partition_key() == f"{start}big"]
    assert [m.data() == payload for m in sent] == [True, True]
    dlq(stack, "discard", again["id"], "--yes")


def test_a_discarded_letter_waits_no_more_and_is_kept_whole_in_the_log(stack: Tienda) -> None:
    start = new_prefix("d")
    stack.publish("crear-orden", [(f"{start}a", b"\xffgone"), (f"{start}b", b"\xffstays")], {"mine": "1"})
    wait_until(lambda: len(waiting(stack, start)) == 2, 30, "two letters wait", every=0.5)
    gone, stays = waiting(stack, start)
    refused = alpes("dlq", "discard", gone["id"], tienda=stack, answer="n\n")
    assert refused.returncode == 1
    assert "Discard 1 dead letters?" in refused.stderr
    assert len(waiting(stack, start)) == 2
    dlq(stack, "discard", gone["id"], "--reason", "a test's", "--yes")
    assert [letter["id"] for letter in waiting(stack, start)] == [stays["id"]]
    kept = [m for m in stack.read("dlq-bitacora") if m.partition_key() == gone["id"]]
    assert [m.data() for m in kept] == [b"\xffgone"]
    properties = kept[0].properties()
    assert properties["bitacora.action"] == "discarded"
    assert properties["bitacora.reason"] == "a test's"
    assert properties["bitacora.key"] == f"{start}a"
    assert (properties["error.type"], properties["mine"]) == ("invalid", "1")
    assert "a test's" in dlq(stack, "show", gone["id"])


def test_an_early_transaction_is_replayed_once_its_order_is_there(stack: Tienda) -> None:
    """Replaying is meant for this case: a restored database lacks what came after its backup."""
    start = new_prefix("d")
    stack.publish("crear-orden", orders(start, 1))
    stack.wait_ended(start, 1, 60)
    order_id = f"{start}000000"
    decided = next(m for m in stack.read("transaccion-creada") if m.partition_key() == order_id)
    row = stack.rows("ordenes", "DELETE FROM ordenes WHERE id = %s RETURNING status, version", order_id)[0]
    stack.publish("transaccion-creada", [(order_id, decided.data())])
    letter = one(stack, start)
    assert (letter["error"], letter["fields"]["order_id"]) == ("early", order_id)
    assert letter["fields"]["status"] == TransaccionProcesada.FromString(decided.data()).status
    stack.publish("crear-orden", orders(start, 1))
    dlq(stack, "replay", "--error", "early", "--topic", "transaccion-creada")
    assert waiting(stack, start) == []
    wait_until(lambda: stack.statuses("ordenes", start) == {order_id: row[0]}, 60, "the order has its status again")


def test_two_operators_and_an_interruption_lose_no_letter(stack: Tienda) -> None:
    start = new_prefix("d")
    stack.publish("crear-orden-DLQ", orders(start, LETTERS), PLANTED)
    command = [sys.executable, "-m", "client", "dlq", "replay", "--error", "planted", "--json"]
    environment = {**os.environ, "PULSAR_SERVICE_URL": stack.service_url, "PULSAR_ADMIN_URL": stack.admin_url}

    def operator() -> subprocess.Popen[str]:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)

    started = time.monotonic()
    interrupted, killed = operator(), operator()
    wait_until(lambda: stack.statuses("ordenes", start), 60, "the first letters are sent", every=0.01)
    interrupted.send_signal(signal.SIGINT)
    killed.kill()
    # If it was still looking for letters when the other one began, it reports nothing.
    told = json.loads(interrupted.communicate(timeout=60)[0] or '{"done": 0}')
    killed.wait(60)
    left = len(waiting(stack, start))
    assert told["done"] <= LETTERS - left, "everything reported as done is in the log"
    both = [operator(), operator()]
    for one_of_them in both:
        one_of_them.communicate(timeout=120)
        assert one_of_them.returncode == 0
    assert waiting(stack, start) == []
    stack.wait_ended(start, LETTERS, 60)
    assert len(stack.statuses("pagos", start)) == LETTERS
    sent = [m for m in stack.read("crear-orden") if m.partition_key().startswith(start)]
    note(
        f"dlq replay, interrupted and killed with {left} of {LETTERS} left, then by two at once: {len(sent)} messages"
        f" for {LETTERS} letters, each order ended once, {time.monotonic() - started:.1f} s in all"
    )


def test_letters_of_a_topic_with_partitions_go_back_with_their_keys(stack: Tienda) -> None:
    topic = f"prueba-{uuid.uuid4().hex[:8]}"
    for name in (topic, f"{topic}-DLQ"):
        stack.admin("PUT", f"/admin/v2/persistent/{NAMESPACE}/{name}/partitions", 3)
    try:
        start = new_prefix("d")
        stack.publish(f"{topic}-DLQ", [(f"{start}{n}", f"{n}".encode()) for n in range(60)], PLANTED)
        letters = waiting(stack, start)
        assert {letter["id"].split(":")[1] for letter in letters} == {"0", "1", "2"}
        dlq(stack, "replay", "--topic", topic)
        assert waiting(stack, start) == []
        sent = {(m.partition_key(), m.data()) for m in stack.read(topic)}
        assert sent == {(f"{start}{n}", f"{n}".encode()) for n in range(60)}
    finally:
        for name in (topic, f"{topic}-DLQ"):
            stack.admin("DELETE", f"/admin/v2/persistent/{NAMESPACE}/{name}/partitions?force=true")


def test_letters_of_a_topic_without_partitions_are_shown_sent_again_and_discarded(stack: Tienda) -> None:
    """After a dead-letter topic is deleted, its next letter makes it come back like this."""
    topic = f"prueba-{uuid.uuid4().hex[:8]}"
    for name in (topic, f"{topic}-DLQ"):
        stack.admin("PUT", f"/admin/v2/persistent/{NAMESPACE}/{name}")
    try:
        start = new_prefix("d")
        stack.publish(f"{topic}-DLQ", [(f"{start}{n}", f"payload {n}".encode()) for n in range(2)], PLANTED)
        first, second = (letter["id"] for letter in waiting(stack, start))
        assert [text.split(":")[:2] for text in (first, second)] == [[topic, "-1"]] * 2
        assert "payload 1" in dlq(stack, "show", second)
        dlq(stack, "replay", first)
        dlq(stack, "discard", second, "--yes")
        assert waiting(stack, start) == []
        assert [m.data() for m in stack.read(topic)] == [b"payload 0"]
        assert "discarded" in dlq(stack, "show", second)
        dlq(stack, "replay", second)
        assert [m.data() for m in stack.read(topic)] == [b"payload 0", b"payload 1"]
    finally:
        for name in (topic, f"{topic}-DLQ"):
            stack.admin("DELETE", f"/admin/v2/persistent/{NAMESPACE}/{name}?force=true")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["show", "crear-orden:0:1:999999"], 1, "There is no dead letter crear-orden:0:1:999999"),
        (["show", "nonsense"], 2, "is no letter's id"),
        (["replay"], 2, "Say which"),
        (["discard", "--all", "crear-orden:0:1:1"], 2, "Say which"),
        (["replay", "crear-orden:0:1:999999"], 1, "There is no dead letter"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(stack: Tienda, arguments: list[str], code: int, says: str) -> None:
    done = alpes("dlq", *arguments, tienda=stack)
    assert done.returncode == code
    assert says in done.stderr


@pytest.mark.usefixtures("databases")
def test_what_stalls_an_input_is_named_set_aside_and_sent_again(stack: Tienda) -> None:
    """Another consumer holds an order; the order behind it was delayed by its sender, and rightly waits."""
    start = new_prefix("stalled-")
    (delayed, payload), (held, held_payload) = orders(start, 2)
    producer = stack.client.create_producer(stack.topic("crear-orden"))
    later = producer.send(payload, partition_key=delayed, deliver_after=timedelta(hours=1))
    other = Client(stack.service_url)
    with stopped(stack, "ordenes"):
        consumer = other.subscribe(
            stack.topic("crear-orden"), "ordenes", consumer_type=pulsar.ConsumerType.Shared, consumer_name="another"
        )
        sent = producer.send(held_payload, partition_key=held)
        assert consumer.receive(10_000).partition_key() == held
    producer.close()
    place = f"{sent.ledger_id()}:{sent.entry_id()}:0"

    def reconciled() -> dict[str, Any]:
        return dict(json.loads(alpes("reconcile", "--topics", "--json", tienda=stack).stdout))

    wait_until(lambda: "crear-orden" in reconciled()["stalled_inputs"], 90, "reconcile names it", every=2)
    found = reconciled()
    stall = found["stalled_inputs"]["crear-orden"]
    assert (stall["message"], stall["delayed"]) == (place, 1)
    assert [(each["name"], each["messages"]) for each in stall["consumers"]] == [("another", 1)]
    assert sum(found["stalled"].values()) == 1
    done = alpes("reconcile", "--topics", tienda=stack)
    assert (done.returncode, f"alpes dlq set-aside crear-orden {place}" in done.stdout) == (1, True), done.stdout

    done = alpes("dlq", "set-aside", "crear-orden", place, "--reason", "a test", tienda=stack, answer="y\n")
    assert done.returncode == 0, done.stderr
    letter = one(stack, held)
    assert (letter["error"], letter["function"]) == ("set-aside", "ordenes")
    # The function still has a backlog: the delayed order.
    wait_until(lambda: not reconciled()["stalled_inputs"], 60, "nothing stalls any more", every=2)
    other.close()

    assert alpes("dlq", "replay", letter["id"], tienda=stack).returncode == 0
    wait_until(lambda: stack.ended(held), 30, "the order has ended")
    place = f"{later.ledger_id()}:{later.entry_id()}"
    assert alpes("dlq", "set-aside", "crear-orden", place, "--yes", tienda=stack).returncode == 0
    assert alpes("dlq", "replay", one(stack, delayed)["id"], tienda=stack).returncode == 0
    wait_until(lambda: stack.ended(delayed), 30, "so has the delayed one")


@pytest.mark.core
def test_an_entry_of_several_messages_is_set_aside_whole(stack: Tienda) -> None:
    """Its function is stopped meanwhile, and when started again gets only what came after it."""
    start = new_prefix("aside-")
    with stopped(stack, "ordenes"):
        producer = stack.client.create_producer(
            stack.topic("crear-orden"), batching_enabled=True, batching_max_publish_delay_ms=1_000
        )
        places: list[Any] = []
        for order_id, payload in orders(f"{start}a-", 3):
            producer.send_async(payload, lambda _result, id_: places.append(id_), partition_key=order_id)
        producer.flush()
        wait_until(lambda: len(places) == 3, 10, "all are sent")
        assert len({(id_.ledger_id(), id_.entry_id()) for id_ in places}) == 1
        place = f"({places[0].ledger_id()},{places[0].entry_id()},0,1)"
        done = alpes("dlq", "set-aside", "crear-orden", place, "--yes", tienda=stack)
        assert done.returncode == 0, done.stderr
        assert "3 dead letters" in done.stdout
        producer.close()
        stack.publish("crear-orden", orders(f"{start}b-", 3))
    stack.wait_ended(f"{start}b-", 3, 60)
    assert stack.statuses("ordenes", f"{start}a-") == {}
    letters = [letter["id"] for letter in waiting(stack, f"{start}a-")]
    assert len(letters) == 3
    assert alpes("dlq", "replay", *letters, tienda=stack).returncode == 0
    stack.wait_ended(f"{start}a-", 3, 30)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["crear-orden", "nonsense"], "is no message id"),
        (["nobody", "1:1"], "There is no topic nobody"),
        (["crear-orden", "9999999:0"], "has no entry 9999999:0"),
        (["crear-orden", "1:1:7"], "has the partitions 0"),
        (["orden-actualizada", "0:0", "--subscription", "nobody"], "orden-actualizada has: reporting"),
    ],
)
def test_what_can_not_be_set_aside_is_said_in_a_line(stack: Tienda, arguments: list[str], says: str) -> None:
    done = alpes("dlq", "set-aside", *arguments, "--yes", tienda=stack)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
