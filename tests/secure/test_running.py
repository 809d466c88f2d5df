"""The secured stack works as the plain one does, each part as a role of its own."""

import json
import re
import subprocess
import urllib.error
import urllib.request

import psutil
import pytest

from local_stack import api, broker
from local_stack.secured import secrets
from tests import stack
from tests.e2e.tienda import FUNCTIONS, ROOT
from tests.listening import beyond_loopback, is_served_by_zookeeper
from tests.secure.shop import Shop

ORDERS = 50


def test_a_client_sends_orders_and_gets_its_report(shop: Shop) -> None:
    sent = shop.alpes("client", "send", "--orders", str(ORDERS))
    assert sent.returncode == 0, sent.stderr
    report = shop.alpes("client", "report", "--format", "csv", "--output", "-")
    assert report.returncode == 0, report.stderr
    assert len(report.stdout.splitlines()) > ORDERS


def test_an_operator_finds_nothing_lost_and_sees_an_order(shop: Shop) -> None:
    reconciled = shop.alpes("operator", "reconcile", "--topics", "--json")
    assert reconciled.returncode == 0, reconciled.stdout + reconciled.stderr
    listed = shop.alpes("operator", "dlq", "list")
    assert (listed.returncode, "No dead letters wait" in listed.stdout + listed.stderr) == (0, True)
    report = shop.alpes("operator", "report", "--format", "csv", "--output", "-").stdout
    order = report.splitlines()[1].partition(",")[0]
    traced = shop.alpes("operator", "trace", order)
    assert traced.returncode == 0, traced.stdout + traced.stderr
    assert order in shop.alpes("operator", "show", order).stdout


def as_a_cluster(shop: Shop, role: str, command: str, *, with_databases: bool = True) -> str:
    """Run a command of `deploy.sh` on the stack, which by other addresses is a cluster; return what it said."""
    variables = {
        **shop.variables(role),
        "PULSAR_SERVICE_URL": shop.settings.service_url.replace("127.0.0.1", "localhost"),
        "PULSAR_ADMIN_URL": shop.settings.admin_url.replace("127.0.0.1", "localhost"),
        "PULSAR_ADMIN": str(shop.settings.pulsar_admin),
    }
    if not with_databases:
        variables = {name: value for name, value in variables.items() if not name.endswith("_DSN")}
    done = subprocess.run(
        [str(ROOT / "deploy.sh"), command], env=variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_deployer_needs_no_superuser_on_a_prepared_tenant(shop: Shop) -> None:
    assert "Unchanged" in as_a_cluster(shop, "deployer", "deploy")


def test_who_prepares_a_cluster_needs_no_database(shop: Shop) -> None:
    assert "Unchanged" in as_a_cluster(shop, "platform", "prepare", with_databases=False)


def test_status_and_preparing_again_change_nothing(shop: Shop) -> None:
    done = subprocess.run(
        [str(ROOT / "deploy.sh"), "prepare"],
        env=shop.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, "Unchanged" in done.stdout + done.stderr) == (0, True), done.stdout + done.stderr
    assert json.loads(stack.deploy("status", "--json", environment=shop.environment))["all_running"]


def test_each_function_connects_as_itself_and_none_as_the_worker(shop: Shop) -> None:
    """The broker notes the role and the library of each connection: the worker's is Java's, a function's is not."""
    log = "".join(path.read_text(errors="replace") for path in shop.settings.logs.glob("pulsar.log*"))
    connected = set(re.findall(r"connected with role=(\S+) using authMethod=token, clientVersion=([A-Za-z-]+)", log))
    for function in FUNCTIONS:
        assert {(function, "Pulsar-CPP-v"), (function, "alpes")} <= connected
    assert {library for role, library in connected if role in {secrets.BROKER, secrets.PLATFORM}} == {"Pulsar-Java-v"}


def test_the_http_api_asks_for_a_token(shop: Shop) -> None:
    def asked(token: str) -> int:
        request = urllib.request.Request(
            f"{shop.settings.api_url}/orders/none", headers={"Authorization": f"Bearer {token}"} if token else {}
        )
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert asked("") == asked("0" * 64) == 401
    assert asked(secrets.api_tokens(shop.settings).read_text().strip()) in {200, 404, 503}


def test_the_http_api_takes_an_order_with_its_own_role(shop: Shop) -> None:
    pid = api.find(shop.settings)
    assert pid is not None
    assert psutil.Process(pid).environ()["PULSAR_TOKEN_FILE"].endswith("/api")
    request = urllib.request.Request(
        f"{shop.settings.api_url}/orders",
        data=b'{"client_id": 7, "address": "Calle 93", "total_cents": 125000, "currency": "COP"}',
        headers={
            "Authorization": f"Bearer {secrets.api_tokens(shop.settings).read_text().strip()}",
            "Content-Type": "application/json",
            "Prefer": "wait=10",
        },
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        assert answer.status in {200, 201, 202}


def test_only_zookeeper_and_the_state_store_are_reachable_from_elsewhere(shop: Shop) -> None:
    ports = shop.settings.ports
    assert beyond_loopback(shop.settings) == {"java": {ports.zookeeper, ports.state}}
    assert not is_served_by_zookeeper(shop.settings)


@pytest.mark.parametrize("instance", ["ordenes", "pagos", "reporting"])
def test_no_token_stands_on_a_command_line(shop: Shop, instance: str) -> None:
    lines = [" ".join(command) for command in broker.function_processes(shop.settings).values()]
    (line,) = [each for each in lines if f'"name":"{instance}"' in each]
    assert "--client_auth_params file:/" in line.replace("'", "")
    assert "token:" not in line
