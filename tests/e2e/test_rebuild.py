"""The read model and the state store are damaged under load and rebuilt; then every row is right again."""

import json
import urllib.request
import uuid
from typing import Any

import psycopg
import pytest

from schemas.tienda.topics import NAMESPACE
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from tests.e2e.tienda import LAST, Tienda, alpes, flowing, new_prefix, note, orders, wait_until

LOAD = 3_000
LOOKED_AT = 5_000
"""How many orders' states are compared after the whole state was rebuilt."""
LOT = 200
INVENTED = "inventada"
"""A status that no reader takes."""
COLUMNS = (
    "id, client_id, status, total_cents, currency, version,"
    " (extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM updated_at) * 1000)::bigint"
)


def rebuild(stack: Tienda, *arguments: str, code: int = 0) -> dict[str, Any]:
    dsns = [f"--dsn={stack.dsns['ordenes' if arguments[0] == 'state' else 'reporting']}"]
    done = alpes("rebuild", *arguments, "--json", *dsns, tienda=stack)
    assert done.returncode == code, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def table(stack: Tienda, start: str) -> list[tuple[Any, ...]]:
    query = f"SELECT {COLUMNS} FROM ordenes WHERE id >= %s AND id < %s ORDER BY id"
    return stack.rows("reporting", query, start, start + LAST)


def told(stack: Tienda, start: str) -> list[tuple[Any, ...]]:
    """Fold the topic: return, for each order with this prefix, the highest version's change, without invented ones."""
    newest: dict[str, OrdenActualizada] = {}
    for message in stack.read("orden-actualizada"):
        if message.partition_key().startswith(start):
            event = OrdenActualizada.FromString(message.data())
            known = newest.get(event.id)
            if event.status != INVENTED and (known is None or known.version < event.version):
                newest[event.id] = event
    return [
        (e.id, e.client_id, e.status, e.total_cents, e.currency, e.version, e.created_at_ms, e.updated_at_ms)
        for _, e in sorted(newest.items())
    ]


def test_a_damaged_read_model_is_rebuilt_under_load_equal_to_the_row(stack: Tienda) -> None:
    start = new_prefix("r")
    stack.publish("crear-orden", orders(start, LOAD))
    stack.wait_ended(start, LOAD, 120)
    # The rebuild refuses what Reporting refuses.
    refused = OrdenActualizada(id=f"{start}000003", status=INVENTED, total_cents=1, version=99)
    stack.publish("orden-actualizada", [(refused.id, refused.SerializeToString())])
    stack.wait_idle()
    # Other tests made orders reach Reporting without the topic.
    rebuild(stack, "reporting", "--remove-unknown")
    with flowing(stack, f"{start}x", LOT) as lots:
        wait_until(lambda: stack.ended(f"{start}x"), 60, "orders flow")
        for damage in (
            "DELETE FROM ordenes WHERE id >= %(a)s AND id < %(b)s AND id LIKE '%%7'",
            "UPDATE ordenes SET status = 'expirada', version = 7 WHERE id >= %(a)s AND id < %(b)s AND id LIKE '%%5'",
            (
                "UPDATE ordenes SET total_cents = 1 + total_cents, client_id = -1"
                " WHERE id >= %(a)s AND id < %(b)s AND id LIKE '%%4'"
            ),
            (
                "INSERT INTO ordenes SELECT 'inventada-' || id, client_id, status, total_cents, currency, version,"
                " created_at, updated_at FROM ordenes WHERE id >= %(a)s AND id < %(b)s AND id LIKE '%%1'"
            ),
        ):
            execute(stack, damage, {"a": start, "b": f"{start}9"})
        looked = rebuild(stack, "reporting", "--remove-unknown", "--dry-run")
        tenth = LOAD // 10
        assert (looked["removed"], looked["corrected"]) == (tenth, 2 * tenth)
        # And changes that Reporting hasn't read yet.
        assert looked["added"] >= tenth
        assert stack.rows("reporting", "SELECT count(*) FROM ordenes WHERE id LIKE 'inventada-%%'") == [(tenth,)]
        done = rebuild(stack, "reporting", "--remove-unknown")
        assert (done["removed"], done["corrected"]) == (tenth, 2 * tenth)
        assert done["added"] >= tenth
        assert (done["left"], done["newer"], done["refused"]) == (0, 0, looked["refused"])
        assert done["refused"] >= 1
        ended = stack.ended(f"{start}x")
        wait_until(lambda: stack.ended(f"{start}x") > ended, 60, "orders flow on")
    stack.wait_ended(f"{start}x", LOT * len(lots), 120)
    stack.wait_idle()
    assert table(stack, start) == told(stack, start)
    assert stack.rows("reporting", "SELECT FROM ordenes WHERE id LIKE 'inventada-%%'") == []
    again = rebuild(stack, "reporting")
    assert (again["removed"], again["corrected"], again["added"]) == (0, 0, 0)
    assert stack.rows("reporting", "SELECT count(*) FROM ordenes") == [(again["orders"],)]
    note(
        f"rebuild reporting under load: {done['events']} events of {done['orders']} orders in {done['seconds']:.1f} s,"
        f" for {done['locked_seconds']:.2f} s of which Reporting waited"
    )


