"""What an operator does on a cluster: asks how it is while nodes are dead, uses a broker's address, looks for logs."""

import multiprocessing
import os
import signal
import time

import pytest

from connection.admin import Admin
from schemas.tienda import topics
from tests.cluster.conftest import Deployed
from tests.cluster.layout import HOST
from tests.cluster.trial import RATE
from tests.e2e.tienda import new_prefix, note, orders, wait_until
from tests.faults.ordeal import Ordeal, Size
from tests.stack import asked

STATUS_S = 25.0
"""Within this time `status` has answered, the start of its Python on a busy machine included."""
STATE_S = 240.0
"""Within this time after a bookie's death the store takes puts again. Others have its part after 10 s, and yet pass
requests on to the dead one for a while.
"""
BURNERS = 8
BURN_S = 60.0
MISSED = "Haven't received health check from spawner in a while"
"""What Pulsar's instance says before it ends itself."""


def test_all_brokers_put_a_topic_into_the_same_bundle(deployed: Deployed) -> None:
    cluster = deployed.cluster
    brokers = [Admin(f"http://{HOST}:{cluster.layout.port(broker)}") for broker in cluster.layout.brokers]
    found = set()
    for topic in topics.ALL:
        path = f"/lookup/v2/topic/persistent/{topics.NAMESPACE}/{topic}-partition-0/bundle"
        (bundle,) = {api.text(path) for api in brokers}
        found.add(bundle)
    assert len(found) > 1, "a broker that knows nothing of the namespace takes it for one bundle"


def test_a_dead_bookie_keeps_no_function_from_starting_and_the_view_goes_on(deployed: Deployed) -> None:
    cluster, tienda = deployed.cluster, deployed.tienda
    # The first of the addresses in stateStorageServiceUrl.
    cluster.kill("bookie1")
    try:
        for worker in cluster.layout.workers:
            for pid in cluster.instances(worker):
                os.kill(pid, signal.SIGKILL)
        started = wait_until(lambda: all(tienda.running(name) for name in tienda.dsns), 60, "every function runs again")
        prefix = new_prefix("bookie-")
        tienda.publish("crear-orden", orders(prefix, 200))
        tienda.wait_ended(prefix, 200, 60)
        seconds = wait_until(tienda.state_is_current, STATE_S, "the state store shows the orders")
        note(f"with a bookie dead, functions ran again {started:.0f} s after a kill, their view {seconds:.0f} s later")
    finally:
        cluster.start("bookie1")


@pytest.mark.parametrize("nodes", [("broker2",), ("worker2",)], ids=str)
def test_status_answers_within_seconds_while_a_node_is_dead(deployed: Deployed, nodes: tuple[str, ...]) -> None:
    cluster = deployed.cluster
    for node in nodes:
        cluster.kill(node, with_instances=True)
    try:
        slowest = 0.0
        for _ in range(3):
            started = time.monotonic()
            told = asked(deployed.tienda, "status")
            slowest = max(slowest, time.monotonic() - started)
            assert all(name in told.stdout for name in deployed.tienda.dsns), told.stdout + told.stderr
        note(f"./deploy.sh status with {' and '.join(nodes)} dead: {slowest:.1f} s at most")
        assert slowest < STATUS_S
    finally:
        for node in nodes:
            cluster.start(node)
    wait_until(lambda: asked(deployed.tienda, "status").returncode == 0, 120, "all is well again", every=2)


def test_the_address_of_a_broker_without_a_function_worker_will_do(deployed: Deployed) -> None:
    broker = f"http://127.0.0.1:{deployed.cluster.layout.port('broker1')}"
    told = asked(deployed.tienda, "status", PULSAR_ADMIN_URL=broker)
    assert told.returncode == 0, told.stdout + told.stderr
    told = asked(deployed.tienda, "scale", "pagos", "2", seconds=300, PULSAR_ADMIN_URL=broker)
    assert told.returncode == 0, told.stdout + told.stderr
    told = asked(deployed.tienda, "scale", "pagos", "1", seconds=300, PULSAR_ADMIN_URL=broker)
    assert told.returncode == 0, told.stdout + told.stderr


def test_logs_names_the_worker_that_has_them(deployed: Deployed) -> None:
    told = asked(deployed.tienda, "logs", "pagos")
    (worker,) = (
        name for name in deployed.cluster.layout.workers if "pagos" in deployed.cluster.instances(name).values()
    )
    assert f"functions/alpes/tienda/pagos/pagos-0.log in logDirectory of {worker} (127.0.0.1)" in told.stderr


def test_no_healthy_instance_ends_itself_on_an_overloaded_machine(deployed: Deployed) -> None:
    cluster, tienda = deployed.cluster, deployed.tienda
    before = {pid for worker in cluster.layout.workers for pid in cluster.instances(worker)}
    with Ordeal(tienda, "overload", size=Size(2_000, RATE / 2), with_state=False) as ordeal:
        burners = [multiprocessing.Process(target=_burn, args=(BURN_S,)) for _ in range(BURNERS)]
        for burner in burners:
            burner.start()
        for burner in burners:
            burner.join()
        wait_until(ordeal.probe.is_normal, 180, "the flow is normal again")
    logs = [log for worker in cluster.layout.workers for log in cluster.layout.function_logs(worker).rglob("*.log")]
    missed = sum(log.read_text(errors="replace").count(MISSED) for log in logs)
    left = before & {pid for worker in cluster.layout.workers for pid in cluster.instances(worker)}
    note(f"{BURNERS} busy processes for {BURN_S:.0f} s: {len(before) - len(left)} of {len(before)} instances ended")
    assert left == before, f"{missed} instances missed their health checks"


def _burn(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
