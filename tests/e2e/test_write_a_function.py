"""Deploys the function of docs/write-a-function.md as it stands there, and sends it orders."""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connection.admin import Admin
from schemas.tienda.topics import NAMESPACE
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from tests import checkouts
from tests.documented import DOCUMENT, documented_files
from tests.e2e.tienda import FUNCTIONS, Tienda, new_prefix, orders, wait_until
from tests.stack import deploy, uses_environment

FUNCTION = f"/admin/v3/functions/{NAMESPACE}/envios"
TOPICS = f"/admin/v2/persistent/{NAMESPACE}"
ORDERS = 500


@pytest.fixture
def envios(stack: Tienda, tmp_path: Path) -> Iterator[Tienda]:
    """Do what the document says, in a copy of the checkout and on the running system."""
    if uses_environment():
        pytest.skip("a worker that we did not start has no ALPES_ENVIOS_DSN")
    checkout = copy_of_checkout(tmp_path / "checkout")
    environment = {**stack.environment, "ALPES_VENV": sys.prefix}
    remove(stack)
    instances = [process.pid for function in FUNCTIONS for process in stack.processes(function)]
    try:
        deploy("up", environment=environment, checkout=checkout)
        assert [process.pid for function in FUNCTIONS for process in stack.processes(function)] == instances
        deploy("deploy", "envios", environment=environment, checkout=checkout)
        dsn = dsns(deploy("env", environment=environment, checkout=checkout))["ALPES_ENVIOS_DSN"]
        yield replace(stack, dsns={**stack.dsns, "envios": dsn})
    finally:
        remove(stack)


def copy_of_checkout(folder: Path) -> Path:
    """Copy the checkout, add the document's files, and the topic that it says to add."""
    checkouts.copy(folder)
    for name, text in documented_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    topics = folder / "deployment" / "topics.yaml"
    (added,) = re.findall(r"^ +(- \{name: envio-creado, .*\})$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    topics.write_text(topics.read_text(encoding="utf-8").replace("\ntopics:\n", f"\ntopics:\n  {added}\n"))
    return folder


def remove(stack: Tienda) -> None:
    for path in (FUNCTION, f"{TOPICS}/orden-actualizada/subscription/envios?force=true"):
        delete(stack, path)
    wait_until(lambda: not stack.processes("envios"), 30, "the instance has gone")
    delete(stack, f"{TOPICS}/envio-creado/partitions?force=true")


def dsns(exports: str) -> dict[str, str]:
    """Return what `./deploy.sh env` exports, by variable."""
    pairs = (shlex.split(line)[1].partition("=") for line in exports.splitlines())
    return {name: value for name, _, value in pairs}


def delete(stack: Tienda, path: str) -> None:
    Admin(stack.admin_url).delete(path)


def test_the_documented_function_ships_each_approved_order_once(envios: Tienda) -> None:
    start = new_prefix("envio-")
    envios.publish("crear-orden", orders(start, ORDERS))
    wait_until(lambda: envios.ended(start) == ORDERS, 60, "all orders have ended")
    approved = {order_id for order_id, status in envios.statuses("reporting", start).items() if status == "aprobada"}
    assert 0 < len(approved) < ORDERS
    wait_until(lambda: waiting(envios) == 0, 120, "Envios has read all")
    assert shipped(envios, start) == approved
    events = told(envios, start)
    assert {OrdenActualizada.FromString(event).id for event in events} == approved

    published = published_by(envios)
    envios.admin("POST", f"{TOPICS}/orden-actualizada/subscription/envios/resetcursor/0")
    wait_until(lambda: published_by(envios) >= 2 * published, 120, "all is told again")
    wait_until(lambda: waiting(envios) == 0, 120, "all is read again")
    assert shipped(envios, start) == approved
    assert set(told(envios, start)) == set(events), "the same events again, byte for byte"


def waiting(stack: Tienda) -> int:
    stats = stack.admin("GET", f"{TOPICS}/orden-actualizada/partitioned-stats")
    return int(stats["subscriptions"]["envios"]["msgBacklog"])


def published_by(stack: Tienda) -> int:
    return int(stack.admin("GET", f"{TOPICS}/envio-creado/partitioned-stats")["msgInCounter"])


def shipped(stack: Tienda, start: str) -> set[str]:
    rows = stack.rows("envios", "SELECT order_id FROM envios WHERE starts_with(order_id, %s)", start)
    return {row[0] for row in rows}


def told(stack: Tienda, start: str) -> list[bytes]:
    """Return the events about these orders."""
    return [message.data() for message in stack.read("envio-creado") if message.partition_key().startswith(start)]