def execute(stack: Tienda, statement: str, params: dict[str, str]) -> None:
    with psycopg.connect(stack.dsns["reporting"], autocommit=True) as connection:
        assert connection.execute(statement.encode(), params).rowcount > 0


def test_a_row_that_no_event_tells_of_is_left_until_somebody_says_that_the_topic_is_whole(stack: Tienda) -> None:
    order_id = f"inventada-{new_prefix('r')}"
    columns = "id, client_id, status, total_cents, currency, version, created_at, updated_at"
    row = "%(a)s, 1, 'aprobada', 1, 'USD', 1, now(), now()"
    execute(stack, f"INSERT INTO ordenes ({columns}) VALUES ({row})", {"a": order_id})
    assert rebuild(stack, "reporting", code=1)["left"] == 1
    done = rebuild(stack, "reporting", "--remove-unknown")
    assert (done["removed"], done["left"]) == (1, 0)


def overwrite(stack: Tienda, function: str, key: str, value: str) -> None:
    """Put a value into the state store as `pulsar-admin functions putstate` does."""
    boundary = uuid.uuid4().hex
    state = json.dumps({"key": key, "stringValue": value})
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="state"\r\n'
        f"Content-Type: application/json\r\n\r\n{state}\r\n--{boundary}--\r\n"
    )
    request = urllib.request.Request(
        f"{stack.admin_url}/admin/v3/functions/{NAMESPACE}/{function}/state/{key}",
        data=body.encode(),
        method="POST",
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    with urllib.request.urlopen(request, timeout=30):
        pass


def test_a_damaged_state_store_is_rebuilt_under_load(stack: Tienda) -> None:
    start = new_prefix("r")
    stack.publish("crear-orden", orders(start, 300))
    stack.wait_ended(start, 300, 60)
    statuses = stack.statuses("ordenes", start)
    wait_until(stack.state_is_current, 60, "it has caught up")
    damaged = sorted(statuses)[::10]
    for order_id in damaged:
        overwrite(stack, "ordenes", order_id, "nonsense")
    overwrite(stack, "reporting", "total:aprobada", "-1")
    assert stack.state("ordenes", damaged[0]) == "nonsense"
    # Fewer than state_puts_per_second: with more, the store falls behind for as long as they come.
    with flowing(stack, f"{start}x", LOT // 10) as lots:
        done = rebuild(stack, "state")
    stack.wait_ended(f"{start}x", LOT // 10 * len(lots), 120)
    assert done["totals"]
    assert done["orders"] >= len(stack.rows("ordenes", "SELECT FROM ordenes WHERE id < %s", start + "000299" + LAST))
    assert stack.states("ordenes", damaged) == {order_id: statuses[order_id] for order_id in damaged}
    wait_until(stack.state_is_current, 90, "it is current")
    some = dict(stack.rows("ordenes", "SELECT id, status FROM ordenes ORDER BY random() LIMIT %s", LOOKED_AT))
    assert stack.states("ordenes", some) == some
    wait_until(lambda: stack.shown_totals(totals := stack.totals()) == totals, 90, "the totals are right")
    note(f"rebuild state under load: {done['orders']} orders and the totals in {done['seconds']:.1f} s")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["reporting", "--dsn", ""], 2, "ALPES_REPORTING_DSN is not set"),
        (["state", "--dsn", "postgresql://nobody:secret@127.0.0.1:1/none"], 2, "No database at ALPES_ORDENES_DSN"),
    ],
)
def test_what_cannot_be_rebuilt_is_said_in_a_line(stack: Tienda, arguments: list[str], code: int, says: str) -> None:
    done = alpes("rebuild", *arguments, tienda=stack)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "secret" not in done.stderr
