"""A topic with every version of an event, read again from its start into an empty table, on the real system."""

from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.e2e.tienda import LAST, Tienda, configured, new_prefix, wait_until
from tests.unit.services.wire import seed_order

ORDERS = 200
TABLE = "SELECT * FROM ordenes WHERE id >= %s AND id < %s ORDER BY id"


def test_events_of_every_version_make_the_same_table_again(stack: Tienda) -> None:
    start = new_prefix("v")
    ids = [f"{start}{n:06d}" for n in range(ORDERS)]
    half = ORDERS // 2
    # The first clients' events, which Ordenes writes no more. Newer events of the same orders follow.
    stack.publish("orden-actualizada", ((each, seed_order(each, status="aprobada")) for each in ids[::2]))
    stack.wait_ended(start, ORDERS // 2, 60)
    with configured(stack, "ordenes", schema_version=1):
        stack.publish("crear-orden", ((each, seed_order(each)) for each in ids[:half]))
        stack.wait_idle()
    newest = (
        (each, CrearOrden(id=each, client_id=1, address="Calle 1", total_cents=5).SerializeToString())
        for each in ids[half:]
    )
    stack.publish("crear-orden", newest)
    stack.wait_ended(start, ORDERS, 60)
    stack.wait_idle()
    live = stack.rows("reporting", TABLE, start, start + LAST)
    stack.rows("reporting", "DELETE FROM ordenes WHERE id >= %s AND id < %s RETURNING id", start, start + LAST)
    stack.rewind("reporting")
    wait_until(lambda: stack.backlog() > 0, 30, "the topic is read again", every=0.05)
    stack.wait_idle(300)
    assert stack.rows("reporting", TABLE, start, start + LAST) == live
