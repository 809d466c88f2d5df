"""One order's way on the real system: paid, sent twice, dead-lettered, paid back."""

import json
import time
from typing import Any

from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.e2e.tienda import Tienda, alpes, keys, new_prefix, note, orders, wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def trace(stack: Tienda, order_id: str, *options: str) -> tuple[int, dict[str, Any]]:
    dsns = [f"--{name}-dsn={dsn}" for name, dsn in stack.dsns.items()]
    done = alpes("trace", order_id, "--json", *dsns, *options, tienda=stack)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_an_orders_way_is_told_from_its_sending_to_its_end(stack: Tienda) -> None:
    start = new_prefix("t")
    order_id, payload = start + "a", b""
    order = CrearOrden(
        id=order_id,
        client_id=7,
        address="Calle 7",
        total_cents=1250,
        created_at_ms=time.time_ns() // 1_000_000,
        traceparent=f"00-{TRACE}-00f067aa0ba902b7-01",
    )
    payload = order.SerializeToString()
    order.address = "elsewhere"
    stack.publish("crear-orden", [*orders(start, 200), (order_id, payload), (order_id, payload)])
    stack.wait_ended(start, 201, 60)
    # Send another order under its id, and an event of another transaction.
    stack.publish("crear-orden", [(order_id, order.SerializeToString())])
    wait_until(lambda: order_id in keys(stack.read("crear-orden-DLQ")), 30, "the other one is dead-lettered")
    status = stack.statuses("ordenes", start)[order_id]
    wait_until(lambda: stack.state("ordenes", order_id) == status, 30, "the store shows it")

    began = time.monotonic()
    code, told = trace(stack, order_id)
    took = time.monotonic() - began
    assert code == 0
    assert (told["status"], told["state"], told["reporting"]) == (status, status, {"status": status, "version": 2})
    assert told["trace_id"] == TRACE
    hops = [(hop["place"], hop["what"]) for hop in told["hops"]]
    ordered = "ordered by client 7 for 'Calle 7', 12.50 USD"
    for hop in (
        ("client", "created, as the client says"),
        ("crear-orden", ordered),
        ("crear-orden", f"{ordered} (again, 2)"),
        ("table ordenes", "accepted, 12.50 USD"),
        ("orden-creada", "creada, 12.50 USD"),
        ("transaccion-creada", f"{status}, 12.50 USD"),
        ("orden-actualizada", f"{status}, version 2, 12.50 USD"),
        ("table ordenes of reporting", f"shows {status}, version 2, 12.50 USD, changed then"),
        ("crear-orden", "ordered by client 7 for 'elsewhere', 12.50 USD"),
    ):
        assert hop in hops, hops
    letter = next(what for place, what in hops if place == "crear-orden-DLQ")
    assert letter.startswith("dead letter, conflict: ")
    assert [hop["at_ms"] for hop in told["hops"]] == sorted(hop["at_ms"] for hop in told["hops"])
    assert {hop["trace_id"] for hop in told["hops"] if hop["message_id"]} <= {TRACE, ""}
    assert any(hop["place"] == "ordenes-reintento" and "timer" in hop["what"] for hop in told["hops"])
    everything = trace(stack, order_id, "--all")[1]
    assert everything["hops"] == told["hops"], "the span around the tables' times covers every hop"
    looked, whole = told["looked_at"]["messages"], everything["looked_at"]["messages"]
    note(f"trace: {took:.1f} s, looked at {looked} of {whole} messages")

    shown = alpes("trace", order_id, *(f"--{name}-dsn={dsn}" for name, dsn in stack.dsns.items()), tienda=stack)
    assert shown.returncode == 0
    assert f"order      {order_id}, {status}, version 2, 12.50 USD" in shown.stdout
    assert "(again, 2)" in shown.stdout


def test_what_was_never_accepted_is_found_where_it_came_in(stack: Tienda) -> None:
    order_id = f"{new_prefix('t')}refused"
    refused = CrearOrden(id=order_id, client_id=1, address="", total_cents=1)
    stack.publish("crear-orden", [("", refused.SerializeToString())])
    wait_until(
        lambda: any(order_id.encode() in m.data() for m in stack.read("crear-orden-DLQ")), 30, "it is dead-lettered"
    )
    code, told = trace(stack, order_id)
    assert code == 0
    assert told["status"] is None
    assert [hop["place"] for hop in told["hops"]] == ["crear-orden", "crear-orden-DLQ"]
    assert "address must have" in told["hops"][1]["what"]


def test_an_order_that_nobody_knows_is_said_to_be_unknown(stack: Tienda) -> None:
    order_id = f"{new_prefix('t')}unknown"
    early = TransaccionProcesada(order_id=f"{order_id}-not", status="aprobada")
    stack.publish("transaccion-creada", [(early.order_id, early.SerializeToString())])
    code, told = trace(stack, order_id)
    assert (code, told["hops"], told["looked_at"]["databases"]) == (1, [], ["ordenes", "pagos", "reporting"])
