"""Deploys the function of docs/write-a-function.md as it stands there, and sends it orders."""

import subprocess
import urllib.error
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from deployment import function_configs, packages
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from tests.documented import write_tree
from tests.e2e.tienda import Tienda, orders, wait_until

FUNCTION = "/admin/v3/functions/alpes/tienda/envios"
TOPICS = "/admin/v2/persistent/alpes/tienda"
ORDERS = 500


@pytest.fixture
def envios(stack: Tienda, tmp_path: Path) -> Iterator[Tienda]:
    tree = write_tree(tmp_path)
    path = tree / "function-configs" / "envios.yaml"
    values = yaml.safe_load(path.read_text())
    # A running worker's environment can't be added to: the function borrows the database of a variable that is there.
    values["userConfig"]["dsn_env"] = "ALPES_REPORTING_DSN"
    path.write_text(yaml.safe_dump(values))
    config = function_configs.load(path.parent)["envios"]
    package = packages.build(config, tree / "build", tree)
    migration = (tree / "functions/envios/sql/migrations/0001_envios.sql").read_text()
    remove(stack)
    with psycopg.connect(stack.dsns["reporting"], autocommit=True) as connection:
        connection.execute(migration.encode())
    stack.admin("PUT", f"{TOPICS}/envio-creado/partitions", 1)
    try:
        create = ["functions", "create", "--function-config-file", str(path), "--py", str(package)]
        done = subprocess.run([stack.pulsar_admin, *create], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        wait_until(lambda: stack.running("envios"), 120, "the function runs")
        yield stack
    finally:
        remove(stack)


def remove(stack: Tienda) -> None:
    for path in (FUNCTION, f"{TOPICS}/orden-actualizada/subscription/envios?force=true"):
        delete(stack, path)
    wait_until(lambda: not stack.processes("envios"), 30, "the instance has gone")
    delete(stack, f"{TOPICS}/envio-creado/partitions?force=true")
    with psycopg.connect(stack.dsns["reporting"], autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS envios")


def delete(stack: Tienda, path: str) -> None:
    try:
        stack.admin("DELETE", path)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise


def test_the_documented_function_ships_each_approved_order_once(envios: Tienda) -> None:
    start = f"envio-{uuid.uuid4().hex[:8]}-"
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
    rows = stack.rows("reporting", "SELECT order_id FROM envios WHERE starts_with(order_id, %s)", start)
    return {row[0] for row in rows}


def told(stack: Tienda, start: str) -> list[bytes]:
    """Return the events about these orders."""
    return [message.data() for message in stack.read("envio-creado") if message.partition_key().startswith(start)]
