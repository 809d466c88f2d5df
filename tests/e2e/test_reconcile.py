"""`alpes reconcile` on the real system finds nothing while all is well, also under load, and finds what was planted."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tienda import Tienda, alpes, flowing, new_prefix, note, orders, stopped, wait_until

pytestmark = pytest.mark.usefixtures("databases")

LOAD = 2_000
LOT = 200
EVERY = 1_000_000
"""How many examples are shown: all, so that a test can tell its own from those of other tests."""


def reconcile(stack: Tienda, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = alpes("reconcile", "--json", "--limit", str(EVERY), *arguments, tienda=stack)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def said_of(account: dict[str, Any], start: str) -> dict[str, tuple[str, str]]:
    """Return, by id, the verdict and reason of each lost or differing order with this prefix."""
    return {e["id"]: (e["verdict"], e["why"]) for e in account["examples"] if e["id"].startswith(start)}


def make_unseen(stack: Tienda, order_id: str) -> None:
    """Delete an order from Reporting's table."""
    stack.rows("reporting", "DELETE FROM ordenes WHERE id = %s RETURNING id", order_id)


def make_vanish(stack: Tienda, order_id: str) -> None:
    """Delete an order from the tables of all three services."""
    make_unseen(stack, order_id)
    stack.rows("pagos", "DELETE FROM transacciones WHERE order_id = %s RETURNING order_id", order_id)
    stack.rows("ordenes", "DELETE FROM ordenes WHERE id = %s RETURNING id", order_id)


def test_nothing_is_said_of_orders_under_way(stack: Tienda) -> None:
    """It runs again and again while orders flow, and each time some orders are between the services."""
    start = new_prefix("r")
    looks = []
    with flowing(stack, start, LOT) as lots:
        for options in ((), ("--topics",), ("--grace", "5")):
            _code, account = reconcile(stack, *options)
            assert said_of(account, start) == {}
            assert account["not_judged"]["orders"] == 0
            looks.append(account)
    assert looks[0]["accepted"] < looks[-1]["accepted"], "orders came in meanwhile"
    stack.wait_ended(start, LOT * len(lots), 120)
    note(
        f"reconcile under load: {looks[-1]['accepted']} orders in {looks[0]['seconds']:.1f} s, with the topic of"
        f" {looks[1]['commands']} commands in {looks[1]['seconds']:.1f} s; none of {LOT * len(lots)} under way accused"
    )


def test_what_was_planted_is_named_while_other_orders_flow(stack: Tienda) -> None:
    """The topics that would carry the lost orders are never empty, so it must know whose messages wait in them."""
    start, others = new_prefix("r"), new_prefix("r")
    stack.publish("crear-orden", orders(start, 10))
    stack.wait_ended(start, 10, 60)
    stack.wait_idle()
    unseen, vanished = (f"{start}{n:06d}" for n in range(2))
    with flowing(stack, others, LOT) as lots:
        wait_until(lambda: stack.ended(others) > 0, 60, "orders flow")
        make_unseen(stack, unseen)
        make_vanish(stack, vanished)
        sent = len(lots)
        code, account = reconcile(stack, "--topics", "--grace", "1")
        assert len(lots) > sent, "orders flowed all the while"
    assert code == 1
    assert said_of(account, start) == {
        unseen: ("lost", "waits to be seen by Reporting"),
        vanished: ("lost", "accepted, not in Ordenes yet"),
    }
    assert said_of(account, others) == {}
    assert account["not_judged"]["orders"] == 0
    stack.wait_ended(others, LOT * len(lots), 120)

    stack.publish("crear-orden", [order for order in orders(start, 10) if order[0] in (unseen, vanished)])
    stack.wait_ended(start, 10, 60)
    stack.wait_idle()
    assert said_of(reconcile(stack, "--topics")[1], start) == {}


def test_what_waits_for_a_stopped_function_is_in_flight(stack: Tienda) -> None:
    start = new_prefix("r")
    before = reconcile(stack)[1]["in_flight"].get("waits for its payment", 0)
    with stopped(stack, "pagos"):
        stack.publish("crear-orden", orders(start, LOAD))
        wait_until(lambda: len(stack.statuses("ordenes", start)) == LOAD, 60, "the orders are stored")
        _code, account = reconcile(stack)
        assert said_of(account, start) == {}
        assert account["in_flight"]["waits for its payment"] == before + LOAD
    stack.wait_ended(start, LOAD, 120)


@pytest.mark.core
def test_what_was_planted_is_named_and_what_was_mended_no_more(stack: Tienda, tmp_path: Path) -> None:
    start = new_prefix("r")
    stack.publish("crear-orden", orders(start, 10))
    stack.wait_ended(start, 10, 60)
    unseen, dearer, unpaid, vanished = (f"{start}{n:06d}" for n in range(4))
    make_unseen(stack, unseen)
    raise_total = "UPDATE ordenes SET total_cents = total_cents + %s WHERE id = %s RETURNING id"
    stack.rows("ordenes", raise_total, 1, dearer)
    query = "DELETE FROM transacciones WHERE order_id = %s RETURNING status"
    ((was,),) = stack.rows("pagos", query, unpaid)
    make_vanish(stack, vanished)
    stack.wait_idle()

    written = tmp_path / "open.csv"
    code, account = reconcile(stack, "--topics", "--grace", "1", "--output", str(written))
    assert code == 1
    assert not account["holds"]
    refused = "approved, though Pagos has charged nothing" if was == "aprobada" else "refused, though Pagos has no"
    found = said_of(account, start)
    assert found.pop(unpaid)[1].startswith(refused)
    assert found == {
        unseen: ("lost", "waits to be seen by Reporting"),
        dearer: ("differs", "Ordenes and Pagos have different amounts"),
        vanished: ("lost", "accepted, not in Ordenes yet"),
    }
    with written.open(newline="") as file:
        assert {unseen, dearer, unpaid, vanished} <= {row["id"] for row in csv.DictReader(file)}
    assert vanished not in said_of(reconcile(stack, "--grace", "1")[1], start), "only the topic shows it"

    # The topics deliver again what each service lacks, as an operator would make them.
    stack.rows("ordenes", raise_total, -1, dearer)
    stack.publish("crear-orden", [order for order in orders(start, 10) if order[0] in (unseen, vanished)])
    created = next(m for m in stack.read("orden-creada") if m.partition_key() == unpaid)
    stack.publish("orden-creada", [(unpaid, created.data())])
    wait_until(lambda: unpaid in stack.statuses("pagos", start), 60, "it is decided again")
    stack.wait_ended(start, 10, 60)
    stack.wait_idle()
    assert said_of(reconcile(stack, "--topics")[1], start) == {}


def test_without_its_databases_it_says_which_it_needs(stack: Tienda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALPES_PAGOS_DSN")
    done = alpes("reconcile", tienda=stack)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "ALPES_PAGOS_DSN" in done.stderr
