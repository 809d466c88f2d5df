"""Orders from command to report, through topics and tables, as an outside client sees them."""

import csv
import json
import os
import subprocess
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pulsar
import pytest

from alpes_wire.names import ATTEMPT, ERROR_TYPE, SOURCE_TOPIC
from schemas.tienda.topics import NAMESPACE
from schemas.tienda.upcasters import NEWEST
from schemas.tienda.upcasters.v0_to_v1 import derived_total_cents
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from schemas.tienda.v1.reporting_pb2 import GenerarReporte
from tests.e2e.tienda import FUNCTIONS, Tienda, alpes, keys, new_prefix, orders, wait_until

pytestmark = pytest.mark.core

GARBAGE = 1000


def in_every_table(stack: Tienda, start: str) -> tuple[dict[str, str], ...]:
    return tuple(stack.statuses(name, start) for name in FUNCTIONS)


def test_hundred_orders_of_the_client_are_accounted_for(stack: Tienda, tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    sent = alpes("send", "--summary-json", str(summary), tienda=stack)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    outcomes = json.loads(summary.read_text())["outcomes"]
    assert outcomes["aprobada"] + outcomes["rechazada"] == 100
    assert outcomes["dead_lettered"] == outcomes["unaccounted"] == outcomes["unsent"] == 0


def test_orders_that_are_sent_again_with_their_seed_are_said_to_have_existed(stack: Tienda, tmp_path: Path) -> None:
    seed, summary = str(uuid.uuid4().int % 2**64), tmp_path / "summary.json"
    found = []
    for _ in range(2):
        sent = alpes("send", "--seed", seed, "--summary-json", str(summary), tienda=stack)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        found.append((json.loads(summary.read_text())["existed"], "All 100 orders existed already" in sent.stdout))
    assert found == [(0, False), (100, True)]


@pytest.mark.parametrize("service", ["", "first-client"], ids=["fields 1 to 5", "fields 1 to 6"])
def test_a_message_of_the_first_clients_is_processed_end_to_end(stack: Tienda, service: str) -> None:
    order_id = new_prefix("t") + "seed"
    seed = CrearOrden(id=order_id, client_id=7, address="Calle 7", status="whatever", created_at=1.7e9, service=service)
    stack.publish("crear-orden", [("", seed.SerializeToString())])
    wait_until(lambda: stack.ended(order_id), 30, "the order has ended")
    total = derived_total_cents(order_id)
    assert stack.rows("ordenes", "SELECT total_cents, client_id FROM ordenes WHERE id = %s", order_id) == [(total, 7)]
    assert stack.rows("pagos", "SELECT amount_cents FROM transacciones WHERE order_id = %s", order_id) == [(total,)]
    assert stack.rows("reporting", "SELECT total_cents FROM ordenes WHERE id = %s", order_id) == [(total,)]


def test_every_event_says_what_it_is_and_belongs_to_one_trace(stack: Tienda) -> None:
    order_id = new_prefix("t") + "traced"
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    parts = {"calle": "Calle 1", "numero": "2-3", "ciudad": "Bogotá", "pais": "CO"}
    order = CrearOrden(id=order_id, client_id=1, direccion=parts, traceparent=parent, schema_version=2)
    stack.publish("crear-orden", [(order_id, order.SerializeToString())])
    wait_until(lambda: stack.ended(order_id), 30, "the order has ended")
    for topic, kind in (
        ("orden-creada", OrdenCreada),
        ("transaccion-creada", TransaccionProcesada),
        ("orden-actualizada", OrdenActualizada),
    ):
        (message,) = (m for m in stack.read(topic) if m.partition_key() == order_id)
        event = kind.FromString(message.data())
        version = 1 if isinstance(event, TransaccionProcesada) else NEWEST
        assert (event.event_type, event.schema_version) == (topic, version)
        if not isinstance(event, TransaccionProcesada):
            assert event.address == "Calle 1 2-3, Bogotá, CO"
            assert event.direccion == order.direccion
        assert event.event_id
        assert event.traceparent.split("-")[1] == parent.split("-")[1]


@pytest.mark.parametrize("topic", ["orden-creada", "transaccion-creada", "orden-actualizada", "reporte-generado"])
def test_event_topics_have_a_registered_protobuf_schema(stack: Tienda, topic: str) -> None:
    schema = stack.admin("GET", f"/admin/v2/schemas/{NAMESPACE}/{topic}/schema")
    assert schema["type"] == "PROTOBUF_NATIVE"


def test_a_message_with_other_content_under_a_known_id_is_a_conflict_and_changes_nothing(stack: Tienda) -> None:
    start = new_prefix("t")
    ((order_id, first),) = orders(start, 1)
    other = CrearOrden.FromString(first)
    other.address = "elsewhere"
    stack.publish("crear-orden", [(order_id, first), (order_id, other.SerializeToString())])
    wait_until(lambda: stack.ended(start), 30, "the order has ended")
    wait_until(lambda: order_id in keys(stack.read("crear-orden-DLQ")), 30, "the other one is dead-lettered")
    (letter,) = (m for m in stack.read("crear-orden-DLQ") if m.partition_key() == order_id)
    assert letter.properties()[ERROR_TYPE] == "conflict"
    assert letter.data() == other.SerializeToString()
    assert stack.rows("ordenes", "SELECT address FROM ordenes WHERE id = %s", order_id) == [("Calle 0",)]


def test_a_transaction_without_its_order_is_retried_and_then_dead_lettered(stack: Tienda) -> None:
    late, never = new_prefix("t") + "late", new_prefix("t") + "never"
    for order_id in (late, never):
        early = TransaccionProcesada(order_id=order_id, status="aprobada")
        stack.publish("transaccion-creada", [(order_id, early.SerializeToString())])
    time.sleep(1)
    order = CrearOrden(id=late, client_id=1, address="Calle 1")
    stack.publish("crear-orden", [(late, order.SerializeToString())])
    wait_until(lambda: stack.ended(late), 30, "the late order has ended")
    wait_until(lambda: never in keys(stack.read("transaccion-creada-DLQ")), 60, "the other is dead-lettered")
    (letter,) = (m for m in stack.read("transaccion-creada-DLQ") if m.partition_key() == never)
    assert letter.properties()[ERROR_TYPE] == "early"
    assert int(letter.properties()[ATTEMPT]) > 1


def garbage(number: int) -> bytes:
    return (b"", b"\xff\xfe not protobuf", os.urandom(40) + b"\xff", b"\x0a\x05ab")[number % 4]


@pytest.mark.parametrize("topic", ["crear-orden", "orden-creada", "transaccion-creada", "orden-actualizada"])
def test_garbage_between_good_messages_harms_only_itself(stack: Tienda, topic: str) -> None:
    start = new_prefix("t")
    restarts = stack.restarts()
    before = len(stack.read(f"{topic}-DLQ"))
    good = list(orders(start, GARBAGE))
    if topic == "transaccion-creada":
        # Its good messages need orders that exist, and must say the same as Pagos.
        stack.publish("crear-orden", good)
        wait_until(lambda: stack.ended(start) == GARBAGE, 60, "the orders have ended")
        good = [
            (order_id, TransaccionProcesada(order_id=order_id, status=status).SerializeToString())
            for order_id, status in stack.statuses("pagos", start).items()
        ]
    elif topic == "orden-creada":
        # This way the messages that follow from them find their orders.
        stack.publish("crear-orden", good)
    elif topic == "orden-actualizada":
        good = [
            (order_id, OrdenActualizada(id=order_id, status="aprobada", version=2).SerializeToString())
            for order_id, _ in good
        ]
    mixed = [message for n, one in enumerate(good) for message in (one, (f"{start}bad{n}", garbage(n)))]
    stack.publish(topic, mixed)
    wait_until(lambda: len(stack.read(f"{topic}-DLQ")) - before >= GARBAGE, 60, "all garbage is dead-lettered", every=1)
    wait_until(lambda: stack.ended(start) == GARBAGE, 60, "all good ones have ended")
    letters = [m for m in stack.read(f"{topic}-DLQ") if m.partition_key().startswith(start)]
    bad = {key: payload for key, payload in mixed if key.startswith(f"{start}bad")}
    assert {m.partition_key(): m.data() for m in letters} == bad
    assert {m.properties()[ERROR_TYPE] for m in letters} == {"invalid"}
    assert stack.restarts() == restarts


@pytest.mark.parametrize(
    ("topic", "source"),
    [
        ("ordenes-reintento", "crear-orden"),
        ("pagos-reintento", "orden-creada"),
        ("reporting-reintento", "orden-actualizada"),
    ],
)
def test_garbage_between_good_retries_harms_only_itself(stack: Tienda, topic: str, source: str) -> None:
    start = new_prefix("t")
    restarts = stack.restarts()
    good = list(orders(start, GARBAGE))
    if topic == "pagos-reintento":
        stack.publish("crear-orden", good)
    elif topic == "reporting-reintento":
        good = [(key, OrdenActualizada(id=key, status="aprobada", version=2).SerializeToString()) for key, _ in good]
    bad = {f"{start}bad{n}": garbage(n) for n in range(GARBAGE)}
    for n in range(0, GARBAGE, 100):
        stack.publish(topic, good[n : n + 100], {SOURCE_TOPIC: stack.topic(source), ATTEMPT: "2"})
        stack.publish(topic, list(bad.items())[n : n + 100])
    wait_until(lambda: stack.ended(start) == GARBAGE, 60, "all good ones have ended")
    wait_until(lambda: dead_letters(stack, topic, start) == bad, 60, "all garbage is dead-lettered", every=1)
    assert stack.restarts() == restarts


@pytest.mark.parametrize("topic", ["generar-reporte", "reembolsar-transaccion"])
def test_a_flood_of_garbage_beside_orders_holds_none_of_them_up(stack: Tienda, topic: str) -> None:
    start = new_prefix("t")
    restarts = stack.restarts()
    bad = {f"{start}bad{n}": garbage(n) for n in range(GARBAGE)}
    stack.publish(topic, bad.items())
    stack.publish("crear-orden", orders(start, GARBAGE))
    wait_until(lambda: stack.ended(start) == GARBAGE, 60, "all orders have ended")
    wait_until(lambda: dead_letters(stack, topic, start) == bad, 60, "all garbage is dead-lettered", every=1)
    assert stack.restarts() == restarts


def dead_letters(stack: Tienda, topic: str, start: str) -> dict[str, bytes]:
    letters = stack.read(f"{topic}-DLQ")
    return {m.partition_key(): m.data() for m in letters if m.partition_key().startswith(start)}


def test_what_is_sent_to_an_input_that_is_not_served_yet_is_dead_lettered(stack: Tienda) -> None:
    key = new_prefix("t")
    stack.publish("reembolsar-transaccion", [(key, b"anything")])
    wait_until(lambda: key in keys(stack.read("reembolsar-transaccion-DLQ")), 30, "it is dead-lettered")


@pytest.mark.parametrize("shape", ["csv", "json"])
def test_a_report_lists_every_order_once(stack: Tienda, shape: str, tmp_path: Path) -> None:
    report = tmp_path / f"report.{shape}"
    done = alpes("report", "--format", shape, "--output", str(report), tienda=stack)
    assert done.returncode == 0, done.stdout + done.stderr
    text = report.read_text()
    if shape == "json":
        ids = [order["id"] for order in json.loads(text)["orders"]]
    else:
        ids = [line.split(",")[0] for line in text.split()[1:]]
    assert sorted(ids) == sorted(row[0] for row in stack.rows("reporting", "SELECT id FROM ordenes"))


def test_a_report_of_a_period_has_its_orders_alone_and_shows_times_in_its_zone(stack: Tienda) -> None:
    start, midnight = new_prefix("t"), datetime(2041, 1, 1, 6, tzinfo=UTC)  # midnight in Mexico City
    lots = {"first": 0, "last": 86_399_999, "next": 86_400_000}
    for name, after_ms in lots.items():
        created_at_ms = int(midnight.timestamp() * 1000) - 86_400_000 + after_ms
        order = CrearOrden(id=start + name, client_id=1, address="Calle 1", created_at_ms=created_at_ms, total_cents=1)
        stack.publish("crear-orden", [(order.id, order.SerializeToString())])
    wait_until(lambda: len(stack.statuses("reporting", start)) == len(lots), 30, "Reporting has the orders")
    day = ("--from", "2040-12-31", "--to", "2041-01-01", "--tz", "America/Mexico_City")
    done = alpes("report", *day, tienda=stack)
    assert done.returncode == 0, done.stderr
    times = {
        row["id"]: row["created_at"] for row in csv.DictReader(done.stdout.splitlines()) if row["id"].startswith(start)
    }
    assert times == {
        f"{start}first": "2040-12-31T00:00:00.000-06:00",
        f"{start}last": "2040-12-31T23:59:59.999-06:00",
    }
    assert done.stderr.endswith("times in America/Mexico_City.\n")
    by_change = alpes("report", *day, "--by", "updated", tienda=stack)
    assert (by_change.returncode, len(by_change.stdout.splitlines())) == (0, 1)


def test_an_unknown_report_format_is_refused_by_reporting_which_names_those_there_are(stack: Tienda) -> None:
    done = alpes("report", "--format", "parchment", tienda=stack)
    assert done.returncode == 1
    assert "csv, csv-excel, " in done.stdout + done.stderr


def test_another_kind_of_report_is_filtered_and_comes_whole(stack: Tienda) -> None:
    listed = alpes("report", "--formats", tienda=stack)
    assert (listed.returncode, "service-levels" in listed.stdout, "ndjson" in listed.stdout) == (0, True, True)
    shaped = ("--format", "ndjson", "--report", "by-status", "--filter", "status=aprobada")
    done = alpes("report", *shaped, tienda=stack)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    counted = "SELECT currency, count(*) FROM ordenes WHERE status = 'aprobada' GROUP BY currency"
    assert {row["currency"]: row["orders"] for row in rows} == dict(stack.rows("reporting", counted))
    refused = alpes("report", "--filter", "shop=1", tienda=stack)
    assert (refused.returncode, "there are: client_id, currency, status" in refused.stderr) == (1, True)


def test_a_report_request_that_is_garbage_is_dead_lettered(stack: Tienda) -> None:
    key = new_prefix("t")
    stack.publish("generar-reporte", [(key, GenerarReporte(report_id="../x", format="csv").SerializeToString())])
    wait_until(lambda: key in keys(stack.read("generar-reporte-DLQ")), 30, "it is dead-lettered")


def test_querystate_answers_with_the_bare_status_and_reporting_keeps_totals(stack: Tienda) -> None:
    start = new_prefix("t")
    stack.publish("crear-orden", orders(start, 3))
    wait_until(lambda: stack.ended(start) == 3, 30, "the orders have ended")
    expected = stack.statuses("ordenes", start)
    wait_until(lambda: {k: stack.state("ordenes", k) for k in expected} == expected, 30, "the state shows their status")
    order_id, status = next(iter(expected.items()))
    tenant, namespace = NAMESPACE.split("/")
    command = [stack.pulsar_admin, "functions", "querystate", "--tenant", tenant, "--namespace", namespace]
    answer = subprocess.run(
        [*command, "--name", "ordenes", "--key", order_id], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(answer.stdout)["stringValue"] == status
    counted = dict(stack.rows("reporting", "SELECT status, count(*)::text FROM ordenes GROUP BY status"))
    shown = "the totals show the orders"
    wait_until(lambda: {s: stack.state("reporting", f"total:{s}") for s in counted} == counted, 30, shown)


def test_show_tells_an_order_by_the_state_store_or_by_its_table(stack: Tienda, monkeypatch: pytest.MonkeyPatch) -> None:
    start = new_prefix("t")
    ((order_id, payload),) = orders(start, 1)
    stack.publish("crear-orden", [(order_id, payload)])
    wait_until(lambda: stack.state("ordenes", order_id) in ("aprobada", "rechazada"), 30, "the state shows it")
    monkeypatch.delenv("ALPES_ORDENES_DSN", raising=False)
    shown = alpes("show", order_id, tienda=stack)
    assert shown.returncode == 0
    assert str(stack.state("ordenes", order_id)) in shown.stdout
    assert alpes("show", start + "nobody", tienda=stack).returncode == 1

    monkeypatch.setenv("ALPES_ORDENES_DSN", stack.dsns["ordenes"])
    shown = alpes("show", start, "--json", tienda=stack)
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    sent = CrearOrden.FromString(payload)
    assert (told["order_id"], told["status"]) == (order_id, stack.state("ordenes", order_id))
    assert (told["total_cents"], told["client_id"], told["address"]) == (sent.total_cents, 0, "Calle 0")
    assert told["created_at_ms"] == sent.created_at_ms
    assert "Calle 0" in alpes("show", order_id, tienda=stack).stdout
    assert alpes("show", start + "nobody", tienda=stack).returncode == 1


def test_a_typed_consumer_reads_the_events_through_their_schema(stack: Tienda) -> None:
    # Read only what comes from now on: what other tests left there can end a process that reads with the library.
    reader = stack.client.create_reader(
        stack.topic("orden-actualizada"),
        pulsar.MessageId.latest,
        schema=pulsar.schema.ProtobufNativeSchema(OrdenActualizada),
    )
    start = new_prefix("t")
    stack.publish("crear-orden", orders(start, 1))
    event = reader.read_next(timeout_millis=10_000).value()
    reader.close()
    assert isinstance(event, OrdenActualizada)
    assert event.id.startswith(start)
